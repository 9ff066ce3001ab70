"""Clients that said hello: what waits to be sent to each, within the credit that it gave.

Nothing here grows with a client that does not read: states and progress replace their older selves,
previews have one slot for each job, kept frames stay on disk, and replies are counted.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import zmq

from nst_server.broker.answers import frame_lost, frame_of
from nst_server.jobs import ENDED, FORGOTTEN, FRAME, PREVIEW, PROGRESS, STATE, Change, Job, Jobs
from nst_server.store import DAMAGED, Store
from nst_server.wire.codec import encode
from nst_server.wire.messages import CANCELLED, CANCELLING, CHUNK_BYTES, Message

log = logging.getLogger(__name__)

#: Progress reaches a client at most this often, in seconds.
PROGRESS_SECONDS = 0.1
#: Replies that may wait for a client. Whoever asks more without reading has to say hello again.
MAX_REPLIES = 1000
#: Listings (of frames, of jobs) that may wait for a client; they are made as they are sent.
MAX_LISTINGS = 16
#: Sessions at once; beyond it the one that was silent for longest is dropped.
MAX_SESSIONS = 500
MAX_CREDIT = 2**40
#: How long to wait before offering a message again to a client whose pipe is full, in seconds.
_RETRY_SECONDS = 0.003
NEVER = float("inf")


@dataclass(eq=False)
class Follow:
    """What one client gets of one job.

    kept, previews: which frames it wants as they come. cursor: the number of the last kept frame that it was
    sent, or has. fetch: numbers of kept frames that it asked for, which go first. progress, preview: the
    latest that it was told, to be compared with the job's own by identity.
    """

    job: Job
    kept: bool
    previews: bool
    cursor: int = 0
    fetch: deque[int] = field(default_factory=deque)
    progress: Mapping[str, Any] | None = None
    preview: Any = None


@dataclass(eq=False)
class Transfer:
    """A frame on its way to one client.

    header: the message before the pixels. size: of the pixels, in bytes. source: the pixels themselves or the
    open file that they begin in. offset: how many bytes of them went out. announced: whether the header did.
    """

    job: Job
    header: Message
    size: int
    source: Any
    offset: int = 0
    announced: bool = False


@dataclass(eq=False)
class Session:
    """One connection of a client.

    identity: ZeroMQ's name of it. client: its own name, for the log. credit: bytes of frames that it can
    take. heard: when it last said something (monotonic). follows: by the id of the job. submitted: ids of its
    own jobs. replies: messages that wait, by a key under which a newer one replaces them. behind: the jobs of
    which something new is to be sent, in turn. progress_at: when progress may go out again (monotonic).
    """

    identity: bytes
    client: str
    credit: int = 0
    heard: float = 0.0
    follows: dict[str, Follow] = field(default_factory=dict)
    submitted: set[str] = field(default_factory=set)
    replies: dict[object, Message] = field(default_factory=dict)
    behind: dict[Follow, None] = field(default_factory=dict)
    listings: deque[Iterator[Message]] = field(default_factory=deque)
    transfer: Transfer | None = None
    progress_at: float = 0.0
    closed: bool = False


class Sessions:
    """All sessions, and the one place that writes to the clients' socket."""

    def __init__(self, socket: zmq.Socket[bytes], jobs: Jobs, store: Store) -> None:
        self._socket = socket
        self._jobs = jobs
        self._store = store
        self._sessions: dict[bytes, Session] = {}
        self._followers: dict[str, dict[Session, Follow]] = {}
        self._dirty: dict[Session, None] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def get(self, identity: bytes) -> Session | None:
        """The session of this connection, if it said hello."""
        return self._sessions.get(identity)

    def open(self, identity: bytes, client: str) -> Session:
        """A new session; it replaces an older one of the same connection."""
        self.close(identity)
        if len(self._sessions) >= MAX_SESSIONS:
            self.close(min(self._sessions.values(), key=lambda s: s.heard).identity)
        session = self._sessions[identity] = Session(identity, client, heard=time.monotonic())
        return session

    def close(self, identity: bytes) -> None:
        """Forget a session and all that waits in it."""
        session = self._sessions.pop(identity, None)
        if session is None:
            return
        session.closed = True
        session.replies.clear()
        session.listings.clear()
        self._dirty.pop(session, None)
        self._end_transfer(session)
        for job in list(session.follows):
            self._unfollow(session, job)

    # -- what is put in

    def send(self, session: Session, message: Message, key: object = None) -> None:
        """Queue a message for a client; one with the same ``key`` that still waits is replaced."""
        if session.closed:
            return
        if len(session.replies) >= MAX_REPLIES:
            log.warning("client %r does not read; its session is closed", session.client)
            self.close(session.identity)
            return
        # Its successor takes the last place: what it says came after all that waits.
        session.replies.pop(key, None)
        session.replies[key or object()] = message
        self._dirty[session] = None

    def send_list(self, session: Session, messages: Iterator[Message]) -> bool:
        """Queue a listing in several messages. False if too many wait already."""
        if session.closed or len(session.listings) >= MAX_LISTINGS:
            return False
        session.listings.append(messages)
        self._dirty[session] = None
        return True

    def reply(self, identity: bytes, message: Message) -> None:
        """Answer a connection without a session, if it can take an answer at once."""
        try:
            self._socket.send_multipart([identity, *encode(message)], zmq.DONTWAIT)
        except zmq.ZMQError:
            log.debug("an answer to a connection without a session was dropped")

    def give_credit(self, session: Session, amount: int) -> None:
        """The client can take ``amount`` more bytes of frames."""
        if not session.closed:
            session.credit = min(session.credit + amount, MAX_CREDIT)
            self._dirty[session] = None

    def follow(self, session: Session, job: Job, kept: bool, previews: bool, after: int) -> None:
        """From now on the client hears of ``job``; it has the kept frames up to ``after`` already."""
        if session.closed:
            return
        # Of a cancelled job frames come only where they are fetched.
        follow = Follow(job, kept and job.state not in (CANCELLING, CANCELLED), previews, cursor=after)
        self._unfollow(session, job.id)
        session.follows[job.id] = follow
        self._followers.setdefault(job.id, {})[session] = follow
        if job.ending is not None:
            follow.progress = job.progress
            self.send(session, job.ending)
        else:
            self.send(session, job.state_message(), ("state", job.id))
        self._touch(session, follow)

    def fetch(self, session: Session, job: Job, sequences: list[int]) -> None:
        """Send these kept frames once more."""
        if session.closed:
            return
        follow = self.listen(session, job)
        waiting = set(follow.fetch)
        new = (s for s in dict.fromkeys(sequences) if s not in waiting and 1 <= s <= job.kept_frames)
        follow.fetch.extend(new)
        self._touch(session, follow)

    def listen(self, session: Session, job: Job) -> Follow:
        """From now on the client hears of ``job``, if it does not yet; without frames."""
        follow = session.follows.get(job.id)
        if follow is None:
            follow = session.follows[job.id] = Follow(job, False, False)
            self._followers.setdefault(job.id, {})[session] = follow
        return follow

    def wants_previews(self, job: str) -> bool:
        """Whether any client does."""
        return any(follow.previews for follow in self._followers.get(job, {}).values())

    def announce(self, change: Change) -> None:
        """Tell the followers of the job."""
        job = change.job
        for session, follow in list(self._followers.get(job.id, {}).items()):
            if change.kind == STATE:
                if job.cancelling:
                    self._silence(session, follow)
                else:
                    # It is of the state before.
                    self._send_progress(session, follow)
                self.send(session, job.state_message(), ("state", job.id))
            elif change.kind in (PROGRESS, FRAME, PREVIEW):
                self._touch(session, follow)
            elif change.kind == ENDED:
                self._send_progress(session, follow)
                if job.state == CANCELLED:
                    self._silence(session, follow)
                assert job.ending is not None
                self.send(session, job.ending)
            elif change.kind == FORGOTTEN:
                self._silence(session, follow)
                self._unfollow(session, job.id)
                self.send(session, Message("forgotten", {"job": job.id}))

    def _touch(self, session: Session, follow: Follow) -> None:
        session.behind[follow] = None
        self._dirty[session] = None

    def _unfollow(self, session: Session, job: str) -> None:
        follow = session.follows.pop(job, None)
        if follow is not None:
            session.behind.pop(follow, None)
            followers = self._followers[job]
            del followers[session]
            if not followers:
                del self._followers[job]

    def _silence(self, session: Session, follow: Follow) -> None:
        """No frame of the job for this client any more, not even the rest of one."""
        follow.kept = follow.previews = False
        follow.fetch.clear()
        follow.progress = follow.job.progress
        session.replies.pop(("progress", follow.job.id), None)
        if session.transfer is not None and session.transfer.job is follow.job:
            self._end_transfer(session)

    # -- what goes out

    def flush(self, now: float) -> float:
        """Send what can be sent, one chunk for each client; returns when to come again (monotonic)."""
        again = NEVER
        for session in list(self._dirty):
            try:
                at = self._flush(session, now)
            except zmq.Again:
                at = now + _RETRY_SECONDS
            except zmq.ZMQError as error:
                log.info("client %r is gone: %s", session.client, error)
                self.close(session.identity)
                continue
            except Exception:
                # A fault of ours costs that client its session, and nobody else anything.
                log.exception("what waits for client %r cannot be sent", session.client)
                self.close(session.identity)
                continue
            if at == NEVER:
                self._dirty.pop(session, None)
            again = min(again, at)
        return again

    def _flush(self, session: Session, now: float) -> float:
        if now >= session.progress_at:
            for follow in list(session.behind):
                if self._send_progress(session, follow):
                    session.progress_at = now + PROGRESS_SECONDS
        while session.replies or session.listings:
            if not session.replies:
                message = next(session.listings[0], None)
                if message is None:
                    session.listings.popleft()
                    continue
                self.send(session, message)
            key = next(iter(session.replies))
            self._write(session, session.replies[key])
            del session.replies[key]
        if session.transfer is None and session.credit > 0:
            session.transfer = self._next_transfer(session)
            if session.replies:
                # One is lost: that is told before the next one comes.
                return now
        if session.transfer is not None and session.credit > 0:
            self._write_chunk(session, session.transfer)
            return now
        late = any(follow.progress is not follow.job.progress for follow in session.behind)
        return session.progress_at if late else NEVER

    def _send_progress(self, session: Session, follow: Follow) -> bool:
        progress = follow.job.progress
        if progress is None or progress is follow.progress:
            return False
        follow.progress = progress
        self.send(session, Message("progress", progress), ("progress", follow.job.id))
        return True

    def _next_transfer(self, session: Session) -> Transfer | None:
        """The next frame for this client: kept ones in sequence, then previews."""
        for follow in list(session.behind):
            sequence = _next_sequence(follow)
            if sequence:
                return self._open_frame(session, follow.job, sequence)
        for follow in list(session.behind):
            preview = follow.job.preview
            if follow.previews and preview is not None and preview is not follow.preview:
                follow.preview = preview
                return Transfer(follow.job, Message("frame", preview[0]), len(preview[1]), preview[1])
            if follow.progress is follow.job.progress:
                del session.behind[follow]
        return None

    def _open_frame(self, session: Session, job: Job, sequence: int) -> Transfer | None:
        try:
            record = self._store.frame(job.id, sequence)
            header = frame_of(record)
            file = self._store.frame_path(job.id, record).open("rb")
        except (OSError, *DAMAGED) as error:
            self._lose(session, job, sequence, error)
            return None
        return Transfer(job, header, header["pixels"]["bytes"], file)

    def _lose(self, session: Session, job: Job, sequence: int, error: object) -> None:
        log.warning("frame %d of %s cannot be read: %s", sequence, job.id, error)
        self.send(session, frame_lost(job.id, sequence))

    def _write_chunk(self, session: Session, transfer: Transfer) -> None:
        length = min(CHUNK_BYTES, session.credit, transfer.size - transfer.offset)
        start = transfer.offset
        if isinstance(transfer.source, bytes):
            chunk = transfer.source[start : start + length]
        else:
            chunk = self._read(session, transfer, length)
        if not chunk:
            self._end_transfer(session)
            return
        if not transfer.announced:
            self._write(session, transfer.header)
            transfer.announced = True
        frame = transfer.header
        fields = {"job": transfer.job.id, "sequence": frame["sequence"], "digest": frame["pixels"]["digest"]}
        self._write(session, Message("blob", {**fields, "offset": start}, chunk))
        session.credit -= len(chunk)
        transfer.offset += len(chunk)
        if transfer.offset >= transfer.size:
            self._end_transfer(session)

    def _read(self, session: Session, transfer: Transfer, length: int) -> bytes:
        """The next bytes of a kept frame; none where they cannot be had, which the client is told."""
        try:
            transfer.source.seek(transfer.offset)
            chunk: bytes = transfer.source.read(length)
            error: object = "its file is too short"
        except OSError as failure:
            chunk, error = b"", failure
        if not chunk:
            self._lose(session, transfer.job, transfer.header["sequence"], error)
        return chunk

    def _end_transfer(self, session: Session) -> None:
        if session.transfer is not None and not isinstance(session.transfer.source, bytes):
            with suppress(OSError):
                session.transfer.source.close()
        session.transfer = None

    def _write(self, session: Session, message: Message) -> None:
        try:
            parts = encode(message)
        except ValueError:
            log.exception("%s of %s cannot be sent", message.type, message.get("job"))
            return
        self._socket.send_multipart([session.identity, *parts], zmq.DONTWAIT)


def _next_sequence(follow: Follow) -> int:
    """The next kept frame that the client lacks, 0 for none."""
    if follow.fetch:
        return follow.fetch.popleft()
    if follow.kept and follow.cursor < follow.job.kept_frames:
        follow.cursor += 1
        return follow.cursor
    return 0
