"""Images on their way in. The server pulls them: each ``need`` asks for one chunk, a few at a time.

A blob is received once, whoever waits for it. Chunks go straight to the store.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from nst_server.broker.sessions import Session, Sessions
from nst_server.jobs import Job
from nst_server.store import DiskFull, Part, Store
from nst_server.wire.messages import CHUNK_BYTES, Message

log = logging.getLogger(__name__)

#: Chunks asked of one client at once: keeps a fast connection busy while one is written.
MAX_NEEDS = 4
#: The largest ICC profile that is taken, in bytes.
MAX_PROFILE = 8 * 1024 * 1024
#: Chunks of a wrong length that a client may send of one image; one that goes on would never end.
MAX_WRONG_LENGTHS = 3
LENGTH_HINT = 'Answer each "need" with as many bytes as it names.'
#: After this silence the chunks are asked for again, of another client that has them if there is one; then
#: after twice as long, and so on: over a slow line what is asked for twice is sent twice.
STALL_SECONDS = 10.0
#: A submission is dropped when no chunk of its client, nor of the image, has come for so long.
EXPIRE_SECONDS = 600.0
#: What to do about a full disk.
FREE_SPACE = "Free some space, or forget old jobs (nst forget --ended)."


class Unexpected(Exception):
    """A chunk that was not asked for."""


class WrongLength(Exception):
    """A chunk of another length than was asked for."""


@dataclass(eq=False)
class Pending:
    """A submission whose images are not all here yet.

    kept, previews: which frames its client wants. missing: digests of the images and profiles not yet here.
    """

    job: Job
    session: Session
    kept: bool
    previews: bool
    missing: set[str] = field(default_factory=set)


@dataclass(eq=False)
class _Upload:
    """An image, or a profile, that is arriving.

    size: in bytes; None for a profile, which ends where its digest is right. part: what is here of it.
    heard: when a chunk of it last came; nudged: when it was last asked for again (both monotonic); patience:
    how long to wait before that, in seconds. waiting: the submissions that want it, the latest last. source:
    the client that is asked, the next time from byte ``next`` on. asked: of each client, the offsets that it
    has not answered. senders: who sent any of it. wrong_lengths: of each client, how many chunks had a wrong
    length.
    """

    digest: str
    size: int | None
    part: Part
    heard: float
    waiting: list[Pending]
    source: Session
    nudged: float = 0.0
    patience: float = STALL_SECONDS
    asked: dict[Session, set[int]] = field(default_factory=dict)
    senders: set[Session] = field(default_factory=set)
    next: int = 0
    wrong_lengths: dict[Session, int] = field(default_factory=dict)


class Uploads:
    """Submissions that wait for images, and the images that are arriving.

    ``complete(pending)`` is called when all images of a submission are here, ``refuse(pending, field,
    message, hint)`` when one cannot be had.
    """

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        complete: Callable[[Pending], None],
        refuse: Callable[[Pending, str, str, str], None],
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._complete = complete
        self._refuse = refuse
        self._uploads: dict[str, _Upload] = {}
        self._pending: dict[str, Pending] = {}
        #: Of each client: the needs (digest, offset) that it has not answered, whoever sends the image first.
        self._open: WeakKeyDictionary[Session, Counter[tuple[str, int]]] = WeakKeyDictionary()
        #: Of each client: when its latest chunk came, or the submission that it is to send images for.
        self._heard: WeakKeyDictionary[Session, float] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._pending)

    def __iter__(self) -> Iterator[Pending]:
        return iter(self._pending.values())

    def get(self, job: str) -> Pending | None:
        """The submission of this id, if it waits for images."""
        return self._pending.get(job)

    def add(self, pending: Pending, now: float) -> None:
        """Ask for the images that a submission lacks; completes it at once if there are none."""
        job = pending.job
        self._heard[pending.session] = now
        self._store.hold(job)
        sizes: dict[str, int | None] = {image.icc: None for image in job.images.values() if image.icc}
        sizes.update({image.digest: image.bytes for image in job.images.values()})
        lacking = {d: size for d, size in sizes.items() if not self._store.has_blob(d, size)}
        self._pending[job.id] = pending
        pending.missing = set(lacking)
        for digest, size in lacking.items():
            upload = self._uploads.get(digest)
            try:
                if upload is None:
                    self._store.check_space(sum(s or MAX_PROFILE for s in lacking.values()))
                    part = self._store.begin_blob(digest)
                    upload = _Upload(digest, size, part, now, [], pending.session)
                    self._uploads[digest] = upload
            except (DiskFull, OSError) as error:
                self._give_up(pending, digest, *_disk_words(error))
                return
            if upload.size != size:
                self._give_up(
                    pending,
                    digest,
                    f"An image with this digest and {upload.size} bytes is being received.",
                    "Check the digest and the size.",
                )
                return
            upload.waiting.append(pending)
            self._prefer(upload, pending.session)
        if pending.missing:
            self.ask(pending.session)
        else:
            self._finish(pending)

    def renew(self, pending: Pending, session: Session, now: float) -> None:
        """The client of a waiting submission has come back on another connection."""
        pending.session = session
        self._heard[session] = now
        for upload in self._uploads.values():
            if pending in upload.waiting:
                self._prefer(upload, session)
        self.ask(session)

    def remove(self, pending: Pending) -> None:
        """Drop a submission that waits."""
        del self._pending[pending.job.id]
        for upload in list(self._uploads.values()):
            if pending in upload.waiting:
                upload.waiting.remove(pending)
                if not upload.waiting:
                    upload.part.drop()
                    del self._uploads[upload.digest]
                elif upload.source is pending.session:
                    self._prefer(upload, upload.waiting[-1].session)
                    self.ask(upload.source)
        self._store.release(pending.job)

    def receive(self, session: Session, digest: str, offset: int, chunk: bytes, now: float) -> None:
        """Take a chunk.

        Raises Unexpected if it was not asked of this client or is not its turn, WrongLength for its length;
        then ``ask`` asks for what is missing.
        """
        needs = self._open.get(session, Counter())
        if not needs[digest, offset]:
            raise Unexpected(f"Nobody asked for {digest[:12]}… from byte {offset}.")
        needs[digest, offset] -= 1
        upload = self._uploads.get(digest)
        if upload is None:
            # The image came from another client meanwhile, or nobody waits for it any more.
            return
        if offset > upload.part.offset:
            # One that was asked for again comes again, and one of two clients is enough.
            if needs[digest, offset] or upload.source is not session:
                return
            self._draw_from(upload, session)
            raise Unexpected(f"Bytes {upload.part.offset} to {offset} of {digest[:12]}… are still missing.")
        # Not above: who mixes them up again and again has to come to an end.
        self._heard[session] = now
        upload.asked.get(session, set()).discard(offset)
        # A chunk that is here already was asked of two clients, or twice of a slow one.
        if offset == upload.part.offset:
            self._append(upload, session, offset, chunk, now)
        self.ask(session)

    def tick(self, now: float) -> None:
        """Ask again where nothing arrives, give up where nothing comes for long."""
        for upload in list(self._uploads.values()):
            for pending in list(upload.waiting):
                # Images are sent one after the other: this one may wait for its turn.
                if now - max(upload.heard, self._heard[pending.session]) > EXPIRE_SECONDS:
                    self._give_up(
                        pending, upload.digest, "The image did not arrive.", "Send the submission again."
                    )
            if upload.waiting:
                self._nudge(upload, now)

    def _nudge(self, upload: _Upload, now: float) -> None:
        """Ask for an image again where nothing of it arrives."""
        is_asked = bool(upload.asked.get(upload.source))
        heard = max(upload.heard, self._heard[upload.source]) if is_asked else upload.heard
        if now - max(heard, upload.nudged) <= upload.patience:
            return
        upload.nudged = now
        if is_asked:
            upload.patience *= 2
        others = [p.session for p in upload.waiting if p.session is not upload.source]
        self._draw_from(upload, others[0] if others else upload.source)
        self.ask(upload.source)

    def _append(self, upload: _Upload, session: Session, offset: int, chunk: bytes, now: float) -> None:
        expected = len(chunk) if upload.size is None else min(CHUNK_BYTES, upload.size - offset)
        if len(chunk) != expected:
            self._wrong_length(upload, session, offset, len(chunk), expected)
            return
        try:
            upload.part.write(chunk)
            upload.heard = now
            upload.senders.add(session)
            # How long a profile is shows only when its digest is right.
            whole = upload.size is None or upload.part.offset == upload.size
            if whole and upload.part.digest == upload.digest:
                self._arrived(upload)
                return
        except OSError as error:
            for pending in list(upload.waiting):
                self._give_up(pending, upload.digest, *_disk_words(error))
            return
        if upload.size is None:
            upload.next = upload.part.offset
            whole = len(chunk) < CHUNK_BYTES or upload.part.offset >= MAX_PROFILE
        if whole:
            self._wrong(upload, now)

    def _wrong_length(
        self, upload: _Upload, session: Session, offset: int, length: int, expected: int
    ) -> None:
        """Prepare to ask once more; refuse whoever does it again and again. Raises WrongLength."""
        count = upload.wrong_lengths[session] = upload.wrong_lengths.get(session, 0) + 1
        problem = (
            f"{length} bytes came from byte {offset} of {upload.digest[:12]}…, but {expected} were asked."
        )
        if count > MAX_WRONG_LENGTHS:
            for pending in [p for p in upload.waiting if p.session is session]:
                self._give_up(pending, upload.digest, problem, LENGTH_HINT)
            return
        if upload.source is session:
            self._draw_from(upload, session)
        raise WrongLength(problem)

    def _arrived(self, upload: _Upload) -> None:
        upload.part.finish(self._store.blob_path(upload.digest))
        del self._uploads[upload.digest]
        for pending in upload.waiting:
            pending.missing.discard(upload.digest)
            if not pending.missing:
                self._finish(pending)

    def _wrong(self, upload: _Upload, now: float) -> None:
        """The bytes do not have the digest: refuse whoever sent them, begin again with the others."""
        senders = set(upload.senders)
        for pending in [p for p in upload.waiting if p.session in senders]:
            self._give_up(
                pending,
                upload.digest,
                f"The bytes that came are not those of the digest {upload.digest[:12]}….",
                "Compute SHA-256 of the bytes as they are sent; a profile has at most "
                f"{MAX_PROFILE // 2**20} MiB.",
            )
        if upload.waiting:
            upload.part.drop()
            upload.part = self._store.begin_blob(upload.digest)
            upload.heard, upload.senders, upload.asked = now, set(), {}
            self._draw_from(upload, upload.waiting[0].session)
            self.ask(upload.source)

    def _prefer(self, upload: _Upload, session: Session) -> None:
        """Whoever asks last is there for certain; the one before may have vanished."""
        if upload.source is not session:
            self._draw_from(upload, session)

    def _draw_from(self, upload: _Upload, session: Session) -> None:
        upload.source = session
        upload.next = upload.part.offset
        upload.asked[session] = set()

    def ask(self, session: Session) -> None:
        """Ask the client for chunks, up to the limit, one image after the other."""
        mine = [upload for upload in self._uploads.values() if upload.source is session]
        count = sum(len(upload.asked.get(session, ())) for upload in self._uploads.values())
        for upload in mine:
            asked = upload.asked.setdefault(session, set())
            while count < MAX_NEEDS and (upload.next < upload.size if upload.size else not asked):
                left = CHUNK_BYTES if upload.size is None else upload.size - upload.next
                length = min(CHUNK_BYTES, left)
                fields = {"digest": upload.digest, "offset": upload.next, "bytes": length}
                job = next((p.job.id for p in upload.waiting if p.session is session), "")
                self._sessions.send(session, Message("need", {"job": job, **fields}))
                asked.add(upload.next)
                self._open.setdefault(session, Counter())[upload.digest, upload.next] += 1
                upload.next += length
                count += 1

    def _finish(self, pending: Pending) -> None:
        del self._pending[pending.job.id]
        self._complete(pending)
        # The job holds them now, if it was accepted.
        self._store.release(pending.job)

    def _give_up(self, pending: Pending, digest: str, message: str, hint: str) -> None:
        images = pending.job.images.items()
        named = [name for name, image in images if image.digest == digest]
        named += [f"{name}.icc" for name, image in images if image.icc == digest]
        self.remove(pending)
        self._refuse(pending, named[0], message, hint)


def _disk_words(error: Exception) -> tuple[str, str]:
    if isinstance(error, DiskFull):
        return str(error), FREE_SPACE
    log.error("an image cannot be written: %s", error)
    return f"The image cannot be written to disk: {error}.", "Free some space, then submit it again."
