"""The colours of a picture without their places: moments and histogram, and pictures brought to them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import conv1d, grid_sample, pad

from nst_server.engine.colour import RIDGE, apply_map, colour_moments, transfer_map
from nst_server.engine.luminance import luminance, with_luminance

_SAMPLES = 2**14  # colours that stand for an image's histogram
_TURNS = 24  # rotations of the colour space; twice as many changed a colour by 1 in 255 on average
_GRID = 33  # points along each side of the table of a map, 8 in 255 apart
# Blur of the table, in its steps. A distribution with two peaks and nothing between them is only had by
# tearing passages apart: at a third of it, petals and clouds got hard edges, as if posterised. This still
# halves the distance that moments leave, or better.
_SMOOTH = 4.0
# Weight of samples below which a point of the table follows the linear map that the table adds to.
_FEW = 0.05
_SEED = 0
_SHADE = 20 / 255  # what is as far from a palette as this looks like a shade of it

Moments = tuple[Tensor, Tensor]  # mean [3] and covariance [3, 3] of colours, float64 on the CPU


def moments_of(image: Tensor, weight: Tensor | None = None) -> Moments:
    """The moments of ``image`` [3, H, W]; ``weight`` [H, W] at least 0: how much each pixel counts."""
    # On the CPU because Apple's GPUs have no float64.
    return colour_moments(image.cpu(), None if weight is None else weight.cpu())


def pooled(moments: Sequence[Moments], shares: Sequence[float]) -> Moments:
    """The moments of all the pictures together, each counted by its share."""
    mean = sum((share * own for share, (own, _) in zip(shares, moments, strict=True)), torch.zeros(3))
    covariance = torch.zeros(3, 3, dtype=torch.float64)
    for share, (own, spread) in zip(shares, moments, strict=True):
        covariance += share * (spread + torch.outer(own - mean, own - mean))
    return mean, covariance


def in_moments(image: Tensor, own: Moments, wanted: Moments) -> Tensor:
    """``image`` [3, H, W] of the moments ``own`` brought to those ``wanted``, in [0, 1]."""
    return apply_map(image, *transfer_map(own, wanted)).clamp(0, 1)


def within(image: Tensor, wanted: Moments, deviations: float) -> Tensor:
    """``image`` [3, H, W] with colours beyond so many ``deviations`` of ``wanted`` brought in to these.

    Towards the mean, and by the deviation in the direction in which they lie (Mahalanobis distance), which
    counts as that of a shade at least.
    """
    mean, covariance = wanted
    spread = covariance.double() + _SHADE**2 * torch.eye(3, dtype=torch.float64)
    precision = torch.linalg.inv(spread).to(image)
    offset = image - mean.to(image)[:, None, None]
    distance = torch.einsum("ihw,ij,jhw->hw", offset, precision, offset).clamp_min(0).sqrt()
    return image + offset * ((deviations / distance.clamp_min(1e-6)).clamp(max=1) - 1)


def in_histogram(
    image: Tensor, like: Tensor, weight: Tensor | None = None, like_weight: Tensor | None = None
) -> Tensor:
    """``image`` [3, H, W] with the whole colour distribution of ``like`` [3, h, w], both in [0, 1].

    Their pixels count by ``weight`` [H, W] and ``like_weight`` [h, w].
    Iterative distribution transfer (Pitié, Kokaram & Dahyot, "Automated colour grading using colour
    distribution transfer", CVIU 2007): in turned axes, each axis is brought to the wanted distribution. There
    it is done to pixels; here to a sample after ``in_moments``, and its moves are smoothed over the colour
    space into a table, so that like colours stay alike: no bands, no grain. The same images give the same
    map.
    """
    # On the CPU because Apple's GPUs cannot look up in tables of three axes.
    own = image.detach().cpu()
    matrix, offset = transfer_map(moments_of(own, weight), moments_of(like, like_weight))
    begun = apply_map(_sample(own, weight)[:, None], matrix, offset)[:, 0].clamp(0, 1)
    table = _smoothed(begun, _transferred(begun, _sample(like, like_weight)) - begun)
    moved = apply_map(own, matrix, offset).clamp(0, 1)
    # grid_sample wants the last axis of the table first, and coordinates from -1 to 1.
    places = (2 * moved.flip(0) - 1).permute(1, 2, 0)[None, None]
    moves = grid_sample(table[None], places, padding_mode="border", align_corners=True)[0, :, 0]
    return (moved + moves).clamp(0, 1).to(image.device)


def recoloured(
    painted: Tensor,
    content: Tensor,
    keep_colours: str,
    space: str,
    weight: Tensor | None = None,
    content_weight: Tensor | None = None,
) -> Tensor:
    """A finished picture ``painted`` in the colours of ``content``, both [3, H, W], as ``keep_colours`` says.

    "luminance" takes the content's chroma in ``space`` at each pixel, "moments" and "histogram" its palette;
    both pictures' pixels count there by their weights [H, W]. "no" leaves the picture.
    """
    if keep_colours == "no":
        return painted
    if keep_colours == "luminance":
        return with_luminance(content, luminance(painted, space), space)
    if keep_colours == "moments":
        return in_moments(painted, moments_of(painted, weight), moments_of(content, content_weight))
    return in_histogram(painted, content, weight, content_weight)


def _sample(image: Tensor, weight: Tensor | None) -> Tensor:
    """[3, ``_SAMPLES``] colours from all over ``image`` [3, H, W], as often as ``weight`` [H, W] says."""
    colours = image.detach().cpu().flatten(1)
    generator = torch.Generator().manual_seed(_SEED)
    # What the ridge is to covariances: the noise of a flat image is not taken for its colours.
    noise = RIDGE**0.5 * torch.randn(3, _SAMPLES, generator=generator)
    # One in each of as many equal parts, but not at equal distances, which could meet a pattern's own.
    at = (torch.arange(_SAMPLES) + torch.rand(_SAMPLES, generator=generator, dtype=torch.float64)) / _SAMPLES
    if weight is None or not bool((weight > 0).any()):
        chosen = (at * colours.shape[1]).long()
    else:
        reached = weight.cpu().flatten().double().cumsum(0)
        chosen = torch.searchsorted(reached, at * reached[-1], right=True)
    sample: Tensor = colours[:, chosen.clamp_max(colours.shape[1] - 1)] + noise
    return sample


def _transferred(colours: Tensor, wanted: Tensor) -> Tensor:
    """``colours`` [3, N], each moved, with the distribution of ``wanted`` [3, N]."""
    generator = torch.Generator().manual_seed(_SEED)
    for _ in range(_TURNS):
        axes, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator))
        turned = axes @ colours
        ranks = turned.argsort(dim=1, stable=True)
        colours = axes.T @ turned.scatter(1, ranks, (axes @ wanted).sort(dim=1).values)
    return colours


def _smoothed(colours: Tensor, moves: Tensor) -> Tensor:
    """A table [3, G, G, G] over the colours [0, 1]³ of the ``moves`` [3, N] of ``colours`` [3, N]."""
    table = colours.new_zeros(4, _GRID**3)
    place = colours * (_GRID - 1)
    low = place.floor().clamp_max(_GRID - 2)
    part = place - low
    values = torch.cat((moves, torch.ones_like(moves[:1])))
    for corner in range(8):
        step = torch.tensor([corner >> 2 & 1, corner >> 1 & 1, corner & 1])[:, None]
        share = torch.where(step > 0, part, 1 - part).prod(0)
        red, green, blue = (low.long() + step).unbind(0)
        table.index_add_(1, (red * _GRID + green) * _GRID + blue, values * share)
    table = table.view(4, _GRID, _GRID, _GRID)
    reach = round(3 * _SMOOTH)
    kernel = torch.exp(-((torch.arange(-reach, reach + 1) / _SMOOTH) ** 2) / 2)
    kernel = (kernel / kernel.sum())[None, None]
    for _ in range(3):
        table = table.transpose(1, 3).transpose(1, 2)  # each axis comes last once
        rows = pad(table.reshape(-1, 1, _GRID), (reach, reach))
        table = conv1d(rows, kernel).view(4, _GRID, _GRID, _GRID)
    return table[:3] / (table[3:] + _FEW)
