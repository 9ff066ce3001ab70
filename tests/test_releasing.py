"""A paused job makes room for those that wait, and goes on later as if it had had its device all the time."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
import torch
from server_process import RawClient, ServerProcess

from nst_server.broker.dispatch import Dispatcher
from nst_server.jobs import Job, Jobs
from nst_server.store import Store
from nst_server.wire.messages import Message
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels, digest_of
from nst_server.worker import loop
from nst_server.worker.job import Run
from nst_server.worker.loop import Worker
from nst_server.worker.reins import Reins, Released

#: Shallow layers only: the built-in encoder learns them in a fraction of a second.
JOB: dict[str, Any] = {
    "iterations": 60,
    "frames": "every:4",
    "content_layers": ["conv1_2"],
    "style_layers": ["conv1_1"],
}
#: Longer than any test takes.
ENDLESS = 10_000
#: The worker gives way to everything else that runs on this machine, in seconds.
PATIENCE = 90.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server"), "--device", "cpu") as process:
        yield process


@pytest.fixture
def scene(server: ServerProcess) -> Iterator[Scene]:
    scene = Scene(server)
    yield scene
    # Whatever a failed test has left must not hold up the next one.
    for job in (scene.job, scene.other):
        server.client().send("cancel", job=job)


@pytest.fixture(scope="module")
def whole(server: ServerProcess) -> Callable[[str], dict[int, str]]:
    """The frames of the job, painted without a pause with that optimiser: digests by iteration."""
    known: dict[str, dict[int, str]] = {}

    def painted(optimiser: str) -> dict[int, str]:
        if optimiser not in known:
            scene = Scene(server)
            scene.submit(scene.job, optimiser=optimiser)
            known[optimiser] = scene.finish()[1]
        return known[optimiser]

    return painted


class Scene:
    """A client with two jobs: one that is paused and ``other``, which waits."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.job, self.other = (name + secrets.token_hex(4) for name in ("job-", "other-"))
        self.connect()

    def connect(self, *jobs: str) -> None:
        self.client: RawClient = self.server.client()
        self.client.send("credit", bytes=10**9)
        for job in jobs:
            self.client.send("attach", job=job)
            self.client.expect("accepted", job=job)

    def submit(self, job: str, **params: Any) -> None:
        self.client.submit(job, more={"content": self.client.image(48, 32, seed=1)}, **{**JOB, **params})

    def pause(self, job: str, iteration: int = 4) -> None:
        """Pause the job when it has that many iterations or a few more."""
        for message in self.client.messages(PATIENCE):
            if (message.type, message.get("job")) == ("progress", job) and message["iteration"] >= iteration:
                break
        self.client.send("pause", job=job)
        self.client.expect("state", job=job, state="paused")

    def release(self, **params: Any) -> None:
        """Paint a little of the job, then let ``other``, endless unless told otherwise, have its device."""
        self.submit(self.job, **params)
        self.pause(self.job)
        self.submit(self.other, iterations=ENDLESS, frames="none")
        self.client.expect("state", job=self.other, state="running", seconds=PATIENCE)

    def listed(self, job: str) -> dict[str, Any]:
        """What `nst jobs` tells of it."""
        self.client.send("status")
        return next(each for each in self.client.expect("status")["jobs"] if each["job"] == job)

    def finish(self) -> tuple[Message, dict[int, str]]:
        """The job's ``done``, and the digests of its frames by iteration."""
        done = self.client.expect("done", job=self.job, seconds=PATIENCE)
        while not self.client.pixels.get((self.job, done["kept_frames"])):
            assert self.client.receive(5)
        frames = [m for m in self.client.log if m.type == "frame" and m["job"] == self.job]
        assert [m["sequence"] for m in frames] == list(range(1, done["kept_frames"] + 1))
        return done, {m["iteration"]: m["pixels"]["digest"] for m in frames}

    def losses(self) -> list[tuple[int, Any]]:
        told = [m for m in self.client.log if m.type == "progress" and m["job"] == self.job]
        return [(m["iteration"], m["losses"]) for m in told]

    @property
    def folder(self) -> Path:
        return self.server.data / "jobs" / self.job


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_another_job_is_painted_meanwhile_and_the_picture_is_the_same_to_the_bit(
    scene: Scene, whole: Callable[[str], dict[int, str]], optimiser: str
) -> None:
    expected = whole(optimiser)
    client = scene.client
    scene.submit(scene.job, optimiser=optimiser)
    scene.pause(scene.job)
    checkpoint, until = scene.folder / "checkpoint.npz", time.monotonic() + PATIENCE
    while not checkpoint.exists():
        assert time.monotonic() < until
        time.sleep(0.1)
    list(client.messages(0.3))  # what was told before
    client.quiet(0.3, "state", "progress")
    before, worker = scene.listed(scene.job), scene.server.worker_pid()
    scene.submit(scene.other, optimiser="adam", seed=3)
    client.expect("done", job=scene.other, seconds=PATIENCE)
    assert scene.listed(scene.job) == before
    assert before["state"] == "paused" and before["iteration"] >= 4
    client.quiet(0.3, "state")
    client.send("resume", job=scene.job)
    done, frames = scene.finish()
    assert frames == expected
    assert (done["reason"], done["notes"]) == ("completed", [])
    iterations = [iteration for iteration, _ in scene.losses()]
    assert iterations == sorted(iterations), "none is told of twice"
    assert scene.server.worker_pid() == worker
    told = [m["state"] for m in client.log if m.type == "state" and m["job"] == scene.job]
    assert list(dict.fromkeys(told[told.index("paused") :])) == ["paused", "preparing", "running"]


def test_paused_while_another_waits_and_changed_meanwhile(
    scene: Scene, whole: Callable[[str], dict[int, str]]
) -> None:
    client = scene.client
    scene.submit(scene.job)
    scene.submit(scene.other, iterations=ENDLESS, frames="none")
    scene.pause(scene.job)
    client.expect("state", job=scene.other, state="running", seconds=PATIENCE)
    client.send("update", job=scene.job, revision=1, params={"strength": 0.9})
    client.send("update", job=scene.job, revision=2, params={"strength": 0.5})
    client.send("resume", job=scene.job)
    assert client.expect("state", job=scene.job)["state"] == "queued"
    assert scene.listed(scene.other)["state"] == "running", "which is not made to wait"
    client.send("pause", job=scene.other)
    done, frames = scene.finish()
    assert (frames, done["notes"]) == (whole("lbfgs"), [])
    assert scene.losses() and client.log[-1].get("job") == scene.job
    assert next(m["revision"] for m in reversed(client.log) if m.type == "frame") == 2
    # The other one has made room in turn.
    assert scene.listed(scene.other)["state"] == "paused"
    client.send("resume", job=scene.other)
    client.expect("progress", job=scene.other, seconds=PATIENCE)


def test_paused_before_it_has_a_picture_it_is_begun_when_it_is_resumed(scene: Scene) -> None:
    client = scene.client
    scene.submit(scene.job, seed=7)  # for which the encoder has yet to learn
    client.expect("state", job=scene.job, state="preparing")
    client.send("pause", job=scene.job)
    scene.submit(scene.other)
    client.expect("done", job=scene.other, seconds=PATIENCE)
    listed = scene.listed(scene.job)
    assert (listed["state"], listed["iteration"]) == ("paused", 0)
    client.send("resume", job=scene.job)
    done, frames = scene.finish()
    scene.job += "-again"
    scene.submit(scene.job, seed=7)
    assert (frames, done["notes"]) == (scene.finish()[1], [])


def test_released_and_cancelled_it_ends_at_once(scene: Scene) -> None:
    scene.release()
    assert (scene.folder / "checkpoint.npz").exists()
    scene.client.send("cancel", job=scene.job)
    began = time.monotonic()
    assert scene.client.expect("cancelled", job=scene.job)["kept_frames"] >= 1
    assert time.monotonic() - began < 2
    assert not (scene.folder / "checkpoint.npz").exists()
    assert scene.listed(scene.other)["state"] == "running"


def test_released_and_stopped_it_ends_with_its_picture_when_a_device_is_free(scene: Scene) -> None:
    scene.release()
    iteration = scene.listed(scene.job)["iteration"]
    scene.client.send("stop", job=scene.job)
    scene.client.quiet(0.5, "done")
    scene.client.send("stop", job=scene.other)
    done, frames = scene.finish()
    assert (done["reason"], done["iteration"], max(frames)) == ("stopped", iteration, iteration)
    assert done["notes"] == []


def test_released_it_is_paused_still_in_the_next_life_of_the_server(
    tmp_path: Path, whole: Callable[[str], dict[int, str]]
) -> None:
    with ServerProcess(tmp_path, "--device", "cpu") as server:
        scene = Scene(server)
        scene.release()
        iteration = scene.listed(scene.job)["iteration"]
        server.stop()
        server.start()
        scene.connect(scene.job, scene.other)
        scene.client.expect("state", job=scene.other, state="running", seconds=PATIENCE)
        listed = scene.listed(scene.job)
        assert (listed["state"], listed["iteration"]) == ("paused", iteration)
        scene.client.send("cancel", job=scene.other)
        scene.client.send("resume", job=scene.job)
        done, frames = scene.finish()
        assert frames == whole("lbfgs")
        assert done["notes"] == [f"went on from iteration {iteration} after an interruption"]


def test_where_its_checkpoint_cannot_be_written_it_keeps_its_device(
    scene: Scene, whole: Callable[[str], dict[int, str]]
) -> None:
    client = scene.client
    scene.submit(scene.job)
    client.expect("accepted", job=scene.job)
    (scene.folder / "checkpoint.part").mkdir()
    scene.pause(scene.job)
    scene.submit(scene.other)
    assert client.expect("state", job=scene.other)["state"] == "queued"
    client.quiet(1.5, "state")
    client.send("resume", job=scene.job)
    assert client.expect("state", job=scene.job)["state"] == "running"
    (scene.folder / "checkpoint.part").rmdir()
    done, frames = scene.finish()
    assert frames == whole("lbfgs")
    assert [note.startswith("its progress could not be saved") for note in done["notes"]] == [True]
    client.expect("done", job=scene.other, seconds=PATIENCE)


class Commands:
    """A link that brings these commands, one after another; "" stands for none at the moment."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = list(kinds)

    def receive(self, _seconds: float = 0.0) -> Message | None:
        kind = self.kinds.pop(0) if self.kinds else ""
        return Message(kind, {"job": "job"}) if kind else None


def reins(*commands: str) -> Reins:
    task = {"job": "job", "params": {}, "revision": 0, "previews": False, "download": None}
    link: Any = Commands(*commands)
    return Reins(link, Message("run", {**task, "paused": False, "release": False, "stop": False}))


def test_where_it_stands_is_written_down_before_it_leaves() -> None:
    kept: list[str] = []
    with pytest.raises(Released):
        reins("pause", "release").wait(lambda: not kept.append("here"))
    assert kept == ["here"], "though the pause came only as it looked"


@pytest.mark.parametrize(
    ("commands", "can_go_on"),
    [
        (("pause", "release", "", "", "resume"), False),
        (("pause", "release", "", "", "stop"), False),
        (("pause", "release", "resume", "pause", "", "", "resume"), True),
        (("pause", "", "", "resume"), True),
        (("pause", "stop", "release"), True),
    ],
)
def test_it_stays_where_it_could_not_go_on_or_is_told_to(commands: tuple[str, ...], can_go_on: bool) -> None:
    told = reins(*commands)
    told.wait(lambda: can_go_on)
    assert not told._link.kinds


@pytest.mark.parametrize(
    ("commands", "leaves"),
    [
        (("pause", "release"), True),
        (("pause",), False),
        (("pause", "release", "resume"), False),
        (("pause", "release", "stop"), False),
    ],
)
def test_while_it_is_prepared_it_leaves_at_once(
    monkeypatch: pytest.MonkeyPatch, commands: tuple[str, ...], leaves: bool
) -> None:
    def choose(*_: Any, check: Callable[[], None], **__: Any) -> Any:
        check()
        return encoder

    monkeypatch.setattr(loop, "choose_encoder", choose)
    worker, told = Worker(Mock(), torch.device("cpu"), None, False), reins(*commands)
    picture: Any = Mock()
    encoder: Any = Mock()
    if leaves:
        with pytest.raises(Released):
            worker._choose(told, [picture], [])
    else:
        assert worker._choose(told, [picture], []) is encoder


def test_paused_in_its_last_iteration_it_does_not_wait() -> None:
    run, waits = Run.__new__(Run), Mock()
    run._reins = waits
    steps: Any = [SimpleNamespace(final=False), SimpleNamespace(final=True)]
    assert list(run._paced(iter(steps))) == steps
    assert waits.wait.call_count == 2


class Desk:
    """A worker in this process, with a store, that is given jobs one after another."""

    def __init__(self, root: Path) -> None:
        self.root, self.said = root, []
        self.jobs, self.store = Jobs(lambda change: None), Store(root)
        self.dispatcher = Dispatcher(
            self.jobs, self.store, cast(Any, SimpleNamespace(wants_previews=lambda job: False)), []
        )
        self.worker = Worker(cast(Any, self), torch.device("cpu"), None, False)

    def send(self, kind: str, _chunk: bytes | None = None, **fields: Any) -> None:
        self.said.append(Message(kind, fields))

    def receive(self, _seconds: float = 0.0) -> Message | None:
        return None

    def image(self, data: bytes, width: int, height: int) -> Pixels:
        self.store.blob_path(digest_of(data)).write_bytes(data)
        return Pixels(digest_of(data), width, height, len(data))

    def noise(self, seed: int, width: int, height: int) -> Pixels:
        return self.image(random.Random(seed).randbytes(4 * width * height), width, height)

    def paint(self, name: str, released: bool = False, **more: Any) -> list[Message]:
        """What the worker says of the job; ``released``: it is paused from the start, and others wait."""
        params = Params.from_header({**JOB, "iterations": 8, **more.pop("params", {})})
        job = Job(name, params, self.noise(1, 48, 32), (self.noise(2, 40, 40),), **more)
        self.store.frames_folder(name).mkdir(parents=True, exist_ok=True)
        self.said = []
        task = {**self.dispatcher._task(job), "paused": released, "release": released, "download": False}
        self.worker._do(Message("run", {**task, "job": name}))
        return self.said


def frames(said: list[Message]) -> list[str]:
    return [message["pixels"]["digest"] for message in said if message.type == "frame"]


@pytest.mark.parametrize("lost", [False, True])
def test_released_before_its_first_picture_it_goes_on_with_what_the_earlier_job_had_learnt(
    tmp_path: Path, lost: bool
) -> None:
    expected: list[str] = []
    for folder in ("straight", "released"):
        desk = Desk(tmp_path / folder)
        file = desk.paint("whole")[-2]["file"]
        start = desk.image((desk.store.frames_folder("whole") / file).read_bytes(), 48, 32)
        more = {"start": start, "continues": "whole", "params": {"start": "image"}}
        if folder == "straight":
            expected = frames(desk.paint("on", **more))
            continue
        assert desk.paint("on", released=True, **more)[-1].type == "released"
        kept = desk.store.checkpoint_path("on").with_suffix(".before")
        assert kept.exists()
        desk.paint("other", params={"optimiser": "adam"})
        if lost:
            kept.write_bytes(b"damaged")
        said = desk.paint("on", **more)
        assert said[-1]["notes"] == []
        assert (frames(said) == expected) is not lost
        desk.store._drop_checkpoint("on")
        assert not kept.exists()
