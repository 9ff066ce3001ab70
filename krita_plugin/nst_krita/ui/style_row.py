"""One style of the list: its picture, its name, its sliders and its menu."""

from __future__ import annotations

from typing import Any

from ..model.root import Root
from ..model.style_list import MAX_SCALE, MIN_SCALE, Style
from ..model.styles import unreadable
from ..model.words import tr
from ..qt import QtCore, QtGui, QtWidgets
from .elided import ElidedLabel
from .fields import percent, times
from .menus import PictureMenu
from .plain import PlainLabel, plain
from .region_menu import add_region_entries
from .slider import Slider
from .theme import GAP, THUMBNAIL, IconButton, bind
from .thumbnails import DENSITY, fitted, with_picture

#: What a row is dragged as; only within this docker.
ROW_MIME = "application/x-nst-style-row"
_REMOVING = QtCore.Qt.Key.Key_Delete, QtCore.Qt.Key.Key_Backspace
_OPENING = QtCore.Qt.Key.Key_Return, QtCore.Qt.Key.Key_Enter, QtCore.Qt.Key.Key_Space
_MOVES = {QtCore.Qt.Key.Key_Up: -1, QtCore.Qt.Key.Key_Down: 1}
_HELD = QtCore.Qt.KeyboardModifier
#: With one of these a key means something else.
_OTHERWISE = _HELD.ShiftModifier | _HELD.ControlModifier | _HELD.AltModifier | _HELD.MetaModifier


class _Pair(QtWidgets.QWidget):
    """Two widgets side by side, or one below the other where there is no room for that."""

    def __init__(self, first: QtWidgets.QWidget, second: QtWidgets.QWidget) -> None:
        super().__init__()
        self._both = (first, second)
        self._line = QtWidgets.QBoxLayout(QtWidgets.QBoxLayout.Direction.LeftToRight, self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(GAP)
        for widget in self._both:
            self._line.addWidget(widget, 1)

    def minimumSizeHint(self) -> QtCore.QSize:
        widest = max(widget.minimumSizeHint().width() for widget in self._both)
        return QtCore.QSize(widest, self._line.minimumSize().height())

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        way, needed = QtWidgets.QBoxLayout.Direction, sum(w.minimumSizeHint().width() for w in self._both)
        self._line.setDirection(way.LeftToRight if self.width() >= needed + GAP else way.TopToBottom)


class StyleRow(QtWidgets.QWidget):
    """A style. Alt+Up and Alt+Down move it, Delete takes it out of the list, Return opens its menu."""

    def __init__(self, root: Root, style: Style) -> None:
        super().__init__()
        self.style_shown, self._root = style, root
        self._pressed: QtCore.QPoint | None = None
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(tr("Style: {}").format(style.name))
        self._thumbnail = QtGui.QPixmap()
        self._picture = PlainLabel()
        self._picture.setFixedSize(THUMBNAIL, THUMBNAIL)
        self._picture.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        self._picture.setCursor(QtCore.Qt.CursorShape.OpenHandCursor)
        self._name = ElidedLabel()
        self._menu = PictureMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self._more = IconButton("more", tr("What else can be done with “{}”").format(style.name))
        self._more.opens(self._menu)
        self._share = Slider(tr("Share"), 0.0, 1.0, percent)
        self._share.setToolTip(
            tr(
                "How much of the picture is this style's; the others have the rest. It can be moved while a "
                "job runs."
            )
        )
        self._share.changed.connect(lambda number: root.styles.give_share(style, number))
        self._scale = Slider(tr("Size"), MIN_SCALE, MAX_SCALE, times)
        self._scale.setToolTip(tr("Size of this style's strokes: it multiplies the Stroke size below."))
        self._scale.changed.connect(lambda number: setattr(style, "scale", number))
        self._sliders = _Pair(self._share, self._scale)
        self._lay_out()
        # A share changes with those of the others.
        bind(self, root.styles, lambda: self._share.set_number(root.styles.share(style)), "styles", "details")
        bind(self, style, lambda: self._scale.set_number(style.scale), "scale")
        bind(self, style, self._show_region, "region")
        if style.path:
            with_picture(style.path, self._take_picture)
        else:
            self._take_picture(QtGui.QPixmap.fromImage(style.thumbnail(DENSITY * THUMBNAIL)))

    def _lay_out(self) -> None:
        top = QtWidgets.QHBoxLayout()
        top.setSpacing(GAP)
        top.addWidget(self._name, 1)
        top.addWidget(self._more)
        lines = QtWidgets.QVBoxLayout()
        lines.setSpacing(1)
        lines.addLayout(top)
        lines.addWidget(self._sliders)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(1, 1, 1, 1)
        row.setSpacing(GAP)
        row.addWidget(self._picture, 0, QtCore.Qt.AlignmentFlag.AlignTop)
        row.addLayout(lines, 1)

    def show_sliders(self, are_shown: bool) -> None:
        """One style alone has no share, and the stroke size of the whole picture."""
        self._sliders.setVisible(are_shown)

    def _show_region(self) -> None:
        style = self.style_shown
        region = style.region
        name, where = style.name, ""
        if region is not None:
            # Which colour, its picture shows.
            name += " · " + (tr("only on this colour") if region.colour else region.words)
            part = f"{region.words} ({region.colour})" if region.colour else region.words
            where = tr("Paints only {}.").format(part)
        self._name.say(name)
        self._name.setToolTip(plain(style.path or style.name))
        self._picture.setToolTip(plain(where) or tr("Drag to change the order."))
        self.setAccessibleDescription(where)
        self._show_picture()

    def _take_picture(self, pixmap: QtGui.QPixmap) -> None:
        self._thumbnail = pixmap
        self._show_picture()
        if pixmap.isNull() and self.style_shown.path:  # so far only its head has been read
            self._root.message = str(unreadable(self.style_shown.path))

    def _show_picture(self) -> None:
        shown = fitted(self._thumbnail, THUMBNAIL, self.devicePixelRatioF())
        if self.style_shown.region is not None and not shown.isNull():
            _mark(shown, self.palette(), self.style_shown.region.colour)
        self._picture.setPixmap(shown)

    def _fill_menu(self) -> None:
        menu, root, style = self._menu, self._root, self.style_shown
        menu.clear()
        styles = root.styles.styles
        index = styles.index(style)
        if len(styles) > 1:
            up = menu.addAction(tr("Move up"), lambda *_: root.styles.move(style, index - 1))
            up.setEnabled(index > 0)
            up.setShortcut(QtGui.QKeySequence("Alt+Up"))
            down = menu.addAction(tr("Move down"), lambda *_: root.styles.move(style, index + 1))
            down.setEnabled(index < len(styles) - 1)
            down.setShortcut(QtGui.QKeySequence("Alt+Down"))
            menu.addSeparator()
        add_region_entries(menu, root, style)
        menu.addSeparator()
        remove = menu.addAction(tr("Remove from the list"), lambda *_: root.styles.remove(style))
        remove.setShortcut(QtGui.QKeySequence("Del"))

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        styles = self._root.styles
        if is_moving(event):
            index = styles.styles.index(self.style_shown)
            styles.move(self.style_shown, max(0, index + _MOVES[event.key()]))
        elif is_removing(event):
            if not event.isAutoRepeat():  # a key held down takes one style away, not all
                styles.remove(self.style_shown)
        elif event.key() in _OPENING:
            self._more.click()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QtGui.QContextMenuEvent) -> None:
        self._menu.popup(event.globalPos())

    def focusInEvent(self, event: QtGui.QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QtGui.QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        if self.hasFocus():
            painter = QtGui.QPainter(self)
            painter.setPen(self.palette().color(QtGui.QPalette.ColorRole.Highlight))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        self._pressed = event.pos() if event.button() == QtCore.Qt.MouseButton.LeftButton else None

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        start = self._pressed
        far = QtWidgets.QApplication.startDragDistance()
        if start is None or (event.pos() - start).manhattanLength() < far:
            return
        self._pressed = None
        drag = QtGui.QDrag(self)
        data = QtCore.QMimeData()
        data.setData(ROW_MIME, QtCore.QByteArray(b"1"))
        drag.setMimeData(data)
        drag.setPixmap(self.grab())
        drag.setHotSpot(start)
        drag.exec(QtCore.Qt.DropAction.MoveAction)


def is_removing(event: QtGui.QKeyEvent) -> bool:
    """Whether that key takes a style out of the list."""
    return event.key() in _REMOVING and not event.modifiers() & _OTHERWISE


def is_moving(event: QtGui.QKeyEvent) -> bool:
    """Whether that key moves a style within the list."""
    return event.key() in _MOVES and bool(event.modifiers() & _HELD.AltModifier)


def _mark(pixmap: Any, palette: QtGui.QPalette, colour: str) -> None:
    """The badge of a style that does not paint everywhere: a dashed frame, as of a selection, or a colour."""
    ratio = pixmap.devicePixelRatioF()
    width, height = pixmap.width() / ratio, pixmap.height() / ratio
    box = QtCore.QRectF(width - 15, height - 12, 13, 10)
    painter = QtGui.QPainter(pixmap)
    painter.fillRect(box, palette.color(QtGui.QPalette.ColorRole.Window))
    pen = QtGui.QPen(palette.color(QtGui.QPalette.ColorRole.WindowText), 1.5)
    pen.setDashPattern([2, 1.3])
    painter.setPen(pen)
    inner = box.adjusted(2, 2, -2, -2)
    if colour:
        painter.fillRect(inner, QtGui.QColor(colour))
    else:
        painter.drawRect(inner)
    painter.end()
