"""A ceiling for a picture's grain: well below noise, and well above anything that the picture is made from.

Where losses ask for what few pixels cannot show, or from far away for a plain area, any grain can be a step
towards it, and an optimiser goes on to neon noise. No painting does: below the ceiling nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

# Times the grainiest of what a picture is made from. Of 2,400 random jobs one in a hundred came above it;
# pictures of photographs and paintings stay below 1.2.
_CEILING = 1.5
# What counts as grain at least, of plain pictures: they may get strokes.
_LEAST = 0.03
# By how much the loss is raised where the mean square of the grain is twice what it may be: more than what
# noise has ever gained.
_STEEPNESS = 30.0


def grain(image: Tensor, weights: Tensor | None = None) -> Tensor:
    """RMS, a scalar, of what ``image`` [3, H, W] has beyond its blurred self: 0.23 for even noise, 0.03 for a
    photograph.

    Blurred by the 3×3 binomial filter, so that what is left is mostly above a quarter cycle per pixel.
    ``weights`` [H, W]: how much each pixel counts, not all 0; None: all the same.
    """
    return _mean_square(image, weights).sqrt()


def _mean_square(image: Tensor, weights: Tensor | None) -> Tensor:
    kernel = image.new_tensor([1.0, 2.0, 1.0])
    kernel = (kernel[:, None] * kernel / 16).expand(3, 1, 3, 3)
    blurred = conv2d(pad(image[None], (1, 1, 1, 1), mode="replicate"), kernel, groups=3)[0]
    squares = (image - blurred).square().mean(0)
    return squares.mean() if weights is None else (weights * squares).sum() / weights.sum()


class Ceiling:
    """How much grain a picture may have, given all that it is made from: images [3, h, w] with weights."""

    def __init__(self, sources: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        found = [float(grain(image, weights)) for image, weights in sources if _counts(weights)]
        self._most = (_CEILING * max(found, default=0.0)) ** 2
        self._most = max(self._most, (_CEILING * _LEAST) ** 2)

    def surcharge(self, image: Tensor, weights: Tensor | None) -> tuple[float, Tensor | None]:
        """What the loss of ``image`` [3, H, W] is to be raised by, as a share of it, and that one's gradient.

        0 and None below the ceiling.
        """
        if not _counts(weights):
            return 0.0, None
        over = float(_mean_square(image, weights)) / self._most - 1
        if not over > 0:
            return 0.0, None
        leaf = image.detach().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(_mean_square(leaf, weights), leaf)
        return _STEEPNESS * over**2, gradient * (2 * _STEEPNESS * over / self._most)


def _counts(weights: Tensor | None) -> bool:
    return weights is None or bool(weights.any())
