"""Jobs whose frames are still to be had: of an earlier session, or of a document that was closed."""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple

from .. import host
from ..qt import is_file
from ..settings import Settings
from .documents import Documents, Offer
from .jobs import Job
from .properties import Observable, Property
from .titles import translated
from .words import tr

#: Jobs that are offered again in a later session.
MAX_EARLIER = 5


class Entry(NamedTuple):
    """A job, and of the document that it paints in: its file ("" where it has none), name, and size in px."""

    job: str
    title: str
    file: str = ""
    name: str = ""
    width: int = 0
    height: int = 0

    @classmethod
    def of(cls, job: Job, document: host.Document) -> Entry:
        """That job, in that document as it is now."""
        return cls(job.id, job.title, document.file, document.name, *document.size)


class Earlier(Observable):
    """``offers``: of these jobs, those aside that the document in view offers itself.

    A job is offered in its own document only, as long as there is its file; then in any.
    """

    offers = Property(())

    def __init__(self, settings: Settings, documents: Documents) -> None:
        self._settings, self._documents = settings, documents
        self._entries = tuple(filter(None, map(_entry, settings.get("jobs", list))))
        self._viewed = ""  # the file of the document in view
        documents.observe(self._show, "offers")

    def look(self, document: host.Document) -> None:
        """The painter looks at ``document``."""
        self._viewed = document.file
        self._show()

    def add(self, entry: Entry) -> None:
        """Offer that job."""
        self._entries = (*self._entries, entry)
        self._show()

    def forget(self, job: str) -> None:
        """Offer that job no longer; the server deletes it when it is old."""
        self._entries = tuple(entry for entry in self._entries if entry.job != job)
        self._show()

    def keep(self, unfinished: Iterable[Entry]) -> None:
        """Write them down for a later session, with those that are not finished yet."""
        entries = {entry.job: entry for entry in (*self._entries, *unfinished)}
        self._settings.set("jobs", [list(entry) for entry in entries.values()][-MAX_EARLIER:])

    def _show(self) -> None:
        offered = {offer.job for offer in self._documents.offers}
        wanted = (entry for entry in self._entries if entry.job not in offered)
        self.offers = tuple(filter(None, map(self._offer, wanted)))

    def _offer(self, entry: Entry) -> Offer | None:
        title = translated(entry.title)
        is_here = bool(entry.file) and entry.file == self._viewed
        if entry.file and not is_here and is_file(entry.file):
            return None
        if is_here or not entry.name:
            return Offer(entry.job, tr("Earlier: {}").format(title), tr("Fetch"), title)
        size = entry.width, entry.height
        words = tr("Earlier, in {} ({} × {} px): {}").format(entry.name, *size, title)
        return Offer(entry.job, words, tr("Fetch"), title, size)


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
    kinds = (str, str, str, str, int, int)
    if not isinstance(saved, list) or len(saved) not in (2, 6):  # two, by earlier versions
        return None
    return Entry(*saved) if all(map(isinstance, saved, kinds)) else None
