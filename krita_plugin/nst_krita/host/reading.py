"""Pixels out of Krita: a layer or document as content or style, and the selection as a mask."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any, Iterator

from ..qt import QtCore, give_way, to_bytes, view
from ..translation import tr
from .colour import FORMATS, colour_space, colours_of, converted, exchange, must_have_colour, pixel_bytes
from .document import Colours, KritaDocument, StyleChoice
from .errors import HostError
from .layers import Layer
from .selecting import rectangle_of, selection_of

_CHANNELS = {"RGBA": 4, "BGRA": 4, "GRAYA": 2, "MASK": 1}
_BYTES = {"uint8": 1, "uint16": 2, "float16": 2, "float32": 4}
#: 1 for every byte but 0.
_ANY = bytes([0] + [1] * 255)
# So many of them our own code copies in a few ms; a whole large layer at once costs Krita, too, several times
# as long as its strips do.
STRIP_BYTES = 4 << 20
_COPIED = frozenset(
    (
        *("paintlayer", "grouplayer", "filterlayer", "filllayer"),
        *("transparencymask", "filtermask", "selectionmask"),
    )
)


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


def read_content(document: KritaDocument, layer: Layer, *, may_be_hidden: bool = False) -> Content:
    """The layer's pixels and the selection, cropped to what both have in the canvas. Raises HostError.

    ``may_be_hidden``: it is read all the same then, without its masks.
    """
    _must_be_a_layer(document, layer)
    is_shown = layer.is_shown
    if not is_shown and not may_be_hidden:
        raise HostError(tr("“{}” is hidden.").format(layer.name), tr("Show it, or choose a visible layer."))
    must_have_colour(document.colours)
    selection = selection_of(document)  # first: Krita may run its event loop meanwhile
    area = _content_area(document, layer)
    mask = None
    if selection is not None:
        area = area.intersected(rectangle_of(document, selection))
        mask = coverage(selection, area)
        data = bytes(mask.data)
        if not data.strip(b"\0"):
            raise _nothing_selected(layer)
        if data.count(b"\xff") == len(data):
            mask = None  # all is wholly selected
    # Frames come in the colours of what is sent, and the document's are what they shall have.
    pixels = _read(document, layer.node, area, document.colours, shown=is_shown)
    if not shows(pixels, mask):
        if selection is not None:
            raise _nothing_selected(layer)
        raise HostError(
            tr("Nothing of “{}” is to be seen.").format(layer.name),
            tr("Show what its masks or its transparency hide, or choose another layer."),
        )
    return Content(pixels, mask, layer)


def _nothing_selected(layer: Layer) -> HostError:
    return HostError(
        tr("The selection holds nothing of “{}”.").format(layer.name),
        tr("Select a part of the layer, or choose Select ▸ Deselect."),
    )


def shows(pixels: PixelBlock, mask: PixelBlock | None = None) -> bool:
    """Whether any of ``pixels`` is not transparent, where ``mask``, of the same rectangle, is not 0.

    The event loop runs between parts of a large picture of which nothing is to be seen.
    """
    data, count, size = memoryview(pixels.data), pixels.width * pixels.height, _BYTES[pixels.dtype]
    stride = len(data) // count
    run = max(1, STRIP_BYTES // stride)
    for at in range(0, count, run):
        part, seen = data[at * stride : (at + run) * stride], 0
        # Alpha is the last channel; 0 is the number of which all bytes are, of floats too.
        for byte in range(stride - size, stride):
            seen |= int.from_bytes(bytes(part[byte::stride]).translate(_ANY), "little")
        if mask is not None:
            seen &= int.from_bytes(bytes(mask.data[at : at + run]).translate(_ANY), "little")
        if seen:
            return True
        give_way()
    return False


def read_style(choice: StyleChoice) -> PixelBlock:
    """A layer, hidden or not, or a whole document, within its canvas. Raises HostError."""
    _must_be_open(choice.document)
    if choice.layer is None:
        document = choice.document
        return _read(document, document.root, document.canvas, document.colours, shown=True)
    layer = choice.layer
    if layer.is_group and not layer.is_shown:
        raise HostError(
            tr("The group “{}” is hidden.").format(layer.name), tr("Show it, or choose a layer inside it.")
        )
    area = _content_area(choice.document, layer)
    return _read(choice.document, layer.node, area, colours_of(layer.node), shown=layer.is_shown)


def read_start(document: KritaDocument, layer: Layer, content: PixelBlock) -> PixelBlock:
    """The layer, hidden or not, on ``content``'s rectangle: what a job starts from. Raises HostError."""
    _must_be_a_layer(document, layer)
    area = QtCore.QRect(content.x, content.y, content.width, content.height)
    if not _content_area(document, layer).intersects(area):
        raise HostError(
            tr("“{}” has nothing where the picture is to be painted.").format(layer.name),
            tr("Choose another layer or another selection."),
        )
    return _read(document, layer.node, area, document.colours, shown=layer.is_shown)


def coverage(selection: Any, area: QtCore.QRect) -> PixelBlock:
    """Krita's ``selection`` in ``area``, with its feathering; channels MASK."""
    data = to_bytes(selection.pixelData(area.x(), area.y(), area.width(), area.height()))
    return PixelBlock(data, area.width(), area.height(), area.x(), area.y(), channels="MASK")


def _must_be_open(document: KritaDocument) -> None:
    if not document.is_open:
        raise HostError(tr("The document has been closed."), tr("Open it again first."))


def _must_be_a_layer(document: KritaDocument, layer: Layer) -> None:
    _must_be_open(document)
    if layer.is_mask:
        raise HostError(tr("“{}” is a mask.").format(layer.name), tr("Choose the layer that it belongs to."))


def _content_area(document: KritaDocument, layer: Layer) -> QtCore.QRect:
    """The layer's bounds inside the canvas. Raises HostError where there is nothing."""
    if layer.is_group and layer.node.passThroughMode():
        # Krita computes no picture of such a group.
        raise HostError(
            tr("The group “{}” is in pass-through mode.").format(layer.name),
            tr("Switch that off, or choose a layer in it."),
        )
    bounds = layer.bounds
    if bounds.isEmpty():
        raise HostError(
            tr("“{}” is empty.").format(layer.name), tr("Choose a layer that has something on it.")
        )
    area = bounds.intersected(document.canvas)
    if area.isEmpty():
        raise HostError(
            tr("“{}” lies outside the canvas.").format(layer.name), tr("Move it inside, or choose another.")
        )
    return area


def _read(
    document: KritaDocument, node: Any, area: QtCore.QRect, colours: Colours, *, shown: bool
) -> PixelBlock:
    """``node``'s pixels in the format in which those of ``colours`` travel.

    ``shown``: with its masks and children, of which Krita keeps a picture only while it is visible.
    """
    must_have_colour(colours)
    # What other kinds of layers show is always drawn by Krita; they have no pixels of their own.
    is_own = not shown and node.type() in ("paintlayer", "grouplayer")
    width, height, source = area.width(), area.height(), colours_of(node)
    raw, at = mmap.mmap(-1, width * height * pixel_bytes(source)), 0
    for strip in strips(document, node, area, own=is_own):
        raw[at : at + len(strip)] = strip
        at += len(strip)
    target = exchange(colours)
    channels, dtype = FORMATS[target.model, target.depth]
    space, icc = colour_space(target)
    data = converted(memoryview(raw), width, height, source, target)
    return PixelBlock(data, width, height, area.x(), area.y(), channels, dtype, space, icc)


def strips(document: KritaDocument, node: Any, area: QtCore.QRect, *, own: bool) -> Iterator[memoryview]:
    """The pixels that ``node`` has now, from top to bottom, STRIP_BYTES at most at a time.

    ``own``: without its masks and children. The event loop runs between them, and what the painter does
    meanwhile changes nothing. Raises HostError where there are none, or the document is closed.
    """
    rows = max(1, STRIP_BYTES // max(1, area.width() * pixel_bytes(colours_of(node))))
    tops = range(0, area.height(), rows)
    is_apart = len(tops) > 1 and _can_be_copied(node)
    kept = node.duplicate() if is_apart else node
    pixels = kept.pixelData if own else kept.projectionPixelData

    def read(top: int) -> memoryview:
        strip = pixels(area.x(), area.y() + top, area.width(), min(rows, area.height() - top))
        if strip.isEmpty():
            raise no_pixels(node)
        return view(strip)

    # Krita's part of what cannot be copied is done at once, and ours, which is more, a strip at a time.
    made = [] if is_apart else [read(top) for top in tops]
    for top in tops:
        if top:
            give_way()
            _must_be_open(document)
        yield read(top) if is_apart else made.pop(0)


def _can_be_copied(node: Any) -> bool:
    """Whether a copy of it, which costs Krita next to nothing until one of the two changes, does no more.

    That of a file layer reads its file, that of a clone is one more clone of its source, that of a vector
    layer makes every shape anew, that of an animated layer has all its frames.
    """
    return node.type() in _COPIED and not node.animated() and all(map(_can_be_copied, node.childNodes()))


def no_pixels(node: Any) -> HostError:
    """Why a layer cannot be read of which Krita keeps no picture."""
    return HostError(
        tr("“{}” has no pixels of its own.").format(node.name()), tr("Choose a visible paint layer.")
    )
