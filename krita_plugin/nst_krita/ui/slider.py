"""A slider in the manner of Krita's own: one bar with its name and value written on it."""

from __future__ import annotations

import math
from typing import Callable

from ..qt import QtCore, QtGui, QtWidgets, Signal

STEPS = 1000
#: A range this many times wider than its low end is stepped in ratios.
WIDE = 10.0
#: For a range from 0 to many: most of the bar belongs to the small values.
POWER = 4.0
#: Between frame and text, in px.
MARGIN = 5


def to_value(position: float, low: float, high: float) -> float:
    """The value at ``position``, 0 to 1, of a range; evenly spaced to the eye."""
    if low > 0 and high / low >= WIDE:
        return float(low * (high / low) ** position)
    if low == 0 and high >= 10:
        return float(high * position**POWER)
    return low + (high - low) * position


def to_position(value: float, low: float, high: float) -> float:
    """The inverse of ``to_value``."""
    if low > 0 and high / low >= WIDE:
        return math.log(value / low) / math.log(high / low)
    if low == 0 and high >= 10:
        return float((value / high) ** (1 / POWER))
    return (value - low) / (high - low)


class Slider(QtWidgets.QSlider):
    """Drag, arrow keys; double click, right click or Return to type a number.

    ``changed``: the value that the painter has chosen.
    """

    changed = Signal(float)

    def __init__(self, name: str, low: float, high: float, text: Callable[[float], str]) -> None:
        super().__init__(QtCore.Qt.Orientation.Horizontal)
        self._name, self._low, self._high, self._text = name, low, high, text
        self._number = low
        self._editor: QtWidgets.QLineEdit | None = None
        self.setRange(0, STEPS)
        self.setSingleStep(STEPS // 100)
        self.setPageStep(STEPS // 10)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self.valueChanged.connect(self._moved)

    def number(self) -> float:
        return self._number

    def set_number(self, number: float) -> None:
        """Show that value, without telling ``changed``."""
        self._number = min(self._high, max(self._low, number))
        blocked = self.blockSignals(True)
        self.setValue(round(STEPS * to_position(self._number, self._low, self._high)))
        self.blockSignals(blocked)
        self.setAccessibleDescription(self._text(self._number))
        self.update()

    def sizeHint(self) -> QtCore.QSize:
        widest = max(self.fontMetrics().horizontalAdvance(self._line(n)) for n in (self._low, self._high))
        return QtCore.QSize(widest + 2 * MARGIN + 2, self.fontMetrics().height() + 8)

    def minimumSizeHint(self) -> QtCore.QSize:
        return self.sizeHint()

    def _line(self, number: float) -> str:
        return f"{self._name}: {self._text(number)}" if self._name else self._text(number)

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        palette, role = self.palette(), QtGui.QPalette.ColorRole
        box = self.rect().adjusted(0, 0, -1, -1)
        painter.fillRect(box, palette.color(role.Base))
        filled = QtCore.QRect(box)
        filled.setWidth(round(box.width() * self.value() / STEPS))
        painter.fillRect(filled, palette.color(role.Highlight if self.isEnabled() else role.Mid))
        painter.setPen(palette.color(role.Highlight if self.hasFocus() else role.Mid))
        painter.drawRect(box)
        inside = box.adjusted(MARGIN, 0, -MARGIN, 0)
        text = self._line(self._number)
        alignment = QtCore.Qt.AlignmentFlag.AlignCenter
        # The text keeps its contrast on both sides of the bar's end; drawn twice in one place it would blur.
        empty = QtCore.QRect(box)
        empty.setLeft(filled.right() + 1)
        for area, ink in ((empty, role.Text), (filled, role.HighlightedText)):
            painter.setClipRect(area)
            painter.setPen(palette.color(ink))
            painter.drawText(inside, alignment, text)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        if event.button() == QtCore.Qt.MouseButton.LeftButton:
            self._drag(event)
        elif event.button() == QtCore.Qt.MouseButton.RightButton:
            self._edit()

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        if event.buttons() & QtCore.Qt.MouseButton.LeftButton:
            self._drag(event)

    def mouseReleaseEvent(self, _event: QtGui.QMouseEvent) -> None:
        pass

    def mouseDoubleClickEvent(self, _event: QtGui.QMouseEvent) -> None:
        self._edit()

    def contextMenuEvent(self, event: QtGui.QContextMenuEvent) -> None:
        event.accept()

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:
        event.ignore()  # the docker scrolls

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        if event.key() in (QtCore.Qt.Key.Key_Return, QtCore.Qt.Key.Key_Enter):
            self._edit()
        else:
            super().keyPressEvent(event)

    def _drag(self, event: QtGui.QMouseEvent) -> None:
        self.setValue(round(STEPS * min(1.0, max(0.0, event.pos().x() / max(1, self.width() - 1)))))

    def _moved(self, step: int) -> None:
        self._choose(to_value(step / STEPS, self._low, self._high))

    def _choose(self, number: float) -> None:
        # Two digits are what a hand can aim at, and what settings and layer names are readable with.
        self._number = min(
            self._high, max(self._low, float(f"{number:.2g}" if number >= 1 else f"{number:.2f}"))
        )
        self.setAccessibleDescription(self._text(self._number))
        self.update()
        self.changed.emit(self._number)

    def _edit(self) -> None:
        if self._editor is not None:
            return
        self._editor = editor = QtWidgets.QLineEdit(self)
        editor.setText("".join(c for c in self._text(self._number) if c.isdigit() or c in ".,"))
        editor.setGeometry(self.rect())
        editor.selectAll()
        editor.editingFinished.connect(self._edited)
        editor.show()
        editor.setFocus()

    def _edited(self) -> None:
        editor, self._editor = self._editor, None
        if editor is None:
            return
        typed = editor.text().replace(",", ".")
        editor.deleteLater()
        self.setFocus()
        try:
            number = float(typed)
        except ValueError:
            return
        if not math.isfinite(number):
            return
        percent = self._text(self._number).rstrip().endswith("%")
        self._choose(number / 100 if percent else number)
        self.set_number(self._number)
