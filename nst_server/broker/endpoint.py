"""Where the broker listens, and who may talk to it."""

from __future__ import annotations

import hashlib
import logging
import os
import socket as sockets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85

from nst_server import __version__
from nst_server.wire.connection import Connection, private_dir
from nst_server.wire.messages import CHUNK_BYTES, HEADER_BYTES

log = logging.getLogger(__name__)

#: A socket's path in the file system has 107 bytes at most on Linux, 103 on macOS; names of ours add 20.
_MAX_PATH = 80
_ZAP_ENDPOINT = "inproc://zeromq.zap.01"


class EndpointError(Exception):
    """An endpoint that cannot be used; the message says why and what to do."""


def runtime_dir(data: Path) -> Path:
    """A private folder for sockets: in the data folder, or a short one where its path is too long."""
    folder = private_dir(data / "run")
    if os.name != "posix" or len(os.fsencode(folder)) <= _MAX_PATH:
        return folder
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    return private_dir(Path(tempfile.gettempdir()) / f"nst-{os.getuid()}-{name}")


class Endpoint:
    """The broker's ROUTER socket. Over ``tcp`` it is encrypted, and takes only the key it has handed out.

    ``bind``: "" for the best that this platform has, or an ``ipc://`` or ``tcp://`` endpoint.
    Raises EndpointError. Attributes: ``socket``; ``zap``, where libzmq asks who may connect; ``context``,
    for sockets beside it; ``connection``, what clients need to know.
    """

    def __init__(self, run_dir: Path, bind: str = "") -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = _router(self.context)
        self.zap: zmq.Socket[bytes] = self.context.socket(zmq.REP)
        self.zap.linger = 0
        self.zap.bind(_ZAP_ENDPOINT)
        self._path: Path | None = None
        self._run_dir = run_dir
        self._allowed = b""
        # Of a server that was killed; the lock says that it is gone.
        for stale in run_dir.glob("*.ipc"):
            stale.unlink()
        try:
            self.connection = self._bind(run_dir, bind)
        except EndpointError:
            self.close()
            raise

    def _bind(self, run_dir: Path, bind: str) -> Connection:
        keys: dict[str, Any] = {}
        path: Path | None = None
        if not bind:
            bind = f"ipc://{run_dir / 'server.ipc'}" if zmq.has("ipc") else "tcp://127.0.0.1:*"
        if bind.startswith(("ipc://@", "ipc://*")):
            raise EndpointError(f"{bind} has no file whose permissions keep others out. Give ipc://PATH.")
        if bind.startswith("ipc://"):
            path = Path(bind.removeprefix("ipc://")).absolute()
            _must_be_free(path)
            bind = f"ipc://{path}"
        elif bind.startswith("tcp://"):
            port = bind.rpartition(":")[2]
            if port != "*" and not (port.isdecimal() and 0 < int(port) < 65536):
                raise EndpointError(f"{port!r} is not a port. Give a number from 1 to 65535, or *.")
            keys = self._encrypt()
        else:
            raise EndpointError(f"{bind!r} is not an endpoint. Give ipc://PATH or tcp://ADDRESS:PORT.")
        # From its first moment the socket's file is for this user alone.
        before = os.umask(0o177)
        try:
            self.socket.bind(bind)
        except zmq.ZMQError as error:
            raise EndpointError(f"{bind} cannot be used: {error.strerror}.") from error
        finally:
            os.umask(before)
        self._path = path
        endpoint = self.socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")
        # A client of this machine cannot connect to "all addresses".
        endpoint = endpoint.replace("//0.0.0.0:", "//127.0.0.1:")
        return Connection(endpoint, os.getpid(), __version__, **keys)

    def _encrypt(self) -> dict[str, str]:
        if not zmq.has("curve"):
            raise EndpointError("This pyzmq has no CURVE, without which tcp is not safe. Reinstall pyzmq.")
        server, server_secret = zmq.curve_keypair()
        client, client_secret = zmq.curve_keypair()
        self._allowed = z85.decode(client)
        self.socket.curve_server = True
        self.socket.curve_secretkey = server_secret
        self.socket.zap_domain = b"client"
        return {
            "server_key": server.decode(),
            "client_key": client.decode(),
            "client_secret": client_secret.decode(),
        }

    def authenticate(self, open_domain: bytes) -> None:
        """Answer one question of libzmq whether a peer may connect (ZAP, RFC 27).

        Clients need the key of the connection file. ``open_domain`` is for peers that were told the
        server's own key, which nobody else knows.
        """
        version, request, domain, _address, _identity, mechanism, *credentials = self.zap.recv_multipart()
        allowed = mechanism == b"CURVE" and (domain == open_domain or credentials == [self._allowed])
        if not allowed:
            log.warning("a client with a wrong key was refused")
        status = [b"200", b"OK", b"painter"] if allowed else [b"400", b"wrong key", b""]
        self.zap.send_multipart([version, request, *status, b""])

    def close(self) -> None:
        """Close all sockets of the context and take the endpoint away."""
        self.context.destroy(0)
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        with suppress(OSError):
            # Only the short folder outside the data folder is empty now.
            self._run_dir.rmdir()


def _must_be_free(path: Path) -> None:
    """Raises EndpointError where there is something that libzmq would delete, or where no socket can be."""
    longest = zmq.IPC_PATH_MAX_LEN
    if len(os.fsencode(path)) > longest:
        raise EndpointError(f"{path} is too long for a socket. Give a path of at most {longest} bytes.")
    if not path.exists():
        return
    if not path.is_socket():
        raise EndpointError(f"{path} is there already, and is no socket. Give a path that is free.")
    with sockets.socket(sockets.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise EndpointError(f"{path} is in use. End what listens there, or give another path.")


def _router(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.ROUTER)
    socket.linger = 0
    # Without it a ROUTER drops what it cannot deliver without a word.
    socket.router_mandatory = True
    socket.router_handover = True
    socket.maxmsgsize = CHUNK_BYTES + HEADER_BYTES
    # Chunks of 1 MiB: these bound what lies in libzmq for one client that does not read, or writes too much.
    socket.sndhwm = 8
    socket.rcvhwm = 16
    socket.heartbeat_ivl = 5000
    socket.heartbeat_timeout = 15000
    socket.heartbeat_ttl = 15000
    return socket
