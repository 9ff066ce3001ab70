"""The client's end of the wire: one DEALER socket with the protocol's limits set."""

from __future__ import annotations

from typing import Any

import zmq

from .connection import Connection
from .messages import CHUNK_BYTES, HEADER_BYTES


def open_socket(context: Any, connection: Connection) -> Any:
    """A DEALER socket connected to ``connection``, with the limits that the protocol asks for."""
    socket = context.socket(zmq.DEALER)
    # Infinite by default, which would hang Krita's exit.
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, CHUNK_BYTES + HEADER_BYTES)
    socket.setsockopt(zmq.SNDHWM, 1000)
    socket.setsockopt(zmq.RCVHWM, 1000)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 5000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15000)
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
    try:
        if connection.server_key:
            socket.setsockopt(zmq.CURVE_SERVERKEY, connection.server_key.encode("ascii"))
            socket.setsockopt(zmq.CURVE_PUBLICKEY, (connection.client_key or "").encode("ascii"))
            socket.setsockopt(zmq.CURVE_SECRETKEY, (connection.client_secret or "").encode("ascii"))
        socket.connect(connection.endpoint)
    except (zmq.ZMQError, ValueError):
        socket.close(0)
        raise
    return socket


class Dealer:
    """Such a socket that also knows when its connection breaks, which ZeroMQ itself mends in silence."""

    def __init__(self, context: Any, connection: Connection) -> None:
        self._socket = open_socket(context, connection)
        try:
            self._monitor = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        except zmq.ZMQError:
            self._socket.close(0)
            raise
        self._monitor.setsockopt(zmq.LINGER, 0)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)

    def wait(self, seconds: float) -> bool:
        """Whether there is something to receive, or the connection broke, within ``seconds``."""
        return bool(self._poller.poll(int(1000 * seconds)))

    @property
    def broken(self) -> bool:
        """Whether the connection broke; not before everything that had come has been received."""
        return bool(self._monitor.poll(0)) and not self._socket.poll(0)

    def send(self, parts: list[bytes]) -> None:
        """Send without waiting. Raises zmq.Again where nothing can be taken."""
        self._socket.send_multipart(parts, zmq.DONTWAIT)

    def receive(self) -> list[bytes]:
        """What has come. Raises zmq.Again where nothing has."""
        return list(self._socket.recv_multipart(zmq.DONTWAIT))

    def close(self) -> None:
        """Close the connection at once; unsent messages are dropped."""
        # In this order: a monitored socket would keep the monitor's own socket until the context ends.
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)
