"""The thread that talks to the server, and starts it when it is not running."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

from ..qt import QtCore, Signal
from ..translation import tr
from . import running, wire

#: How long the thread waits for a command before it looks at the socket; commands wake it at once.
BUSY_SECONDS, CALM_SECONDS = 0.02, 0.2
#: Without an unfinished job for so long the connection is given up, so that an idle server can end.
UNUSED_SECONDS = 300.0
#: Frames on their way to the document, in bytes; above it the server is asked to hold the next ones back.
MAX_WAITING_BYTES = 256 * 1024 * 1024
#: What another computer's server is given to answer at first, in seconds.
REMOTE_SECONDS = 4.0
#: What quitting Krita waits for the thread: one unanswered hello (1 s) and a little.
QUIT_MS = 1500
#: Jobs whose frames are asked for at a time; the server keeps no more than 16 such answers waiting.
LISTED_AT_ONCE = 8
#: What the socket is given to send the last commands: closing it drops what it still holds.
FLUSH_SECONDS = 0.2

# A thread that does not end in time must not be destroyed: Qt would abort Krita.
_unfinished_threads: list[Any] = []


class BadImage(Exception):
    """A picture that cannot be sent. ``problem``: what is wrong, and with which; ``hint``: what to do."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(f"{problem} {hint}")
        self.problem = problem
        self.hint = hint


@dataclass(frozen=True)
class Request:
    """A job to submit. A picture is a block with ``data``, ``description`` (fields of the wire's Pixels) and
    ``icc`` (bytes or None), or a function without arguments that makes one and may raise BadImage; it is
    called in the network thread. ``start``: what to begin with instead of what the params say.
    ``style_masks``: where each style paints, pictures too, None for everywhere. ``continues``: the job that
    ``start`` is a frame of, painted over or not."""

    job: str
    params: Any
    content: Any
    styles: Sequence[Any]
    mask: Any = None
    title: str = ""
    download: bool | None = None
    style_masks: Sequence[Any] = ()
    start: Any = None
    continues: str | None = None


class Network(QtCore.QThread):
    """Owns the wire's Client. Everything public is for the GUI thread, and none of it waits.

    ``happened``: an Event, in the GUI thread: of the Client, or of the thread itself: "starting", "closed",
    "unreachable" (``reason``), "not_running", and "rejected" for a picture that cannot be sent.
    """

    happened = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._commands: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._quitting = False
        self._client: Any = None
        self._problem = ""
        self._jobs: set[str] = set()
        self._used = time.monotonic()
        self._to_list: dict[str, list[int]] = {}  # job → frames to bring; to be asked for, the first first
        self._listed: dict[str, list[int]] = {}  # the same, asked for and not answered
        self._stops: list[str] = []  # what to stop once connected
        self._waiting_bytes = 0
        self._counting = threading.Lock()  # both threads count the bytes
        self._server_file: Path | None = None  # of another server than the local one
        self._has_met = False  # that server has answered once

    def submit(self, request: Request) -> None:
        """Connect, starting the server if need be, and submit the job."""
        self._post(lambda: self._submit(request))

    def attach(self, job: str, after: int = 0) -> None:
        """Follow a job once more, connecting if need be; its kept frames above ``after`` come."""
        self._post(lambda: self._attach(job, after))

    def list_frames(self, jobs: Sequence[str]) -> None:
        """Ask which frames of these jobs are kept: "frames" for each, or "not_running" without a server."""
        self._post(lambda: self._list_frames(jobs))

    def fetch(self, job: str, sequences: Sequence[int], after: int) -> None:
        """Bring these kept frames once more, connecting if need be; ``after``: the latest that came."""
        self._post(lambda: self._fetch(job, list(sequences), after))

    def stop_unseen(self, job: str) -> None:
        """Stop a job that is not followed, connecting if need be. Its ending comes, but no frame."""
        self._post(lambda: self._stop_unseen(job))

    def tell(self, command: str, *arguments: Any, **changes: Any) -> None:
        """Call that method of the Client, such as pause, stop, cancel, update, ack, frames."""
        self._post(lambda: self._tell(command, arguments, changes))

    def use(self, server_file: Path | None) -> None:
        """From now on talk to the server of that connection file; None: to the local one."""
        self._server_file, self._has_met = server_file, False
        if self.isRunning():
            self._post(self._leave)

    def restart_server(self, anyway: bool = False) -> None:
        """End the local server and start it anew; an "error" (``of``: restart) if it is at work or stays.

        Where it does not tell whether it is at work the error's ``code`` is "untold"; ``anyway`` ends it.
        """
        self._post(lambda: self._restart(anyway))

    def taken(self, size: int) -> None:
        """Say that a frame of ``size`` bytes no longer waits."""
        self._count(-size)

    def quit_and_wait(self) -> None:
        """End the thread once it has said what was told; the server and its jobs go on."""
        self._quitting = True
        self._commands.put(None)
        if self.isRunning() and not self.wait(QUIT_MS):
            _unfinished_threads.append(self)

    def _post(self, command: Callable[[], None]) -> None:
        self._commands.put(command)
        if not self.isRunning() and not self._quitting:
            self.start()

    def _count(self, size: int) -> None:
        with self._counting:
            self._waiting_bytes += size

    # Everything below runs in the thread.

    def run(self) -> None:
        try:
            while not self._quitting:
                self._turn()
            self._obey(0)
            if self._client is not None and self._client.welcome is not None:
                self._client.bye()
                time.sleep(FLUSH_SECONDS)
        except Exception as error:  # an exception that leaves run() would abort Krita
            reason = tr("The plugin's connection failed ({}). Press Start again.")
            self._give_up(reason.format(f"{type(error).__name__}: {error}"))
        finally:
            self._close()

    def _obey(self, patience: float | None) -> None:
        """Carry out the commands that wait; the first is waited for (s, None: for ever)."""
        try:
            command = self._commands.get(timeout=patience)
            while command is not None:
                command()
                command = self._commands.get_nowait()
        except queue.Empty:
            pass

    def _turn(self) -> None:
        self._obey(self._patience())
        if self._client is None or self._quitting:
            return
        self._client.receiving = self._waiting_bytes < MAX_WAITING_BYTES
        events = self._client.poll(0)
        while events and not self._quitting:
            for event in events:
                self._report(event)
            events = self._client.poll(0) if self._client is not None else []
        if self._problem:
            self._give_up(self._problem)
        elif self._client is not None and not self._jobs and time.monotonic() - self._used > UNUSED_SECONDS:
            self._close()
            self._say("closed")

    def _patience(self) -> float | None:
        if self._client is None:
            return None
        return BUSY_SECONDS if self._jobs or self._client.welcome is None else CALM_SECONDS

    def _report(self, event: Any) -> None:
        self._used = time.monotonic()
        if event.type in (*wire.messages.ENDINGS, "rejected") or event.get("code") == "unknown_job":
            self._jobs.discard(event.job)
        if event.data is not None:
            self._count(len(event.data))
        if event.type == "connected":
            self._has_met = True
            self._to_list, self._listed = {**self._listed, **self._to_list}, {}
            for job in self._stops:
                self._client.stop(job)
            self._stops.clear()
        elif "frames" in (event.type, event.get("of")) and not event.get("more"):
            self._listed.pop(event.job, None)
        self._list_next()
        self.happened.emit(event)
        if event.type == "error" and event["of"] == "hello":
            self._problem = f"{event['message']} {event['hint']}".strip()
        elif event.type == "disconnected" and not self._jobs:
            self._close()
            self._say("closed")

    def _connect(self) -> Any:
        if self._client is None:
            self._problem = ""
            self._client = wire.load("client").Client(self._find, name="Krita")
        return self._client

    def _find(self) -> Any:
        """The running server, else a new one; asked by the Client at every attempt to connect."""
        try:
            if self._server_file is not None:
                return self._find_remote(self._server_file)
            return wire.load("launch").ensure_server(self._command, cancelled=lambda: self._quitting)
        except wire.connection.NoConnection as error:
            self._problem = "" if self._quitting else str(error)
            raise

    def _find_remote(self, file: Path) -> Any:
        found = wire.connection.Connection.read(file)
        # One that has answered before may come back: the Client goes on trying by itself.
        if not self._has_met and not wire.load("launch").answers(found, REMOTE_SECONDS):
            raise wire.connection.NoConnection(
                tr("The server at {} does not answer. Is it running, and open to this computer?").format(
                    found.endpoint
                )
            )
        return found

    def _leave(self) -> None:
        self._to_list.clear()  # another server would know none of these
        self._listed.clear()
        self._close()
        self._say("closed")

    def _restart(self, anyway: bool) -> None:
        try:
            unfinished = running.unfinished_jobs(anyway)
            if unfinished:
                words = tr("Jobs that the server has still to finish: {}.")
                raise running.StillNeeded(words.format(unfinished))
            self._leave()
            running.stop()
        except running.StillNeeded as error:
            hint, code = tr("Restart it when they have ended."), ""
            if isinstance(error, running.Untold):
                hint, code = tr("Press End it anyway if nobody needs them."), "untold"
            self._say("error", of="restart", code=code, message=str(error), hint=hint)
            return
        self._used = time.monotonic()
        self._connect()

    def _command(self) -> Any:
        if self._quitting:
            raise wire.connection.NoConnection(tr("Krita quits."))
        self._say("starting")
        return running.command()

    def _submit(self, request: Request) -> None:
        if self._quitting:  # its pictures could not be sent any more
            return
        pictures = {"content": request.content, "mask": request.mask, "start": request.start}
        pictures.update((f"styles[{i}]", style) for i, style in enumerate(request.styles))
        pictures.update((f"style_masks[{i}]", mask) for i, mask in enumerate(request.style_masks))
        profiles: dict[str, bytes] = {}
        for field, picture in pictures.items():
            try:
                pictures[field] = _image(picture, profiles)
            except (BadImage, wire.pixels.InvalidPixels) as error:
                about = "styles" if isinstance(error, BadImage) else field  # it tells which by itself
                self._say("rejected", job=request.job, field=about, message=error.problem, hint=error.hint)
                return
        sent = list(pictures.values())
        (content, mask, start), rest = sent[:3], sent[3:]
        styles, regions = rest[: len(request.styles)], rest[len(request.styles) :]
        client = self._connect()
        try:
            client.submit(
                request.job,
                request.params,
                content,
                styles,
                mask=mask,
                start=start,
                continues=request.continues,
                profiles=profiles,
                title=request.title,
                download=request.download,
                previews=True,
                style_masks=regions,
            )
        except wire.messages.BadMessage as error:
            self._say("rejected", job=request.job, field="params", message=error.problem, hint=error.hint)
            return
        self._jobs.add(request.job)

    def _attach(self, job: str, after: int) -> None:
        if not self._quitting:
            self._connect().attach(job, after=after, previews=True)
            self._jobs.add(job)

    def _list_frames(self, jobs: Sequence[str]) -> None:
        # Looking at a document is no reason to start a server.
        is_local = self._server_file is None
        if self._client is None and is_local and wire.load("launch").running_server() is None:
            self._say("not_running")
            return
        self._connect()
        for job in jobs:
            self._to_list.setdefault(job, [])
        self._list_next()

    def _fetch(self, job: str, sequences: list[int], after: int) -> None:
        if self._client is None:
            # The job is followed as well, so that the connection lasts until its ending has come again.
            self._attach(job, after)
        known = self._to_list.get(job, [])
        self._to_list[job] = [*known, *(each for each in sequences if each not in known)]
        self._list_next()

    def _list_next(self) -> None:
        if self._client is None or self._client.welcome is None:
            return
        for job in list(self._to_list)[: LISTED_AT_ONCE - len(self._listed)]:
            self._listed[job] = self._to_list.pop(job)
            self._client.frames(job, fetch=self._listed[job])

    def _stop_unseen(self, job: str) -> None:
        if self._quitting:
            return
        client = self._connect()
        client.attach(job, kept=False)
        self._jobs.add(job)
        if client.welcome is not None:
            client.stop(job)
        else:
            self._stops.append(job)

    def _tell(self, command: str, arguments: Sequence[Any], changes: dict[str, Any]) -> None:
        if self._client is not None:
            getattr(self._client, command)(*arguments, **changes)

    def _give_up(self, reason: str) -> None:
        self._problem = ""
        self._jobs.clear()
        self._to_list.clear()
        self._listed.clear()
        self._stops.clear()
        self._close()
        self._say("unreachable", reason=reason)

    def _say(self, kind: str, **fields: Any) -> None:
        self.happened.emit(wire.events.Event(kind, fields))

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _image(picture: Any, profiles: dict[str, bytes]) -> Any:
    """(Pixels, bytes) of a picture; its profile goes into ``profiles``. None for None.

    Raises InvalidPixels, and what a function that makes it does.
    """
    if picture is None:
        return None
    block = picture() if callable(picture) else picture
    digest_of = wire.pixels.digest_of
    icc = digest_of(block.icc) if block.icc else None
    if icc:
        profiles[icc] = block.icc
    described = wire.pixels.Pixels(
        digest=digest_of(block.data), bytes=len(block.data), icc=icc, **block.description
    )
    return described, block.data
