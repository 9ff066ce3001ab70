"""A real server process and a bare client for tests.

    with ServerProcess(tmp_path) as server:
        client = server.client()
        client.submit("job-1", iterations=3)
        client.expect("done")

With ``worker=SCRIPT`` the server starts that script where it would start the worker; then ``without_ipc``
makes it believe that the platform has no sockets in the file system, as Windows. ``counters`` is a file that
it reads in place of /proc/vmstat. Fixtures of a module:

    server = pytest.fixture(scope="module")(scripted_server)
    client = pytest.fixture(connected)
    job = pytest.fixture(new_job)
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from nst_server.wire.codec import decode, encode
from nst_server.wire.connection import Connection, NoConnection
from nst_server.wire.dealer import open_socket
from nst_server.wire.messages import FROM_SERVER, PROTOCOL_VERSION, Message
from nst_server.wire.pixels import Pixels, digest_of

if TYPE_CHECKING:
    from real_krita import Profile

ROOT = Path(__file__).parent.parent
SCRIPT = Path(__file__).parent / "scripted_worker.py"


class ServerProcess:
    """``nst serve`` with a data folder of its own; stopped when the block ends."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        worker: Path | None = None,
        without_ipc: bool = False,
        data: Path | None = None,
        counters: Path | None = None,
    ) -> None:
        self.data = data or folder / "data"
        self.file = self.data / "run" / "server.json"
        self._options = options
        self._worker = worker
        self._environment = {"NST_DATA_DIR": str(self.data), "PYTHONPATH": str(ROOT)}
        if without_ipc:
            self._environment["NST_TEST_WITHOUT_IPC"] = "1"
        self._counters = counters
        if counters:
            self._environment["NST_TEST_COUNTERS"] = str(counters)
        self.context = zmq.Context()
        self.process: subprocess.Popen[bytes] | None = None
        self.clients: list[RawClient] = []

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for client in self.clients:
            client.close()
        self.context.destroy(0)

    def start(self, seconds: float = 20.0) -> float:
        """Start the process; returns the seconds until it answered hello."""
        began = time.monotonic()
        self.process = self.popen()
        while time.monotonic() - began < seconds:
            assert self.process.poll() is None, self.log()
            with contextlib.suppress(NoConnection, zmq.Again):
                if Connection.read(self.file).pid == self.process.pid:
                    client = self.client()
                    took = time.monotonic() - began
                    client.close()
                    return took
            time.sleep(0.01)
        raise AssertionError(f"the server does not answer: {self.log()}")

    def popen(self, *more: str, **options: Any) -> subprocess.Popen[bytes]:
        """Another ``nst serve`` on the same data folder."""
        return subprocess.Popen(
            [
                *(sys.executable, *_entry(self._worker, self._counters)),
                *("serve", "--idle-exit", "0", "--no-download"),
                *(*self._options, *more),
            ],
            env={**os.environ, **self._environment},
            cwd=ROOT,
            **options,
        )

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End the process; returns its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(10)

    def client(self, hello: bool = True) -> RawClient:
        """A new connection."""
        client = RawClient(self.context, Connection.read(self.file), hello)
        self.clients.append(client)
        return client

    def log(self) -> str:
        """What the server wrote down."""
        log = self.data / "logs" / "server.log"
        return log.read_text() if log.exists() else ""

    def worker_pid(self) -> int:
        """The process that computes."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return int(next(pid for task in tasks for pid in task.read_text().split()))

    def rss(self) -> int:
        """Memory of the server process, in bytes."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.split("VmRSS:")[1].split()[0])


class RawClient:
    """One DEALER socket that speaks the protocol, with nothing of the public client in it."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], connection: Connection, hello: bool) -> None:
        self.socket = open_socket(context, connection)
        self.blobs: dict[str, bytes] = {}
        self.log: list[Message] = []
        self.pixels: dict[tuple[str, int], bytes] = {}
        if hello:
            self.send("hello", protocol=list(PROTOCOL_VERSION), client="test")
            self.welcome = self.expect("welcome", seconds=5)

    def send(self, kind: str, chunk: bytes | None = None, **fields: Any) -> None:
        """Send one message."""
        self.socket.send_multipart(encode(Message(kind, fields, chunk)))

    def raw(self, *parts: bytes) -> None:
        """Send bytes as they are."""
        self.socket.send_multipart(list(parts))

    def receive(self, seconds: float) -> Message | None:
        """The next message, None if none comes in time; answers what the server needs."""
        if not self.socket.poll(int(1000 * seconds)):
            return None
        message = decode(self.socket.recv_multipart(), FROM_SERVER)
        self.log.append(message)
        if message.type == "need" and message["digest"] in self.blobs:
            start = message["offset"]
            chunk = self.blobs[message["digest"]][start : start + message["bytes"]]
            self.send("blob", chunk, digest=message["digest"], offset=start)
        if message.type == "blob":
            key = (message["job"], message["sequence"])
            before = self.pixels.get(key, b"") if message["offset"] else b""
            assert message["offset"] == len(before)
            self.pixels[key] = before + (message.data or b"")
        return message

    def messages(self, seconds: float) -> Iterator[Message]:
        """Everything that comes within ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            message = self.receive(left)
            if message is not None:
                yield message

    def expect(self, kind: str, seconds: float = 10.0, **fields: Any) -> Message:
        """The next message of this type with these fields; others are passed over (see ``log``)."""
        for message in self.messages(seconds):
            if message.type == kind and all(message.get(k) == v for k, v in fields.items()):
                return message
        last = [(m.type, dict(m.fields)) for m in self.log[-5:]]
        raise AssertionError(f"no {kind} {fields} within {seconds} s, but {last}")

    def quiet(self, seconds: float, *kinds: str) -> None:
        """Nothing of these types comes within ``seconds``."""
        for message in self.messages(seconds):
            assert message.type not in kinds, (message.type, message.fields)

    def image(self, width: int = 32, height: int = 24, seed: int = 0, **more: Any) -> dict[str, Any]:
        """The header of an image of noise, whose bytes this client can send."""
        return self.image_of(random.Random(seed).randbytes(width * height * 4), width, height, **more)

    def image_of(self, data: bytes, width: int, height: int, **more: Any) -> dict[str, Any]:
        """The header of the image of these bytes, which this client can send."""
        self.blobs[digest_of(data)] = data
        return Pixels(digest_of(data), width, height, len(data), **more).to_header()

    def submit(self, job: str, *, more: dict[str, Any] | None = None, **params: Any) -> None:
        """Submit a small job with ``params``; ``more`` replaces fields of the message."""
        fields = {"content": self.image(seed=1), "styles": [self.image(20, 20, seed=2)], **(more or {})}
        params.setdefault("encoder", "built-in")
        self.send("submit", job=job, params=params, **fields)

    def close(self) -> None:
        """Close the connection at once."""
        self.socket.close(0)


def scripted_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose worker is the script."""
    with ServerProcess(tmp_path_factory.mktemp("server"), worker=SCRIPT) as process:
        yield process


@contextlib.contextmanager
def serving(profile: Profile, folder: Path, worker: Path | None = None) -> Iterator[Path]:
    """The server as the Krita of ``profile`` finds it; yields its data folder.

    The machine's own Krita starts it by itself. That of a root cannot see this Python: there it is started
    from outside.
    """
    data = profile.outside / "home/.local/share/nst-krita"
    data.mkdir(parents=True)
    if profile.root:
        with ServerProcess(folder, worker=worker, data=data) as server:
            text = server.file.read_text()
            server.file.write_text(text.replace(str(profile.outside), str(profile.inside)))
            yield data
        return
    command = [sys.executable, *_entry(worker), "serve", "--no-download"]
    (data / "installed.json").write_text(json.dumps({"command": command}))
    yield data
    with contextlib.suppress(NoConnection, ProcessLookupError):
        os.kill(Connection.read(data / "run" / "server.json").pid, signal.SIGTERM)


def connected(server: ServerProcess) -> Iterator[RawClient]:
    """A client of ``server``."""
    client = server.client()
    yield client
    client.close()


def new_job() -> str:
    """A job id that no other test has."""
    return "job-" + secrets.token_hex(4)


def _entry(worker: Path | None, counters: Path | None = None) -> list[str]:
    """What Python is to run for a server with that worker and those counters, None for the real ones."""
    return [str(Path(__file__)), str(worker or "")] if worker or counters else ["-m", "nst_server"]


def _serve_with_script() -> int:
    from nst_server.cli import main, serve
    from nst_server.executors import local

    if os.environ.get("NST_TEST_WITHOUT_IPC"):
        has = zmq.has
        zmq.has = lambda capability: capability != "ipc" and has(capability)
    if counters := os.environ.get("NST_TEST_COUNTERS"):
        local.COUNTERS = Path(counters)
    if worker := sys.argv[1]:
        serve.worker_command = lambda device, *_: [sys.executable, worker, device]
    return main(sys.argv[2:])


if __name__ == "__main__":
    raise SystemExit(_serve_with_script())
