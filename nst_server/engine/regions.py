"""Where on the content each style acts, and how styles that meet share a place.

Spatial control: Gatys et al., "Controlling Perceptual Factors in Neural Style Transfer", CVPR 2017,
section 4. There a mask multiplies the features; here it weighs their positions, so that the statistics of a
small region have the same scale as those of a large one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from nst_server.engine.pyramid import fill_transparent, resize_map
from nst_server.wire.scales import Size

# Half the width over which two styles meet at a hard edge, in units of the longest side: about a stroke.
# Narrower, the eye follows the line along which the palettes change.
_MEETING = 0.02
# The same for the colours that the picture begins with and is held to, which would otherwise change along a
# line that paint sharpens: of the same style on both sides, one side's own colours against the other's.
_FADING = 0.08
# Variance of luma from which on the content's own edge decides where two styles meet (a tenth, squared).
_EDGE = 0.1**2
# From so little coverage on a composed picture tells what the paint is: below, 8-bit steps grow tenfold and
# more.
_SEEN = 0.1
_TINY = 1e-12


@dataclass(frozen=True)
class Regions:
    """``masks`` [K, H, W] in [0, 1], float32: how far each of K styles acts at each pixel.

    ``coverage`` [H, W] in [0, 1]: how much of each pixel is painted at all. It is the sum of the masks, so
    that two feathered edges that cross cover their border fully.
    """

    masks: Tensor
    coverage: Tensor

    @classmethod
    def of(cls, masks: Sequence[Tensor | None], size: Size) -> Regions | None:
        """The regions of styles with ``masks`` [H, W] of this ``size``; None stands for everywhere.

        Returns None if every style acts everywhere. Raises ValueError for a mask of another size, and for
        one that is 0 everywhere.
        """
        shape = (size[1], size[0])
        for index, mask in enumerate(masks):
            if mask is not None and mask.shape != shape:
                raise ValueError(
                    f"Style mask {index} is {tuple(mask.shape)}, the content {shape}. Bring it to that size."
                )
            if mask is not None and not bool((mask > 0).any()):
                raise ValueError(f"Style mask {index} is 0 everywhere. Show where the style acts.")
        if all(mask is None or bool((mask >= 1).all()) for mask in masks):
            return None
        found = torch.stack([torch.ones(shape) if mask is None else mask.float().cpu() for mask in masks])
        return cls(found, found.sum(0).clamp_max(1))

    @property
    def size(self) -> Size:
        """Width and height of the masks."""
        return self.masks.shape[2], self.masks.shape[1]

    def at(self, size: Size) -> Regions:
        """These regions at another size, averaged by area."""
        shrunk = [resize_map(mask, size[1], size[0]) for mask in (*self.masks, self.coverage)]
        return Regions(torch.stack(shrunk[:-1]), shrunk[-1])

    def to(self, device: torch.device) -> Regions:
        """These regions on ``device``."""
        return Regions(self.masks.to(device), self.coverage.to(device))

    def acting(self, shares: Sequence[float]) -> Regions:
        """These regions without those of styles that have a share of 0: only the content lies there."""
        if all(shares):
            return self
        masks = torch.stack([mask * float(share > 0) for mask, share in zip(self.masks, shares, strict=True)])
        return Regions(masks, masks.sum(0).clamp_max(1))

    def meeting(self, guide: Tensor) -> Regions:
        """The same with masks that pass into each other over the width of a stroke; the coverage stays.

        A hard edge between two styles would be a line through the picture, of one palette against the other.
        """
        return self._passing(guide, _MEETING)

    def fading(self, guide: Tensor) -> Regions:
        """The same over several strokes, for colours."""
        return self._passing(guide, _FADING)

    def _passing(self, guide: Tensor, width: float) -> Regions:
        """Masks that pass into each other over ``width``, half of it on either side, in longest sides.

        Where ``guide`` [3, H, W] has an edge of its own, they meet there: guided filter of He, Sun & Tang,
        "Guided Image Filtering", TPAMI 2013.
        """
        radius = max(1, round(width * max(self.size)))
        luma = guide.mean(0)
        mean, square = (_blurred(plane[None], radius)[0] for plane in (luma, luma.square()))
        centre = _blurred(self.masks, radius)
        slope = (_blurred(self.masks * luma, radius) - centre * mean) / (square - mean.square() + _EDGE)
        offset = centre - slope * mean
        masks = _blurred(slope, radius) * luma + _blurred(offset, radius)
        return Regions(masks.clamp(0, 1), self.coverage)

    def composed(self, content: Tensor, painted: Tensor) -> Tensor:
        """``painted`` [3, H, W] over ``content``: bit for bit the content where no style acts."""
        return torch.lerp(content, painted, self.coverage)

    def uncomposed(self, picture: Tensor, content: Tensor, painted: Tensor) -> Tensor:
        """What was ``composed`` to ``picture`` [3, H, W]; ``painted`` where hardly any of it is seen."""
        shown = self.coverage.clamp_min(_SEEN)
        found = ((picture - (1 - self.coverage) * content) / shown).clamp(0, 1)
        return torch.lerp(painted, found, ((self.coverage - _SEEN) / _SEEN).clamp(0, 1))

    def extended(self, picture: Tensor) -> Tensor:
        """``picture`` [3, H, W] with colours that bleed outwards to where no style acts."""
        return fill_transparent(picture, (self.coverage > 0).to(picture.dtype))


def _blurred(maps: Tensor, radius: int) -> Tensor:
    """Box means of ``maps`` [K, H, W] over 2 ``radius`` + 1 pixels each way."""
    side = 2 * radius + 1
    padded = pad(maps[None], (radius,) * 4, mode="replicate")
    return avg_pool2d(avg_pool2d(padded, (1, side), 1), (side, 1), 1)[0]


@dataclass(frozen=True)
class Division:
    """How K styles divide a picture among them.

    shares: of the whole, adding up to 1. parts: the share of each style at each pixel [K, h, w], adding up to
    1, or to 0 where no style acts; None where all pixels are divided by ``shares``. colours: the same for
    their palettes. company: row k holds the shares of all styles on average over where style k acts, adding
    up to 1.
    """

    shares: tuple[float, ...]
    parts: Tensor | None
    colours: Tensor | None
    company: tuple[tuple[float, ...], ...]

    @classmethod
    def of(
        cls, shares: Sequence[float], regions: Regions | None = None, faded: Regions | None = None
    ) -> Division:
        """Divide by ``shares``: everywhere, or within ``regions`` among the styles that act at a pixel.

        ``faded``: the regions for colours; the same if None.
        """
        shares = tuple(shares)
        if regions is None:
            return cls(shares, None, None, (shares,) * len(shares))
        parts = _divided(regions.masks, shares)
        colours = parts if faded is None else _divided(faded.masks, shares)
        # Where the wide ones have nothing to say, the others do.
        colours = torch.where(colours.sum(0) > 0, colours, parts) * (parts.sum(0) > 0)
        flat = parts.flatten(1)
        meeting = (flat * regions.coverage.flatten()) @ flat.T
        company = meeting / meeting.sum(1, keepdim=True).clamp_min(_TINY)
        return cls(shares, parts, colours, tuple(tuple(row) for row in company.tolist()))


def _divided(masks: Tensor, shares: tuple[float, ...]) -> Tensor:
    """What part of each pixel [K, h, w] is each style's."""
    weighted = masks * masks.new_tensor(shares)[:, None, None]
    return weighted / weighted.sum(0).clamp_min(_TINY)
