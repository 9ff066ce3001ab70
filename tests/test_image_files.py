"""Image files as the command line reads them: every depth, profile and orientation, and writes them back."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from nst_server import raster
from nst_server.cli import outputs
from nst_server.cli.errors import CliError
from nst_server.cli.pictures import Picture, in_depth, read, read_mask

RAMP = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
DEEP = (RAMP * 65_535).round().astype(np.uint16)
COLOURS = np.stack((DEEP, DEEP[::-1], DEEP.T), axis=-1)
ADOBE = [0.64, 0.33, 1, 0.21, 0.71, 1, 0.15, 0.06, 1]
WIDE = imagecodecs.cms_profile("rgb", whitepoint=[0.3127, 0.329, 1], primaries=ADOBE, gamma=2.2)
GREY = imagecodecs.cms_profile("gray", gamma=1.0)


def saved(values: np.ndarray, path: Path, **tiff: object) -> Path:
    if path.suffix == ".tif":
        tifffile.imwrite(path, values, **tiff)
    elif values.dtype == np.uint16:
        path.write_bytes(raster.png(np.atleast_3d(values)))
    else:
        Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "values", "depth"),
    [
        ("grey.png", DEEP, 16),
        ("grey.tif", DEEP, 16),
        ("small.png", in_depth(DEEP, 8), 8),
        ("integers.tif", DEEP.astype(np.int32), 16),
        ("signed.tif", (RAMP * 32_767).round().astype(np.int16), 16),
        ("small.tif", in_depth(DEEP, 8).astype(np.int32), 8),
        ("floats.tif", RAMP, 32),
        ("half.tif", RAMP.astype(np.float16), 32),
    ],
)
def test_a_grey_ramp_of_any_depth_stays_a_ramp_and_gets_colours(
    tmp_path: Path, name: str, values: np.ndarray, depth: int
) -> None:
    path = saved(values, tmp_path / name)
    picture = read(path, "content")
    assert (picture.depth, picture.size, picture.profile) == (depth, (16, 16), None)
    numbers = in_depth(picture.numbers(), 8)
    expected = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    assert (numbers == np.concatenate([expected] * 3 + [np.full_like(expected, 255)], axis=2)).all()
    assert (np.frombuffer(read_mask(path, "mask")[1], np.uint8) == expected.ravel()).all()


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_colours_of_16_bits_keep_every_bit(tmp_path: Path, name: str) -> None:
    picture = read(saved(COLOURS, tmp_path / name), "content")
    assert picture.pixels.dtype == "uint16"
    assert (picture.numbers()[..., :3] == COLOURS).all()
    assert not picture.is_transparent()


def test_floats_may_exceed_white(tmp_path: Path) -> None:
    bright = np.stack([RAMP * 9] * 3, axis=-1)
    picture = read(saved(bright, tmp_path / "bright.tif", photometric="rgb"), "content")
    assert (picture.numbers()[..., :3] == bright).all()


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
def test_grey_beyond_the_range_is_refused(tmp_path: Path, values: np.ndarray) -> None:
    with pytest.raises(CliError, match=r"style: .*deep\.tif has values from .* can be read"):
        read(saved(values, tmp_path / "deep.tif"), "style")


def test_numbers_that_no_colour_has_are_told_and_cleaned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = np.stack([RAMP] * 3, axis=-1)
    values[0, :4, 0] = np.nan
    values[1, :2, 1] = np.inf, -1e30
    numbers = read(saved(values, tmp_path / "odd.tif", photometric="rgb"), "style").numbers()
    told = capsys.readouterr().err.splitlines()
    assert [line.partition("odd.tif holds ")[2].partition(" ")[0] for line in told] == ["4", "2"]
    assert all(line.startswith("note: style: ") for line in told)
    assert not numbers[0, :4, 0].any()
    assert numbers[1, :2, 1].tolist() == [raster.LARGEST, -raster.LARGEST]
    untouched = np.abs(np.nan_to_num(values, nan=-1e9)) <= 1
    assert (numbers[..., :3][untouched] == values[untouched]).all()


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_that_is_no_number_is_opaque(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], channels: int, kind: str
) -> None:
    values = np.full((4, 4, channels), 0.5, np.float32)
    values[..., -1] = np.nan
    like = {"photometric": "rgb" if channels == 4 else "minisblack", "extrasamples": [kind]}
    numbers = read(saved(values, tmp_path / "a.tif", **like), "content").numbers()
    assert (numbers == [0.5, 0.5, 0.5, 1]).all()
    assert "holds 16 values of alpha that are no numbers and count as opaque" in capsys.readouterr().err


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_an_image_without_any_number_of_a_colour_is_refused(tmp_path: Path, value: float) -> None:
    values = np.full((4, 4, 3), value, np.float32)
    with pytest.raises(CliError, match=r"content: .*none\.tif holds no numbers of colours"):
        read(saved(values, tmp_path / "none.tif", photometric="rgb"), "content")


@pytest.mark.parametrize("deep", [True, False])
def test_an_image_of_which_nothing_is_seen_is_refused_but_as_a_mask(tmp_path: Path, deep: bool) -> None:
    clear = np.full((4, 4, 4), 255, np.uint16 if deep else np.uint8)
    clear[..., 3] = 0
    path = saved(clear, tmp_path / "clear.png")
    with pytest.raises(CliError, match=r"content: .*clear\.png is wholly transparent"):
        read(path, "content")
    with pytest.raises(CliError, match="is black everywhere"):
        read_mask(path, "mask")
    clear[0, 0, 3] = 1
    assert read(saved(clear, path), "content").is_transparent()


def test_what_is_lost_of_deep_cmyk_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ink = np.full((8, 8, 4), 20_000, np.uint16)
    for values, told in ((ink, "8 of its 16 bits are used"), (in_depth(ink, 8), "")):
        picture = read(saved(values, tmp_path / "ink.tif", photometric="separated"), "content")
        said = capsys.readouterr().err
        assert picture.depth == 8
        assert told in said if told else not said


def test_what_integers_of_32_bits_may_be_is_said(tmp_path: Path) -> None:
    path = saved(DEEP.astype(np.uint32) * 65_537, tmp_path / "wide.tif")
    words = r"0 to 4294967295; of numbers of 32 bits, those from 0 to 65535 can be read\."
    with pytest.raises(CliError, match=words):
        read(path, "content")


@pytest.mark.parametrize("layout", ["contig", "separate"])
@pytest.mark.parametrize("depth", [8, 16])
def test_cmyk_may_have_alpha(tmp_path: Path, layout: str, depth: int) -> None:
    """Straight or premultiplied; without a profile, ink takes away light."""
    paint = np.concatenate((COLOURS, np.zeros_like(COLOURS[..., :1])), axis=2)
    alpha = np.full((16, 16, 1), 32_896, np.uint16)
    multiplied = np.rint(paint * (32_896 / 65_535)).astype(np.uint16)
    for kind, ink in (("unassalpha", paint), ("assocalpha", multiplied)):
        values = in_depth(np.concatenate((ink, alpha), axis=2), depth)
        shown = values if layout == "contig" else np.moveaxis(values, -1, 0)
        like = {"photometric": "separated", "planarconfig": layout, "extrasamples": [kind]}
        picture = read(saved(shown, tmp_path / "ink.tif", **like), "content")
        expected = np.concatenate((255 - in_depth(COLOURS, 8), in_depth(alpha, 8)), axis=2)
        assert picture.depth == 8
        assert np.abs(picture.numbers().astype(int) - expected).max() <= (1 if kind == "unassalpha" else 2)


def test_deep_lab_is_refused_and_nothing_else_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(COLOURS, tmp_path / "lab.tif", photometric="cielab")
    with pytest.raises(CliError, match="has 16 bits, in a colour model that is not read so") as caught:
        read(path, "content")
    assert caught.value.hint == "Save it as RGB."
    assert not capsys.readouterr().err


def test_as_many_pixels_are_read_as_the_server_takes(tmp_path: Path) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side, said in ((14_000, "is damaged: "), (16_385, "is too large: more than 268 million pixels")):
        parts = chunk(b"IHDR", struct.pack(">II5B", side, side, 8, 0, 0, 0, 0)), chunk(b"IDAT", b"x")
        (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
        with pytest.raises(CliError, match=said):
            read(tmp_path / "large.png", "content")
    too_many = tifffile.memmap(tmp_path / "large.tif", shape=(16_385, 16_385), dtype=np.uint16)
    del too_many
    with pytest.raises(CliError, match="more than 268 million"):
        read(tmp_path / "large.tif", "content")


@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_tiff_alpha_is_straight_whatever_the_file_has(tmp_path: Path, layout: str) -> None:
    alpha = np.full((16, 16, 1), 32_768, np.uint16)
    straight = np.concatenate((COLOURS, alpha), axis=2)
    multiplied = np.concatenate((np.rint(COLOURS * (32_768 / 65_535)).astype(np.uint16), alpha), axis=2)
    kinds = {"unassalpha": straight, "assocalpha": multiplied}
    for kind, values in kinds.items():
        shown = values if layout == "contig" else np.moveaxis(values, -1, 0)
        path = tmp_path / f"{kind}.tif"
        tifffile.imwrite(path, shown, photometric="rgb", planarconfig=layout, extrasamples=[kind])
        difference = read(path, "content").numbers().astype(int) - straight
        assert np.abs(difference).max() <= (0 if kind == "unassalpha" else 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [True, False])
def test_every_orientation_is_turned_upright(tmp_path: Path, orientation: int, deep: bool) -> None:
    shown = np.arange(24, dtype=np.uint16).reshape(2, 4, 3) * 10
    path = tmp_path / "turned.tif"
    # Where the file's first row and column lie in the picture, by the tag (TIFF 6.0, page 36).
    stored = {
        1: shown,
        2: shown[:, ::-1],
        3: shown[::-1, ::-1],
        4: shown[::-1],
        5: shown.swapaxes(0, 1),
        6: shown[:, ::-1].swapaxes(0, 1),
        7: shown[::-1, ::-1].swapaxes(0, 1),
        8: shown[::-1].swapaxes(0, 1),
    }[orientation]
    values = np.ascontiguousarray(stored) if deep else np.ascontiguousarray(stored).astype(np.uint8)
    tag = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(path, values, photometric="rgb", extratags=tag)
    assert (read(path, "content").numbers()[..., :3] == shown).all()


def test_white_may_be_zero(tmp_path: Path) -> None:
    path = saved(DEEP, tmp_path / "inverted.tif", photometric="miniswhite")
    assert (read(path, "content").numbers()[..., 0] == 65_535 - DEEP).all()


@pytest.mark.parametrize("values", [DEEP, COLOURS], ids=["grey", "colour"])
def test_a_png_of_16_bits_with_one_transparent_colour_is_transparent_there(
    tmp_path: Path, values: np.ndarray
) -> None:
    import struct
    import zlib

    numbers = np.atleast_3d(values)
    file = raster.png(numbers)
    body = b"tRNS" + struct.pack(f">{numbers.shape[2]}H", *numbers[0, 2].tolist())
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "hole.png").write_bytes(file[:33] + chunk + file[33:])
    alpha = read(tmp_path / "hole.png", "content").numbers()[..., 3].ravel()
    assert np.flatnonzero(alpha == 0).tolist() == [2]


def test_a_mask_that_covers_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"mask: .*black\.png is black everywhere"):
        read_mask(saved(np.zeros((4, 4), np.uint8), tmp_path / "black.png"), "mask", (9, 9))


@pytest.mark.parametrize("share", [0.2, 0.7])
@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_a_damaged_deep_file_is_named(tmp_path: Path, name: str, share: float) -> None:
    path = saved(COLOURS, tmp_path / name)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CliError, match=r"content: .*deep\.(png|tif) "):
        read(path, "content")


@pytest.mark.parametrize("data", [b"II*\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0"])
def test_a_tiff_that_ends_in_its_header_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "cut.tif").write_bytes(data)
    with pytest.raises(CliError, match=r"content: .*cut\.tif "):
        read(tmp_path / "cut.tif", "content")


def test_a_tiff_that_ends_after_its_header_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "cut.tif").write_bytes(b"II*\0\x08\0\0\0")
    with pytest.raises(CliError, match=r"content: .*cut\.tif is damaged\."):
        read(tmp_path / "cut.tif", "content")


def test_what_no_frame_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"wide\.png cannot be used: width: 65536 is not"):
        read(saved(np.zeros((1, 65_536, 3), np.uint8), tmp_path / "wide.png"), "content")
    tifffile.imwrite(tmp_path / "complex.tif", np.ones((2, 2), np.complex64))
    with pytest.raises(CliError, match=r"complex\.tif is not an image that can be read"):
        read(tmp_path / "complex.tif", "content")


@pytest.mark.parametrize("name", ["dot.png", "dot.tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_single_pixel_is_written(tmp_path: Path, name: str, dtype: type) -> None:
    dot = np.array([[[10, 20, 30]]], dtype)
    picture = read(saved(dot, tmp_path / "given.tif"), "content")
    outputs.write(tmp_path / name, picture, 8 * dot.itemsize)
    assert read(tmp_path / name, "content").numbers()[0, 0, :3].tolist() == [10, 20, 30]


# Profiles.


def with_profile(path: Path, profile: bytes, values: np.ndarray) -> Path:
    if path.suffix == ".png":
        path.write_bytes(raster.png(np.atleast_3d(values), profile))
    elif path.suffix == ".tif":
        tifffile.imwrite(path, values, iccprofile=profile)
    else:
        Image.fromarray(in_depth(values, 8)).save(path, icc_profile=profile)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.webp"])
def test_a_wide_profile_travels_with_the_numbers_and_srgb_need_not(tmp_path: Path, name: str) -> None:
    wide = read(with_profile(tmp_path / name, WIDE, COLOURS), "content")
    assert (wide.pixels.colour_space, wide.profile, wide.icc) == ("icc", WIDE, WIDE)
    plain = read(with_profile(tmp_path / name, raster.SRGB, COLOURS), "content")
    assert (plain.pixels.colour_space, plain.profile, plain.icc) == ("srgb", raster.SRGB, None)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_grey_with_a_profile_becomes_srgb(tmp_path: Path, name: str) -> None:
    picture = read(with_profile(tmp_path / name, GREY, DEEP), "content")
    assert picture.profile is None
    middle = picture.numbers()[7, 15, 0] / 65_535
    assert middle == pytest.approx(1.055 * RAMP[7, 15] ** (1 / 2.4) - 0.055, abs=0.002)


@pytest.mark.parametrize("profile", [b"none", WIDE[:200] + bytes(len(WIDE) - 200), GREY])
def test_a_profile_that_does_not_fit_is_as_good_as_none_and_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], profile: bytes
) -> None:
    picture = read(with_profile(tmp_path / "a.png", profile, COLOURS), "content")
    assert (picture.profile, picture.pixels.colour_space) == (None, "srgb")
    told = capsys.readouterr().err
    what = "is for GRAY" if profile == GREY else "is damaged"
    assert told.startswith("note: content: ") and f"has a profile that {what}" in told


def test_cmyk_becomes_srgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "ink.jpg")
    picture = read(tmp_path / "ink.jpg", "content")
    assert (picture.pixels.colour_space, picture.profile) == ("srgb", None)
    red, green, *_ = picture.numbers()[4, 4].tolist()
    assert red > 200 and green < 60


# Writing.


def picture_of(values: np.ndarray, profile: bytes | None = None) -> Picture:
    from nst_server.cli.pictures import _picture

    alpha = np.full_like(values[..., :1], raster.white(values))
    return _picture(np.concatenate((values, alpha), axis=2), profile, profile is None)


@pytest.mark.parametrize("profile", [None, WIDE], ids=["untagged", "wide"])
@pytest.mark.parametrize(
    ("name", "depth"),
    [(f"a{e}", d) for e, depths in outputs.DEPTHS.items() for d in depths],
)
def test_what_is_written_reads_the_same(tmp_path: Path, name: str, depth: int, profile: bytes | None) -> None:
    values = in_depth(COLOURS, depth)
    outputs.write(tmp_path / name, picture_of(values, profile), depth)
    back = read(tmp_path / name, "content")
    assert (back.depth, back.profile) == (depth, profile)
    lossless = Path(name).suffix not in (".jpg", ".jpeg", ".webp")
    difference = np.abs(back.numbers()[..., :3].astype(float) - values).max()
    assert difference == 0 if lossless else difference < 60
    if Path(name).suffix == ".png":
        with Image.open(tmp_path / name) as file:
            assert file.mode == "RGB"
            assert file.info.get("icc_profile") == profile


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.png"])
def test_linear_light_is_written_as_srgb_where_8_bits_would_show_bands(tmp_path: Path, name: str) -> None:
    srgb = [0.64, 0.33, 1, 0.3, 0.6, 1, 0.15, 0.06, 1]
    linear = imagecodecs.cms_profile("rgb", whitepoint=[0.3127, 0.329, 1], primaries=srgb, gamma=1.0)
    ramp = np.stack([np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))] * 3, axis=-1)
    light = np.where(ramp <= 0.04045, ramp / 12.92, ((ramp + 0.055) / 1.055) ** 2.4).astype(np.float32)
    for values, converted in ((light, True), (in_depth(light, 8), False)):
        outputs.write(tmp_path / name, picture_of(values, linear), 8)
        back = read(tmp_path / name, "content")
        assert (back.icc is None) == converted, "8 bits stay as they are"
        if converted:
            assert np.abs(back.numbers()[..., :3] / 255 - ramp).max() < 0.03
            assert back.profile == raster.SRGB


def test_transparency_is_written_where_there_is_some(tmp_path: Path) -> None:
    picture = picture_of(COLOURS)
    numbers = picture.numbers().copy()
    numbers[3, 4, 3] = 100
    half = Picture(picture.pixels.of(numbers.tobytes()), numbers.tobytes())
    assert half.is_transparent()
    for name in ("a.png", "a.tif"):
        outputs.write(tmp_path / name, half, 16)
        assert (read(tmp_path / name, "content").numbers() == numbers).all()


@pytest.mark.parametrize(
    ("name", "own", "asked", "depth"),
    [
        ("a.png", 32, None, 16),
        ("a.png", 8, None, 8),
        ("a.png", 8, 16, 16),
        ("a.jpg", 16, None, 8),
        ("a.tif", 32, None, 32),
        ("a.tif", 32, 8, 8),
    ],
)
def test_the_depth_is_the_contents_as_far_as_the_file_can(
    tmp_path: Path, name: str, own: int, asked: int | None, depth: int
) -> None:
    import argparse

    arguments = argparse.Namespace(output=tmp_path / name, bit_depth=asked)
    assert outputs.depth_for(arguments, picture_of(in_depth(COLOURS, own)), is_transparent=False) == depth


def test_a_depth_that_the_file_cannot_have_is_refused(tmp_path: Path) -> None:
    import argparse

    arguments = argparse.Namespace(output=tmp_path / "a.jpg", bit_depth=16)
    with pytest.raises(CliError, match=r"--bit-depth: \.jpg files have no 16 bits") as caught:
        outputs.depth_for(arguments, picture_of(COLOURS), is_transparent=False)
    assert caught.value.hint == "Use .png, .tif, .tiff."
    assert not (tmp_path / "a.jpg").exists()


def test_numbers_change_depth_without_loss() -> None:
    every = np.arange(256, dtype=np.uint8)
    assert (in_depth(in_depth(every, 16), 8) == every).all()
    assert (in_depth(in_depth(every, 32), 8) == every).all()
    deep = np.arange(65_536, dtype=np.uint16)
    assert (in_depth(in_depth(deep, 32), 16) == deep).all()
    assert in_depth(np.float32([2.5, -1]), 16).tolist() == [65_535, 0]
