"""Where in a document a job's frames belong, after the image has been resized, cropped or scaled."""

from __future__ import annotations

from typing import Any, NamedTuple, Tuple

from ..qt import view
from .document import KritaDocument
from .layers import find, id_of
from .under_way import is_free

Point = Tuple[int, int]
Area = Tuple[int, int, int, int]
#: Rows, and pixels of each, that are looked at in a layer's content; as many where they would be, mirrored.
_ROWS, _COLUMNS = 8, 16


class _Look(NamedTuple):
    """Pixels of a layer, row by row: in ``area``, and where that would lie in the mirrored image."""

    area: Area
    rows: list[list[bytes]]


class _State(NamedTuple):
    """How a layer lay when frames belonged ``offset`` from where they were made for; all in px.

    ``position``: as Krita counts it; ``bounds``: x, y, width and height of its content; ``look``: that alone
    tells of mirroring.
    """

    size: Point
    position: Point
    bounds: Area
    offset: Point
    look: _Look


class Placing:
    """How far a job's frames belong from where they were made for, told by the layers that lie there.

    Krita moves every paint layer when the canvas is resized or the image cropped, and saves with each how
    far. When the image is scaled, turned or sheared these positions say nothing, but the layer's content is
    then not what it was, moved. Mirroring leaves no trace but in pixels, of paint layers and groups that are
    not animated. ``source_id``: of the layer that the frames are made from, as it lies now. ``latest``: the
    offset told last; ``is_lost``: whether it could not be told when last asked for.
    """

    def __init__(self, document: KritaDocument, source_id: str) -> None:
        self._document, self._source_id = document, source_id
        self._known: dict[str, list[_State]] = {}  # id of a layer → the latest last
        self._size, self.latest, self.is_lost = document.size, (0, 0), False
        # Its id, not the layer: one that outlives its document takes Krita with it.
        self._anchor_id = source_id
        source = self._node(source_id)
        if source is not None:
            self._learn(source, self.latest)

    def offset(self, newest: Any | None) -> Point | None:
        """In px; None where it cannot be told, as the image was scaled, turned or mirrored, or may have been.

        ``newest``: the layer of the job's newest frame, None without one.
        """
        if not self._document.is_open:
            return self.latest
        anchor = newest if newest is not None else self._node(self._source_id)
        self._anchor_id = self._source_id if newest is None else id_of(newest)
        found = self._tell(anchor, newest is not None)
        self.is_lost = found is None
        return found

    def _tell(self, anchor: Any | None, is_frame: bool) -> Point | None:
        if anchor is None:  # the image was flattened
            return self.latest if self._document.size == self._size else None
        states = self._known.get(id_of(anchor))
        if states is None:  # a frame of an earlier session; or the source, which was not there at first
            self._learn(anchor, _position(anchor) if is_frame else self.latest)
            return self.latest
        now = self._document.size, _position(anchor)
        here = [state for state in states if state[:2] == now]
        for state in reversed(here):  # an earlier one comes back with undo
            if not self._is_mirrored_since(state, anchor):
                states.remove(state)
                # It may have been painted on since; but while Krita is at it that tells nothing.
                bounds = _bounds(anchor)
                is_changed = bounds != state.bounds and is_free(self._document)
                states.append(state._replace(bounds=bounds) if is_changed else state)
                self._size, self.latest = state.size, state.offset
                return self.latest
        if here:
            return None
        found = _moved(states[-1], anchor, self._document.size)
        # While Krita is at it the layers are neither here nor there.
        if found is None or not is_free(self._document):
            return None
        self._settle(found)
        return self.latest

    def _is_mirrored_since(self, state: _State, node: Any) -> bool:
        """While Krita is at it, as it was when last asked for."""
        is_mirrored = _is_mirrored(state.look, _look(node, state.size, state.look.area))
        return is_mirrored if is_mirrored is self.is_lost or is_free(self._document) else self.is_lost

    def accept(self) -> None:
        """Where it could not be told, let the frames lie where they did until then."""
        if self.is_lost and self._document.is_open:
            self.is_lost = False
            self._settle(self.latest)

    def _settle(self, offset: Point) -> None:
        self._size, self.latest = self._document.size, offset
        for layer_id in {self._source_id, self._anchor_id}:  # the frames may be undone later
            node = self._node(layer_id)
            if node is not None:
                self._learn(node, offset)

    def put(self, node: Any) -> None:
        """Move a frame's layer, not in the document yet, from where it was made for to where it belongs."""
        node.move(*self.latest)  # so that its position tells the offset in a later session, too
        self._learn(node, self.latest)

    def rewritten(self, node: Any) -> None:
        """The layer has the pixels of another frame now, where they belong."""
        self._learn(node, self.latest)

    def _learn(self, node: Any, offset: Point) -> None:
        self._size, self.latest = self._document.size, offset
        bounds = _bounds(node)
        state = _State(self._size, _position(node), bounds, offset, _look(node, self._size, bounds))
        others = [
            known
            for known in self._known.get(id_of(node), ())
            if known[:2] != state[:2] or _is_mirrored(known.look, _look(node, self._size, known.look.area))
        ]
        self._known[id_of(node)] = [*others, state]

    def _node(self, layer_id: str) -> Any | None:
        return find(self._document.root, layer_id) if self._document.is_open else None


def _moved(state: _State, node: Any, size: Point) -> Point | None:
    """The offset, where the layer was moved since, or cropped, and nothing else. ``size``: of the image."""
    (x, y), (was_x, was_y) = _position(node), state.position
    left, top, width, height = state.bounds
    meant = left + x - was_x, top + y - was_y, width, height
    bounds = _bounds(node)
    # Cropped at its right and bottom alone, a layer can look as if it had been scaled down.
    is_cropped = (x, y) != state.position and bounds == _within(size, meant)
    if bounds != meant and not is_cropped:
        return None
    if _is_mirrored(state.look, _look(node, state.size, state.look.area, (x - was_x, y - was_y))):
        return None
    return state.offset[0] + x - was_x, state.offset[1] + y - was_y


def _look(node: Any, size: Point, area: Area, moved: Point = (0, 0)) -> _Look:
    """``size``: of the image, and ``moved``: how far the layer has been since, both in px."""
    if node.animated():  # it looks otherwise at another time
        return _Look(area, [])
    x, y, width, height = area
    columns, rows = _places(x, width, size[0], _COLUMNS), _places(y, height, size[1], _ROWS)
    # From Krita 5.3 on a group has no pixels of its own.
    pixels = node.pixelData if node.type() == "paintlayer" else node.projectionPixelData
    found = []
    for row in rows:
        line = view(pixels(moved[0], row + moved[1], size[0], 1))
        step = len(line) // size[0]
        found.append([bytes(line[column * step : (column + 1) * step]) for column in columns])
    return _Look(area, found)


def _places(start: int, length: int, whole: int, count: int) -> list[int]:
    """So many within ``length`` and the image; in the opposite order where they are once it is mirrored."""
    last = whole - 1
    inside = [start + (2 * number + 1) * length // (2 * count) for number in range(count)]
    places = [min(max(0, place), last) for place in inside]
    return [*places, *(last - place for place in reversed(places))]


def _is_mirrored(was: _Look, now: _Look) -> bool:
    """Whether most of it is, upright, level or both; some may have been painted on since.

    What looks alike mirrored, such as plain paper, counts for neither.
    """
    same, count = _same(was.rows, now.rows), sum(map(len, was.rows))
    return any(
        2 * (_same(was.rows, turned) - same) > count - _same(was.rows, own)
        for turned, own in zip(_mirrored(now.rows), _mirrored(was.rows))
    )


def _mirrored(rows: list[list[bytes]]) -> list[list[list[bytes]]]:
    level = [row[::-1] for row in rows]
    return [level, rows[::-1], level[::-1]]


def _same(was: list[list[bytes]], now: list[list[bytes]]) -> int:
    """How many pixels are alike."""
    return sum(one == other for rows in zip(was, now) for one, other in zip(*rows))


def _position(node: Any) -> Point:
    place = node.position()
    return place.x(), place.y()


def _bounds(node: Any) -> Area:
    area = node.bounds()
    return area.x(), area.y(), area.width(), area.height()


def _within(size: Point, area: Area) -> Area:
    """What of the rectangle lies on a canvas of that size."""
    x, y, width, height = area
    left, top = max(0, x), max(0, y)
    return left, top, min(size[0], x + width) - left, min(size[1], y + height) - top
