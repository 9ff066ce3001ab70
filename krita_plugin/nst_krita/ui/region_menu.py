"""Where a style paints, as entries of its menu."""

from __future__ import annotations

import contextlib
from typing import Any

from ..model.document_model import region_layers
from ..model.root import Root
from ..model.style_list import Style
from ..model.words import tr
from ..qt import QtGui
from .fields import percent
from .menus import PictureMenu
from .thumbnails import DENSITY

#: Colours that a layer's menu shows: those with the largest areas.
MAX_SWATCHES = 8


def add_region_entries(menu: PictureMenu, root: Root, style: Style) -> None:
    """Fill them into the menu of ``style``."""
    everywhere = menu.addAction(tr("Paint everywhere"), lambda *_: setattr(style, "region", None))
    everywhere.setCheckable(True)
    everywhere.setChecked(style.region is None)
    menu.addAction(tr("Paint only inside the selection"), lambda *_: root.limit(style))
    layers = [layer for layer in region_layers() if not root.has_made(layer)]
    pictures = [(layer, QtGui.QPixmap.fromImage(layer.thumbnail(DENSITY * menu.side))) for layer in layers]
    with_paint = menu.submenu(tr("Paint only where a layer has paint"))
    with_colour = menu.submenu(tr("Paint only where a layer has this colour"))
    for layer, picture in pictures:
        with_paint.add(layer.name, lambda *_, chosen=layer: root.limit(style, chosen), picture)
        colours = with_colour.submenu(layer.name, picture)
        # Colours are looked for in the layer that the painter comes to, not in all of them.
        colours.aboutToShow.connect(
            lambda colours=colours, layer=layer: _fill_swatches(colours, root, style, layer)
        )
    several = [with_paint, with_colour]
    if len(root.styles.styles) > 1:
        dividing = menu.submenu(tr("Regions from the colours of"))
        dividing.menuAction().setToolTip(
            tr("Each style gets one colour of the layer; the first one that with the largest area.")
        )
        for layer, picture in pictures:
            dividing.add(layer.name, lambda *_, chosen=layer: root.divide(chosen), picture)
        several.append(dividing)
    for submenu in several:
        submenu.setEnabled(bool(pictures))


def _fill_swatches(menu: PictureMenu, root: Root, style: Style, layer: Any) -> None:
    found, problem = root.colours_of(layer)
    with contextlib.suppress(RuntimeError):  # Krita ran its event loop, and the menu has gone meanwhile
        menu.clear()
        for colour, share in found[:MAX_SWATCHES]:
            words = tr("{} · {} of the paint").format(colour, percent(share))
            swatch = QtGui.QPixmap(menu.side, menu.side)
            swatch.fill(QtGui.QColor(colour))
            menu.add(words, lambda *_, chosen=colour: root.limit(style, layer, chosen), swatch)
        if problem:
            menu.addAction(problem).setEnabled(False)
