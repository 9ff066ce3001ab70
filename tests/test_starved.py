"""The system ends the worker for want of memory: its job goes on smaller. No memory is really short here."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import zmq
from engine_helpers import TinyEncoder, picture, stripes
from server_process import SCRIPT, RawClient, ServerProcess, new_job
from test_interruptions import PATIENCE, checkpoint, connect, finish, pause_at, submit, wait_for

from nst_server import device as devices
from nst_server.engine import memory
from nst_server.engine.control import Control
from nst_server.engine.memory import bytes_per_pixel
from nst_server.engine.state import State
from nst_server.engine.step import Step
from nst_server.engine.stylize import _Run, stylize
from nst_server.executors import local
from nst_server.jobs import MAX_BEGINNINGS, MAX_STARVED, Job, Jobs
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels

CPU = torch.device("cpu")
#: Two scales, 130 and 260 px.
QUICK = Params(iterations=14)
#: Longer than any test takes.
ENDLESS = 100_000
HANG = 1

# The engine.


def run(
    starved: int = 0, resume: State | None = None, params: Params = QUICK, control: Control | None = None
) -> list[Step]:
    content, styles = picture(260, 20), [stripes()]
    more: dict[str, Any] = {"device": CPU, "control": control, "resume": resume, "starved": starved}
    return list(stylize(content, styles, TinyEncoder(), params, **more))


def said(side: int) -> str:
    return f"worked at {side} of 260 px: not enough memory for more"


@pytest.mark.parametrize(("starved", "side"), [(1, 130), (2, 65), (4, 17)])
def test_each_time_halves_the_side_that_is_reached(starved: int, side: int) -> None:
    taken = run(starved)
    assert [step.iteration for step in taken] == list(range(1, 15))
    assert {max(step.scale) for step in taken} == {side}
    assert [step.note for step in taken] == [said(side)] + [None] * 13
    width, height = taken[-1].scale
    assert taken[0].state.tile <= width * height, "styles are read in parts as large"
    assert taken[-1].whole().shape == (3, 20, 260)
    with pytest.raises(MemoryError):
        run(5)


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_a_picture_that_is_larger_already_is_brought_to_it(optimiser: str) -> None:
    params = replace(QUICK, optimiser=optimiser)
    state = run(params=params)[9].state
    assert state.size == (260, 20)
    rest = run(1, state, params)
    assert [(step.iteration, step.scale, step.note) for step in rest] == [
        (11, (130, 10), said(130)),
        *((iteration, (130, 10), None) for iteration in (12, 13, 14)),
    ]
    small = torch.nn.functional.adaptive_avg_pool2d(state.image, (10, 130))
    assert float((rest[0].image - small).abs().mean()) < 0.05
    assert rest[-1].state.full == (130, 10)


def test_a_smaller_one_goes_on_where_it_stood() -> None:
    whole = run()
    state = whole[3].state
    assert state.size == (130, 10) and state.left
    rest = run(1, state)
    assert [step.iteration for step in rest] == list(range(5, 15))
    assert {step.scale for step in rest} == {(130, 10)}
    assert rest[0].image.equal(whole[4].image), "with all that the optimiser had learnt"
    assert [step.note for step in rest if step.note] == [said(130)]
    assert {step.scale for step in run(2, state)} == {(65, 5)}


def test_it_is_no_larger_than_the_memory_allows_by_now(monkeypatch: pytest.MonkeyPatch) -> None:
    state = run()[9].state
    need = bytes_per_pixel(TinyEncoder(), ["conv2_1", "conv3_1"], CPU)
    monkeypatch.setattr(devices, "memory_available", lambda device: int(need * 400 / memory._SHARE))
    assert 60 < max(run(1, state)[-1].scale) < 80


def test_with_most_of_the_largest_scale_painted_it_ends() -> None:
    state = run()[11].state
    assert state.left == 2 and state.asked == 6
    (only,) = run(1, state)
    assert only.final and (only.iteration, only.scale) == (12, (260, 20))
    assert only.note == "stopped early: not enough memory to go on"
    assert only.image.equal(state.image)


def test_what_does_not_even_fit_to_be_ended_goes_on_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    state, make, calls = run()[11].state, _Run._new_optimiser, []

    def short_once(*given: Any) -> Any:
        calls.append(None)
        if len(calls) == 1:
            raise MemoryError
        return make(*given)

    monkeypatch.setattr(_Run, "_new_optimiser", short_once)
    last = run(1, state)[-1]
    assert last.final and max(last.scale) < 260


def test_stopped_before_it_goes_on_it_ends_with_what_is_painted() -> None:
    state = run()[9].state
    control = Control(QUICK)
    control.stop = True
    (only,) = run(1, state, control=control)
    assert only.final and (only.iteration, only.scale, only.note) == (10, (260, 20), None)
    assert only.image.equal(state.image)


def test_what_larger_scales_were_to_get_is_spent_at_the_size_that_is_reached_already() -> None:
    steps = run()
    rest = run(1, steps[3].state)
    assert {step.scale for step in rest} == {(130, 10)} and rest[-1].iteration == QUICK.iterations
    assert {step.state.asked for step in rest} == {QUICK.iterations}
    assert rest[0].image.equal(steps[4].image)


def test_a_sixteenth_of_the_side_is_the_least() -> None:
    longer = replace(QUICK, iterations=30)
    state = run(params=longer)[20].state
    for side in (130, 65, 33, 17):
        state = run(1, state, longer)[0].state
        assert max(state.full) == side
    with pytest.raises(MemoryError):
        run(1, state, longer)


def test_colours_that_were_changed_meanwhile_are_those_it_goes_on_with() -> None:
    state = run()[9].state
    params = replace(QUICK, keep_colours="moments")
    rest = run(1, state, control=Control(params))
    assert rest[0].state.params == params
    wanted, before, after = (image.mean((1, 2)) for image in (picture(260, 20), state.image, rest[0].image))
    assert float((before - wanted).abs().max()) > 0.1
    assert float((after - wanted).abs().max()) < 0.03


# The queue.


def begun(**params: Any) -> tuple[Jobs, Job]:
    pixels = Pixels("a" * 64, 2, 2, 16)
    jobs, job = Jobs(lambda change: None), Job("a", Params(**params), pixels, (pixels,))
    jobs.accept(job)
    jobs.begin(job, {})
    return jobs, job


def test_it_is_starved_so_often_between_two_checkpoints() -> None:
    jobs, job = begun()
    for starved in range(1, MAX_STARVED + 1):
        assert jobs.starve(job)
        assert (job.state, job.starved, job.interrupted, job.is_again) == ("queued", starved, True, True)
        jobs.begin(job, {})
    assert not jobs.starve(job)
    jobs.save(job)
    assert job.starved == 0 and jobs.starve(job)


def test_one_that_is_paused_takes_little_and_stays_as_it_is() -> None:
    jobs, job = begun(deterministic=True)
    jobs.pause(job, True)
    assert jobs.starve(job)
    assert (job.state, job.starved) == ("paused", 0)


@pytest.mark.parametrize("fixed", [{"deterministic": True}, {"iterations": 0, "keep_colours": "luminance"}])
def test_what_depends_on_no_memory_does_not_go_on_smaller(fixed: dict[str, Any]) -> None:
    jobs, job = begun(**fixed)
    for _ in range(MAX_BEGINNINGS - 1):
        assert jobs.starve(job)
        assert (job.state, job.starved) == ("queued", 0)
        jobs.begin(job, {})
    assert not jobs.starve(job)


def test_one_that_is_being_cancelled_does_not_go_on() -> None:
    jobs, job = begun()
    jobs.cancel(job)
    assert not jobs.starve(job)


# The process.


class Counters:
    """A file as /proc/vmstat."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._kills = 7
        self.count()

    def count(self) -> None:
        """The system has ended a process for want of memory."""
        self._kills += 1
        self.file.write_text(f"nr_free_pages 5\noom_kill_other 1\noom_kill {self._kills}\nswap_ra 0\n")


@pytest.fixture
def counters(tmp_path: Path) -> Counters:
    return Counters(tmp_path / "vmstat")


def test_what_the_system_does_not_tell_counts_nothing(
    counters: Counters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "COUNTERS", counters.file)
    assert local._memory_kills() == 8
    for text in ("", "oom_kill\n", "oom_kill many\n"):
        counters.file.write_text(text)
        assert local._memory_kills() == 0
    monkeypatch.setattr(local, "COUNTERS", tmp_path / "none")
    assert local._memory_kills() == 0


def test_what_the_system_ended_some_time_ago_was_not_for_this_job(
    counters: Counters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(local, "COUNTERS", counters.file)
    monkeypatch.setattr(local.time, "monotonic", lambda: now)
    executor = local.LocalExecutor(zmq.Context.instance(), ["true"], "cpu", tmp_path, tmp_path / "log")
    executor._current, executor._ready = local._Current("job", {}), True
    executor._send_task()
    counters.count()
    executor._process = subprocess.Popen(["sleep", "60"])
    list(executor.reports(now))
    assert executor._current.memory_kills == 8, "the worker may have been ended meanwhile"
    for _ in range(2):
        now += 11
        list(executor.reports(now))
    assert executor._current.memory_kills == 9
    executor.close()


@pytest.fixture
def server(tmp_path: Path, counters: Counters) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path, "--device", "cpu", counters=counters.file) as process:
        yield process


@pytest.fixture
def scripted(tmp_path: Path, counters: Counters) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path, worker=SCRIPT, counters=counters.file) as process:
        yield process


def end_for_memory(server: ServerProcess, counters: Counters) -> None:
    """End the worker as the system does."""
    counters.count()
    os.kill(server.worker_pid(), signal.SIGKILL)


def record(server: ServerProcess, job: str) -> dict[str, Any]:
    return dict(json.loads((server.data / "jobs" / job / "job.json").read_text()))


def resumed_after_a_checkpoint(server: ServerProcess) -> RawClient:
    """The client of a job that was paused, written down and computes again."""
    client = connect(server)
    submit(client, "job", scale_iterations=[80], coarse_to_fine=False)
    pause_at(client, 4)
    wait_for(checkpoint(server).exists)
    client.send("resume", job="job")
    client.expect("progress", job="job", seconds=PATIENCE)
    return client


def test_a_job_goes_on_from_its_checkpoint_at_half_the_size(
    server: ServerProcess, counters: Counters
) -> None:
    client = resumed_after_a_checkpoint(server)
    end_for_memory(server, counters)
    done, frames = finish(client, "job")
    note = "worked at 24 of 48 px: not enough memory for more"
    went_on, smaller = done["notes"]
    assert went_on.startswith("went on from iteration ") and smaller == note
    assert (done["reason"], done["iteration"], done["plan"]["size"]) == ("completed", 80, [24, 16])
    told = [m for m in client.log if m.type == "progress" and note in m.get("note", "")]
    assert [m["scale"] for m in told] == [[24, 16]]
    final = next(m for m in client.log if m.type == "frame" and m["final"])
    assert (final["scale"], final["pixels"]["width"], max(frames)) == ([24, 16], 48, 80)


def test_a_job_without_a_checkpoint_begins_anew_at_half_the_size(
    server: ServerProcess, counters: Counters
) -> None:
    client = connect(server)
    submit(client, "job")
    client.expect("frame", job="job", sequence=1, seconds=PATIENCE)
    end_for_memory(server, counters)
    wait_for(lambda: record(server, "job")["starved"] == 1)
    # It is not forgotten with the server.
    server.stop(signal.SIGKILL)
    # A slow machine may have written one by then.
    checkpoint(server).unlink(missing_ok=True)
    server.start()
    done, _ = finish(connect(server, "job"), "job")
    assert done["plan"]["size"] == [24, 16]
    assert done["notes"] == [
        "began again after an interruption",
        "worked at 24 of 48 px: not enough memory for more",
    ]


def test_a_signal_of_somebody_else_changes_nothing_of_the_picture(
    server: ServerProcess, counters: Counters
) -> None:
    client = resumed_after_a_checkpoint(server)
    os.kill(server.worker_pid(), signal.SIGKILL)
    done, frames = finish(client, "job")
    assert done["plan"]["size"] == [48, 32] and len(done["notes"]) == 1
    submit(client, "whole", scale_iterations=[80], coarse_to_fine=False)
    # What was counted before a job began is not its own.
    counters.count()
    assert finish(client, "whole")[1] == frames


def test_a_deterministic_job_fails_for_want_of_memory(scripted: ServerProcess, counters: Counters) -> None:
    client = scripted.client()
    client.submit("job", iterations=ENDLESS, deterministic=True)
    client.submit("next", iterations=1)
    for _ in range(MAX_BEGINNINGS):
        client.expect("progress", job="job", seconds=PATIENCE)
        end_for_memory(scripted, counters)
    failed = client.expect("failed", job="job", seconds=PATIENCE)
    assert (failed["code"], failed["message"], failed["hint"]) == (
        "out_of_memory",
        "There is not enough memory for this job.",
        "Choose a smaller size, or close other programs.",
    )
    client.expect("done", job="next", seconds=PATIENCE)


def test_a_job_fails_for_want_of_memory_in_the_end(scripted: ServerProcess, counters: Counters) -> None:
    client = scripted.client()
    client.submit("job", iterations=ENDLESS)
    for starved in range(MAX_STARVED + 1):
        client.expect("state", job="job", state="running", seconds=PATIENCE)
        assert record(scripted, "job")["starved"] == starved
        end_for_memory(scripted, counters)
    failed = client.expect("failed", job="job", seconds=PATIENCE)
    assert failed["code"] == "out_of_memory"
    client.submit("next", iterations=1)
    client.expect("done", job="next", seconds=PATIENCE)


def test_a_worker_that_the_server_ends_itself_was_not_short_of_memory(
    scripted: ServerProcess, counters: Counters
) -> None:
    client = scripted.client()
    job = new_job()
    client.submit(job, iterations=2, seed=HANG)
    client.submit("next", iterations=ENDLESS)
    client.expect("progress", job=job)
    counters.count()
    client.send("cancel", job=job)
    client.expect("cancelled", job=job)
    client.expect("progress", job="next", seconds=PATIENCE)
    assert record(scripted, "next")["starved"] == record(scripted, job)["starved"] == 0
