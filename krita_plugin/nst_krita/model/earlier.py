"""Jobs whose frames are still to be had in any document: of an earlier session, or of one that was closed."""

from __future__ import annotations

from typing import Any, Iterable

from ..settings import Settings
from .documents import Documents, Offer
from .properties import Observable, Property
from .words import tr

#: Jobs that are offered again in a later session.
MAX_EARLIER = 5


class Earlier(Observable):
    """``offers``: of these jobs, those aside that the document in view offers itself."""

    offers = Property(())

    def __init__(self, settings: Settings, documents: Documents) -> None:
        self._settings, self._documents = settings, documents
        self._entries = tuple(filter(None, map(_entry, settings.get("jobs", list))))
        documents.observe(self._show, "offers")

    def add(self, job: str, title: str) -> None:
        """Offer that job."""
        self._entries = (*self._entries, (job, title))
        self._show()

    def forget(self, job: str) -> None:
        """Offer that job no longer; the server deletes it when it is old."""
        self._entries = tuple(entry for entry in self._entries if entry[0] != job)
        self._show()

    def keep(self, unfinished: Iterable[tuple[str, str]]) -> None:
        """Write them down for a later session, with those that are not finished yet."""
        entries = dict([*self._entries, *unfinished])
        self._settings.set("jobs", [list(entry) for entry in entries.items()][-MAX_EARLIER:])

    def _show(self) -> None:
        offered = {offer.job for offer in self._documents.offers}
        self.offers = tuple(_offer(*entry) for entry in self._entries if entry[0] not in offered)


def _offer(job: str, title: str) -> Offer:
    return Offer(job, tr("Earlier: {}").format(title), tr("Fetch"), title)


def _entry(saved: Any) -> tuple[str, str] | None:
    return (str(saved[0]), str(saved[1])) if isinstance(saved, list) and len(saved) == 2 else None
