"""Image files with several pictures or pages, and TIFF files that nobody can read."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from nst_server.cli import image_files
from nst_server.cli.errors import CliError
from nst_server.cli.pictures import read

COLOURS = np.random.default_rng(7).integers(0, 65_536, (16, 16, 3), np.uint16)


@pytest.mark.parametrize("name", ["a.tif", "a.gif", "a.png", "a.webp"])
def test_of_several_pictures_in_a_file_the_first_is_read_and_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    first, second = Image.new("RGB", (8, 8), (200, 30, 30)), Image.new("RGB", (8, 8), (30, 60, 200))
    first.save(tmp_path / name)
    read(tmp_path / name, "style")
    assert not capsys.readouterr().err
    first.save(tmp_path / name, save_all=True, append_images=[second])
    assert np.abs(read(tmp_path / name, "style").numbers()[4, 4].astype(int) - (200, 30, 30, 255)).max() < 9
    assert "the first is used" in capsys.readouterr().err


def test_a_smaller_copy_of_a_tiff_is_no_further_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(COLOURS, photometric="rgb", metadata=None)
        file.write(COLOURS[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    assert read(tmp_path / "a.tif", "content").size == (16, 16)
    assert not capsys.readouterr().err


def test_a_further_page_that_is_cut_off_is_none_and_only_one_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for _ in range(4):
            file.write(COLOURS, photometric="rgb", metadata=None)
    with tifffile.TiffFile(path) as file:
        offsets = [page.offset for page in file.pages]
    # Without handlers of their own, warnings go to standard error.
    monkeypatch.setattr(logging.root, "handlers", [])
    whole = path.read_bytes()
    for length, told in ((offsets[1] + 20, 0), (offsets[2] + 20, 1), (len(whole), 1)):
        path.write_bytes(whole[:length])
        assert (read(path, "content").numbers()[..., :3] == COLOURS).all()
        assert capsys.readouterr().err.count("\n") == told
    looked_at = []

    def page(is_reduced: bool) -> tifffile.TiffPage:
        looked_at.append(is_reduced)
        return SimpleNamespace(is_reduced=is_reduced)

    assert image_files._has_several(map(page, [False, True, False, False, False]))
    assert looked_at == [False, True, False]


@pytest.mark.parametrize("bits", [(5, 6, 5), (16, 16, 8)])
@pytest.mark.parametrize("photometric", [2, 8])
def test_channels_of_unequal_bits_are_refused(
    tmp_path: Path, bits: tuple[int, ...], photometric: int
) -> None:
    """Of RGB and of CIELAB."""
    path = tmp_path / "unequal.tif"
    tifffile.imwrite(path, COLOURS, photometric="rgb")
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages.first.tags
        tags["BitsPerSample"].overwrite(bits)
        tags["PhotometricInterpretation"].overwrite(photometric)
    with pytest.raises(CliError, match=r"content: .*unequal\.tif"):
        read(path, "content")
