"""The menu at the server's line: which server, restart, and what a report of a problem needs."""

from __future__ import annotations

from typing import Any

from ..model.server import Server
from ..model.server_setup import Need
from ..model.words import tr
from ..qt import QtCore, QtGui, QtWidgets
from .theme import IconButton


class ServerMenu(IconButton):
    """The [⚙] of the docker's last line."""

    def __init__(self, server: Server) -> None:
        super().__init__("gear", tr("The server: diagnostics, restart, another one"))
        self.setObjectName("nst_server_menu")
        self._server = server
        menu = QtWidgets.QMenu(self)
        menu.setToolTipsVisible(True)
        self._restart = _entry(menu, "restart", tr("Restart server"), server.restart)
        self._choose = _entry(menu, "choose", tr("Use another server…"), self._choose_file)
        self._local = _entry(menu, "local", tr("Use the local server"), server.use_local)
        menu.addSeparator()
        _entry(menu, "copy", tr("Copy diagnostics"), lambda: copy_diagnostics(self._server))
        _entry(menu, "logs", tr("Open log folder"), self._open_logs)
        menu.aboutToShow.connect(self._refresh)
        self.opens(menu)

    def _refresh(self) -> None:
        setup = self._server.setup
        if setup.need is Need.INSTALL:
            setup.look()  # it may have been installed from a terminal meanwhile
        is_missing = setup.need is Need.INSTALL
        self._restart.setVisible(not self._server.is_remote)
        self._restart.setEnabled(not is_missing)
        self._restart.setToolTip(tr("server not installed") if is_missing else "")
        self._local.setVisible(self._server.is_remote)

    def _choose_file(self) -> None:
        path, _ = QtWidgets.QFileDialog.getOpenFileName(
            self.window(), tr("Connection file of the other server"), "", tr("Connection file (*.json)")
        )
        if path:
            self._server.choose(path)

    def _open_logs(self) -> None:
        folder = self._server.log_folder
        folder.mkdir(parents=True, exist_ok=True)
        QtGui.QDesktopServices.openUrl(QtCore.QUrl.fromLocalFile(str(folder)))


def copy_diagnostics(server: Server) -> None:
    """Put them on the clipboard, and say so."""
    QtGui.QGuiApplication.clipboard().setText(server.diagnostics())
    server.tell_copied()


def _entry(menu: QtWidgets.QMenu, name: str, text: str, chosen: Any) -> Any:
    action = menu.addAction(text)
    action.setObjectName(f"nst_server_{name}")
    action.triggered.connect(lambda *_: chosen())
    return action
