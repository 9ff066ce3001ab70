"""Frames on their way into a document's colours."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Iterable

from krita import Krita

from .colour import FORMATS, SRGB, Converter, colour_space, exchange
from .document import Colours
from .errors import HostError
from .reading import PixelBlock

# Converting so many pixels takes Krita 0.05 to 0.2 s on a slow machine, for which a painter has to wait.
STRIP_PIXELS = 300_000


class Conversion:
    """A frame, as the server sent it, on its way into ``colours``, strip by strip; to be closed.

    ``block``: the frame, once ``is_done`` with ``data`` as a layer with these colours has it.
    """

    def __init__(self, block: PixelBlock, colours: Colours) -> None:
        self.block, self.is_done = block, False
        self._target = colours
        self._converter: Converter | None = None
        self._row = 0
        self._strips: list[bytes] = []

    def step(self) -> None:
        """Do a part of the work; Krita runs its event loop meanwhile.

        Raises HostError where Krita cannot convert so, or does not know the colours of the frame.
        """
        block = self.block
        if self._converter is None:
            source = _colours_of_frame(block, self._target)
            if source == self._target:
                self.is_done = True
            else:
                self._converter = Converter(source, self._target)
            return
        rows = min(max(1, STRIP_PIXELS // block.width), block.height - self._row)
        stride = block.raw_bytes // block.height
        strip = block.data[self._row * stride : (self._row + rows) * stride]
        self._strips.append(self._converter.convert(strip, block.width, rows))
        self._row += rows
        if self._row == block.height:
            self.block = replace(block, data=b"".join(self._strips))
            self.is_done = True

    def close(self) -> None:
        """Free what it took; not while ``step`` runs."""
        if self._converter is not None:
            self._converter.close()


def in_colours(block: PixelBlock, colours: Colours) -> PixelBlock:
    """A frame with ``data`` as a layer with ``colours`` has it. Raises HostError."""
    conversion = Conversion(block, colours)
    try:
        while not conversion.is_done:
            conversion.step()
    finally:
        conversion.close()
    return conversion.block


def _colours_of_frame(block: PixelBlock, colours: Colours) -> Colours:
    for known in _candidates(block, colours):
        has_format = FORMATS.get((known.model, known.depth)) == (block.channels, block.dtype)
        if has_format and _digests(known) == (block.colour_space, block.icc_digest):
            return known
    raise HostError(
        "The frames have a colour profile that Krita does not know.",
        "Open the document that they were made from.",
    )


def _candidates(block: PixelBlock, colours: Colours) -> Iterable[Colours]:
    """What the frame may be in, likeliest first: a frame can be of another document, with other colours."""
    yield exchange(colours)
    for (model, depth), form in FORMATS.items():
        if form == (block.channels, block.dtype):
            for profile in Krita.instance().profiles(model, depth):
                known = Colours(model, depth, profile)
                if (profile in SRGB) == (block.colour_space == "srgb") and exchange(known) == known:
                    yield known


def _digests(colours: Colours) -> tuple[str, str | None]:
    space, icc = colour_space(colours)
    return space, hashlib.sha256(icc).hexdigest() if icc is not None else None
