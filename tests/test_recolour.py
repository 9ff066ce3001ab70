"""``nst recolour``: colours changed afterwards, without a server."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from nst_server import raster
from nst_server.cli import main
from nst_server.wire.params import LUMINANCE_SPACES

ADOBE = [0.64, 0.33, 1, 0.21, 0.71, 1, 0.15, 0.06, 1]
WIDE = imagecodecs.cms_profile("rgb", whitepoint=[0.3127, 0.329, 1], primaries=ADOBE, gamma=2.2)


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """A painted frame of 16 bits in a wide profile, and its content of 8 bits, twice as large."""
    y, x = np.mgrid[0:30, 0:40] / 40
    painted = np.stack((0.2 + 0.2 * x, 0.3 + 0.3 * y, 0.8 - 0.3 * x), axis=-1)
    painted = painted + 0.1 * np.sin(25 * x)[..., None]
    frame = tmp_path / "frame.png"
    frame.write_bytes(raster.png(np.rint(painted * 65_535).astype(np.uint16), WIDE))
    y, x = np.mgrid[0:60, 0:80] / 80
    content = np.stack((0.9 - 0.3 * x, 0.5 + 0.3 * y, 0.2 + 0.1 * x), axis=-1)
    Image.fromarray(np.rint(content * 255).astype(np.uint8)).save(tmp_path / "content.png")
    return frame, tmp_path / "content.png"


@pytest.mark.parametrize("keep_colours", ["moments", "histogram"])
def test_the_palette_is_the_contents_and_the_format_the_frames(
    pictures: tuple[Path, Path], tmp_path: Path, keep_colours: str
) -> None:
    frame, content = pictures
    out = tmp_path / "out.tif"
    arguments = ["recolour", str(frame), "--content", str(content), "-o", str(out)]
    assert main([*arguments, "--keep-colours", keep_colours]) == 0
    with tifffile.TiffFile(out) as file:
        page = file.pages.first
        made, profile = page.asarray(), page.iccprofile
    assert (made.dtype, made.shape, profile) == (np.uint16, (30, 40, 3), WIDE)
    assert len(np.unique(made[..., 1])) > 256
    in_srgb = raster.transformed(made.astype(np.float32) / 65_535, WIDE, raster.SRGB)
    wanted = np.asarray(Image.open(content)) / 255
    assert np.abs(in_srgb.mean((0, 1)) - wanted.mean((0, 1))).max() < 0.02


@pytest.mark.parametrize("space", LUMINANCE_SPACES)
def test_luminance_leaves_the_strokes_and_takes_the_hues(
    pictures: tuple[Path, Path], tmp_path: Path, space: str
) -> None:
    frame, content = pictures
    out = tmp_path / "out.png"
    assert (
        main(["recolour", str(frame), "--content", str(content), "-o", str(out), "--luminance-space", space])
        == 0
    )
    made = imagecodecs.png_decode(out.read_bytes()).astype(float)
    painted = imagecodecs.png_decode(frame.read_bytes()).astype(float)
    assert (made[..., 0] > made[..., 2]).all(), "orange, not blue"
    pair = np.corrcoef(made.mean(2).ravel(), painted.mean(2).ravel())
    assert pair[0, 1] > 0.8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--content", "none.png"], "content: none.png is not there"),
        (["--content", "FRAME", "--keep-colours", "all"], "--keep-colours: 'all' is not a choice"),
        (["--content", "TALL"], "differ in shape"),
        (["--content", "FRAME", "-o", "out.gif"], "no ending of a known format"),
    ],
)
def test_wrong_input_is_one_sentence(
    pictures: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: list[str],
    words: str,
) -> None:
    Image.new("RGB", (20, 50)).save(tmp_path / "tall.png")
    places = {"FRAME": str(pictures[0]), "TALL": str(tmp_path / "tall.png")}
    arguments = [places.get(argument, argument) for argument in change]
    assert main(["recolour", str(pictures[0]), "-o", str(tmp_path / "o.png"), *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("place", [0, 1])
def test_neither_picture_is_written_over(
    pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str], place: int
) -> None:
    frame, content = pictures
    before = pictures[place].read_bytes()
    assert main(["recolour", str(frame), "--content", str(content), "-o", str(pictures[place])]) == 2
    assert f"--output: {pictures[place]} is a file that this reads." in capsys.readouterr().err
    assert pictures[place].read_bytes() == before
