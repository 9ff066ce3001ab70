"""Buttons that a hasty second click, meant for what was there before, does not press."""

from __future__ import annotations

from ..qt import QtCore, QtWidgets

#: For how long after a change a click is taken to be meant for what was there before, in ms.
HASTE_MS = 1000


class Unhurried(QtCore.QObject):
    """Lets ``button`` ignore the mouse for a moment: now, and whenever it has come to do something else."""

    def __init__(self, button: QtWidgets.QAbstractButton) -> None:
        super().__init__(button)
        self._since = QtCore.QElapsedTimer()
        button.installEventFilter(self)
        self.begin()

    def begin(self) -> None:
        """It does something else from now on."""
        self._since.start()

    def eventFilter(self, _button: QtCore.QObject, event: QtCore.QEvent) -> bool:
        kinds = QtCore.QEvent.Type.MouseButtonPress, QtCore.QEvent.Type.MouseButtonDblClick
        return event.type() in kinds and self._since.elapsed() < HASTE_MS
