"""Something to be answered in the docker: words, and two buttons."""

from __future__ import annotations

from typing import Callable

from ..qt import QtCore, QtGui, QtWidgets
from .plain import PlainLabel
from .unhurried import Unhurried

_BESIDE = QtWidgets.QBoxLayout.Direction.LeftToRight
_BELOW = QtWidgets.QBoxLayout.Direction.TopToBottom


class Question(QtWidgets.QWidget):
    """Words as wide as the docker is, and below them the answers, beside each other where there is room."""

    def __init__(self, words: str = "") -> None:
        super().__init__()
        self._words = PlainLabel(words, wraps=True)
        self._answers = QtWidgets.QBoxLayout(_BESIDE)
        self._buttons: list[QtWidgets.QPushButton] = []
        self._unhurried: list[Unhurried] = []
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self._words)
        column.addLayout(self._answers)

    def ask(self, words: str) -> None:
        """Change the words."""
        self._words.setText(words)

    def answer(self, text: str, tool_tip: str, pressed: Callable[[], None]) -> QtWidgets.QPushButton:
        """Add a button; the first one gets the room that there is."""
        button = QtWidgets.QPushButton(text)
        button.setToolTip(tool_tip)
        button.clicked.connect(lambda *_: pressed())
        self._answers.addWidget(button, 0 if self._buttons else 1)
        self._buttons.append(button)
        self._unhurried.append(Unhurried(button))
        return button

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        super().showEvent(event)
        self._hold()

    def moveEvent(self, event: QtGui.QMoveEvent) -> None:
        super().moveEvent(event)
        self._hold()  # it stands where another one was

    def _hold(self) -> None:
        for each in self._unhurried:
            each.begin()

    def minimumSizeHint(self) -> QtCore.QSize:
        widest = max((button.minimumSizeHint().width() for button in self._buttons), default=0)
        return QtCore.QSize(widest, super().minimumSizeHint().height())

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        room = self.width() - self._answers.spacing() * (len(self._buttons) - 1)
        has_room = sum(button.minimumSizeHint().width() for button in self._buttons) <= room
        self._answers.setDirection(_BESIDE if has_room else _BELOW)
