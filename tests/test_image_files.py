"""Image files of other depths than 8 bits, as the command line reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from nst_server.cli.errors import CliError
from nst_server.cli.pictures import read, read_mask

RAMP = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)


def saved(values: np.ndarray, path: Path) -> Path:
    Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("grey.png", (RAMP * 65_535).round().astype(np.uint16)),
        ("grey.tif", (RAMP * 65_535).round().astype(np.uint16)),
        ("integers.tif", (RAMP * 65_535).round().astype(np.int32)),
        ("small.tif", (RAMP * 255).round().astype(np.int32)),
        ("floats.tif", RAMP),
    ],
)
def test_a_ramp_of_any_depth_stays_a_ramp(tmp_path: Path, name: str, values: np.ndarray) -> None:
    path = saved(values, tmp_path / name)
    expected = np.arange(256, dtype=np.uint8)
    pixels = np.frombuffer(read(path, "content")[1], np.uint8).reshape(-1, 4)
    assert (pixels == np.stack([expected] * 3 + [np.full_like(expected, 255)], axis=1)).all()
    assert (np.frombuffer(read_mask(path, "mask")[1], np.uint8) == expected).all()


@pytest.mark.parametrize(
    "values",
    [
        RAMP * 255,
        RAMP - 0.5,
        np.where(RAMP > 0.5, np.float32(np.nan), RAMP),
        (RAMP * 100_000).astype(np.int32),
        (RAMP * 100).astype(np.int32) - 1,
    ],
)
def test_values_beyond_the_range_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    with pytest.raises(CliError, match=r"style: .*deep\.tif has values from .* can be read"):
        read(saved(values, tmp_path / "deep.tif"), "style")


def test_a_transparent_grey_of_16_bits_is_transparent(tmp_path: Path) -> None:
    path = tmp_path / "hole.png"
    Image.fromarray((RAMP * 65_535).round().astype(np.uint16)).save(path, transparency=514)
    alpha = read(path, "content")[1][3::4]
    assert [place for place, value in enumerate(alpha) if value == 0] == [2]


def test_white_may_be_zero(tmp_path: Path) -> None:
    tags = ImageFileDirectory_v2()
    tags[262] = 0
    path = tmp_path / "inverted.tif"
    Image.fromarray((RAMP * 65_535).round().astype(np.uint16)).save(path, tiffinfo=tags)
    assert read(path, "content")[1][0::4] == bytes(range(255, -1, -1))


def test_a_mask_that_covers_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"mask: .*black\.png is black everywhere"):
        read_mask(saved(np.zeros((4, 4), np.uint8), tmp_path / "black.png"), "mask", (9, 9))
