"""Text that gives way."""

from __future__ import annotations

from ..qt import QtCore, QtGui, QtWidgets
from .plain import PlainLabel, plain


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
