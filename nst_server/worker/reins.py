"""What the server says while a job is computed, and what it hears before the first iteration."""

from __future__ import annotations

import time
from collections.abc import Callable

from nst_server.engine.control import Cancelled, Control
from nst_server.wire.messages import Message
from nst_server.wire.params import Params
from nst_server.worker.link import Link

#: Reports of what is being prepared, at most this often, in seconds.
PREPARING_SECONDS = 0.1
#: A job that shall leave its device, and could not be written down, tries again after so long.
RETRY_SECONDS = 5.0


class Leaving(Exception):
    """The process shall end, and the job go on in another one."""


class Released(Exception):
    """Others need the device of a paused job, which can go on from its checkpoint."""


class Reins(Control):
    """Commands of the server, taken whenever the engine looks up."""

    def __init__(self, link: Link, task: Message) -> None:
        super().__init__(Params.from_header(task["params"]))
        self._link = link
        self.job: str = task["job"]
        self.revision: int = task["revision"]
        self.previews: bool = task["previews"]
        self.paused: bool = task["paused"]
        self.release: bool = task["release"]
        self.stop = task["stop"]
        self.download: bool | None = task["download"]
        self.notes: list[str] = []
        self._revisions = {self.revision: self.params}
        self._told: int = self.revision

    def revision_of(self, params: Params) -> int:
        """The latest revision with ``params``; where none has just these, the one that was told last."""
        self._told = max((r for r, known in self._revisions.items() if known == params), default=self._told)
        self._revisions = {r: known for r, known in self._revisions.items() if r >= self._told}
        return self._told

    def check(self) -> None:
        """Take what has come. Raises Cancelled, Leaving or ServerGone."""
        while (command := self._link.receive()) is not None:
            self._take(command)

    def check_unbegun(self) -> None:
        """``check`` while nothing is there yet to be written down. Raises Released, too."""
        self.check()
        if self.paused and self.release and not self.stop:
            raise Released

    def wait(self, keep: Callable[[], bool] = lambda: True) -> None:
        """Return at once, or when a paused job may go on. Raises Cancelled, Leaving, Released or ServerGone.

        ``keep`` writes down where a paused job stands, and says whether it can go on from there.
        """
        self.check()
        is_kept, kept_at = self.paused and keep(), time.monotonic()
        while self.paused and not self.stop:
            if self.release and not is_kept and time.monotonic() >= kept_at + RETRY_SECONDS:
                is_kept, kept_at = keep(), time.monotonic()
            if self.release and is_kept:
                raise Released
            command = self._link.receive(0.5)
            if command is not None:
                self._take(command)

    def _take(self, command: Message) -> None:
        if command.type == "leave":
            raise Leaving
        if command.get("job") != self.job:
            return
        if command.type == "cancel":
            raise Cancelled
        if command.type == "stop":
            self.stop = True
        elif command.type in ("pause", "resume"):
            self.paused, self.release = command.type == "pause", False
        elif command.type == "release":
            self.release = True
        elif command.type == "previews":
            self.previews = command["wanted"]
        elif command.type == "update":
            self.params = Params.from_header(command["params"])
            self.revision = command["revision"]
            self._revisions[self.revision] = self.params


class Preparing:
    """Reports of what happens before the first iteration, not too many of them."""

    def __init__(self, link: Link, job: str) -> None:
        self._link = link
        self._job = job
        self._what = ""
        self._next = 0.0

    def __call__(self, what: str, done: int, total: int, unit: str) -> None:
        now = time.monotonic()
        if what != self._what or now >= self._next or done == total:
            self._what, self._next = what, now + PREPARING_SECONDS
            self._link.send("preparing", job=self._job, what=what, done=done, total=total, unit=unit)
