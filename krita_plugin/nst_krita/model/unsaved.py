"""Ended jobs whose frames a crash of Krita would take, as their document has not been saved since."""

from __future__ import annotations

from typing import Iterable

from .earlier import Entry
from .insertion import Insertion
from .job_rows import JobRows

#: Endings of files in which Krita keeps layers; in others all of them become one.
LAYERED = (".kra", ".krz", ".ora", ".psd")


class Unsaved:
    """Remembers the jobs that have painted in this session until their document is saved or closed. Saved to
    a file without layers, it closes without a question: their frames are to be had after that, too."""

    def __init__(self, rows: JobRows) -> None:
        self._rows = rows
        self._known: dict[str, tuple[Insertion, Entry]] = {}
        self._flat: set[str] = set()  # the jobs of documents that were last saved without layers

    def look(self) -> None:
        """See which jobs there are, and which have lost their document."""
        for job in self._rows.jobs:
            if job.wanted == "cancel":
                self._known.pop(job.id, None)
            elif not job.has_ended or job.id in self._known:
                self._known[job.id] = self._rows.insertion(job), self._rows.entry(job)
        self._forget(name for name, (insertion, _entry) in self._known.items() if insertion.is_homeless)

    def saved(self, file: str) -> None:
        """Krita has saved a document as ``file``: the frames that are in it are safe, if it has layers."""
        self.look()
        here = {name for name, (insertion, _entry) in self._known.items() if insertion.document.file == file}
        if not file.lower().endswith(LAYERED):
            self._flat |= here
            return
        self._flat -= here
        coming = {job.id for job in self._rows.jobs if not job.has_ended or self._rows.insertion(job).pending}
        self._forget(name for name in here if name not in coming)

    def lost(self) -> list[Entry]:
        """Of those whose document has been closed, the ended ones whose layers no file has."""
        ended = {entry.job for entry in self.ended(only_flat=True)}
        return [
            entry for insertion, entry in self._known.values() if insertion.is_homeless and entry.job in ended
        ]

    def ended(self, *, only_flat: bool = False) -> list[Entry]:
        """Of those that have layers and get no more, what is remembered. ``only_flat``: where their document
        was last saved without layers."""
        going_on = {job.id for job in self._rows.jobs if not job.has_ended}
        names = set(self._known) - going_on
        ended = [self._known[name] for name in (names & self._flat if only_flat else names)]
        return [entry for insertion, entry in ended if insertion.record.seen]

    def _forget(self, names: Iterable[str]) -> None:
        for name in list(names):
            del self._known[name]
            self._flat.discard(name)
