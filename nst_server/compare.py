"""Measures of painted pictures against their content and their style; none needs a download.

No number tells whether a picture is good. These tell how far its strokes and its colours are from the
style's, how much of the content's drawing is left, and whether a seam or a grid shows. Images are
[3, H, W], float32, sRGB in [0, 1]. docs/quality.md explains the measures to their readers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nst_server import weights
from nst_server.engine.images import from_blob
from nst_server.engine.losses import gram_matrix
from nst_server.engine.pyramid import resize
from nst_server.engine.vgg import Encoder
from nst_server.wire.pixels import Pixels
from nst_server.wire.scales import fit_longest

#: Shorter side below which an image has too few patches for a statistic.
SMALLEST = 32  # px

_SEED = 0
_TINY = 1e-12

# Karras et al. take 7 px. In that many dimensions nearly every projection is a bell curve: a painting with
# other pigments, or turned by 90°, was half as far from itself as with 3 px, its halves as far as before.
_PATCH = 3  # px
_BANDS = 4
_DIRECTIONS = 64  # at least
_QUANTILES = 1024
_SAMPLES = 16_384  # at most; four times as many moved strokes by 0.01 and colours by 0.3 ΔE at most

_PLAIN = 1e-4  # less than any edge of 8-bit colours, more than what rounding makes of none
_STEP = 2 / 255  # a step of 8-bit colour below which a line is not seen
_MASKING = 0.25  # of the mean step around: among many strong ones a line is seen less
_REACH = 6  # lines to either side that a line is compared with
_SHORTEST = 16  # px, of a seam

_BLOCK = 64  # px, side of the blocks whose spectra are averaged
_PERIODS = (2, 4, 8, 16)  # px: what pooling, strided convolutions and their tiles leave


class Unmeasurable(ValueError):
    """Pictures, or a grid, that cannot be measured. ``hint`` says what to do."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.hint = hint


@dataclass(frozen=True)
class Measure:
    """A row of the table: ``name`` within its group, ``values`` of the content and then of each picture."""

    group: str
    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Group:
    """Rows of one kind: ``meaning`` in a sentence, whether the "lower" or the "higher" is ``better``, and
    how many decimal ``places`` say something."""

    meaning: str
    better: str
    places: int = 2


#: Every group of rows, in the order of the table.
GROUPS = {
    "strokes": Group("distance from the style's by size; 0 alike, 1 as far as a plain area", "lower"),
    "colours": Group("how far they would have to move, mean ΔE; 2 is just seen", "lower", 1),
    "drawing": Group("agreement of edges with the content's; 1 the same, 0 unrelated", "higher"),
    "traces": Group("lines that the content lacks; 1 none, strokes reach 2, plain seams exceed it", "lower"),
    "Gram": Group("relative error of each layer's Gram matrix; 0 the style's", "lower", 4),
}


def measures(
    pictures: Sequence[Tensor],
    content: Tensor,
    style: Tensor,
    *,
    encoder: Encoder | None = None,
    grid: int | None = None,
) -> list[Measure]:
    """All rows of the table, for ``content`` itself and each of ``pictures``, all [3, H, W] of one size.

    ``style`` [3, h, w] is brought to the same longest side, as the engine does at a style scale of 1.
    ``encoder`` adds the Gram matrices of its default style layers. ``grid``: the pitch of tiles in px whose
    borders are examined; None: every line is. Raises Unmeasurable for other sizes and sides under 32 px.
    """
    if any(picture.shape != content.shape for picture in pictures):
        raise Unmeasurable("The pictures and the content are not of one size.", "Bring them to one.")
    style = resize(style, fit_longest((style.shape[2], style.shape[1]), max(content.shape[1:])))
    for name, image in (("content", content), ("style", style)):
        if min(image.shape[1:]) < SMALLEST:
            size = f"{image.shape[2]}×{image.shape[1]} px at the pictures' scale"
            raise Unmeasurable(
                f"The {name} is {size}: less than {SMALLEST} px wide or high.",
                "Such a picture has too few patches: compare larger ones, or other parts of them.",
            )
    if grid is not None and not 1 < grid < max(content.shape[1:]):
        raise Unmeasurable(
            f"There is no line of a grid of {grid} px in the pictures.",
            f"Give 2 to {max(content.shape[1:]) - 1}, or leave it out for every line.",
        )
    shown = [content, *pictures]
    rows: list[Measure] = []

    def add(group: str, name: str, measure: Callable[[Tensor], float]) -> None:
        rows.append(Measure(group, name, tuple(measure(image) for image in shown)))

    pyramids = [_bands(image) for image in (style, *shown)]
    for band, (target, *own) in enumerate(zip(*pyramids)):  # noqa: B905 as far as the smallest image has bands
        distances = tuple(patch_distance(bands, target) for bands in own)
        rows.append(Measure("strokes", f"{2**band * _PATCH} px", distances))
    add("colours", "to the style's", lambda x: colour_distance(x, style))
    add("colours", "to the content's", lambda x: colour_distance(x, content))
    add("drawing", "fine", lambda x: edge_correlation(x, content))
    add("drawing", "coarse", lambda x: edge_correlation(_shrunk(x, 4), _shrunk(content, 4)))
    add("traces", f"tiles of {grid} px" if grid else "seam", lambda x: seam(x, content, grid))
    add("traces", "fine grid", lambda x: fine_grid(x, content))
    if encoder is not None:
        wanted = _grams(style, encoder)
        found = [_grams(image, encoder) for image in shown]
        for layer, gram in wanted.items():
            errors = [float((own[layer] - gram).square().sum() / gram.square().sum()) for own in found]
            rows.append(Measure("Gram", layer, tuple(errors)))
    return rows


def on_paper(pixels: Pixels, data: bytes, icc: bytes | None = None) -> Tensor:
    """The image [3, H, W] that ``data`` holds; what is transparent is white paper. Raises ImageError."""
    picture = from_blob(pixels, data, icc)
    if picture.alpha is None:
        return picture.rgb
    return picture.rgb * picture.alpha + (1 - picture.alpha)


def over(picture: tuple[Pixels, bytes, bytes | None], content: tuple[Pixels, bytes, bytes | None]) -> Tensor:
    """The image [3, H, W] that ``picture`` holds, over ``content`` of the same size.

    Where it is as transparent as its content both are on white paper alike. Each is pixels, data and the
    profile, as ``on_paper`` takes them. Raises ImageError.
    """
    own, under = from_blob(*picture), from_blob(*content)
    if own.alpha is None:
        return own.rgb
    left = 1 - own.alpha if under.alpha is None else (under.alpha - own.alpha).clamp_min(0)
    return own.rgb * own.alpha + under.rgb * left + (1 - own.alpha - left)


def vgg(path: Path) -> Encoder:
    """The encoder of the weights in this file. Raises WeightsError."""
    found = weights.load(path)
    return Encoder(found.name, found.state)


def patch_distance(band: Tensor, target: Tensor) -> float:
    """How differently patches of two bands [3, H, W] are distributed: 0 alike, 1 as ``target`` and nothing.

    The sliced Wasserstein-2 distance of all 3×3 patches along 81 random directions (seeded), over that
    of ``target`` from a plain area. Patches of a Laplacian pyramid: Karras et al. 2018 (ICLR, section 5); the
    distance: Rabin et al. 2012 (SSVM 2011).
    """
    theirs = _patches(target)
    directions = _directions(theirs.shape[1])
    wanted = _quantiles(theirs @ directions)
    moved = _quantiles(_patches(band) @ directions) - wanted
    return float((moved.square().sum() / wanted.square().sum().clamp_min(_TINY)).sqrt())


def colour_distance(image: Tensor, target: Tensor) -> float:
    """By how much the colours of ``image`` would have to move, wherever they are, to be those of ``target``.

    ΔE*ab (CIE 1976). Sliced Wasserstein-2 distance in Lab along 66 directions (seeded), times √3, so that a
    shift of all colours by a vector counts with its length.
    """
    directions = _directions(3)
    moved = _quantiles(_lab(image) @ directions) - _quantiles(_lab(target) @ directions)
    return float((3 * moved.square().mean()).sqrt())


def edge_correlation(image: Tensor, content: Tensor) -> float:
    """Pearson's correlation of two images' edge strengths, in [-1, 1]; of plain ones 0, or 1 if both are.

    Edge strength is the length of the colour gradient over all channels (Di Zenzo 1986), so that a change of
    palette is no change of drawing.
    """
    edges = [_edges(x) for x in (image, content)]
    plain = [float(x.max()) < _PLAIN for x in edges]
    if any(plain):
        return float(all(plain))
    first, second = (x - x.mean() for x in edges)
    return float((first * second).sum() / (first.norm() * second.norm()).clamp_min(_TINY))


def seam(image: Tensor, content: Tensor, grid: int | None = None) -> float:
    """How far the most conspicuous straight line, upright or level, stands out; 1, the least, is not at all.

    A piece of a line, a quarter of it, stands out by the colour step across it over the lower quartile of
    those across the six lines on either side (a check has its lines close together), both plus what masks it:
    two steps of 8-bit colour and a quarter of the mean step around. The step is taken as its median size, as
    a seam is unbroken, and as the size of its mean, in which strokes cancel out. A line stands out by the
    mean of its pieces, over what the content has there or up to two lines off; the largest of all counts.
    With ``grid`` only the borders of tiles of ``grid`` px count, and their mean.
    """
    found = []
    for picture, source in ((image, content), (image.transpose(1, 2), content.transpose(1, 2))):
        if grid and grid >= picture.shape[2]:
            continue
        contrast, allowed = _line_contrast(picture), _line_contrast(source)
        if grid:
            at = slice(grid - 1, None, grid)
            found.append(contrast[:, at].mean(1) / allowed[:, at].mean(1).clamp_min(1))
        else:
            allowed = functional.max_pool1d(allowed, 5, stride=1, padding=2)
            found.append((contrast / allowed.clamp_min(1)).flatten())
    return max(1.0, float(torch.cat(found).max()))


def fine_grid(image: Tensor, content: Tensor) -> float:
    """How far a regular pattern of 2, 4, 8 or 16 px stands out of ``image``; 1: not at all.

    Power at the pattern's frequencies over that beside them, in the mean spectrum of blocks of 64 px (Welch
    1967), as an amplitude, over that of the content. After Wang, Bovik & Evans 2000 (ICIP), who find
    JPEG's blocks so.
    """
    own, allowed = _lattice_power(image), _lattice_power(content)
    return math.sqrt(max(own[period] / max(1.0, allowed[period]) for period in own))


def _shrunk(image: Tensor, factor: int) -> Tensor:
    return resize(image, (-(-image.shape[2] // factor), -(-image.shape[1] // factor)))


def _bands(image: Tensor) -> list[Tensor]:
    """Laplacian pyramid (Burt & Adelson 1983), fine to coarse, while there is more than a few patches."""
    bands: list[Tensor] = []
    while len(bands) < _BANDS and min(image.shape[1:]) > 2 * _PATCH:
        small = _shrunk(image, 2)
        bands.append(image - resize(small, (image.shape[2], image.shape[1])))
        image = small
    return bands


def _patches(band: Tensor) -> Tensor:
    """[n, 27]: patches of ``band`` [3, H, W], all or a random share of them."""
    windows = band.unfold(1, _PATCH, 1).unfold(2, _PATCH, 1)
    height, width = windows.shape[1:3]
    places = _chosen(height * width)
    return windows[:, places // width, places % width].transpose(0, 1).flatten(1)


def _chosen(count: int) -> Tensor:
    if count <= _SAMPLES:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(_SEED))[:_SAMPLES]


def _directions(dimensions: int) -> Tensor:
    """[dimensions, 64 or some more]: whole orthonormal bases, so that none counts more than another."""
    generator = torch.Generator().manual_seed(_SEED)
    bases = torch.randn(-(-_DIRECTIONS // dimensions), dimensions, dimensions, generator=generator)
    return torch.cat(list(torch.linalg.qr(bases).Q), dim=1)


def _quantiles(values: Tensor) -> Tensor:
    """1024 quantiles [1024, k] of the columns of ``values`` [n, k], so that any two n compare."""
    # NumPy sorts plain numbers several times faster than PyTorch, which keeps their places as well.
    ordered = torch.from_numpy(np.sort(values.T.contiguous().numpy(), axis=1)).T
    places = (torch.arange(_QUANTILES) + 0.5) / _QUANTILES * len(ordered) - 0.5
    places = places.clamp(0, len(ordered) - 1)
    below = places.long()
    above = (below + 1).clamp_max(len(ordered) - 1)
    return torch.lerp(ordered[below], ordered[above], (places - below)[:, None])


def _lab(image: Tensor) -> Tensor:
    """[n, 3]: L*, a*, b* of the pixels of ``image`` [3, H, W], all or a random share of them."""
    pixels = image.flatten(1).T[_chosen(image[0].numel())]
    converted = imagecodecs.cms_transform(
        pixels[None].contiguous().numpy(),
        imagecodecs.cms_profile("srgb"),
        imagecodecs.cms_profile("lab2"),
        colorspace="rgb",
        outcolorspace="lab",
        outdtype="float32",
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
    )
    return torch.from_numpy(converted[0])


def _edges(image: Tensor) -> Tensor:
    """[H - 1, W - 1]: length of the colour gradient."""
    across = image[:, :-1, 1:] - image[:, :-1, :-1]
    down = image[:, 1:, :-1] - image[:, :-1, :-1]
    return (across.square() + down.square()).sum(0).sqrt()


def _line_contrast(image: Tensor) -> Tensor:
    """[2, W - 1]: how far the line right of each column stands out among those near it, piece by piece.

    By the median size of the step across it, which finds unbroken lines, and by the mean step, which finds a
    faint change of level under strokes.
    """
    steps = functional.pad(image[:, :, 1:] - image[:, :, :-1], (1, 1), mode="replicate")
    # What a step has beyond those beside it: nothing on the slope of a soft edge, all of it at a seam.
    steps = steps[:, :, 1:-1] - (steps[:, :, :-2] + steps[:, :, 2:]) / 2
    length = min(image.shape[1], max(_SHORTEST, image.shape[1] // 4))
    pieces = steps.unfold(1, length, max(1, length // 2))
    lengths = pieces.norm(dim=0)
    sizes = torch.stack((lengths.median(dim=-1).values, pieces.mean(dim=-1).norm(dim=0)))
    padded = functional.pad(sizes, (_REACH, _REACH), mode="reflect")
    around = padded.unfold(2, 2 * _REACH + 1, 1)
    near = torch.cat((around[..., :_REACH], around[..., _REACH + 1 :]), dim=-1)
    masking = _STEP + _MASKING * lengths.mean(dim=(-2, -1))[:, None]
    contrast: Tensor = (sizes + masking) / (near.quantile(0.25, dim=-1) + masking)
    return contrast.mean(1)


def _lattice_power(image: Tensor) -> dict[int, float]:
    """For each period, mean over its frequencies of the power there in units of that beside them."""
    size = _BLOCK if min(image.shape[1:]) >= _BLOCK else SMALLEST
    blocks = image.unfold(1, size, size // 2).unfold(2, size, size // 2)
    blocks = blocks - blocks.mean(dim=(-2, -1), keepdim=True)
    window = torch.hann_window(size)
    window = torch.outer(window, window)
    power = torch.fft.fft2(blocks * window).abs().square().mean(dim=(1, 2)).sum(0)
    # White noise of two steps of 8-bit colour: what is fainter is not seen.
    power = power + 3 * _STEP**2 * window.square().sum()
    # Two bins away is beside the peak of a Hann window. On an axis, where what is upright or level gathers,
    # only the axis itself compares.
    across = (power.roll(2, 1) * power.roll(-2, 1)).sqrt()
    down = (power.roll(2, 0) * power.roll(-2, 0)).sqrt()
    beside = (across * down).sqrt()
    beside[0], beside[:, 0] = across[0], down[:, 0]
    excess = power / beside
    found = {}
    for period in _PERIODS:
        lattice = excess[:: size // period, :: size // period].flatten()[1:]
        found[period] = float(lattice.mean())
    return found


def _grams(image: Tensor, encoder: Encoder) -> dict[str, Tensor]:
    with torch.no_grad():
        features = encoder.features(image[None], encoder.default_style_layers)
    return {name: gram_matrix(features[name]) for name in encoder.default_style_layers}
