"""Colour statistics, colour transfer, and sRGB's curve; images are sRGB-encoded."""

from __future__ import annotations

import torch
from torch import Tensor

# Added to every covariance: the variance of a deviation of 2 in 255. Where an image has almost no
# variation along some colour direction, the map would otherwise blow its noise up into blotches.
RIDGE = (2 / 255) ** 2


def colour_moments(image: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean [3] and covariance [3, 3], float64, of ``image`` [..., 3, H, W].

    ``weight`` [H, W], at least 0: how much each pixel counts; if it is 0 everywhere, all count alike.
    """
    pixels = image.detach().double().reshape(3, -1)
    if weight is None or not bool((weight > 0).any()):
        share = pixels.new_full((pixels.shape[1],), 1 / pixels.shape[1])
    else:
        share = weight.detach().double().reshape(-1)
        share = share / share.sum()
    mean = pixels @ share
    centred = pixels - mean[:, None]
    return mean, (centred * share) @ centred.T


def transfer_map(source: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Matrix [3, 3] and offset [3] of the least-moving linear map between two colour distributions.

    The linear Monge–Kantorovich map of Pitié & Kokaram 2007, x → A (x − μs) + μt with
    A = Σs^-½ (Σs^½ Σt Σs^½)^½ Σs^-½. Covariances may be singular.
    """
    (source_mean, source_covariance), (target_mean, target_covariance) = source, target
    ridge = RIDGE * torch.eye(3, dtype=torch.float64, device=source_mean.device)
    root = _power(source_covariance + ridge, 0.5)
    inverse = _power(source_covariance + ridge, -0.5)
    matrix = inverse @ _power(root @ (target_covariance + ridge) @ root, 0.5) @ inverse
    return matrix, target_mean - matrix @ source_mean


def apply_map(image: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """``matrix`` x + ``offset`` for every pixel x of ``image`` [..., 3, H, W]; not clamped."""
    moved = torch.einsum("ij,...jhw->...ihw", matrix.to(image), image)
    return moved + offset.to(image).view(3, 1, 1)


def _power(covariance: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    root: Tensor = (vectors * values.clamp_min(1e-12) ** exponent) @ vectors.T
    return root


def srgb_to_linear(encoded: Tensor) -> Tensor:
    """Linear light of sRGB-encoded values (IEC 61966-2-1); odd, and continued above 1 by the same curve."""
    size = encoded.abs()
    return torch.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4).copysign(encoded)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """The inverse of ``srgb_to_linear``."""
    size = linear.abs()
    curve = 1.055 * size.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(size <= 0.0031308, size * 12.92, curve).copysign(linear)
