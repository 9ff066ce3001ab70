"""The built-in encoder: VGG's shape, filters learned in seconds from the job's own images, no download.

Each layer's filters are whitened spherical k-means centroids of the patches that reach it (Coates & Ng
2012, "Learning feature representations with k-means"), learned layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nst_server.device import threads
from nst_server.engine.colour import apply_map, colour_moments, transfer_map
from nst_server.engine.pyramid import LEAST, fill_transparent, resize_map
from nst_server.engine.vgg import Encoder, convolve, mirrored, normalised, nothing, pool
from nst_server.weights import convolutions
from nst_server.wire.layers import convolutions_needed

_LONGEST_SIDE = 256  # px; the size at which the method was judged; a larger one teaches it no more
_SHORTEST_SIDE = 32  # px; below this a patch would see the whole image
_PATCHES = 32_000
_ITERATIONS = 10
_KEPT = 128  # least number of principal directions kept, where the layer has as many
_SMOOTHING = 0.05  # added to every eigenvalue, in units of their mean; .005 to .2 barely matters
_FLAT = 0.1  # the share of patches dropped for having least in them
_DITHER = 1 / 255  # one 8-bit step: gives flat images a covariance, and others nothing to see
_EXACT = 1152  # largest patch whose covariance is decomposed exactly: all up to conv3_1


def build_encoder(
    content: Tensor,
    styles: Sequence[Tensor],
    *,
    alphas: Sequence[Tensor | None] = (),
    layers: Collection[str] = ("conv3_1",),
    pooling: str = "auto",
    seed: int = 0,
    check: Callable[[], None] = nothing,
) -> Encoder:
    """The encoder "built-in" with filters as deep as the deepest of ``layers``.

    ``content`` and ``styles``, [3, H, W] or [1, 3, H, W]: sRGB in [0, 1], any size. ``alphas``: theirs, the
    content's first, each [H, W] in [0, 1] or None for opaque; nothing is learned from what is transparent.
    Learned on the CPU and left there, so that the same images and ``seed`` give the same bits whatever device
    then computes.
    ``check`` is called often; what it raises ends the learning. Raises ValueError for an unknown layer.
    """
    table = convolutions("built-in")[: convolutions_needed("built-in", layers)]
    generator = torch.Generator().manual_seed(seed)
    pooling = "average" if pooling == "auto" else pooling
    state: dict[str, Tensor] = {}
    # One thread: the same bits on any number of cores. The steps are so short that several gain little, and
    # wait for each other where cores are busy.
    with torch.no_grad(), threads(1):
        maps, opacities = _training_maps(content, styles, alphas, generator)
        for conv in table:
            check()
            if conv.pooled:
                maps = [pool(x, pooling) for x in maps]
            counted = [
                None if alpha is None else resize_map(alpha, x.shape[2], x.shape[3])
                for x, alpha in zip(maps, opacities, strict=True)
            ]
            weight, bias = _learn(_patches(maps, counted, generator), conv.outputs, generator, check)
            maps = [_checked(convolve(x, weight, bias), check) for x in maps]
            # Mean activation 1, as Gatys et al. 2015 (arXiv 1505.07376) rescaled VGG, but over all of the
            # layer: its filters have the same deviation already. ReLU commutes with the factor.
            scale = 1 / _mean(maps, counted).clamp_min(1e-6)
            maps = [x * scale for x in maps]
            state[f"{conv.position}.weight"], state[f"{conv.position}.bias"] = weight * scale, bias * scale
    return Encoder("built-in", state, pooling=pooling)


def _checked(x: Tensor, check: Callable[[], None]) -> Tensor:
    check()
    return x


def _mean(maps: Sequence[Tensor], counted: Sequence[Tensor | None]) -> Tensor:
    means = [
        x.mean() if weight is None else (x.mean(dim=1)[0] * weight).sum() / weight.sum()
        for x, weight in zip(maps, counted, strict=True)
    ]
    return torch.stack(means).mean()


def _training_maps(
    content: Tensor, styles: Sequence[Tensor], alphas: Sequence[Tensor | None], generator: torch.Generator
) -> tuple[list[Tensor], list[Tensor | None]]:
    """Colour-matched content and the styles, each also at half size, dithered and normalised; their alphas.

    Images of which nothing is to be seen are left out, unless there is no other.
    """
    images = [image.detach().cpu().float() for image in (content, *styles)]
    given = [None if alpha is None else alpha.detach().cpu().float() for alpha in alphas]
    pairs = list(zip(images, given or [None] * len(images), strict=True))
    small = [_bounded(image, alpha) for image, alpha in pairs]
    seen = [alpha is None or bool((alpha > 0).any()) for _, alpha in small]
    if seen[0] and any(seen[1:]):
        moments = [
            colour_moments(style, alpha)
            for (style, alpha), is_seen in zip(small[1:], seen[1:], strict=True)
            if is_seen
        ]
        mean = torch.stack([m for m, _ in moments]).mean(dim=0)
        # Covariance of the mixture: mean of the covariances, and the covariance of the means.
        covariance = torch.stack([c + torch.outer(m - mean, m - mean) for m, c in moments]).mean(dim=0)
        image, alpha = small[0]
        matched = apply_map(image, *transfer_map(colour_moments(image, alpha), (mean, covariance)))
        small[0] = matched.clamp(0, 1), alpha
    learned = [pair for pair, is_seen in zip(small, seen, strict=True) if is_seen]
    maps: list[Tensor] = []
    opacities: list[Tensor | None] = []
    for image, alpha in learned or [(image, None) for image, _ in small]:
        height, width = image.shape[-2:]
        for size in ((height, width), (max(1, height // 2), max(1, width // 2))):
            resized = _resized(image, size, alpha)
            noise = torch.rand(resized.shape, generator=generator) - 0.5
            maps.append(normalised(resized + _DITHER * noise).contiguous(memory_format=torch.channels_last))
            opacities.append(alpha)
    return maps, opacities


def _bounded(image: Tensor, alpha: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """``image`` [1, 3, h, w] of a size to learn from, and its ``alpha`` [h, w]."""
    height, width = image.shape[-2:]
    factor = min(1.0, _LONGEST_SIDE / max(height, width))
    image = image.reshape(1, 3, height, width)
    size = [max(_SHORTEST_SIDE, round(side * factor)) for side in (height, width)]
    if alpha is None:
        return _resized(image, size), None
    # Premultiplied, so that no hidden colour is averaged in.
    shrunk = _resized(alpha[None, None], size)
    image = (_resized(image * alpha, size) / shrunk.clamp_min(1e-6)).clamp(0, 1)
    alpha = shrunk[0, 0].clamp(0, 1)
    return fill_transparent(image[0], alpha)[None], alpha


def _resized(image: Tensor, size: Sequence[int], alpha: Tensor | None = None) -> Tensor:
    """``image`` [1, C, h, w] at ``size`` (height, width); pixels count by ``alpha`` [h, w] if given."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    if alpha is not None:
        weight = alpha.clamp_min(LEAST)[None, None]
        return _resized(image * weight, size) / _resized(weight, size)
    return functional.interpolate(image, tuple(size), mode="bilinear", antialias=True, align_corners=False)


def _patches(maps: Sequence[Tensor], counted: Sequence[Tensor | None], generator: torch.Generator) -> Tensor:
    """Random 3×3 patches [n, 9, C], n ≤ 32,000, as many from each map, each place at most once.

    A place is the likelier the more it is ``counted``, a weight [h, w] for each map; None: all alike.
    """
    found = []
    for x, weight in zip(maps, counted, strict=True):
        _, channels, height, width = x.shape
        places = torch.arange(height * width)
        if weight is not None:
            chance = weight.flatten() / weight.max()
            places = places[torch.rand(len(places), generator=generator) < chance]
        order = torch.randperm(len(places), generator=generator)[: _PATCHES // len(maps)]
        places = places[order]
        rows, columns = places // width, places % width
        plane = mirrored(x)[0].permute(1, 2, 0)
        patches = torch.empty(len(places), 9, channels)
        for tap in range(9):
            patches[:, tap] = plane[rows + tap // 3, columns + tap % 3]
        found.append(patches)
    return torch.cat(found)


def _learn(
    patches: Tensor, filters: int, generator: torch.Generator, check: Callable[[], None]
) -> tuple[Tensor, Tensor]:
    """Weight [K, C, 3, 3] and bias [K] of K ``filters``, of unit deviation over ``patches`` [n, 9, C]."""
    count, _, channels = patches.shape
    patches = patches.flatten(1)
    dimensions = 9 * channels
    mean = patches.mean(dim=0)
    centred = patches - mean
    check()
    kept = min(dimensions, max(filters, _KEPT))
    values, vectors = _principal(centred, kept, generator, check)
    level = values.mean().clamp_min(1e-12)
    whitening = vectors / (values + _SMOOTHING * level).sqrt()
    samples = centred @ whitening
    norms = samples.norm(dim=1)
    # In an order of chance alone: in that of their lengths a dot more in the content began other clusters.
    order = torch.randperm(count, generator=generator)
    least = norms.sort().values[int(_FLAT * count)]
    samples = functional.normalize(samples[order[norms[order] >= least]], dim=1)
    centroids = _spherical_kmeans(samples, filters, generator, check)
    weight = centroids @ whitening.T
    deviation = (centred @ weight.T).std(dim=0, unbiased=False).clamp_min(1e-6)
    weight = weight / deviation[:, None]
    return weight.reshape(filters, 3, 3, channels).permute(0, 3, 1, 2), -(weight @ mean)


def _principal(
    centred: Tensor, kept: int, generator: torch.Generator, check: Callable[[], None]
) -> tuple[Tensor, Tensor]:
    """The ``kept`` largest eigenvalues [r] of ``centred``'s [n, d] covariance, and eigenvectors [d, r]."""
    count, dimensions = centred.shape
    if dimensions <= _EXACT:
        basis = torch.eye(dimensions)
        covariance = centred.T @ centred / count
    else:
        # Randomised subspace iteration (Halko, Martinsson & Tropp 2011, algorithm 4.4): the exact
        # decomposition of a 4608² matrix would take longer than all the rest.
        basis = torch.randn(dimensions, min(dimensions, kept + 32), generator=generator)
        for _ in range(2):
            basis = torch.linalg.qr(centred.T @ (centred @ basis))[0]
            check()
        projected = centred @ basis
        covariance = projected.T @ projected / count
    values, vectors = torch.linalg.eigh(covariance)
    return values[-kept:].clamp_min(0), basis @ vectors[:, -kept:]


def _spherical_kmeans(
    samples: Tensor, clusters: int, generator: torch.Generator, check: Callable[[], None]
) -> Tensor:
    """Unit centroids [K, r] of unit ``samples`` [n, r]; begun at the first, at random where those are few."""
    dimensions = samples.shape[1]
    chosen = samples[:clusters]
    extra = functional.normalize(torch.randn(clusters - len(chosen), dimensions, generator=generator), dim=1)
    centroids = torch.cat((chosen, extra))
    for _ in range(_ITERATIONS):
        check()
        owner = (samples @ centroids.T).argmax(dim=1)
        sums = torch.zeros_like(centroids).index_add_(0, owner, samples)
        # A cluster that lost all its samples, or whose samples cancel out, stays where it is.
        norms = sums.norm(dim=1, keepdim=True)
        centroids = torch.where(norms > 1e-6, sums / norms.clamp_min(1e-6), centroids)
    return centroids
