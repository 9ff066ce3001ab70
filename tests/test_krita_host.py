"""The host layer in a real Krita: reading documents, and inserting frames while a painter is at work."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image, ImageCms
from real_krita import Result, run_probe

HERE = Path(__file__).parent
PLUGIN = HERE.parent / "krita_plugin"
# Starting Krita, alone on a slow machine, takes up to a minute.
pytestmark = [pytest.mark.krita, pytest.mark.timeout(600)]

DELETED = "The group with the frames was undone or deleted."
ANIMATED = "The frames are an animation now, from time 0 on."


@pytest.fixture(scope="module")
def reading() -> Result:
    return run_probe(HERE / "real_krita/reading_probe.py", plugin=PLUGIN, enable=False)


@pytest.fixture(scope="module")
def frames() -> Result:
    return run_probe(HERE / "real_krita/frames_probe.py", plugin=PLUGIN, enable=False, timeout=500)


def background(*frames: list, group: str = "Starry Night") -> list:
    """The layers of the probe's document with these frames between its own two layers."""
    inserted = [[group, True, list(frames)]] if frames else []
    return [["Background", True, []], *inserted, ["above", True, []]]


def frame(name: int | str, visible: bool = True) -> list:
    return [name if name == "final" else f"iteration {name}", visible, []]


def without_masks(tree: list) -> list:
    return [layer for layer in tree if layer[0] != "Selection Mask"]


# Reading.


def test_pixels_are_read_exactly(reading: Result) -> None:
    assert reading["exact"]
    assert reading["no_mask"] and reading["icc"] is None
    assert reading["description"] == {
        "width": 96,
        "height": 64,
        "x": 0,
        "y": 0,
        "channels": "BGRA",
        "dtype": "uint8",
        "colour_space": "srgb",
    }


def test_reading_leaves_no_trace(reading: Result) -> None:
    assert len(reading["undo"]) == 1 and not reading["modified"]
    assert reading["recent"] == []


def test_documents_and_layers_are_known_again(reading: Result) -> None:
    assert reading["same_document"] and reading["by_id"] == "Background"
    assert reading["size"] == [96, 64]
    assert reading["null"] == [False, [], False]
    assert reading["closed"] == [False, [], True]


def test_layers_are_read_inside_the_canvas(reading: Result) -> None:
    assert reading["over_exact"]
    assert [reading["over"][name] for name in ("x", "y", "width", "height")] == [86, 5, 10, 20]


def test_groups_are_read(reading: Result) -> None:
    assert reading["group_exact"]
    assert [reading["group"][name] for name in ("x", "y", "width", "height")] == [3, 4, 20, 20]


def test_locked_layers_and_hidden_styles_are_read(reading: Result) -> None:
    assert reading["locked"] and reading["hidden_style"] and reading["hidden_frame"]


def test_paint_layers_mark_regions_while_hidden(reading: Result) -> None:
    for region in reading["regions"]:
        assert [region[name] for name in ("x", "y", "width", "height")] == [3, 4, 4, 4]


def test_selection_is_a_mask_with_its_feathering(reading: Result) -> None:
    assert reading["mask_matches"] and reading["selected_matches"]
    x, y, width, height = reading["selection"]
    assert x < 20 and y < 10 and width > 30 and height > 20, "feathering reaches over the rectangle"
    mask = reading["mask"]
    assert [mask[name] for name in ("x", "y", "width", "height")] == [x, y, width, height]
    assert mask["channels"] == "MASK" and mask["dtype"] == "uint8"
    assert len(reading["mask_values"]) > 10
    assert reading["all_selected"]


@pytest.mark.parametrize(("depth", "size"), [("U8", 4), ("U16", 8), ("F32", 16)])
def test_a_layer_is_read_in_small_parts_and_as_it_was(reading: Result, depth: str, size: int) -> None:
    found, limit = reading["strips"][depth], reading["strips"]["strip_bytes"]
    assert found["untorn"] and found["painted"], "strokes between two strips come into none of them"
    assert found["at_once"] <= limit == 4 << 20
    assert found["turns"] >= 2048 * 2048 * size // limit - 1


@pytest.mark.parametrize("kind", ["copied", "clone layer"])
def test_a_whole_document_is_read_in_small_parts_and_as_it_was(reading: Result, kind: str) -> None:
    is_as_drawn, has_changed_meanwhile, turns, has_same_history = reading["strips"][kind]
    assert is_as_drawn and has_changed_meanwhile and turns >= 3 and has_same_history


def test_a_document_closed_while_it_is_read(reading: Result) -> None:
    assert reading["strips"]["closed"] == ["The document has been closed.", "Open it again first."]


def test_other_colours_are_converted_in_small_parts(reading: Result) -> None:
    sizes, pixels, is_even = reading["strips"]["converted"]
    assert max(sizes) <= 5 * pixels and sum(sizes) == 5 * 1200 * 1200 and is_even


def test_reading_keeps_no_copy_of_the_layer(reading: Result) -> None:
    assert reading["strips"]["memory_mb"] < 100, "twenty copies take 320 MB"


def test_style_picker_offers_other_layers_and_documents(reading: Result) -> None:
    assert reading["styles"][:4] == ["group", "inner", "patch", "nothing"]
    assert reading["styles"][-1] == "probe"
    assert (reading["whole"]["width"], reading["whole"]["height"]) == (40, 30)
    assert reading["thumbnails"] == [[16, 11], [16, 12]], "on 96 × 64 px, and of 40 × 30"


@pytest.mark.parametrize(
    ("case", "message", "hint"),
    [
        ("no document", "No document is open", "Open or create"),
        ("unknown layer", "no longer there", "Choose another layer"),
        ("outside", "outside the canvas", "Move it"),
        ("empty", "is empty", "has something on it"),
        ("hidden", "is hidden", "Show it"),
        ("hidden region", "has no pixels of its own", "visible paint layer"),
        ("pass-through", "pass-through", "Switch that off"),
        ("mask", "is a mask", "Choose the layer"),
        ("selected away", "selection holds nothing", "Select a part"),
        ("nothing selected", "selection holds nothing", "Select a part"),
        ("between", "selection holds nothing", "Select a part"),
        ("half between", "selection holds nothing", "Select a part"),
        ("veiled", "Nothing of “corners” is to be seen", "masks or its transparency"),
        ("closed", "has been closed", "Open it again"),
        ("closed content", "has been closed", "Open it again"),
        ("opacity", "no colours", "Convert Image Colour Space"),
        ("opacity style", "no colours", "Convert Image Colour Space"),
        ("opacity frames", "no colours", "Convert Image Colour Space"),
    ],
)
def test_refusals_say_what_to_do(reading: Result, case: str, message: str, hint: str) -> None:
    refused = reading["refused"][case]
    assert refused is not None, "nothing was refused"
    assert message in refused[0] and hint in refused[1]


@pytest.mark.parametrize(
    "profile", ["ClayRGB-elle-V2-g22.icc", "WideRGB-elle-V2-g22.icc", "sRGB-elle-V2-g10.icc"]
)
def test_profile_is_handed_over(reading: Result, profile: str) -> None:
    found = reading["profiles"][profile]
    assert found["colour_space"] == "icc"
    icc = ImageCms.ImageCmsProfile(io.BytesIO(base64.b64decode(found["icc"])))
    srgb = ImageCms.createProfile("sRGB")
    blue, green, red, _alpha = Image.frombytes("RGBA", (16, 16), bytes.fromhex(found["pixels"])).split()
    colours = Image.merge("RGB", (red, green, blue))
    converted = ImageCms.profileToProfile(colours, icc, srgb, renderingIntent=ImageCms.Intent.PERCEPTUAL)
    blue, green, red, _alpha = Image.frombytes("RGBA", (16, 16), bytes.fromhex(found["krita_srgb"])).split()
    # lcms in 8 bits and Krita's own path round differently.
    assert farthest(converted, Image.merge("RGB", (red, green, blue))) <= 3
    inside = colours.point(lambda value: 120 + value // 16)  # not beyond sRGB
    there = ImageCms.profileToProfile(inside, icc, srgb, renderingIntent=ImageCms.Intent.PERCEPTUAL)
    back = ImageCms.profileToProfile(there, srgb, icc, renderingIntent=ImageCms.Intent.PERCEPTUAL)
    assert farthest(inside, back) <= 3
    assert len(found["undo"]) == 1 and not found["modified"] and not found["documents_added"]


def farthest(one: Image.Image, other: Image.Image) -> int:
    return max(abs(a - b) for a, b in zip(one.tobytes(), other.tobytes(), strict=True))


# Inserting.


def test_first_frame_comes_with_its_group_above_the_source(frames: Result) -> None:
    assert without_masks(frames["first_tree"]) == background(frame(1))
    assert frames["first_pixel"] == "01141eff"
    assert len(frames["first_undo"]) == 1
    assert frames["modified"] and frames["documents"] == 1


def test_only_the_newest_frame_is_visible(frames: Result) -> None:
    older = [frame(key, visible=False) for key in (1, 2, 3)]
    assert without_masks(frames["four_tree"]) == background(*older, frame(4))
    assert frames["four_pixel"] == "04141eff"
    assert len(frames["four_undo"]) == 4 and frames["present"] == [1, 2, 3, 4]


def test_active_layer_tool_and_selection_stay(frames: Result) -> None:
    assert frames["active"] == frames["four_active"] == frames["remove_active"] == "Background"
    assert frames["tool"].endswith("KisToolLine")
    assert frames["selection_same"]


def test_what_krita_proposes_for_a_new_document_stays(frames: Result) -> None:
    assert frames["proposed_anew"] == [True, True, True], "width, resolution, depth"


def test_frames_blend_as_the_layer_does_that_they_are_made_of(frames: Result) -> None:
    blending, steps = frames["blending"], ["Add Layer", "Add Layer"]
    for name, looks, blues in (
        ("multiplied", ["multiply", 255, False], [63, 160]),
        ("thin", ["normal", 128, False], [130, 207]),
        ("clipped", ["normal", 255, True], [160, 255]),
    ):
        found = blending[name]
        assert found["looks"] == looks and found["undo"] == steps, name
        assert found["blues"] == blues, "over the grey disc and over the white, without the layer itself"
        assert found["animated"] == [True, *looks], name
        assert found["doubled"] == ("" if name == "clipped" else "shades"), (
            "shines through until it is hidden"
        )


def test_frames_wait_while_the_painter_can_redo(frames: Result) -> None:
    redoing = frames["redoing"]
    assert redoing["given_up"] == "Add Layer", "what was undone before the job began"
    assert redoing["waits"] == [[1, 2], 1]
    assert redoing["redone"] == ["Freehand Brush Stroke", "Add Layer"]
    assert redoing["waits_again"] == [1, 2, 3] and redoing["asked_for"] == "Add Layer"


def test_frames_of_a_later_job_come_above_those_of_earlier_ones(frames: Result) -> None:
    names = [name for name in frames["redoing"]["tree"] if name != "selection mask"]
    assert names == ["Background", "Starry Night", "Later", "above"]
    above_an_animation = ["Background", "above", "Starry Night", "Later"]
    assert frames["animating"]["later"] == [above_an_animation, "09141eff"]


def test_frames_are_shown_hidden_and_removed(frames: Result) -> None:
    shown, pixel, tree = frames["shown"]
    assert shown and pixel == "02141eff"
    assert [layer[1] for layer in tree[1][2]] == [False, True, False, False]
    assert frames["group_hidden"] == "ffffffff" and frames["visibility_undo"] == 4
    assert without_masks(frames["removed"]) == background()
    assert frames["remove_undo"].startswith("Remove")
    assert frames["unremoved"] == 4


def test_stroke_keeps_frames_waiting_and_lands_on_the_painters_layer(frames: Result) -> None:
    stroke = frames["stroke"]
    assert stroke["during"] == stroke["soon"] == []
    assert stroke["waited"] >= 0.9
    assert stroke["dark"] > 100 and stroke["second_landed"]
    assert stroke["active"] == "Background"
    assert ["Brush" in text for text in stroke["undo"][-3:]] == [True, False, False]


def test_undo_and_redo_of_a_frame(frames: Result) -> None:
    found = frames["undoing"]
    assert found["undone"] == background(frame(1))
    assert found["redone"] == [background(frame(1, visible=False), frame(2)), "02141eff"]


def test_a_single_frame_that_was_undone_or_deleted_is_missed_and_can_come_again(frames: Result) -> None:
    found = frames["undoing_one"]
    assert found["noticed"] < 5, "about a second, on a slow machine"
    older = [frame(key, visible=False) for key in (1, 2, 3)]
    assert found["again"] == [background(*older, frame(4)), "04141eff", [1, 2, 3, 4]]
    tree, pixel, present = found["deleted"]
    # Krita's scripting puts none below the lowest: the next best place is directly above it.
    hidden = {key: frame(key, visible=False) for key in (2, 3, 4)}
    assert tree == background(hidden[3], frame(1), hidden[2], hidden[4])
    assert pixel == "01141eff" and sorted(present) == [1, 2, 3, 4]
    assert found["undone"] == background(*older, frame(4)), "their first layers are known again"


def test_frames_come_hidden_over_what_is_being_painted(frames: Result) -> None:
    found = frames["painted_beneath"]
    assert found["aside"] == [[False, ["iteration 2"]], True, False] and found["seen"]
    assert found["undo"] == 2
    assert found["eye"] == [[True, ["iteration 2"]], "02141eff", False, True]
    assert found["eye_undo"] == 2, "showing them is no step of undo"


def test_a_group_that_the_painter_has_shown_or_hidden_stays_so(frames: Result) -> None:
    found = frames["painted_beneath"]
    assert found["stays"] == [[True, ["iteration 3"]], "03141eff"]
    tree, pixel, is_aside = found["panel"]
    assert tree == [False, ["iteration 3"]] and pixel != "03141eff" and not is_aside
    assert found["panel_again"] == [True, ["iteration 3"]]


def test_frames_are_visible_where_nothing_is_painted_beneath_them(frames: Result) -> None:
    found = frames["painted_elsewhere"]
    seen = ["iteration 1"]
    assert found["docker"] is False and found["no_stroke"] == [True, seen]
    assert found["other"] == [True, False], "a stroke counts for the document that it is made on"
    assert found["dab"] == [True, [False, seen]]
    assert found["places"] == [["Background", False, seen], ["above", True, seen], ["inner", True, seen]]


def test_frames_stay_hidden_until_the_painter_shows_one(frames: Result) -> None:
    found = frames["hidden_frames"]
    assert found["hidden"] == [[True, []], "ffffffff"]
    assert found["undone"] == [True, []]
    assert found["shown"] == [[True, ["iteration 5"]], "05141eff"]
    assert found["eye"] == [[True, ["iteration 5"]], "05141eff"]
    assert found["scrubbed"] == [[True, ["iteration 3"]], "03141eff"]


def test_one_layer_that_changes_hides_no_strokes_either(frames: Result) -> None:
    found = frames["hidden_in_place"]
    assert found["aside"] == [[False, ["iteration 2"]], True]
    assert found["shown"] == [[True, ["iteration 2"]], False]
    assert found["hidden"] == [[True, []], "ffffffff"]
    assert found["shown_again"] == [True, ["iteration 3"]]


def test_undone_group_is_not_recreated_until_redone(frames: Result) -> None:
    found = frames["undoing"]
    assert found["group_undone"] == background()
    tree, told = found["not_recreated"]
    assert tree == background()
    assert told == {"inserted": [1, 2], "skipped": [3, 4], "gone": [DELETED]}
    tree, told, pixel = found["back"]
    assert tree == background(frame(1, visible=False), frame(5)) and pixel == "05141eff"


def test_document_in_the_background(frames: Result) -> None:
    found = frames["elsewhere"]
    assert found["tree"] == background(frame(1)) and found["current"]
    assert [layer[0] for layer in found["other"]] == ["Background"]
    assert found["active"] == found["other_active"] == "Background"


def test_removing_while_krita_adds_a_layer_or_a_conversion_is_put_away(frames: Result) -> None:
    told = {"inserted": [1], "skipped": [2], "gone": []}
    assert frames["elsewhere"]["removed"] == [background(), told, "Background"]
    told = {"inserted": [], "skipped": [], "gone": []}
    assert frames["put_away"] == {"tree": background(), "told": told, "pending": 0}


def test_a_frame_whose_conversion_fails_is_skipped_once(frames: Result) -> None:
    found = frames["failing"]
    assert found["told"] == {"inserted": [2], "skipped": [1], "gone": []}
    assert found["raised"] == ["ZeroDivisionError"]


def test_short_pixels_are_refused(frames: Result) -> None:
    assert "short" in frames["elsewhere"]["short"]


def test_undo_steps_are_capped_and_the_final_frame_comes(frames: Result) -> None:
    told, steps, tree = frames["limit"]
    assert steps == 3 and told == {"inserted": [1, 2, 9], "skipped": [3, 4], "gone": []}
    assert tree == background(frame(1, visible=False), frame(2, visible=False), frame("final"))


def test_frames_that_there_is_no_room_for_are_held_and_the_final_frame_comes(frames: Result) -> None:
    found = frames["room"]
    told, is_held, names = found["frames"]
    assert told == {"inserted": [1, 2, 4, 3], "skipped": [], "gone": []} and is_held
    assert names == ["iteration 1", "iteration 2", "iteration 3", "final"]
    for colours in ("RGBAU8", "GRAYAU16", "CMYKAF32", "LABAU16"):
        computed, real = found[colours]
        assert computed == real


def test_replaced_frame_is_one_undo_step(frames: Result) -> None:
    found = frames["replacing"]
    assert found["skipped"] == [2], "only the newest of the waiting frames is used"
    assert found["tree"] == background(frame(3)) and found["pixel"] == "03141eff"
    assert found["modified"] and found["locked"] and found["unlocked"] and found["active"] == "Background"
    final = background(frame("final"))
    assert found["final"] == final and found["undo"] == 1
    assert found["undone"] == background() and found["redone"] == "09141eff"
    assert found["older"] == [final, "09141eff"], "no older one takes its place"
    lower = frame("final", visible=False)
    assert found["painted"] == [background(lower, frame(12)), 2, [9, 12]]
    assert found["above"] == [background(lower, frame(13)), 2, [9, 13]]


def test_flattened_document(frames: Result) -> None:
    tree, told = frames["flattened"]
    assert tree[-1] == ["late source", True, [frame(2)]] and len(tree) == 2
    assert told == {"inserted": [1], "skipped": [3], "gone": [DELETED]}


def test_frames_become_keyframes_when_their_document_is_in_front(frames: Result) -> None:
    found = frames["animating"]
    group = ["Starry Night", True, [frame(1, False), frame(2, False), frame(3)]]
    assert found["waits"] == [True, [], [*background(), group]]
    animation = ["Starry Night", True, []]
    assert found["tree"] == [*background(), animation]
    assert found["keyframes"] == {"0": 1, "1": 2, "2": 3}
    told = {"inserted": [1, 2, 3], "skipped": [], "gone": [ANIMATED]}
    assert found["told"] == [told, True, False]
    assert found["undo"] == 1
    assert (found["active"], found["tool"], found["time"]) == ("above", "KritaShape/KisToolLine", 0)


def test_an_animation_that_is_undone_is_layers_again(frames: Result) -> None:
    found = frames["animating"]
    tree, inserted = found["undone"]
    assert tree == found["waits"][2] and inserted == [1, 2, 3]
    is_active, tree, gone = found["again"]
    assert is_active and tree == found["tree"] and gone == ANIMATED


def test_a_single_frame_makes_no_animation(frames: Result) -> None:
    assert frames["animating"]["single"] == [[["", "An animation takes two frames or more."]], None]


def test_an_animation_is_removed_with_its_job(frames: Result) -> None:
    tree, (_layer, problem) = frames["animating"]["removed"]
    assert tree == background() and problem == ""


def test_an_animation_leaves_the_painters_layers_alone_and_looks_like_its_group(frames: Result) -> None:
    found = frames["animating"]
    assert found["late"] == [["iteration 1", False], ["iteration 3", True], ["iteration 4", False]]
    others, locked = found["hindered"]
    assert "other layers or masks" in others and "is locked" in locked
    assert found["unhindered"] == [True, {"0": 1, "1": 3, "2": 4}, 100, "multiply", False, False]


def test_closed_document(frames: Result) -> None:
    told = frames["closed"]
    assert told["gone"] == ["The document was closed."] == [frames["closed_reason"]]
    assert sorted(told["inserted"] + told["skipped"]) == [2, *range(4, 13)]
    assert frames["closed_late"] == [12, 0], "a frame that comes after that is skipped at once"
    assert len(told["skipped"]) > 0


def test_converted_document(frames: Result) -> None:
    tree, told = frames["converted"]
    assert tree == background(frame(1))
    assert told == {"inserted": [1], "skipped": [2], "gone": ["The document's colours have changed."]}
