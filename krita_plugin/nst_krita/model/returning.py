"""Jobs whose document was closed, or Krita: where their frames can be had, and taking them up again."""

from __future__ import annotations

from typing import Any, Callable

from .. import host
from ..backend.network import Network
from ..settings import Settings
from .document_model import ended_again, job_again, painters_layers
from .documents import Documents, Offer
from .earlier import Earlier, Entry, misfit
from .history import History, JobRecord
from .insertion import Insertion
from .job_rows import MAX_ENDED, JobRows
from .jobs import Job, JobState
from .titles import styles_in, title_of
from .unsaved import Unsaved
from .words import tr


class Returning:
    """``earlier``: the jobs that no document remembers.

    ``insertion``: makes the way of a job's frames into a document, above a layer; ``say``: tells the painter
    what went wrong, or otherwise than he may expect.
    """

    def __init__(
        self,
        settings: Settings,
        documents: Documents,
        rows: JobRows,
        network: Network,
        insertion: Callable[[Job, Any, host.Layer, JobRecord], Insertion],
        say: Callable[[str], None],
    ) -> None:
        self._documents, self._rows, self._network = documents, rows, network
        self._insertion, self._say = insertion, say
        self.earlier = Earlier(settings, documents)
        self._rescued: set[str] = set()
        self._unsaved = Unsaved(rows, self._rescue)

    def take(self, offer: Offer, layers: str) -> None:
        """Bring the frames of the job that is offered into the document in view.

        ``layers``: what is to become of them where that is not known of the job any more.
        """
        document: Any = host.current()
        history = self._documents.history(document)
        record = history.jobs.get(offer.job)
        problem = misfit(offer, document) if record is None else ""
        record = record or self.earlier.record(offer.job, layers)
        if record is None or problem:
            self._say(problem)
            return
        try:
            above, words = _place(record, document, history)
            host.must_have_colour(document.colours)
        except host.HostError as error:
            self._say(str(error))
            return
        self._say(words)
        is_new = record.id not in history.jobs
        if is_new and not words and record.source not in ("", above.id):
            # The only layer there is, whatever it was called before the file was saved without layers.
            record.title = title_of(styles_in(record.title), above.name)
        self._bring(record, document, above)

    def take_up(self, document: Any) -> None:
        """Go on in ``document`` with the jobs that have been begun in it and still run: it was closed, and
        has been opened again."""
        for job in self._rows.unfinished:
            record = self._record_in(document, job) if self._rows.is_homeless(job) else None
            layers = {layer.id: layer for layer in document.layers()} if record is not None else {}
            if record is not None and record.source in layers:
                self._bring(record, document, layers[record.source])

    def _record_in(self, document: Any, job: Job) -> JobRecord | None:
        """What ``document`` remembers of the job, or would if it had been saved since; None if it is another
        document's."""
        remembered: JobRecord | None = self._documents.history(document).jobs.get(job.id)
        if remembered is not None:
            return remembered if remembered.is_open else None
        file = self._rows.entry(job).file
        return self._rows.insertion(job).record.anew() if file and file == document.file else None

    def _bring(self, record: JobRecord, document: Any, above: host.Layer) -> None:
        if record.id not in self._documents.history(document).jobs:
            record.source = above.id
        job = next((known for known in self._rows.jobs if known.id == record.id), None)
        if job is not None and job.has_ended:
            self._rows.dismiss(job)
            if job in self._rows.jobs:  # its frames wait, and its note says so
                return
            job = None
        is_sending = job is not None and job.state is JobState.SENDING
        self._documents.add(document, record)
        if job is not None:
            self._rows.move(job, document, self._insertion(job, document, above, record))
        else:
            job = job_again(record, document)
            self._rows.add(job, self._insertion(job, document, above, record))
        if record.frames:
            self._rows.insertion(job).reopen()
        if not is_sending:  # the server does not know it yet, and its frames will come
            self._network.attach(record.id, after=max(record.seen, default=0))
        self.earlier.forget(record.id)

    def recall(self, document: Any) -> None:
        """Have rows for the jobs that a document was saved with, whose frames it still has."""
        records = [record for record in self._documents.history(document).jobs.values() if not record.is_open]
        layers = {layer.id: layer for layer in document.layers()} if records else {}
        here = [record for record in records if record.group in layers][-MAX_ENDED:]
        for record in reversed(here):
            if any(job.id == record.id for job in self._rows.jobs):
                continue  # Krita has run its event loop meanwhile, and it has a row already
            above = layers.get(record.source, layers[record.group])
            job = ended_again(record, document)
            self._rows.add_earlier(job, self._insertion(job, document, above, record))

    def retire(self) -> None:
        """See which jobs have lost their document: their frames are offered elsewhere. The row of one that
        still runs stays, to hold and to end it."""
        for job in self._rows.jobs:
            if not self._rows.is_homeless(job) or job not in self._rows.jobs:
                continue
            entry = self._rows.entry(job)
            if job.has_ended:
                self._rows.insertion(job).close()  # what waited is left out
            is_wanted = job.owes_frames if job.has_ended else job.wanted != "cancel"
            if not is_wanted and job.id not in self._rescued:
                self.earlier.forget(job.id)
            elif not job.is_homeless:
                self.earlier.add(entry)
            job.is_homeless = True
            if job.has_ended:
                self._rows.dismiss(job)
        self.remember()

    def _rescue(self, entry: Entry) -> None:
        self._rescued.add(entry.job)
        self.earlier.add(entry)

    def remember(self, is_quitting: bool = False) -> None:
        """Write down the jobs that can be had in a later session: while Krita may crash, those as well whose
        frames are in its memory alone. Whoever quits has been asked whether to save them, but not where a
        file without layers counts as saved."""
        self._unsaved.look()
        unsaved = self._unsaved.ended(only_flat=is_quitting)
        self.earlier.keep([*unsaved, *self._rows.open_ended])

    def saved(self, file: str) -> None:
        """Krita has saved a document as ``file``."""
        self._rows.name_documents()
        self._unsaved.saved(file)
        self.remember()


def _place(record: JobRecord, document: Any, history: History) -> tuple[host.Layer, str]:
    """The layer that the job's frames go above, and words where that is not the one it paints.

    Raises HostError.
    """
    layers = {layer.id: layer for layer in document.layers()}
    if record.source in layers:
        return layers[record.source], ""
    active = document.source()
    if not record.source or record.group in layers:  # of an earlier version; or they have their place already
        return active, ""
    others = painters_layers(layers.values(), history)
    if len(others) == 1:  # there is no other place; and in a file without layers it has another id each time
        return others[0], ""
    words = tr("The layer that was painted is not here: its frames lie above “{}”, the active one.")
    return active, words.format(active.name)
