"""Following one job from a terminal: progress, frames, Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Protocol

from nst_server.cli.errors import CliError
from nst_server.wire.client import Client
from nst_server.wire.events import Event

#: The server promises ``cancelled`` within 2 s; a little more for a loaded machine.
CANCEL_SECONDS = 5.0


class Watcher(Protocol):
    """Somebody who is shown every event."""

    def show(self, event: Event) -> None:
        """Take one event."""

    def note(self, text: str) -> None:
        """Take a line that is not from the server."""

    def close(self) -> None:
        """The job has ended."""


def follow(
    client: Client, job: str, progress: Watcher, on_frame: Callable[[Event], None], ours: bool = True
) -> tuple[Event, bool]:
    """Follow ``job`` to its end, showing ``progress`` and handing over each frame.

    Returns ``done``, and whether the user interrupted: Ctrl-C stops the job, which keeps its best picture so
    far; a second one cancels it. Raises CliError where it was rejected, failed or was cancelled, and
    KeyboardInterrupt where the user's interruption left no picture, or the job is not ``ours`` to stop.
    """
    interruptions = _Interruptions(client, job, progress)
    try:
        with interruptions if ours else nullcontext():
            for event in client.follow(job, tick=interruptions.obey):
                progress.show(event)
                if event.type == "connected":
                    interruptions.repeat()
                elif event.type == "frame":
                    on_frame(event)
                    client.ack(job, event["sequence"])
                elif event.type == "cancelled" and interruptions.count:
                    raise KeyboardInterrupt
                elif event.type in ("rejected", "failed", "cancelled", "error"):
                    _raise(event)
                elif event.type == "done":
                    return event, interruptions.count > 0
    finally:
        progress.close()
    raise AssertionError("a followed job ends with an ending")


class _Interruptions:
    """Ctrl-C while the block runs: counted at once, obeyed between two messages.

    An exception could come in the middle of one, and the frame that it belongs to would be lost.
    """

    def __init__(self, client: Client, job: str, progress: Watcher) -> None:
        self.count = 0
        self._client = client
        self._job = job
        self._progress = progress
        self._obeyed = 0
        self._cancelled_at = 0.0

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._interrupt)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, *_: Any) -> None:
        self.count += 1
        if self.count == 2:
            # Whoever presses it once more does not want to wait for the server.
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def obey(self) -> None:
        """Do what the user wants. Raises KeyboardInterrupt where the server is not there to do it."""
        if self._cancelled_at and time.monotonic() - self._cancelled_at > CANCEL_SECONDS:
            raise KeyboardInterrupt
        if self.count == self._obeyed:
            return
        if self._client.welcome is None:
            raise KeyboardInterrupt
        self._obeyed = self.count
        if self.count == 1:
            self._client.stop(self._job)
            self._progress.note("Stopping; the best picture so far is kept. Ctrl-C again discards it.")
        else:
            self._client.cancel(self._job)
            self._cancelled_at = time.monotonic()

    def repeat(self) -> None:
        """Tell the server once more: what it was told may have been lost with the connection."""
        self._obeyed = 0


def _raise(event: Event) -> None:
    if event.type == "cancelled":
        raise CliError("The job was cancelled.", code=1)
    if event.type == "rejected":
        field = str(event["field"])
        if field.startswith("params."):
            field = "--" + field.removeprefix("params.").replace("_", "-")
        raise CliError(f"{field}: {event['message']}", event["hint"], code=2)
    raise CliError(event["message"], event["hint"], code=1)
