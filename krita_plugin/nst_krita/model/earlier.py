"""Jobs whose frames are still to be had: of an earlier session, or of a document that was closed."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, NamedTuple

from .. import host
from ..qt import is_file, local_time
from ..settings import Settings
from ..translation import tr_n
from .document_model import painters_layers
from .documents import Documents, Offer, bring_hint, is_unfinished, unfinished_words
from .history import History, JobRecord, record_from
from .jobs import Job
from .properties import Observable, Property
from .titles import styles_in, title_of, translated
from .words import tr

#: Jobs that are offered again in a later session: more than a painter has under way at a time.
MAX_EARLIER = 20


class Entry(NamedTuple):
    """A job, and of the document that it paints in: its file ("" where it has none), name, and size in px.

    ``record``: what a document would remember of it, as JSON; earlier versions wrote none.
    """

    job: str
    title: str
    file: str = ""
    name: str = ""
    width: int = 0
    height: int = 0
    record: Mapping[str, Any] = {}

    @classmethod
    def of(cls, job: Job, document: host.Document) -> Entry:
        """That job, in that document as it is now."""
        return cls(job.id, job.title, document.file, document.name, *document.size)


class Earlier(Observable):
    """``offers``: of these jobs, the latest first, those aside that the document in view offers itself.

    A job is offered in its own document only, as long as there is its file; then in any.
    """

    offers = Property(())

    def __init__(self, settings: Settings, documents: Documents) -> None:
        self._settings, self._documents = settings, documents
        self._entries = self._written()
        self._found = {entry.job for entry in self._entries}
        self._met = set(self._found)
        self._viewed = ""  # the file of the document in view
        self._layers: set[str] = set()  # the ids of its layers, where it has an entry's file
        self._own: list[str] = []  # the names of those that are the painter's
        documents.observe(self._show, "offers", "kept")

    def record(self, job: str, layers: str) -> JobRecord | None:
        """What is known of that job; None if it is none of them. ``layers``: what is to become of its frames
        where that was not written down."""
        entry = next((known for known in self._entries if known.job == job), None)
        if entry is None:
            return None
        title = translated(entry.title)
        return record_from(entry.record) or JobRecord(job, title, styles_in(title), layers, "", {})

    def look(self, document: host.Document) -> None:
        """The painter looks at ``document``."""
        self._viewed = document.file
        # Written down for a crash, but the document was saved with all of its frames before that.
        history = self._documents.history(document) if document else History()
        jobs = history.jobs
        self._entries = tuple(e for e in self._entries if e.job not in jobs or jobs[e.job].is_open)
        is_known = any(entry.file == document.file for entry in self._entries)
        layers = document.layers() if document.file and is_known else []
        self._layers = {layer.id for layer in layers}
        self._own = [layer.name for layer in painters_layers(layers, history)]
        self._show()

    def add(self, entry: Entry) -> None:
        """Offer that job."""
        self._entries = (*(known for known in self._entries if known.job != entry.job), entry)
        self._show()

    def forget(self, job: str) -> None:
        """Offer that job no longer; the server deletes it when it is old."""
        self._entries = tuple(entry for entry in self._entries if entry.job != job)
        self._show()

    def keep(self, unfinished: Iterable[Entry]) -> None:
        """Write them down for a later session, with those that are not finished yet and another Krita's."""
        written = self._written()
        # What was found in the file and is not there any more another Krita has had meanwhile.
        had = self._found - {entry.job for entry in written}
        own = [*(entry for entry in self._entries if entry.job not in had), *unfinished]
        self._met.update(entry.job for entry in own)
        others = [entry for entry in written if entry.job not in self._met]
        entries = {entry.job: entry for entry in (*others, *own)}
        self._settings.set("jobs", [list(entry) for entry in entries.values()][-MAX_EARLIER:])

    def _written(self) -> tuple[Entry, ...]:
        return tuple(filter(None, map(_entry, self._settings.get("jobs", list))))

    def _show(self) -> None:
        offered = {offer.job for offer in self._documents.offers}
        known = (entry for entry in self._entries if not self._documents.is_dropped(entry.job))
        wanted = (entry for entry in known if entry.job not in offered)
        self.offers = tuple(filter(None, map(self._offer, reversed(list(wanted)))))

    def _offer(self, entry: Entry) -> Offer | None:
        is_here = bool(entry.file) and entry.file == self._viewed
        title = self._title_here(entry) if is_here else translated(entry.title)
        if entry.file and not is_here and is_file(entry.file):
            return None
        if is_here or not entry.name:
            size, words = (0, 0), tr("Earlier: {}").format(title)
        else:
            size = entry.width, entry.height
            words = tr("Earlier, in {} ({} × {} px): {}").format(entry.name, *size, title)
        words = " · ".join([words, *self._more_of(entry)])
        unfinished = is_unfinished(self._documents.state(entry.job))
        return Offer(entry.job, words, tr("Fetch"), bring_hint(), title, size, unfinished)

    def _title_here(self, entry: Entry) -> str:
        """Its title in the document in view. In a file without layers there may be none of the name that the
        layer had which is painted, or gone on from; then it is that of the only one."""
        title, record = translated(entry.title), record_from(entry.record)
        if record is None or not record.source or record.source in self._layers:
            return title
        return title_of(styles_in(title), self._own[0] if len(self._own) == 1 else "")

    def _more_of(self, entry: Entry) -> list[str]:
        """When it was, and what the server has of it, as far as that is known."""
        record, kept = record_from(entry.record), self._documents.kept(entry.job)
        more = [local_time(record.begun)] if record is not None and record.begun else []
        if kept is not None:
            more.append(tr_n("{} frame", "{} frames", len(kept)).format(len(kept)))
            state = self._documents.state(entry.job)
            # A server of an earlier version says no more than which is the final one.
            unknown = tr("not finished yet") if not state and not any(kept.values()) else ""
            more.append(unfinished_words(state) or unknown)
        return list(filter(None, more))


def misfit(offer: Offer, document: host.Document) -> str:
    """Why the frames that are offered cannot be layers of ``document``; "" where they can."""
    if offer.size in ((0, 0), document.size) or not document:
        return ""
    words = tr(
        "It was painted for a picture of {} × {} px, and this one has {} × {} px. "
        "Fetch it into a picture of that size; a new one will do."
    )
    return words.format(*offer.size, *document.size)


def _entry(saved: Any) -> Entry | None:
    kinds = (str, str, str, str, int, int, dict)
    if not isinstance(saved, list) or len(saved) not in (2, 6, 7):  # fewer, by earlier versions
        return None
    return Entry(*saved) if all(map(isinstance, saved, kinds)) else None
