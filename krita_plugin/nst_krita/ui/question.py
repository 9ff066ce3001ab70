"""Something to be answered in the docker: words, and two buttons."""

from __future__ import annotations

from typing import Callable

from ..qt import QtWidgets


class Question(QtWidgets.QWidget):
    """Words as wide as the docker is, and below them the two answers."""

    def __init__(self, words: str = "") -> None:
        super().__init__()
        self._words = QtWidgets.QLabel(words)
        self._words.setWordWrap(True)
        self._answers = QtWidgets.QHBoxLayout()
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
        self._answers.addWidget(button, 0 if self._answers.count() else 1)
        return button
