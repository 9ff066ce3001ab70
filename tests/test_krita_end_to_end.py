"""The packaged plugin in a real Krita with the real server: from Start to layers, as a painter does it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import packed_plugin
import pytest
from PIL import Image
from real_krita import Profile, Result, run_probe
from server_process import SCRIPT, ServerProcess, serving

from krita_plugin import package
from nst_server.demo import inputs

HERE = Path(__file__).parent
pytestmark = [pytest.mark.krita, pytest.mark.timeout(900)]

SIZE = (320, 214)


@pytest.fixture(scope="module")
def profile() -> Iterator[Profile]:
    """The home of one painter, who starts Krita three times: to import, to work, and after it was killed."""
    with Profile() as made:
        yield made


@pytest.fixture(scope="module")
def environment(profile: Profile) -> dict[str, str]:
    """The files that the probes use, as Krita sees them."""
    package.write_zip(packed_plugin.files(), profile.outside / "nst_krita.zip")
    inputs.content_photo().resize(SIZE).save(profile.outside / "content.png", icc_profile=None)
    style = inputs.style_painting()
    style.resize((style.width // 3, style.height // 3)).save(profile.outside / "style.png")
    files = {"ZIP": "nst_krita.zip", "CONTENT": "content.png", "STYLE": "style.png", "PAINTED": "painted.kra"}
    return {f"NST_TEST_{name}": str(profile.inside / file) for name, file in files.items()}


@pytest.fixture(scope="module")
def imported(profile: Profile, environment: dict[str, str]) -> Result:
    return run_probe(HERE / "real_krita/import_probe.py", env=environment, profile=profile)


@pytest.fixture(scope="module")
def data(imported: Result, profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of the server, which the painter's Krita finds."""
    with serving(profile, tmp_path_factory.mktemp("end-to-end")) as folder:
        yield folder


@pytest.fixture(scope="module")
def studio(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of another computer, as far as Krita can see: it has its connection file and its address."""
    folder = tmp_path_factory.mktemp("studio")
    with ServerProcess(folder, "--bind", "tcp://127.0.0.1:*", worker=SCRIPT) as server:
        shutil.copy(server.file, profile.outside / "studio.json")
        yield server


@pytest.fixture(scope="module")
def result(data: Path, studio: ServerProcess, profile: Profile, environment: dict[str, str]) -> Result:
    script = HERE / "real_krita/end_to_end_probe.py"
    environment = {**environment, "NST_TEST_STUDIO": str(profile.inside / "studio.json")}
    return run_probe(script, env=environment, profile=profile, timeout=700)


@pytest.fixture(scope="module")
def earlier(result: Result, profile: Profile, environment: dict[str, str]) -> Result:
    return run_probe(HERE / "real_krita/earlier_probe.py", env=environment, profile=profile, timeout=400)


def test_kritas_own_importer_takes_the_zip(imported: Result, profile: Profile) -> None:
    assert imported["title"] == "Activate Plugins?"
    assert "Neural Style Transfer" in imported["question"]
    assert "restart" in imported["question"]
    assert "enable_nst_krita=true" in (profile.outside / "home/.config/kritarc").read_text()


def test_each_action_is_registered_once(result: Result) -> None:
    assert result["menu_tool_tip"] == "Show the Neural Style Transfer docker", "as the .action file says"
    assert not [line for line in result.log.splitlines() if "Duplicated action" in line and "nst_" in line]


def test_frames_become_layers_above_their_source(result: Result) -> None:
    background, group = result["layers"]
    assert background == "Background"
    name, frames = group
    assert name.startswith("style")
    assert [frame.split()[-1] for frame in frames[:-1]] == ["1", "2", "5", "10"]
    assert "final" in frames[-1]


def test_nothing_gets_in_the_painters_way(result: Result) -> None:
    assert result["stroke_on_background"]
    assert result["active"] == "Background"
    assert "Brush" in result["tool"]
    assert result["visible"] == [result["layers"][1][1][-1]]
    assert result["modified"]


def test_the_server_was_started_and_encoder_and_device_are_told(result: Result) -> None:
    assert result["server_before"] == "server starts when it is needed"
    assert "built-in encoder" in result["job_words"]
    assert "CPU" in result["server"] or "NVIDIA" in result["server"]


def test_undo_takes_one_frame_away_and_redo_brings_it_back(result: Result) -> None:
    assert len(result["undone"][1][1]) == len(result["layers"][1][1]) - 1
    assert result["redone"]
    assert result["redone_pixels"]


def test_a_finished_frame_gets_other_colours(result: Result) -> None:
    found = result["other_colours"]
    assert found["no_colours"] == [
        "A finished picture has the colours of its style already. "
        "Choose other Colours, then give them to it.",
        True,
    ]
    message, nothing_started = found["no_frame"]
    assert "not a picture made from it" in message and nothing_started
    assert found["layers"][:2] == result["layers"] and found["layers"][2] == ["recoloured", ["final"]]
    assert found["title"] == "recoloured → “final”" and found["words"].startswith("recoloured in ")
    assert found["active"], "the painter's layer stays the active one"
    content, painted, made = (
        np.frombuffer(bytes.fromhex(found["pixels"][name]), "u1").reshape(-1, 4)[:, 2::-1] / 255
        for name in ("content", "painted", "made")
    )
    luma = np.array([0.2126, 0.7152, 0.0722])
    assert np.abs(made @ luma - painted @ luma).mean() < 0.02, "light and dark are the painting's"
    hues, wanted, before = (each - (each @ luma)[:, None] for each in (made, content, painted))
    assert np.abs(hues - wanted).mean() < 0.5 * np.abs(before - wanted).mean(), "hues are the content's"
    assert found["settings"] == ["", 20, "luminance"]


def test_stop_keeps_the_best_picture(result: Result) -> None:
    state, words, newest = result["stopped"]
    assert state == "done"
    assert "stopped at iteration" in words
    assert "final" in newest


def test_cancel_leaves_nothing_behind(result: Result) -> None:
    assert result["cancelled"] == [["Background"], "Background"]


def test_a_selection_limits_the_result(result: Result) -> None:
    inside, outside, covered = result["selected"]
    assert inside == [255] * 4
    assert outside == [0] * 6
    assert covered == 80 * 50


def test_what_cannot_be_done_is_said_in_words(result: Result) -> None:
    assert "style" in result["without_style"]
    missing, cut_off = result["unreadable_style"]
    assert "no such file.png" in missing and "“cut off.png” cannot be read as a picture" in cut_off
    assert result["message_cleared"] == ""
    assert "is hidden. Show it" in result["hidden_layer"]


def test_restart_server_starts_another_one(result: Result, profile: Profile) -> None:
    if profile.root:  # its Krita does not see this Python, and starts no server
        assert result["restarted"] is None
        return
    message, words = result["restarted"]
    assert message == "" and words.startswith("local server")


def test_a_job_is_done_on_the_server_of_a_connection_file(result: Result, studio: ServerProcess) -> None:
    message, before, meanwhile, job, layers = result["elsewhere"]
    assert message == "" and before == "remote server studio"
    assert meanwhile.startswith("remote server studio · script")
    assert (studio.data / "jobs" / job).is_dir()
    assert layers == ["Background", ["style · none", ["iteration 1", "final"]]]
    assert result["local_again"] == ["", False]


def test_frames_of_a_killed_krita_are_offered_and_fetched(
    result: Result, earlier: Result, data: Path
) -> None:
    assert result["killed_state"] == "running"
    [offered] = earlier["offered"]
    assert offered.startswith("Earlier: style → ")
    assert "local server" in earlier["server"], "which computes the job, or has just done so"
    assert earlier["frames_before"] == ["Background"]
    background, [_, frames] = earlier["layers"]
    assert background == "Background"
    assert frames[:3] == ["iteration 1", "iteration 2", "iteration 5"]
    assert frames[-1] == "final"
    assert earlier["still_offered"] == 0
    kept = (data / "jobs" / result["killed_job"] / "frames.jsonl").read_text().splitlines()
    assert earlier["frames"] == [json.loads(line)["pixels"]["digest"] for line in kept]


def test_fetching_leaves_what_was_painted(result: Result, earlier: Result) -> None:
    assert earlier["reopened"] == result["painted"]
    assert earlier["painted_kept"]
    assert earlier["active"] == "Background"


def test_quitting_does_not_hang(earlier: Result) -> None:
    assert earlier["closing_seconds"] < 1.6


def test_the_screenshots_show_something(result: Result) -> None:
    for name in (
        "idle",
        "docker_idle",
        "running",
        "done",
        "docker_done",
        "paused",
        "docker_paused",
        "cancelled",
    ):
        path = next(p for p in result.screenshots if Path(p).stem == name)
        with Image.open(path) as picture:
            assert len(picture.convert("RGB").resize((200, 130)).getcolors(26_000) or range(999)) > 200
