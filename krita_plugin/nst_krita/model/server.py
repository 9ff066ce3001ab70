"""Which server is used, and what the painter can do about it: the docker's last line and its menu."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from ..backend import installation, wire
from ..backend.gui_thread import GuiThread
from ..backend.network import Network
from ..qt import QtCore, for_python
from ..settings import Settings
from . import diagnostics
from .connection import Connection
from .live import timer
from .server_setup import Need, ServerSetup
from .words import tr

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
#: How long it is said that something has been copied, in ms.
COPIED_MS = 5000
COPIED = tr("Copied to the clipboard.")


class Server:
    """The choice between the local server and another one, and the local one's installation (``setup``).

    ``is_at_work``: whether a job of this docker is unfinished. ``say``: tells the painter something, "" for
    nothing; ``said``: what the docker says now.
    """

    def __init__(
        self,
        settings: Settings,
        network: Network,
        connection: Connection,
        is_at_work: Callable[[], bool],
        say: Callable[[str], None],
        said: Callable[[], str],
    ) -> None:
        self._settings, self._network, self._connection = settings, network, connection
        self._is_at_work, self._say, self._said = is_at_work, say, said
        self._copied = timer(COPIED_MS, self._settle)
        self.setup = ServerSetup(GuiThread())
        self.setup.observe(self._show_missing, "need", "busy")
        self._show_missing()
        chosen = settings.get("server", str)
        if chosen:
            self._use(chosen)

    @property
    def is_remote(self) -> bool:
        """Whether another server than the local one is used."""
        return bool(self._connection.remote)

    def choose(self, path: str) -> None:
        """Use the server of that connection file from now on, or say why not."""
        try:
            wire.connection.Connection.read(for_python(path))
        except wire.connection.NoConnection:
            words = tr(
                "“{}” is no connection file, or is damaged. Choose the server.json of the other server."
            )
            self._say(words.format(Path(path).name))
            return
        if self._may_change():
            self._settings.set("server", path)
            self._say("")
            self._use(path)

    def use_local(self) -> None:
        """Use the server of this computer again."""
        if self._may_change():
            self._settings.set("server", "")
            self._say("")
            self._use("")

    def restart(self) -> None:
        """End the local server and start it anew, as after an update."""
        if self._may_change():
            anyway, self.setup.may_lose_jobs = self.setup.may_lose_jobs, False
            self._network.restart_server(anyway)

    def watch(self, event: Any) -> None:
        """Offer installation, update or restart where an event shows that it is needed."""
        if event.type == "connected":
            self.setup.read()
            self.setup.look(running_version=str(event.get("server", "")))
        elif event.type == "error" and event.get("code") == "untold":
            self.setup.may_lose_jobs = True
        elif event.type == "error" and event.get("of") == "hello":
            self.setup.look(refused=event.get("code") == "version")
        elif event.type == "unreachable" and self.setup.need is Need.NOTHING:
            self.setup.look()

    def close(self) -> None:
        """Krita quits."""
        self.setup.close()

    @property
    def log_folder(self) -> Path:
        """Where server, workers and installation write what they do."""
        return wire.connection.data_dir() / "logs"

    def diagnostics(self) -> str:
        """What a report of a problem needs, without names of people and their folders."""
        seen = self._connection
        facts = {
            "Neural Style Transfer": self.setup.version or "from the sources",
            "Krita": QtCore.QCoreApplication.applicationVersion(),
            **diagnostics.system_facts(),
            "Qt": f"{QtCore.qVersion()}, PyQt {QtCore.PYQT_VERSION_STR}",
            "pyzmq": wire.load("dealer").zmq.__version__,
            "server": f"{seen.version or 'not met'} ({'remote' if self.is_remote else 'local'})",
            "server installed": str(installation.installed().get("version", "no record")),
            "connection": f"{seen.link.value}{f': {seen.problem}' if seen.problem else ''}",
            "devices": ", ".join(str(device) for device in seen.devices) or "not told",
            "device in use": seen.device or "not told",
            "encoders": ", ".join(str(encoder) for encoder in seen.encoders) or "not told",
            "installation": self.setup.problem or self.setup.words or self.setup.need.value,
        }
        names = ("install.log", "start.log", "server.log", "worker.log")
        return diagnostics.report(facts, [self.log_folder / name for name in names])

    def tell_copied(self) -> None:
        """Say for a moment that the diagnostics have been copied."""
        self._say(COPIED)
        self._copied.start()

    def _settle(self) -> None:
        if self._said() == COPIED:
            self._say("")

    def _show_missing(self) -> None:
        self._connection.is_missing = self.setup.need is Need.INSTALL
        self._connection.is_installing = self.setup.busy

    def _may_change(self) -> bool:
        if self._is_at_work() or self.setup.busy:
            self._say(tr("A job or an installation is under way; wait until it has ended."))
            return False
        return True

    def _use(self, path: str) -> None:
        self._connection.forget()
        self._connection.remote = name_of(path) if path else ""
        self._network.use(for_python(path) if path else None)
        self.setup.is_remote = bool(path)
        self.setup.look()


def name_of(path: str) -> str:
    """What the docker calls the server of a connection file: its host, or the file's name."""
    stem = Path(path).stem
    try:
        endpoint = wire.connection.Connection.read(for_python(path)).endpoint
    except wire.connection.NoConnection:
        return stem
    host = endpoint.partition("://")[2].rpartition(":")[0] if endpoint.startswith("tcp://") else ""
    return stem if not host or host in _LOOPBACK else host
