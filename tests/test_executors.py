"""Workers that hang, die, flood and talk nonsense: one job suffers, the others and the clients do not."""

import os
import signal
import time
from pathlib import Path

import pytest
import zmq
from server_process import SCRIPT, RawClient, ServerProcess, connected, new_job, scripted_server

from nst_server.executors.local import LocalExecutor
from nst_server.wire.messages import Message

HANG, DIE, FLOOD, GARBAGE, LEAVE = 1, 2, 3, 4, 6
#: What the protocol promises of a cancel, in seconds.
CANCELLING, CANCELLED = 0.1, 2.0
#: What a loaded machine may add to that.
SLACK = 0.5

server = pytest.fixture(scope="module")(scripted_server)
client = pytest.fixture(connected)
job = pytest.fixture(new_job)


def ordinary(client: RawClient) -> None:
    """A well-behaved job comes to its end."""
    job = new_job()
    client.submit(job, iterations=2)
    assert client.expect("done", job=job)["kept_frames"] == 2


@pytest.mark.parametrize("seed", [0, HANG, FLOOD])
def test_cancel_is_prompt_whatever_the_worker_does(client: RawClient, job: str, seed: int) -> None:
    client.send("credit", bytes=10**9)
    client.submit(job, iterations=100_000, seed=seed, frames="every:10")
    client.expect("progress", job=job)
    began = time.monotonic()
    client.send("cancel", job=job)
    client.expect("state", job=job, state="cancelling")
    assert time.monotonic() - began < CANCELLING + SLACK
    cancelled = client.expect("cancelled", job=job)
    assert time.monotonic() - began < CANCELLED + SLACK
    client.quiet(0.2, "frame", "blob", "cancelled", "failed", "done")
    client.send("attach", job=job)
    assert client.expect("cancelled", job=job).fields == cancelled.fields
    client.quiet(0.1, "frame", "blob")
    ordinary(client)


def test_a_queued_job_is_cancelled_at_once(client: RawClient, job: str) -> None:
    client.submit(job, iterations=1000)
    client.submit(job + "x", iterations=1000)
    client.expect("accepted", job=job + "x")
    client.send("cancel", job=job + "x")
    client.expect("cancelled", job=job + "x", seconds=CANCELLING + SLACK)
    client.send("cancel", job=job)
    client.expect("cancelled", job=job)


def test_a_job_dies_with_its_worker_and_the_next_one_does_not(client: RawClient, job: str) -> None:
    client.submit(job, iterations=10, seed=DIE)
    client.submit(job + "x", iterations=2)
    failed = client.expect("failed", job=job)
    assert (failed["code"], failed["kept_frames"]) == ("worker_died", 1)
    assert f"signal {int(signal.SIGABRT)}" in failed["message"]
    client.expect("done", job=job + "x")
    client.send("credit", bytes=10**9)
    client.expect("blob", job=job, sequence=1)


def test_no_job_is_handed_to_a_worker_that_leaves(client: RawClient, job: str) -> None:
    client.submit(job, seed=LEAVE)
    client.submit(job + "x", iterations=2)
    failed = client.expect("failed", job=job)
    assert failed["code"] == "internal"
    assert "leaving" not in failed.fields
    assert client.expect("done", job=job + "x")["kept_frames"] == 2


def test_a_killed_worker_is_replaced(server: ServerProcess, client: RawClient, job: str) -> None:
    client.submit(job, iterations=20)
    client.submit(job + "x", iterations=1)
    client.send("credit", bytes=10**6)
    client.expect("frame", job=job, sequence=2)
    old = server.worker_pid()
    os.kill(old, signal.SIGKILL)
    # It is begun once more, before those that came after it, and makes no frame twice.
    client.expect("state", job=job, state="preparing")
    assert client.expect("done")["job"] == job
    assert server.worker_pid() != old
    got = [m["sequence"] for m in client.log if m.type == "frame" and m["job"] == job]
    assert got == sorted(set(got))
    client.expect("done", job=job + "x")


def test_garbage_from_a_worker_is_ignored(client: RawClient, job: str) -> None:
    client.submit(job, iterations=3, seed=GARBAGE)
    assert client.expect("done", job=job)["kept_frames"] == 3


def test_a_worker_that_cannot_start_fails_its_jobs_with_the_reason(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--device", "mps", worker=SCRIPT) as server:
        client = server.client()
        for job in ("first", "second"):
            client.submit(job)
            failed = client.expect("failed", job=job, seconds=20)
            assert failed["code"] == "no_worker"
            assert "libtorch is not here" in failed["message"]
        client.send("status")
        client.expect("status")


@pytest.mark.parametrize("missing", ["log", "folder"])
def test_a_log_or_a_socket_that_cannot_be_made_fails_the_job_alone(tmp_path: Path, missing: str) -> None:
    log = tmp_path / "worker.log"
    if missing == "log":
        log.mkdir()
    folder = tmp_path / missing if missing == "folder" else tmp_path
    executor = LocalExecutor(zmq.Context.instance(), ["true"], "cpu", folder, log)
    executor.run("job", {})
    reports = [report for now in range(100) for report in executor.reports(float(now))]
    assert [(report.type, report["job"], report["code"]) for report in reports] == [
        ("failed", "job", "no_worker")
    ]
    reason = "Is a directory" if missing == "log" else "No such file or directory"
    assert reason in reports[0]["message"]
    executor.close()


def test_what_a_job_is_told_while_its_process_starts_is_in_its_task(tmp_path: Path) -> None:
    executor = LocalExecutor(zmq.Context.instance(), [], "cpu", tmp_path, tmp_path / "worker.log")
    task = {"stop": False, "paused": True, "release": False, "previews": False, "revision": 0, "params": {}}
    executor.run("job", task)
    executor.tell("job", "stop")
    executor.tell("job", "resume")
    executor.tell("job", "previews", wanted=True)
    executor.tell("job", "update", revision=1, params={"tv": 1})
    told = {"stop": True, "paused": False, "previews": True, "revision": 1, "params": {"tv": 1}}
    assert executor._current is not None and executor._current.task == {**task, **told}


def test_a_job_is_told_to_release_its_device_until_it_is_told_to_go_on(tmp_path: Path) -> None:
    executor = LocalExecutor(zmq.Context.instance(), [], "cpu", tmp_path, tmp_path / "worker.log")
    executor.run("job", {"paused": True, "release": False})
    executor.tell("job", "release")
    assert executor._current is not None and executor._current.task == {"paused": True, "release": True}
    executor.tell("job", "resume")
    executor.tell("job", "pause")
    assert executor._current.task == {"paused": True, "release": False}


def test_a_device_is_free_once_its_job_has_been_released(tmp_path: Path) -> None:
    executor = LocalExecutor(zmq.Context.instance(), [], "cpu", tmp_path, tmp_path / "worker.log")
    executor.run("job", {})
    assert list(executor._take(Message("released", {"job": "another"}))) == []
    assert not executor.free
    assert list(executor._take(Message("released", {"job": "job"}))) == [Message("released", {"job": "job"})]
    assert executor.free


def test_two_devices_work_side_by_side(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--device", "cuda:0,cuda:1", worker=SCRIPT) as server:
        client = server.client()
        for job in ("a", "b"):
            client.submit(job, iterations=1000)
        running = {client.expect("state", state="running")["job"] for _ in range(2)}
        assert running == {"a", "b"}
        client.send("status")
        assert [d["id"] for d in client.expect("status")["devices"]] == ["cuda:0", "cuda:1"]


def test_workers_end_with_their_server(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        client = server.client()
        client.submit("job", iterations=1000)
        client.expect("progress")
        worker = server.worker_pid()
        server.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
