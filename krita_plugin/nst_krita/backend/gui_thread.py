"""The way from a thread of Python back to Krita's GUI thread."""

from __future__ import annotations

from typing import Callable

from ..qt import QtCore, Signal


class GuiThread(QtCore.QObject):
    """Made in the GUI thread; called with a function from any thread, it lets the GUI thread run it."""

    _asked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._asked.connect(self._obey)

    def __call__(self, function: Callable[[], None]) -> None:
        self._asked.emit(function)

    def _obey(self, function: Callable[[], None]) -> None:
        function()
