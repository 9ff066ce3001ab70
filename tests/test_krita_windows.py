"""What the painter has chosen in each window of a real Krita: active layer, layer seen alone, selection."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_krita import Result, run_probe

HERE = Path(__file__).parent
pytestmark = [pytest.mark.krita, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def result() -> Result:
    script = HERE / "real_krita/windows_probe.py"
    return run_probe(script, plugin=HERE.parent / "krita_plugin", enable=False)


def test_the_layer_is_that_of_the_window_in_front(result: Result) -> None:
    found = result["windows"]
    assert (found["source"], found["source_of_the_other"]) == ("above", "Background")


def test_frames_change_the_active_layer_of_no_window(result: Result) -> None:
    found = result["windows"]
    assert [found[f"after_{key}"] for key in (1, 2, 3)] == 3 * [[["Background"], ["above"]]]


def test_undo_and_redo_of_frames_leave_the_painters_layer_active(result: Result) -> None:
    found, own = result["after_undo"], ["Background"]
    assert found["undone"] == found["redone"] == [own, own, own]
    assert found["undone again"] == [own, own] and found["held down"] == own
    assert found["chosen"] == ["iteration 1"], "the painter's own choice is left to him"
    assert found["all gone"] == own, "but some layer is active"
    assert found["with the painter's own"] == own, "undone, it cannot be"


def test_a_layer_is_told_of_before_it_is_added(result: Result) -> None:
    assert result["windows"]["made"] == [[1, False], [2, False], [3, False]]


def test_frames_wait_while_a_layer_is_seen_alone(result: Result) -> None:
    found = result["layer_alone"]
    assert found["first"] == [[], True]
    assert found["second"] == [[1], True, ["#ffffff"]], "not even for a moment is a frame seen instead"
    assert found["group"] is False, "with their group they are seen"


def test_frames_come_into_a_group_that_is_seen_alone_and_wait_while_another_is(result: Result) -> None:
    assert result["group_alone"] == [False, "#1e1401", [1], True, "#ffffff", "in other"]


def test_a_layers_own_selection_limits_what_is_painted(result: Result) -> None:
    assert result["selections"] == {"own": [20, 10, 50, 40], "own_hidden": [0, 0, 200, 200]}


def test_of_several_selections_the_one_counts_that_krita_keeps_to(result: Result) -> None:
    found, there, everything = result["two_selections"], [100, 120, 60, 70], [0, 0, 240, 240]
    assert found["both"] == found["upper"] == [there, there], "where the job paints, and where Krita fills"
    assert found["lower"] == [everything, everything], "that one is not switched on"
    assert found["of the mask"] == there, "also while the mask itself is the active layer"
