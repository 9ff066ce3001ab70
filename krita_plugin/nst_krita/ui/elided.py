"""Text that gives way."""

from __future__ import annotations

from html import escape

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


class FoldedLabel(PlainLabel):
    """A text over as many lines as it needs; ``limit``: over so many at most, with the whole of it in the
    tooltip, and in the label itself once that is clicked."""

    def __init__(self) -> None:
        super().__init__(wraps=True)
        self._whole, self._most, self._is_unfolded = "", 0, False
        self._fit()

    def say(self, text: str) -> None:
        self._whole = text
        self._is_unfolded = self._is_unfolded and bool(text)
        self.setAccessibleName(text)
        self._fit()

    def limit(self, lines: int) -> None:
        """Take no more than ``lines``; 0 for as many as there are."""
        if lines != self._most:
            self._most = lines
            self._fit()

    def heightForWidth(self, width: int) -> int:
        # What is shown was cut for another width.
        needed = super().heightForWidth(width)
        return min(needed, self._room()) if self._is_limited else needed

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        is_click = event.button() == QtCore.Qt.MouseButton.LeftButton and not self.hasSelectedText()
        is_cut = self.text() != self._whole
        if is_click and self.rect().contains(event.pos()) and (is_cut or self._is_unfolded):
            self._is_unfolded = is_cut
            self._fit()

    @property
    def _is_limited(self) -> bool:
        return bool(self._most) and not self._is_unfolded

    def _room(self) -> int:
        """The height of so many lines, in px."""
        return self.fontMetrics().size(0, "\n".join("x" * self._most)).height()

    def _fit(self) -> None:
        shown = self._cut() if self._is_limited else self._whole
        is_whole = shown == self._whole
        flags = QtCore.Qt.TextInteractionFlag
        self.setTextInteractionFlags(flags.TextSelectableByMouse if is_whole else flags.NoTextInteraction)
        self.setToolTip("" if is_whole else f"<p>{escape(self._whole)}</p>")
        if is_whole:
            self.unsetCursor()
        else:
            self.setCursor(QtCore.Qt.CursorShape.PointingHandCursor)
        self.setText(shown)

    def _cut(self) -> str:
        """As many of its words as there is room for."""
        words, shown = self._whole.split(" "), self._whole
        while len(words) > 1 and not self._has_room_for(shown):
            words.pop()
            shown = f"{' '.join(words)} …"
        elide = QtCore.Qt.TextElideMode.ElideRight
        return shown if self._has_room_for(shown) else self.fontMetrics().elidedText(shown, elide, self._line)

    @property
    def _line(self) -> int:
        return max(20, self.width() - MARGIN)

    def _has_room_for(self, text: str) -> bool:
        wrap, room = QtCore.Qt.TextFlag.TextWordWrap, QtCore.QRect(0, 0, self._line, 0)
        return self.fontMetrics().boundingRect(room, int(wrap), text).height() <= self._room()


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
