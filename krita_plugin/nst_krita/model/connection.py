"""What is known of the server, in words for the docker's last line."""

from __future__ import annotations

from enum import Enum
from typing import Any

from .properties import Observable, Property
from .server_words import told
from .words import encoder_name, tr


class Link(Enum):
    """How we stand with the server."""

    NONE = "none"
    STARTING = "starting"
    CONNECTED = "connected"
    LOST = "lost"
    FAILED = "failed"


class Connection(Observable):
    """The state of the connection; ``device`` and ``encoder`` are those of the latest job.

    ``remote``: the name of another computer's server that is used, "" for the local one. ``is_missing``: the
    local one has to be installed first; ``is_installing``: that is under way. ``version``,
    ``devices``, ``encoders``: what the server said of itself when it was last connected.
    """

    link = Property(Link.NONE)
    problem = Property("")
    device = Property("")
    encoder = Property("")
    remote = Property("")
    is_missing = Property(False)
    is_installing = Property(False)
    version = ""
    devices: Any = ()
    encoders: Any = ()

    def handle(self, event: Any) -> None:
        """Follow an event of the network thread."""
        if event.type == "starting":
            self.link, self.problem = Link.STARTING, ""
        elif event.type == "connected":
            self.version = str(event.get("server", ""))
            self.devices, self.encoders = event.get("devices", ()), event.get("encoders", ())
            self.link, self.problem = Link.CONNECTED, ""
            self.device = _device(event.get("devices", ()))
        elif event.type == "disconnected":
            self.link, self.problem = Link.LOST, self._what_now()
        elif event.type == "closed":
            self.link, self.problem = Link.NONE, ""
        elif event.type == "unreachable":
            self.link, self.problem = Link.FAILED, told(event.get("reason", ""))
        elif event.type in ("state", "done", "frame"):
            self.device = event.get("device") or self.device
            self.encoder = event.get("encoder") or self.encoder

    def forget(self) -> None:
        """Another server is used from now on: nothing that is known is of that one."""
        self.link, self.problem, self.device, self.encoder = Link.NONE, "", "", ""
        self.version, self.devices, self.encoders = "", (), ()

    def _what_now(self) -> str:
        if self.remote:
            return tr("Nothing is lost: its jobs go on. See whether both computers are on the network.")
        return tr("Jobs go on as soon as it answers. If it stays so, choose Restart server in the menu ⚙.")

    @property
    def is_cpu(self) -> bool:
        """Whether the work is done without a GPU, which takes minutes instead of seconds."""
        return self.link is Link.CONNECTED and self.device.lower().startswith("cpu")

    @property
    def words(self) -> str:
        """One line: the server, its device and the encoder in use."""
        server = tr("remote server {}").format(self.remote) if self.remote else tr("local server")
        if self.link is Link.CONNECTED:
            device = tr("CPU, slow") if self.is_cpu else self.device
            return " · ".join(filter(None, (server, device, encoder_name(self.encoder))))
        return {
            Link.NONE: self._words_of_none(server),
            Link.STARTING: tr("starting server"),
            Link.LOST: tr("connection lost, trying again"),
            Link.FAILED: tr("no answer: {}").format(server) if self.remote else tr("no server"),
        }[self.link]

    def _words_of_none(self, server: str) -> str:
        if self.remote:
            return server
        if self.is_installing:
            return tr("installing the server")
        return tr("server not installed") if self.is_missing else tr("server starts when it is needed")


def _device(devices: Any) -> str:
    for device in devices:
        if isinstance(device, dict):
            # Until its worker is there, the server knows no name, only what was asked for.
            return str(device.get("name") or "")
    return ""
