"""Light and dark taken from one picture, colour from another, in four spaces; images are sRGB-encoded.

Gatys et al., "Preserving Color in Neural Artistic Style Transfer", 2016: luminance-only transfer, there in
YIQ. In every space here a grey has no chroma, so the luminance of a picture is a grey picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nst_server.engine.colour import linear_to_srgb, srgb_to_linear

# Luma of encoded colours. Both spaces are linear in them and give grey the chroma 0: keeping their chroma
# is adding the same to all three channels, whatever axes they measure it along.
_LUMA = {
    "ycbcr": (0.2126, 0.7152, 0.0722),  # ITU-R BT.709
    "yiq": (0.299, 0.587, 0.114),  # NTSC 1953
}

# CIE XYZ of linear light with sRGB's primaries and white (IEC 61966-2-1).
_XYZ = (
    (0.4123908, 0.3575843, 0.1804808),
    (0.2126390, 0.7151687, 0.0721923),
    (0.0193308, 0.1191948, 0.9505322),
)

_KNEE = 6 / 29  # of the CIE 1976 lightness, below which it is linear
# v' that chroma may reach in Luv; sRGB's blue has 0.158. Colours are mixed with grey until they are inside
# sRGB anyhow, but X and Z have a pole at v' = 0.
_LEAST_V = 0.1


def luminance(image: Tensor, space: str) -> Tensor:
    """The grey [1, H, W] in [0, 1] that is as light as ``image`` [3, H, W] in ``space``.

    "ycbcr" and "yiq": its luma; "lab" and "luv" (CIE 1976) share the lightness L*.
    """
    if space in _LUMA:
        return _weighted(image, _LUMA[space])
    return linear_to_srgb(_weighted(srgb_to_linear(image), _XYZ[1])).clamp(0, 1)


def with_luminance(image: Tensor, grey: Tensor, space: str) -> Tensor:
    """``image`` [3, H, W] as light as ``grey`` [1, H, W], with its own chroma in ``space``; all in [0, 1].

    Where sRGB has no colour so light and so colourful, its chroma shrinks until there is one; luminance
    stays, hue hardly turns. (Cut off at 0 and 1 instead, deep blue made lighter turned to cyan and white.)
    """
    if space in _LUMA:
        return _inside(image + (grey - luminance(image, space)), grey)
    linear, wanted = srgb_to_linear(image), srgb_to_linear(grey)
    moved = (_lab if space == "lab" else _luv)(linear, wanted)
    # Mixing light with grey of the same luminance keeps the luminance; mixing encoded values would not.
    return linear_to_srgb(_inside(moved, wanted)).clamp(0, 1)


def _lab(linear: Tensor, wanted: Tensor) -> Tensor:
    """Linear [3, H, W] of luminance ``wanted`` [1, H, W] with the a* and b* of ``linear``.

    a* and b* are differences of the three roots, so they stay if all roots move by the same amount.
    """
    matrix = linear.new_tensor(_XYZ)
    matrix = matrix / matrix.sum(1, keepdim=True)  # relative to white
    roots = _root(_mixed(matrix, linear))
    moved = roots + (_root(wanted) - roots[1:2])
    cubes = torch.where(moved > _KNEE, moved**3, 3 * _KNEE**2 * (moved - 4 / 29))
    return _mixed(torch.linalg.inv(matrix.cpu()).to(linear), cubes)


def _luv(linear: Tensor, wanted: Tensor) -> Tensor:
    """Linear [3, H, W] of luminance ``wanted`` [1, H, W] with the u* and v* of ``linear``."""
    matrix = linear.new_tensor(_XYZ)
    white_x, white_y, white_z = matrix.sum(1).tolist()
    total = white_x + 15 * white_y + 3 * white_z
    white_u, white_v = 4 * white_x / total, 9 * white_y / total
    x, y, z = _mixed(matrix, linear)
    total_light = x + 15 * y + 3 * z
    seen = total_light > 1e-6
    u = torch.where(seen, 4 * x / total_light.clamp_min(1e-6), white_u) - white_u
    v = torch.where(seen, 9 * y / total_light.clamp_min(1e-6), white_v) - white_v
    # u* = 13 L* (u' - white): with another lightness the same u* is another chromaticity.
    growth = _lightness(y) / _lightness(wanted[0]).clamp_min(1e-3)
    growth = torch.minimum(growth, torch.where(v < 0, (white_v - _LEAST_V) / (-v).clamp_min(1e-6), 1e6))
    u, v = white_u + growth * u, white_v + growth * v
    y = wanted[0]
    moved = torch.stack((9 * u / (4 * v) * y, y, (12 - 3 * u - 20 * v) / (4 * v) * y))
    return _mixed(torch.linalg.inv(matrix.cpu()).to(linear), moved)


def _inside(colours: Tensor, grey: Tensor) -> Tensor:
    """``colours`` [3, H, W] mixed with as little of ``grey`` [1, H, W] as brings them into [0, 1]."""
    excess = colours - grey
    room = torch.where(excess > 0, 1 - grey, grey)
    share = (room / excess.abs().clamp_min(1e-9)).amin(0, keepdim=True).clamp(0, 1)
    return (grey + share * excess).clamp(0, 1)


def _root(value: Tensor) -> Tensor:
    """The function f of CIE 1976, of tristimulus values relative to white."""
    return torch.where(
        value > _KNEE**3, value.clamp_min(_KNEE**3) ** (1 / 3), value / (3 * _KNEE**2) + 4 / 29
    )


def _lightness(luminance: Tensor) -> Tensor:
    return 1.16 * _root(luminance) - 0.16


def _mixed(matrix: Tensor, image: Tensor) -> Tensor:
    return torch.einsum("ij,jhw->ihw", matrix, image)


def _weighted(image: Tensor, weights: tuple[float, ...]) -> Tensor:
    return (image.new_tensor(weights).view(3, 1, 1) * image).sum(0, keepdim=True)
