"""Following one job from a terminal: progress, frames, Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from nst_server.cli.errors import CliError
from nst_server.wire.client import Client, Event
from nst_server.wire.connection import NoConnection

#: The server promises ``cancelled`` within 2 s; a little more for a loaded machine.
CANCEL_SECONDS = 5.0


class Watcher(Protocol):
    """Somebody who is shown every event."""

    def show(self, event: Event) -> None:
        """Take one event."""

    def close(self) -> None:
        """The job has ended."""


def follow(
    client: Client,
    job: str,
    progress: Watcher,
    on_frame: Callable[[Event], None],
    cancel_on_interrupt: bool = True,
) -> Event:
    """Follow ``job`` to its end, showing ``progress`` and handing over each frame; returns ``done``.

    Raises CliError where the job was rejected, failed or was cancelled, and KeyboardInterrupt when the
    user interrupts, after cancelling the job if ``cancel_on_interrupt``.
    """
    try:
        for event in client.follow(job):
            progress.show(event)
            if event.type == "frame":
                on_frame(event)
                client.ack(job, event["sequence"])
            elif event.type in ("rejected", "failed", "cancelled", "error"):
                _raise(event)
            elif event.type == "done":
                return event
    except KeyboardInterrupt:
        if cancel_on_interrupt:
            client.cancel(job)
            with suppress(NoConnection):
                for event in client.follow(job, silence=CANCEL_SECONDS):
                    progress.show(event)
        raise
    finally:
        progress.close()
    raise AssertionError("a followed job ends with an ending")


def _raise(event: Event) -> None:
    if event.type == "cancelled":
        raise CliError("The job was cancelled.", code=1)
    if event.type == "rejected":
        field = str(event["field"])
        if field.startswith("params."):
            field = "--" + field.removeprefix("params.").replace("_", "-")
        raise CliError(f"{field}: {event['message']}", event["hint"], code=2)
    raise CliError(event["message"], event["hint"], code=1)
