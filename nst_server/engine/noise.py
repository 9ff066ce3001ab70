"""Noise to start from, the same for a seed on every device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nst_server.engine.palette import in_moments, moments_of, pooled
from nst_server.wire.scales import Size

# Of a style's side, where its edges fade out: cut off sharply, they leave a weave of level and upright lines.
_EDGE = 0.5
_SPREAD = 0.2  # deviation of white noise: most of the range, and few values cut off


def white_noise(mean: Tensor, size: Size, seed: int) -> Tensor:
    """[3, H, W] in [0, 1], on the CPU: independent values around a ``mean`` colour [3]."""
    noise = torch.randn(3, size[1], size[0], generator=torch.Generator().manual_seed(seed))
    return (mean.to(noise)[:, None, None] + _SPREAD * noise).clamp(0, 1)


def random_texture(
    styles: Sequence[Tensor],
    shares: Sequence[float],
    size: Size,
    seed: int,
    alphas: Sequence[Tensor | None] = (),
) -> Tensor:
    """Noise [3, H, W] in [0, 1], on the CPU, with the colours and the grain of ``styles`` (each [3, h, w]).

    Their pixels count by ``alphas`` ([h, w] in [0, 1] for each, or None: all alike).
    A Gaussian texture: its mean and the covariances of its colours at all distances are those of the styles,
    each counted by its share; nothing else is. Asymptotic discrete spot noise of Galerne, Gousseau and Morel,
    "Random Phase Textures: Theory and Synthesis", IEEE TIP 2011.
    """
    generator = torch.Generator().manual_seed(seed)
    width, height = size
    alphas = alphas or [None] * len(styles)
    texture = torch.zeros(3, height, width)
    moments = [moments_of(*style) for style in zip(styles, alphas, strict=True)]
    for style, alpha, (mean, _), share in zip(styles, alphas, moments, shares, strict=True):
        if not share:
            continue
        spot = style.detach().cpu().float() - mean.float()[:, None, None]
        if alpha is not None:
            spot = spot * alpha.cpu()
        spot = spot * (share / (spot[0].numel() if alpha is None else float(alpha.square().sum()))) ** 0.5
        spot = spot * _faded(spot.shape[1])[:, None] * _faded(spot.shape[2])
        # So large that what the transform wraps around falls outside.
        whole = height + spot.shape[1] - 1, width + spot.shape[2] - 1
        noise = torch.randn(whole, generator=generator)
        convolved = torch.fft.irfft2(torch.fft.rfft2(noise) * torch.fft.rfft2(spot, s=whole), s=whole)
        texture += convolved[:, whole[0] - height :, whole[1] - width :]
    return in_moments(texture, moments_of(texture), pooled(moments, shares))


def _faded(length: int) -> Tensor:
    """[length]: 1 in the middle, falling to 0 beyond either end (Tukey's window)."""
    place = (torch.arange(length) + 0.5) / length
    ramp = (torch.minimum(place, 1 - place) / (_EDGE / 2)).clamp_max(1)
    return (1 - torch.cos(torch.pi * ramp)) / 2
