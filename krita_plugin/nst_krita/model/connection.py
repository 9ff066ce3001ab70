"""What is known of the server, in words for the docker's last line."""

from __future__ import annotations

from enum import Enum
from typing import Any

from .properties import Observable, Property
from .words import encoder_name, tr


class Link(Enum):
    """How we stand with the server."""

    NONE = "none"
    STARTING = "starting"
    CONNECTED = "connected"
    LOST = "lost"
    FAILED = "failed"


class Connection(Observable):
    """The state of the connection; ``device`` and ``encoder`` are those of the latest job."""

    link = Property(Link.NONE)
    problem = Property("")
    device = Property("")
    encoder = Property("")

    def handle(self, event: Any) -> None:
        """Follow an event of the network thread."""
        if event.type == "starting":
            self.link, self.problem = Link.STARTING, ""
        elif event.type == "connected":
            self.link, self.problem = Link.CONNECTED, ""
            self.device = _device(event.get("devices", ()))
        elif event.type == "disconnected":
            self.link = Link.LOST
        elif event.type == "closed":
            self.link = Link.NONE
        elif event.type == "unreachable":
            self.link, self.problem = Link.FAILED, event.get("reason", "")
        elif event.type in ("state", "done", "frame"):
            self.device = event.get("device") or self.device
            self.encoder = event.get("encoder") or self.encoder

    @property
    def is_cpu(self) -> bool:
        """Whether the work is done without a GPU, which takes minutes instead of seconds."""
        return self.link is Link.CONNECTED and self.device.lower().startswith("cpu")

    @property
    def words(self) -> str:
        """One line: the server, its device and the encoder in use."""
        if self.link is Link.CONNECTED:
            return " · ".join(filter(None, (tr("local server"), self.device, encoder_name(self.encoder))))
        return {
            Link.NONE: tr("server starts when it is needed"),
            Link.STARTING: tr("starting server"),
            Link.LOST: tr("connection lost, trying again"),
            Link.FAILED: tr("no server"),
        }[self.link]


def _device(devices: Any) -> str:
    for device in devices:
        if isinstance(device, dict):
            # Until its worker is there, the server knows no name, only what was asked for.
            return str(device.get("name") or "")
    return ""
