"""Buttons that a hasty second click or key, meant for what was there before, does not press."""

from __future__ import annotations

from ..qt import QtCore, QtWidgets

#: For how long after a change a click or a key is taken to be meant for what was there before, in ms.
HASTE_MS = 1000
_KEY = QtCore.Qt.Key
#: Which of them press a button differs by version and desktop.
_KEYS = _KEY.Key_Space, _KEY.Key_Select, _KEY.Key_Return, _KEY.Key_Enter


class Unhurried(QtCore.QObject):
    """Lets ``button`` ignore clicks and keys for a moment: now, and whenever it has a new meaning."""

    def __init__(self, button: QtWidgets.QAbstractButton) -> None:
        super().__init__(button)
        self._since = QtCore.QElapsedTimer()
        button.installEventFilter(self)
        self.begin()

    def begin(self) -> None:
        """It does something else from now on."""
        self._since.start()

    def eventFilter(self, _button: QtCore.QObject, event: QtCore.QEvent) -> bool:
        kind = QtCore.QEvent.Type
        is_click = event.type() in (kind.MouseButtonPress, kind.MouseButtonDblClick)
        is_press = is_click or (event.type() == kind.KeyPress and event.key() in _KEYS)
        return is_press and self._since.elapsed() < HASTE_MS
