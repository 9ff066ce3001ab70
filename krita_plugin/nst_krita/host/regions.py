"""Parts of a document as masks: the selection, or what a layer has painted."""

from __future__ import annotations

import struct
from operator import itemgetter

from ..qt import QtCore, to_bytes
from ..translation import tr
from .colour import SRGB, colours_of, converted, must_have_colour, pixel_bytes
from .document import Colours, Document, KritaDocument
from .errors import HostError
from .layers import Layer
from .reading import PixelBlock, coverage, no_pixels, strips
from .selecting import probable_selection_of, rectangle_of, selection_of

#: In so many rows a layer's colours are looked for.
SAMPLE_ROWS = 160
#: Pixels that are looked at together.
RUN = 256


def read_selection(document: KritaDocument) -> PixelBlock:
    """The present selection inside the canvas, with its feathering; channels MASK. Raises HostError."""
    document.source()
    selection = selection_of(document)
    mask = coverage(selection, rectangle_of(document, selection)) if selection is not None else None
    if mask is None or not bytes(mask.data).strip(b"\0"):
        raise HostError(tr("Nothing is selected."), tr("Select the part where the style is to paint first."))
    return mask


def read_alpha(document: KritaDocument, layer: Layer) -> PixelBlock:
    """Where the layer has paint inside the canvas; channels MASK. A paint layer may be hidden, others not.

    Raises HostError.
    """
    layer = document.source(layer.id)
    area = layer.bounds.intersected(document.canvas)
    source, own = colours_of(layer.node), _has_own(layer)
    alpha = b"".join(
        alpha_of(strip, len(strip) // pixel_bytes(source), source.depth)
        for strip in strips(document, layer.node, area, own=own)
    )
    if not alpha.strip(b"\0"):
        raise HostError(
            tr("“{}” has no paint on it.").format(layer.name), tr("Paint where the style is to act.")
        )
    return PixelBlock(alpha, area.width(), area.height(), area.x(), area.y(), channels="MASK")


def read_colours(document: KritaDocument, layer: Layer, where: PixelBlock) -> PixelBlock:
    """The layer in the rectangle of ``where``, in sRGB: BGRA, uint8. A paint layer may be hidden, others not.

    Raises HostError.
    """
    layer = document.source(layer.id)
    source, own = colours_of(layer.node), _has_own(layer)
    must_have_colour(source)
    area = QtCore.QRect(where.x, where.y, where.width, where.height)
    data = b"".join(strips(document, layer.node, area, own=own))
    return PixelBlock(
        _in_srgb(data, where.width, where.height, source), where.width, where.height, where.x, where.y
    )


def sample_colours(document: KritaDocument, layer: Layer) -> PixelBlock:
    """The same of at most SAMPLE_ROWS rows of what the layer has inside the canvas; 0 px of an empty one."""
    layer = document.source(layer.id)
    source, area = colours_of(layer.node), layer.bounds.intersected(document.canvas)
    must_have_colour(source)
    pixels = layer.node.pixelData if _has_own(layer) else layer.node.projectionPixelData
    step = -(-area.height() // SAMPLE_ROWS) or 1
    every = range(area.y(), area.y() + area.height(), step)
    rows = [to_bytes(pixels(area.x(), y, area.width(), 1)) for y in every]
    data = _in_srgb(b"".join(rows), area.width(), len(rows), source) if rows else b""
    return PixelBlock(data, area.width(), len(rows))


def _in_srgb(data: bytes, width: int, height: int, source: Colours) -> memoryview:
    is_srgb = (source.model, source.depth) == ("RGBA", "U8") and source.profile in SRGB
    target = source if is_srgb else Colours("RGBA", "U8", SRGB[1])
    return converted(memoryview(data), width, height, source, target)


def _has_own(layer: Layer) -> bool:
    """Whether it has pixels of its own. Others have what Krita draws: raises HostError while hidden."""
    if layer.kind != "paintlayer" and not layer.is_shown:
        raise no_pixels(layer.node)
    return layer.kind == "paintlayer"


def alpha_of(data: bytes | memoryview, pixels: int, depth: str) -> bytes:
    """The alpha of so many interleaved pixels in 8 bits. ``depth``: Krita's U8, U16, F16 or F32."""
    if not data or not pixels:
        return b""
    stride = len(data) // pixels
    # Alpha is the last channel of every colour model. Its numbers are little-endian: of an integer the last
    # byte says enough, of a float the last two.
    if depth in ("U8", "U16"):
        return bytes(data[stride - 1 :: stride])
    halves = memoryview(data).cast("H")[stride // 2 - 1 :: stride // 2].tobytes()
    return b"".join(_run(halves[at : at + 2 * RUN], _table(depth)) for at in range(0, len(halves), 2 * RUN))


def _run(halves: bytes, table: bytes) -> bytes:
    count, first = len(halves) // 2, halves[:2]
    if halves == first * count:  # of a region most is, and looking costs a hundredth
        return table[int.from_bytes(first, "little") :][:1] * count
    return bytes(itemgetter(*memoryview(halves).cast("H"))(table))


def extent(document: Document) -> tuple[int, int]:
    """Width and height in px of what a job would work on at most: the canvas, or the selection's frame."""
    if not isinstance(document, KritaDocument) or not document.is_open:
        return 0, 0
    selection = probable_selection_of(document)
    if selection is None:
        return document.size
    area = rectangle_of(document, selection)
    return area.width(), area.height()


_tables: dict[str, bytes] = {}


def _table(depth: str) -> bytes:
    """8-bit alpha for every half-precision number, or for the upper half of every single-precision one."""
    if depth not in _tables:
        halves = range(65536)
        if depth == "F16":
            numbers = struct.unpack("<65536e", struct.pack("<65536H", *halves))
        else:
            numbers = struct.unpack("<65536f", struct.pack("<65536I", *(half << 16 for half in halves)))
        _tables[depth] = bytes(map(_eight_bits, numbers))
    return _tables[depth]


def _eight_bits(alpha: float) -> int:
    return round(255 * min(1.0, max(0.0, alpha)))
