"""Ended jobs whose frames a crash of Krita would take, as their document has not been saved since."""

from __future__ import annotations

from typing import Iterable

from .earlier import Entry
from .insertion import Insertion
from .job_rows import JobRows


class Unsaved:
    """Remembers the jobs that have painted in this session until their document is saved or closed."""

    def __init__(self, rows: JobRows) -> None:
        self._rows = rows
        self._known: dict[str, tuple[Insertion, Entry]] = {}

    def look(self) -> None:
        """See which jobs there are, and which have lost their document."""
        for job in self._rows.jobs:
            if job.wanted == "cancel":
                self._known.pop(job.id, None)
            elif not job.has_ended or job.id in self._known:
                self._known[job.id] = self._rows.insertion(job), self._rows.entry(job)
        self._forget(name for name, (insertion, _entry) in self._known.items() if insertion.is_homeless)

    def saved(self, file: str) -> None:
        """Krita has saved a document as ``file``: the frames that are in it are safe."""
        coming = {job.id for job in self._rows.jobs if not job.has_ended or self._rows.insertion(job).pending}
        here = (name for name, (insertion, _entry) in self._known.items() if insertion.document.file == file)
        self._forget(name for name in here if name not in coming)

    def ended(self) -> list[Entry]:
        """Of those that have layers and get no more, what is remembered."""
        going_on = {job.id for job in self._rows.jobs if not job.has_ended}
        ended = {name: known for name, known in self._known.items() if name not in going_on}
        return [entry for insertion, entry in ended.values() if insertion.record.seen]

    def _forget(self, names: Iterable[str]) -> None:
        for name in list(names):
            del self._known[name]
