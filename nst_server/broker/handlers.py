"""What each message of a client does."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from nst_server import __version__
from nst_server.broker.answers import error_about, frame_of, pages, rejection, summary, unreadable
from nst_server.broker.dispatch import Dispatcher
from nst_server.broker.sessions import MAX_LISTINGS, MAX_REPLIES, MAX_SESSIONS, Session, Sessions
from nst_server.broker.submission import MAX_PIXELS, Rejected, check_name, job_of, request_of
from nst_server.broker.uploads import (
    FREE_SPACE,
    LENGTH_HINT,
    MAX_NEEDS,
    MAX_PROFILE,
    Pending,
    Unexpected,
    Uploads,
    WrongLength,
)
from nst_server.jobs import Job, Jobs
from nst_server.store import DAMAGED, DiskFull, Store
from nst_server.wire.checks import InvalidParams
from nst_server.wire.codec import decode
from nst_server.wire.messages import (
    CHUNK_BYTES,
    FROM_CLIENT,
    HEADER_BYTES,
    PREPARING,
    PROTOCOL_VERSION,
    QUEUED,
    BadMessage,
    Message,
)
from nst_server.wire.params import MAX_STYLES
from nst_server.wire.scales import check_layers

log = logging.getLogger(__name__)

#: Unfinished jobs of one client, and of all.
JOBS_PER_CLIENT = 100
JOBS_TOTAL = 5000


class Handlers:
    """Reads clients' messages and answers them. Never raises, whatever the bytes are."""

    def __init__(self, jobs: Jobs, store: Store, sessions: Sessions, dispatcher: Dispatcher) -> None:
        self._jobs = jobs
        self._store = store
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._started = time.monotonic()
        #: Whether the latest client that came or left has left.
        self.said_bye = False
        self.uploads = Uploads(store, sessions, self._complete, self._refuse)
        self._handlers = {name: getattr(self, f"_{name}") for name in FROM_CLIENT if name != "hello"}

    def receive(self, identity: bytes, parts: Sequence[bytes]) -> None:
        """Handle one message of the connection ``identity``."""
        message = Message("")
        try:
            try:
                message = decode(parts, FROM_CLIENT)
            except BadMessage as error:
                self._answer(identity, unreadable(parts, error))
            else:
                self._handle(identity, message)
        except Exception:  # one message must not end everybody's jobs
            session = self._sessions.get(identity)
            log.exception("%s of client %r", message.type, session and session.client)
            hint = "Please report it with the server's log."
            text = "Something went wrong inside the server."
            self._answer(identity, error_about(message, "internal", "", text, hint))

    def _handle(self, identity: bytes, message: Message) -> None:
        session = self._sessions.get(identity)
        if message.type == "hello":
            self._hello(identity, message)
        elif session is None:
            hint = "Send hello first; after a reconnection too."
            self._answer(
                identity, error_about(message, "hello_first", "type", "This connection is new.", hint)
            )
        else:
            session.heard = time.monotonic()
            self._handlers[message.type](session, message)

    # -- the connection

    def _hello(self, identity: bytes, message: Message) -> None:
        theirs, ours = message["protocol"][0], PROTOCOL_VERSION[0]
        if theirs != ours:
            side = "the server" if theirs > ours else "the client"
            text = f"The client speaks protocol {theirs}, this server {ours}."
            hint = f"Update {side} (this server is version {__version__})."
            self._sessions.reply(identity, error_about(message, "version", "protocol", text, hint))
            return
        session = self._sessions.open(identity, message.get("client") or "unnamed")
        self.said_bye = False
        fields = {
            "protocol": list(PROTOCOL_VERSION),
            "server": __version__,
            "devices": self._dispatcher.devices,
            "encoders": self._dispatcher.encoders,
            "limits": {
                "chunk_bytes": CHUNK_BYTES,
                "header_bytes": HEADER_BYTES,
                "max_pixels": MAX_PIXELS,
                "profile_bytes": MAX_PROFILE,
                "styles": MAX_STYLES,
                "jobs_per_client": JOBS_PER_CLIENT,
                "jobs_total": JOBS_TOTAL,
                "outstanding_needs": MAX_NEEDS,
                "replies": MAX_REPLIES,
                "listings": MAX_LISTINGS,
                "sessions": MAX_SESSIONS,
            },
        }
        self._sessions.send(session, Message("welcome", fields))

    def _bye(self, session: Session, _message: Message) -> None:
        for pending in [pending for pending in self.uploads if pending.session is session]:
            self.uploads.remove(pending)
        self._sessions.close(session.identity)
        self.said_bye = True

    def _credit(self, session: Session, message: Message) -> None:
        self._sessions.give_credit(session, message["bytes"])

    def _status(self, session: Session, message: Message) -> None:
        fixed = {
            "server": __version__,
            "pid": os.getpid(),
            "uptime": round(time.monotonic() - self._started, 3),
            "devices": self._dispatcher.devices,
        }
        # Unfinished ones in the order of their turn, then the ended ones, newest first.
        ended = sorted((j for j in self._jobs if j.ending is not None), key=lambda j: -j.created)
        unfinished = [job for job in self._jobs if job.ending is None]
        self._list(session, message, fixed, "jobs", map(summary, [*unfinished, *ended]))

    # -- jobs

    def _submit(self, session: Session, message: Message) -> None:
        kept, previews = message.get("kept", True), message.get("previews", False)
        name = message["job"]
        try:
            request = request_of(message)
            known = self._jobs.get(name)
            pending = self.uploads.get(name)
            other = known or (pending.job if pending else None)
            if other is not None and other.request != request:
                raise Rejected("job", "Another job has this id.", "Choose a new id for every job.")
            if known is not None:
                self._attach_to(session, known, kept, previews, 0)
            elif pending is not None:
                if pending.session is not session:
                    self.uploads.renew(pending, session, time.monotonic())
            else:
                self._check_limits(session)
                jobs = chain(self._jobs, (waiting.job for waiting in self.uploads))
                check_name(name, (job.id for job in jobs))
                job = job_of(message, request, session.client, self._jobs, self._store)
                self.uploads.add(Pending(job, session, kept, previews), time.monotonic())
        except Rejected as error:
            self._reject(session, name, error)

    def _check_limits(self, session: Session) -> None:
        jobs = [self._jobs.get(name) for name in session.submitted]
        session.submitted = {job.id for job in jobs if job is not None and job.ending is None}
        mine = len(session.submitted) + sum(1 for pending in self.uploads if pending.session is session)
        if mine >= JOBS_PER_CLIENT:
            hint = f"The limit is {JOBS_PER_CLIENT}; wait until one ends."
            raise Rejected("job", f"This client has {mine} unfinished jobs.", hint)
        if self._jobs.unfinished + len(self.uploads) >= JOBS_TOTAL:
            raise Rejected("job", "The queue is full.", f"The limit is {JOBS_TOTAL} jobs; try again later.")
        try:
            self._store.check_space()
        except DiskFull as error:
            raise Rejected("job", str(error), FREE_SPACE) from error

    def _complete(self, pending: Pending) -> None:
        job, session = pending.job, pending.session
        try:
            self._jobs.accept(job)
        except OSError as error:
            log.error("job %s cannot be written: %s", job.id, error)
            self._refuse(pending, "job", f"The job cannot be written to disk: {error}.", "Free some space.")
            return
        session.submitted.add(job.id)
        self._attach_to(session, job, pending.kept, pending.previews, 0)

    def _refuse(self, pending: Pending, field: str, message: str, hint: str) -> None:
        self._reject(pending.session, pending.job.id, Rejected(field, message, hint))

    def _reject(self, session: Session, job: str, error: Rejected) -> None:
        self._sessions.send(session, rejection(job, error.field, str(error), error.hint))

    def _attach(self, session: Session, message: Message) -> None:
        job = self._known(session, message)
        if job is not None:
            kept, previews = message.get("kept", True), message.get("previews", False)
            self._attach_to(session, job, kept, previews, message.get("after", 0))

    def _attach_to(self, session: Session, job: Job, kept: bool, previews: bool, after: int) -> None:
        fields = {
            "job": job.id,
            "state": job.state,
            "position": job.position if job.stage == QUEUED else 0,
            "revision": job.revision,
            "kept_frames": job.kept_frames,
            "params": job.params.to_header(),
            "title": job.title,
            "iteration": job.iteration,
        }
        self._sessions.send(session, Message("accepted", fields))
        self._sessions.follow(session, job, kept, previews, after)

    def _update(self, session: Session, message: Message) -> None:
        job = self._unfinished(session, message)
        if job is None or message["revision"] <= job.revision:
            return
        try:
            params = job.params.updated(message["params"])
            if bool(params.strength) is not bool(job.params.strength):  # other layers count then
                check_layers(params)
            if len(params.style_weights) not in (0, len(job.styles)):
                hint = f"Styles of the job: {len(job.styles)}. Give as many numbers, or none."
                raise InvalidParams("style_weights", "must be one for each style.", hint)
        except InvalidParams as error:
            self._sessions.send(
                session,
                error_about(message, "bad_update", f"params.{error.field}", error.problem, error.hint),
            )
            return
        self._jobs.update(job, message["revision"], params)
        self._dispatcher.tell(job, "update", revision=job.revision, params=params.to_header())

    def _pause(self, session: Session, message: Message) -> None:
        job = self._unfinished(session, message)
        if job is not None:
            changed = self._jobs.pause(job, message.type == "pause")
            if changed:
                self._dispatcher.tell(job, message.type)
            # Followers hear of a change; everybody else would wait in vain. ``accepted`` is still to come
            # where the images are arriving.
            told = changed and job.id in session.follows
            if not told and self.uploads.get(job.id) is None:
                self._sessions.send(session, job.state_message())

    _resume = _pause

    def _stop(self, session: Session, message: Message) -> None:
        job = self._unfinished(session, message)
        if job is None:
            return
        self._sessions.listen(session, job)
        if job.stage in (QUEUED, PREPARING) and not (job.saved or job.kept_frames):
            # There is no picture yet that could be kept.
            self._end(job)
        else:
            self._jobs.stop(job)
            self._dispatcher.tell(job, "stop")

    def _cancel(self, session: Session, message: Message) -> None:
        job = self._unfinished(session, message)
        if job is not None:
            self._sessions.listen(session, job)
            self._end(job)

    def _end(self, job: Job) -> None:
        self._jobs.cancel(job)
        self._dispatcher.cancel(job)

    # -- frames

    def _blob(self, session: Session, message: Message) -> None:
        try:
            chunk = message.data or b""
            self.uploads.receive(session, message["digest"], message["offset"], chunk, time.monotonic())
        except Unexpected as error:
            hint = 'Answer each "need" with exactly one chunk, in their order.'
            self._sessions.send(session, error_about(message, "unexpected_blob", "offset", str(error), hint))
            self.uploads.ask(session)
        except WrongLength as error:
            self._sessions.send(
                session, error_about(message, "wrong_length", "bytes", str(error), LENGTH_HINT)
            )
            self.uploads.ask(session)

    def _ack(self, session: Session, message: Message) -> None:
        job = self._known(session, message)
        if job is not None:
            self._jobs.acknowledge(job, message["sequence"])

    def _frames(self, session: Session, message: Message) -> None:
        job = self._known(session, message)
        if job is None:
            return
        headers = (self._header(job, sequence) for sequence in range(1, job.kept_frames + 1))
        fixed = {"job": job.id, "state": job.state}
        self._list(session, message, fixed, "frames", (h for h in headers if h is not None))
        if message.get("fetch"):
            self._sessions.fetch(session, job, message["fetch"])

    def _header(self, job: Job, sequence: int) -> dict[str, Any] | None:
        try:
            record = self._store.frame(job.id, sequence)
            header = frame_of(record)
            # One whose file is gone would be fetched in vain, each time it is listed.
            self._store.frame_path(job.id, record).stat()
            return dict(header.fields)
        except (OSError, *DAMAGED) as error:
            log.warning("frame %d of %s cannot be read: %s", sequence, job.id, error)
            return None

    def _forget(self, session: Session, message: Message) -> None:
        job = self._known(session, message)
        if job is None:
            return
        if job.ending is None:
            hint = "Cancel it first."
            self._sessions.send(
                session, error_about(message, "not_ended", "job", "The job has not ended.", hint)
            )
            return
        self._sessions.listen(session, job)  # all who do are told
        self._jobs.forget(job)

    # -- helpers

    def _known(self, session: Session, message: Message) -> Job | None:
        """The job that the message names, or None after an error has been sent."""
        job = self._jobs.get(message["job"])
        if job is None:
            hint = "It was forgotten, never accepted, or belongs to another server."
            text = f"There is no job {message['job']}."
            self._sessions.send(session, error_about(message, "unknown_job", "job", text, hint))
        return job

    def _unfinished(self, session: Session, message: Message) -> Job | None:
        """Like ``_known``, and a job whose images are arriving: that one ends here if it shall.

        For an ended job the ending is repeated.
        """
        pending = self.uploads.get(message["job"])
        if pending is not None:
            if message.type not in ("cancel", "stop"):
                return pending.job
            self.uploads.remove(pending)
            cancelled = Message("cancelled", {"job": pending.job.id, "kept_frames": 0})
            self._sessions.send(pending.session, cancelled)
            if session is not pending.session:
                self._sessions.send(session, cancelled)
            return None
        job = self._known(session, message)
        if job is not None and job.ending is not None:
            self._sessions.send(session, job.ending)
            return None
        return job

    def _list(
        self, session: Session, message: Message, fixed: Mapping[str, Any], name: str, items: Iterable[Any]
    ) -> None:
        if not self._sessions.send_list(session, pages(message.type, fixed, name, items)):
            hint = f"Read the answers; at most {MAX_LISTINGS} may wait."
            self._sessions.send(
                session, error_about(message, "limit", "type", "Too many listings wait.", hint)
            )

    def _answer(self, identity: bytes, message: Message) -> None:
        session = self._sessions.get(identity)
        if session is None:
            self._sessions.reply(identity, message)
        else:
            self._sessions.send(session, message)
