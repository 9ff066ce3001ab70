"""Documents that remember, in a real Krita with the packaged plugin and a server whose worker is scripted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import packed_plugin
import pytest
from PIL import Image
from real_krita import Profile, Result, run_probe
from server_process import SCRIPT, serving

HERE = Path(__file__).parent
pytestmark = [pytest.mark.krita, pytest.mark.timeout(900)]
#: A server that nobody needs ends so many seconds after Krita's goodbye; a little more for slow machines.
BYE_SECONDS = 30 + 15


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Profile]:
    """The home of one painter, the plugin in it."""
    folder = packed_plugin.unpack(tmp_path_factory.mktemp("plugin"))
    with Profile() as made:
        made.install(folder)
        Image.radial_gradient("L").resize((40, 40)).convert("RGB").save(made.outside / "starry.png")
        yield made


@pytest.fixture(scope="module")
def data(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The server's data folder. Krita starts the server itself; in a root it finds one that runs."""
    with serving(profile, tmp_path_factory.mktemp("server"), SCRIPT) as folder:
        yield folder


@pytest.fixture(scope="module")
def history(profile: Profile, data: Path) -> Result:
    environment = {"NST_TEST_STYLE": str(profile.inside / "starry.png"), "NST_TEST_ANSWER": "nst_quit_on"}
    return run_probe(HERE / "real_krita/history_probe.py", env=environment, profile=profile, timeout=500)


@pytest.fixture(scope="module")
def ended(history: Result, data: Path, profile: Profile) -> float:
    """Seconds from Krita's end to that of the server, which had a job to go on with."""
    began = time.monotonic()
    while (data / "run" / "server.json").exists() and not profile.root:
        assert time.monotonic() - began < BYE_SECONDS + 30, "the server is left behind"
        time.sleep(0.2)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def reopened(history: Result, ended: float, profile: Profile) -> Result:
    return run_probe(HERE / "real_krita/reopened_probe.py", profile=profile)


def frames(*names: str) -> list[object]:
    return ["Background", ["starry · none", list(names)]]


def test_jobs_of_two_documents_go_on_side_by_side(history: Result) -> None:
    assert history["two"] == [
        frames("iteration 1", "iteration 2", "iteration 50", "final"),
        frames("iteration 5", "final"),
    ]
    assert len(history["rows"]) == 2
    assert history["second_stayed_active"]
    assert history["modified"] == [True, True]


def test_starting_a_job_leaves_an_untouched_document_untouched(history: Result) -> None:
    assert history["untouched"] is False


def test_frames_that_came_while_the_document_was_closed_are_offered_in_it(history: Result) -> None:
    assert history["meanwhile_saved"] == frames("iteration 1")
    assert history["meanwhile_note"] == (
        "The document was closed. The frames are kept on the server. "
        "Open it again to insert them; if it was never saved, fetch them into another of its size."
    )
    elsewhere, here = history["meanwhile_offered"]
    assert elsewhere == [], "where they do not belong"
    assert here == ["3 frames of starry → “Background” came meanwhile"], "once, by the document"
    assert history["meanwhile_shown"] == here
    assert history["meanwhile_modified"] is False


def test_they_go_on_into_the_group_that_is_there(history: Result) -> None:
    assert history["meanwhile_layers"] == frames("iteration 1", "iteration 248", "iteration 249", "final")
    assert history["meanwhile_visible"] == ["final"]
    assert history["meanwhile_left"] == []
    assert history["meanwhile_complete"] == [[], ""]


def test_a_frames_settings_are_used_again(history: Result) -> None:
    again = history["again"]
    assert again["first"] == [True, 0.25, 300, ["starry"], ""]
    assert again["final"] == [True, 0.75, 300, ["starry"], ""], "as the slider was while it was made"
    assert again["background"][0] is False
    assert "no frame" in again["background"][1]


def test_frames_become_an_animation_at_the_end_or_from_the_jobs_menu(history: Result) -> None:
    found = history["animated"]
    group = ["Background", ["starry · none", ["iteration 10", "iteration 20", "final"]]]
    flat = ["Background", "starry · none"]
    assert found["layers"] == flat
    assert found["keyframes"] == [0, 1, 2]
    assert found["note"] == (
        "The frames are an animation now, from time 0 on. The last one is at time 2. "
        "Undo that to have them as layers."
    )
    assert found["inserted"] == [] and found["record"] == [0, 30, 0]
    assert found["settings"] == [30, "animation"]
    assert found["undone"] == [group, [1, 2, 3], ""]
    assert found["menu"] and found["again"] == [flat, False]


def test_a_job_goes_on_from_a_frame_that_was_painted_over(history: Result) -> None:
    found = history["going_on"]
    assert found["start"] == [True, "starry → “final” (probe)"]
    assert found["content"], "what was painted first stays the content"
    assert found["layers"] == [*frames("final"), ["starry · none", ["final"]]]
    assert found["locked"] and found["unlocked"]


def test_a_job_goes_on_from_any_layer_of_the_document(history: Result) -> None:
    found = history["going_on"]
    assert found["plain"] == [2, ""]
    assert [layer if isinstance(layer, str) else layer[0] for layer in found["plain_layers"]][3:] == [
        "overpainted",
        "starry · none",
    ]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("nothing", ["Nothing has been painted in this document yet", "Press Start"]),
        ("source", ["“Background” is what is painted", "Make a frame"]),
        ("gone", ["was made from is gone", "Undo its deletion"]),
    ],
)
def test_where_nothing_can_be_continued_the_docker_says_what_to_do(
    history: Result, case: str, words: list[str]
) -> None:
    for part in words:
        assert part in history["going_on"][case]


def test_frames_whose_group_is_gone_are_kept_and_come_when_asked_for(history: Result) -> None:
    note, left_out, layers = history["gone"]["undone"]
    assert note == (
        "The group with the frames was undone or deleted. The frames are kept on the server. "
        "Undo or redo that, or press Insert, to have them in the document."
    )
    assert left_out == [1, 2, 3] and layers == ["Background"]
    assert history["gone"]["fetched"] == [frames("iteration 1", "iteration 199", "final"), ""]
    note, count = history["gone"]["flattened"]
    assert "undone or deleted" in note and count == 1


def test_a_single_frame_that_was_undone_comes_again_when_asked_for(history: Result) -> None:
    two = frames("iteration 1", "iteration 199")
    assert history["gone"]["one_undone"] == [[1, 2], [3], two]
    assert history["gone"]["one_fetched"] == [[1, 2, 3], frames("iteration 1", "iteration 199", "final")]


def test_a_document_brings_its_settings_unless_others_are_being_chosen(history: Result) -> None:
    strength, offers, modified, kept, offered, taken, left = history["settings"]
    assert (strength, offers, modified) == (0.125, [], False)
    assert (kept, offered) == (0.5, ["Last painted here: starry"])
    assert (taken, left) == (0.875, 0)


def test_a_document_brings_back_the_layer_that_says_where_a_style_paints(history: Result) -> None:
    assert (history["region"], history["region_message"]) == ("where “washes” has paint", "")


def test_a_second_window_has_a_docker_of_its_own_and_may_close_during_a_job(history: Result) -> None:
    found = history["windows"]
    assert found["layers"] == [["Background"], frames("iteration 1", "iteration 5", "final")]
    assert found["strength"] == [0.625, 0.625] and found["rows"] == [1, 1], "both dockers show the same"
    assert found["closed"] == [1, "running"]
    assert found["went_on"] == [frames("iteration 1", "iteration 199", "final"), 0.5]
    assert "Traceback" not in history.log


def test_quitting_asks_and_can_be_taken_back(history: Result) -> None:
    text, more = history["asked"]
    assert text == "starry → “Background” is paused."
    assert "go on without Krita" in more
    assert history["stayed"] == [1, "paused"]


def test_what_was_not_to_be_saved_is_unsaved_still_where_krita_goes_on(history: Result) -> None:
    assert history["asked_by_krita"], "Krita asks first"
    assert history["still_unsaved"]


def test_the_server_ends_soon_after_krita_and_the_job(history: Result, ended: float) -> None:
    assert ended < BYE_SECONDS


def test_a_job_that_went_on_is_offered_by_its_document(
    history: Result, reopened: Result, profile: Profile
) -> None:
    assert reopened["before"] == frames("iteration 1", "iteration 2")
    if not profile.root:
        assert reopened["offered"] == ["starry → “Background” was not finished when last heard of"]
        assert reopened["server"] == "server starts when it is needed", "looking starts no server"
    assert reopened["layers"] == frames("iteration 1", "iteration 2", "final")
    assert history["quit_job"] not in [job for job, *_words in reopened["offers"]]


def test_stopping_at_quit_keeps_the_best_picture(reopened: Result, data: Path) -> None:
    ending = data / "jobs" / reopened["stopped_job"] / "end.json"
    deadline = time.monotonic() + 10
    while not ending.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert json.loads(ending.read_text())["reason"] == "stopped"
