"""Frames and a painter's hand in a real Krita: design is that nothing of ours gets in its way."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from real_krita import Result, run_probe

HERE = Path(__file__).parent
# Starting Krita, alone on a slow machine, takes up to a minute.
pytestmark = [pytest.mark.krita, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def found() -> Result:
    plugin = HERE.parent / "krita_plugin"
    return run_probe(HERE / "real_krita/pen_probe.py", plugin=plugin, enable=False, timeout=500)


def test_frames_come_together_after_a_burst_and_none_between_its_strokes(found: Result) -> None:
    burst = found["burst"]
    assert {inserted for strokes, inserted in burst["seen"] if strokes < 3} == {0}
    assert burst["undo"] == ["Freehand Brush Stroke"] * 3 + ["Add Layer"] * 2
    assert [layer[0] for layer in burst["tree"][1][2]] == ["iteration 1", "iteration 2"]
    assert burst["painted"] > 1000


def test_a_pen_that_is_down_keeps_frames_waiting_for_a_second_more(found: Result) -> None:
    pen = found["pen"]
    assert pen["while_down"] == [] and pen["waited"] >= 1.0
    assert pen["painted"] > 500
    assert pen["undo"] == ["Freehand Brush Stroke", "Add Layer", "Add Layer"]


def test_a_pen_that_hovers_keeps_nothing_back(found: Result) -> None:
    inserted, moves_before = found["pen"]["hovering"]
    assert inserted == [1, 2] and moves_before < 60
    assert found["pen"]["painted_by_hovering"] == 0


def test_a_press_in_a_new_window_is_seen_and_a_lost_release_ends(found: Result) -> None:
    assert found["lost"] == {"waiting": [], "came": [1]}


def test_a_dialog_that_frames_wait_for_is_named_after_some_seconds(found: Result) -> None:
    assert found["dialog"] == {"at first": "", "then": ["File Saved", []], "closed": ["", [1]]}


def test_strokes_that_begin_during_an_insert_land_on_the_painters_layer(found: Result) -> None:
    during = found["during"]
    assert during["began_on"][1::2] == [f"iteration {key}" for key in (2, 4, 6)], "the active layer"
    assert during["frames"] == [True] * 6, "no stroke is on a frame"
    painted = [0, *during["painted"]]
    assert len(painted) == 7
    assert all(later > earlier for earlier, later in pairwise(painted)), "none is lost"
    assert during["undo"].count("Freehand Brush Stroke") == during["undo"].count("Add Layer") == 6
    assert during["active"] == "Background"


@pytest.mark.parametrize(
    ("tool", "step"),
    [
        ("KisToolPath", ["Draw Bezier Curve"]),
        ("KisToolPolygon", ["Draw Polygon"]),
        ("KisToolSelectMagnetic", ["Magnetic Selection"]),
        ("KisToolCrop", ["Crop Image"]),
        ("KisToolTransform", ["Transform"]),
        ("double click", ["Draw Polyline"]),
        ("first point", ["Draw Polygon"]),
        ("cancelled", []),
        ("other tool", []),
    ],
)
def test_what_a_tool_has_begun_is_not_ended_by_a_frame(found: Result, tool: str, step: list[str]) -> None:
    done = found["tools"][tool]
    assert done["waiting"] == [[], []], "neither the frame has come nor has the tool done anything"
    assert done["undo"] == [*step, "Add Layer"]


def test_a_tool_that_is_only_chosen_does_not_keep_frames_back_for_ever(found: Result) -> None:
    assert found["tools"]["chosen"] == [1]
    assert found["tools"]["rested"] == [[], False, [], [1], False]


def test_newer_frames_do_not_hide_the_one_that_is_painted_on(found: Result) -> None:
    upon = found["painted_upon"]
    assert upon["hidden"] == [["iteration 2"], True, "iteration 2"]
    assert upon["shown"] == [["iteration 3"], False]
    assert upon["next"] == ["iteration 4"], "the painter has left it"


def test_the_one_layer_that_changes_is_left_to_who_paints_on_it(found: Result) -> None:
    layers, is_unchanged, is_hidden = found["painted_in_place"]
    assert layers == [["iteration 1", True], ["iteration 3", False]], "newer ones come in another, hidden"
    assert is_unchanged and is_hidden


def test_what_is_done_to_a_frame_without_a_stroke_counts_as_painting(found: Result) -> None:
    edits = found["editing"]
    assert edits["a key that chooses the brush"] == edits["another size of the canvas"] == []
    assert edits["a transformation that is given up"] == []
    assert edits["a filter by its key"] == ["iteration 1"]
    assert edits["cleared"] == ["iteration 1", "iteration 2"]
    assert edits["a filter by its menu"] == ["iteration 1", "iteration 2", "iteration 3"]
    assert edits["a dab"] == ["iteration 4"]


def test_cancelling_takes_nothing_away_that_was_painted(found: Result) -> None:
    layers, active = found["painted_upon"]["removed"]
    (group,) = [layer for layer in layers if layer[0] == "Starry Night"]
    assert [frame[0] for frame in group[2]] == ["iteration 2", "own"]
    assert active, "some layer is active"


def test_cancelling_leaves_the_painters_layer_active(found: Result) -> None:
    layers, active = found["painted_upon"]["untouched"]
    assert ([layer[0] for layer in layers], active) == (["Background", "above"], "Background")
