"""The packaged plugin in a real Krita with the real server: from Start to layers, as a painter does it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image
from real_krita import Profile, Result, run_probe
from server_process import ServerProcess

from krita_plugin import package, wheels
from nst_server.demo import inputs
from nst_server.wire.connection import Connection, NoConnection

HERE = Path(__file__).parent
pytestmark = [pytest.mark.krita, pytest.mark.timeout(900)]

SIZE = (320, 214)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    """One Krita imports the zip, the next one, in the same profile, does the work."""
    folder = tmp_path_factory.mktemp("end-to-end")
    this = wheels.this_platform()
    pyzmq = package.find_pyzmq(
        [this] if this in wheels.PLATFORMS else [], offline=this not in wheels.PLATFORMS
    )
    with Profile() as profile:
        package.write_zip(package.plugin_files(pyzmq), profile.outside / "nst_krita.zip")
        inputs.content_photo().resize(SIZE).save(profile.outside / "content.png", icc_profile=None)
        style = inputs.style_painting()
        style.resize((style.width // 3, style.height // 3)).save(profile.outside / "style.png")
        environment = {
            "NST_TEST_ZIP": str(profile.inside / "nst_krita.zip"),
            "NST_TEST_CONTENT": str(profile.inside / "content.png"),
            "NST_TEST_STYLE": str(profile.inside / "style.png"),
        }
        imported = run_probe(HERE / "real_krita/import_probe.py", env=environment, profile=profile)
        assert imported["imported"] == ["nst_krita"]
        profile.enable("nst_krita")
        data = profile.outside / "home/.local/share/nst-krita"
        data.mkdir(parents=True)
        with serving(profile, data, folder):
            yield run_probe(
                HERE / "real_krita/end_to_end_probe.py", env=environment, profile=profile, timeout=700
            )


class serving:  # noqa: N801 (reads as the verb that it is)
    """The server as this Krita finds it: in the machine's own Krita the plugin starts it by itself.

    The Krita of a root cannot see this Python, so there the server is started from outside.
    """

    def __init__(self, profile: Profile, data: Path, folder: Path) -> None:
        self._profile, self._data = profile, data
        self._server = ServerProcess(folder, data=data) if profile.root else None

    def __enter__(self) -> None:
        if self._server is None:
            command = [sys.executable, "-m", "nst_server", "serve"]
            (self._data / "installed.json").write_text(json.dumps({"command": command}))
            return
        self._server.start()
        seen_inside = self._server.file.read_text().replace(
            str(self._profile.outside), str(self._profile.inside)
        )
        self._server.file.write_text(seen_inside)

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.__exit__()
            return
        with suppress(NoConnection, ProcessLookupError):
            os.kill(Connection.read(self._data / "run" / "server.json").pid, signal.SIGTERM)


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
    assert "no such file.png" in result["unreadable_style"]
    assert result["message_cleared"] == ""
    assert "Convert Image Colour Space" in result["sixteen_bit"]


def test_quitting_does_not_hang(result: Result) -> None:
    assert result["closing_seconds"] < 1.6


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
