"""Pixels into a layer of Krita."""

from __future__ import annotations

from typing import Any

from .reading import PixelBlock

# Two of Krita's tiles: a strip that begins on their border is written without reading them.
STRIP_ROWS = 128


def write_pixels(node: Any, pixels: PixelBlock, offset: tuple[int, int] = (0, 0)) -> None:
    """Put them where they belong in that layer, ``offset`` px from there; no undo step.

    It has to have their colours.
    """
    x, y = pixels.x + offset[0], pixels.y + offset[1]
    # Strip by strip: for the whole, Qt would take fresh memory, which costs more than the copying itself.
    data, stride = memoryview(pixels.data), len(pixels.data) // pixels.height
    for row in range(0, pixels.height, STRIP_ROWS):
        rows = min(STRIP_ROWS, pixels.height - row)
        strip = bytes(data[row * stride : (row + rows) * stride])
        node.setPixelData(strip, x, y + row, pixels.width, rows)
