"""The broker's loop: one thread, the only owner of the clients' socket."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import zmq

from nst_server.broker.dispatch import Dispatcher
from nst_server.broker.endpoint import Endpoint
from nst_server.broker.handlers import Handlers
from nst_server.broker.sessions import Sessions
from nst_server.executors import Executor
from nst_server.jobs import ACCEPTED, ENDED, FORGOTTEN, FRAME, Change, Jobs
from nst_server.store import Store

log = logging.getLogger(__name__)

#: The loop turns at least this often, in seconds: signals, deadlines and dead workers are seen then.
TICK_SECONDS = 0.05
#: Messages taken before the others get their turn: results to send, executors to hear.
_MAX_MESSAGES = 100
#: Idle time after a client's "bye", in seconds: twice the silence after which clients count a server as gone.
_BYE_SECONDS = 30.0
#: How long executors may take to write down where their jobs are, in s; systems that shut down wait longer.
_LEAVE_SECONDS = 8.0
#: What a full disk did not take is tried again so often, in seconds.
_WRITE_SECONDS = 5.0
#: Old jobs are looked for so often, in seconds.
_PURGE_SECONDS = 24 * 3600.0


class Broker:
    """Clients on one side, executors on the other.

    ``worker_domain``: the ZAP domain of executors' own sockets. ``idle_exit``: seconds without a job and
    without a word of a client after which ``run`` returns, less after a "bye"; 0 for never.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        store: Store,
        executors: Sequence[Executor],
        *,
        worker_domain: bytes,
        idle_exit: float = 0.0,
    ) -> None:
        self._endpoint = endpoint
        self._store = store
        self._worker_domain = worker_domain
        self._idle_exit = idle_exit
        self._jobs = Jobs(self._on_change)
        self._sessions = Sessions(endpoint.socket, self._jobs, store)
        self._dispatcher = Dispatcher(self._jobs, store, self._sessions, executors)
        self._handlers = Handlers(self._jobs, store, self._sessions, self._dispatcher)
        self._needed = time.monotonic()
        self._purge_at = self._needed + _PURGE_SECONDS
        self._unwritten: dict[str, Change] = {}  # endings, by job
        self._write_at = self._needed
        self._stopping = False

    def stop(self) -> None:
        """Let ``run`` return; may be called from a signal handler."""
        self._stopping = True

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until ``stop`` or until idle for long; ``on_ready`` is called when clients may come."""
        for job in self._store.load():
            self._jobs.restore(job)
        on_ready()
        try:
            again = 0.0
            while not self._stopping:
                again = self._turn(again)
                if self._idle():
                    log.info("idle for %g s: the server ends", self._patience)
                    break
        finally:
            self._leave()
            self._dispatcher.close()
            self._write_endings()
            for session in self._sessions:
                self._sessions.close(session.identity)

    def _leave(self) -> None:
        """What is being computed goes on when the server is started again: wait until it is written down."""
        self._dispatcher.leave()
        deadline = time.monotonic() + _LEAVE_SECONDS
        while not self._dispatcher.has_left and time.monotonic() < deadline:
            self._dispatcher.work(time.monotonic())
            time.sleep(TICK_SECONDS / 5)
        # Their last words.
        self._dispatcher.work(time.monotonic())

    def _turn(self, again: float) -> float:
        """Wait for something to do until ``again``, then do it; returns when to come again."""
        self._wait(again)
        if self._endpoint.zap.poll(0):
            self._endpoint.authenticate(self._worker_domain)
        self._receive()
        now = time.monotonic()
        self._dispatcher.work(now)
        self._handlers.uploads.tick(now)
        if now > self._write_at:
            self._write_at = now + _WRITE_SECONDS
            self._write_endings()
        if now > self._purge_at:
            self._purge_at = now + _PURGE_SECONDS
            self.purge()
        again = self._sessions.flush(now)
        if again > now and self._store.tidy():
            return now
        return again

    def _wait(self, again: float) -> None:
        poller = zmq.Poller()
        for socket in (self._endpoint.socket, self._endpoint.zap, *self._dispatcher.sockets()):
            poller.register(socket, zmq.POLLIN)
        seconds = min(TICK_SECONDS, max(0.0, again - time.monotonic()))
        poller.poll(round(1000 * seconds))

    def _receive(self) -> None:
        for _ in range(_MAX_MESSAGES):
            try:
                identity, *parts = self._endpoint.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            self._needed = time.monotonic()
            self._handlers.receive(identity, parts)

    def purge(self) -> None:
        """Forget the jobs that ended long ago; ``Store.load`` does so when the server starts."""
        for job in [job for job in self._jobs if job.ending is not None and self._store.is_old(job.id)]:
            log.info("job %s is old and is forgotten", job.id)
            self._jobs.forget(job)

    def _write_endings(self) -> None:
        """Those that there was no room for; without them the jobs would be painted again."""
        for job, change in list(self._unwritten.items()):
            with suppress(OSError):
                self._store.record(change)
                del self._unwritten[job]
                log.info("the ending of %s is written down", job)

    def _idle(self) -> bool:
        if not self._idle_exit:
            return False
        if self._jobs.unfinished or len(self._handlers.uploads):
            # What comes of the work is still on its way to clients that have said nothing meanwhile.
            self._needed = time.monotonic()
            return False
        return time.monotonic() - self._needed > self._patience

    @property
    def _patience(self) -> float:
        """Seconds without a word of a client after which nobody needs it."""
        # Other clients that are still there give a sign of life every few seconds.
        return min(self._idle_exit, _BYE_SECONDS) if self._handlers.said_bye else self._idle_exit

    def _on_change(self, change: Change) -> None:
        if change.kind == FORGOTTEN:
            # Open files are closed first: where they are open, Windows deletes nothing.
            self._sessions.announce(change)
            self._unwritten.pop(change.job.id, None)
        try:
            self._store.record(change)
        except OSError as error:
            log.error("%s of %s cannot be written down: %s", change.kind, change.job.id, error)
            if change.kind == ENDED:
                self._unwritten[change.job.id] = change
            if change.kind in (ACCEPTED, FRAME):
                raise
        if change.kind != FORGOTTEN:
            self._sessions.announce(change)
