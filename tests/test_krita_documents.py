"""Jobs on documents of every kind in a real Krita: what a painter finds in the layers afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import packed_plugin
import pytest
from PIL import Image, ImageOps
from real_krita import Profile, Result, run_probe
from server_process import serving

from nst_server.demo import inputs

HERE = Path(__file__).parent
pytestmark = [pytest.mark.krita, pytest.mark.timeout(900)]

SIZES = {"wide": (6000, 1200)}
SIZE = (320, 214)
#: Model and depth of each document. 16-bit integers and floats are linear light in Krita.
DOCUMENTS = {
    "file": ("RGBA", "U8"),
    "linear": ("RGBA", "U16"),
    "float": ("RGBA", "F32"),
    "cmyk": ("CMYKA", "U8"),
    "grey": ("GRAYA", "U16"),
    "lab": ("LABA", "U16"),
    "group": ("RGBA", "U16"),
    "hole": ("RGBA", "U8"),
    "selection": ("RGBA", "U16"),
    "regions": ("RGBA", "U8"),
    "wide": ("RGBA", "U8"),
}
#: Where the final frame alone is left: each takes the place of the one before, or no other becomes a layer.
FINAL_ALONE = ("lab", "grey")
CHANNELS = {"RGBA": 4, "CMYKA": 5, "GRAYA": 2, "LABA": 4}
NUMBERS = {"U8": "u1", "U16": "<u2", "F32": "<f4"}
LUMA = np.array([0.2126, 0.7152, 0.0722])
each_document = pytest.mark.parametrize("name", DOCUMENTS)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Profile]:
    """The home of one painter, the plugin in it."""
    folder = packed_plugin.unpack(tmp_path_factory.mktemp("plugin"))
    with Profile() as made:
        made.install(folder)
        yield made


def painters_files(profile: Profile) -> dict[str, str]:
    """A photograph and two styles, a colourful and a blue one; returns where Krita sees them."""
    style = inputs.style_painting()
    style = style.resize((style.width // 3, style.height // 3))
    pictures = {
        "CONTENT": inputs.content_photo().resize(SIZE),
        "STYLE": style,
        "BLUE_STYLE": ImageOps.colorize(style.convert("L"), (0, 0, 60), (150, 190, 255)),
    }
    environment = {}
    for name, picture in pictures.items():
        file = f"{name.lower()}.png"
        picture.save(profile.outside / file, icc_profile=None)
        environment[f"NST_TEST_{name}"] = str(profile.inside / file)
    return environment


@pytest.fixture(scope="module")
def result(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Result:
    script, files = HERE / "real_krita/documents_probe.py", painters_files(profile)
    with serving(profile, tmp_path_factory.mktemp("documents")):
        found = run_probe(script, env=files, profile=profile, timeout=600)
    stalls = {name: document["longest_stall_ms"] for name, document in found["documents"].items()}
    print("longest stalls of Krita's event loop, in ms:", stalls)
    return found


class Found:
    """What the probe found in one document: its record, and pixels [H, W, channels]."""

    def __init__(self, name: str, result: Result, profile: Profile) -> None:
        self.name, self.json = name, result["documents"][name]
        self._folder = profile.outside
        self.width, self.height = SIZES.get(name, SIZE)
        self.model, self.depth = DOCUMENTS[name]

    def __getitem__(self, field: str) -> object:
        return self.json[field]

    def numbers(self, which: str) -> np.ndarray:
        """Of "source" or "final", as the document has them."""
        return self._read(which, NUMBERS[self.depth], CHANNELS[self.model])

    def screen(self, which: str) -> np.ndarray:
        """Of "source" or "final", as a screen shows them: sRGB with alpha, 0 to 255."""
        return self._read(f"{which}.screen", "u1", 4)[..., [2, 1, 0, 3]].astype(float)

    def mask(self) -> np.ndarray:
        """The selection [H, W], 0 to 1."""
        return self._read("mask", "u1", 1)[..., 0] / 255

    def _read(self, which: str, dtype: str, channels: int) -> np.ndarray:
        data = (self._folder / f"{self.name}.{which}").read_bytes()
        return np.frombuffer(data, dtype).reshape(self.height, self.width, channels)


@pytest.fixture
def found(name: str, result: Result, profile: Profile) -> Found:
    return Found(name, result, profile)


@each_document
def test_frames_are_layers_above_their_source(name: str, found: Found) -> None:
    assert tuple(found["colours"][:2]) == DOCUMENTS[name]
    beside = found["beside"]
    assert beside.index(found["group"]) == beside.index(found["source"]) + 1
    frames = found["frames"]
    names = ["final"] if name in FINAL_ALONE else ["iteration 2", "final"]
    assert [frame[0] for frame in frames] == names
    assert [frame[-1] for frame in frames] == [each == "final" for each in names]
    for _, colours, (x, y, width, height), _ in frames:
        assert colours == found["colours"]
        assert 0 <= x < x + width <= found.width and 0 <= y < y + height <= found.height


@each_document
def test_nothing_else_has_changed(name: str, found: Found) -> None:
    assert found["untouched"] == [True] * 3, "active layer, tool, selection"
    assert found["modified"]
    assert found["words"][1:] == ["", ""]


@each_document
def test_undo_brings_the_document_back(name: str, found: Found) -> None:
    assert found["undo"] == ["Add Layer"] * (1 if name in FINAL_ALONE else 2)
    assert found["undone"], found["differs"]


@each_document
def test_the_file_keeps_every_pixel(name: str, found: Found) -> None:
    assert found["reopened"] == [True, found["colours"], False]


@each_document
def test_the_picture_is_painted(name: str, found: Found) -> None:
    source, final = found.screen("source"), found.screen("final")
    seen = final[..., 3] > 250
    before, after = source[seen][:, :3], final[seen][:, :3]
    assert np.abs(after - before).mean() > 4, "nothing happened"
    brightness = after @ LUMA
    assert 40 < brightness.mean() < 215 and brightness.std() > 15
    at_the_ends = [((colours <= 0) | (colours >= 255)).mean() for colours in (before, after)]
    assert at_the_ends[1] <= at_the_ends[0] + 0.02, "clipped"


@pytest.mark.parametrize("name", ["file"])
def test_it_is_painted_in_the_manner_of_the_style(name: str, found: Found, profile: Profile) -> None:
    """Mean and spread of each channel, which noise or another picture would not share: 4 apart from the
    style's, where those of the content are 25. Other documents are compared with this one below.
    """
    with Image.open(profile.outside / "style.png") as picture:
        style = np.asarray(picture.convert("RGB")).astype(float)
    pictures = (style, found.screen("source")[..., :3], found.screen("final")[..., :3])
    wanted, before, after = (np.array([each.mean(axis=(0, 1)), each.std(axis=(0, 1))]) for each in pictures)
    assert np.abs(after - wanted).mean() < np.abs(before - wanted).mean() / 2


@each_document
def test_transparency_is_that_of_source_and_selection(name: str, found: Found) -> None:
    numbers = [found.numbers(which)[..., -1].astype(float) for which in ("source", "final")]
    wanted = numbers[0] * found.mask() if name == "selection" else numbers[0]
    assert np.abs(numbers[1] - wanted).max() <= (1 if name == "selection" else 0)


@pytest.mark.parametrize(
    ("name", "rough"), [("linear", 3), ("float", 3), ("lab", 3), ("cmyk", 16), ("grey", 12)]
)
def test_it_looks_the_same_in_other_colours(
    name: str, rough: float, result: Result, profile: Profile
) -> None:
    """Like that of the 8-bit document, in the mean and the spread of each channel.

    Not pixel by pixel: the built-in encoder is another one for each content. Krita's CMYK lacks some blues,
    from 5.3 on more of them than before.
    """
    looks = [Found(each, result, profile).screen("final")[..., :3] for each in ("file", name)]
    if name == "grey":
        looks = [colours @ LUMA for colours in looks]
    plain, other = (np.array([measure(axis=(0, 1)) for measure in (each.mean, each.std)]) for each in looks)
    assert np.abs(other - plain).max() < rough


@pytest.mark.parametrize("name", ["float"])
def test_what_is_brighter_than_white_stays_so(name: str, found: Found) -> None:
    source, final = found.numbers("source")[..., :3], found.numbers("final")[..., :3]
    sun = source[..., 0] > 1
    assert 1000 < sun.sum() < 3000
    assert np.isfinite(final).all()
    assert np.median(final[sun].max(axis=-1)) > 2 and (final[sun] @ LUMA).mean() > 1
    assert final[~sun].min() > -1e-4 and final[~sun].max() < 1.001


@pytest.mark.parametrize("name", ["regions"])
def test_styles_stay_in_their_regions(name: str, found: Found) -> None:
    source, final = found.numbers("source"), found.numbers("final")
    assert np.array_equal(final[:, 110:210], source[:, 110:210]), "between them"
    left, right = (final[:, part, :3].mean(axis=(0, 1)) for part in (slice(110), slice(210, None)))
    assert right[0] > right[2] + 30, "the style with blue alone"
    assert left[2] > left[0], "the style with all colours"


@pytest.mark.parametrize("name", ["selection"])
def test_nothing_lies_outside_the_selection(name: str, found: Found) -> None:
    mask, alpha = found.mask(), found.numbers("final")[..., -1]
    assert len(np.unique(mask)) > 50, "its border is soft"
    assert not alpha[mask == 0].any() and (alpha[mask == 1] == 65535).all()


@pytest.mark.parametrize("name", ["hole"])
def test_a_hole_stays_a_hole(name: str, found: Found) -> None:
    alpha = found.screen("final")[..., 3]
    assert not alpha[100:120, 110:130].any() and (alpha[:, :60] == 255).all()
    assert len(np.unique(alpha)) > 50, "a soft edge"


@each_document
def test_the_screenshot_shows_the_picture(name: str, result: Result) -> None:
    path = next(path for path in result.screenshots if path.stem == name)
    with Image.open(path) as picture:
        assert len(picture.convert("RGB").resize((200, 130)).getcolors(26_000) or range(999)) > 200
