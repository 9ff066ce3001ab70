"""Ended jobs whose frames a crash of Krita would take, as their document has not been saved since."""

from __future__ import annotations

from typing import Callable

from .earlier import Entry
from .insertion import Insertion
from .job_rows import JobRows

#: Endings of files in which Krita keeps layers; in others all of them become one.
LAYERED = (".kra", ".krz", ".ora", ".psd")


class Unsaved:
    """Remembers the jobs that have painted in this session until their document is saved or closed. Saved to
    a file without layers, it closes without a question: then ``rescue`` is told of the ended ones."""

    def __init__(self, rows: JobRows, rescue: Callable[[Entry], None]) -> None:
        self._rows, self._rescue = rows, rescue
        self._known: dict[str, tuple[Insertion, Entry]] = {}
        self._flat: set[str] = set()  # the jobs of documents that were last saved without layers

    def look(self) -> None:
        """See which jobs there are, and which have lost their document."""
        for job in self._rows.jobs:
            if job.wanted == "cancel":
                self._known.pop(job.id, None)
            elif not job.has_ended or job.id in self._known:
                self._known[job.id] = self._rows.insertion(job), self._rows.entry(job)
        closed = {name for name, (insertion, _entry) in self._known.items() if insertion.is_homeless}
        rescued = [entry for entry in self.ended(only_flat=True) if entry.job in closed]
        for name in closed:
            self._forget(name)
        for entry in rescued:
            self._rescue(entry)

    def saved(self, file: str) -> None:
        """Krita has saved a document as ``file``: the frames that are in it are safe, if it has layers."""
        self.look()
        here = {name for name, (insertion, _entry) in self._known.items() if insertion.document.file == file}
        for name in here:
            insertion, entry = self._known[name]
            self._known[name] = insertion, entry._replace(file=file, name=insertion.document.name)
        if not file.lower().endswith(LAYERED):
            self._flat |= here
            return
        self._flat -= here
        coming = {job.id for job in self._rows.jobs if not job.has_ended or self._rows.insertion(job).pending}
        for name in here - coming:
            self._forget(name)

    def ended(self, *, only_flat: bool = False) -> list[Entry]:
        """Of those that have layers and get no more, what is remembered. ``only_flat``: where their document
        was last saved without layers."""
        going_on = {job.id for job in self._rows.jobs if not job.has_ended}
        return [
            entry
            for name, (insertion, entry) in self._known.items()
            if insertion.record.seen and name not in going_on and (not only_flat or name in self._flat)
        ]

    def _forget(self, name: str) -> None:
        self._known.pop(name, None)
        self._flat.discard(name)
