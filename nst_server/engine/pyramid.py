"""Moving images and maps from one size to another.

Sizes are (width, height) in whole pixels; images are [3, H, W] in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, max_pool2d

from nst_server.wire.scales import Size

#: What a transparent pixel, filled from around, counts beside an opaque one. Where all are, they all count.
LEAST = 1e-3


def resize(image: Tensor, size: Size, weight: Tensor | None = None) -> Tensor:
    """``image`` [C, H, W] in [0, 1] at ``size``: bicubic, low-passed when it shrinks, clamped to [0, 1].

    Its pixels count by ``weight`` [H, W] in [0, 1], their alpha; None: all alike.
    """
    if (image.shape[2], image.shape[1]) == tuple(size):
        return image
    return _counted(image, weight, lambda values, mode: _resized(values, size, mode)).clamp(0, 1)


def _resized(image: Tensor, size: Size, mode: str) -> Tensor:
    resized = image[None]
    # PyTorch widens before it lowers: of 1 × 65535 px brought to 65535 × 1, it would make 65535² of them.
    lowers = image.shape[1] > size[1] and image.shape[2] < size[0]
    for width in (image.shape[2], size[0]) if lowers else (size[0],):
        resized = interpolate(resized, size=(size[1], width), mode=mode, align_corners=False, antialias=True)
    return resized[0]


def _counted(image: Tensor, weight: Tensor | None, resized: Callable[[Tensor, str], Tensor]) -> Tensor:
    """``image`` [C, H, W] as ``resized`` brings values to another size, its pixels counted by ``weight``.

    ``resized`` takes values [C, H, W] and the filter, "bicubic" or "bilinear".
    """
    if weight is None or bool((weight >= 1).all()):
        return resized(image, "bicubic")
    weight = weight.clamp_min(LEAST)[None]
    premultiplied = torch.cat((image * weight, weight))
    sharp, soft = resized(premultiplied, "bicubic"), resized(premultiplied, "bilinear")
    colours = soft[:-1] / soft[-1:]
    # A bicubic filter has negative lobes, and what it leaves of the weights beside an opaque edge may be
    # nothing. So it only adds to what the bilinear one finds, in proportion to the most that is near.
    most = _largest_near(resized(_largest_near(weight), "bilinear"))
    return colours + (sharp[:-1] - sharp[-1:] * colours) / most


def _largest_near(values: Tensor) -> Tensor:
    return max_pool2d(values, 5, stride=1, padding=2)


def resize_map(values: Tensor, height: int, width: int) -> Tensor:
    """A weight map [H, W] ≥ 0 averaged by area onto ``height`` × ``width``."""
    if values.shape == (height, width):
        return values
    shrunk = adaptive_avg_pool2d(values[None, None], (height, width))
    return shrunk[0, 0]


def fit_image(image: Tensor, size: Size, fit: str, around: Tensor, weight: Tensor | None = None) -> Tensor:
    """``image`` at ``size``: cover (crops the middle), contain (``around`` fills the rest) or stretch.

    ``around`` is an image [3, H, W] of that size; ``weight`` as in ``resize``.
    """
    height, width = image.shape[1:]
    if fit == "stretch" or width * size[1] == height * size[0]:
        return resize(image, size, weight)
    wider = width * size[1] > height * size[0]
    by_height = wider if fit == "cover" else not wider
    if by_height:
        scaled = max(1, round(width * size[1] / height)), size[1]
    else:
        scaled = size[0], max(1, round(height * size[0] / width))
    if fit == "cover":
        return _counted(
            image, weight, lambda values, mode: _resized_middle(values, scaled, size, mode)
        ).clamp(0, 1)
    left, top = (size[0] - scaled[0]) // 2, (size[1] - scaled[1]) // 2
    whole = around.clone()
    whole[:, top : top + scaled[1], left : left + scaled[0]] = resize(image, scaled, weight)
    return whole


def _resized_middle(image: Tensor, scaled: Size, size: Size, mode: str) -> Tensor:
    """The middle ``size`` of ``image`` [C, H, W] at ``scaled``, as ``resize`` has it.

    Only what shows is computed: of a picture a few pixels wide, the whole could take millions of rows.
    """
    columns, left, right = _seen(image.shape[2], scaled[0], size[0])
    rows, top, bottom = _seen(image.shape[1], scaled[1], size[1])
    # PyTorch's filters are Pillow's, but resize whole images only; Pillow takes fractions of pixels.
    kind = Image.Resampling[mode.upper()]
    resized = [
        np.asarray(Image.fromarray(channel).resize(size, kind, box=(left, top, right, bottom)))
        for channel in image[:, rows, columns].float().cpu().numpy()
    ]
    return torch.from_numpy(np.stack(resized)).to(image)


def _seen(length: int, scaled: int, shown: int) -> tuple[slice, float, float]:
    """What to read of ``length`` px for the middle ``shown`` of ``scaled`` px; within it, where that lies."""
    left = (scaled - shown) // 2
    start, stop = left * length / scaled, (left + shown) * length / scaled
    margin = (
        math.ceil(2 * max(1.0, length / scaled)) + 1
    )  # px; a bicubic filter reaches 2 of the coarser ones
    first, last = max(0, math.floor(start) - margin), min(length, math.ceil(stop) + margin)
    return slice(first, last), start - first, min(stop, length) - first


def fill_transparent(image: Tensor, influence: Tensor) -> Tensor:
    """``image`` [3, H, W] with colours that bleed in from around in place of pixels of influence 0.

    Without it the encoder would see an edge, and the hidden colours behind it, where the painter sees none.
    ``influence`` [H, W] in [0, 1]. Push-pull interpolation (Gortler et al. 1996); grey if all is hidden.
    """
    # 8-bit colours under less than an eighth of opacity have too few steps left to be trusted whole.
    trust = (influence * 8).clamp(0, 1)[None]
    if bool((trust >= 1).all()):
        return image
    return torch.lerp(_pulled(image, influence[None]), image, trust)


def _pulled(image: Tensor, weight: Tensor) -> Tensor:
    height, width = image.shape[1:]
    known = weight.clamp(0, 1)
    if max(height, width) == 1:
        return torch.lerp(torch.full_like(image, 0.5), image, (known > 0).to(image.dtype))
    half = (width + 1) // 2, (height + 1) // 2
    pooled = adaptive_avg_pool2d(torch.cat([image * weight, weight]), (half[1], half[0]))
    coarse = _pulled(pooled[:3] / pooled[3:].clamp_min(1e-12), (pooled[3:] * 4).clamp_max(1))
    return torch.lerp(resize(coarse, (width, height)), image, known)
