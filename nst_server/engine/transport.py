"""The square root of a product of covariances, by which optimal transport moves one Gaussian to another."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nst_server.device import threads

# Distance from 1 of the singular values at which one more plain step makes them 1 to float32's rounding.
_NEAR = 1e-3


def transport(covariance: Tensor, deviation: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """tr (S B S)^½ and the optimal map S (S B S)^-½ S from B = ``covariance`` to S², S = diag(``deviation``).

    ``covariance`` [r, r] symmetric, ``deviation`` [r], the eigenvalues of both B and S² at least ``ridge``
    > 0. Returns a scalar and [r, r]; both are NaN if B is not finite. (Gelbrich 1990; the map of Dowson and
    Landau 1982 and of Olkin and Pukelsheim 1982.)
    """
    if not bool(covariance.isfinite().all()):
        return covariance.new_tensor(math.nan), torch.full_like(covariance, math.nan)
    # On CPUs a decomposition takes half the time of the products; on CUDA GPUs it is the slowest there is.
    # Apple's GPUs have no float64, and factors are slow there.
    if covariance.device.type == "cuda":
        return by_products(covariance, deviation, ridge)
    return _on_cpu(covariance, deviation, ridge)


def _on_cpu(covariance: Tensor, deviation: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    # One thread: a decomposition is many short steps, at each of which several wait for each other.
    with threads(1):
        trace, moved = by_eigenvalues(covariance.cpu().double(), deviation.cpu().double(), ridge)
    return trace.to(covariance), moved.to(covariance)


def by_eigenvalues(covariance: Tensor, deviation: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """``transport`` from one eigendecomposition; in float64, as S B S has the squared condition of B."""
    values, vectors = torch.linalg.eigh(deviation[:, None] * covariance * deviation)
    values = values.clamp_min(ridge**2)
    turned = deviation[:, None] * vectors
    return values.sqrt().sum(), (turned * values.rsqrt()) @ turned.T


def by_products(covariance: Tensor, deviation: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """``transport`` from one Cholesky factor and some thirty products of matrices; float32 is enough.

    With B = L Lᵀ and the polar factor Q of X = Lᵀ S the trace is ⟨X, Q⟩ and the map S Qᵀ L⁻¹, so that nothing
    is squared. Q by Newton–Schulz steps, each scaled by what is known of the least singular value (Chen and
    Chow 2014), which needs half as many.
    """
    lower, failed = torch.linalg.cholesky_ex(covariance)
    if int(failed):
        # Where the ridge is below the rounding of B, as of a picture against a style of one colour.
        return _on_cpu(covariance, deviation, ridge)
    start = lower.T * deviation
    square = start.T @ start
    norm = math.sqrt(float(square.norm()))  # at least the largest singular value
    turned, smallest = start / norm, ridge / norm
    square = square / norm**2
    while smallest < 1 - _NEAR:
        scale = math.sqrt(3 / (1 + smallest + smallest**2))
        turned = torch.addmm(turned, turned, square, beta=1.5 * scale, alpha=-0.5 * scale**3)
        smallest = 0.5 * scale * smallest * (3 - (scale * smallest) ** 2)
        square = turned.T @ turned
    turned = torch.addmm(turned, turned, square, beta=1.5, alpha=-0.5)
    moved = torch.linalg.solve_triangular(lower, deviation[:, None] * turned.T, upper=False, left=False)
    return (start * turned).sum(), (moved + moved.T) / 2
