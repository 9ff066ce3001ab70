"""Colours on their way out of a document and back: which travel as they are, and what becomes of others."""

from __future__ import annotations

import functools
import mmap
import shutil
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

from krita import InfoObject, Krita

from ..qt import QtCore, give_way, view
from ..translation import tr
from .document import Colours
from .errors import HostError
from .scratch import scratch_document

# (model, depth) of Krita → (channels, dtype) on the wire. Krita's integer colours lie in memory as BGRA.
FORMATS = {
    ("RGBA", "U8"): ("BGRA", "uint8"),
    ("RGBA", "U16"): ("BGRA", "uint16"),
    ("RGBA", "F16"): ("RGBA", "float16"),
    ("RGBA", "F32"): ("RGBA", "float32"),
    ("GRAYA", "U8"): ("GRAYA", "uint8"),
    ("GRAYA", "U16"): ("GRAYA", "uint16"),
    ("GRAYA", "F16"): ("GRAYA", "float16"),
    ("GRAYA", "F32"): ("GRAYA", "float32"),
}
# Krita's names for sRGB with its own tone curve; the server needs no profile for these.
SRGB = ("sRGB built-in", "sRGB-elle-V2-srgbtrc.icc", "sRGB-elle-V4-srgbtrc.icc", "sRGB IEC61966-2.1")
# The same primaries without a tone curve: Krita's usual 16 bits. With a profile the server would take five
# times as long, but then it keeps what floats have below 0.
LINEAR_SRGB = ("sRGB-elle-V2-g10.icc", "sRGB-elle-V4-g10.icc")
# The space of all that has no format on the wire: wide enough for print, and Krita and the server convert
# its linear curve without tables, back and forth to the very same numbers.
EXCHANGE = "Rec2020-elle-V4-g10.icc"
# Krita takes 1/125 of what this profile can hold for white; the profile itself does not say so.
PQ = "High Dynamic Range UHDTV Wide Color Gamut Display (Rec. 2020) - SMPTE ST 2084 PQ EOTF"

# Converting so many pixels takes Krita 0.05 to 0.2 s on a slow machine, for which a painter has to wait.
CONVERTED_PIXELS = 300_000


def colours_of(node: Any) -> Colours:
    return Colours(node.colorModel(), node.colorDepth(), node.colorProfile())


def pixel_bytes(colours: Colours) -> int:
    """How many bytes Krita takes for a pixel with these colours."""
    channels = {"A": 1, "GRAYA": 2, "CMYKA": 5}.get(colours.model, 4)
    return channels * {"U8": 1, "U16": 2, "F16": 2, "F32": 4}[colours.depth]


def must_have_colour(colours: Colours) -> None:
    """Raises HostError for Krita's model of opacity without colour."""
    if colours.model == "A":
        raise HostError(
            tr("This image has opacity but no colours."),
            tr("Choose Image ▸ Convert Image Colour Space… and there RGB/Alpha."),
        )


def exchange(colours: Colours) -> Colours:
    """In which colours pixels and frames of a document with ``colours`` travel; always the same ones."""
    has_format = (colours.model, colours.depth) in FORMATS and colours.profile != PQ
    if has_format and (named(colours) or profile_of(colours) is not None):
        return colours
    # In 16 bits Krita converts several times as fast, but they end at white.
    ends_at_white = colours.depth.startswith("U") and colours.model not in ("XYZA", "YCbCrA")
    return Colours("RGBA", "U16" if ends_at_white and colours.profile != PQ else "F32", EXCHANGE)


def colour_space(colours: Colours) -> tuple[str, bytes | None]:
    """("srgb" or "linear-srgb", None), or "icc" and the profile's bytes.

    Raises HostError where Krita does not show them.
    ``colours``: such as ``exchange`` returns. Takes Krita 0.1 s once for each profile.
    """
    name = named(colours)
    if name:
        return name, None
    profile = profile_of(colours)
    if profile is None:
        raise HostError(
            tr("Krita does not hand out the colour profile “{}”.").format(colours.profile),
            tr("Convert the image to sRGB: Image ▸ Convert Image Colour Space…."),
        )
    return "icc", profile


def named(colours: Colours) -> str:
    """The wire's name of a colour space that needs no profile there; "" of others."""
    if colours.model != "RGBA":
        return ""
    if colours.profile in SRGB:
        return "srgb"
    return "linear-srgb" if colours.profile in LINEAR_SRGB and colours.depth == "U16" else ""


def profile_of(colours: Colours) -> bytes | None:
    """The profile's bytes; None where Krita does not show them. Takes Krita 0.1 s once for each."""
    return _profile(colours.model, colours.profile)


class Converter:
    """Krita's own colour management; to be closed. Krita runs its event loop in all of its calls.

    Converting a layer is an undo step of the document that made it: this one has no view and no user.
    Raises HostError where Krita cannot convert so.
    """

    def __init__(self, source: Colours, target: Colours) -> None:
        self._source, self._target = source, target
        self._document = scratch_document(source)

    def convert(self, data: Any, width: int, height: int) -> memoryview:
        """Pixels in the target's numbers. ``data``: bytes or a QByteArray, rows as Krita has them."""
        node = self._document.createNode("", "paintlayer")
        is_known = colours_of(node) == self._source
        node.setPixelData(data, 0, 0, width, height)
        node.setColorSpace(*self._target)
        if is_known and colours_of(node) == self._target:
            return view(node.pixelData(0, 0, width, height))
        raise HostError(
            tr("Krita cannot convert {} to {}.").format(" ".join(self._source), " ".join(self._target)),
            tr("Choose Image ▸ Convert Image Colour Space… and there RGB/Alpha."),
        )

    def close(self) -> None:
        self._document.close()


class Strips:
    """Pixels converted a part at a time, so that Krita stays free for the painter in between.

    ``data``: rows as Krita has them, as bytes or a view of them. ``made``: what has become of it.
    """

    def __init__(self, converter: Converter, data: Any, width: int, height: int) -> None:
        self._converter, self._data, self._width, self._height = converter, data, width, height
        self._row = 0
        self.made: mmap.mmap | None = None

    @property
    def is_done(self) -> bool:
        return self._row == self._height

    def step(self) -> None:
        """Convert the next ones; Krita runs its event loop meanwhile. Raises HostError as Converter does."""
        rows = min(max(1, CONVERTED_PIXELS // self._width), self._height - self._row)
        stride = len(self._data) // self._height
        strip = bytes(self._data[self._row * stride : (self._row + rows) * stride])
        made = self._converter.convert(strip, self._width, rows)
        stride = len(made) // rows
        if self.made is None:
            # The system hands such pages out as they are filled: other memory would be cleared at once.
            self.made = mmap.mmap(-1, stride * self._height)
        self.made[self._row * stride : (self._row + rows) * stride] = made
        self._row += rows


def converted(data: Any, width: int, height: int, source: Colours, target: Colours) -> memoryview:
    """Pixels in the target's numbers, those that have them already only as a view. Raises HostError.

    ``data``: a QByteArray or a view. Lets the event loop run between strips: ask anew what is still there.
    """
    whole = data if isinstance(data, memoryview) else view(data)
    if source == target:
        return whole
    converter = Converter(source, target)
    try:
        strips = Strips(converter, whole, width, height)
        strips.step()
        while not strips.is_done:
            give_way()
            strips.step()
        assert strips.made is not None
        return memoryview(strips.made)
    finally:
        converter.close()


@functools.lru_cache(maxsize=None)
def _profile(model: str, name: str) -> bytes | None:
    # Krita's scripting names profiles but never shows their bytes: they are read from one exported pixel.
    # Saving a layer leaves the recent files and the undo history alone.
    options = InfoObject()
    for option, value in (("alpha", True), ("forceSRGB", False), ("saveSRGBProfile", False)):
        options.setProperty(option, value)
    folder = Path(tempfile.mkdtemp(prefix="nst-krita-"))
    krita = Krita.instance()
    silent = krita.batchmode()
    krita.setBatchmode(True)
    document = scratch_document(Colours(model, "U8", name))
    try:
        if document.colorProfile() != name:
            return None
        picture = folder / "pixel.png"
        document.rootNode().save(str(picture), 72.0, 72.0, options, QtCore.QRect(0, 0, 1, 1))
        return icc_of_png(picture.read_bytes()) if picture.exists() else None
    finally:
        document.close()
        krita.setBatchmode(silent)
        shutil.rmtree(folder, ignore_errors=True)


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
