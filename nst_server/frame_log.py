"""The records of a job's kept frames: ``frames.jsonl`` in its folder, one line for each, in sequence."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nst_server import durable


class FrameLog:
    """The logs of all jobs below ``jobs``. Where the lines of each begin is read once."""

    def __init__(self, jobs: Path) -> None:
        self._jobs = jobs
        self._lines: dict[str, array[int]] = {}

    def append(self, job: str, record: Mapping[str, Any]) -> None:
        """Write down the next frame, for good. Raises OSError."""
        lines = self._index(job)
        lines.append(durable.append(self._path(job), json.dumps(dict(record)).encode() + b"\n"))

    def record(self, job: str, sequence: int) -> dict[str, Any]:
        """What was written down of a frame. Raises KeyError, OSError, ValueError."""
        lines = self._index(job)
        if not 1 <= sequence <= len(lines):
            raise KeyError(sequence)
        with self._path(job).open("rb") as file:
            file.seek(lines[sequence - 1])
            record: dict[str, Any] = json.loads(file.readline())
        return record

    def mend(self, job: str) -> int:
        """Let the log end with a whole line, so that more can follow; returns how many. Raises OSError."""
        lines = self._index(job)
        try:
            with self._path(job).open("rb+") as file:
                file.seek(lines[-1] if lines else 0)
                if lines:
                    file.readline()
                file.truncate()
        except FileNotFoundError:
            pass
        return len(lines)

    def forget(self, job: str) -> None:
        """The job is gone, or another one has its name."""
        self._lines.pop(job, None)

    def _path(self, job: str) -> Path:
        return self._jobs / job / "frames.jsonl"

    def _index(self, job: str) -> array[int]:
        """Where each line starts; a broken one ends the list. Raises OSError."""
        if job not in self._lines:
            lines = array("Q")
            start = 0
            try:
                with self._path(job).open("rb") as file:
                    for line in file:
                        if not line.endswith(b"}\n"):
                            break
                        lines.append(start)
                        start += len(line)
            except FileNotFoundError:
                pass
            self._lines[job] = lines
        return self._lines[job]
