"""Pixels of the wire ⇄ tensors: what their numbers mean as colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nst_server.engine.colour import linear_to_srgb, srgb_to_linear
from nst_server.engine.pyramid import fill_transparent, fit_image
from nst_server.raster import (
    LARGEST,
    SRGB,
    ImageError,
    decoded,
    encoded,
    model_of,
    quantised,
    transformed,
    unit,
)
from nst_server.wire.pixels import CHANNELS, Pixels
from nst_server.wire.scales import Size

__all__ = ["ImageError", "Picture", "from_blob", "mask_from_blob", "to_blob"]

# Of linear light with sRGB's primaries (ITU-R BT.709).
_LUMINANCE = (0.2126, 0.7152, 0.0722)

# Of a style's sides, how much at each end is not read. Scans of paintings show the frame or the bare canvas
# there, and as nowhere else in a picture features see an edge on one side only, it came out as just that.
_FRAME = 0.01
# A change from which on a pixel no longer shows the content's own colour: 16 of 255 is plainly seen.
_ALIKE = 16 / 255


@dataclass(frozen=True)
class Picture:
    """An image as the engine sees it, float32 on the CPU.

    ``rgb`` [3, H, W]: sRGB in [0, 1]. ``alpha`` [H, W] in [0, 1], straight; None: opaque. ``gain`` [H, W]:
    by what colours beyond white were divided, at least 1, in sRGB-encoded values; None: 1 everywhere.
    ``deficit`` [3, H, W]: what channels below 0 lacked, in colours more saturated than sRGB has; None: 0.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    gain: Tensor | None = None
    deficit: Tensor | None = None

    @property
    def filled(self) -> Tensor:
        """``rgb`` with colours from around for transparent pixels, whose own (mostly black) nobody sees."""
        return self.rgb if self.alpha is None else fill_transparent(self.rgb, self.alpha)

    @property
    def inside(self) -> Picture | None:
        """The part that is not transparent, without its outermost hundredth; None where all is transparent.

        For a style: colours beyond white and below 0 are left out.
        """
        seen = torch.ones(self.rgb.shape[1:]) > 0 if self.alpha is None else self.alpha > 0
        spans = [seen.any(axis).nonzero().flatten().tolist() for axis in (1, 0)]
        if not spans[0]:
            return None
        for part in (_FRAME, 0.0):
            away = [round(part * (span[-1] + 1 - span[0])) for span in spans]
            rows, columns = (
                slice(span[0] + less, span[-1] + 1 - less) for span, less in zip(spans, away, strict=True)
            )
            if bool(seen[rows, columns].any()):
                break
        alpha = None if self.alpha is None else self.alpha[rows, columns]
        return Picture(self.rgb[:, rows, columns], alpha)

    def fitted(self, size: Size, fit: str, around: Tensor) -> Picture:
        """The same picture at ``size``, its transparent pixels ``filled``; ``around`` as in ``fit_image``."""
        if (self.rgb.shape[2], self.rgb.shape[1]) == tuple(size):
            return replace(self, rgb=self.filled)

        seen = torch.ones(1) if self.alpha is None else (self.alpha > 0).to(self.rgb)

        def brought(values: Tensor, weight: Tensor | None = self.alpha) -> Tensor:
            values = values * seen
            return fit_image(values, size, fit, values.new_zeros(len(values), size[1], size[0]), weight)

        return Picture(
            fit_image(self.filled, size, fit, around, self.alpha),
            None if self.alpha is None else brought(self.alpha[None], None)[0],
            None if self.gain is None else _brought_gain(self.gain, brought),
            None if self.deficit is None else -brought(-self.deficit),
        )

    def over(self, ground: Picture, cover: Tensor) -> Picture:
        """This picture where ``cover`` [H, W] is 1, and ``ground`` where it is 0; opaque where that is."""

        def mixed(own: Tensor | None, theirs: Tensor | None, none: Tensor) -> Tensor | None:
            if own is None and theirs is None:
                return None
            return torch.lerp(none if theirs is None else theirs, none if own is None else own, cover)

        return Picture(
            torch.lerp(ground.rgb, self.rgb, cover),
            ground.alpha,
            mixed(self.gain, ground.gain, torch.ones_like(cover)),
            mixed(self.deficit, ground.deficit, torch.zeros_like(ground.rgb)),
        )

    def painted(self, rgb: Tensor) -> Picture:
        """The same picture with other colours: ``rgb`` [3, H, W] of the same size, on any device."""
        if rgb.shape != self.rgb.shape:
            raise ValueError(f"The colours are {tuple(rgb.shape)}, the picture is {tuple(self.rgb.shape)}.")
        rgb = rgb.detach().to("cpu", torch.float32)
        deficit = self.deficit
        if deficit is not None:
            # Saturation belongs to the content's colour: over paint of another colour it would be a stain.
            alike = 1 - (rgb - self.rgb).abs().amax(dim=0) / _ALIKE
            deficit = deficit * alike.clamp(0, 1)
        return replace(self, rgb=rgb, deficit=deficit)


def _brought_gain(gain: Tensor, brought: Callable[[Tensor], Tensor]) -> Tensor:
    """``gain`` at another size: in [0, 1], as what is ``brought`` to one has to be, and never above its most,
    where resampling overshoots: of 1 it would be infinite."""
    share = 1 - 1 / gain[None]
    return 1 / (1 - brought(share).clamp_max(float(share.max())))[0]


def from_blob(pixels: Pixels, data: bytes, icc: bytes | None = None) -> Picture:
    """The picture that ``data`` holds; ``icc`` is the profile where ``pixels.colour_space`` is "icc".

    Colours brighter than white, or outside sRGB on that side, are divided by their largest channel, which
    keeps their hue; ``gain`` remembers by how much, and ``to_blob`` multiplies again. So the engine sees no
    differences of brightness beyond white; they come back in frames where the content had them. Of colours
    of a profile that are more saturated than sRGB's, ``deficit`` remembers what lies below 0; it comes back
    where the content's colour stays. What is lost: negative channels of floats become 0, NaN becomes 0, and
    infinity 65504. Numbers of a PNG file are taken to
    be in ``pixels.colour_space``; a profile inside the file is not read. Raises ImageError.
    """
    values = torch.from_numpy(unit(decoded(pixels, data)))
    height, width, channels = values.shape
    has_alpha = channels in (2, 4)
    alpha = values[..., -1].clamp(0, 1).contiguous() if has_alpha else None
    colours = values[..., :-1] if has_alpha else values
    if pixels.colour_space == "icc":
        colours = _from_profile(colours, _usable(icc, colours.shape[-1]))
    colours = colours.expand(height, width, 3).permute(2, 0, 1)
    if pixels.colour_space == "linear-srgb":
        colours = linear_to_srgb(colours)
    colours = colours.contiguous()
    gain = None
    if bool((colours > 1).any()):
        gain = colours.amax(dim=0).clamp_min(1)
        colours = colours / gain
    deficit = None
    if pixels.colour_space == "icc" and bool((colours < 0).any()):
        deficit = colours.clamp_max(0)
    return Picture(colours.clamp(0, 1), alpha, gain, deficit)


def mask_from_blob(pixels: Pixels, data: bytes) -> Tensor:
    """Coverage [H, W] in [0, 1] of a mask; an image covers by its luma and alpha. Raises ImageError."""
    values = torch.from_numpy(unit(decoded(pixels, data))).clamp(0, 1)
    channels = values.shape[-1]
    colours = values[..., : 1 if channels < 3 else 3]
    coverage = colours[..., 0] if channels < 3 else colours @ torch.tensor(_LUMINANCE)
    return (coverage * values[..., -1] if channels in (2, 4) else coverage).contiguous()


def to_blob(
    picture: Picture,
    like: Pixels,
    icc: bytes | None = None,
    mask: Tensor | None = None,
    untouched: tuple[Tensor, bytes] | None = None,
) -> tuple[Pixels, bytes]:
    """``picture`` in the very channels, numbers, colour space and encoding of ``like``, and its description.

    ``mask`` [H, W] in [0, 1] makes it transparent in proportion, where ``like`` has alpha. Integer pixels in
    sRGB that nobody touched come back bit for bit. ``untouched``: where pixels are to have the very colours
    of the blob that ``like`` describes [H, W], whatever its numbers are, and that blob; what a PNG file holds
    is taken from ``picture``. ``icc`` as in ``from_blob``; a PNG file carries it. Raises ImageError.
    """
    rgb = picture.rgb if picture.deficit is None else picture.rgb + picture.deficit
    rgb = rgb if picture.gain is None else rgb * picture.gain
    height, width = rgb.shape[-2:]
    grey = CHANNELS[like.channels] < 3
    if like.colour_space == "icc":
        colours = _to_profile(
            rgb.permute(1, 2, 0), _usable(icc, 1 if grey else 3), fast=like.dtype == "uint8"
        )
    else:
        linear = like.colour_space == "linear-srgb"
        if linear or grey:
            rgb = srgb_to_linear(rgb)
        if grey:
            rgb = torch.tensordot(rgb.new_tensor(_LUMINANCE), rgb, 1)[None]
            rgb = rgb if linear else linear_to_srgb(rgb)
        colours = rgb.permute(1, 2, 0)
    if like.has_alpha:
        alpha = torch.ones(height, width) if picture.alpha is None else picture.alpha
        alpha = alpha if mask is None else alpha * mask
        colours = torch.cat((colours, alpha[..., None]), dim=-1)
    numbers = quantised(colours.numpy(), like.dtype)
    if untouched is not None and like.encoding == "raw":
        where, own = untouched[0].numpy(), decoded(like, untouched[1])
        kept = slice(-1 if like.has_alpha else None)
        numbers[where, kept] = own[where, kept]
    data = encoded(numbers, like, icc)
    return like.of(data, width=width, height=height), data


def _usable(icc: bytes | None, channels: int) -> bytes:
    """``icc`` if it is a profile for that many channels (1 or 3). Raises ImageError."""
    hint = "Send the profile of the document, or use srgb."
    model = model_of(icc or b"")
    if not icc or not model:
        raise ImageError("icc", "this is not an ICC profile.", hint)
    wanted = "GRAY" if channels == 1 else "RGB"
    if model != wanted:
        raise ImageError("icc", f"the profile is for {model}, the image is {wanted}.", hint)
    return icc


def _from_profile(colours: Tensor, icc: bytes) -> Tensor:
    """sRGB-encoded [H, W, 3] of ``colours`` [H, W, 1 or 3]; beyond 0 and 1 where they lie outside sRGB."""
    converted = transformed(colours.numpy(), icc, SRGB)
    return torch.from_numpy(np.clip(np.nan_to_num(converted), -LARGEST, LARGEST))


def _to_profile(rgb: Tensor, icc: bytes, *, fast: bool) -> Tensor:
    """``rgb`` [H, W, 3] in the space of ``icc``, [H, W, 1 or 3]."""
    channels = 1 if model_of(icc) == "GRAY" else 3
    values = rgb.numpy()
    # Five times faster in 16-bit integers, but those cannot hold what lies beyond sRGB.
    fast = fast and bool(values.min() >= 0 and values.max() <= 1)
    numbers = quantised(values, "uint16") if fast else values
    return torch.from_numpy(unit(transformed(numbers, SRGB, icc, channels)))
