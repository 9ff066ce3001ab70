"""Files that commands write: checked before the work, written after it."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nst_server.cli.errors import CliError

if TYPE_CHECKING:
    from nst_server.cli.pictures import Picture
    from nst_server.raster import Numbers
    from nst_server.wire.events import Event

#: Bits per channel that a picture can have in a file of that ending; 32 are floats.
DEPTHS = {
    ".png": (8, 16),
    ".jpg": (8,),
    ".jpeg": (8,),
    ".tif": (8, 16, 32),
    ".tiff": (8, 16, 32),
    ".webp": (8,),
}
# Of JPEG and lossy WebP files. At Pillow's own 75 blocks show in flat paint.
_QUALITY = 95
# Of floats, what 8 bits round to white.
_WHITE = 1 + 0.5 / 255


def check_writable(option: str, file: Path, endings: Collection[str] = ()) -> None:
    """Raise CliError now, not after minutes of computing, where ``file`` cannot be written.

    ``option`` asks for it; ``endings`` are those it may have, empty: any.
    """
    if not file.parent.is_dir():
        raise CliError(f"{option}: the folder {file.parent} is not there.", "Make it first.")
    if file.is_dir():
        raise CliError(f"{option}: {file} is a folder.", "Name a file.")
    if endings and file.suffix.lower() not in endings:
        raise CliError(
            f"{option}: {file.name} has no ending of a known format.", f"Use one of {', '.join(endings)}."
        )
    was_there = file.exists()
    try:
        file.open("ab").close()
    except OSError as error:
        raise CliError(f"{option}: {file} cannot be written: {error.strerror}.") from error
    if not was_there:
        # What has been made, and not a link to it.
        file.resolve().unlink()


def check_apart(option: str, file: Path | None, read: Iterable[Path | None]) -> None:
    """Raise CliError where ``option`` would write over a file that is ``read``; None: no file is named."""
    for other in read:
        if file and other and file.exists() and other.exists() and file.samefile(other):
            raise CliError(f"{option}: {file} is a file that this reads.", "Name another file.")


def make_folder(option: str, folder: Path) -> None:
    """Make the ``folder`` that ``option`` asks for, where there is none.

    Raises CliError now, not after minutes of computing, where no files can be made in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        problem = f"{option}: {folder} is no folder that can be written in: {error.strerror}."
        raise CliError(problem, "Name another, there or not.") from error


def _folder(text: str) -> Path:
    if not text:  # a script's variable that is not set
        raise argparse.ArgumentTypeError("it names no folder")
    return Path(text)


def add_frames_dir(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the option that names the folder of ``write_frame``."""
    parser.add_argument(
        "--frames-dir",
        type=_folder,
        metavar="DIR",
        help=f"write {what} there, each as JOB-ITERATION.png (floats: .tif), beside those of other jobs",
    )


def add_bit_depth(parser: argparse.ArgumentParser, whose: str) -> None:
    """Add the option that ``depth_for`` reads; ``whose`` depth is taken without it."""
    parser.add_argument(
        "--bit-depth",
        type=int,
        choices=(8, 16, 32),
        help=f"bits per channel of the output, 32 as floats in TIFF (default: {whose}, if the file can)",
    )


def depth_for(arguments: argparse.Namespace, like: Picture, *, is_transparent: bool) -> int:
    """Bits per channel for ``--output``: those asked for, or else those of ``like`` as far as they go.

    Raises CliError where that file cannot be written, or not with that depth and with transparency.
    """
    file, asked = arguments.output, arguments.bit_depth
    check_writable("--output", file, DEPTHS)
    check_writable("--output", _draft(file))
    ending = file.suffix.lower()
    if is_transparent and ending in (".jpg", ".jpeg"):
        raise CliError("--output: a JPEG cannot be transparent, and this picture is in parts.", "Use .png.")
    known = DEPTHS[ending]
    if asked is None:
        return max(depth for depth in known if depth <= like.depth)
    if asked not in known:
        able = ", ".join(other for other, depths in DEPTHS.items() if asked in depths)
        raise CliError(f"--bit-depth: {ending} files have no {asked} bits per channel.", f"Use {able}.")
    return int(asked)


def write(file: Path, picture: Picture, depth: int) -> None:
    """Write ``picture`` with ``depth`` bits per channel and its profile; without alpha if all is opaque.

    Raises OSError, which names ``file``; what was there stays then.
    """
    if depth < 32 == picture.depth:
        _tell_cut_off(file, picture)
    draft = _draft(file)
    try:
        _write(draft, picture, depth)
        draft.replace(file.resolve())
    except OSError as error:
        # Not of the draft, of which nobody knows; nor do all errors name a file.
        raise OSError(error.errno, error.strerror or str(error), str(file)) from error
    finally:
        draft.unlink(missing_ok=True)


def _tell_cut_off(file: Path, picture: Picture) -> None:
    """Say on standard error how much of floats is brighter than what ``file`` holds."""
    numbers = picture.numbers()
    seen = numbers[..., -1] > 0 if picture.pixels.has_alpha else numbers[..., 0] > -1
    colours = numbers[..., :-1] if picture.pixels.has_alpha else numbers
    brighter = (colours > _WHITE).any(axis=-1) & seen
    if brighter.any():
        share = max(round(100 * float(brighter.mean())), 1)
        lost = f"what is brighter than white, in {share} % of the pixels, is cut off"
        print(f"note: {file}: {lost}; a .tif of 32 bits keeps it.", file=sys.stderr)


def _draft(file: Path) -> Path:
    """What ``file``, or what it links to, is written as until it is whole."""
    return file.resolve().with_name(f".{os.getpid()}{file.suffix}")


def _write(file: Path, picture: Picture, depth: int) -> None:
    import numpy as np

    from nst_server import raster
    from nst_server.cli.pictures import in_depth

    numbers, profile = picture.numbers(), picture.profile
    if depth == 8 < picture.depth and picture.icc and raster.is_linear(picture.icc):
        # In 8 bits linear light would show bands in the dark.
        numbers = raster.unit(numbers)
        colours = raster.transformed(numbers[..., :3], picture.icc, raster.SRGB)
        numbers, profile = np.concatenate((colours, numbers[..., 3:]), axis=-1), raster.SRGB
    numbers = in_depth(numbers, depth)
    if numbers.shape[-1] in (2, 4) and bool((numbers[..., -1] == raster.white(numbers)).all()):
        numbers = numbers[..., :-1]
    ending = file.suffix.lower()
    if ending == ".png":
        file.write_bytes(raster.png(numbers, profile))
    elif ending in (".tif", ".tiff"):
        _write_tiff(file, numbers, profile)
    else:
        from PIL import Image

        flat = numbers[..., 0] if numbers.shape[-1] == 1 else numbers
        # WebP has no choice of subsampling, and ignores it.
        Image.fromarray(flat).save(file, quality=_QUALITY, subsampling=0, icc_profile=profile)


def write_frame(folder: Path, frame: Event, picture: Picture) -> None:
    """Write a kept frame with the numbers that it has: a PNG file, or a TIFF file where they are floats.

    Its job is in its name, so that it takes no other job's place and is not taken for one of its frames.
    """
    ending = ".tif" if picture.depth == 32 else ".png"
    file = folder / f"{frame.job}-{frame['iteration']:04d}{ending}"
    write(file, picture, picture.depth)


def _write_tiff(file: Path, numbers: Numbers, profile: bytes | None) -> None:
    import tifffile

    channels = numbers.shape[-1]
    tifffile.imwrite(
        file,
        numbers if channels > 1 else numbers[..., 0],
        photometric="rgb" if channels > 2 else "minisblack",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        planarconfig="contig" if channels > 1 else None,
        compression="zlib",
        predictor=True,
        iccprofile=profile,
        metadata=None,
        software=False,
    )
