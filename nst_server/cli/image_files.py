"""Numbers and profile of an image file, as deep as they are. Pillow reads what has 8 bits."""

from __future__ import annotations

import io
import itertools
import logging
import struct
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from nst_server import raster
from nst_server.broker.submission import MAX_PIXELS
from nst_server.cli.errors import CliError

if TYPE_CHECKING:
    import tifffile

# Nor does tifffile warn of damages where nobody has asked for its log.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

# Pillow refuses images of more than twice as many.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2

_HINT = "Use a PNG, JPEG, TIFF or WebP file."
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH = 24  # byte of a PNG file with its bits per channel
# Formats whose further pictures are neither previews nor layers of the first.
_ANIMATED = ("GIF", "PNG", "WEBP")
# Of TIFF 6.0: tags and their values.
_ORIENTATION = 274
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}
_PREMULTIPLIED, _STRAIGHT = 1, 2


def numbers_of(path: Path, role: str) -> tuple[raster.Numbers, bytes | None]:
    """Grey or RGB, with alpha or without, of an image file [H, W, 1 to 4], upright; and its profile.

    uint8, uint16, or float32 with 1 for white. CMYK comes as sRGB. Raises CliError naming ``role``.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_PNG_DEPTH + 1)
        if start[:4] in _TIFF:
            deep = _deep_tiff(path, role)
            if deep is not None:
                return deep
        with warnings.catch_warnings():
            # Pillow warns of damages that it then reports, or that do no harm.
            warnings.simplefilter("ignore")
            return _read(path, role, is_deep=start[:8] == _PNG and start[_PNG_DEPTH:] > b"\x08")
    except FileNotFoundError:
        raise CliError(f"{role}: {path} is not there.", "Check its name and folder.") from None
    except IsADirectoryError:
        raise CliError(f"{role}: {path} is a folder.", "Name an image file.") from None
    except Image.DecompressionBombError as error:
        raise _too_large(role, path) from error
    except (UnidentifiedImageError, SyntaxError) as error:
        raise CliError(f"{role}: {path} is not an image that can be read.", _HINT) from error
    except MemoryError:
        raise CliError(f"{role}: {path} says that it is larger than the memory.", _HINT) from None
    except LookupError as error:  # its text would be a bare number
        raise CliError(f"{role}: {path} is damaged.", _HINT) from error
    except OSError as error:
        if error.errno is None and "not available" not in str(error):  # as Pillow says of damages
            problem = f"{role}: {path} is damaged: {error}."
            raise CliError(problem, "Save it anew, or take another copy.") from error
        raise CliError(f"{role}: {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RuntimeError, struct.error) as error:
        raise CliError(f"{role}: {path} cannot be read: {error}.", _HINT) from error


def _too_large(role: str, path: Path) -> CliError:
    problem = f"{role}: {path} is too large: more than {MAX_PIXELS // 10**6} million pixels."
    return CliError(problem, "Scale the image down.")


def tell(role: str, path: Path, text: str) -> None:
    """Say on standard error what of a file that is read is not used."""
    print(f"note: {role}: {path} {text}.", file=sys.stderr)


def _read(path: Path, role: str, *, is_deep: bool) -> tuple[raster.Numbers, bytes | None]:
    """What Pillow can open; ``is_deep``: a PNG file of 16 bits, of which it would keep 8."""
    with Image.open(path) as picture:
        picture.load()
        if picture.format in _ANIMATED and getattr(picture, "is_animated", False):
            tell(role, path, "has several pictures: the first is used")
        if is_deep:
            return _deep_png(path.read_bytes(), picture)
        if picture.mode == "F" or picture.mode.startswith("I"):
            raise CliError(f"{role}: {path} has more than 8 bits, in a format that is not read so.", _HINT)
        return _of_8_bits(ImageOps.exif_transpose(picture))


def _of_8_bits(picture: Image.Image) -> tuple[raster.Numbers, bytes | None]:
    profile = picture.info.get("icc_profile")
    has_alpha = "A" in picture.getbands() or "transparency" in picture.info
    if picture.mode == "CMYK":
        return np.asarray(_printed(picture, profile)), None
    if picture.mode in ("1", "L", "LA"):
        numbers = np.asarray(picture.convert("LA" if has_alpha else "L"))
        return numbers.reshape(*numbers.shape[:2], -1), profile
    is_rgb = picture.mode in ("RGB", "RGBA", "RGBX", "P", "PA")
    return np.asarray(picture.convert("RGBA" if has_alpha else "RGB")), profile if is_rgb else None


def _printed(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """CMYK as sRGB."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(
                picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            assert converted is not None
            return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # A broken profile says nothing of the colours; viewers show such a file as if it had none.
    return picture.convert("RGB")


def _printed_with_alpha(numbers: raster.Numbers, profile: bytes | None) -> raster.Numbers:
    """CMYK [H, W, 4], or 5 with alpha, as sRGB of 8 bits."""
    numbers = raster.quantised(raster.unit(numbers), "uint8")
    height, width = numbers.shape[:2]
    picture = Image.frombytes("CMYK", (width, height), numbers[..., :4].tobytes())
    return np.concatenate((np.asarray(_printed(picture, profile)), numbers[..., 4:]), axis=-1)


def _deep_png(data: bytes, picture: Image.Image) -> tuple[raster.Numbers, bytes | None]:
    import imagecodecs

    numbers: raster.Numbers = imagecodecs.png_decode(data)
    orientation = picture.getexif().get(_ORIENTATION, 1)
    return _upright(numbers.reshape(*numbers.shape[:2], -1), orientation), picture.info.get("icc_profile")


def _deep_tiff(path: Path, role: str) -> tuple[raster.Numbers, bytes | None] | None:
    """The same of a TIFF file of more than 8 bits, or in CMYK with alpha; None for any other."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            is_ink = page.photometric == _CMYK
            if _has_several(file.pages):
                tell(role, path, "has several pages: the first is used")
            # Of channels of unequal bits there is no type, or that of a byte.
            if page.dtype is None or page.dtype.kind == "c":
                return None
            is_deep = page.dtype.itemsize > 1
            if not is_deep and not (is_ink and page.extrasamples):
                return None
            if page.photometric not in _COLOURS or (is_ink and page.dtype.kind != "u"):
                bits = f"{page.bitspersample} bits, in a colour model that is not read so"
                raise CliError(f"{role}: {path} has {bits}.", "Save it as RGB.")
            if is_ink and is_deep:
                tell(role, path, f"is not grey or RGB: 8 of its {page.bitspersample} bits are used")
            if page.imagewidth * page.imagelength > MAX_PIXELS:
                raise _too_large(role, path)
            numbers = page.asarray()
            if page.axes.startswith("S"):
                numbers = np.moveaxis(numbers, 0, -1)
            numbers = _scaled(numbers.reshape(*numbers.shape[:2], -1), page.bitspersample, f"{role}: {path}")
            if page.photometric == _WHITE_IS_ZERO:
                numbers = raster.white(numbers) - numbers
            numbers, profile = _with_its_alpha(numbers, page), page.iccprofile
            if is_ink:
                numbers, profile = _printed_with_alpha(numbers, profile), None
            tag = page.tags.get(_ORIENTATION)
            return _upright(numbers, tag.value if tag else 1), profile
    except tifffile.TiffFileError:
        return None  # Pillow says what is wrong with it.


def _has_several(pages: Iterable[Any]) -> bool:
    """Whether there is more than one page beside smaller copies; no further one is looked at."""
    whole = (page for page in pages if not page.is_reduced)
    try:
        return len(list(itertools.islice(whole, 2))) > 1
    except Exception:  # tifffile has no common one; whatever the others are, the first can be read
        return False


def _scaled(numbers: raster.Numbers, bits: int, name: str) -> raster.Numbers:
    """As uint8 or uint16 over their whole range, or as float32."""
    kind = numbers.dtype.kind
    # Of floats what is no number may be the alpha, which is seen to later.
    measured = numbers[..., 0] if kind == "f" else numbers
    low, high = measured.min(), measured.max()
    # Of signed numbers one bit is the sign.
    white = 1 if kind == "f" else 2 ** min(bits - (kind == "i"), 16) - 1
    if kind != "f" and bits > 16 and high <= 255:
        white = 255  # masks are often kept so
    # Colours of floats may exceed white; grey of other ranges is some measurement.
    if not (kind == "f" and numbers.shape[-1] > 2) and not (low >= 0 and high <= white):  # NaN is refused too
        of_those = f"of numbers of {bits} bits, those " if kind != "f" and bits > 16 else ""
        form = "g" if kind == "f" else "d"
        raise CliError(
            f"{name} has values from {low:{form}} to {high:{form}}; {of_those}from 0 to {white} can be read.",
            "Save it with 8 or 16 bits.",
        )
    if kind == "f":
        with np.errstate(over="ignore"):  # beyond float32 is infinity, which is taken for the brightest white
            return numbers.astype(np.float32)
    if white in (255, 65_535):
        return numbers.astype(np.uint8 if white == 255 else np.uint16)
    return np.rint(numbers * (65_535 / white)).astype(np.uint16)


def _with_its_alpha(numbers: raster.Numbers, page: tifffile.TiffPage) -> raster.Numbers:
    """Colours and the first channel that is alpha, if one is, in straight form."""
    count = _COLOURS[page.photometric]
    colours = numbers[..., :count]
    for index, kind in enumerate(page.extrasamples):
        if kind in (_PREMULTIPLIED, _STRAIGHT):
            alpha = numbers[..., count + index, None]
            if kind == _PREMULTIPLIED:
                white = raster.white(numbers)
                # Without a number it counts as opaque.
                share = np.maximum(np.where(np.isnan(alpha), white, alpha), 1e-6 * white) / white
                straight = colours / share
                if numbers.dtype.kind != "f":
                    straight = np.rint(np.minimum(straight, white))
                colours = straight.astype(numbers.dtype)
            return np.concatenate((colours, alpha), axis=-1)
    return colours


def _upright(numbers: raster.Numbers, orientation: int) -> raster.Numbers:
    """Turned and mirrored as the tag of TIFF and EXIF says (1 to 8; anything else: as it is)."""
    if orientation in (5, 6, 7, 8):
        numbers = numbers.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        numbers = numbers[::-1]
    if orientation in (2, 3, 6, 7):
        numbers = numbers[:, ::-1]
    return np.ascontiguousarray(numbers)
