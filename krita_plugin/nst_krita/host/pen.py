"""When the painter's hand is off the canvas, so that a layer may be added without getting in the way."""

from __future__ import annotations

import time

from krita import Krita

from ..qt import QtCore, QtGui, QtWidgets

CALM_SECONDS = 1.0
# Without any event of the pen for so long its release was lost, with a window that closed for instance.
LOST_SECONDS = 30.0
# Krita ends an unfinished transformation when a layer is added.
BUSY_TOOLS = ("KisToolTransform",)

_Type = QtCore.QEvent.Type
_PRESSES = (_Type.MouseButtonPress, _Type.MouseButtonDblClick, _Type.TabletPress, _Type.TouchBegin)
_RELEASES = (_Type.MouseButtonRelease, _Type.TabletRelease, _Type.TouchEnd, _Type.TouchCancel)
_MOVES = (_Type.TabletMove, _Type.MouseMove, _Type.TouchUpdate)


class PenWatch(QtCore.QObject):
    """Watches pen, mouse and fingers on Krita's windows from ``start`` to ``stop``; GUI thread only."""

    def __init__(self) -> None:
        super().__init__()
        self._down = False
        self._last = float("-inf")

    def start(self) -> None:
        """Watch all windows that there are now; call again to take in new ones."""
        # A window hears of tens of events where the application hears of thousands, before any widget
        # and before Krita's own filters on the canvas can swallow them.
        for window in QtGui.QGuiApplication.allWindows():
            window.installEventFilter(self)

    def stop(self) -> None:
        for window in QtGui.QGuiApplication.allWindows():
            window.removeEventFilter(self)
        self._down = False

    def eventFilter(self, _watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        kind = event.type()
        if kind in _PRESSES:
            self._down, self._last = True, time.monotonic()
        elif kind in _RELEASES:
            self._down, self._last = False, time.monotonic()
        elif self._down and kind in _MOVES:
            self._last = time.monotonic()
        return False

    def is_calm(self) -> bool:
        """Whether no stroke, dialog, menu or transformation is going on, and none was a second ago."""
        quiet = time.monotonic() - self._last
        if quiet < (LOST_SECONDS if self._down else CALM_SECONDS):
            return False
        application = QtWidgets.QApplication
        if application.activeModalWidget() or application.activePopupWidget():
            return False
        return application.mouseButtons() == QtCore.Qt.MouseButton.NoButton and not _tool_is_busy()


def _tool_is_busy() -> bool:
    here = QtCore.Qt.FindChildOption.FindDirectChildrenOnly
    for window in Krita.instance().windows():
        # Searching the whole window takes 60 ms.
        toolbox = window.qwindow().findChild(QtWidgets.QDockWidget, "ToolBox", here)
        for name in BUSY_TOOLS if toolbox is not None else ():
            button = toolbox.findChild(QtWidgets.QToolButton, name)
            if button is not None and button.isChecked():
                return True
    return False
