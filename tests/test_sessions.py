"""What reaches a client, when, and how much of it: credit, previews, attaching, steering."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import zmq
from plugin_parts import part
from server_process import RawClient, ServerProcess, connected, new_job, scripted_server

from nst_server.broker.sessions import Sessions
from nst_server.jobs import Change, Job, Jobs
from nst_server.wire.messages import CHUNK_BYTES, Message
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels, digest_of

FLOOD, PREVIEWS = 3, 5
PLENTY = 10**9

server = pytest.fixture(scope="module")(scripted_server)
client = pytest.fixture(connected)
job = pytest.fixture(new_job)


def kept(log: list[Message], job: str) -> list[int]:
    """Sequences of the kept frames of ``job`` in the order of their coming."""
    return [m["sequence"] for m in log if m.type == "frame" and m["job"] == job and m["kept"]]


def wait_frames(client: RawClient, job: str, count: int, seconds: float = 5.0) -> None:
    """Until ``count`` frames have come whole."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        frames = {m["sequence"]: m for m in client.log if m.type == "frame" and m["job"] == job}
        whole = [
            s for s, m in frames.items() if len(client.pixels.get((job, s), b"")) == m["pixels"]["bytes"]
        ]
        if len(whole) >= count:
            return
        client.receive(0.1)
    raise AssertionError(f"no {count} frames, but {[m.type for m in client.log]}")


# -- frames under credit


def test_frames_come_in_sequence_with_the_bytes_of_their_digest(client: RawClient, job: str) -> None:
    client.send("credit", bytes=PLENTY)
    client.submit(job, iterations=12, frames="series")
    done = client.expect("done", job=job)
    wait_frames(client, job, 5)
    assert (done["kept_frames"], done["reason"], done["iteration"]) == (5, "completed", 12)
    frames = [m for m in client.log if m.type == "frame"]
    assert [(m["sequence"], m["iteration"]) for m in frames] == [(1, 1), (2, 2), (3, 5), (4, 10), (5, 12)]
    assert [m["final"] for m in frames] == [False] * 4 + [True]
    for frame in frames:
        assert digest_of(client.pixels[job, frame["sequence"]]) == frame["pixels"]["digest"]
    states = [m["state"] for m in client.log if m.type == "state"]
    assert states[0] in ("queued", "preparing")
    assert states[-1] == "running"


def test_without_credit_no_frame_and_no_waiting_for_done(client: RawClient, job: str) -> None:
    client.submit(job, iterations=5)
    assert client.expect("done", job=job)["kept_frames"] == 3
    client.quiet(0.2, "frame", "blob")
    client.send("credit", bytes=1)
    client.expect("blob", job=job)
    client.quiet(0.2, "blob")
    assert len(client.pixels[job, 1]) == 1
    client.send("credit", bytes=PLENTY)
    wait_frames(client, job, 3)
    assert kept(client.log, job) == [1, 2, 3]


def test_a_large_frame_comes_in_chunks_and_control_messages_between(client: RawClient, job: str) -> None:
    client.submit(job, iterations=1, more={"content": client.image(1024, 800)})
    client.expect("done", job=job)
    client.send("credit", bytes=CHUNK_BYTES + 10)
    wait = [m for m in client.messages(0.3) if m.type == "blob"]
    assert [(m["offset"], len(m.data or b"")) for m in wait] == [(0, CHUNK_BYTES), (CHUNK_BYTES, 10)]
    client.send("status")
    client.expect("status")
    client.send("credit", bytes=PLENTY)
    wait_frames(client, job, 1)
    assert client.pixels[job, 1] == bytes([1]) * 1024 * 800 * 4


def test_previews_are_the_newest_only_and_never_kept(client: RawClient, job: str) -> None:
    client.submit(job, iterations=400, seed=PREVIEWS, frames="none", more={"previews": True})
    client.expect("done", job=job)
    client.send("credit", bytes=PLENTY)
    wait_frames(client, job, 1)
    assert kept(client.log, job) == [1]
    assert [m for m in client.log if m.type == "frame" and not m["kept"]] == []
    client.log.clear()
    other = job + "x"
    client.submit(other, iterations=400, seed=PREVIEWS, frames="none", more={"previews": True})
    client.expect("done", job=other)
    previews = [m for m in client.log if m.type == "frame" and not m["kept"]]
    assert previews
    assert all(m["sequence"] == 0 and not m["final"] for m in previews)
    iterations = [m["iteration"] for m in previews]
    assert iterations == sorted(set(iterations))


def test_previews_only_for_those_who_ask(client: RawClient, job: str) -> None:
    client.send("credit", bytes=PLENTY)
    client.submit(job, iterations=200, seed=PREVIEWS, frames="none")
    client.expect("done", job=job)
    wait_frames(client, job, 1)
    assert [m["kept"] for m in client.log if m.type == "frame"] == [True]


def test_progress_is_coalesced_and_its_last_comes_before_done(client: RawClient, job: str) -> None:
    began = time.monotonic()
    client.submit(job, iterations=5000, seed=FLOOD, frames="none")
    client.expect("done", job=job, seconds=20)
    seconds = time.monotonic() - began
    progress = [m["iteration"] for m in client.log if m.type == "progress"]
    assert len(progress) <= 10 * seconds + 2
    assert progress[-1] == 5000
    assert client.log[-1].type == "done"


# -- attaching


def test_another_client_attaches_and_gets_what_it_lacks(
    server: ServerProcess, client: RawClient, job: str
) -> None:
    client.submit(job, iterations=12, more={"title": "washes"})
    client.expect("done", job=job)
    other = server.client()
    other.send("credit", bytes=PLENTY)
    other.send("attach", job=job, after=3)
    accepted = other.expect("accepted", job=job)
    assert (accepted["state"], accepted["kept_frames"], accepted["title"]) == ("done", 5, "washes")
    assert Params.from_header(accepted["params"]).iterations == 12
    other.expect("done", job=job)
    wait_frames(other, job, 2)
    assert kept(other.log, job) == [4, 5]


def test_a_client_that_attaches_to_a_running_job_follows_it(
    server: ServerProcess, client: RawClient, job: str
) -> None:
    client.submit(job, iterations=60)
    client.expect("progress", job=job)
    other = server.client()
    other.send("attach", job=job, kept=False)
    assert other.expect("accepted", job=job)["state"] == "running"
    other.expect("state", job=job, state="running")
    other.expect("progress", job=job)
    other.send("cancel", job=job)
    client.expect("cancelled", job=job)
    other.expect("cancelled", job=job)


@pytest.mark.usefixtures("plugin")
def test_a_client_that_attaches_to_a_paused_job_learns_how_far_it_is(
    server: ServerProcess, client: RawClient, job: str
) -> None:
    client.submit(job, iterations=200)
    client.expect("progress", job=job)
    client.send("pause", job=job)
    client.expect("state", job=job, state="paused")
    client.quiet(0.3, "state")
    reached = max(m["iteration"] for m in client.log if m.type == "progress" and m["job"] == job)
    other = server.client()
    other.send("frames", job=job)
    assert other.expect("frames", job=job)["state"] == "paused"
    other.send("attach", job=job, kept=False)
    assert other.expect("accepted", job=job)["iteration"] == reached
    other.expect("progress", job=job, iteration=reached)
    wanted, every = part("backend.wire").params.Params(iterations=200), part("model.options").Layers.EVERY
    shown = part("model.jobs").Job("", "", wanted, every, "", "", job)
    for message in other.log:
        shown.handle(message.type, message.fields)
        if message.type != "frames" and message.get("job") == job:
            assert shown.words == f"paused at iteration {reached} of 200", message.type
    client.send("cancel", job=job)
    client.expect("cancelled", job=job)
    other.send("frames", job=job)
    assert other.expect("frames", job=job)["state"] == "cancelled"


def test_frames_can_be_listed_fetched_acknowledged_and_forgotten(client: RawClient, job: str) -> None:
    client.submit(job, iterations=5, more={"kept": False})
    client.expect("done", job=job)
    client.send("frames", job=job)
    listed = client.expect("frames", job=job)["frames"]
    assert [(f["sequence"], f["iteration"]) for f in listed] == [(1, 1), (2, 2), (3, 5)]
    assert "file" not in listed[0]
    client.send("credit", bytes=PLENTY)
    client.quiet(0.1, "frame")
    client.send("frames", job=job, fetch=[2, 99])
    wait_frames(client, job, 1)
    assert kept(client.log, job) == [2]
    client.send("ack", job=job, sequence=2)
    client.send("forget", job=job)
    client.expect("forgotten", job=job)
    client.send("attach", job=job)
    assert client.expect("error", job=job)["code"] == "unknown_job"


def test_long_listings_come_in_several_messages(client: RawClient, job: str) -> None:
    client.submit(job, iterations=200, seed=FLOOD, frames="every:1", more={"kept": False})
    client.expect("done", job=job)
    client.send("frames", job=job)
    pages = [client.expect("frames", job=job)]
    while pages[-1].get("more"):
        pages.append(client.expect("frames", job=job))
    assert len(pages) > 1
    assert [f["sequence"] for page in pages for f in page["frames"]] == list(range(1, 201))


def test_a_frame_that_is_gone_is_said_to_be_lost(server: ServerProcess, client: RawClient, job: str) -> None:
    client.submit(job, iterations=5)
    client.expect("done", job=job)
    next((server.data / "jobs" / job / "frames").glob("*2.bin")).unlink()
    client.send("credit", bytes=PLENTY)
    assert client.expect("error", job=job)["code"] == "frame_lost"
    wait_frames(client, job, 2)
    assert kept(client.log, job) == [1, 3]


def test_a_job_starts_from_a_kept_frame_of_another(client: RawClient, job: str) -> None:
    client.submit(job, iterations=5)
    client.expect("done", job=job)
    second = job + "x"
    client.submit(second, iterations=1, more={"start": {"job": job, "iteration": 2}})
    assert client.expect("accepted", job=second)["params"]["start"] == "image"
    client.expect("done", job=second)
    third = job + "z"
    client.submit(third, iterations=1, start="image:3+noise", more={"start": {"job": job, "iteration": 2}})
    assert client.expect("accepted", job=third)["params"]["start"] == "noise:0.25+image:0.75"
    client.expect("done", job=third)
    client.submit(job + "y", iterations=1, more={"start": {"job": job, "iteration": 3}})
    assert client.expect("rejected")["field"] == "start.iteration"


# -- steering


def test_live_parameters_change_in_the_order_of_their_revisions(client: RawClient, job: str) -> None:
    client.submit(job, iterations=100)
    client.expect("progress", job=job, revision=0)
    client.send("update", job=job, revision=3, params={"strength": 0.9})
    client.send("update", job=job, revision=2, params={"strength": 0.1})
    client.expect("progress", job=job, revision=3)
    client.send("attach", job=job)
    accepted = client.expect("accepted", job=job)
    assert (accepted["revision"], accepted["params"]["strength"]) == (3, 0.9)
    for params, field in (({"iterations": 5}, "iterations"), ({"style_weights": [1, 2]}, "style_weights")):
        client.send("update", job=job, revision=4, params=params)
        error = client.expect("error", job=job)
        assert (error["of"], error["field"]) == ("update", f"params.{field}")
    client.send("cancel", job=job)
    client.expect("cancelled", job=job)


def test_pause_and_resume_a_running_and_a_queued_job(client: RawClient, job: str) -> None:
    second = job + "x"
    client.submit(job, iterations=60)
    client.expect("progress", job=job)
    client.submit(second, iterations=1)
    client.expect("accepted", job=second)
    client.send("pause", job=second)
    assert client.expect("state", job=second, state="paused")["position"] == 0
    client.send("pause", job=job)
    client.expect("state", job=job, state="paused")
    list(client.messages(0.15))
    client.quiet(0.2, "progress")
    client.send("resume", job=job)
    client.expect("state", job=job, state="running")
    client.expect("done", job=job)
    client.quiet(0.2, "done")
    client.send("resume", job=second)
    client.expect("done", job=second)


def test_pause_and_resume_that_change_nothing_are_answered(
    server: ServerProcess, client: RawClient, job: str
) -> None:
    def answers(kind: str, state: str, seconds: float = 0.2) -> int:
        client.send(kind, job=job)
        return sum(m.type == "state" and m["state"] == state for m in client.messages(seconds))

    client.submit(job, iterations=100_000)
    client.expect("progress", job=job)
    assert [answers("resume", "running"), answers("pause", "paused"), answers("pause", "paused")] == [1, 1, 1]
    stranger = server.client()
    stranger.send("resume", job=job)
    stranger.expect("state", job=job, state="running")
    client.send("cancel", job=job)
    client.expect("cancelled", job=job)


def test_stop_keeps_the_best_so_far(client: RawClient, job: str) -> None:
    client.send("credit", bytes=PLENTY)
    client.submit(job, iterations=1000, frames="none")
    client.expect("progress", job=job)
    client.send("stop", job=job)
    done = client.expect("done", job=job)
    assert (done["reason"], done["kept_frames"]) == ("stopped", 1)
    wait_frames(client, job, 1)
    assert [m["final"] for m in client.log if m.type == "frame"] == [True]
    client.send("cancel", job=job)
    assert client.expect("done", job=job)["reason"] == "stopped"


def test_stop_on_a_queued_job_cancels_it(client: RawClient, job: str) -> None:
    client.submit(job, iterations=100)
    client.submit(job + "x", iterations=100)
    client.expect("accepted", job=job + "x")
    client.send("stop", job=job + "x")
    client.expect("cancelled", job=job + "x")
    client.send("cancel", job=job)
    client.expect("cancelled", job=job)


def test_commands_on_jobs_that_are_not_there(client: RawClient) -> None:
    for kind in ("pause", "resume", "stop", "cancel", "forget", "frames", "attach"):
        client.send(kind, job="nowhere")
        error = client.expect("error", of=kind)
        assert (error["code"], error["job"]) == ("unknown_job", "nowhere")


def test_an_unfinished_job_is_not_forgotten(client: RawClient, job: str) -> None:
    client.submit(job, iterations=1000)
    client.expect("accepted", job=job)
    client.send("forget", job=job)
    assert client.expect("error", job=job)["code"] == "not_ended"
    client.send("cancel", job=job)
    client.expect("cancelled", job=job)


# -- clients that misbehave


def test_a_client_that_never_reads_costs_little_and_holds_up_nobody(
    server: ServerProcess, client: RawClient, job: str
) -> None:
    lazy = server.client()
    lazy.submit(job, iterations=30, frames="every:1", more={"content": lazy.image(1024, 1024)})
    lazy.expect("done", job=job, seconds=20)
    before = server.rss()
    lazy.send("credit", bytes=PLENTY)
    for _ in range(4000):
        lazy.send("status")
        lazy.send("frames", job=job)
    slowest = 0.0
    for _ in range(20):
        began = time.monotonic()
        client.send("status")
        client.expect("status")
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.02)
    assert slowest < 1.0
    assert server.rss() - before < 40 * 2**20
    lazy.close()


# -- the order of what waits for a client that does not read


class Pipe:
    """Stands in for the clients' socket: takes nothing until it is opened."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.is_open = False

    def send_multipart(self, parts: list[bytes], _flags: int) -> None:
        if not self.is_open:
            raise zmq.Again
        header = json.loads(parts[1])
        self.sent.append((header["type"], header.get("state", header.get("iteration"))))


class Slow:
    """A client that follows a running job and has not read anything yet."""

    def __init__(self) -> None:
        self.pipe = Pipe()
        self.jobs = Jobs(self._announce)
        self.sessions = Sessions(self.pipe, self.jobs, None)  # type: ignore[arg-type]
        self.session = self.sessions.open(b"slow", "slow")
        image = Pixels("0" * 64, 1, 1, 4)
        self.job = Job("a", Params(), image, (image,))
        self.jobs.accept(self.job)
        self.sessions.follow(self.session, self.job, kept=True, previews=False, after=0)
        self.jobs.begin(self.job, {})
        self.jobs.run(self.job, {})
        self.now = 1.0

    def _announce(self, change: Change) -> None:
        self.sessions.announce(change)

    def step(self, iteration: int) -> None:
        """An iteration, and a try to send."""
        self.jobs.progress(self.job, {"job": "a", "iteration": iteration})
        self.now += 0.01
        self.sessions.flush(self.now)

    def read(self) -> list[tuple[str, Any]]:
        """All that comes from now on."""
        self.pipe.is_open = True
        self.sessions.flush(self.now)
        self.sessions.flush(self.now + 1)
        return self.pipe.sent


@pytest.fixture
def slow() -> Iterator[Slow]:
    yield Slow()


def test_no_progress_comes_after_cancelling(slow: Slow) -> None:
    slow.step(1)
    slow.step(2)
    slow.jobs.cancel(slow.job)
    slow.step(3)
    assert slow.read() == [("state", "cancelling")]


def test_what_was_computed_before_a_pause_is_told_before_it(slow: Slow) -> None:
    for iteration in (1, 2, 3):
        slow.step(iteration)
    slow.jobs.pause(slow.job, True)
    assert slow.read() == [("progress", 3), ("state", "paused")]


def test_after_an_ending_nothing_is_told_of_how_it_came_there(slow: Slow) -> None:
    slow.step(1)
    slow.jobs.end(slow.job, Message("done", {}))
    assert slow.read() == [("state", "running"), ("progress", 1), ("done", None)]
    slow.pipe.sent.clear()
    slow.sessions.follow(slow.session, slow.job, kept=True, previews=False, after=0)
    assert slow.read() == [("done", None)]
