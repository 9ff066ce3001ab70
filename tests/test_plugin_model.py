"""The plugin's state without Krita: on this Python, and on every CPython of 3.8 and later that is found."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from plugin_parts import part

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "krita_plugin"
pytestmark = pytest.mark.usefixtures("plugin")


def event_of(kind: str, **fields: Any) -> Any:
    return part("backend.wire").events.Event(kind, fields)


def new_job(iterations: int = 40, styles: tuple[Any, ...] = (), **params: Any) -> Any:
    params = part("backend.wire").params.Params(iterations=iterations, style_weights=(1.0,), **params)
    every = part("model.options").Layers.EVERY
    return part("model.jobs").Job("a → b", "a", params, every, "doc", "layer", styles=styles)


def accepted(job: Any, state: str = "running", **params: Any) -> dict[str, Any]:
    fields = {"job": job.id, "state": state, "revision": 0, "kept_frames": 0, "params": params}
    job.handle("accepted", fields)
    return fields


def pythons() -> list[str]:
    """Every CPython from 3.8 on, this one first: on PATH, and where pyenv keeps them."""
    found = {sys.version_info[:2]: sys.executable}
    names = [str(p) for p in Path.home().glob(".pyenv/versions/3.*/bin/python3")]
    names += filter(None, (shutil.which(f"python3.{minor}") for minor in range(8, 20)))
    for name in names:
        run = subprocess.run([name, "-V"], capture_output=True, text=True, check=False)
        version = re.search(r"Python (\d+)\.(\d+)", run.stdout)
        if version and (key := (int(version[1]), int(version[2]))) >= (3, 8):
            found.setdefault(key, name)
    return list(found.values())


@pytest.mark.parametrize("python", pythons())
def test_pure_parts_run_on_every_python_of_krita(python: str, tmp_path: Path) -> None:
    code = f"""
import sys
sys.path[:0] = [{str(PLUGIN)!r}, {str(ROOT)!r}]
sys.dont_write_bytecode = True
from nst_krita.model import colour_map, connection, forecast, jobs, masks, options, presets, properties, words
from nst_krita.backend import wire
from nst_krita import settings, vendor
from nst_server.wire import codec
wanted = options.Options()
wanted["strength"] = 0.7
job = jobs.Job("a", "a", wanted.params((1.0,)), options.Layers.EVERY, "doc", "layer")
job.handle("progress", dict(iteration=3, total=9, losses=dict(total=1.0), seconds_left=70.0, revision=0))
message = wire.messages.Message("hello", {{"protocol": [1, 0]}})
assert codec.decode(codec.encode(message), wire.messages.FROM_CLIENT)["protocol"] == [1, 0]
assert colour_map.ColourMap(bytes([0, 0, 255, 9]) * 4, ["#ff0000"]).mask("#ff0000") == bytes([9]) * 4
print(job.words)
"""
    run = subprocess.run(
        [python, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "NST_DATA_DIR": str(tmp_path), "PYTHONPATH": ""},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "iteration 3 of 9, 1 min left"


@pytest.mark.parametrize("python", pythons())
def test_all_of_the_plugin_compiles_on_every_python_of_krita(python: str) -> None:
    code = (
        "import pathlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for file in pathlib.Path(name).rglob('*.py'):\n"
        "        compile(file.read_bytes(), str(file), 'exec')\n"
    )
    folders = [str(PLUGIN / "nst_krita"), str(PLUGIN / "nst_demo"), str(ROOT / "nst_server/wire")]
    run = subprocess.run(
        [python, "-W", "error", "-c", code, *folders], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_observers_hear_of_changes_only() -> None:
    properties = part("model.properties")

    class Thing(properties.Observable):  # type: ignore[misc, name-defined]
        size = properties.Property(1)
        name = properties.Property("")

    thing, heard = Thing(), []
    end = thing.observe(lambda: heard.append(thing.size), "size")
    thing.size = 2
    thing.size = 2
    thing.name = "x"
    end()
    thing.size = 3
    assert heard == [1, 2]


def test_a_job_tells_its_way_in_plain_words() -> None:
    job = new_job()
    said = []
    for kind, fields in [
        ("state", {"state": "queued", "position": 2}),
        ("state", {"state": "preparing", "what": "fetching VGG19", "done": 2e6, "total": 5e6, "unit": "B"}),
        ("state", {"state": "running", "device": "CPU, 2 threads", "encoder": "built-in"}),
        ("progress", {"iteration": 40, "total": 300, "losses": {"total": 1}, "seconds_left": 61}),
        ("state", {"state": "paused"}),
        ("done", {"reason": "stopped", "iteration": 41, "seconds": 12.0, "encoder": "built-in",
                  "device": "CPU", "plan": {}, "notes": ["worked at 1024 px"]}),
    ]:  # fmt: skip
        job.handle(kind, fields)
        said.append(job.words)
    assert said[0] == "waiting behind 2 jobs"
    assert said[1] == "fetching VGG19, 2 of 5 MB"
    assert said[3] == "iteration 40 of 300, 1 min left"
    assert "paused" in said[4]
    assert said[5] == "stopped at iteration 41, after 12 s · built-in encoder"
    assert job.note == "worked at 1024 px"
    assert job.has_ended


@pytest.mark.parametrize(
    ("is_started", "state", "iteration", "is_told"),
    [
        (True, "queued", 30, True),
        (True, "preparing", 30, True),
        (True, "preparing", 0, True),
        (True, "done", 30, False),
        (True, "paused", 30, False),
        (False, "preparing", 30, False),  # somebody else had its device, or the connection was lost
    ],
)
def test_a_job_says_that_the_server_was_started_again_until_that_does(
    is_started: bool, state: str, iteration: int, is_told: bool
) -> None:
    job, known = new_job(), {"revision": 1, "kept_frames": 0, "params": {}}
    job.await_server(True)
    job.await_server(False)
    job.handle("accepted", {**known, "state": "preparing", "iteration": 0})
    assert job.note == "", "it was started for this job"
    job.handle("progress", {"iteration": 40, "total": 300, "losses": {}})
    words = job.words
    if is_started:
        job.await_server(True)
        assert job.words == "starting server"
        job.await_server(False)
        assert job.words == words
    job.handle("accepted", {**known, "state": state, "iteration": iteration})
    note = "The server was started again: the job goes on from its last save, or begins again."
    assert job.note == (note if is_told else "")
    own = "went on from iteration 30 after an interruption"
    done = {"reason": "completed", "iteration": 300, "seconds": 12.0, "encoder": "built-in"}
    job.handle("done", {**done, "notes": [own]})
    assert job.note == own


def test_notes_that_one_step_had_are_told_once() -> None:
    job = new_job()
    notes = ["the layers of the losses are others now", "began again after an interruption"]
    told = " · ".join(notes)
    job.handle("progress", {"iteration": 40, "total": 300, "losses": {}, "note": "; ".join(notes)})
    assert job.note == told
    done = {"reason": "completed", "iteration": 300, "seconds": 12.0, "encoder": "built-in"}
    job.handle("done", {**done, "notes": [*notes, "a new one"]})
    assert job.note == f"{told} · a new one"


def test_a_paused_job_that_is_followed_again_says_how_far_it_is() -> None:
    job = new_job(iterations=100)
    fields = {
        "job": job.id,
        "state": "paused",
        "revision": 1,
        "kept_frames": 0,
        "params": {},
        "iteration": 60,
    }
    job.handle("accepted", fields)
    assert (job.words, job.fraction) == ("paused at iteration 60 of 100", 0.6)
    job.handle("state", {"state": "paused"})
    job.handle("progress", {"iteration": 61, "total": 100, "losses": {"total": 1.0}})
    assert (job.words, job.fraction) == ("paused at iteration 61 of 100", 0.61)
    del fields["iteration"]  # a server of an earlier version
    job.handle("accepted", fields)
    assert job.words == "paused at iteration 61 of 100"


def test_a_failure_says_what_to_do() -> None:
    job = new_job()
    job.handle(
        "failed",
        {"code": "weights", "message": "There are no weights.", "hint": "Fetch them.", "kept_frames": 0},
    )
    assert job.state is part("model.jobs").JobState.FAILED
    assert job.words == "There are no weights. Fetch them."


def test_sliders_move_a_job_once_it_is_accepted_and_only_with_its_own_styles() -> None:
    starry, wave = object(), object()
    job = new_job(styles=(starry,))
    assert not job.follows((starry,)), "the server may not know it yet"
    accepted(job)
    assert job.follows((starry,))
    assert not job.follows((wave,)), "as many styles, but others"
    assert not job.follows((starry, wave))
    job.wanted = "stop"
    assert not job.follows((starry,))
    earlier = new_job()
    accepted(earlier)
    assert not earlier.follows(())


def test_a_job_being_sent_outlives_a_server_that_does_not_know_it_yet() -> None:
    job = new_job()
    assert not job.lost({"of": "update"})
    assert job.lost({"of": "attach"})
    accepted(job)
    assert job.lost({"of": "update"})


def test_what_was_given_while_disconnected_is_given_again() -> None:
    job = new_job(styles=(object(),))
    known = accepted(job, style_weights=[1.0], iterations=40)
    assert job.unheard(known) == []
    job.params = job.params.updated({"strength": 0.9})
    job.wants_pause = True
    fields = accepted(job, style_weights=[1.0], iterations=40)
    assert job.unheard(fields) == [("pause", {}), ("update", {"strength": 0.9})]
    assert job.unheard(accepted(job, state="paused", style_weights=[1.0], strength=0.9)) == []
    job.wanted = "stop"
    assert job.unheard(known) == [("stop", {})]


@pytest.mark.parametrize(
    ("states", "said", "unsaid", "stop"),
    [
        (["running"], ["a → b is still being painted.", "It can go on"], "reached", "keep the best picture"),
        (["paused"], ["a → b is paused.", "It can go on"], "reached", "keep the best picture"),
        (["queued"], ["a → b is waiting to be painted.", "It can go on"], "reached", "Cancel it"),
        (["preparing", "queued"], ["2 pictures", "They can go on"], "reached", "Cancel them"),
        (["sending"], ["a → b is still on its way", "not painted"], "go on", ""),
        (["sending", "paused"], ["2 pictures", "One can go on", "not painted"], "They", "best picture"),
        (["running", "running", "queued"], ["They can go on", "no picture yet"], "reached", "best pictures"),
    ],
)
def test_quitting_promises_only_what_becomes_of_the_jobs(
    states: list[str], said: list[str], unsaid: str, stop: str
) -> None:
    jobs = [new_job() for _ in states]
    for job, state in zip(jobs, states, strict=True):
        job.state = part("model.jobs").JobState(state)
    words = part("model.jobs").quit_words(jobs)
    assert all(each in f"{words.text} {words.more}" for each in said)
    assert unsaid not in words.more
    assert stop in words.stop and bool(words.stop) == bool(stop)


def test_a_job_with_a_picture_is_asked_about_as_such_where_it_waits_for_a_device_again() -> None:
    job = new_job()
    for state in ("paused", "queued"):
        job.handle("accepted", {"state": state, "position": 0, "revision": 0, "iteration": 7, "params": {}})
        assert part("model.jobs").quit_words([job]).stop == "Stop, and keep the best picture"


def test_frames_that_come_after_the_ending_have_their_names() -> None:
    job = new_job()
    job.fail("The connection was lost.")
    job.handle("frame", {"kept": True, "sequence": 3, "iteration": 17})
    assert job.frame_name(3, False) == "iteration 17"


def test_options_start_from_the_protocols_defaults_and_survive_a_settings_file() -> None:
    options, params = part("model.options"), part("backend.wire").params
    fresh = options.Options()
    assert fresh.params(()).to_header() == {}
    fresh["strength"], fresh["frames"], fresh["layers"] = 0.25, "every:5", options.Layers.NEWEST
    again = options.Options()
    again.load({**fresh.to_json(), "iterations": "many", "unknown": 1})
    assert again["strength"] == 0.25
    assert again["frames"] == "every:5"
    assert again["layers"] is options.Layers.NEWEST
    assert again["iterations"] == params.DEFAULTS.iterations
    assert set(fresh.live(())) == {name for name, meta in params.FIELDS.items() if meta.get("live")}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff\xfe", b'{"recent": 5, "styles": {}}'])
def test_a_damaged_settings_file_means_the_defaults(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/plugin.json").write_bytes(damage)
    settings = part("settings").Settings()
    assert settings.recent == []
    assert settings.get("styles", list) == []
    settings.add_recent("/a.png")
    settings.add_recent("/b.png")
    settings.add_recent("/a.png")
    assert part("settings").Settings().recent == ["/a.png", "/b.png"]


def test_two_kritas_share_the_settings(tmp_path: Path) -> None:
    one, other = part("settings").Settings(), part("settings").Settings()
    one.set("presets", ["of one"])
    other.set("options", {"strength": 0.4})
    other.add_recent("/b.png")
    one.add_recent("/a.png")
    for each in (one, other, part("settings").Settings()):
        assert each.get("presets", list) == ["of one"] and each.get("options", dict) == {"strength": 0.4}
        assert each.recent == ["/a.png", "/b.png"]
    # Where nothing can be written each goes on with what it has.
    (tmp_path / "data/plugin.json").unlink()
    (tmp_path / "data/plugin.json").mkdir()
    one.set("presets", ["of one", "unwritten"])
    assert one.get("presets", list) == ["of one", "unwritten"]
    assert one.recent == ["/a.png", "/b.png"]


def test_the_server_line_says_where_it_stands() -> None:
    connection = part("model.connection").Connection()

    def tell(kind: str, **fields: Any) -> None:
        connection.handle(event_of(kind, **fields))

    assert connection.words == "server starts when it is needed"
    connection.is_missing = True
    assert connection.words == "server not installed"
    connection.is_installing = True
    assert connection.words == "installing the server"
    tell("starting")
    assert connection.words == "starting server"
    tell("connected", devices=[{"id": "cpu", "name": "CPU, 2 threads"}])
    assert connection.is_cpu
    tell("state", encoder="vgg19")
    assert connection.words == "local server · CPU, slow · VGG19"
    tell("connected", devices=[{"id": "cuda:0", "name": "NVIDIA H200"}])
    assert connection.words == "local server · NVIDIA H200 · VGG19"
    tell("disconnected", reason="silence")
    assert connection.words == "connection lost, trying again"
    assert "choose Restart server" in connection.problem
    tell("closed")  # that server was not needed any more
    assert (connection.words, connection.problem) == ("installing the server", "")
    tell("unreachable", reason="Run: nst krita install")
    assert (connection.words, connection.problem) == ("no server", "Run: nst krita install")


def test_a_download_is_offered_once_and_only_where_it_helps() -> None:
    download = part("model.download").Download(part("settings").Settings())
    heard: list[str] = []
    download.observe(lambda: heard.append(download.words), "offered")
    job = new_job()
    accepted(job)
    download.watch(job, event_of("state"))
    assert download.offered == ""
    job.handle("state", {"state": "running", "encoder": "built-in"})
    download.watch(job, event_of("state"))
    assert download.offered == "", "while it paints its row has the room"
    done = {"reason": "completed", "iteration": 1, "seconds": 1.0, "encoder": "built-in", "notes": []}
    job.handle("done", done)
    download.watch(job, event_of("done"))
    assert download.offered == "vgg19"
    assert "548 MB" in heard[-1]
    assert download.allowed is None
    download.answer(False)
    download.watch(job, event_of("state"))
    assert (download.offered, download.allowed) == ("", None)


def test_a_refused_download_is_offered_again_where_vgg_is_asked_for_by_name() -> None:
    settings = part("settings").Settings()
    download = part("model.download").Download(settings)
    download.answer(False)
    job = new_job(encoder="vgg16")
    accepted(job)
    failed = {"code": "weights", "message": "They are not here.", "hint": "Fetch them."}
    job.handle("failed", failed)
    download.watch(job, event_of("failed", **failed))
    assert "VGG16" in download.words
    assert "528 MB" in download.words
    download.answer(True)
    assert download.allowed is True
    assert part("model.download").Download(part("settings").Settings()).allowed is True
