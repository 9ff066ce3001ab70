"""Icons, colours and distances that follow Krita's theme."""

from __future__ import annotations

from typing import Any, Callable

from ..qt import QtCore, QtGui, QtWidgets
from .plain import plain

ICON = 16
GAP = 4
#: Height of a progress bar.
BAR = 8
THUMBNAIL = 36
PREVIEW = 56

#: Contrast that small text needs (WCAG 2, AA).
READABLE = 4.5
#: In per cent: how a style draws the lightest part of a button, of its colour; and a step towards readable.
DRAWN_LIGHTER, STEP = 145, 105
#: In per cent: how much darker than the ground Krita's style draws a frame.
FRAME_DARKER = 130
MAX_STEPS = 40

_Rect = QtCore.QRectF


def bind(widget: QtWidgets.QWidget, observable: Any, callback: Callable[[], None], *names: str) -> None:
    """Call ``callback`` now and at every change, as long as the widget lives."""
    end = observable.observe(callback, *names)
    widget.destroyed.connect(lambda *_: end())


def is_dark(palette: QtGui.QPalette) -> bool:
    return palette.color(QtGui.QPalette.ColorRole.Window).lightness() < 128


def warning_colour(palette: QtGui.QPalette) -> QtGui.QColor:
    """For what is slow or needs attention: readable on the theme's background."""
    return QtGui.QColor("#e0a030" if is_dark(palette) else "#8a5500")


def good_colour(palette: QtGui.QPalette) -> QtGui.QColor:
    return QtGui.QColor("#6fbf73" if is_dark(palette) else "#2e7d32")


def quiet_colour(palette: QtGui.QPalette) -> QtGui.QColor:
    """For what is said only once in a while: between text and background."""
    text = palette.color(QtGui.QPalette.ColorRole.WindowText)
    ground = palette.color(QtGui.QPalette.ColorRole.Window)
    return QtGui.QColor(*((2 * a + b) // 3 for a, b in zip(text.getRgb()[:3], ground.getRgb()[:3])))


def contrast(one: QtGui.QColor, other: QtGui.QColor) -> float:
    """Of two colours, 1 to 21, as WCAG 2 defines it; text needs 4.5."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: QtGui.QColor) -> float:
    channels = (value / 255 for value in colour.getRgb()[:3])
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def accent(palette: QtGui.QPalette, group: Any) -> QtGui.QColor:
    """The theme's own accent for a button, so far from its text that this is readable."""
    text = palette.color(group, QtGui.QPalette.ColorRole.HighlightedText)
    colour = palette.color(group, QtGui.QPalette.ColorRole.Highlight)
    is_text_light = _luminance(text) > _luminance(colour)
    for _ in range(MAX_STEPS):
        drawn = colour.lighter(DRAWN_LIGHTER) if is_text_light else colour
        if contrast(drawn, text) >= READABLE:
            break
        colour = colour.darker(STEP) if is_text_light else colour.lighter(STEP)
    return colour


def colour_text(label: QtWidgets.QLabel, colour: QtGui.QColor | None) -> None:
    """Give the label's text that colour; None for the theme's own."""
    palette = QtGui.QPalette()
    if colour is not None:
        palette.setColor(QtGui.QPalette.ColorRole.WindowText, colour)
    label.setPalette(palette)


def _draw_plus(painter: QtGui.QPainter, colour: QtGui.QColor) -> None:
    painter.fillRect(_Rect(7, 3, 2, 10), colour)
    painter.fillRect(_Rect(3, 7, 10, 2), colour)


def _draw_cross(painter: QtGui.QPainter, colour: QtGui.QColor) -> None:
    painter.setPen(QtGui.QPen(colour, 2))
    painter.drawLine(4, 4, 12, 12)
    painter.drawLine(12, 4, 4, 12)


def _draw_tick(painter: QtGui.QPainter, colour: QtGui.QColor) -> None:
    painter.setPen(QtGui.QPen(colour, 2))
    painter.drawLine(3, 8, 6, 12)
    painter.drawLine(6, 12, 13, 4)


def _draw_pause(painter: QtGui.QPainter, colour: QtGui.QColor) -> None:
    painter.fillRect(_Rect(4, 3, 3, 10), colour)
    painter.fillRect(_Rect(9, 3, 3, 10), colour)


def _draw_resume(painter: QtGui.QPainter, colour: QtGui.QColor) -> None:
    _draw_triangle(painter, colour, (4, 2.5), (13, 8), (4, 13.5))


def _draw_stop(painter: QtGui.QPainter, colour: QtGui.QColor) -> None:
    painter.fillRect(_Rect(4, 4, 8, 8), colour)


def _draw_eye(painter: QtGui.QPainter, colour: QtGui.QColor) -> None:
    lid = QtGui.QPainterPath(QtCore.QPointF(1.5, 8))
    lid.quadTo(8, 1.5, 14.5, 8)
    lid.quadTo(8, 14.5, 1.5, 8)
    painter.setPen(QtGui.QPen(colour, 1.4))
    painter.drawPath(lid)
    painter.setBrush(colour)
    painter.drawEllipse(QtCore.QPointF(8, 8), 2, 2)


def _draw_closed_eye(painter: QtGui.QPainter, colour: QtGui.QColor) -> None:
    lid = QtGui.QPainterPath(QtCore.QPointF(1.5, 7))
    lid.quadTo(8, 13.5, 14.5, 7)
    painter.setPen(QtGui.QPen(colour, 1.4))
    painter.drawPath(lid)


def _draw_triangle(painter: QtGui.QPainter, colour: QtGui.QColor, *points: tuple[float, float]) -> None:
    painter.setBrush(colour)
    painter.setPen(QtCore.Qt.PenStyle.NoPen)
    painter.drawPolygon(QtGui.QPolygonF([QtCore.QPointF(*point) for point in points]))


def _draw_open(painter: QtGui.QPainter, colour: QtGui.QColor) -> None:
    _draw_triangle(painter, colour, (4, 6), (12, 6), (8, 10.5))


def _draw_closed(painter: QtGui.QPainter, colour: QtGui.QColor) -> None:
    _draw_triangle(painter, colour, (6, 4), (10.5, 8), (6, 12))


def _draw_more(painter: QtGui.QPainter, colour: QtGui.QColor) -> None:
    painter.setBrush(colour)
    painter.setPen(QtCore.Qt.PenStyle.NoPen)
    for y in (3, 8, 13):
        painter.drawEllipse(QtCore.QPointF(8, y), 1.3, 1.3)


def _draw_gear(painter: QtGui.QPainter, colour: QtGui.QColor) -> None:
    painter.translate(8, 8)
    painter.setPen(QtGui.QPen(colour, 2))
    painter.drawEllipse(QtCore.QPointF(0, 0), 3.6, 3.6)
    for _ in range(8):
        painter.fillRect(_Rect(-1.1, -7, 2.2, 2.6), colour)
        painter.rotate(45)


_DRAWN: dict[str, Callable[[QtGui.QPainter, QtGui.QColor], None]] = {
    "plus": _draw_plus,
    "cross": _draw_cross,
    "tick": _draw_tick,
    "more": _draw_more,
    "gear": _draw_gear,
    "pause": _draw_pause,
    "resume": _draw_resume,
    "stop": _draw_stop,
    "eye": _draw_eye,
    "closed eye": _draw_closed_eye,
    "open": _draw_open,
    "closed": _draw_closed,
}


def icon(name: str, palette: QtGui.QPalette) -> QtGui.QIcon:
    """A 16 px icon in the theme's text colour; Krita's own set has no such pause, and differs by version."""
    made = QtGui.QIcon()
    for mode, group in (
        (QtGui.QIcon.Mode.Normal, QtGui.QPalette.ColorGroup.Active),
        (QtGui.QIcon.Mode.Disabled, QtGui.QPalette.ColorGroup.Disabled),
    ):
        pixmap = QtGui.QPixmap(2 * ICON, 2 * ICON)
        pixmap.setDevicePixelRatio(2)
        pixmap.fill(QtCore.Qt.GlobalColor.transparent)
        painter = QtGui.QPainter(pixmap)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        _DRAWN[name](painter, palette.color(group, QtGui.QPalette.ColorRole.ButtonText))
        painter.end()
        made.addPixmap(pixmap, mode)
    return made


class Framed(QtWidgets.QFrame):
    """A box with a thin line around it, which is seen whole."""

    def __init__(self) -> None:
        super().__init__()
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        # On a screen enlarged by a half the style's own frame loses the edges that lie between two pixels.
        painter, box = QtGui.QPainter(self), self.rect()
        painter.setClipRegion(QtGui.QRegion(box) - QtGui.QRegion(box.adjusted(1, 1, -1, -1)))
        painter.fillRect(box, self.palette().color(QtGui.QPalette.ColorRole.Window).darker(FRAME_DARKER))


class IconButton(QtWidgets.QToolButton):
    """A flat button with one of the icons; ``text`` is its tooltip and its name for screen readers."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__()
        self.setAutoRaise(True)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
        self.setIconSize(QtCore.QSize(ICON, ICON))
        self.say(name, text)

    def opens(self, menu: QtWidgets.QMenu) -> None:
        """Let it open ``menu``. Qt's own way would draw an arrow over the icon."""
        below = QtCore.QRect.bottomLeft
        self.clicked.connect(lambda *_: menu.popup(self.mapToGlobal(below(self.rect()))))

    def say(self, name: str, text: str) -> None:
        """Change what the button shows and means."""
        self._name = name
        self.setIcon(icon(name, self.palette()))
        self.setToolTip(plain(text))
        self.setAccessibleName(text)

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.PaletteChange and hasattr(self, "_name"):
            self.setIcon(icon(self._name, self.palette()))
