"""The worker's end of the private socket to the server."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

import zmq

from nst_server.wire.codec import encode
from nst_server.wire.messages import Message


class ServerGone(SystemExit):
    """The server has ended; so does this process."""


class Link:
    """The private socket to the server."""

    def __init__(self, endpoint: str) -> None:
        self._server = int(os.environ["NST_SERVER_PID"])
        #: Whether this process was told to end: by the server, or by the system where that shuts down.
        self.leaving = False
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = context.socket(zmq.DEALER)
        self._socket.linger = 1000
        self._socket.sndhwm = 100
        key = os.environ.get("NST_WORKER_KEY", "")
        if key:
            public, secret = zmq.curve_keypair()
            self._socket.curve_serverkey = key.encode()
            self._socket.curve_publickey = public
            self._socket.curve_secretkey = secret
        self._socket.connect(endpoint)

    def send(self, kind: str, chunk: bytes | None = None, **fields: Any) -> None:
        """Report. Waits while the server is behind. Raises ServerGone."""
        parts = encode(Message(kind, fields, chunk))
        while not self._socket.poll(100, zmq.POLLOUT):
            self._watch()
        self._socket.send_multipart(parts)

    def receive(self, seconds: float = 0.0) -> Message | None:
        """The next command, None if none comes in time; only "leave" once told so. Raises ServerGone."""
        self._watch()
        if self.leaving:
            return Message("leave")
        if not self._socket.poll(int(1000 * seconds)):
            return None
        fields = json.loads(self._socket.recv())
        return Message(fields.pop("type"), fields)

    def _watch(self) -> None:
        if not _is_alive(self._server):
            raise ServerGone(0)


def _is_alive(server: int) -> bool:
    """Whether the server runs: an orphan gets another parent, except on Windows."""
    if sys.platform == "win32":
        synchronize, timeout = 0x00100000, 0x102
        handle = ctypes.windll.kernel32.OpenProcess(synchronize, False, server)
        alive = bool(handle) and ctypes.windll.kernel32.WaitForSingleObject(handle, 0) == timeout
        ctypes.windll.kernel32.CloseHandle(handle)
        return alive
    return os.getppid() == server
