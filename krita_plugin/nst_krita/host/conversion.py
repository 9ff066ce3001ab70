"""Frames on their way into a document's colours."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Iterator

from krita import Krita

from ..translation import tr
from .colour import FORMATS, Converter, Strips, exchange, named, profile_of
from .document import Colours
from .errors import HostError
from .reading import PixelBlock


class Conversion:
    """A frame, as the server sent it, on its way into ``colours``, strip by strip; to be closed where it is
    given up before it is done.

    ``block``: the frame, once ``is_done`` with ``data`` as a layer with these colours has it.
    """

    def __init__(self, block: PixelBlock, colours: Colours) -> None:
        self.block, self.is_done = block, False
        self._target = colours
        self._candidates = _candidates(block, colours)
        self._converter: Converter | None = None
        self._strips: Strips | None = None

    def step(self) -> None:
        """Do a part of the work; Krita runs its event loop meanwhile.

        Raises HostError where Krita cannot convert so, or does not know the colours of the frame.
        """
        block = self.block
        if self._converter is None:
            source = next(self._candidates, None)
            if source is None:
                raise HostError(
                    tr("The frames have a colour profile that Krita does not know."),
                    tr("Open the document that they were made from."),
                )
            # One at a time: to ask Krita for a profile takes it 0.1 s.
            if _is_in(block, source):
                self.is_done = source == self._target
                if not self.is_done:
                    self._converter = Converter(source, self._target)
                    self._strips = Strips(self._converter, block.data, block.width, block.height)
            return
        strips = self._strips
        assert strips is not None
        if not strips.is_done:
            strips.step()
            return
        assert strips.made is not None
        self.block = replace(block, data=memoryview(strips.made))
        self.close()
        self.is_done = True

    def close(self) -> None:
        """Free what it took; not while ``step`` runs. Krita runs its event loop meanwhile."""
        converter, self._converter = self._converter, None
        if converter is not None:
            converter.close()


def _is_in(block: PixelBlock, colours: Colours) -> bool:
    form = FORMATS.get((colours.model, colours.depth))
    if form != (block.channels, block.dtype) or exchange(colours) != colours:
        return False
    if block.colour_space != "icc":
        return named(colours) == block.colour_space
    profile = profile_of(colours)
    return profile is not None and hashlib.sha256(profile).hexdigest() == block.icc_digest


def _candidates(block: PixelBlock, colours: Colours) -> Iterator[Colours]:
    """What the frame may be in, likeliest first: a frame can be of another document, with other colours."""
    yield exchange(colours)
    for (model, depth), form in FORMATS.items():
        if form == (block.channels, block.dtype):
            for profile in Krita.instance().profiles(model, depth):
                candidate = Colours(model, depth, profile)
                if block.colour_space in ("icc", named(candidate)):
                    yield candidate
