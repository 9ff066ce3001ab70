"""Pixels of the wire ⇄ tensors."""

import io
import struct
import zlib
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nst_server.engine.images import ImageError, Picture, from_blob, mask_from_blob, to_blob
from nst_server.wire.pixels import CHANNELS, DTYPES, Pixels, digest_of

NUMPY = {"uint8": "u1", "uint16": "<u2", "float16": "<f2", "float32": "<f4"}
PRIMARIES = {"adobe": [0.64, 0.33, 1, 0.21, 0.71, 1, 0.15, 0.06, 1]}
WIDE = imagecodecs.cms_profile("rgb", whitepoint=[0.3127, 0.329, 1], primaries=PRIMARIES["adobe"], gamma=2.2)
GREY = imagecodecs.cms_profile("gray", gamma=2.2)


def described(array, channels="RGBA", encoding="raw", icc=None, **more):
    """Description and bytes of ``array`` [H, W, C]."""
    if encoding == "png":
        data = bytes(imagecodecs.png_encode(array[..., 0] if array.shape[-1] == 1 else array))
    else:
        data = array.tobytes()
    if icc is not None:
        more |= {"colour_space": "icc", "icc": digest_of(icc)}
    height, width = array.shape[:2]
    dtype = more.pop("dtype", array.dtype.name)
    return (
        Pixels(
            digest_of(data),
            width,
            height,
            len(data),
            channels=channels,
            dtype=dtype,
            encoding=encoding,
            **more,
        ),
        data,
    )


def random_array(dtype, channels, height=5, width=7, seed=0):
    values = np.random.default_rng(seed).random((height, width, channels))
    if dtype.startswith("uint"):
        return np.rint(values * np.iinfo(dtype).max).astype(NUMPY[dtype])
    return values.astype(NUMPY[dtype])


def read(pixels, data):
    return np.frombuffer(data, NUMPY[pixels.dtype]).reshape(
        pixels.height, pixels.width, CHANNELS[pixels.channels]
    )


@pytest.mark.parametrize("space", ["srgb", "linear-srgb", "icc"])
@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("channels", list(CHANNELS))
def test_round_trip_of_every_format(channels, dtype, space):
    count = CHANNELS[channels]
    array = random_array(dtype, count)
    if space == "icc":
        # Inside sRGB, which Adobe RGB's corners are not.
        array = (array // 4 + np.iinfo(dtype).max // 3) if dtype.startswith("uint") else array / 4 + 1 / 3
        array = array.astype(NUMPY[dtype])
    icc = None if space != "icc" else (GREY if count < 3 else WIDE)
    more = {} if space == "icc" else {"colour_space": space}
    pixels, data = described(array, channels, icc=icc, x=-3, y=12, **more)
    picture = from_blob(pixels, data, icc)
    assert picture.rgb.shape == (3, 5, 7)
    assert picture.rgb.dtype == torch.float32
    assert (picture.alpha is not None) == pixels.has_alpha
    back, returned = to_blob(picture, pixels, icc)
    assert (back.channels, back.dtype, back.colour_space, back.icc) == (channels, dtype, space, pixels.icc)
    assert (back.x, back.y, back.digest) == (-3, 12, digest_of(returned))
    if space == "srgb" and dtype.startswith("uint"):
        assert returned == data
    else:
        largest = np.iinfo(dtype).max if dtype.startswith("uint") else 1
        # 0.0005 is 16-bit float's step just below 1; profiles are tables, good to about 1 in 2000.
        difference = np.abs(read(back, returned).astype(float) - array.astype(float)) / largest
        assert difference.max() <= (0.0006 if dtype != "uint8" else 1 / 255)


@given(st.sampled_from(["uint8", "uint16"]), st.integers(0, 2**32 - 1))
def test_integers_in_srgb_come_back_bit_for_bit(dtype, seed):
    for channels in ("BGRA", "GRAYA"):
        array = random_array(dtype, CHANNELS[channels], 1 + seed % 5, 1 + seed % 7, seed)
        pixels, data = described(array, channels)
        assert to_blob(from_blob(pixels, data), pixels) == (pixels, data)


def test_every_16_bit_grey_value_comes_back():
    array = np.arange(65536, dtype="<u2").reshape(256, 256, 1)
    pixels, data = described(array, "GRAY")
    assert to_blob(from_blob(pixels, data), pixels)[1] == data


def test_channel_order_and_scale():
    bgra = np.array([[[255, 0, 51, 102]]], "u1")
    picture = from_blob(*described(bgra, "BGRA"))
    assert torch.allclose(picture.rgb[:, 0, 0], torch.tensor([0.2, 0.0, 1.0]))
    assert float(picture.alpha[0, 0]) == pytest.approx(0.4)


def test_linear_light_is_encoded():
    array = np.full((1, 1, 4), 0.214041, "<f4")
    picture = from_blob(*described(array, colour_space="linear-srgb"))
    assert float(picture.rgb[0, 0, 0]) == pytest.approx(0.5, abs=1e-5)
    assert float(picture.alpha[0, 0]) == pytest.approx(0.214041)


def test_profile_is_honoured_and_undone():
    array = np.full((2, 2, 4), 30000, "<u2")
    array[..., 1] = 40000
    pixels, data = described(array, icc=WIDE)
    plain, _ = described(array)
    assert not torch.allclose(from_blob(pixels, data, WIDE).rgb, from_blob(plain, data).rgb, atol=0.01)
    _, returned = to_blob(from_blob(pixels, data, WIDE), pixels, WIDE)
    assert np.abs(np.frombuffer(returned, "<u2").astype(int) - array.ravel()).max() <= 20


def test_saturated_colours_of_a_profile_come_back_where_the_content_stays():
    array = np.zeros((1, 3, 4), "u1")
    array[0, :, :] = (0, 255, 0, 255)
    pixels, data = described(array, icc=WIDE)
    picture = from_blob(pixels, data, WIDE)
    assert float(picture.rgb.min()) >= 0
    returned = np.frombuffer(to_blob(picture.painted(picture.rgb), pixels, WIDE)[1], "u1")
    assert np.abs(returned.astype(int) - array.ravel()).max() <= 2
    orange = torch.tensor([1.0, 0.5, 0.1])[:, None, None].expand(3, 1, 3)
    stained = to_blob(replace(picture.painted(orange), gain=None), pixels, WIDE)[1]
    plain = to_blob(Picture(orange, picture.alpha), pixels, WIDE)[1]
    assert stained == plain


def test_colours_brighter_than_white_come_back():
    array = random_array("float32", 4) * np.float32(8)
    array[..., 3] = 1
    pixels, data = described(array)
    picture = from_blob(pixels, data)
    assert float(picture.rgb.max()) <= 1
    _, returned = to_blob(picture, pixels)
    np.testing.assert_allclose(np.frombuffer(returned, "<f4").reshape(array.shape), array, rtol=1e-5)
    darker = to_blob(picture.painted(picture.rgb / 2), pixels)[1]
    np.testing.assert_allclose(
        np.frombuffer(darker, "<f4").reshape(array.shape)[..., :3], array[..., :3] / 2, rtol=1e-5
    )


def test_numbers_that_are_none_are_cleaned():
    array = np.array([[[np.nan, np.inf, -np.inf, np.nan], [0.25, -3, 0.5, 2]]], "<f4")
    pixels, data = described(array)
    picture = from_blob(pixels, data)
    assert bool(picture.rgb.isfinite().all())
    assert torch.equal(picture.rgb[:, 0, 0], torch.tensor([0.0, 1.0, 0.0]))
    assert torch.equal(picture.rgb[:, 0, 1], torch.tensor([0.25, 0.0, 0.5]))
    assert torch.equal(picture.alpha, torch.tensor([[0.0, 1.0]]))
    for dtype in DTYPES:
        _, returned = to_blob(picture, Pixels("0" * 64, 2, 1, 8 * DTYPES[dtype], dtype=dtype))
        assert np.isfinite(np.frombuffer(returned, NUMPY[dtype]).astype(float)).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_png_of_any_kind(dtype, count):
    array = random_array(dtype, count)
    pixels, data = described(array, "RGBA", encoding="png")
    picture = from_blob(pixels, data)
    largest = np.iinfo(dtype).max
    np.testing.assert_allclose(picture.rgb[0], array[..., 0] / largest, atol=1e-6)
    back, returned = to_blob(picture, pixels)
    decoded = imagecodecs.png_decode(returned)
    assert decoded.shape == (5, 7, 4)
    assert decoded.dtype == np.dtype(dtype)
    assert back.bytes == len(returned)
    np.testing.assert_array_equal(decoded[..., 2], array[..., 2 if count > 2 else 0])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_png_file_carries_its_profile(dtype):
    pixels, data = described(random_array(dtype, 4), encoding="png", icc=WIDE)
    _, returned = to_blob(from_blob(pixels, data, WIDE), pixels, WIDE)
    with Image.open(io.BytesIO(returned)) as file:
        file.load()
        assert file.info["icc_profile"] == WIDE
    _, untagged = to_blob(Picture(torch.rand(3, 5, 7)), replace(pixels, colour_space="srgb", icc=None))
    with Image.open(io.BytesIO(untagged)) as file:
        assert "icc_profile" not in file.info


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
@pytest.mark.parametrize("channels", ["GRAY", "GRAYA", "BGRA"])
def test_png_of_one_row_or_column(size, channels):
    array = random_array("uint8", CHANNELS[channels], *size)
    pixels, data = described(array, channels, encoding="png")
    picture = from_blob(pixels, data)
    again = from_blob(*to_blob(picture, pixels))
    assert torch.equal(picture.rgb, again.rgb)


def test_png_that_claims_another_size_is_refused_before_decoding():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    pixels = Pixels(digest_of(bomb), 4, 4, len(bomb), encoding="png")
    with pytest.raises(ImageError, match="60000×60000, not 4×4") as caught:
        from_blob(pixels, bomb)
    assert caught.value.field == "width"


def test_broken_images_are_refused_with_the_field():
    array = random_array("uint8", 4)
    raw, data = described(array)
    png, file = described(array, encoding="png")
    float_png = Pixels(digest_of(file), 7, 5, len(file), dtype="float32", encoding="png")
    for field, pixels, blob in (
        ("bytes", raw, data[:-1]),
        ("encoding", png, file[: len(file) // 2]),
        ("encoding", png, b"<html>"),
        ("encoding", png, b""),
        ("dtype", float_png, file),
    ):
        with pytest.raises(ImageError) as caught:
            from_blob(pixels, blob)
        assert caught.value.field == field
        assert caught.value.hint


@pytest.mark.parametrize("icc", [None, b"", b"garbage" * 60, WIDE[:200] + bytes(len(WIDE) - 200), GREY])
def test_unusable_profile_is_refused(icc):
    pixels, data = described(random_array("uint8", 4), icc=WIDE)
    with pytest.raises(ImageError) as caught:
        from_blob(pixels, data, icc)
    assert caught.value.field == "icc"
    with pytest.raises(ImageError):
        to_blob(Picture(torch.rand(3, 5, 7)), pixels, icc)


def test_mask_makes_frames_transparent():
    array = random_array("uint8", 4)
    array[..., 3] = 200
    pixels, data = described(array)
    mask = torch.zeros(5, 7)
    mask[:, 3:] = 0.5
    _, returned = to_blob(from_blob(pixels, data), pixels, mask=mask)
    alpha = read(pixels, returned)[..., 3]
    assert (alpha[:, :3] == 0).all()
    assert (alpha[:, 3:] == 100).all()
    np.testing.assert_array_equal(read(pixels, returned)[..., :3], array[..., :3])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", ["BGRA", "GRAY"])
def test_untouched_pixels_keep_their_very_bytes(dtype, channels):
    rng = np.random.default_rng(2)
    array = rng.integers(0, 256, (6, 5, CHANNELS[channels] * DTYPES[dtype]), np.uint8).view(NUMPY[dtype])
    pixels, data = described(array, channels, icc=None, dtype=dtype)
    where = torch.zeros(6, 5, dtype=torch.bool)
    where[:, 2:] = True
    picture = from_blob(pixels, data)
    painted = picture.painted(torch.full_like(picture.rgb, 0.4))
    made = np.frombuffer(to_blob(painted, pixels, untouched=(where, data))[1], NUMPY[dtype]).reshape(
        array.shape
    )
    count = CHANNELS[channels] - pixels.has_alpha
    assert made[:, 2:, :count].tobytes() == array[:, 2:, :count].tobytes()
    assert made[:, :2, :count].tobytes() != array[:, :2, :count].tobytes()


def test_coverage_of_a_mask():
    ramp = np.array([[[0], [51], [255]]], "u1")
    assert torch.allclose(mask_from_blob(*described(ramp, "MASK")), torch.tensor([[0.0, 0.2, 1.0]]))
    coloured = np.array([[[255, 255, 255, 51], [0, 0, 0, 255]]], "u1")
    assert torch.allclose(mask_from_blob(*described(coloured)), torch.tensor([[0.2, 0.0]]))


def test_other_sizes_are_not_painted_over():
    with pytest.raises(ValueError, match="the picture is"):
        Picture(torch.zeros(3, 4, 4)).painted(torch.zeros(3, 2, 2))


def test_a_picture_brought_to_a_size_keeps_what_is_beyond_white_and_srgb():
    gain, deficit = torch.full((4, 6), 2.5), torch.full((3, 4, 6), -0.2)
    picture = Picture(torch.full((3, 4, 6), 0.5), torch.ones(4, 6), gain, deficit)
    around = torch.full((3, 4, 12), 0.1)
    stretched = picture.fitted((12, 4), "stretch", around)
    assert stretched.rgb.shape == (3, 4, 12)
    assert torch.allclose(stretched.gain, torch.tensor(2.5)) and stretched.gain.shape == (4, 12)
    assert torch.allclose(stretched.deficit, torch.tensor(-0.2))
    contained = picture.fitted((12, 4), "contain", around)
    assert torch.equal(contained.rgb[:, :, :3], around[:, :, :3])
    assert contained.alpha[0].tolist() == [0] * 3 + [1] * 6 + [0] * 3
    assert torch.allclose(contained.gain[0], torch.tensor([1.0] * 3 + [2.5] * 6 + [1.0] * 3))
    assert picture.fitted((6, 4), "contain", around).gain is gain


@pytest.mark.parametrize("brightest", [4.0, 20.0, 100.0])
def test_no_size_makes_a_lamp_brighter_than_it_is(brightest):
    gain = torch.ones(40, 40)
    gain[:, 20:] = brightest
    lamp = Picture(torch.full((3, 40, 40), 0.5), None, gain).fitted(
        (60, 60), "stretch", torch.zeros(3, 60, 60)
    )
    assert float(lamp.gain.max()) <= brightest * 1.00001
    assert float(lamp.gain.min()) >= 1


def test_one_picture_over_another():
    bright = Picture(torch.full((3, 1, 2), 0.8), None, torch.full((1, 2), 3.0))
    ground = Picture(torch.full((3, 1, 2), 0.2), torch.full((1, 2), 0.5))
    mixed = bright.over(ground, torch.tensor([[1.0, 0.0]]))
    assert torch.equal(mixed.rgb[0], torch.tensor([[0.8, 0.2]]))
    assert torch.equal(mixed.gain, torch.tensor([[3.0, 1.0]]))
    assert mixed.alpha is ground.alpha and mixed.deficit is None


def test_brightness_and_saturation_under_transparent_pixels_do_not_spread():
    alpha = torch.ones(8, 8)
    alpha[:, 4:] = 0
    hidden = 1 - alpha
    bright = Picture(torch.full((3, 8, 8), 0.5), alpha, 1 + 3 * hidden, -0.2 * hidden.expand(3, 8, 8))
    small = bright.fitted((4, 4), "stretch", torch.zeros(3, 4, 4))
    assert float(small.gain.max()) == 1
    assert float(small.deficit.abs().max()) == 0


def test_a_style_is_read_without_its_frame_and_what_is_transparent():
    rgb = torch.rand(3, 120, 300)
    inside = Picture(rgb).inside
    assert inside.alpha is None and inside.rgb.equal(rgb[:, 1:119, 3:297])
    alpha = torch.zeros(120, 300)
    alpha[10:110, 100:] = 0.5
    inside = Picture(rgb, alpha).inside
    assert inside.rgb.equal(rgb[:, 11:109, 102:298]) and inside.alpha.equal(alpha[11:109, 102:298])
    assert Picture(rgb[:, :20, :40]).inside.rgb.equal(rgb[:, :20, :40]), "of a small one nothing is lost"
    ring = torch.ones(120, 300)
    ring[1:-1, 1:-1] = 0
    assert Picture(rgb, ring).inside.rgb.equal(rgb), "nor where only the frame can be seen"
    assert Picture(rgb, 0 * ring).inside is None


def test_a_partly_transparent_picture_is_brought_to_a_size_by_its_alpha():
    columns = torch.arange(8) % 2 == 0
    rgb = torch.where(columns, torch.tensor([1.0, 0.0, 0.0])[:, None, None], torch.tensor(0.5)).expand(
        3, 8, 8
    )
    alpha = torch.where(columns, 1.0, 0.15).expand(8, 8)
    small = Picture(rgb, alpha, torch.where(columns, 1.0, 4.0).expand(8, 8)).fitted(
        (4, 4), "stretch", torch.zeros(3, 4, 4)
    )
    assert torch.allclose(small.rgb.mean((1, 2)), torch.tensor([0.935, 0.065, 0.065]), atol=0.01)
    assert abs(float(small.alpha.mean()) - 0.575) < 0.01
    assert float(small.gain.max()) < 1.2, "brightness counts by it too"
