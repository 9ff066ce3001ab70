"""Texts shown as they are: names come from documents and servers, and may look like markup.

Qt takes what looks like HTML for that unless it is told otherwise, and opens the pictures that it names.
"""

from __future__ import annotations

from html import escape

from ..model.words import tr
from ..qt import QtCore, QtWidgets


class PlainLabel(QtWidgets.QLabel):
    """A label; with ``wraps``, over as many lines as its text needs."""

    def __init__(self, text: str = "", *, wraps: bool = False) -> None:
        super().__init__()
        self.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.setWordWrap(wraps)
        self.setText(text)


def message_box(window: QtWidgets.QWidget, name: str, text: str, more: str) -> QtWidgets.QMessageBox:
    """A question with no buttons yet. ``name``: of the object; ``more``: what is told below ``text``."""
    box = QtWidgets.QMessageBox(window)
    box.setObjectName(name)
    box.setIcon(QtWidgets.QMessageBox.Icon.Question)
    box.setWindowTitle(tr("Neural Style Transfer"))
    box.setTextFormat(QtCore.Qt.TextFormat.PlainText)
    box.setText(text)
    box.setInformativeText(more)
    return box


def plain(text: str) -> str:
    """``text`` as a tooltip that shows it as it is."""
    return "<p>{}</p>".format(escape(text).replace("\n", "<br>")) if "<" in text else text
