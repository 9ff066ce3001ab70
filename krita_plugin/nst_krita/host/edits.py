"""What the painter changes on layers otherwise than with strokes: by filters, deletions, transformations."""

from __future__ import annotations

import zlib
from typing import Any, Callable, NamedTuple

from ..qt import QtCore, Signal, view
from .colour import Colours, colours_of, pixel_bytes
from .document import Document, KritaDocument, current
from .layers import find, id_of
from .pen import PenWatch
from .under_way import is_idle

LOOK_MS = 500
# Of a layer that takes more only every n-th row is looked at, which finds all that can be seen.
MAX_BYTES = 16 << 20


class _State(NamedTuple):
    """A layer as it was. ``image``: the document's size, and the layer's place and colours in it: when these
    are others all layers may be, and nothing was painted. Of a mirrored image they tell nothing."""

    image: tuple[tuple[int, int], tuple[int, int], Colours]
    pixels: tuple[tuple[int, int, int, int], int]


class EditWatch(QtCore.QObject):
    """Looks at the active layer when ``pen`` tells of something that may change it, and again half a second
    later and at every ``look``, as what is chosen in a menu tells nothing. Only where
    ``is_watched(document, layer id)``, and not while it is locked; GUI thread only.
    """

    #: The pixels of a layer have changed: its Document and the layer's id.
    changed = Signal(object, str)

    def __init__(self, pen: PenWatch, is_watched: Callable[[Document, str], bool]) -> None:
        super().__init__()
        self._is_watched = is_watched
        self._before: dict[str, tuple[KritaDocument, _State]] = {}  # id of a layer → since it was looked at
        self._timer = QtCore.QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.look)
        pen.acting.connect(self._acting)

    def look(self) -> None:
        """See what has become of the layers that may have been changed."""
        for layer_id, (document, before) in list(self._before.items()):
            node = find(document.root, layer_id) if document.is_open else None
            # Frames that go on into one locked layer change its pixels as well.
            if node is None or node.locked() or not self._is_watched(document, layer_id):
                self._before.pop(layer_id, None)
            # While Krita is at it, or a transformation is, the layer is neither as it was nor as it will be.
            elif is_idle(document):
                self._before[layer_id] = document, (now := _state(document, node))
                if now.image == before.image and now.pixels != before.pixels:
                    self.changed.emit(document, layer_id)

    def _acting(self) -> None:
        document: Any = current()
        # With several, or none, Krita 6 runs its event loop when it is asked for the active one.
        active = document.active if len(document.chosen) == 1 else None
        if active is None or active.locked() or not self._is_watched(document, id_of(active)):
            return
        layer_id = id_of(active)
        if layer_id not in self._before:
            self._before[layer_id] = document, _state(document, active)
        self._timer.start()


def _state(document: KritaDocument, node: Any) -> _State:
    place, area, colours = node.position(), node.bounds(), colours_of(node)
    bounds = area.x(), area.y(), area.width(), area.height()
    checksum = 0 if area.isEmpty() else _checksum(node, *bounds)
    return _State((document.size, (place.x(), place.y()), colours), (bounds, checksum))


def _checksum(node: Any, x: int, y: int, width: int, height: int) -> int:
    every = 1 + width * height * pixel_bytes(colours_of(node)) // MAX_BYTES
    if every == 1:
        return zlib.crc32(view(node.pixelData(x, y, width, height)))
    found = 0
    for row in range(0, height, every):
        found = zlib.crc32(view(node.pixelData(x, y + row, width, 1)), found)
    return found
