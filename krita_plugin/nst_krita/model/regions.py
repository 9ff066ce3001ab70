"""Where a style paints: a part of one document, from its selection or from what a layer has painted."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from .. import host
from .colour_map import ColourMap, FlatColour, flat_colours
from .masks import Rect, cut, name_of, packed, unpacked
from .style_list import Style
from .words import sentence, tr

#: What a Request takes as a mask: one at hand, or a function that makes it in the network's thread.
Mask = Any


class Region:
    """A part of the document with ``document_id``; ``words`` tell which. ``colour``: of its paint, or ""."""

    document_id = ""
    words = ""
    colour = ""

    def read(self) -> host.PixelBlock:
        """It as a mask, wherever it lies. Raises HostError."""
        raise NotImplementedError

    def to_json(self) -> dict[str, str]:
        """What the document remembers of it; all "" for what cannot be had again."""
        return {"layer": "", "name": ""}

    def mask(self, document: host.Document, content: host.PixelBlock, maps: dict[str, ColourMap]) -> Mask:
        """It as a mask of ``content``'s rectangle. Raises HostError where it has nothing there.

        ``maps``: of layers that other regions have read at the same moment, by id.
        """
        if document.id != self.document_id:
            raise host.HostError(
                tr("A style paints only inside a part of another document."),
                tr("Choose “Paint everywhere” in its menu, or a part of this document."),
            )
        return fitted(self.read(), content)


class SelectedRegion(Region):
    """The selection of ``document`` as it is now, or the one that it keeps as ``name``.

    ``name`` and ``packed``: what the document is to keep of it; "" and empty where that would be too much.
    Raises HostError where nothing is selected, ValueError where nothing is kept or it is damaged.
    """

    words = tr("inside what was selected")

    def __init__(self, document: Any, name: str = "") -> None:
        self.document_id, self.document = document.id, document
        if name:
            self.name, self.packed = name, host.read_mask(document, name)
            self._mask = _kept(self.packed, name, document)
            return
        self._mask = mask = host.read_selection(document)
        where = Rect(mask.x, mask.y, mask.width, mask.height)
        self.packed = packed(bytes(mask.data), where, host.MAX_MASK_BYTES)
        self.name = name_of(self.packed) if self.packed else ""

    @property
    def note(self) -> str:
        """What the painter should know of it, "" for nothing."""
        if self.packed:
            return ""
        return sentence(
            tr("This selection is too intricate to be remembered with the document."),
            tr("Fill it on a layer of its own, and choose “Paint only where a layer has paint”."),
        )

    def read(self) -> host.PixelBlock:
        return self._mask

    def to_json(self) -> dict[str, str]:
        return {"layer": "", "name": "", **({"mask": self.name} if self.name else {})}


class LayerRegion(Region):
    """Where ``layer`` has paint when the job starts."""

    def __init__(self, document: Any, layer: host.Layer) -> None:
        self.document_id = document.id
        self._document, self._layer = document, layer
        self.words = tr("where “{}” has paint").format(layer.name)

    def read(self) -> host.PixelBlock:
        return host.read_alpha(self._document, self._layer)

    def to_json(self) -> dict[str, str]:
        return {"layer": self._layer.id, "name": self._layer.name}


class ColourRegion(LayerRegion):
    """Where ``layer`` has a flat colour ("#rrggbb") when the job starts: all paint nearer to it than to the
    others, with its alpha, so that the regions of one layer add up to its paint."""

    def __init__(self, document: Any, layer: host.Layer, colour: str) -> None:
        super().__init__(document, layer)
        self.colour = colour
        self.words = tr("where “{}” has the colour of the swatch").format(layer.name)

    def to_json(self) -> dict[str, str]:
        return {**super().to_json(), "colour": self.colour}

    def mask(self, document: host.Document, content: host.PixelBlock, maps: dict[str, ColourMap]) -> Mask:
        if document.id != self.document_id:
            return super().mask(document, content, maps)
        layer, colour = self._layer, self.colour
        if layer.id not in maps:
            block = host.read_colours(self._document, layer, content)
            found = flat_colours(block.data, block.width, block.height)
            maps[layer.id] = ColourMap(block.data, [flat.colour for flat in found])
        colours = maps[layer.id]
        if not colours.has(colour):
            raise host.HostError(
                tr("“{}” has no paint in the colour {} where the picture is to be painted.").format(
                    layer.name, colour
                ),
                tr("Choose another colour in the style's menu, or “Paint everywhere”."),
            )

        where = (content.width, content.height, content.x, content.y)
        return lambda: host.PixelBlock(colours.mask(colour), *where, channels="MASK")


def colours_of(document: Any, layer: host.Layer) -> tuple[list[FlatColour], str]:
    """The flat colours of a layer, that with the largest area first; where there are none, why."""
    try:
        found = _sampled(document, layer)
    except host.HostError as error:
        return [], str(error)
    return found, "" if found else _without_colours(layer)


def _sampled(document: Any, layer: host.Layer) -> list[FlatColour]:
    sample = host.sample_colours(document, layer)
    return flat_colours(sample.data, sample.width, sample.height)


def _without_colours(layer: host.Layer) -> str:
    return tr("“{}” has no flat colours on it.").format(layer.name)


def divided(document: Any, layer: host.Layer, styles: Sequence[Style]) -> str:
    """Let each style paint where ``layer`` has one of its colours, the first that with the largest area.

    Returns what does not come out even.
    """
    try:
        colours = _sampled(document, layer)
    except host.HostError as error:
        return str(error)
    for style, flat in zip(styles, colours):
        style.region = ColourRegion(document, layer, flat.colour)
    if not colours:
        return sentence(_without_colours(layer), tr("Paint one for each style."))
    if len(colours) < len(styles):
        words = tr("“{}” has fewer colours than there are styles: the last ones paint where they did.")
        return words.format(layer.name)
    if len(colours) > len(styles):
        words = tr("“{}” has more colours than there are styles: the smallest areas have none.")
        return words.format(layer.name)
    return ""


def masks_of(
    regions: Sequence[Region | None], document: host.Document, content: host.PixelBlock
) -> list[Mask | None]:
    """The regions as masks of ``content``'s rectangle, None for everywhere. Raises HostError."""
    maps: dict[str, ColourMap] = {}
    return [region.mask(document, content, maps) if region is not None else None for region in regions]


def region_again(
    document: host.Document, remembered: Mapping[str, str], style_name: str
) -> tuple[Region | None, str]:
    """The region of which ``document`` remembers that; or None, and why the style paints everywhere now."""
    if not remembered["layer"]:
        return _selected_again(document, remembered.get("mask", ""), style_name)
    try:
        layer = document.source(remembered["layer"])
    except host.HostError:
        return None, sentence(
            tr("“{}” painted only where the layer “{}” has paint, which is not here.").format(
                style_name, remembered["name"]
            ),
            tr("Choose another part in the style's menu, or let it paint everywhere."),
        )
    colour = remembered.get("colour", "")
    return ColourRegion(document, layer, colour) if colour else LayerRegion(document, layer), ""


def _selected_again(document: host.Document, name: str, style_name: str) -> tuple[Region | None, str]:
    try:
        if name:
            return SelectedRegion(document, name), ""
    except ValueError:  # gone from the document, damaged, or of a canvas that was larger
        pass
    return None, sentence(
        tr("“{}” painted only inside a selection, which is not remembered.").format(style_name),
        tr("Select that part again, and choose “Paint only inside the selection” in the style's menu."),
    )


def _kept(data: bytes, name: str, document: host.Document) -> host.PixelBlock:
    """The mask that a document keeps. Raises ValueError where it is not what its name says."""
    if name_of(data) != name:
        raise ValueError("another mask")
    pixels, where = unpacked(data, *document.size)
    return host.PixelBlock(pixels, where.width, where.height, where.x, where.y, channels="MASK")


def fitted(mask: host.PixelBlock, content: host.PixelBlock) -> host.PixelBlock:
    """``mask`` cut to, and filled up with 0 to, ``content``'s rectangle. Raises HostError if all is 0."""
    here = Rect(content.x, content.y, content.width, content.height)
    data = cut(bytes(mask.data), Rect(mask.x, mask.y, mask.width, mask.height), here)
    if not data.strip(b"\0"):
        raise host.HostError(
            tr("A style would paint only where there is nothing to be painted."),
            tr("Choose “Paint everywhere” in its menu, or another part of the layer."),
        )
    return host.PixelBlock(data, here.width, here.height, here.x, here.y, channels="MASK")
