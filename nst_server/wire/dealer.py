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
