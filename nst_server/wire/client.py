"""The public client: submits jobs, follows them, receives frames; reconnects and re-attaches by itself.

One thread owns a Client. Nothing blocks except ``poll``, ``follow`` and ``wait_connected``, each with a
timeout. The whole client in use::

    client = Client(lambda: Connection.read(connection_file()), name="my script")
    client.wait_connected(5)
    client.submit("job-1", Params(iterations=100), content=(pixels, data), styles=[(pixels, data)])
    for event in client.follow("job-1"):
        if event.type == "frame":
            save(event.pixels, event.data)
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Iterator, Mapping, Sequence, Tuple

import zmq

from .codec import decode, encode
from .connection import Connection, NoConnection
from .dealer import Dealer
from .events import Event
from .messages import (
    CANCELLED,
    CHUNK_BYTES,
    ENDINGS,
    FROM_SERVER,
    HEADER_BYTES,
    PROTOCOL_VERSION,
    BadMessage,
    Message,
    clipped,
)
from .params import Params
from .pixels import Pixels

Image = Tuple[Pixels, bytes]


@dataclass(frozen=True)
class KeptFrame:
    """A frame that the server keeps, to start from."""

    job: str
    iteration: int


#: Bytes of frames that may be on their way at once: enough to keep a 4k frame flowing on a fast network.
WINDOW_BYTES = 8 * CHUNK_BYTES
#: The broker promises an answer within a second of its start; three times that means nobody is there.
HELLO_SECONDS = 3.0
#: Silence after which we ask for a sign of life, and after which we give the connection up.
PING_SECONDS, SILENCE_SECONDS = 5.0, 15.0
RETRY_SECONDS = (0.25, 8.0)


@dataclass
class _Followed:
    """A job that this client follows."""

    submit: Message | None
    kept: bool
    previews: bool
    blobs: dict[str, bytes] = field(default_factory=dict)
    received: int = 0
    settled: set[int] = field(default_factory=set)
    ending: Message | None = None
    ended: bool = False


class Client:
    """A connection to the server.

    ``find``: returns where the server is, asked again at every attempt; it raises NoConnection while there
    is none. ``receiving``: set it to False to stop the flow of frames (nothing else) until it is True again.
    """

    def __init__(self, find: Callable[[], Connection], name: str = "nst client") -> None:
        self._find = find
        self._name = name
        self._context = zmq.Context()
        self._dealer: Dealer | None = None
        self._jobs: dict[str, _Followed] = {}
        self._partial: dict[tuple[str, int], tuple[Mapping[str, Any], bytearray]] = {}
        self._owed = 0
        self._heard = self._sent_hello = self._retry_at = self._pinged = 0.0
        self._retry = RETRY_SECONDS[0]
        self._reason = ""
        self.receiving = True
        self.welcome: Mapping[str, Any] | None = None

    # -- what a client says ------------------------------------------------------------------------

    def submit(
        self,
        job: str,
        params: Params,
        content: Image,
        styles: Sequence[Image],
        *,
        style_masks: Sequence[Image | None] = (),
        mask: Image | None = None,
        start: Image | KeptFrame | None = None,
        continues: str | None = None,
        profiles: Mapping[str, bytes] | None = None,
        title: str = "",
        download: bool | None = None,
        kept: bool = True,
        previews: bool = False,
    ) -> None:
        """Ask for a job and follow it. ``start``: an image to begin with, or a kept frame.

        ``continues``: the job of which ``start`` is a frame, painted over or not: to go on as it would have.
        ``style_masks``: where each style acts, None for everywhere; empty: all everywhere.
        ``download``: whether missing weights may be fetched for it; None leaves that to the server.
        ``profiles``: ICC profiles by digest. Sent again, the same job is attached to, never duplicated.
        Raises BadMessage where its parameters are too long for one message, as a list of frames can be.
        """
        images = [content, *styles]
        others = (mask, start, *style_masks)
        images += [image for image in others if image is not None and not isinstance(image, KeptFrame)]
        blobs = {**(profiles or {}), **{pixels.digest: data for pixels, data in images}}
        fields: dict[str, Any] = {
            "job": job,
            "params": params.to_header(),
            "content": content[0].to_header(),
            "styles": [style[0].to_header() for style in styles],
            "title": clipped(title),
            "kept": kept,
            "previews": previews,
        }
        if download is not None:
            fields["download"] = download
        if style_masks:
            fields["style_masks"] = [m[0].to_header() if m is not None else None for m in style_masks]
        if mask is not None:
            fields["mask"] = mask[0].to_header()
        if start is not None:
            fields["start"] = asdict(start) if isinstance(start, KeptFrame) else start[0].to_header()
        if continues is not None:
            fields["continues"] = continues
        message = Message("submit", fields)
        self._send(message)
        self._jobs[job] = _Followed(message, kept, previews, blobs)

    def attach(self, job: str, *, after: int = 0, kept: bool = True, previews: bool = False) -> None:
        """Follow a job of any client; kept frames with a sequence above ``after`` are sent."""
        self._jobs[job] = _Followed(None, kept, previews, received=after)
        self._attach(job)

    def update(self, job: str, revision: int, **changes: Any) -> None:
        """Change live parameters; ``revision`` must grow with every call."""
        self._send(Message("update", {"job": job, "revision": revision, "params": changes}))

    def pause(self, job: str) -> None:
        """Hold the job after its current iteration."""
        self._send(Message("pause", {"job": job}))

    def resume(self, job: str) -> None:
        """Let a paused job go on."""
        self._send(Message("resume", {"job": job}))

    def stop(self, job: str) -> None:
        """End the job and keep its best picture so far as the final frame."""
        self._send(Message("stop", {"job": job}))

    def cancel(self, job: str) -> None:
        """End the job; no frame of it arrives afterwards."""
        self._send(Message("cancel", {"job": job}))

    def ack(self, job: str, sequence: int) -> None:
        """Say that the kept frames up to ``sequence`` are safe here."""
        self._send(Message("ack", {"job": job, "sequence": sequence}))

    def frames(self, job: str, fetch: Sequence[int] | None = None) -> None:
        """Ask which frames are kept; those in ``fetch`` are sent once more."""
        self._send(Message("frames", {"job": job, **({"fetch": list(fetch)} if fetch else {})}))

    def forget(self, job: str) -> None:
        """Let the server delete an ended job with its frames."""
        followed = self._jobs.get(job)
        if followed is not None and followed.ended:
            del self._jobs[job]
        self._send(Message("forget", {"job": job}))

    def status(self) -> None:
        """Ask what the server is doing."""
        self._pinged = 0.0
        self._send(Message("status"))

    def bye(self) -> None:
        """Say that nobody is left here. Jobs go on, but not those whose images are still being sent."""
        self._send(Message("bye"))

    # -- what it hears -----------------------------------------------------------------------------

    def poll(self, seconds: float = 0.0) -> list[Event]:
        """Events that have arrived; waits up to ``seconds`` for the first.

        Beside the server's messages: "connected" (the welcome's fields) and "disconnected" (``reason``).
        A kept frame that the server has lost is an "error" with code "frame_lost" and its ``sequence``.
        """
        deadline = time.monotonic() + seconds
        while True:
            events = self._keep_connected()
            left = 0.0 if events else max(0.0, deadline - time.monotonic())
            if self._dealer is None:
                time.sleep(min(left, 0.05))
            elif self._dealer.wait(min(left, 0.25)):
                events += self._receive(self._dealer)
            self._give_credit()
            if events or time.monotonic() >= deadline:
                return events

    def follow(
        self, job: str, silence: float = 60.0, tick: Callable[[], object] = lambda: None
    ) -> Iterator[Event]:
        """Events of ``job`` up to and with its ending; those of other jobs are dropped.

        ``tick`` is called at least twice a second; it may call this client, and what it raises comes out.
        Raises NoConnection when the server is not to be reached for ``silence`` seconds. A job that is
        paused, or waits for others, may be silent for as long as it likes.
        """
        connected = time.monotonic()
        while True:
            tick()
            for event in self.poll(0.5):
                if event.type in ("connected", "disconnected") or event.job == job:
                    yield event
                    if event.type in (*ENDINGS, "rejected") or event.get("code") == "unknown_job":
                        return
            if self.welcome is not None:
                connected = time.monotonic()
            elif time.monotonic() - connected > silence:
                raise NoConnection(self._reason or f"The server was not to be reached for {silence:g} s.")

    def wait_connected(self, seconds: float = 5.0) -> Mapping[str, Any]:
        """The server's welcome. Raises NoConnection with the reason if there is none in time."""
        deadline = time.monotonic() + seconds
        while self.welcome is None:
            if time.monotonic() > deadline:
                raise NoConnection(self._reason or f"The server does not answer ({seconds:g} s).")
            for event in self.poll(0.1):
                if event.type == "error" and event["of"] == "hello":
                    raise NoConnection(f"{event['message']} {event['hint']}")
        return self.welcome

    def close(self) -> None:
        """Close the connection at once; unsent messages are dropped."""
        if self._dealer is not None:
            self._dealer.close()
            self._dealer = None
        self._context.destroy(0)

    # -- the connection ----------------------------------------------------------------------------

    def _keep_connected(self) -> list[Event]:
        now = time.monotonic()
        if self._dealer is None:
            if now >= self._retry_at:
                self._open(now)
            return []
        if self.welcome is None:
            if now - self._sent_hello > HELLO_SECONDS:
                return self._lose("The server does not answer.")
        elif now - self._heard > SILENCE_SECONDS:
            return self._lose(f"The server has been silent for {SILENCE_SECONDS:g} s.")
        elif now - max(self._heard, self._pinged) > PING_SECONDS:
            self._pinged = now
            self._send(Message("status"))
        return []

    def _open(self, now: float) -> None:
        try:
            connection = self._find()
            self._dealer = Dealer(self._context, connection)
        except (NoConnection, zmq.ZMQError, ValueError) as error:
            self._lose(str(error))
            return
        self._sent_hello = self._heard = now
        self._send(Message("hello", {"protocol": list(PROTOCOL_VERSION), "client": self._name}), early=True)

    def _lose(self, reason: str) -> list[Event]:
        was_connected = self.welcome is not None
        if self._dealer is not None:
            self._dealer.close()
        self._dealer = self.welcome = None
        self._partial.clear()
        self._owed = 0
        self._reason = reason
        self._retry_at = time.monotonic() + self._retry
        self._retry = min(2 * self._retry, RETRY_SECONDS[1])
        return [Event("disconnected", {"reason": reason})] if was_connected else []

    def _send(self, message: Message, early: bool = False) -> None:
        """Send, or leave it to the re-attachment after the next welcome. Raises BadMessage."""
        parts = encode(message)
        if len(parts[0]) > HEADER_BYTES:
            # The server could not even say whose it was.
            problem = f"{message.type!r} has {len(parts[0])} bytes beside its pixels."
            raise BadMessage("", problem, f"The limit is {HEADER_BYTES}: shorten its lists.")
        if self._dealer is None or (self.welcome is None and not early):
            return
        try:
            self._dealer.send(parts)
        except zmq.Again:
            self._reason = "The server does not take messages."

    def _attach(self, job: str) -> None:
        followed = self._jobs[job]
        fields = {"after": followed.received, "kept": followed.kept, "previews": followed.previews}
        self._send(Message("attach", {"job": job, **fields}))

    def _give_credit(self) -> None:
        if self.receiving and self.welcome is not None and self._owed >= WINDOW_BYTES // 4:
            self._send(Message("credit", {"bytes": self._owed}))
            self._owed = 0

    # -- messages ----------------------------------------------------------------------------------

    def _receive(self, dealer: Dealer) -> list[Event]:
        events: list[Event] = []
        # Bounded, so that a caller with a timer gets its turn under a flood of frames.
        for _ in range(64):
            try:
                parts = dealer.receive()
            except zmq.Again:
                break
            self._heard = time.monotonic()
            try:
                message = decode(parts, FROM_SERVER)
            except BadMessage as error:
                events.append(Event("error", _unreadable(error)))
                continue
            events += self._handle(message)
            if self._dealer is not dealer:
                return events
        return events + self._lose("The server ended, or closed the connection.") if dealer.broken else events

    def _handle(self, message: Message) -> list[Event]:
        if message.type == "status" and self._pinged:
            if not message.get("more"):
                self._pinged = 0.0
            return []
        if message.get("code") == "hello_first":
            # ZeroMQ reconnected by itself, to a server that was started meanwhile and does not know us.
            return self._lose("The server was started again.")
        followed = self._jobs.get(str(message.get("job")))
        if message.type in ENDINGS and followed is not None:
            followed.ending = message
            return self._end(followed)
        handler = {
            "welcome": self._welcomed,
            "need": self._upload,
            "blob": self._collect,
            "frame": self._announced,
        }.get(message.type)
        if handler is not None:
            return handler(message)
        after: list[Event] = []
        if followed is not None and message.get("code") == "frame_lost":
            self._partial.pop((message["job"], message.get("sequence")), None)
            after = self._settle(message, followed)
        elif followed is not None and message.type == "accepted":
            followed.submit, followed.blobs = None, {}
        elif followed is not None and message.type == "rejected":
            followed.ended = True
        elif followed is not None and message.type == "forgotten" and not followed.ended:
            followed.kept = False  # what is missing of its frames does not come any more
            after = self._end(followed)
        return [Event(message.type, message.fields), *after]

    def _welcomed(self, message: Message) -> list[Event]:
        self.welcome = message.fields
        self._retry = RETRY_SECONDS[0]
        self._owed = WINDOW_BYTES
        for job, followed in self._jobs.items():
            if followed.submit is not None and not followed.ended:
                self._send(followed.submit)
            elif not followed.ended:
                self._attach(job)
        return [Event("connected", message.fields)]

    def _upload(self, message: Message) -> list[Event]:
        followed = self._jobs.get(message["job"])
        data = followed.blobs.get(message["digest"]) if followed is not None else None
        if data is None:
            return []
        start = message["offset"]
        chunk = data[start : start + min(message["bytes"], CHUNK_BYTES)]
        self._send(Message("blob", {"digest": message["digest"], "offset": start}, chunk))
        return []

    def _announced(self, message: Message) -> list[Event]:
        self._partial[message["job"], message["sequence"]] = (message.fields, bytearray())
        return []

    def _collect(self, message: Message) -> list[Event]:
        chunk = message.data or b""
        self._owed += len(chunk)
        key = (message["job"], message["sequence"])
        fields, data = self._partial.get(key, ({}, bytearray()))
        if not fields or message["offset"] != len(data):
            return []
        data += chunk
        if len(data) < fields["pixels"]["bytes"]:
            return []
        del self._partial[key]
        return self._completed(fields, bytes(data))

    def _completed(self, fields: Mapping[str, Any], data: bytes) -> list[Event]:
        event = Event("frame", fields, data)
        followed = self._jobs.get(fields["job"]) if fields["kept"] else None
        return [event, *(self._settle(event, followed) if followed is not None else [])]

    def _settle(self, message: Message, followed: _Followed) -> list[Event]:
        """A kept frame is here, or is lost; the ending comes if it was the last one awaited."""
        followed.settled.add(message.get("sequence", 0))  # an older server does not say which is lost
        while followed.received + 1 in followed.settled:
            followed.received += 1
        return [] if followed.ended else self._end(followed)

    def _end(self, followed: _Followed) -> list[Event]:
        """The ending of a job, if there is one: held back until the frames before it are here."""
        message = followed.ending
        if message is None:
            return []
        if message.type == CANCELLED:
            self._partial = {key: value for key, value in self._partial.items() if key[0] != message["job"]}
        elif followed.kept and followed.received < message["kept_frames"]:
            return []
        followed.ended = True
        return [Event(message.type, message.fields)]


def _unreadable(error: BadMessage) -> dict[str, Any]:
    return {
        "of": "",
        "code": "bad_message",
        "field": error.field,
        "message": f"The server sent something unreadable: {error}",
        "hint": "Update the older side: server and client come from different versions.",
    }
