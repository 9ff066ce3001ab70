"""Documents and layers in all of Krita's colours: what a server is sent, and the frames that come back."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from real_krita import Result, run_probe

from nst_server.engine.images import from_blob, to_blob
from nst_server.wire.pixels import DTYPES, Pixels, digest_of

HERE = Path(__file__).parent
PLUGIN = HERE.parent / "krita_plugin"
# Starting Krita, alone on a slow machine, takes up to a minute.
pytestmark = [pytest.mark.krita, pytest.mark.timeout(600)]

NUMPY_OF = {"uint8": "u1", "uint16": "<u2", "float16": "<f2", "float32": "<f4"}
NUMBERS = {"U8": "u1", "U16": "<u2", "F16": "<f2", "F32": "<f4"}
# Integer RGB and grey documents of 8 bits are sRGB in Krita, of 16 bits linear, as are all floats.
DOCUMENTS = {
    "RGBA": ("U8", "U16", "F16", "F32"),
    "GRAYA": ("U8", "U16", "F16", "F32"),
    "CMYKA": ("U8", "U16", "F32"),
    "LABA": ("U8", "U16", "F32"),
    "XYZA": ("U8", "U16", "F16", "F32"),
    "YCbCrA": ("U8", "U16", "F32"),
}
EVERY_DOCUMENT = [f"{model} {depth}" for model, depths in DOCUMENTS.items() for depth in depths]
# What the probe's two colours are in sRGB: red and medium grey by definition of the space, CMYK midway
# between Little CMS's perceptual (Krita 6) and relative colorimetric (Krita 5) answers.
KNOWN = {
    "RGBA U8": ((255, 0, 0), (55, 55, 55)),
    "GRAYA U8": ((13, 13, 13), (55, 55, 55)),
    "GRAYA": ((65, 65, 65), (127.5, 127.5, 127.5)),
    "CMYKA": ((234, 45, 34), (138, 139, 142)),
}
# Of 255; 8 bits are not much for Lab and XYZ.
KNOWN_TO = {"CMYKA": 8, "LABA U8": 6, "XYZA U8": 32}


@pytest.fixture(scope="module")
def colours() -> Result:
    return run_probe(HERE / "real_krita/colour_probe.py", plugin=PLUGIN, enable=False, timeout=580)


def received(description: dict, data: bytes, profile: bytes | None) -> tuple[Pixels, bytes, bytes | None]:
    """What a server is told, and gets."""
    return Pixels(digest_of(data), bytes=len(data), **description), data, profile


def srgb(pixels: Pixels, data: bytes, profile: bytes | None) -> np.ndarray:
    """What the server makes of it: [H, W, 4], 0 to 255 and, where colours are beyond sRGB, further."""
    picture = from_blob(pixels, data, profile)
    rgb = picture.rgb if picture.deficit is None else picture.rgb + picture.deficit
    rgb = rgb if picture.gain is None else rgb * picture.gain
    return np.dstack([*rgb.numpy(), picture.alpha.numpy()]) * 255


def sent_by(colours: Result, found: dict) -> tuple[Pixels, bytes, bytes | None]:
    description = dict(found["sent"])
    data = base64.b64decode(description.pop("data"))
    profile = colours["profiles"].get(description["icc"])
    return received(description, data, base64.b64decode(profile) if profile else None)


def test_kritas_usual_16_bits_travel_by_name(colours: Result) -> None:
    assert colours["documents"]["RGBA U16"]["sent"]["colour_space"] == "linear-srgb"
    assert colours["documents"]["RGBA F16"]["sent"]["colour_space"] == "icc", "numbers below 0 are kept"


def test_krita_has_no_other_documents(colours: Result) -> None:
    assert sorted(colours["documents"]) == sorted(EVERY_DOCUMENT)
    assert {found["profile"] for name, found in colours["documents"].items() if name.startswith("YCbCr")} == {
        "ITU-R BT.709-6 YCbCr ICC V4 profile"
    }


@pytest.mark.parametrize("name", EVERY_DOCUMENT)
def test_what_is_sent_of_every_document(colours: Result, name: str) -> None:
    model, depth = name.split()
    found = colours["documents"][name]
    pixels, data, profile = sent_by(colours, found)
    assert (pixels.x, pixels.y, pixels.width, pixels.height) == (5, 3, 12, 4)
    assert pixels.dtype.startswith("uint") == (depth in ("U8", "U16") and model not in ("XYZA", "YCbCrA"))
    assert DTYPES[pixels.dtype] >= np.dtype(NUMBERS[depth]).itemsize
    shown = srgb(pixels, data, profile)
    left, right = shown[:, 0, :3], shown[:, -1, :3]
    assert np.allclose(shown[:2, :, 3], 255) and np.allclose(shown[2:, :, 3], 127.5, atol=0.6)
    # What Krita itself shows goes through 8 or 16 bits and ends at sRGB's borders.
    looks = np.frombuffer(bytes.fromhex(found["looks"][0]), "u1").reshape(4, 12, 4)[..., [2, 1, 0]]
    rough = {"XYZA U16": 37, "LABA U16": 8, "LABA U8": 6}.get(name, 2)
    assert np.abs(np.clip(shown[..., :3], 0, 255) - looks).max() <= rough
    if model != "YCbCrA":
        red, grey = KNOWN.get(name) or KNOWN.get(model) or ((255, 0, 0), (127.5, 127.5, 127.5))
        tolerance = KNOWN_TO.get(name) or KNOWN_TO.get(model, 1)
        assert np.abs(left - red).max() <= tolerance and np.abs(right - grey).max() <= tolerance


@pytest.mark.parametrize("name", EVERY_DOCUMENT)
def test_untouched_frames_come_back_into_every_document(colours: Result, name: str) -> None:
    model, depth = name.split()
    found = colours["documents"][name]
    pixels, data, profile = sent_by(colours, found)
    returned = to_blob(from_blob(pixels, data, profile), pixels, profile)[1]
    one, other = (np.frombuffer(each, NUMPY_OF[pixels.dtype]).astype(float) for each in (data, returned))
    assert np.abs(one - other).max() <= (0 if pixels.dtype.startswith("uint") else 1e-6), "by the server"
    drawn, back = (
        np.frombuffer(base64.b64decode(found[which]), NUMBERS[depth]).astype(float)
        for which in ("drawn", "back")
    )
    assert drawn.shape == back.shape
    channels = len(drawn) // 48
    assert np.array_equal(drawn[channels - 1 :: channels], back[channels - 1 :: channels]), "alpha"
    looks, looks_back = (np.frombuffer(bytes.fromhex(each), "u1").astype(int) for each in found["looks"])
    if model in ("RGBA", "GRAYA"):
        assert np.array_equal(drawn, back)
    elif model in ("LABA", "XYZA"):
        assert np.abs(drawn - back).max() <= (40 if name == "LABA U16" else 1e-5)
        assert np.abs(looks - looks_back).max() <= 1
    else:
        # The profiles are tables that are not each other's inverse, and CMYK has many inks for one colour.
        assert np.abs(looks - looks_back).max() <= 16


@pytest.mark.parametrize("name", EVERY_DOCUMENT)
def test_conversion_leaves_no_trace(colours: Result, name: str) -> None:
    found = colours["documents"][name]
    assert found["told"] == ["one"] and found["same_colours"]
    assert found["reading_left_no_trace"] and found["undo"] == ["Add Layer"]
    assert found["active"] == "patch" and found["current"] and found["documents_left"] == 0


@pytest.mark.parametrize("name", ["pq U16", "pq F32", "legacy U16", "legacy F32"])
def test_profiles_that_cannot_travel(colours: Result, name: str) -> None:
    found = colours["special"][name]
    pixels, data, profile = sent_by(colours, found)
    shown = srgb(pixels, data, profile)
    profile_name, depth = name.split()
    drawn, back = (
        np.frombuffer(base64.b64decode(found[which]), NUMBERS[depth]).astype(float)
        for which in ("drawn", "back")
    )
    assert np.abs(drawn - back).max() <= (2 if depth == "U16" else 2e-5)
    if profile_name == "pq":
        # 125 times white in linear light, by sRGB's curve (Krita's white is 80 cd/m², PQ's end 10000).
        assert shown[-1, -1, 0] == pytest.approx(255 * (1.055 * 125 ** (1 / 2.4) - 0.055), rel=0.001)
    else:
        assert shown[8, 0, 0] == pytest.approx(255 * (1.055 * (128 / 255) ** (1 / 2.4) - 0.055), abs=0.5)


def test_colours_beyond_white_and_srgb_are_kept(colours: Result) -> None:
    assert colours["bright"]["exact"]
    pixels, data, profile = sent_by(colours, colours["bright"])
    returned = to_blob(from_blob(pixels, data, profile), pixels, profile)[1]
    np.testing.assert_allclose(np.frombuffer(returned, "<f4"), np.frombuffer(data, "<f4"), atol=1e-6)


@pytest.mark.parametrize("document", ["CMYKA U8", "RGBA F32", "RGBA U8", "RGBA U16"])
def test_frames_of_another_document_are_converted(colours: Result, document: str) -> None:
    *plain, clay, unknown = colours["foreign"][document]
    rough = 16 if document == "CMYKA U8" else 1
    for known in plain:  # in sRGB, in linear sRGB by its profile and by its name
        assert np.abs(np.array(known) - (0, 128, 255, 255)).max() <= rough
    # (64, 144, 32) of that profile; sRGB has no such red.
    assert np.abs(np.array(clay) - (0, 145, 0, 255)).max() <= (45 if document == "CMYKA U8" else 1)
    told, added = unknown
    assert told[0] == "one" and "does not know" in told[1] and added == 0


def test_frames_are_converted_between_strokes(colours: Result) -> None:
    held, turns = colours["strips"]["held"], colours["strips"]["turns"]
    assert held == [1, [], 1], "nothing goes on while the pen is down"
    assert len(turns) == 8, "to begin, five strips, to put the converter away, to insert"
    assert not any(turns), "a turn began inside another one"
    pixel, is_even = colours["strips"]["inks"]
    assert is_even and pixel.endswith("ff")


def test_removing_while_a_frame_is_converted(colours: Result) -> None:
    assert colours["removed"] == [0, [1], 0, 1]


def test_memory_of_conversions_is_freed(colours: Result) -> None:
    assert colours["memory_mb"] < 60


@pytest.mark.parametrize("document", ["RGBA U8", "RGBA F32", "CMYKA U8"])
@pytest.mark.parametrize("kind", ["vector", "fill", "clone", "file", "group", "grey", "float"])
def test_every_kind_of_layer_is_read(colours: Result, kind: str, document: str) -> None:
    """As content, and, hidden where it can be, as style; whatever its own colours are."""
    for description, icc, pixel in colours["kinds"][f"{kind} in {document}"]:
        profile = base64.b64decode(icc) if icc else None
        data = bytes.fromhex(pixel) * (description["width"] * description["height"])
        assert (description["x"], description["y"]) == (0, 0)
        assert (description["width"], description["height"]) == (20, 16)
        shown = srgb(*received(dict(description, icc=profile and digest_of(profile)), data, profile))[0, 0]
        wanted = (128, 128, 128) if kind == "grey" else (255, 128, 0)
        # CMYK has no such orange.
        assert np.abs(shown[:3] - wanted).max() <= (20 if document == "CMYKA U8" else 1)
        assert shown[3] == 255
