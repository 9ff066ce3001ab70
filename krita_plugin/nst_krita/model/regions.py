"""Where a style paints: a part of one document, from its selection or from what a layer has painted."""

from __future__ import annotations

from typing import Any, Mapping

from .. import host
from .masks import Rect, cut
from .words import sentence, tr


class Region:
    """A part of the document with ``document_id``; ``words`` tell which."""

    document_id = ""
    words = ""

    def read(self) -> host.PixelBlock:
        """It as a mask, wherever it lies. Raises HostError."""
        raise NotImplementedError

    def to_json(self) -> dict[str, str]:
        """What the document remembers of it: a layer's id and name; "" for what cannot be had again."""
        return {"layer": "", "name": ""}

    def mask(self, document: host.Document, content: host.PixelBlock) -> host.PixelBlock:
        """It as a mask of ``content``'s rectangle. Raises HostError where it has nothing there."""
        if document.id != self.document_id:
            raise host.HostError(
                tr("A style paints only inside a part of another document."),
                tr("Choose “Paint everywhere” in its menu, or a part of this document."),
            )
        return fitted(self.read(), content)


class SelectedRegion(Region):
    """The selection of ``document`` as it is now. Raises HostError where there is none."""

    words = tr("inside what was selected")

    def __init__(self, document: Any) -> None:
        self.document_id = document.id
        self._mask = host.read_selection(document)

    def read(self) -> host.PixelBlock:
        return self._mask


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


def region_again(
    document: host.Document, remembered: Mapping[str, str], style_name: str
) -> tuple[LayerRegion | None, str]:
    """The region of which ``document`` remembers that; or None, and why the style paints everywhere now."""
    if not remembered["layer"]:
        return None, sentence(
            tr("“{}” painted only inside a selection, which is not remembered.").format(style_name),
            tr("Select that part again, and choose “Paint only inside the selection” in the style's menu."),
        )
    try:
        return LayerRegion(document, document.source(remembered["layer"])), ""
    except host.HostError:
        return None, sentence(
            tr("“{}” painted only where the layer “{}” has paint, which is not here.").format(
                style_name, remembered["name"]
            ),
            tr("Choose another part in the style's menu, or let it paint everywhere."),
        )


def fitted(mask: host.PixelBlock, content: host.PixelBlock) -> host.PixelBlock:
    """``mask`` cut to, and filled up with 0 to, ``content``'s rectangle. Raises HostError if all is 0."""
    here = Rect(content.x, content.y, content.width, content.height)
    data = cut(mask.data, Rect(mask.x, mask.y, mask.width, mask.height), here)
    if not data.strip(b"\0"):
        raise host.HostError(
            tr("A style would paint only where there is nothing to be painted."),
            tr("Choose “Paint everywhere” in its menu, or another part of the layer."),
        )
    return host.PixelBlock(data, here.width, here.height, here.x, here.y, channels="MASK")
