"""The docker's rows: jobs under way in any document, and ended ones as long as their frames are of use."""

from __future__ import annotations

from .. import host
from .connection import Connection, Link
from .document_model import passed_over
from .documents import Documents
from .earlier import Entry
from .insertion import Insertion
from .jobs import Job
from .properties import Observable, Property
from .words import tr

#: Ended jobs of one document that keep a row; the oldest gives way.
MAX_ENDED = 6


class JobRows(Observable):
    """``jobs``: the latest last. ``viewed``: the id of the document in view, "" for none.

    An ended job is folded to one line when the next one starts; it is then shown with its document only.
    """

    jobs = Property(())
    viewed = Property("")

    def __init__(self, documents: Documents, connection: Connection) -> None:
        self._documents, self._connection = documents, connection
        self._insertions: dict[str, Insertion] = {}
        connection.observe(self._await_server, "link")
        connection.observe(self._follow_link, "link")
        self._entries: dict[str, Entry] = {}
        self.pen = host.PenWatch()
        host.RedoWatch.learn()

    def insertion(self, job: Job) -> Insertion:
        """The way of the job's frames into its document."""
        return self._insertions[job.id]

    def add(self, job: Job, insertion: Insertion) -> None:
        """A job has begun, or is followed again; those that have ended are folded."""
        for ended in [known for known in self.jobs if known.has_ended]:
            self.fold(ended)
        self._insertions[job.id] = insertion
        self.jobs = (*self.jobs, job)
        self._await_server()
        self.name_documents()
        self._limit(job.document_id)

    def _await_server(self) -> None:
        for job in self.jobs:
            job.await_server(self._connection.link is Link.STARTING)

    def move(self, job: Job, document: host.Document, insertion: Insertion) -> None:
        """A job goes on in ``document``: that in which it began has been closed."""
        self._insertions[job.id].close()
        self._insertions[job.id] = insertion
        job.document_id, job.is_homeless, job.note = document.id, False, ""
        job.inserted, job.undone = (), set()
        job.left_out = passed_over(insertion.record, job.layers)
        self.name_documents()
        self.notify("jobs")  # which document it is of decides where it stands

    def add_earlier(self, job: Job, insertion: Insertion) -> None:
        """A job of an earlier session, which the document still has the frames of."""
        self._insertions[job.id] = insertion
        self.jobs = (job, *self.jobs)

    def _limit(self, document: str) -> None:
        ended = [job for job in self.jobs if job.has_ended and job.document_id == document]
        for job in ended[:-MAX_ENDED]:
            insertion = self._insertions[job.id]
            if not insertion.pending and not insertion.is_animating:
                self.dismiss(job)

    def fold(self, job: Job) -> None:
        """Show an ended job in one line. Not while frames wait, or wait to become an animation."""
        insertion = self._insertions[job.id]
        if not insertion.pending and not insertion.is_animating:
            job.is_folded = True
            insertion.rest()

    def unfold(self, job: Job) -> None:
        """Show all of an ended job, and the frames that the document has of it now."""
        self._insertions[job.id].reopen()
        job.is_folded = False

    def dismiss(self, job: Job) -> None:
        """Show an ended job no longer; its layers stay. Not while frames wait, or wait to become an
        animation: its note then says so, and the animation is given up."""
        insertion = self._insertions[job.id]
        if insertion.pending and not insertion.is_homeless:
            job.note = tr("Frames wait until you have finished what you are doing on the canvas.")
            return
        if insertion.is_animating and not insertion.is_homeless:
            insertion.leave_layers()
            return
        insertion.close()
        if job.left_out and not insertion.is_homeless:
            self._documents.drop(job.id)
        # The row first: whoever looks at the jobs in between finds the insertion of each.
        self.jobs = tuple(known for known in self.jobs if known is not job)
        self._insertions.pop(job.id, None)
        self._entries.pop(job.id, None)
        if not self.jobs:
            self.pen.stop()

    def name_documents(self) -> None:
        """Let each job tell its document's name, if more than one is open or that one has been closed."""
        documents = {document.id: document for document in host.open_documents()}
        for job in self.jobs:
            document = documents.get(job.document_id)
            if document is not None:
                self._entries[job.id] = Entry.of(job, document)
            is_plain = document is not None and len(documents) == 1
            known = self._entries.get(job.id)
            job.document_name = "" if is_plain or known is None else known.name

    def ask_again(self, anew: bool = False) -> None:
        """Ask once more for frames that did not come, where that is due; ``anew``: for all of them."""
        for insertion in list(self._insertions.values()):
            insertion.ask_again(anew)

    def _follow_link(self) -> None:
        link = self._connection.link
        if link in (Link.LOST, Link.FAILED):
            for insertion in list(self._insertions.values()):
                insertion.interrupt()
        # Lost for a moment only, it is there again at once.
        if link in (Link.LOST, Link.CONNECTED):
            self.ask_again(anew=link is Link.CONNECTED)

    def entry(self, job: Job) -> Entry:
        """What is remembered of it when its document is closed, or Krita."""
        entry = self._entries.get(job.id) or Entry(job.id, job.title)
        return entry._replace(record=self._insertions[job.id].record.anew().to_json())

    def is_homeless(self, job: Job) -> bool:
        """Whether its document has been closed, or it has been dismissed meanwhile.

        Krita tells of a document that closes while it is asked for others.
        """
        insertion = self._insertions.get(job.id)
        return insertion is None or insertion.is_homeless

    @property
    def latest(self) -> tuple[Job, Insertion] | None:
        """Of the jobs of the document in view, the latest that paints. One that recolours follows nothing."""
        here = (job for job in reversed(self.jobs) if job.styles and job.document_id == self.viewed)
        job = next(here, None)
        return None if job is None else (job, self._insertions[job.id])

    @property
    def unfinished(self) -> tuple[Job, ...]:
        """Jobs that go on when Krita ends."""
        return tuple(job for job in self.jobs if not job.has_ended and job.wanted != "cancel")

    @property
    def open_ended(self) -> list[Entry]:
        """Those of which more may be had in a later session."""
        return [
            self.entry(job)
            for job in self.jobs
            if job.wanted != "cancel"
            and (not job.has_ended or (job.owes_frames and not job.is_folded) or self.insertion(job).pending)
        ]

    def close(self) -> None:
        """Krita quits."""
        self.pen.stop()
        for insertion in self._insertions.values():
            insertion.close()
