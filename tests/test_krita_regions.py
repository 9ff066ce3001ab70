"""Where styles paint, in a real Krita: colours of a layer, in any colour space, and selections that stay."""

from __future__ import annotations

import json
from pathlib import Path

import packed_plugin
import pytest
from PIL import Image
from real_krita import Profile, Result, run_probe

HERE = Path(__file__).parent
pytestmark = [pytest.mark.krita, pytest.mark.timeout(600)]
#: Of the probe's stripes, by area.
COLOURS = ("#c83c28", "#1e5abe", "#28963c")
FULL, HALF, NONE = 255, 128, 0
RED, BLUE, GREEN, REST = 100, 80, 40, 20


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Result:
    plugin = packed_plugin.unpack(tmp_path_factory.mktemp("plugin"))
    with Profile() as profile:
        environment = {}
        for number in range(3):
            picture = profile.outside / f"style{number}.png"
            Image.radial_gradient("L").resize((40 + number, 40)).convert("RGB").save(picture)
            environment[f"NST_TEST_STYLE_{number}"] = str(profile.inside / picture.name)
        data = profile.outside / "home/.local/share/nst-krita"
        data.mkdir(parents=True)
        # The docker of somebody who has a server; none answers here. "true" is on every machine's PATH.
        (data / "installed.json").write_text(json.dumps({"command": ["true"]}))
        return run_probe(
            HERE / "real_krita/regions_probe.py", plugin=plugin, env=environment, profile=profile, timeout=400
        )


def test_a_style_is_given_a_swatch_of_a_layer_by_mouse(found: Result) -> None:
    assert [swatch.split(" · ")[0] for swatch in found["swatches"]] == list(COLOURS)
    assert found["swatches"][0].endswith("% of the paint")
    assert found["chosen"] == ["where “map” has the colour of the swatch", COLOURS[0], ""]
    assert found["of_background"] == ["#c8c8c8 · 100 % of the paint"]


def test_all_styles_get_their_colours_at_once(found: Result) -> None:
    assert found["dividing"] == ["map", "Background"]
    assert (found["divided"], found["dividing_message"]) == (list(COLOURS), "")


def test_masks_are_sent_that_add_up_to_the_layers_paint(found: Result) -> None:
    assert found["masks"] == [[0, 0, 240, 160, "MASK"]] * 3 and all(found["all_rows"])
    red, blue, green = found["rows"]
    assert [sum(column) for column in zip(red, blue, green, strict=True)] == found["alpha"] + [NONE] * REST
    assert red[: RED - 2] == [FULL] * (RED - 2) and not any(red[RED + 1 :])
    assert blue[RED + 1 : RED + BLUE] == [HALF] * (BLUE - 1) and not any(blue[: RED - 2])
    assert green == [NONE] * (RED + BLUE) + [FULL] * GREEN + [NONE] * REST
    edge = range(RED - 2, RED + 1)
    assert all(bool(red[x]) != bool(blue[x]) for x in edge), "blended paint belongs to the nearest colour"


def test_regions_go_with_their_document_when_a_preset_is_chosen(found: Result) -> None:
    assert found["presets"] == [True] * 3
    assert found["presets_elsewhere"] == [False] * 3


@pytest.mark.parametrize("space", ["RGBA U16", "RGBA F32", "CMYKA U8", "LABA U16", "GRAYA U8"])
def test_every_document_has_its_colours(found: Result, space: str) -> None:
    there = found["spaces"][space]
    assert " ".join(there["space"]) == space and there["undo"], "no step of undo"
    assert len(there["colours"]) == len(COLOURS)
    if space.startswith("RGBA"):
        for colour, expected in zip(there["colours"], COLOURS, strict=True):
            assert all(abs(int(colour[i : i + 2], 16) - int(expected[i : i + 2], 16)) < 4 for i in (1, 3, 5))
    longest = [max((length, number) for number, length in runs if number) for runs in there["runs"]]
    for (length, alpha), expected, wanted in zip(
        longest, (RED, BLUE, GREEN), (FULL, HALF, FULL), strict=True
    ):
        assert abs(length - expected) <= 3 and abs(alpha - wanted) <= 1


@pytest.mark.parametrize("what", ["looking", "reading", "dividing"])
def test_a_layer_of_2_k_holds_nothing_up(found: Result, what: str) -> None:
    assert found["large"] == [3, [True] * 3]
    assert found["away"][what] < 100, "ms"


def test_a_selection_is_there_again_when_its_document_is_reopened(found: Result) -> None:
    kept = found["selection"]
    assert kept["message"] == "" and kept["words"] == "inside what was selected"
    assert kept["same"] and kept["place"][0] == kept["place"][1]
    assert kept["levels"] > 20, "it was feathered"
    assert kept["sent"] == [240, 160, True]
    before, after = kept["annotations"]
    assert len(before) == 1 and before == after
    assert kept["modified"] == [False, False]


def test_a_selection_that_does_not_fit_the_canvas_any_more_says_so(found: Result) -> None:
    words, is_everywhere = found["selection"]["cropped"]
    assert "which is not remembered" in words and is_everywhere
