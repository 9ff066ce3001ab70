"""Image files to pixels of the wire and back."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageChops, ImageCms, ImageOps, UnidentifiedImageError

from nst_server.cli.errors import CliError
from nst_server.wire.client import Image as WireImage
from nst_server.wire.pixels import Pixels, digest_of

#: Wire format to Pillow's mode and raw mode.
_PILLOW_MODES = {
    ("RGBA", "uint8"): ("RGBA", "RGBA"),
    ("BGRA", "uint8"): ("RGBA", "BGRA"),
    ("GRAYA", "uint8"): ("LA", "LA"),
    ("GRAY", "uint8"): ("L", "L"),
}
# Tags of TIFF 6.0, and a value of the second.
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


def read(path: Path, role: str) -> WireImage:
    """Read an image file as RGBA uint8 sRGB. Raises CliError naming ``role`` ("content", "style", …).

    Grey of 16 bits, and of floats from 0 to 1, is rounded to 8.
    """
    return to_wire(_open(path, role))


def read_mask(path: Path, role: str, size: tuple[int, int] | None = None) -> WireImage:
    """Read an image file as coverage of ``size`` (width, height), or of its own.

    White covers, black and transparent do not. Raises CliError naming ``role`` ("mask", "style mask"),
    also where nothing is covered.
    """
    picture = _open(path, role)
    coverage = picture.convert("L")
    if picture.mode == "RGBA":
        coverage = ImageChops.multiply(coverage, picture.getchannel("A"))
    if size is not None and coverage.size != size:
        coverage = coverage.resize(size, Image.Resampling.BILINEAR)
    data = coverage.tobytes()
    if not any(data):
        raise CliError(f"{role}: {path} is black everywhere.", "Paint white where it is to act.")
    return Pixels(digest_of(data), *coverage.size, bytes=len(data), channels="MASK"), data


def is_transparent(image: WireImage) -> bool:
    """Whether some pixel of an RGBA image is not opaque."""
    return image[1][3::4].count(255) < image[0].width * image[0].height


def to_wire(picture: Image.Image) -> WireImage:
    """A Pillow image as RGBA uint8 sRGB."""
    data = picture.convert("RGBA").tobytes()
    return Pixels(digest_of(data), picture.width, picture.height, bytes=len(data)), data


def from_wire(pixels: Pixels, data: bytes) -> Image.Image:
    """A received frame as a Pillow image: RGB where nothing is transparent. Raises CliError.

    Frames come in the format of their content; of those that other clients send, Pillow has no 16-bit
    and no float colour.
    """
    if pixels.encoding == "png":
        picture: Image.Image = Image.open(io.BytesIO(data))
        picture.load()
    elif (pixels.channels, pixels.dtype) in _PILLOW_MODES:
        mode, raw = _PILLOW_MODES[pixels.channels, pixels.dtype]
        picture = Image.frombytes(mode, (pixels.width, pixels.height), data, "raw", raw)
    else:
        raise CliError(
            f"Frames of {pixels.channels} {pixels.dtype} cannot be written as an image file here.",
            "Fetch them with the client that submitted the job.",
        )
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (255, 255):
        return picture.convert("RGB")
    return picture


def _open(path: Path, role: str) -> Image.Image:
    hint = "Use a PNG, JPEG, TIFF or WebP file."
    try:
        picture: Image.Image = Image.open(path)
        picture.load()
    except FileNotFoundError:
        raise CliError(f"{role}: {path} is not there.") from None
    except IsADirectoryError:
        raise CliError(f"{role}: {path} is a folder.", "Name an image file.") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        raise CliError(f"{role}: {path} is not an image that can be read.", hint) from error
    except (OSError, ValueError) as error:
        raise CliError(f"{role}: {path} cannot be read: {error}.", hint) from error
    if picture.mode == "F" or picture.mode.startswith("I"):
        picture = _shallow(picture, path, role)
    return _to_srgb(ImageOps.exif_transpose(picture))


def _shallow(picture: Image.Image, path: Path, role: str) -> Image.Image:
    """Grey of more than 8 bits, or of floats, in 8: Pillow itself cuts off what exceeds 255."""
    import numpy as np

    upright = ImageOps.exif_transpose(picture)
    values = np.asarray(upright)
    low, high = values.min(), values.max()
    white = 1 if picture.mode == "F" else 65_535
    tags = getattr(picture, "tag_v2", {})  # of a TIFF file
    if tags.get(_BITS) == (12,):
        white = 4_095
    elif picture.mode == "I" and tags and high <= 255:
        white = 255  # masks are often kept so; other formats of this mode have 16 bits
    if not (low >= 0 and high <= white):  # so that NaN is refused too
        raise CliError(
            f"{role}: {path} has values from {low:g} to {high:g}; from 0 to {white} can be read.",
            "Save it with 8 or 16 bits.",
        )
    numbers = np.rint(values * (255 / white)).astype(np.uint8)
    grey = Image.fromarray(255 - numbers if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else numbers)
    grey.info = dict(upright.info)
    hidden = grey.info.pop("transparency", None)
    if hidden is not None:
        grey.putalpha(Image.fromarray(np.where(values == hidden, 0, 255).astype(np.uint8)))
    return grey


def _to_srgb(picture: Image.Image) -> Image.Image:
    profile = picture.info.get("icc_profile")
    mode = "RGBA" if "A" in picture.getbands() or "transparency" in picture.info else "RGB"
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return picture.convert(mode)
    try:
        converted = ImageCms.profileToProfile(
            picture,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode=mode,
        )
    except (ImageCms.PyCMSError, OSError):
        # A broken profile says nothing about the colours; viewers show such a file as sRGB too.
        return picture.convert(mode)
    assert converted is not None
    return converted
