"""The states of jobs and the queue."""

import json
from typing import Any

import pytest

from nst_server.broker.answers import summary
from nst_server.jobs import ENDED, FRAME, PROGRESS, STATE, Change, Job, Jobs
from nst_server.wire.messages import Message
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels

PIXELS = Pixels("a" * 64, 2, 2, 16)


class Log(list[tuple[str, str, str]]):
    """What was announced: kind, job, its state then."""

    def __call__(self, change: Change) -> None:
        json.dumps(dict(change.fields))
        self.append((change.kind, change.job.id, change.job.state))

    def of(self, kind: str) -> list[tuple[str, str]]:
        return [(job, state) for k, job, state in self if k == kind]


def make(name: str, **more: Any) -> Job:
    return Job(name, Params(), PIXELS, (PIXELS,), **more)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def jobs(log: Log) -> Jobs:
    return Jobs(log)


def test_first_in_first_out_with_positions(jobs: Jobs, log: Log) -> None:
    a, b, c = (make(name) for name in "abc")
    for job in (a, b, c):
        jobs.accept(job)
    assert [job.position for job in (a, b, c)] == [0, 1, 2]
    assert jobs.next() is a
    jobs.begin(a, {})
    assert [job.position for job in (b, c)] == [0, 1]
    assert log.of(STATE) == [("b", "queued"), ("c", "queued"), ("a", "preparing")]
    assert b.state_message().fields == {"job": "b", "state": "queued", "position": 0}


def test_how_far_a_stopped_job_came_is_told_alike_after_a_restart(jobs: Jobs) -> None:
    job = make("a")
    jobs.accept(job)
    jobs.begin(job, {})
    jobs.progress(job, {"iteration": 219, "total": 219})
    jobs.end(job, Message("done", {"reason": "stopped", "iteration": 219}))
    for again in (job, make("a", ending=job.ending)):
        told = summary(again)
        assert (told["iteration"], told["total"]) == (219, job.params.iterations)


def test_a_paused_job_keeps_its_place_and_is_passed_over(jobs: Jobs) -> None:
    a, b = make("a"), make("b")
    jobs.accept(a)
    jobs.accept(b)
    jobs.pause(a, True)
    assert (a.state, a.position, jobs.next()) == ("paused", 0, b)
    jobs.pause(a, False)
    assert (a.state, jobs.next()) == ("queued", a)


def test_paused_jobs_are_not_counted_among_those_that_come_first(jobs: Jobs, log: Log) -> None:
    a, b, c, d = (make(name) for name in "abcd")
    for job in (a, b, c):
        jobs.accept(job)
    jobs.pause(b, True)
    jobs.accept(d)
    assert [job.position for job in (a, b, c, d)] == [0, 1, 1, 2]
    jobs.pause(a, True)
    assert [job.position for job in (a, b, c, d)] == [0, 0, 0, 1]
    assert log.of(STATE)[-3:] == [("b", "paused"), ("c", "queued"), ("d", "queued")]
    jobs.stop(b)
    assert ([job.position for job in (a, b, c, d)], jobs.next()) == ([0, 0, 1, 2], b)
    again = Jobs(log)
    for job in (a, b, c, d):
        again.restore(job)
    assert [job.position for job in (a, b, c, d)] == [0, 0, 1, 2]


def test_a_released_job_is_paused_as_before_and_the_next_one_when_it_is_resumed(jobs: Jobs, log: Log) -> None:
    a, b, c = (make(name) for name in "abc")
    for job in (a, b, c):
        jobs.accept(job)
    jobs.begin(a, {})
    jobs.run(a, {"device": "cpu"})
    jobs.progress(a, {"iteration": 7})
    jobs.pause(a, True)
    assert jobs.release(a)
    assert (a.state, a.iteration, a.is_again, jobs.has_ready, jobs.next()) == ("paused", 7, False, True, b)
    assert a.state_message().fields == {"job": "a", "state": "paused", "position": 0}
    jobs.begin(b, {})
    jobs.pause(a, False)
    assert (a.state, a.position, c.position, jobs.next()) == ("queued", 0, 1, a)
    assert not a.interrupted
    jobs.begin(a, {})
    jobs.pause(a, True)
    jobs.cancel(a)
    assert not jobs.release(a), "its ending is all that is to come"
    b.beginnings = 9
    assert jobs.release(b) and b.beginnings == 0


def test_an_ordinary_life(jobs: Jobs, log: Log) -> None:
    job = make("a")
    jobs.accept(job)
    jobs.begin(job, {"what": "starting"})
    jobs.prepare(job, {"what": "learning", "done": 1, "total": 2})
    assert job.state_message()["what"] == "learning"
    jobs.run(job, {"device": "cpu", "encoder": "built-in"})
    assert job.state_message().fields == {
        "job": "a",
        "state": "running",
        "device": "cpu",
        "encoder": "built-in",
    }
    jobs.prepare(job, {"what": "too late"})
    assert job.state == "running"
    jobs.progress(job, {"iteration": 1})
    jobs.keep(job, {"sequence": 1, "iteration": 1})
    jobs.keep(job, {"sequence": 3, "iteration": 3})
    assert job.kept_frames == 1
    jobs.end(job, Message("done", {"reason": "completed"}))
    assert job.ending is not None
    assert job.ending.fields == {"job": "a", "reason": "completed", "kept_frames": 1}
    assert jobs.unfinished == 0
    jobs.end(job, Message("failed", {"code": "late"}))
    assert log.of(ENDED) == [("a", "done")]


def test_nothing_is_heard_of_a_job_that_is_being_cancelled(jobs: Jobs, log: Log) -> None:
    job = make("a")
    jobs.accept(job)
    jobs.begin(job, {})
    jobs.run(job, {})
    jobs.cancel(job)
    assert job.state == "cancelling"
    jobs.progress(job, {"iteration": 2})
    jobs.keep(job, {"sequence": 1, "iteration": 1})
    jobs.show(job, {}, b"x")
    jobs.pause(job, True)
    jobs.cancel(job)
    assert not log.of(PROGRESS) + log.of(FRAME)
    assert job.preview is None
    jobs.end(job, Message("done", {"reason": "completed"}))
    assert job.ending == Message("cancelled", {"job": "a", "kept_frames": 0})


def test_cancelling_a_queued_job_ends_it_at_once(jobs: Jobs) -> None:
    a, b = make("a"), make("b")
    jobs.accept(a)
    jobs.accept(b)
    jobs.cancel(a)
    assert (a.state, b.position, jobs.next(), jobs.unfinished) == ("cancelled", 0, b, 1)


def test_older_revisions_are_not_taken(jobs: Jobs) -> None:
    job = make("a")
    jobs.accept(job)
    assert jobs.update(job, 2, Params(strength=0.9))
    assert not jobs.update(job, 2, Params(strength=0.1))
    assert not jobs.update(job, 1, Params(strength=0.1))
    assert (job.revision, job.params.strength) == (2, 0.9)


def test_acknowledgements_only_grow_and_not_beyond_what_is_kept(jobs: Jobs) -> None:
    job = make("a")
    jobs.accept(job)
    jobs.begin(job, {})
    for sequence in (1, 2):
        jobs.keep(job, {"sequence": sequence, "iteration": sequence})
    jobs.acknowledge(job, 2)
    jobs.acknowledge(job, 1)
    jobs.acknowledge(job, 5)
    assert job.acknowledged == 2


def test_a_job_that_cannot_be_written_down_was_never_accepted() -> None:
    def full(change: Change) -> None:
        raise OSError(28, "No space left on device")

    jobs = Jobs(full)
    with pytest.raises(OSError, match="No space"):
        jobs.accept(make("a"))
    assert (jobs.get("a"), jobs.next(), jobs.unfinished) == (None, None, 0)
