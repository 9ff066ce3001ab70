"""Documents closed during their job and opened again, in a real Krita; the server's worker is scripted."""

from __future__ import annotations

from pathlib import Path

import packed_plugin
import pytest
from PIL import Image
from real_krita import Profile, Result, run_probe
from server_process import SCRIPT, serving

HERE = Path(__file__).parent
pytestmark = [pytest.mark.krita, pytest.mark.timeout(600)]
GROUP = "starry · none"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = packed_plugin.unpack(tmp_path_factory.mktemp("plugin"))
    with Profile() as profile:
        profile.install(folder)
        style = profile.outside / "starry.png"
        Image.radial_gradient("L").resize((40, 40)).convert("RGB").save(style)
        environment = {"NST_TEST_STYLE": str(profile.inside / style.name)}
        with serving(profile, tmp_path_factory.mktemp("server"), SCRIPT) as data:
            environment["NST_TEST_DATA"] = str(profile.inside / data.relative_to(profile.outside))
            probe = HERE / "real_krita/returning_probe.py"
            return run_probe(probe, env=environment, profile=profile, timeout=400)


def frames(*names: str) -> list[object]:
    """Above the layer that was painted, whichever is active."""
    return ["sky", [GROUP, list(names)], "temple"]


def test_a_job_goes_on_when_its_document_is_opened_again(result: Result) -> None:
    found = result["unsaved"]
    assert found["closed"] == [False, []], "no button that does nothing, and nothing where it does not belong"
    assert found["again"] == [True, "paused", "", "", True]
    assert (found["offered"], found["active"]) == ([], ["temple", "temple"])
    assert found["layers"] == frames("iteration 1", "iteration 2", "iteration 390", "final")


def test_and_has_the_frames_that_were_saved(result: Result) -> None:
    found = result["saved"]
    assert found["layers_before"] == frames("iteration 1", "iteration 2")
    assert (found["inserted"], found["note"]) == ([1, 2], "")
    assert found["layers"] == frames("iteration 1", "iteration 2", "iteration 390", "final")


def test_frames_that_are_fetched_lie_above_the_layer_that_was_painted(result: Result) -> None:
    found = result["ended"]
    [offered] = found["offered"]
    assert offered.startswith("Earlier: starry → “sky” · ") and offered.endswith(" · 4 frames")
    assert found["layers"] == frames("iteration 1", "iteration 2", "iteration 390", "final")
    assert (found["message"], found["settings"]) == ("", [400, True])


def test_frames_that_the_server_cannot_read_are_asked_for_again(result: Result) -> None:
    found = result["lost"]
    assert found["message"] == "" and found["told"].startswith("Frame 4 is no longer in the data folder.")
    assert sorted(found["seen"]) == [0, 1, 2, 3], "all but the final one, and the animation of these"
    assert found["words"] == (
        "The final frame did not come from the server. Press Insert to ask for it once more."
    )
    assert (found["words_then"], found["left_out"]) == ("", [])


def test_the_frames_of_a_document_that_was_never_saved_go_on_into_another(result: Result) -> None:
    found = result["without_file"]
    [offered] = found["offered"]
    assert offered.startswith("Earlier, in ") and offered.endswith(" · 2 frames · paused")
    assert found["message"] == (
        "The layer that was painted is not here: its frames lie above “temple”, the active one."
    )
    names = ["iteration 1", "iteration 2", "iteration 390", "final"]
    assert found["layers"] == ["sky", "temple", [GROUP, names]] and found["rows"] == [True]


def test_cancelling_takes_no_stroke_away_that_was_saved(result: Result) -> None:
    assert result["painted_on"] == frames("iteration 1")


@pytest.mark.parametrize("name", ["stopped", "unused"])
def test_what_nobody_follows_is_stopped_from_its_offer(result: Result, name: str) -> None:
    found = result[name]
    [offered], [ended] = found["offered"], found["ended"]
    assert offered.endswith(" · 2 frames · paused") and found["answers"] == ["Fetch", "Stop it"]
    assert ended.endswith(" · 2 frames") and found["answers_then"] == ["Fetch", "Dismiss"]
    assert found["layers"] == frames("iteration 1", "iteration 2")
    assert found["words"].startswith("stopped at iteration ")


def test_what_is_not_saved_is_written_down_for_a_crash(result: Result) -> None:
    assert result["written_down"] == {"ended": [True], "saved": False}


def test_why_start_was_refused_is_said_until_another_layer_is_chosen(result: Result) -> None:
    [message] = result["refused"]
    assert "empty" in message
