"""Text that gives way."""

from __future__ import annotations

from ..qt import QtCore, QtGui, QtWidgets
from .plain import PlainLabel, plain

#: Qt leaves so much free on either side of the text in a line, in px.
MARGIN = 2


class ElidedLabel(PlainLabel):
    """A line of text that gives way when the docker is narrow, at its end or in its middle; the whole of it
    is the tooltip."""

    def __init__(self, text: str = "", *, in_middle: bool = False) -> None:
        super().__init__()
        self._whole = ""
        modes = QtCore.Qt.TextElideMode
        self._mode = modes.ElideMiddle if in_middle else modes.ElideRight
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        self.say(text)

    def say(self, text: str) -> None:
        self._whole = text
        self.setToolTip(plain(text))
        self.setAccessibleName(text)
        self._fit()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, self._mode, max(20, self.width())))


class ElidedLine(QtWidgets.QLineEdit):
    """A line to write into; what has no room in it ends with an ellipsis, while nobody writes."""

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        room = self.rect().adjusted(MARGIN, 0, -MARGIN, 0)
        shown = self.fontMetrics().elidedText(self.text(), QtCore.Qt.TextElideMode.ElideRight, room.width())
        if self.hasFocus() or shown == self.text():
            super().paintEvent(event)
            return
        words = shown[:-1].rpartition(" ")[0]  # half of a number would be another one
        shown = f"{words} …" if words else shown
        painter = QtWidgets.QStylePainter(self)
        panel = QtWidgets.QStyleOptionFrame()
        self.initStyleOption(panel)
        painter.drawPrimitive(QtWidgets.QStyle.PrimitiveElement.PE_PanelLineEdit, panel)
        painter.setPen(self.palette().color(QtGui.QPalette.ColorRole.Text))
        align = QtCore.Qt.AlignmentFlag
        painter.drawText(room, align.AlignLeft | align.AlignVCenter, shown)
