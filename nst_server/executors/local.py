"""A worker process on this machine: started, watched, killed where it does not listen, started again."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from nst_server.executors import Executor
from nst_server.wire.codec import encode
from nst_server.wire.messages import Message

log = logging.getLogger(__name__)

#: A cancelled worker that does not answer for so long is killed, in seconds: it leaves time within the 2 s
#: that the protocol promises for the kernel to take back a large process's memory.
KILL_SECONDS = 1.2
#: Importing PyTorch from a slow disk can take a minute.
START_SECONDS = 180.0
#: A worker that has said that it ends may take so long, in seconds: a broken device can hold it up.
LEAVE_SECONDS = 10.0
#: Starts in a row that may fail before jobs do, and the first wait between two, doubled each time.
MAX_FAILURES = 5
RETRY_SECONDS = 0.1
#: How many failures it counts as when a worker gives up by itself before it is ready: the next will too.
GIVEN_UP = 3
#: A worker that lived so long was not a failed start.
STABLE_SECONDS = 10.0
#: Reports taken in one go, so that a worker that floods does not hold up the clients.
_MAX_REPORTS = 50
#: The ZAP domain of worker sockets, where CURVE needs one.
WORKER_DOMAIN = b"worker"
#: On Windows: no console of its own, and lowered priority as the worker gives itself elsewhere.
if sys.platform == "win32":
    _FLAGS = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
else:
    _FLAGS = 0
#: glibc returns large blocks to the kernel at once, and every evaluation pays for their pages anew: keeping
#: them took a third off an evaluation at 512 px on two cores. Other C libraries ignore these two. The worker
#: hands back what is left when a job pauses or ends.
#: Threads of OpenMP that wait by spinning take the painter's cores, and were slower even on an idle machine.
_SURROUNDINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "OMP_WAIT_POLICY": "passive",
    # Without it PyTorch has no deterministic matrix products on CUDA.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
#: Where Linux counts, as oom_kill, the processes that it has ended for want of memory, of containers too.
COUNTERS = Path("/proc/vmstat")
#: So long a worker's end may take to be noticed, and what is counted meanwhile was not before it.
_COUNTING_SECONDS = 10.0
#: Begins the last line of a worker that knows what to do about its end.
_HINT = "hint: "
_ENDINGS = ("done", "cancelled", "failed", "released")


@dataclass
class _Current:
    job: str
    task: Mapping[str, Any]
    sent: bool = False
    #: What ``_memory_kills`` were some time ago, what lately, and when that was.
    memory_kills: int = 0
    memory_kills_lately: int = 0
    counted_at: float = 0.0
    has_frames: bool = False
    kill_at: float | None = None

    def count(self, now: float) -> None:
        """Remember what ``_memory_kills`` are at this time, and what they were at the last."""
        self.memory_kills, self.memory_kills_lately = self.memory_kills_lately, _memory_kills()
        self.counted_at = now


class LocalExecutor(Executor):
    """Runs jobs in a process of their own.

    ``command``: what to start; the socket's endpoint is appended. ``run_dir``: a private folder for the
    socket. ``log_file``: takes what the process prints.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        command: Sequence[str],
        device: str,
        run_dir: Path,
        log_file: Path,
    ) -> None:
        self._context = context
        self._command = list(command)
        self._device: Mapping[str, Any] = {"id": device, "name": ""}
        self._encoders: Sequence[str] = ()
        self._run_dir = run_dir
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._endpoint = ""
        self._key = ""
        self._ready = False
        self._leaving = False
        self._killed = False
        self._deadline = 0.0
        self._started = 0.0
        self._start_at = 0.0
        self._starts = 0
        self._failures = 0
        self._current: _Current | None = None
        self._closing = False

    @property
    def device(self) -> Mapping[str, Any]:
        return self._device

    @property
    def encoders(self) -> Sequence[str]:
        return self._encoders

    @property
    def free(self) -> bool:
        return self._current is None and not self._closing

    def socket(self) -> zmq.Socket[bytes] | None:
        return self._socket

    def run(self, job: str, task: Mapping[str, Any]) -> None:
        self._current = _Current(job, task)
        # Whatever was wrong before, each job is worth one more try.
        self._failures = min(self._failures, MAX_FAILURES - 1)
        self._send_task()

    def tell(self, job: str, command: str, **fields: Any) -> None:
        current = self._current
        if current is None or current.job != job:
            return
        if current.sent:
            self._send(command, job=job, **fields)
        else:
            current.task = _amended(current.task, command, fields)

    def cancel(self, job: str) -> None:
        current = self._current
        if current is None or current.job != job or current.kill_at is not None:
            return
        current.kill_at = time.monotonic() + (KILL_SECONDS if current.sent else 0)
        if current.sent:
            self._send("cancel", job=job)

    def reports(self, now: float) -> Iterator[Message]:
        for _ in range(_MAX_REPORTS):
            message = self._receive()
            if message is None:
                break
            yield from self._take(message)
        else:
            return
        if self._closing:
            return
        if self._process is not None and self._process.poll() is not None:
            yield from self._died(now)
        elif self._process is None and now >= self._start_at and self._failures < MAX_FAILURES:
            yield from self._start(now)
        elif self._process is not None and not self._ready and now > self._deadline:
            log.error("the worker does not %s", "end" if self._leaving else "become ready")
            self._process.kill()
        elif self._current is not None and now > self._current.counted_at + _COUNTING_SECONDS:
            self._current.count(now)
        yield from self._kill_late(now)

    def leave(self) -> None:
        self._closing = True
        if self._current is not None and self._current.sent and self._current.kill_at is None:
            self._send("leave")
        elif self._process is not None:
            # It has nothing that could be lost.
            self._process.kill()

    @property
    def has_left(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._disconnect()

    # -- the process

    def _start(self, now: float) -> Iterator[Message]:
        self._started = now
        self._deadline = now + START_SECONDS
        try:
            self._connect()
            with self._log_file.open("wb") as output:
                self._process = subprocess.Popen(
                    [*self._command, self._endpoint],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._environment(),
                    creationflags=_FLAGS,
                )
        except (OSError, zmq.ZMQError) as error:
            log.error("the worker cannot be started: %s", error)
            yield from self._died(now, str(error))
            return
        log.info("worker %d started for %s", self._process.pid, self._device["id"])

    def _environment(self) -> dict[str, str]:
        private = {"NST_WORKER_KEY": self._key, "NST_SERVER_PID": str(os.getpid())}
        return {**_SURROUNDINGS, **os.environ, **private}

    def _died(self, now: float, unstarted: str = "") -> Iterator[Message]:
        """It has ended, or is ``unstarted`` for that reason."""
        if self._killed:
            self._process, self._killed, self._leaving, self._start_at = None, False, False, now
            return
        code = self._process.returncode if self._process is not None else None
        while (message := self._receive()) is not None:
            yield from self._take(message)
        if self._ready and now - self._started > STABLE_SECONDS:
            self._failures = 0
        given_up = not self._ready and not self._leaving and code is not None and code > 0
        self._process = None
        self._ready = self._leaving = False
        self._disconnect()
        current = self._current
        if current is not None and current.kill_at is not None:
            self._current = None
            self._start_at = now
            yield Message("cancelled", {"job": current.job})
            return
        self._failures = min(MAX_FAILURES, self._failures + (GIVEN_UP if given_up else 1))
        self._start_at = now + RETRY_SECONDS * 2 ** (self._failures - 1)
        reason, hint = (unstarted, "") if unstarted else self._last_words(code)
        log.error("the worker ended: %s (%d in a row)", reason, self._failures)
        if current is not None and (current.sent or self._failures >= MAX_FAILURES):
            self._current = None
            # The system counts before it sends the signal. Uncounted, it was somebody else's.
            if current.sent and code == -9 and _memory_kills() > current.memory_kills:
                yield Message("starved", {"job": current.job})
                return
            yield _failed(current.job, reason, current.sent, current.has_frames, hint)

    def _last_words(self, code: int | None) -> tuple[str, str]:
        """Why the worker ended, the last line that it printed or else its exit status, and its hint."""
        if code is not None and code < 0:
            memory = ", perhaps for want of memory" if code == -9 else ""
            return f"it was ended by signal {-code}{memory}", ""
        try:
            lines = self._log_file.read_text("utf-8", "replace").strip().splitlines()
        except OSError:
            lines = []
        hint = lines.pop().removeprefix(_HINT) if lines and lines[-1].startswith(_HINT) else ""
        return lines[-1][:500] if lines else f"it ended with status {code}", hint[:500]

    def _kill_late(self, now: float) -> Iterator[Message]:
        current = self._current
        if current is None or current.kill_at is None or now < current.kill_at:
            return
        if current.sent and self._process is not None:
            log.warning("the worker does not answer a cancel; it is killed")
            # The kernel can take seconds to take back gigabytes. The job is over now: nothing more that the
            # worker said is heard, and the next one starts when it is gone.
            self._process.kill()
            self._ready, self._killed = False, True
            self._deadline = now + START_SECONDS
            self._disconnect()
        self._current = None
        yield Message("cancelled", {"job": current.job})

    # -- the socket

    def _connect(self) -> None:
        self._disconnect()
        self._starts += 1
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        # A worker that reports faster than we listen has to wait.
        self._socket.rcvhwm = 100
        # One socket for each process: a word of an old one cannot reach the new one.
        if zmq.has("ipc"):
            path = self._run_dir / f"{self._log_file.stem}-{self._starts}.ipc"
            self._socket.bind(f"ipc://{path}")
        else:
            # Anybody on this machine can reach the port, but to talk to it takes the key.
            public, secret = zmq.curve_keypair()
            self._socket.curve_server = True
            self._socket.curve_secretkey = secret
            self._socket.zap_domain = WORKER_DOMAIN
            self._key = public.decode()
            self._socket.bind("tcp://127.0.0.1:*")
        self._endpoint = self._socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close(0)
            self._socket = None
            if self._endpoint.startswith("ipc://"):
                Path(self._endpoint.removeprefix("ipc://")).unlink(missing_ok=True)

    def _send(self, kind: str, **fields: Any) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send_multipart(encode(Message(kind, fields)), zmq.DONTWAIT)
        except zmq.ZMQError as error:
            log.error("the worker takes no %s: %s", kind, error)

    def _send_task(self) -> None:
        if self._current is not None and self._ready and not self._current.sent:
            self._current.sent = True
            for _ in range(2):
                self._current.count(time.monotonic())
            self._send("run", job=self._current.job, **self._current.task)

    def _receive(self) -> Message | None:
        if self._socket is None:
            return None
        try:
            parts = self._socket.recv_multipart(zmq.DONTWAIT)
            fields = json.loads(parts[0], parse_constant=_refuse)
            return Message(fields.pop("type"), fields, parts[1] if len(parts) > 1 else None)
        except zmq.Again:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, zmq.ZMQError) as error:
            log.error("the worker sent something unreadable: %s", error)
            return Message("unreadable")

    def _take(self, message: Message) -> Iterator[Message]:
        if message.type == "ready":
            self._ready = True
            self._device = message["device"]
            self._encoders = message["encoders"]
            self._send_task()
            return
        current = self._current
        if current is None or message.get("job") != current.job:
            return
        current.has_frames |= message.type == "frame"
        if message.type in _ENDINGS:
            self._current = None
            self._failures = 0
            fields = dict(message.fields)
            if fields.pop("leaving", False):
                # The next job waits for the next process.
                self._ready, self._leaving = False, True
                self._deadline = time.monotonic() + LEAVE_SECONDS
            message = Message(message.type, fields)
        yield message


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _memory_kills() -> int:
    """How many processes the system has ended for want of memory so far; 0 where it does not tell."""
    with contextlib.suppress(OSError, ValueError):
        for line in COUNTERS.read_text("utf-8").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def _amended(task: Mapping[str, Any], command: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """A task that has not been handed over yet, after a command."""
    if command in ("pause", "resume"):
        return {**task, "paused": command == "pause", "release": False}
    if command == "release":
        return {**task, "release": True}
    if command == "previews":
        return {**task, "previews": fields["wanted"]}
    if command == "stop":
        return {**task, "stop": True}
    return {**task, **fields} if command == "update" else task


def _failed(job: str, reason: str, computing: bool, has_frames: bool = False, advice: str = "") -> Message:
    if computing:
        code, event = "worker_died", "died"
        again = "Continue from the last kept frame" if has_frames else "Start it again"
        hint = f"{again}, at a smaller size if memory is short."
    else:
        code, event = "no_worker", "cannot start"
        hint = f"{advice.rstrip('.')}, or run: nst doctor" if advice else "Run: nst doctor"
    message = f"The process that computes {event}: {reason.rstrip('.')}."
    return Message("failed", {"job": job, "code": code, "message": message, "hint": hint})
