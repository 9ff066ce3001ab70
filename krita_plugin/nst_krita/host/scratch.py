"""Documents that nobody sees, in which Krita works for us."""

from __future__ import annotations

from typing import Any

from krita import Krita

from .document import Colours

#: What Krita's *New* proposes by its settings: each with Krita's own value for whoever never made a document.
PROPOSED = {
    "imageWidthDef": "1600",
    "imageHeightDef": "1200",
    "imageResolutionDef": "100",
    "colorModelDef": "RGBA",
    "colorDepthDef": "U8",
    "colorProfileDef": "sRGB-elle-V2-srgbtrc.icc",
}


def scratch_document(colours: Colours) -> Any:
    """A document of one pixel with these colours and without a view; to be closed. Takes Krita 0.2 s."""
    krita = Krita.instance()
    proposed = {name: krita.readSetting("", name, usual) for name, usual in PROPOSED.items()}
    try:
        return krita.createDocument(1, 1, "", *colours, 72.0)
    finally:
        # Krita takes each for what the painter wants next time.
        for name, value in proposed.items():
            krita.writeSetting("", name, value)
