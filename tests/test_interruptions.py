"""Pause, end the server, start it again: the job goes on as if nothing had happened."""

import os
import signal
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from server_process import RawClient, ServerProcess

from nst_server.wire.messages import Message
from nst_server.worker.checkpoint import read, write

#: Shallow layers only: the built-in encoder learns them in a fraction of a second.
JOB: dict[str, Any] = {
    "iterations": 80,
    "frames": "every:4",
    "content_layers": ["conv1_2"],
    "style_layers": ["conv1_1"],
}
#: The worker gives way to everything else that runs on this machine, in seconds.
PATIENCE = 90.0


def connect(server: ServerProcess, *jobs: str) -> RawClient:
    client = server.client()
    client.send("credit", bytes=10**9)
    for job in jobs:
        client.send("attach", job=job)
        client.expect("accepted", job=job)
    return client


def submit(client: RawClient, job: str, **params: Any) -> None:
    content = client.image(48, 32, seed=1)
    client.submit(job, more={"content": content}, **{**JOB, **params})


def finish(client: RawClient, job: str) -> tuple[Message, dict[int, str]]:
    """The job's ``done``, and the digests of its frames by iteration."""
    done = client.expect("done", job=job, seconds=PATIENCE)
    while not client.pixels.get((job, done["kept_frames"])):
        assert client.receive(5)
    frames = [m for m in client.log if m.type == "frame" and m["job"] == job]
    assert [m["sequence"] for m in frames] == list(range(1, done["kept_frames"] + 1))
    assert [m["final"] for m in frames[:-1]] == [False] * (len(frames) - 1) and frames[-1]["final"]
    return done, {m["iteration"]: m["pixels"]["digest"] for m in frames}


def losses(*clients: RawClient) -> dict[int, Any]:
    told = [m for client in clients for m in client.log if m.type == "progress" and m["job"] == "job"]
    return {m["iteration"]: m["losses"] for m in told}


def checkpoint(server: ServerProcess) -> Path:
    return server.data / "jobs/job/checkpoint.npz"


def pause_at(client: RawClient, iteration: int) -> None:
    """Pause the job when it has that many iterations or a few more."""
    for message in client.messages(PATIENCE):
        if message.type == "progress" and message["iteration"] >= iteration:
            break
    client.send("pause", job="job")
    client.expect("state", job="job", state="paused")


def paused_and_ended(server: ServerProcess, iteration: int) -> None:
    """A job that was paused there, and written down; then the server was told to end."""
    client = connect(server)
    submit(client, "job")
    pause_at(client, iteration)
    wait_for(checkpoint(server).exists)
    server.stop()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_paused_ended_started_and_resumed_it_is_the_same_to_the_bit(tmp_path: Path, optimiser: str) -> None:
    with ServerProcess(tmp_path, "--device", "cpu") as server:
        client = connect(server)
        submit(client, "whole", optimiser=optimiser)
        whole, expected = finish(client, "whole")
        submit(client, "job", optimiser=optimiser)
        pause_at(client, 4)
        wait_for(checkpoint(server).exists)
        server.stop()
        server.start()
        again = connect(server, "job")
        accepted = next(m for m in again.log if m.type == "accepted")
        assert accepted["iteration"] >= max(losses(client)), "that of its checkpoint"
        assert again.expect("state", job="job")["state"] == "paused"
        again.quiet(1.0, "progress")
        again.send("resume", job="job")
        done, frames = finish(again, "job")
        assert frames == expected
        assert done["plan"] == whole["plan"]
        first = next(m for m in again.log if m.type == "progress" and m.get("note"))
        assert first["note"] == done["notes"][0], "at once, not only at the end"
        assert [note.startswith("went on from iteration ") for note in done["notes"]] == [True]
        reference = [m for m in client.log if m.type == "progress" and m["job"] == "whole"]
        for message in reference:
            assert losses(client, again).get(message["iteration"], message["losses"]) == message["losses"]
        assert not checkpoint(server).exists()


def test_a_running_job_is_written_down_when_the_server_is_told_to_end(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--device", "cpu") as server:
        client = connect(server)
        submit(client, "whole")
        _, expected = finish(client, "whole")
        submit(client, "job")
        submit(client, "next", iterations=1)
        client.expect("frame", job="job", iteration=4, seconds=PATIENCE)
        assert server.stop() == 0
        assert checkpoint(server).exists()
        server.start()
        again = connect(server, "job", "next")
        done, frames = finish(again, "job")
        assert "went on from iteration" in done["notes"][0]
        assert frames == expected
        again.expect("done", job="next", seconds=PATIENCE)


def test_killed_with_everything_it_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--device", "cpu") as server:
        client = connect(server)
        submit(client, "whole")
        _, expected = finish(client, "whole")
        submit(client, "job")
        pause_at(client, 4)
        wait_for(checkpoint(server).exists)
        client.send("update", job="job", revision=1, params={"strength": 0.9})
        client.send("update", job="job", revision=2, params={"strength": 0.5})
        client.send("resume", job="job")
        client.expect("frame", job="job", revision=2, seconds=PATIENCE)
        worker = server.worker_pid()
        server.stop(signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{worker}/stat").exists() or _is_gone(worker))
        server.start()
        done, frames = finish(connect(server, "job"), "job")
        assert "went on from iteration" in done["notes"][0]
        # The sliders stood where they had stood before when it went on.
        assert frames == expected


@pytest.mark.parametrize("damage", ["cut short", "of another job"])
def test_a_checkpoint_that_cannot_be_read_costs_only_the_time(tmp_path: Path, damage: str) -> None:
    with ServerProcess(tmp_path, "--device", "cpu") as server:
        client = connect(server)
        submit(client, "whole")
        _, expected = finish(client, "whole")
        submit(client, "job")
        pause_at(client, 4)
        wait_for(checkpoint(server).exists)
        server.stop()
        with zipfile.ZipFile(checkpoint(server)) as archive:
            assert "optimiser.image.npy" in archive.namelist()
        if damage == "cut short":
            checkpoint(server).write_bytes(checkpoint(server).read_bytes()[:-100])
        else:
            write(checkpoint(server), replace(read(checkpoint(server)), job="another"))
        server.start()
        client = connect(server, "job")
        client.send("resume", job="job")
        done, frames = finish(client, "job")
        assert done["notes"][0].startswith("began again after an interruption: its checkpoint cannot be read")
        assert frames == expected


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ("threads", "the last digits may differ, as this has changed: threads"),
        ("encoder", "the encoder is another one now: built-in"),
        ("style_layers", "the layers of the losses are others now"),
    ],
)
def test_another_plan_is_told(tmp_path: Path, changed: str, note: str) -> None:
    with ServerProcess(tmp_path, "--device", "cpu") as server:
        paused_and_ended(server, 4)
        before = read(checkpoint(server))
        write(checkpoint(server), replace(before, plan={**before.plan, changed: "another"}))
        server.start()
        client = connect(server, "job")
        client.send("resume", job="job")
        done, frames = finish(client, "job")
        assert done["notes"] == [
            f"went on from iteration {before.state.iteration} after an interruption",
            note,
        ]
        assert (done["reason"], max(frames)) == ("completed", 80)


def test_stopped_before_it_goes_on_it_ends_with_the_picture_of_its_checkpoint(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--device", "cpu") as server:
        paused_and_ended(server, 4)
        server.start()
        client = connect(server, "job")
        client.send("stop", job="job")
        done, frames = finish(client, "job")
        assert done["reason"] == "stopped"
        assert 4 <= done["iteration"] < 80
        assert max(frames) == done["iteration"]


@pytest.mark.parametrize("damage", ["cut short", "gone"])
@pytest.mark.parametrize("when", ["before it goes on", "on the way"])
def test_stopped_before_it_is_as_far_as_its_frames_it_ends_with_the_last_of_them(
    tmp_path: Path, damage: str, when: str
) -> None:
    with ServerProcess(tmp_path, "--device", "cpu") as server:
        paused_and_ended(server, 40)
        if damage == "cut short":
            checkpoint(server).write_bytes(checkpoint(server).read_bytes()[:-100])
        else:
            checkpoint(server).unlink()
        server.start()
        client = connect(server, "job")
        kept = next(m for m in client.log if m.type == "accepted")["kept_frames"]
        if when == "on the way":
            client.send("resume", job="job")
            assert client.expect("progress", job="job", seconds=PATIENCE)["iteration"] < 20
        client.send("stop", job="job")
        done, frames = finish(client, "job")
        assert (done["reason"], done["kept_frames"], done["iteration"]) == ("stopped", kept + 1, max(frames))
        assert done["iteration"] >= 40
        *_, last, final = [m for m in client.log if m.type == "frame"]
        assert {**final.fields, "sequence": kept, "final": False} == last.fields
        client.send("status")
        (listed,) = client.expect("status")["jobs"]
        assert listed["iteration"] == done["iteration"]
        assert not (server.data / "jobs/job/learnt.npz").exists(), "it is that of another picture"


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return True
    return False
