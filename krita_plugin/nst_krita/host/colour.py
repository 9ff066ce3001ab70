"""Which colours a layer's numbers mean, as the server has to be told."""

from __future__ import annotations

import shutil
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

from krita import InfoObject, Krita

from ..qt import QtCore
from .document import Colours
from .errors import HostError

# Krita's names for sRGB with its own tone curve; the server needs no profile for these.
SRGB = ("sRGB built-in", "sRGB-elle-V2-srgbtrc.icc", "sRGB-elle-V4-srgbtrc.icc", "sRGB IEC61966-2.1")

_profiles: dict[Colours, bytes] = {}


def colours_of(node: Any) -> Colours:
    return Colours(node.colorModel(), node.colorDepth(), node.colorProfile())


def colour_space(node: Any) -> tuple[str, bytes | None]:
    """("srgb", None), or "icc" and the profile's bytes, which take Krita 0.1 s once for each profile."""
    colours = colours_of(node)
    if colours.profile in SRGB:
        return "srgb", None
    if colours not in _profiles:
        _profiles[colours] = _exported_profile(node, colours)
    return "icc", _profiles[colours]


def _exported_profile(node: Any, colours: Colours) -> bytes:
    # Krita's scripting names profiles but never shows their bytes: they are read from one exported pixel.
    # Saving a node leaves the recent files and the undo history alone.
    options = InfoObject()
    for name, value in (("alpha", True), ("forceSRGB", False), ("saveSRGBProfile", False)):
        options.setProperty(name, value)
    folder = Path(tempfile.mkdtemp(prefix="nst-krita-"))
    krita = Krita.instance()
    silent = krita.batchmode()
    krita.setBatchmode(True)
    try:
        picture = folder / "pixel.png"
        node.save(str(picture), 72.0, 72.0, options, QtCore.QRect(0, 0, 1, 1))
        profile = icc_of_png(picture.read_bytes()) if picture.exists() else None
    finally:
        krita.setBatchmode(silent)
        shutil.rmtree(folder, ignore_errors=True)
    if profile is None:
        raise HostError(
            f"Krita does not hand out the colour profile “{colours.profile}”.",
            "Convert the image to sRGB: Image ▸ Convert Image Colour Space….",
        )
    return profile


def icc_of_png(data: bytes) -> bytes | None:
    """The colour profile inside a PNG file (iCCP, PNG specification §11.3.2.3); None without one."""
    offset = 8
    while offset + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        chunk = data[offset + 8 : offset + 8 + length]
        if kind == b"iCCP":
            return zlib.decompress(chunk[chunk.index(b"\0") + 2 :])
        offset += 12 + length
    return None
