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


def test_a_layer_is_told_of_before_it_is_added(result: Result) -> None:
    assert result["windows"]["made"] == [[1, False], [2, False], [3, False]]


def test_frames_behind_an_isolated_layer_are_known_to_be_out_of_sight(result: Result) -> None:
    assert result["isolated"] == [True, False]


def test_a_layers_own_selection_limits_what_is_painted(result: Result) -> None:
    assert result["selections"] == {"own": [20, 10, 50, 40], "own_hidden": [0, 0, 200, 200]}
