"""Pixels out of Krita: a layer or document as content or style, and the selection as a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..qt import QtCore, to_bytes
from .colour import colour_space, colours_of
from .document import Colours, KritaDocument, StyleChoice
from .errors import HostError
from .layers import Layer

# (model, depth) of Krita → (channels, dtype) on the wire. Krita's integer colours lie in memory as BGRA.
FORMATS = {("RGBA", "U8"): ("BGRA", "uint8")}
_CHANNELS = {"BGRA": 4, "MASK": 1}
_BYTES = {"uint8": 1}
CONVERT = "Choose Image ▸ Convert Image Colour Space… and there RGB/Alpha, 8-bit integer/channel."


@dataclass(frozen=True)
class PixelBlock:
    """Pixels and what they are: rows top to bottom, channels interleaved, straight alpha.

    ``x``, ``y``: where the left upper corner lies in the document, in px. The other fields are those of
    the wire's Pixels; ``icc``: the profile itself where ``colour_space`` is "icc".
    """

    data: bytes
    width: int
    height: int
    x: int = 0
    y: int = 0
    channels: str = "BGRA"
    dtype: str = "uint8"
    colour_space: str = "srgb"
    icc: bytes | None = None

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
    _must_be_open(document)
    if layer.is_mask:
        raise HostError(f"“{layer.name}” is a mask.", "Choose the layer that it belongs to.")
    if not layer.is_shown:
        raise HostError(f"“{layer.name}” is hidden.", "Show it, or choose a visible layer.")
    if colours_of(layer.node) != document.colours:
        raise HostError(
            f"“{layer.name}” has other colours than its document.",
            "Choose Layer ▸ Convert ▸ Convert Layer Colour Space… and there the document's.",
        )
    document.handle.waitForDone()
    area = _content_area(document, layer)
    selection = document.handle.selection()
    mask = None
    if selection is not None:
        chosen = QtCore.QRect(selection.x(), selection.y(), selection.width(), selection.height())
        area = area.intersected(chosen)
        mask = None if area.isEmpty() else _read_selection(selection, area)
        if area.isEmpty() or (mask is not None and mask.data.count(0) == len(mask.data)):
            raise HostError(
                f"The selection holds nothing of “{layer.name}”.",
                "Select a part of the layer, or choose Select ▸ Deselect.",
            )
    return Content(_read(layer.node, area, shown=True), mask, layer)


def read_style(choice: StyleChoice) -> PixelBlock:
    """A layer, hidden or not, or a whole document, within its canvas. Raises HostError."""
    _must_be_open(choice.document)
    choice.document.handle.waitForDone()
    if choice.layer is None:
        return _read(choice.document.root, choice.document.canvas, shown=True)
    layer = choice.layer
    if layer.is_group and not layer.is_shown:
        raise HostError(f"The group “{layer.name}” is hidden.", "Show it, or choose a layer inside it.")
    return _read(layer.node, _content_area(choice.document, layer), shown=layer.is_shown)


def must_hold_frames(document: KritaDocument) -> None:
    """Raises HostError where the document's colours are not such as frames have."""
    _format(document.colours)


def _must_be_open(document: KritaDocument) -> None:
    if not document.is_open:
        raise HostError("The document has been closed.", "Open it again first.")


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


def _read(node: Any, area: QtCore.QRect, *, shown: bool) -> PixelBlock:
    """``shown``: with its masks and children, of which Krita keeps a picture only while it is visible."""
    channels, dtype = _format(colours_of(node))
    space, icc = colour_space(node)
    pixels = node.projectionPixelData if shown else node.pixelData
    data = to_bytes(pixels(area.x(), area.y(), area.width(), area.height()))
    if not data:
        raise HostError(f"“{node.name()}” has no pixels of its own.", "Choose a visible paint layer.")
    return PixelBlock(data, area.width(), area.height(), area.x(), area.y(), channels, dtype, space, icc)


def _format(colours: Colours) -> Any:
    found = FORMATS.get((colours.model, colours.depth))
    if found is None:
        named = "{} {}".format(
            {"A": "alpha only", "RGBA": "RGB"}.get(colours.model, colours.model), colours.depth
        )
        raise HostError(f"Only 8-bit RGB can be styled so far; this is {named}.", CONVERT)
    return found


def _read_selection(selection: Any, area: QtCore.QRect) -> PixelBlock | None:
    """Coverage as the selection has it, feathering included; None where all is wholly selected."""
    data = to_bytes(selection.pixelData(area.x(), area.y(), area.width(), area.height()))
    if data.count(b"\xff") == len(data):
        return None
    return PixelBlock(data, area.width(), area.height(), area.x(), area.y(), channels="MASK")
