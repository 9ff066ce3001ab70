"""Pixels out of Krita: a layer or document as content or style, and the selection as a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..qt import QtCore, to_bytes
from .colour import FORMATS, colour_space, colours_of, converted, exchange, must_have_colour
from .document import Colours, KritaDocument, StyleChoice
from .errors import HostError
from .layers import Layer

_CHANNELS = {"RGBA": 4, "BGRA": 4, "GRAYA": 2, "MASK": 1}
_BYTES = {"uint8": 1, "uint16": 2, "float16": 2, "float32": 4}


@dataclass(frozen=True)
class PixelBlock:
    """Pixels and what they are: rows top to bottom, channels interleaved, straight alpha.

    ``x``, ``y``: where the left upper corner lies in the document, in px. The other fields are those of
    the wire's Pixels; ``icc``: the profile itself where ``colour_space`` is "icc"; of frames
    ``icc_digest``: its SHA-256.
    """

    data: bytes | memoryview
    width: int
    height: int
    x: int = 0
    y: int = 0
    channels: str = "BGRA"
    dtype: str = "uint8"
    colour_space: str = "srgb"
    icc: bytes | None = None
    icc_digest: str | None = None

    @property
    def raw_bytes(self) -> int:
        """How long ``data`` has to be."""
        return self.width * self.height * _CHANNELS[self.channels] * _BYTES[self.dtype]

    @property
    def description(self) -> dict[str, Any]:
        """The fields of the wire's Pixels that do not depend on a digest."""
        names = ("width", "height", "x", "y", "channels", "dtype", "colour_space")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Content:
    """What is to be styled: ``mask`` (channels MASK, same rectangle) is None without a selection."""

    pixels: PixelBlock
    mask: PixelBlock | None
    layer: Layer


def read_content(document: KritaDocument, layer: Layer) -> Content:
    """The layer's pixels and the selection, cropped to what both have in the canvas. Raises HostError."""
    _must_be_a_layer(document, layer)
    if not layer.is_shown:
        raise HostError(f"“{layer.name}” is hidden.", "Show it, or choose a visible layer.")
    must_have_colour(document.colours)
    document.handle.waitForDone()
    area = _content_area(document, layer)
    chosen = document.selected
    mask = None
    if chosen is not None:
        area = area.intersected(chosen)
        mask = coverage(document, area)
        if not mask.data.strip(b"\0"):
            raise HostError(
                f"The selection holds nothing of “{layer.name}”.",
                "Select a part of the layer, or choose Select ▸ Deselect.",
            )
        if mask.data.count(b"\xff") == len(mask.data):
            mask = None  # all is wholly selected
    # Frames come in the colours of what is sent, and the document's are what they shall have.
    return Content(_read(layer.node, area, document.colours, shown=True), mask, layer)


def read_style(choice: StyleChoice) -> PixelBlock:
    """A layer, hidden or not, or a whole document, within its canvas. Raises HostError."""
    _must_be_open(choice.document)
    choice.document.handle.waitForDone()
    if choice.layer is None:
        return _read(choice.document.root, choice.document.canvas, choice.document.colours, shown=True)
    layer = choice.layer
    if layer.is_group and not layer.is_shown:
        raise HostError(f"The group “{layer.name}” is hidden.", "Show it, or choose a layer inside it.")
    area = _content_area(choice.document, layer)
    return _read(layer.node, area, colours_of(layer.node), shown=layer.is_shown)


def read_start(document: KritaDocument, layer: Layer, content: PixelBlock) -> PixelBlock:
    """The layer, hidden or not, on ``content``'s rectangle: what a job starts from. Raises HostError."""
    _must_be_a_layer(document, layer)
    document.handle.waitForDone()
    area = QtCore.QRect(content.x, content.y, content.width, content.height)
    if not _content_area(document, layer).intersects(area):
        raise HostError(
            f"“{layer.name}” has nothing where the picture is to be painted.",
            "Choose another layer or another selection.",
        )
    return _read(layer.node, area, document.colours, shown=layer.is_shown)


def coverage(document: KritaDocument, area: QtCore.QRect) -> PixelBlock:
    """The selection in ``area``, with its feathering; channels MASK. Only where something is selected."""
    selection = document.handle.selection()
    data = to_bytes(selection.pixelData(area.x(), area.y(), area.width(), area.height()))
    return PixelBlock(data, area.width(), area.height(), area.x(), area.y(), channels="MASK")


def _must_be_open(document: KritaDocument) -> None:
    if not document.is_open:
        raise HostError("The document has been closed.", "Open it again first.")


def _must_be_a_layer(document: KritaDocument, layer: Layer) -> None:
    _must_be_open(document)
    if layer.is_mask:
        raise HostError(f"“{layer.name}” is a mask.", "Choose the layer that it belongs to.")


def _content_area(document: KritaDocument, layer: Layer) -> QtCore.QRect:
    """The layer's bounds inside the canvas. Raises HostError where there is nothing."""
    if layer.is_group and layer.node.passThroughMode():
        # Krita computes no picture of such a group.
        raise HostError(
            f"The group “{layer.name}” is in pass-through mode.",
            "Switch that off, or choose a layer in it.",
        )
    bounds = layer.bounds
    if bounds.isEmpty():
        raise HostError(f"“{layer.name}” is empty.", "Choose a layer that has something on it.")
    area = bounds.intersected(document.canvas)
    if area.isEmpty():
        raise HostError(f"“{layer.name}” lies outside the canvas.", "Move it inside, or choose another.")
    return area


def _read(node: Any, area: QtCore.QRect, colours: Colours, *, shown: bool) -> PixelBlock:
    """``node``'s pixels in the format in which those of ``colours`` travel.

    ``shown``: with its masks and children, of which Krita keeps a picture only while it is visible.
    """
    must_have_colour(colours)
    # What other kinds of layers show is always drawn by Krita; they have no pixels of their own.
    is_own = not shown and node.type() in ("paintlayer", "grouplayer")
    pixels = node.pixelData if is_own else node.projectionPixelData
    width, height = area.width(), area.height()
    # From here on the node is not asked again: Krita runs its event loop, and the document can be closed.
    raw, source = pixels(area.x(), area.y(), width, height), colours_of(node)
    if raw.isEmpty():
        raise no_pixels(node)
    target = exchange(colours)
    channels, dtype = FORMATS[target.model, target.depth]
    space, icc = colour_space(target)
    data = converted(raw, width, height, source, target)
    return PixelBlock(data, width, height, area.x(), area.y(), channels, dtype, space, icc)


def no_pixels(node: Any) -> HostError:
    """Why a layer cannot be read of which Krita keeps no picture."""
    return HostError(f"“{node.name()}” has no pixels of its own.", "Choose a visible paint layer.")
