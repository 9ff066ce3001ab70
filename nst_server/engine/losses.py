"""Content loss, Gram style loss and total variation: pure functions with their gradients.

Every loss comes as (value, gradient at the features), written out by hand, so that the same code serves a
whole image, a weighted (masked) one, and sums over tiles: a style loss needs the features only through
their ``Statistics``, which add up over parts of an image.

Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Below this share of the features' energy a spread counts as flat: keeps the losses of plain areas finite
# without pulling at images that have any texture (photographs lie above 0.3).
_FLAT = 0.05
_TINY = 1e-12


@dataclass(frozen=True)
class Statistics:
    """What a style loss knows of a feature map.

    mean: [C]; gram: [C, C], the Gram matrix divided by the number of positions; weight: positions counted.
    """

    mean: Tensor
    gram: Tensor
    weight: float

    @property
    def covariance(self) -> Tensor:
        """[C, C], the Gram matrix of the features with their mean taken off."""
        return self.gram - torch.outer(self.mean, self.mean)

    @property
    def energy(self) -> Tensor:
        """Mean squared length of the feature vectors, a scalar tensor, at least a tiny positive number."""
        return self.gram.diagonal().sum().clamp_min(_TINY)

    @classmethod
    def merged(cls, parts: Sequence[Statistics]) -> Statistics:
        """The statistics of an image from those of its parts, exact up to rounding."""
        total = sum(part.weight for part in parts)
        if total <= 0:
            return parts[0]
        mean = torch.stack([part.mean * (part.weight / total) for part in parts]).sum(0)
        gram = torch.stack([part.gram * (part.weight / total) for part in parts]).sum(0)
        return cls(mean, gram, total)


def statistics(features: Tensor, weights: Tensor | None = None) -> Statistics:
    """Mean and Gram matrix of ``features`` [1, C, h, w], positions counted by ``weights`` [h, w] ≥ 0."""
    flat = features.detach()[0].flatten(1)
    count = float(flat.shape[1])
    if weights is None:
        return Statistics(flat.mean(1), gram_matrix(features), count)
    share = weights.flatten()
    total = float(share.sum())
    share = share / max(total, _TINY)
    return Statistics(flat @ share, (flat * share) @ flat.T, total)


def gram_matrix(features: Tensor) -> Tensor:
    """[C, C]: F Fᵀ / hw for ``features`` [1, C, h, w] (Gatys et al. eq. 3, divided by the positions)."""
    flat = features.detach()[0].flatten(1)
    return flat @ flat.T / flat.shape[1]


@dataclass(frozen=True)
class StyleTarget:
    """The statistics of a style at one layer, with the scales that make errors relative."""

    mean: Tensor
    covariance: Tensor
    deviation: Tensor
    covariance_scale: Tensor
    deviation_scale: Tensor
    quiet: Tensor  # variance added under the root, so that silent channels have a bounded derivative

    @classmethod
    def of(cls, stats: Statistics) -> StyleTarget:
        covariance = stats.covariance
        variance = covariance.diagonal().clamp_min(0)
        floor = _FLAT * stats.energy
        quiet = 1e-4 * variance.mean() + _TINY
        return cls(
            mean=stats.mean,
            covariance=covariance,
            deviation=(variance + quiet).sqrt(),
            covariance_scale=covariance.square().sum() + floor.square() + _TINY,
            deviation_scale=variance.sum() + floor + _TINY,
            quiet=quiet,
        )


def style_error(stats: Statistics, target: StyleTarget) -> tuple[Tensor, Statistics]:
    """Relative distance of two Gram matrices: (scalar, its derivatives by mean and Gram matrix).

    A Gram matrix is the covariance plus mean·meanᵀ. Rectified features are all positive, so that the second
    part drowns the first, which holds the strokes. Both parts are matched, each on its own scale, and the
    deviations once more, as the covariance alone neglects quiet channels:
    ‖C − Cs‖² / ‖Cs‖² + (‖m − ms‖² + ‖σ − σs‖²) / ‖σs‖². Zero exactly where the Gram matrices and means agree.
    """
    covariance = stats.covariance
    deviation = (covariance.diagonal().clamp_min(0) + target.quiet).sqrt()
    off, shift, spread = (
        covariance - target.covariance,
        stats.mean - target.mean,
        deviation - target.deviation,
    )
    value = off.square().sum() / target.covariance_scale
    value = value + (shift.square().sum() + spread.square().sum()) / target.deviation_scale
    by_gram = off * (2 / target.covariance_scale)
    by_gram.diagonal().add_(spread / deviation / target.deviation_scale)
    by_mean = shift * (2 / target.deviation_scale) - 2 * (by_gram @ stats.mean)
    return value, Statistics(by_mean, by_gram, stats.weight)


def style_gradient(features: Tensor, derivative: Statistics, weights: Tensor | None = None) -> Tensor:
    """Gradient at ``features`` [1, C, h, w] from derivatives by their statistics; same shape and layout.

    ``derivative.weight`` is the weight of the whole image, of which ``features`` may be a tile.
    """
    flat = features.detach()[0].flatten(1)
    # In transposed form for channels_last features, so that no transposing copy is made of a large map.
    if features.shape[1] > 1 and features.stride(1) == 1:
        gradient = torch.addmm(derivative.mean, flat.T, derivative.gram, alpha=2).T
    else:
        gradient = torch.addmm(derivative.mean[:, None], derivative.gram, flat, alpha=2)
    share = 1 / max(derivative.weight, _TINY)
    gradient = gradient.mul_(share) if weights is None else gradient.mul_(weights.flatten() * share)
    return gradient.view(features.shape)


@dataclass(frozen=True)
class ContentTarget:
    """Features of the content at one layer [1, C, h, w] and the scalar that makes errors relative."""

    features: Tensor
    scale: Tensor

    @classmethod
    def of(cls, features: Tensor, weights: Tensor | None = None) -> ContentTarget:
        stats = statistics(features, weights)
        variance = stats.covariance.diagonal().clamp_min(0).sum()
        return cls(features.detach(), variance.maximum(_FLAT * stats.energy) + _TINY)


def content_error(
    features: Tensor, target: ContentTarget, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mean squared error over the content's spatial variance: (scalar, gradient at ``features``).

    1 means as far from the content as a plain area of its mean feature (Gatys et al. eq. 1, made relative).
    """
    difference = features.detach() - target.features
    if weights is None:
        weighted = difference / (target.scale * difference[0, 0].numel())
    else:
        weighted = difference * (weights / (target.scale * weights.sum().clamp_min(_TINY)))
    value = (weighted * difference).sum()
    return value, weighted.mul_(2)


def total_variation(image: Tensor, smoothing: float = 0.02) -> tuple[Tensor, Tensor]:
    """Mean length of the colour differences to the right and lower neighbour: (scalar, gradient [3, H, W]).

    Isotropic, over ``image`` [3, H, W]; Rudin, Osher & Fatemi 1992. Rounded off below ``smoothing`` (five
    steps of 8-bit colour), where the plain form has no gradient.
    """
    right, down = torch.zeros_like(image), torch.zeros_like(image)
    right[:, :, :-1] = image[:, :, 1:] - image[:, :, :-1]
    down[:, :-1, :] = image[:, 1:, :] - image[:, :-1, :]
    length = (right.square() + down.square()).sum(0, keepdim=True).add_(smoothing**2).sqrt_()
    pixels = length.numel()
    value = (length.sum() / pixels) - smoothing
    right /= length * pixels
    down /= length * pixels
    gradient = -(right + down)
    gradient[:, :, 1:] += right[:, :, :-1]
    gradient[:, 1:, :] += down[:, :-1, :]
    return value, gradient
