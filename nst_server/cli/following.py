"""Following one job from a terminal: progress, frames, Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any, NoReturn, Protocol

from nst_server.cli.errors import CliError
from nst_server.cli.forget import forgotten
from nst_server.cli.jobs import refused
from nst_server.cli.options import in_options, option_of
from nst_server.wire.client import Client
from nst_server.wire.events import Event
from nst_server.wire.messages import CANCELLED, CANCELLING, ENDINGS, FAILED, RUNNING

#: The server promises ``cancelled`` within 2 s; a little more for a loaded machine.
CANCEL_SECONDS = 5.0
#: Whoever presses Ctrl-C a third time waits no longer than this: a server that is there has heard it by then.
LEAVE_SECONDS = 0.5
KEEPS = "The server keeps its frames: nst attach {} --frames-dir DIR"


class Cancelled(CliError):
    """The job was cancelled."""

    def __init__(self) -> None:
        super().__init__("The job was cancelled.", code=1)


class Watcher(Protocol):
    """Somebody who is shown every event."""

    def show(self, event: Event) -> None:
        """Take one event."""

    def note(self, text: str) -> None:
        """Take a line that is not from the server."""

    def close(self) -> None:
        """The job has ended."""


def follow(
    client: Client,
    job: str,
    progress: Watcher,
    on_frame: Callable[[Event], None],
    ours: bool = True,
    keeps: bool = True,
    stays: bool = True,
) -> tuple[Event, bool]:
    """Follow ``job`` to its end, showing ``progress`` and handing over each frame.

    Returns ``done``, and whether the user interrupted: Ctrl-C stops the job, which keeps its best picture so
    far; a second one cancels it, a third does not wait for that. Raises CliError where it was rejected,
    failed or was cancelled, and KeyboardInterrupt where the user's interruption left no picture, or the job
    is not ``ours`` to stop. Unless the server ``keeps`` it, one that leaves no picture is forgotten, except
    where it has failed with kept frames: somebody may go on from one. A kept frame that the server has lost
    is noted, the final one too; and where ``on_frame`` raises OSError, what becomes of a job of ours, unless
    the server ends with the call (``stays``).
    """
    interruptions = _Interruptions(client, job, progress, tells=stays and ours)
    try:
        with interruptions if ours else nullcontext():
            for event in client.follow(job, tick=interruptions.obey):
                progress.show(event)
                interruptions.heed(event)
                is_discarded = event.type == "done" and interruptions.count > 1
                if not keeps and event.type == FAILED and event.get("kept_frames"):
                    progress.note(KEEPS.format(job))
                elif not keeps and (event.type in (FAILED, CANCELLED) or is_discarded):
                    forget(client, job)
                if event.type == "connected":
                    interruptions.repeat()
                elif event.type == "frame":
                    interruptions.hand_over(event, on_frame)
                    client.ack(job, event["sequence"])
                elif event.get("code") == "frame_lost" and event.get("sequence"):
                    progress.note(f"note: {event['message']}")
                elif event.type == "cancelled" and interruptions.count:
                    raise KeyboardInterrupt
                elif event.type in ("rejected", "failed", "cancelled", "error"):
                    _raise(event)
                elif is_discarded:
                    raise KeyboardInterrupt
                elif event.type == "done":
                    return event, interruptions.count > 0
    finally:
        progress.close()
    raise AssertionError("a followed job ends with an ending")


def forget(client: Client, job: str) -> None:
    """Have an ended job forgotten; without an answer the server keeps it until it is old."""
    with suppress(CliError):
        forgotten(client, job)


class _Interruptions:
    """Ctrl-C while the block runs: counted at once, obeyed between two messages.

    An exception could come in the middle of one, and the frame that it belongs to would be lost.
    """

    def __init__(self, client: Client, job: str, progress: Watcher, tells: bool) -> None:
        self.count = 0
        self._tells = tells
        self._client = client
        self._job = job
        self._progress = progress
        self._obeyed = 0
        self._cancelled_at = 0.0
        self._has_begun = self._is_heard = False

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._interrupt)

    def __exit__(self, *_: object) -> None:
        # Once interrupted the program only ends: no further Ctrl-C must kill it while it writes the picture.
        signal.signal(signal.SIGINT, signal.SIG_IGN if self.count else self._before)

    def _interrupt(self, *_: Any) -> None:
        self.count += 1

    def heed(self, event: Event) -> None:
        """Note what the event says about the job: whether it has a picture, and knows that it shall end."""
        state = event.get("state")
        self._has_begun |= event.type in ("progress", "frame") or state == RUNNING
        self._is_heard |= event.type in ENDINGS or state == CANCELLING

    def obey(self) -> None:
        """Do what the user wants. Raises KeyboardInterrupt where the server does not do it in time."""
        if self.count and self._client.welcome is None:
            self._leave()
        if self._cancelled_at:
            patience = LEAVE_SECONDS if self.count > 2 else CANCEL_SECONDS
            if time.monotonic() - self._cancelled_at > patience or (self.count > 2 and self._is_heard):
                self._leave()
        if self.count == self._obeyed:
            return
        self._obeyed = self.count
        if self.count == 1:
            self._client.stop(self._job)
            kept = "; the best picture so far is kept. Ctrl-C again discards it."
            self._progress.note(f"Stopping{kept if self._has_begun else '; there is no picture yet.'}")
        else:
            self._client.cancel(self._job)
            self._cancelled_at = self._cancelled_at or time.monotonic()

    def hand_over(self, frame: Event, on_frame: Callable[[Event], None]) -> None:
        """Give the frame to ``on_frame``. Where it cannot be written, say what becomes of the job."""
        try:
            on_frame(frame)
        except OSError:
            if not frame["final"]:
                self._tell_left()
            elif self._tells:
                self._progress.note(KEEPS.format(self._job))
            raise

    def _leave(self) -> NoReturn:
        if not self._is_heard:
            self._tell_left()
        raise KeyboardInterrupt

    def _tell_left(self) -> None:
        if self._tells:
            self._progress.note(f"{self._job} goes on; end it with: nst cancel {self._job}")

    def repeat(self) -> None:
        """Tell the server once more: what it was told may have been lost with the connection."""
        self._obeyed = 0


def _raise(event: Event) -> None:
    if event.type == "cancelled":
        raise Cancelled
    if event.type == "rejected":
        field = str(event["field"])
        if field.startswith("params.") or field == "continues":
            field = option_of(field.removeprefix("params."))
        raise CliError(f"{field}: {in_options(event['message'])}", in_options(event["hint"]), code=2)
    raise refused(event)
