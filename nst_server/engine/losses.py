"""Content loss, style losses and total variation: pure functions with their gradients.

Every loss comes as (value, gradient at the features), written out by hand, so that the same code serves a
whole image, a weighted (masked) one, and sums over tiles: a style loss needs the features only through
their ``Statistics``, which add up over parts of an image.

Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import EllipsisType

import torch
from torch import Tensor

from nst_server.engine.transport import transport

Place = tuple[EllipsisType, slice, slice]  # rows and columns of a map, whatever comes before them

# Below this share of the features' energy a spread counts as flat: keeps the losses of plain areas finite
# without pulling at images that have any texture (photographs lie above 0.3).
_FLAT = 0.05
_TINY = 1e-12
# Of a style's mean variance, what is added along each axis. A tenth of it gave the same pictures.
_RIDGE = 1e-2
# Of a style's largest eigenvalue, what float32 statistics leave of one that is 0.
_ROUNDING = 1e-6


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

    def towards(self, other: Statistics, part: float) -> Statistics:
        """What lies that ``part`` of the way from here (0) to ``other`` (1), which it has the weight of.

        Means and covariances each go so far. Those of an image made of both would spread between the two
        means besides, and ask for some places like the one and some like the other.
        """
        mean = torch.lerp(self.mean, other.mean, part)
        covariance = torch.lerp(self.covariance, other.covariance, part)
        return Statistics(mean, covariance + torch.outer(mean, mean), other.weight)

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


class StyleTarget:
    """What a style wants of the statistics at one layer."""

    @staticmethod
    def of(stats: Statistics, loss: str) -> StyleTarget:
        """The target that a style with ``stats`` sets, for one of ``STYLE_LOSSES``."""
        kinds: dict[str, type[StyleTarget]] = {
            "moments": MomentsTarget,
            "gram": GramTarget,
            "wasserstein": WassersteinTarget,
        }
        return kinds[loss].from_statistics(stats)

    @classmethod
    def from_statistics(cls, stats: Statistics) -> StyleTarget:
        """The target of this kind that a style with ``stats`` sets."""
        raise NotImplementedError

    def error(self, stats: Statistics) -> tuple[Tensor, Statistics]:
        """Relative distance of ``stats`` from the style: (scalar, its derivatives by mean and Gram matrix).

        0 for the style's own statistics; for features of any scale alike.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class GramTarget(StyleTarget):
    """The Gram matrix alone: ‖G − Gs‖² / ‖Gs‖² (Gatys et al. eq. 4, made relative)."""

    gram: Tensor
    scale: Tensor

    @classmethod
    def from_statistics(cls, stats: Statistics) -> GramTarget:
        """As of ``StyleTarget``."""
        return cls(stats.gram, stats.gram.square().sum() + _TINY)

    def error(self, stats: Statistics) -> tuple[Tensor, Statistics]:
        """As of ``StyleTarget``."""
        off = stats.gram - self.gram
        derivative = replace(stats, mean=torch.zeros_like(stats.mean), gram=off * (2 / self.scale))
        return off.square().sum() / self.scale, derivative


@dataclass(frozen=True)
class MomentsTarget(StyleTarget):
    """The two parts of the Gram matrix, covariance and mean·meanᵀ, each on its own scale.

    Rectified features are all positive, so that the second part drowns the first, which holds the strokes.
    The deviations are matched once more, as the covariance alone neglects quiet channels:
    ‖C − Cs‖² / (‖Cs‖² + f²) + (‖m − ms‖² + ‖σ − σs‖²) / (‖σs‖² + f), where f is a twentieth of the style's
    energy. Zero exactly where the Gram matrices and means agree.
    """

    mean: Tensor
    covariance: Tensor
    deviation: Tensor
    covariance_scale: Tensor
    deviation_scale: Tensor
    quiet: Tensor  # variance added under the root, so that silent channels have a bounded derivative

    @classmethod
    def from_statistics(cls, stats: Statistics) -> MomentsTarget:
        """As of ``StyleTarget``."""
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

    def error(self, stats: Statistics) -> tuple[Tensor, Statistics]:
        """As of ``StyleTarget``."""
        covariance = stats.covariance
        deviation = (covariance.diagonal().clamp_min(0) + self.quiet).sqrt()
        off, shift, spread = (
            covariance - self.covariance,
            stats.mean - self.mean,
            deviation - self.deviation,
        )
        value = off.square().sum() / self.covariance_scale
        value = value + (shift.square().sum() + spread.square().sum()) / self.deviation_scale
        by_gram = off * (2 / self.covariance_scale)
        by_gram.diagonal().add_(spread / deviation / self.deviation_scale)
        by_mean = shift * (2 / self.deviation_scale) - 2 * (by_gram @ stats.mean)
        return value, Statistics(by_mean, by_gram, stats.weight)


@dataclass(frozen=True)
class WassersteinTarget(StyleTarget):
    """How far a Gaussian with the picture's mean and covariance has to be moved to the style's.

    The squared 2-Wasserstein distance ‖m − ms‖² + tr (C + Cs − 2 (Cs^½ C Cs^½)^½), over the style's variance,
    so that 1 is as far as a plain area of its mean feature. Computed in the style's principal axes, of which
    there are fewer than channels at coarse scales. Both covariances get a ridge, which leaves the distance 0
    where they agree, and bounds the derivative where the picture lacks a direction altogether.
    """

    mean: Tensor
    axes: Tensor  # [C, r]
    deviation: Tensor  # [r], along the axes, with the ridge
    ridge: float
    scale: float

    @classmethod
    def from_statistics(cls, stats: Statistics) -> WassersteinTarget:
        """As of ``StyleTarget``."""
        # On the CPU because Apple's GPUs have neither float64 nor this decomposition.
        values, vectors = torch.linalg.eigh(stats.covariance.cpu().double())
        scale = float(values.clamp_min(0).sum() + _FLAT * stats.energy.cpu()) + _TINY
        ridge = _RIDGE * scale / len(values)
        kept = values > _ROUNDING * values[-1].clamp_min(_TINY)
        kept[-1] = True
        device = stats.mean.device
        # What float64 is for: see by_eigenvalues.
        kind = torch.float64 if device.type == "cpu" else stats.mean.dtype
        deviation = (values[kept].clamp_min(0) + ridge).sqrt()
        return cls(stats.mean, vectors[:, kept].to(device, kind), deviation.to(device, kind), ridge, scale)

    def error(self, stats: Statistics) -> tuple[Tensor, Statistics]:
        """As of ``StyleTarget``."""
        covariance = stats.covariance.to(self.axes.dtype)
        inner = self.axes.T @ covariance @ self.axes
        inner = (inner + inner.T) / 2
        inner.diagonal().add_(self.ridge)
        trace, moved = transport(inner, self.deviation, self.ridge)
        shift = stats.mean - self.mean
        spread = covariance.diagonal().sum() + self.deviation.square().sum() + len(inner) * self.ridge
        # Where they agree, rounding alone is left of the difference, which may be negative.
        value = (shift.square().sum() + (spread - 2 * trace).clamp_min(0).to(shift)) / self.scale
        by_gram = -(self.axes @ moved @ self.axes.T).to(shift)
        by_gram.diagonal().add_(1)
        by_gram /= self.scale
        by_mean = shift * (2 / self.scale) - 2 * (by_gram @ stats.mean)
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


def total_variation(
    image: Tensor, points: int = 4, smoothing: float = 0.02, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mean length of the colour gradient of ``image`` [3, H, W]: (scalar, gradient [3, H, W]).

    Isotropic; Rudin, Osher & Fatemi 1992. ``points`` 4: from the differences to the right and lower
    neighbour, so that each pixel is held to four. 9: from those to all eight around, each over its distance,
    so that a pixel and its eight neighbours take part. A sharp edge then costs nearly the same at any slant
    (1.17 times as much at worst), where with 4 one diagonal costs 1.41 times the other. Rounded off below
    ``smoothing`` (five steps of 8-bit colour), where the plain form has no gradient. ``weights`` [H, W]: how
    much each pixel counts; None: all the same.
    """
    # Rows down and columns right, and the weight of that difference's square: of the eight, the mean of both
    # sides, and of two pairs of perpendicular directions.
    steps = [((0, 1), 1.0), ((1, 0), 1.0)]
    if points == 9:
        steps = [((0, 1), 1 / 4), ((1, 0), 1 / 4), ((1, 1), 1 / 8), ((1, -1), 1 / 8)]
    square = torch.full_like(image[:1], smoothing**2)
    differences = []
    for step, weight in steps:
        here, there = _pairs(step)
        difference = image[there] - image[here]
        part = weight * difference.square().sum(0, keepdim=True)
        square[here] += part
        if points == 9:
            square[there] += part
        differences.append(difference)
    length = square.sqrt_()
    if weights is None:
        value = length.mean() - smoothing
        pull = 1 / (length * length.numel())
    else:
        shares = (weights / weights.sum().clamp_min(_TINY))[None]
        value = ((length - smoothing) * shares).sum()
        pull = shares / length
    gradient = torch.zeros_like(image)
    for (step, weight), difference in zip(steps, differences, strict=True):
        here, there = _pairs(step)
        both = pull[here] + pull[there] if points == 9 else pull[here]
        pulled = difference.mul_(weight * both)
        gradient[there] += pulled
        gradient[here] -= pulled
    return value, gradient


def _pairs(step: tuple[int, int]) -> tuple[Place, Place]:
    """Where a pixel has a neighbour that many rows down and columns right, and where those neighbours are."""
    down, right = step
    rows = slice(0, -down or None), slice(down, None)
    columns = slice(0, -right or None), slice(right, None)
    if right < 0:
        columns = slice(-right, None), slice(0, right)
    return (..., rows[0], columns[0]), (..., rows[1], columns[1])
