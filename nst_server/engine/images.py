"""Pixels of the wire ⇄ tensors: the only place that knows channel orders, number types and profiles."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import imagecodecs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nst_server.engine.colour import linear_to_srgb, srgb_to_linear
from nst_server.wire.pixels import CHANNELS, Pixels

_NUMPY = {"uint8": "u1", "uint16": "<u2", "float16": "<f2", "float32": "<f4"}
_LARGEST = 65_504.0  # of float16; what is larger, and infinity, is taken for this

# Of linear light with sRGB's primaries (ITU-R BT.709).
_LUMINANCE = (0.2126, 0.7152, 0.0722)

# One intent for both ways, so that untouched colours come back; perceptual would not promise that.
_INTENT = imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC


class ImageError(ValueError):
    """An image that cannot be used. ``field`` of its description ("": all of it), ``problem``, and ``hint``:
    what to do."""

    def __init__(self, field: str, problem: str, hint: str) -> None:
        super().__init__(f"{field}: {problem} {hint}")
        self.field = field
        self.problem = problem
        self.hint = hint


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
    values = torch.from_numpy(_decoded(pixels, data))
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
    values = torch.from_numpy(_decoded(pixels, data)).clamp(0, 1)
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
    is taken from ``picture``. ``icc`` as in ``from_blob``. Raises ImageError.
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
    if like.channels == "BGRA" and like.encoding == "raw":
        colours = colours.flip(-1)
    if like.has_alpha:
        alpha = torch.ones(height, width) if picture.alpha is None else picture.alpha
        alpha = alpha if mask is None else alpha * mask
        colours = torch.cat((colours, alpha[..., None]), dim=-1)
    numbers = _quantised(colours.numpy(), like.dtype)
    if untouched is not None and like.encoding == "raw":
        where, data = untouched[0].numpy(), untouched[1]
        own = np.frombuffer(data, dtype=numbers.dtype).reshape(numbers.shape)
        kept = slice(-1 if like.has_alpha else None)
        numbers[where, kept] = own[where, kept]
    if like.encoding == "png":
        # Level 1: on painted pictures higher ones take several times as long and gain little.
        data = bytes(imagecodecs.png_encode(numbers[..., 0] if numbers.shape[-1] == 1 else numbers, level=1))
    else:
        data = numbers.tobytes()
    return like.of(data, width=width, height=height), data


def _decoded(pixels: Pixels, data: bytes) -> NDArray[np.float32]:
    """Values [H, W, C] as the blob has them, RGB order, finite, integers scaled to [0, 1]."""
    numbers = _decoded_png(pixels, data) if pixels.encoding == "png" else _decoded_raw(pixels, data)
    if numbers.dtype.kind == "f":
        cleaned = np.nan_to_num(numbers.astype(np.float32), nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
        return np.clip(cleaned, -_LARGEST, _LARGEST)
    largest = np.float32(2 ** (8 * numbers.itemsize) - 1)
    scaled: NDArray[np.float32] = numbers.astype(np.float32) / largest
    return scaled


def _decoded_raw(pixels: Pixels, data: bytes) -> NDArray[np.generic]:
    if len(data) != pixels.raw_bytes:
        raise ImageError("bytes", f"{len(data)} came, {pixels.raw_bytes} were announced.", "Send it again.")
    shape = (pixels.height, pixels.width, CHANNELS[pixels.channels])
    numbers: NDArray[np.generic] = np.frombuffer(data, dtype=_NUMPY[pixels.dtype]).reshape(shape)
    if pixels.channels == "BGRA":
        return np.asarray(numbers[..., [2, 1, 0, 3]])
    return numbers


def _decoded_png(pixels: Pixels, data: bytes) -> NDArray[np.generic]:
    hint = "Send a whole PNG file, or raw pixels."
    if not pixels.dtype.startswith("uint"):
        raise ImageError("dtype", f"a PNG file has no {pixels.dtype}.", "Use uint8, uint16 or raw pixels.")
    if len(data) < 24 or data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        raise ImageError("encoding", "this is not a PNG file.", hint)
    # Before anything is decoded: a small file can claim any size.
    size = struct.unpack(">II", data[16:24])
    if size != (pixels.width, pixels.height):
        raise ImageError(
            "width",
            f"the PNG file is {size[0]}×{size[1]}, not {pixels.width}×{pixels.height}.",
            "Describe the file as it is.",
        )
    try:
        numbers: NDArray[np.generic] = imagecodecs.png_decode(data)
    except (imagecodecs.PngError, ValueError) as error:
        raise ImageError("encoding", f"the PNG file is damaged ({error}).", hint) from error
    return numbers.reshape(*numbers.shape[:2], -1)


def _quantised(values: NDArray[np.float32], dtype: str) -> NDArray[np.generic]:
    if dtype == "float32":
        return values.astype("<f4")
    if dtype == "float16":
        return np.clip(values, -_LARGEST, _LARGEST).astype("<f2")
    largest = np.iinfo(dtype).max
    rounded: NDArray[np.generic] = np.rint(np.clip(values, 0, 1) * np.float32(largest)).astype(_NUMPY[dtype])
    return rounded


def _usable(icc: bytes | None, channels: int) -> bytes:
    """``icc`` if it is a profile for that many channels (1 or 3). Raises ImageError."""
    hint = "Send the profile of the document, or use srgb."
    if not icc or len(icc) < 132 or icc[36:40] != b"acsp":
        raise ImageError("icc", "this is not an ICC profile.", hint)
    wanted = b"GRAY" if channels == 1 else b"RGB "
    if icc[16:20] != wanted:
        kind = icc[16:20].decode("ascii", "replace").strip()
        raise ImageError("icc", f"the profile is for {kind}, the image is {wanted.decode().strip()}.", hint)
    return icc


def _from_profile(colours: Tensor, icc: bytes) -> Tensor:
    """sRGB-encoded [H, W, 3] of ``colours`` [H, W, 1 or 3]; beyond 0 and 1 where they lie outside sRGB."""
    converted = _transformed(colours.numpy(), icc, imagecodecs.cms_profile("srgb"), 3)
    return torch.from_numpy(np.clip(np.nan_to_num(converted), -_LARGEST, _LARGEST))


def _to_profile(rgb: Tensor, icc: bytes, *, fast: bool) -> Tensor:
    """``rgb`` [H, W, 3] in the space of ``icc``, [H, W, 1 or 3]."""
    channels = 1 if icc[16:20] == b"GRAY" else 3
    values = rgb.numpy()
    # Five times faster in 16-bit integers, but those cannot hold what lies beyond sRGB.
    fast = fast and bool(values.min() >= 0 and values.max() <= 1)
    numbers = _quantised(values, "uint16") if fast else values
    converted = _transformed(numbers, imagecodecs.cms_profile("srgb"), icc, channels)
    scaled = converted.astype(np.float32) / np.float32(65_535 if fast else 1)
    return torch.from_numpy(np.clip(np.nan_to_num(scaled), -_LARGEST, _LARGEST))


def _transformed(
    numbers: NDArray[np.generic], source: bytes, target: bytes, channels: int
) -> NDArray[np.generic]:
    """``numbers`` [H, W, 1 or 3] from profile ``source`` to ``target`` of so many ``channels``."""
    height, width, given = numbers.shape
    flat = np.ascontiguousarray(numbers if given == 3 else numbers[..., 0])
    try:
        converted: NDArray[np.generic] = imagecodecs.cms_transform(
            flat,
            source,
            target,
            colorspace="rgb" if given == 3 else "gray",
            outcolorspace="rgb" if channels == 3 else "gray",
            intent=_INTENT,
        )
    except (imagecodecs.CmsError, ValueError) as error:
        raise ImageError(
            "icc", "the profile is damaged.", "Send the profile of the document, or use srgb."
        ) from error
    return converted.reshape(height, width, channels)
