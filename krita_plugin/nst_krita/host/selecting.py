"""What limits the painter's strokes: the active layer's own selection, else that of all layers."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from krita import InfoObject

from ..qt import QtCore
from .document import KritaDocument
from .layers import Layer, id_of
from .scratch import scratch_document


def selection_of(document: KritaDocument) -> Any | None:
    """The selection that Krita's tools keep to in that document; None without one."""
    masks = _own(document)
    return _first(document, _switched_on(document, masks) if masks else [])


def probable_selection_of(document: KritaDocument) -> Any | None:
    """The same at no cost; of several selections of a layer's own it may be another."""
    return _first(document, _own(document))


def rectangle_of(document: KritaDocument, selection: Any) -> QtCore.QRect:
    """Where it lies inside the canvas, feathering included, in px."""
    area = QtCore.QRect(selection.x(), selection.y(), selection.width(), selection.height())
    return area.intersected(document.canvas)


def _own(document: KritaDocument) -> list[Any]:
    """The selections of the active layer's own that are visible, the lowest first."""
    active = document.active
    if active is not None and Layer(active).is_mask:
        active = active.parentNode()
    children = active.childNodes() if active is not None else []
    return [node for node in children if node.type() == "selectionmask" and node.visible()]


def _first(document: KritaDocument, masks: list[Any]) -> Any | None:
    return masks[0].selection() if masks else document.handle.selection()


def _switched_on(document: KritaDocument, masks: list[Any]) -> list[Any]:
    """Those of them that are active, of which a layer has one at most.

    Krita's scripting does not tell, but its files do: so copies of the masks, which share their pixels, are
    saved with a canvas of one pixel.
    """
    scratch = scratch_document(document.colours)
    try:
        layer, copies = scratch.createNode("", "paintlayer"), [mask.duplicate() for mask in masks]
        for copy in copies:
            layer.addChildNode(copy, None)
        scratch.rootNode().addChildNode(layer, None)
        scratch.setBatchmode(True)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "masks.kra"
            scratch.exportImage(str(file), InfoObject())
            with zipfile.ZipFile(file) as saved:
                written = ElementTree.fromstring(saved.read("maindoc.xml"))
        off = {node.get("uuid") for node in written.iter() if node.get("active") == "0"}
        return [mask for mask, copy in zip(masks, copies) if id_of(copy) not in off]
    except (OSError, LookupError, zipfile.BadZipFile, ElementTree.ParseError):
        return masks
    finally:
        scratch.close()
