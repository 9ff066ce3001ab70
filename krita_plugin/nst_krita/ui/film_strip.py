"""A row of small pictures with one chosen: a slider whose stops can be seen."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Sequence

from ..qt import QtCore, QtGui, QtWidgets, Signal
from .theme import GAP, quiet_colour
from .thumbnails import fitted, picture_html

#: Of a picture, in px.
WIDTH, HEIGHT = 46, 40
#: Its height where the docker is low.
LOW = 26
CELL = WIDTH + GAP
#: Width of the mark at an edge beyond which there are more, and half its height, in px.
END = 10
#: Longest side of a picture that is enlarged, in px.
LARGE = 180
#: One picture is taken so many ms after the other, so that the hand that paints notices none of them.
LOADING_MS = 40
#: One that cannot be had now, as the painter is at work, is asked for again after so many ms, then after
#: twice as many, and so on; after so many times (two minutes) no more, until something changes.
RETRY_MS, MAX_TRIES = 500, 8

#: Makes the picture of that frame, at most so many px wide and high; None where it cannot be had now.
Maker = Callable[[int, int], Any]


class Cell(NamedTuple):
    """``key``: of the frame. ``has_picture``: whether the maker can have one; else an arrow stands for it."""

    key: int
    caption: str
    has_picture: bool


class FilmStrip(QtWidgets.QSlider):
    """Click, drag, arrow keys, wheel while focused. ``picked``: the index of the cell that was chosen."""

    picked = Signal(int)

    def __init__(self, maker: Maker) -> None:
        super().__init__(QtCore.Qt.Orientation.Horizontal)
        self._maker = maker
        self._height = HEIGHT
        self._cells: tuple[Cell, ...] = ()
        self._first = 0  # the one at the left edge
        self._pictures: dict[int, QtGui.QPixmap] = {}
        self._stale: set[int] = set()  # of the pictures, those to be taken anew
        self._tries: dict[int, int] = {}  # key → how often it could not be had
        self._loading = QtCore.QTimer(self)
        self._loading.setSingleShot(True)
        self._loading.timeout.connect(self._load)
        self.setPageStep(1)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self.valueChanged.connect(self._moved)

    def show_cells(self, cells: Sequence[Cell], chosen: int) -> None:
        """Have these cells, and ``chosen``, an index, without telling ``picked``."""
        self._cells = tuple(cells)
        with_picture = {cell.key for cell in cells if cell.has_picture}
        self._pictures = {key: known for key, known in self._pictures.items() if key in with_picture}
        blocked = self.blockSignals(True)
        self.setRange(0, max(0, len(cells) - 1))
        self.setValue(chosen)
        self.blockSignals(blocked)
        self._keep_in_view()

    def be_low(self, is_low: bool) -> None:
        """Whether to have pictures of less height."""
        self._height = LOW if is_low else HEIGHT
        self.updateGeometry()
        self.update()

    def renew(self) -> None:
        """Take all pictures anew, those in sight first; until then the earlier ones are shown."""
        self._stale = set(self._pictures)
        self._start()

    def _start(self) -> None:
        self._tries.clear()
        self._loading.start(LOADING_MS)

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(2 * CELL, self._height + self.fontMetrics().height() + 4)

    def minimumSizeHint(self) -> QtCore.QSize:
        return self.sizeHint()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._keep_in_view()

    def _room(self) -> int:
        return max(1, (self.width() - 2) // CELL)

    def _keep_in_view(self) -> None:
        """The chosen one and its neighbours are seen."""
        room, last = self._room(), len(self._cells) - 1
        beside = int(room > 2)
        self._first = min(self._first, max(0, self.value() - beside))
        self._first = max(self._first, min(self.value() + beside, last) - room + 1)
        self._first = max(0, min(self._first, last - room + 1))
        self._start()
        self.update()

    def _moved(self, index: int) -> None:
        self._keep_in_view()
        self.picked.emit(index)

    def _seen(self) -> range:
        return range(self._first, min(len(self._cells), self._first + self._room()))

    def _load(self) -> None:
        """Take one of the pictures that are missing or stale, the one that has been asked for least."""
        seen = [self._cells[index] for index in self._seen()]
        wanted = [cell.key for cell in seen if cell.has_picture and self._is_wanted(cell.key)]
        tries, key = min(((self._tries.get(key, 0), key) for key in wanted), default=(MAX_TRIES, 0))
        if tries == MAX_TRIES or not self.isVisible():
            return
        # No larger than it is shown: Krita takes the time of each of its pixels.
        image = self._maker(key, round(WIDTH * self.devicePixelRatioF()))
        if image is None:
            self._tries[key] = tries + 1
            self._loading.start(RETRY_MS << tries)
            return
        self._pictures[key] = QtGui.QPixmap.fromImage(image)
        self._stale.discard(key)
        self.update()
        self._loading.start(LOADING_MS)

    def _is_wanted(self, key: int) -> bool:
        return key not in self._pictures or key in self._stale

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        super().showEvent(event)
        self._start()

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        for index in self._seen():
            self._paint_cell(painter, index)
        self._paint_ends(painter)

    def _box(self, index: int) -> QtCore.QRect:
        return QtCore.QRect(1 + CELL * (index - self._first), 1, WIDTH, self._height)

    def _paint_cell(self, painter: QtGui.QPainter, index: int) -> None:
        cell, box = self._cells[index], self._box(index)
        palette, role = self.palette(), QtGui.QPalette.ColorRole
        painter.fillRect(box, palette.color(role.Base))
        picture = self._pictures.get(cell.key)
        if picture is not None:
            shown = fitted(picture, WIDTH, self.devicePixelRatioF(), self._height)
            ratio = shown.devicePixelRatioF()
            left, top = (WIDTH - shown.width() / ratio) / 2, (self._height - shown.height() / ratio) / 2
            painter.drawPixmap(QtCore.QPointF(box.left() + left, box.top() + top), shown)
        elif not cell.has_picture:
            _draw_arrow(painter, box.center(), quiet_colour(palette))
        is_chosen = index == self.value()
        painter.setPen(QtGui.QPen(palette.color(role.Highlight if is_chosen else role.Mid), 1 + is_chosen))
        painter.drawRect(box)
        below = QtCore.QRect(box.left(), box.bottom() + 2, WIDTH, self.fontMetrics().height())
        if is_chosen and self.hasFocus():
            painter.fillRect(below, palette.color(role.Highlight))
        ink = role.HighlightedText if is_chosen and self.hasFocus() else role.WindowText
        painter.setPen(palette.color(ink) if is_chosen else quiet_colour(palette))
        painter.drawText(below, QtCore.Qt.AlignmentFlag.AlignCenter, cell.caption)

    def _paint_ends(self, painter: QtGui.QPainter) -> None:
        """At an edge beyond which there are more, a mark."""
        seen = self._seen()
        more = ((seen.start > 0, 0, 1), (seen.stop < len(self._cells), self.width() - 1, -1))
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        role, middle = QtGui.QPalette.ColorRole, 1 + self._height // 2
        for is_more, x, inward in more:
            if is_more:
                # It lies on a picture, which may have any colours.
                ground = QtCore.QRectF(min(x, x + END * inward), middle - END, END, 2 * END)
                painter.setBrush(self.palette().color(role.Window))
                painter.drawRoundedRect(ground, 2, 2)
                tip, foot = x + 2 * inward, x + (END - 2) * inward
                points = ((tip, middle), (foot, middle - 6), (foot, middle + 6))
                painter.setBrush(self.palette().color(role.WindowText))
                painter.drawPolygon(QtGui.QPolygonF([QtCore.QPointF(*point) for point in points]))

    def _index_at(self, x: int) -> int:
        return max(0, min(len(self._cells) - 1, self._first + (x - 1) // CELL))

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        if event.button() != QtCore.Qt.MouseButton.LeftButton:
            return
        index = self._index_at(event.pos().x())
        if index == self.value():  # it may have been hidden meanwhile
            self.picked.emit(index)
        self.setValue(index)

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        if event.buttons() & QtCore.Qt.MouseButton.LeftButton:
            self.setValue(self._index_at(event.pos().x()))

    def mouseReleaseEvent(self, _event: QtGui.QMouseEvent) -> None:
        pass

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:  # the docker scrolls
            event.ignore()

    def event(self, event: QtCore.QEvent) -> bool:
        if event.type() == QtCore.QEvent.Type.ToolTip and self._cells:
            cell = self._cells[self._index_at(event.pos().x())]
            image = self._maker(cell.key, LARGE) if cell.has_picture else None
            if image is not None:
                QtWidgets.QToolTip.showText(event.globalPos(), picture_html(image), self)
                return True
        return super().event(event)


def _draw_arrow(painter: QtGui.QPainter, centre: QtCore.QPoint, colour: QtGui.QColor) -> None:
    """Downwards, onto a line: to be fetched."""
    x, y = centre.x(), centre.y()
    painter.setPen(QtGui.QPen(colour, 2))
    for line in ((x, y - 8, x, y + 3), (x - 5, y - 2, x, y + 3), (x + 5, y - 2, x, y + 3)):
        painter.drawLine(*line)
    painter.drawLine(x - 7, y + 8, x + 7, y + 8)
