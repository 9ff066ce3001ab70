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


def read(path: Path, role: str) -> WireImage:
    """Read an image file as RGBA uint8 sRGB. Raises CliError naming ``role`` ("content", "style", …)."""
    return to_wire(_open(path, role))


def read_mask(path: Path, role: str, size: tuple[int, int] | None = None) -> WireImage:
    """Read an image file as coverage of ``size`` (width, height), or of its own.

    White covers, black and transparent do not. Raises CliError naming ``role`` ("mask", "style mask").
    """
    picture = _open(path, role)
    coverage = picture.convert("L")
    if picture.mode == "RGBA":
        coverage = ImageChops.multiply(coverage, picture.getchannel("A"))
    if size is not None and coverage.size != size:
        coverage = coverage.resize(size, Image.Resampling.BILINEAR)
    data = coverage.tobytes()
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
        picture = Image.open(path)
        picture.load()
    except FileNotFoundError:
        raise CliError(f"{role}: {path} is not there.") from None
    except IsADirectoryError:
        raise CliError(f"{role}: {path} is a folder.", "Name an image file.") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        raise CliError(f"{role}: {path} is not an image that can be read.", hint) from error
    except (OSError, ValueError) as error:
        raise CliError(f"{role}: {path} cannot be read: {error}.", hint) from error
    return _to_srgb(ImageOps.exif_transpose(picture))


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
