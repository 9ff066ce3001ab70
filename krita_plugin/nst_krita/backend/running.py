"""Ending the local server, once nobody's job needs it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Callable

from ..translation import tr
from . import installation, wire
from .uv_output import Progress
from .uv_process import Cancelled

#: How often a server that is at work is asked again, in seconds.
ASK_SECONDS = 2.0
#: What it is given to answer, in seconds: it promises a second, on a machine that is at work as well.
ANSWER_SECONDS = 3.0


class StillNeeded(Exception):
    """The server cannot be ended now, or from here; the message says why."""


class Untold(StillNeeded):
    """The server does not tell whether it has jobs: only the painter can say that it may be ended."""


def command() -> list[str]:
    """How the local server is started. Raises NoConnection where it is missing or just being replaced."""
    if installation.is_switching():
        raise wire.connection.NoConnection(
            tr("The server is being updated at this moment. Press Start again when that has ended.")
        )
    return list(wire.load("launch").installed_command())


def retire(cancelled: threading.Event, report: Callable[[Progress], None], anyway: bool = False) -> None:
    """End the local server of this user if there is one, after the jobs that it has.

    ``anyway``: also where it does not tell of any. Raises Cancelled when that is set, Untold, and StillNeeded
    where the server cannot be ended from here.
    """
    while True:
        unfinished = unfinished_jobs(anyway)
        if unfinished is None:
            return
        if unfinished == 0:
            stop()
            return
        report(Progress("waiting", unfinished))
        if cancelled.wait(ASK_SECONDS):
            raise Cancelled


def unfinished_jobs(anyway: bool = False) -> int | None:
    """How many jobs the local server has before it, of all clients; None if no server runs.

    Raises Untold where it speaks another protocol or does not answer in time; ``anyway``: that counts as 0.
    """
    pid = _process()
    if pid is None:
        return None
    client = wire.load("client").Client(lambda: _connection(pid), name="Krita (before a restart)")
    try:
        client.wait_connected(ANSWER_SECONDS)
        client.status()
        unfinished, deadline = 0, time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            for event in client.poll(0.2):
                if event.type == "status":
                    unfinished += sum(1 for job in event["jobs"] if _is_unfinished(job))
                    if not event.get("more"):
                        return unfinished
        reason = tr("It does not answer.")
    except wire.connection.NoConnection as error:
        reason = str(error)
    finally:
        client.close()
    if _process() is None:  # it was ending
        return None
    if anyway:
        return 0
    raise Untold(
        tr("The running server does not tell whether it has jobs, which would end with it. {}").format(reason)
    )


def stop() -> None:
    """End the local server. Raises StillNeeded if it does not end, or is not of this place."""
    if Path("/.flatpak-info").exists():
        raise StillNeeded(tr("The server runs outside of Krita's box. End it where it was started."))
    pid = _process()
    if pid is None:
        return
    lock = wire.load("lock")
    try:
        lock.end_holder(lock.lock_file(), pid)
    except TimeoutError:
        words = tr("The server (process {}) does not end. End it in the task manager.")
        raise StillNeeded(words.format(pid)) from None
    except OSError as error:
        words = tr("The server (process {}) cannot be ended: {}.")
        raise StillNeeded(words.format(pid, error.strerror)) from error


def _process() -> int | None:
    """The local server's process, None where none runs. Raises StillNeeded where that cannot be told.

    A connection file does not tell it: that may be a copy, or be left by one that was killed.
    """
    lock = wire.load("lock")
    try:
        return lock.holder(lock.lock_file())
    except OSError as error:
        raise StillNeeded(f"{lock.lock_file()}: {error.strerror}.") from error


def _connection(pid: int) -> Any:
    """How the server of that process is reached. Raises NoConnection."""
    found = wire.connection.Connection.read(wire.connection.connection_file())
    if found.pid != pid:
        raise wire.connection.NoConnection(tr("It does not answer."))
    return found


def _is_unfinished(job: Any) -> bool:
    return isinstance(job, dict) and job.get("state") not in wire.messages.ENDINGS
