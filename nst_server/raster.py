"""Pixels of the wire as numpy arrays, without torch: decoded, encoded, brought to other numbers."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from nst_server.wire.pixels import CHANNELS, Pixels

Numbers = NDArray[Any]

_NUMPY = {"uint8": "u1", "uint16": "<u2", "float16": "<f2", "float32": "<f4"}
_IHDR_END = 33  # bytes of a PNG file's signature and first chunk

#: The largest number of float16; what is larger, and infinity, is taken for this.
LARGEST = 65_504.0
#: The profile of sRGB.
SRGB: bytes = imagecodecs.cms_profile("srgb")

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


def decoded(pixels: Pixels, data: bytes) -> Numbers:
    """Numbers [H, W, C] of a blob, of its own type, in RGB order. Raises ImageError."""
    return _decoded_png(pixels, data) if pixels.encoding == "png" else _decoded_raw(pixels, data)


def encoded(numbers: Numbers, like: Pixels, icc: bytes | None = None) -> bytes:
    """The blob of ``numbers`` [H, W, C] in RGB order and the type of ``like``, encoded as ``like`` is.

    In a PNG file ``icc`` is embedded.
    """
    if like.encoding == "png":
        # Level 1: on painted pictures higher ones take several times as long and gain little.
        return png(numbers, icc, level=1)
    if like.channels == "BGRA":
        numbers = numbers[..., [2, 1, 0, 3]]
    return numbers.tobytes()


def png(numbers: Numbers, icc: bytes | None = None, level: int | None = None) -> bytes:
    """A PNG file of integers [H, W, C], with ``icc`` as its profile (iCCP, PNG specification 11.3.2.3)."""
    # Copied: of an axis that is 1 long, contiguous arrays may have any stride, and the encoder refuses most.
    flat = (numbers[..., 0] if numbers.shape[-1] == 1 else numbers).copy("C")
    file = bytes(imagecodecs.png_encode(flat, level=level))
    if icc is None:
        return file
    body = b"iCCPICC profile\0\0" + zlib.compress(icc)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return file[:_IHDR_END] + chunk + file[_IHDR_END:]


def unit(numbers: Numbers) -> NDArray[np.float32]:
    """``numbers`` as floats: integers scaled to [0, 1]; NaN is 0, infinity ``LARGEST``."""
    if numbers.dtype.kind == "f":
        cleaned = np.nan_to_num(numbers.astype(np.float32), nan=0.0, posinf=LARGEST, neginf=-LARGEST)
        return np.clip(cleaned, -LARGEST, LARGEST)
    scaled: NDArray[np.float32] = numbers.astype(np.float32) / np.float32(white(numbers))
    return scaled


def is_linear(icc: bytes) -> bool:
    """Whether an RGB profile counts light, with few numbers for the dark. Raises ImageError as above."""
    middle = np.full((1, 1, 3), 0.5, np.float32)
    # Half the light is 0.735 in sRGB; of the curves that pictures are kept in, none comes beyond 0.6.
    return bool(transformed(middle, icc, SRGB).min() > 0.65)


def quantised(values: NDArray[np.float32], dtype: str) -> Numbers:
    """Floats as numbers of the wire's ``dtype``; integers are rounded, and cut off at 0 and 1."""
    if dtype == "float32":
        return values.astype("<f4")
    if dtype == "float16":
        return np.clip(values, -LARGEST, LARGEST).astype("<f2")
    largest = np.iinfo(dtype).max
    rounded: Numbers = np.rint(np.clip(values, 0, 1) * np.float32(largest)).astype(_NUMPY[dtype])
    return rounded


def transformed(numbers: Numbers, source: bytes, target: bytes, channels: int = 3) -> Numbers:
    """``numbers`` [H, W, 1 or 3] from profile ``source`` to ``target`` of so many ``channels``.

    Raises ImageError for a profile that cannot be used.
    """
    height, width, given = numbers.shape
    flat = np.ascontiguousarray(numbers if given == 3 else numbers[..., 0])
    try:
        converted: Numbers = imagecodecs.cms_transform(
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


def white(numbers: Numbers) -> Any:
    """What means full in numbers of their type."""
    return numbers.dtype.type(1 if numbers.dtype.kind == "f" else np.iinfo(numbers.dtype).max)


def model_of(icc: bytes) -> str:
    """The colour model of a profile, such as "RGB", "GRAY" and "CMYK"; "" for what is none."""
    if len(icc) < 132 or icc[36:40] != b"acsp":
        return ""
    return icc[16:20].decode("ascii", "replace").strip()


def is_srgb(icc: bytes) -> bool:
    """Whether the colours of an RGB profile are those of sRGB. Raises ImageError if it cannot be used."""
    steps = np.linspace(0, 1, 6, dtype=np.float32)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    # Half a step of 8-bit colour: tables of the curve, and rounded primaries, differ by less.
    return bool(np.abs(transformed(cube, icc, SRGB) - cube).max() < 0.5 / 255)


def _decoded_raw(pixels: Pixels, data: bytes) -> Numbers:
    if len(data) != pixels.raw_bytes:
        raise ImageError("bytes", f"{len(data)} came, {pixels.raw_bytes} were announced.", "Send it again.")
    shape = (pixels.height, pixels.width, CHANNELS[pixels.channels])
    numbers: Numbers = np.frombuffer(data, dtype=_NUMPY[pixels.dtype]).reshape(shape)
    if pixels.channels == "BGRA":
        return np.asarray(numbers[..., [2, 1, 0, 3]])
    return numbers


def _decoded_png(pixels: Pixels, data: bytes) -> Numbers:
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
        numbers: Numbers = imagecodecs.png_decode(data)
    except (imagecodecs.PngError, ValueError) as error:
        reason = f" ({error})" if str(error) else ""
        raise ImageError("encoding", f"the PNG file is damaged{reason}.", hint) from error
    return numbers.reshape(*numbers.shape[:2], -1)
