"""Image files and pixels of the wire: read at their own depth, in their own colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageChops

from nst_server.cli.errors import CliError
from nst_server.wire.client import Image as WireImage
from nst_server.wire.pixels import DTYPES, InvalidPixels, Pixels, digest_of

if TYPE_CHECKING:
    from nst_server.raster import Numbers

_DTYPES = {8: "uint8", 16: "uint16", 32: "float32"}


@dataclass(frozen=True)
class Picture:
    """``pixels`` and ``data`` as they travel; ``profile``: the ICC profile to embed where they are written.

    ``pixels.icc`` names it unless its colours are sRGB's anyhow.
    """

    pixels: Pixels
    data: bytes
    profile: bytes | None = None

    @property
    def wire(self) -> WireImage:
        """As ``Client.submit`` takes it."""
        return self.pixels, self.data

    @property
    def icc(self) -> bytes | None:
        """The profile that ``pixels`` are in, None for sRGB."""
        return self.profile if self.pixels.icc else None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.width, self.pixels.height

    @property
    def depth(self) -> int:
        """Bits per channel: 8, 16, or 32 for floats."""
        return 32 if self.pixels.dtype.startswith("float") else 8 * DTYPES[self.pixels.dtype]

    def numbers(self) -> Numbers:
        """[H, W, channels] in RGB order, of their own type."""
        from nst_server import raster

        return raster.decoded(self.pixels, self.data)

    def at_least(self, depth: int) -> Picture:
        """The same with as many bits per channel, or more if it has more."""
        if depth <= self.depth:
            return self
        return _picture(in_depth(self.numbers(), depth), self.profile, self.icc is None)

    def shown(self) -> Image.Image:
        """An 8-bit RGB or RGBA image; its numbers stay those of the profile."""
        numbers = in_depth(self.numbers(), 8)
        picture = Image.fromarray(numbers[..., 0] if numbers.shape[-1] == 1 else numbers)
        is_opaque = "A" not in picture.getbands() or picture.getextrema()[-1] == (255, 255)
        return picture.convert("RGB" if is_opaque else "RGBA")

    def is_transparent(self) -> bool:
        """Whether some pixel is not opaque."""
        return self.pixels.has_alpha and bool((in_depth(self.numbers()[..., -1], 8) < 255).any())


def read(path: Path, role: str) -> Picture:
    """Read an image file as RGBA with the depth and the profile that it has, upright.

    Grey becomes RGB in sRGB, since paint has colours; so does CMYK. Floats without a profile are taken as
    sRGB-encoded; what is none of them and what no colour has is cleaned. Says on standard error what is not
    used. Raises CliError naming ``role`` ("content", "style", …), also where nothing is to be seen.
    """
    picture = _read(path, role)
    if not (picture.numbers()[..., 3] > 0).any():
        raise CliError(f"{role}: {path} is wholly transparent.", "Choose one with colours in it.")
    return picture


def _read(path: Path, role: str) -> Picture:
    """The same of an image that may be wholly transparent."""
    from nst_server.cli.image_files import numbers_of, tell

    numbers, profile = numbers_of(path, role)
    if numbers.dtype.kind == "f":
        numbers = _cleaned(numbers, path, role)
    try:
        return _coloured(numbers, profile, lambda text: tell(role, path, text))
    except InvalidPixels as error:
        raise CliError(f"{role}: {path} cannot be used: {error}", "Scale the image down.") from error


def of(picture: Image.Image) -> Picture:
    """A Pillow image as RGBA uint8 sRGB."""
    data = picture.convert("RGBA").tobytes()
    return Picture(Pixels(digest_of(data), picture.width, picture.height, bytes=len(data)), data)


def profiles(*pictures: Picture | None) -> dict[str, bytes]:
    """The profiles of these pictures by digest, as ``Client.submit`` takes them."""
    return {p.pixels.icc: p.profile for p in pictures if p is not None and p.pixels.icc and p.profile}


def read_mask(path: Path, role: str, size: tuple[int, int] | None = None) -> WireImage:
    """Read an image file as coverage of ``size`` (width, height), or of its own.

    White covers, black and transparent do not. Raises CliError naming ``role`` ("mask", "style mask"),
    also where nothing is covered.
    """
    picture = _read(path, role).shown()
    coverage = picture.convert("L")
    if picture.mode == "RGBA":
        coverage = ImageChops.multiply(coverage, picture.getchannel("A"))
    if size is not None and coverage.size != size:
        coverage = coverage.resize(size, Image.Resampling.BILINEAR)
    data = coverage.tobytes()
    if not any(data):
        raise CliError(f"{role}: {path} is black everywhere.", "Paint white where it is to act.")
    return Pixels(digest_of(data), *coverage.size, bytes=len(data), channels="MASK"), data


def in_depth(numbers: Numbers, depth: int) -> Numbers:
    """``numbers`` with so many bits per channel, 32 as floats. Integers lose what floats have beyond 1."""
    from nst_server import raster

    wanted = _DTYPES[depth]
    return numbers if numbers.dtype.name == wanted else raster.quantised(raster.unit(numbers), wanted)


def _cleaned(numbers: Numbers, path: Path, role: str) -> Numbers:
    """Floats with 0 for what is no number, and within what the engine takes. Raises CliError if none is.

    Alpha that is no number is opaque.
    """
    import numpy as np

    from nst_server import raster
    from nst_server.cli.image_files import tell

    if _has_alpha(numbers):
        unclear = np.isnan(numbers[..., -1])
        if unclear.any():
            tell(role, path, f"holds {unclear.sum()} values of alpha that are no numbers and count as opaque")
            numbers = numbers.copy()
            numbers[..., -1][unclear] = 1
    nothing, beyond = np.isnan(numbers), np.abs(numbers) > raster.LARGEST
    if (nothing | beyond)[..., : -1 if _has_alpha(numbers) else None].all():
        raise CliError(f"{role}: {path} holds no numbers of colours.", "Save it anew, with 1 for white.")
    if nothing.any():
        tell(role, path, f"holds {nothing.sum()} values that are no numbers and count as 0")
    if beyond.any():
        most = f"{raster.LARGEST:g}"
        tell(role, path, f"holds {beyond.sum()} values that no colour has, beyond {most}: they count as that")
    return raster.unit(numbers)


def _has_alpha(numbers: Numbers) -> bool:
    return numbers.shape[-1] in (2, 4)


def _coloured(numbers: Numbers, profile: bytes | None, tell: Callable[[str], None]) -> Picture:
    """Grey or RGB [H, W, 1 to 4] as RGBA. A profile that cannot be used says nothing of the colours."""
    import numpy as np

    from nst_server import raster

    colours = numbers[..., : 3 if numbers.shape[-1] > 2 else 1]
    is_grey = colours.shape[-1] == 1
    alpha = (
        numbers[..., -1:] if _has_alpha(numbers) else np.full_like(numbers[..., :1], raster.white(numbers))
    )
    is_srgb = True
    try:
        if not profile:
            profile = None
        elif (model := raster.model_of(profile)) != ("GRAY" if is_grey else "RGB"):
            what = f"is for {model}" if model else "is damaged"
            tell(f"has a profile that {what} and is not used: sRGB is assumed")
            profile = None
        elif is_grey:
            colours, profile = raster.transformed(colours, profile, raster.SRGB), None
        else:
            is_srgb = raster.is_srgb(profile)
    except raster.ImageError:
        tell("has a profile that is damaged and not used: sRGB is assumed")
        profile = None
    rgb = np.broadcast_to(colours, (*numbers.shape[:2], 3))
    return _picture(np.concatenate((rgb, alpha), axis=-1), profile, is_srgb)


def _picture(numbers: Numbers, profile: bytes | None, is_srgb: bool) -> Picture:
    """RGBA ``numbers`` [H, W, 4], in ``profile`` unless that ``is_srgb``."""
    data = numbers.tobytes()
    height, width = numbers.shape[:2]
    icc = None if is_srgb or profile is None else digest_of(profile)
    pixels = Pixels(
        digest_of(data),
        width,
        height,
        bytes=len(data),
        dtype=numbers.dtype.name,
        colour_space="icc" if icc else "srgb",
        icc=icc,
    )
    return Picture(pixels, data, profile)
