"""Parts of a document as masks: the selection, or what a layer has painted."""

from __future__ import annotations

import struct

from ..qt import to_bytes
from .document import Document, KritaDocument
from .errors import HostError
from .layers import Layer
from .reading import PixelBlock, coverage, no_pixels


def read_selection(document: KritaDocument) -> PixelBlock:
    """The present selection inside the canvas, with its feathering; channels MASK. Raises HostError."""
    document.source()
    area = document.selected
    mask = coverage(document, area) if area is not None else None
    if mask is None or not mask.data.strip(b"\0"):
        raise HostError("Nothing is selected.", "Select the part where the style is to paint first.")
    return mask


def read_alpha(document: KritaDocument, layer: Layer) -> PixelBlock:
    """Where the layer has paint inside the canvas; channels MASK. A paint layer may be hidden, others not.

    Raises HostError.
    """
    layer = document.source(layer.id)
    document.handle.waitForDone()
    area = layer.bounds.intersected(document.canvas)
    node = layer.node
    has_own = layer.kind == "paintlayer"
    # Others have only what Krita draws for them, while they are visible.
    if not has_own and not layer.is_shown:
        raise no_pixels(node)
    pixels = node.pixelData if has_own else node.projectionPixelData
    data = to_bytes(pixels(area.x(), area.y(), area.width(), area.height()))
    alpha = alpha_of(data, area.width() * area.height(), node.colorDepth())
    if not alpha.strip(b"\0"):
        raise HostError(f"“{layer.name}” has no paint on it.", "Paint where the style is to act.")
    return PixelBlock(alpha, area.width(), area.height(), area.x(), area.y(), channels="MASK")


def alpha_of(data: bytes, pixels: int, depth: str) -> bytes:
    """The alpha of so many interleaved pixels in 8 bits. ``depth``: Krita's U8, U16, F16 or F32."""
    if not data or not pixels:
        return b""
    stride = len(data) // pixels
    # Alpha is the last channel of every colour model. Its numbers are little-endian: of an integer the last
    # byte says enough, of a float the last two.
    high = data[stride - 1 :: stride]
    if depth in ("U8", "U16"):
        return high
    low = data[stride - 2 :: stride]
    table = _table(depth)
    return bytes([table[low_byte | high_byte << 8] for low_byte, high_byte in zip(low, high)])


def extent(document: Document) -> tuple[int, int]:
    """Width and height in px of what a job would work on at most: the canvas, or the selection's frame."""
    if not isinstance(document, KritaDocument) or not document.is_open:
        return 0, 0
    area = document.selected
    return document.size if area is None else (area.width(), area.height())


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
