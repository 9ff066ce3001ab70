"""Which paused jobs are told to make room, and when: the dispatcher with executors that only listen."""

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from nst_server.broker.dispatch import Dispatcher
from nst_server.executors import Executor
from nst_server.jobs import FRAME, Change, Job, Jobs
from nst_server.wire.messages import Message
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels

PIXELS = Pixels("a" * 64, 2, 2, 16)


class Device:
    """An executor that only listens. ``tasks``: of its jobs; ``told``: to the latest; ``says``: reports."""

    def __init__(self) -> None:
        self.job, self.tasks, self.told, self.says = "", [], [], []

    @property
    def free(self) -> bool:
        return not self.job

    def run(self, job: str, task: dict[str, Any]) -> None:
        self.job, self.told = job, []
        self.tasks.append(task)

    def tell(self, job: str, command: str, **_: Any) -> None:
        assert job == self.job
        self.told.append(command)

    def report(self, kind: str, **fields: Any) -> None:
        self.says.append(Message(kind, {"job": self.job, **fields}))

    def reports(self, _now: float) -> Any:
        while self.says:
            message = self.says.pop(0)
            if message.type in ("done", "cancelled", "failed", "released"):
                self.job = ""
            yield message

    def cancel(self, job: str) -> None:
        assert job == self.job
        self.told.append("cancel")

    def leave(self) -> None:
        pass


class Scene:
    """Jobs "a" to "e", none of them accepted yet, and a dispatcher with so many devices."""

    def __init__(self, devices: int) -> None:
        self.is_full = False
        self.jobs = Jobs(self._listen)
        self.devices = [Device() for _ in range(devices)]
        store = MagicMock()
        store.frames_folder = store.checkpoint_path = store.learnt_path = store.blob_path = Path
        self.store, self.watched = store, set[str]()
        sessions: Any = SimpleNamespace(wants_previews=lambda job: job in self.watched)
        executors: list[Executor] = self.devices  # type: ignore[assignment]
        self.dispatcher = Dispatcher(self.jobs, store, sessions, executors)
        self.a, self.b, self.c, self.d, self.e = (Job(n, Params(), PIXELS, (PIXELS,)) for n in "abcde")

    def _listen(self, change: Change) -> None:
        if self.is_full and change.kind == FRAME:
            raise OSError(errno.ENOSPC, "No space left on device")

    def accept(self, *jobs: Job) -> None:
        for job in jobs:
            self.jobs.accept(job)
        self.turn()

    def pause(self, *jobs: Job, paused: bool = True) -> None:
        for job in jobs:
            self.jobs.pause(job, paused)
            self.dispatcher.tell(job, "pause" if paused else "resume")
        self.turn()

    def turn(self) -> None:
        self.dispatcher.work(0.0)

    @property
    def has(self) -> list[str]:
        """Which job each device has."""
        return [device.job for device in self.devices]

    @property
    def released(self) -> list[str]:
        """Jobs that were told to release their device and have it yet."""
        return [device.job for device in self.devices if device.job and device.told[-1:] == ["release"]]


@pytest.fixture
def one() -> Scene:
    return Scene(1)


@pytest.fixture
def two() -> Scene:
    return Scene(2)


def test_a_paused_job_keeps_its_device_until_another_one_waits(one: Scene) -> None:
    one.accept(one.a)
    one.pause(one.a)
    assert one.released == []
    one.accept(one.b)
    one.turn()
    assert one.devices[0].told == ["pause", "release"], "once"
    assert one.has == ["a"], "not yet"
    one.devices[0].report("released")
    one.turn()
    assert (one.has, one.a.state, one.devices[0].told) == (["b"], "paused", [])


def test_a_job_that_is_paused_while_another_one_waits_makes_room(one: Scene) -> None:
    one.accept(one.a, one.b)
    assert one.released == []
    one.pause(one.a)
    assert one.released == ["a"]


def test_resumed_it_goes_on_before_those_that_wait_and_nothing_has_interrupted_it(one: Scene) -> None:
    one.accept(one.a, one.b, one.c)
    one.pause(one.a)
    one.devices[0].report("saved")
    one.devices[0].report("released")
    one.turn()
    one.pause(one.a, paused=False)
    assert (one.has, one.a.state, one.released) == (["b"], "queued", [])
    one.devices[0].report("done", reason="completed")
    one.turn()
    assert one.has == ["a"]
    told = [(task["again"], task["interrupted"]) for task in one.devices[0].tasks]
    assert told == [(False, False), (False, False), (True, False)]
    one.devices[0].report("failed", code="worker_died", message="It died.", hint="")
    one.turn()
    assert (one.has, one.devices[0].tasks[-1]["interrupted"]) == (["a"], True)


def test_a_job_that_was_resumed_too_late_to_keep_its_device_waits_for_it(one: Scene) -> None:
    one.accept(one.a, one.b)
    one.pause(one.a)
    one.devices[0].report("released")
    one.jobs.pause(one.a, False)
    one.turn()
    assert one.has == ["a"], "it comes first"
    assert one.b.position == 0


def test_resumed_and_paused_again_it_is_told_again(one: Scene) -> None:
    one.accept(one.a, one.b)
    one.pause(one.a)
    one.pause(one.a, paused=False)
    assert one.released == []
    one.pause(one.a)
    assert one.released == ["a"]


def test_nothing_makes_room_where_another_device_is_free(two: Scene) -> None:
    two.accept(two.a)
    two.pause(two.a)
    two.accept(two.b)
    assert (two.has, two.released) == (["a", "b"], [])


def test_all_that_are_paused_are_asked_as_one_may_not_be_able_to_leave(two: Scene) -> None:
    two.accept(two.a, two.b)
    two.pause(two.a, two.b)
    two.accept(two.c)
    assert two.released == ["a", "b"]
    two.devices[1].report("released")
    two.turn()
    assert two.has == ["a", "c"]
    two.accept(two.d)
    two.devices[0].report("released")
    two.accept(two.e)
    assert two.has == ["d", "c"]
    two.pause(two.a, two.b, paused=False)
    assert [job.position for job in (two.a, two.b, two.e)] == [0, 1, 2]


def test_an_interruption_is_told_of_until_there_is_a_checkpoint_after_it(one: Scene) -> None:
    one.a.paused = one.a.saved = True
    one.jobs.restore(one.a)
    one.accept(one.b)
    one.devices[0].report("done", reason="completed")
    one.pause(one.a, paused=False)
    one.pause(one.a)
    one.accept(one.c)
    one.devices[0].report("released")
    one.turn()
    one.devices[0].report("done", reason="completed")
    one.pause(one.a, paused=False)
    one.turn()
    assert [task["interrupted"] for task in one.devices[0].tasks] == [False, True, False, True]


def test_what_is_paused_and_waits_lets_nobody_make_room(one: Scene) -> None:
    one.jobs.pause(one.b, True)
    one.accept(one.a, one.b)
    one.pause(one.a)
    assert one.released == []
    one.jobs.stop(one.b)
    one.turn()
    assert one.released == ["a"], "it needs the device to end"


def test_a_released_job_that_is_stopped_or_cancelled_ends(one: Scene) -> None:
    one.accept(one.a, one.b, one.c)
    one.pause(one.a)
    one.devices[0].report("saved")
    one.devices[0].report("released")
    one.turn()
    one.pause(one.b)
    one.jobs.stop(one.a)
    one.devices[0].report("released")
    one.turn()
    assert one.has == ["a"] and one.devices[0].tasks[-1]["stop"]
    assert one.devices[0].tasks[-1]["paused"], "it is stopped all the same"
    one.jobs.cancel(one.b)
    assert one.b.ending == Message("cancelled", {"job": "b", "kept_frames": 0})


def test_a_job_that_is_cancelled_as_it_is_released_is_cancelled(one: Scene) -> None:
    one.accept(one.a, one.b)
    one.pause(one.a)
    one.jobs.cancel(one.a)
    one.devices[0].report("released")
    one.turn()
    assert one.a.ending == Message("cancelled", {"job": "a", "kept_frames": 0})
    assert one.has == ["b"]


def test_nobody_makes_room_in_a_server_that_ends(one: Scene) -> None:
    one.accept(one.a)
    one.pause(one.a)
    one.dispatcher.leave()
    one.accept(one.b)
    assert one.released == []


def test_a_job_that_is_forgotten_while_its_device_is_busy_leaves_nothing_to_one_of_its_id(two: Scene) -> None:
    two.is_full = True
    two.accept(two.a)
    two.devices[0].report("frame", sequence=1, iteration=1)
    two.turn()
    assert (two.a.state, two.has, two.devices[0].told) == ("failed", ["a", ""], ["cancel"])
    two.jobs.forget(two.a)
    again = Job("a", Params(), PIXELS, (PIXELS,))
    two.accept(again)
    assert two.has == ["a", "a"]
    two.devices[0].report("cancelled")
    two.turn()
    assert again.state == "preparing"
    two.pause(again)
    assert two.devices[1].told == ["pause"], "and hears what is meant for it"
    two.accept(two.b)
    assert two.has == ["b", "a"], "the first device is free again"


def test_previews_are_made_only_while_somebody_sees_them(one: Scene) -> None:
    one.accept(one.a)
    assert not one.devices[0].tasks[0]["previews"] and one.devices[0].told == []
    one.watched.add("a")
    one.turn()
    one.turn()
    one.watched.clear()
    one.turn()
    assert one.devices[0].told == ["previews", "previews"]
    one.devices[0].report("done", reason="completed")
    one.watched.add("b")
    one.accept(one.b)
    assert one.devices[0].tasks[1]["previews"] and one.devices[0].told == []


@pytest.mark.parametrize("number", [float("inf"), float("nan"), "1", None, []])
def test_a_damaged_record_of_a_frame_stops_no_job(one: Scene, number: object) -> None:
    one.store.frame.return_value = {"final": True, "iteration": number, "encoder": "built-in"}
    one.accept(one.a)
    assert one.has == ["a"]


def test_what_cannot_be_begun_ends_and_the_next_one_is(one: Scene) -> None:
    one.store.checkpoint_path = MagicMock(side_effect=[RecursionError, Path()])
    one.accept(one.a, one.b)
    assert one.a.ending is not None and one.a.ending["code"] == "internal"
    assert one.has == ["b"]
