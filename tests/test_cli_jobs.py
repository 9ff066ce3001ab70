"""Jobs from a terminal: listed for scripts, named by the beginning of their ids; where their frames go."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from server_process import SCRIPT, RawClient, ServerProcess

from nst_server.cli import jobs, main


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerProcess]:
    """Its worker is the script, whose frames of iteration N are N everywhere."""
    with ServerProcess(tmp_path / "server", worker=SCRIPT) as process:
        monkeypatch.setenv("NST_DATA_DIR", str(process.data))
        yield process


@pytest.fixture
def nst(server: ServerProcess, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs ``nst``; returns the exit code, what it prints and what it says beside."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def painting(tmp_path: Path) -> list[object]:
    """The arguments that paint a picture of ``photo.png``."""
    rng = np.random.default_rng(5)
    for name in ("photo.png", "style.png"):
        Image.fromarray(rng.integers(0, 256, (8, 10, 3), np.uint8)).save(tmp_path / name)
    return ["stylize", tmp_path / "photo.png", tmp_path / "style.png", "-o", tmp_path / "out.png"]


def held(client: RawClient, *jobs: str) -> None:
    """The first one is paused after its first iterations; the others wait behind it."""
    for job in jobs:
        client.submit(job, iterations=100_000, frames="1,2", more={"title": "\x1b[31mé " + "t" * 190})
        client.expect("accepted", job=job)
    client.expect("progress", job=jobs[0])
    client.send("pause", job=jobs[0])
    client.expect("state", job=jobs[0], state="paused")


@pytest.mark.parametrize("count", [3, 90])
def test_what_the_server_says_of_its_jobs_is_one_json_document(server: ServerProcess, count: int) -> None:
    client = server.client()
    client.submit("ended", iterations=2)
    client.expect("done", job="ended")
    held(client, *(f"job-{number}" for number in range(count)))
    run = subprocess.run(
        [sys.executable, "-m", "nst_server", "jobs", "--json"], capture_output=True, check=True
    )
    told = json.loads(run.stdout)
    client.send("status")
    pages = [client.expect("status")]
    while pages[-1].get("more"):
        pages.append(client.expect("status"))
    assert (len(pages) > 1) == (count == 90)
    assert told["jobs"] == [job for page in pages for job in page["jobs"]]
    assert len(told["jobs"]) == count + 1
    assert {**pages[-1].fields, "jobs": [], "uptime": 0} == {**told, "jobs": [], "uptime": 0}
    last = told["jobs"][-1]
    assert (last["job"], last["state"], last["iteration"], last["kept_frames"]) == ("ended", "done", 2, 2)


def test_no_server_is_no_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NST_DATA_DIR", str(tmp_path))
    assert main(["jobs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"server": None, "jobs": []}


def test_the_beginning_of_an_id_names_the_job(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    client = server.client()
    held(client, "sketch-9", "photo-1", "photo-1b", "photo-2")
    assert nst("resume", "ske")[:2] == (0, "sketch-9: running\n")
    assert nst("pause", "s")[:2] == (0, "sketch-9: paused\n")
    assert nst("update", "sketch", "--tv", "1")[:2] == (0, "sketch-9: tv 1\n")
    # A whole id means that job, also where another one begins with it.
    assert nst("cancel", "photo-1")[:2] == (0, "photo-1: cancelled\n")
    client.submit("photo-3", iterations=100_000)
    client.expect("accepted", job="photo-3")
    code, told, said = nst("pause", "photo")
    assert (code, told) == (2, "")
    for job in ("photo-1", "photo-1b", "photo-2", "photo-3"):
        assert job in said.splitlines()[0].replace(",", " ").replace(".", " ").split()
    assert "sketch-9" not in said
    for job in ("photo-1b", "photo-3"):
        nst("cancel", job)
    assert nst("pause", "photo")[:2] == (0, "photo-2: paused\n"), "of those alone it has not ended"
    assert nst("cancel", "photo-2")[0] == 0
    assert "photo could be " in nst("attach", "photo")[2], "none of them goes on"
    assert nst("stop", "sketch-9")[1].startswith("sketch-9: stopped after ")
    assert nst("attach", "sk", "--frames-dir", tmp_path)[0] == 0
    assert {"sketch-9-0001.png", "sketch-9-0002.png"} <= {file.name for file in tmp_path.iterdir()}


@pytest.mark.parametrize("command", ["cancel", "stop", "attach"])
def test_no_beginning_is_not_the_beginning_of_the_only_job(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]], command: str
) -> None:
    held(server.client(), "only")
    assert nst(command, "")[0] == 1
    assert json.loads(nst("jobs", "--json")[1])["jobs"][0]["state"] == "paused"


def test_what_is_forgotten_or_ended_is_named_whole(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]]
) -> None:
    client = server.client()
    client.submit("sketch-9", iterations=1)
    client.expect("done")
    held(client, "photo-2")
    for command, begun, job in (
        ("forget", "sketch", "sketch-9"),
        ("cancel", "photo", "photo-2"),
        ("stop", "photo", "photo-2"),
    ):
        code, _, said = nst(command, begun)
        assert (code, said.splitlines()[0]) == (2, f"nst: {begun} is only the beginning of {job}.")
        assert "whole id" in said
    said = nst("forget", "sketch-9", "never-was")[2]
    assert said.startswith("nst: There is no job never-was.")
    assert "`nst jobs` lists those that there are." in said
    assert nst("resume", "photo-2")[:2] == (0, "photo-2: running\n")
    assert nst("forget", "sketch-9")[0] == 1, "that has been done"


def test_attach_says_how_to_get_the_frames_and_one_is_no_plural(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    client = server.client()
    client.submit("short", iterations=1)
    client.expect("done")
    assert "  1 frame  " in nst("jobs")[1]
    code, told, said = nst("attach", "short")
    assert (code, told) == (0, "short: completed after 1 iteration\n")
    command = said.splitlines()[-1].removeprefix("Its frames, while the server keeps it: nst ")
    code, _, said = nst(*command.replace("DIR", str(tmp_path / "f")).split())
    assert (code, "Its frames" in said, len(list((tmp_path / "f").iterdir()))) == (0, False, 1)


def test_the_frames_of_a_cancelled_job_are_fetched(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    client = server.client()
    client.submit("ended-early", iterations=100_000, frames="1,2")
    while client.expect("progress")["iteration"] < 3:
        pass
    client.submit("before-its-first", iterations=9)
    client.expect("accepted", job="before-its-first")
    for job in ("before-its-first", "ended-early"):
        client.send("cancel", job=job)
        client.expect("cancelled", job=job)
    code, _, said = nst("attach", "ended-early")
    command = said.splitlines()[-1].strip().removeprefix("Its frames, while the server keeps it: nst ")
    assert (code, said.splitlines()[-2]) == (1, "nst: The job was cancelled.")
    code, _, said = nst(*command.replace("DIR", str(tmp_path / "f")).split())
    told = ["nst: The job was cancelled.", f"     Its frames are in {tmp_path / 'f'}: 2."]
    assert (code, said.splitlines()[-2:]) == (1, told)
    written = {path.name: int(np.asarray(Image.open(path)).max()) for path in (tmp_path / "f").iterdir()}
    assert written == {"ended-early-0001.png": 1, "ended-early-0002.png": 2}
    # One whose file is gone is not waited for.
    next((server.data / "jobs" / "ended-early").rglob("000001.bin")).unlink()
    assert "Its frames are in " in nst("attach", "ended-early", "--frames-dir", tmp_path / "g")[2]
    assert [path.name for path in (tmp_path / "g").iterdir()] == ["ended-early-0002.png"]
    assert nst("attach", "before-its-first", "--frames-dir", tmp_path)[2].endswith("was cancelled.\n")


def test_a_frame_that_cannot_be_written_is_named_and_what_becomes_of_its_job(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]], painting: list[object], tmp_path: Path
) -> None:
    frames = tmp_path / "frames"
    command = [*painting, "--iterations", "100000", "--frames", "1,50", "--frames-dir", frames]
    command = [sys.executable, "-m", "nst_server", *map(str, command)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        job = process.stderr.readline().split()[1]
        first = frames / f"{job}-0001.png"
        deadline = time.monotonic() + 30
        while not first.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        first.unlink()
        frames.rmdir()
        said = process.stderr.read().splitlines()
    assert process.returncode == 1
    assert said[-2:] == [
        f"{job} goes on; end it with: nst cancel {job}",
        f"nst: {frames / f'{job}-0050.png'}: No such file or directory.",
    ]
    assert nst("cancel", job)[0] == 0


def test_of_many_jobs_that_an_id_could_mean_some_are_named(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]]
) -> None:
    held(server.client(), *(f"job-{number}" for number in range(11)))
    said = nst("pause", "job")[2]
    assert said.count("job-") == 8
    assert "and 3 more." in said


def test_what_a_job_goes_on_from_is_named_by_the_beginning_of_its_id(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]], painting: list[object], tmp_path: Path
) -> None:
    assert nst(*painting, "--iterations", 1, "--keep-job")[0] == 0
    first = next((server.data / "jobs").iterdir()).name
    going_on = [*painting, "--iterations", 1, "--keep-job", "--start", tmp_path / "style.png", "--continues"]
    _, _, said = nst(*going_on, first[:-3])
    request = json.loads((server.data / "jobs" / said.split()[1] / "job.json").read_text())["request"]
    assert request["continues"] == first
    held(server.client(), "photo-running")
    # What has painted the picture has mostly ended.
    code, _, said = nst(*going_on, "photo-")
    assert (code, said.splitlines()[1].startswith("nst: photo- could be "), first in said) == (2, True, True)


def test_a_whole_id_needs_no_list_of_all_jobs(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    held(server.client(), "one", "one-more")
    monkeypatch.setattr(jobs, "listing", lambda _client: pytest.fail("all jobs are asked for"))
    assert nst("resume", "one")[:2] == (0, "one: running\n")


def test_runs_that_share_a_folder_keep_their_frames_apart(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]], painting: list[object], tmp_path: Path
) -> None:
    frames = tmp_path / "frames"
    expected: dict[str, int] = {}
    for iterations in (5, 3):
        code, told, said = nst(*painting, "--iterations", iterations, "--frames-dir", frames, "--keep-job")
        job = said.split()[1]
        assert (code, "nst attach" in told + said) == (0, False)
        shown = {1, 2, iterations}
        expected |= {f"{job}-{iteration:04d}.png": iteration for iteration in shown}
    written = {file.name: int(np.asarray(Image.open(file)).max()) for file in frames.iterdir()}
    assert written == expected
    # Fetched once more, a job's frames take their own places.
    assert nst("attach", job, "--frames-dir", frames)[0] == 0
    assert {file.name for file in frames.iterdir()} == set(expected)


def test_frames_that_nobody_writes_are_not_called_kept(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]], painting: list[object], tmp_path: Path
) -> None:
    _, told, said = nst(*painting, "--iterations", 3, "--frames", "1,2")
    lines = said.splitlines()
    hint = "To have them: --frames-dir DIR, or --keep-job."
    assert lines[1] == f"note: the frames will be forgotten with the job. {hint}"
    assert [line[-1] for line in lines if line.startswith("frame of iteration ")] == ["1", "2", "3"]
    assert "kept" not in told + said
    _, _, said = nst(*painting, "--iterations", 3, "--frames", "1,2", "--keep-job")
    assert "forgotten" not in said
    command = said.splitlines()[-1].removeprefix("The server keeps the frames: nst ")
    assert nst(*command.replace("DIR", str(tmp_path / "f")).split())[0] == 0
    assert len(list((tmp_path / "f").iterdir())) == 3
    # Nobody has asked for frames here.
    assert "note:" not in nst(*painting, "--iterations", 1)[2]


def test_a_job_is_forgotten_with_its_picture_written_unless_it_shall_be_kept(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]], painting: list[object]
) -> None:
    jobs = [nst(*painting, "--iterations", 1, *more)[2].split()[1] for more in ((), ("--keep-job",))]
    listed = nst("jobs")[1]
    assert [job in listed for job in jobs] == [False, True]
    code, _, said = nst(*painting, "--keep-job", "--device", "cpu")
    assert (code, "ends with the call" in said) == (2, True)


def test_a_job_that_leaves_no_picture_is_forgotten_too(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]], painting: list[object]
) -> None:
    fails = "--seed", 6
    code, _, said = nst(*painting, *fails)
    assert (code, "CUDA error." in said) == (1, True)
    assert json.loads(nst("jobs", "--json")[1])["jobs"] == []
    _, _, said = nst(*painting, *fails, "--keep-job")
    listed = nst("jobs")[1].splitlines()
    assert [said.split()[1] in line and " failed " in line for line in listed[1:]] == [True, False]
    assert listed[-1] == "ended: 1; they go 14 days after their end, or with: nst forget --ended"
    assert nst("forget", "--ended")[:2] == (0, f"{said.split()[1]}: forgotten\n")
    assert nst("jobs")[1].splitlines()[1:] == ["no jobs"]


def test_a_job_is_seen_and_ended_from_outside(
    server: ServerProcess, nst: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    client = server.client()
    client.submit("seen-from-outside", iterations=1_000_000, frames="1")
    client.expect("progress")
    listed = nst("jobs")[1]
    assert "seen-from-outside" in listed and "running" in listed
    frame = tmp_path / "f" / "seen-from-outside-0001.png"
    attach = [sys.executable, "-m", "nst_server", "attach", "seen", "--frames-dir", str(frame.parent)]
    with subprocess.Popen(attach, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        while not frame.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert frame.exists()
        assert nst("cancel", "seen-from-outside")[:2] == (0, "seen-from-outside: cancelled\n")
        assert process.wait(15) == 1
        assert process.stderr is not None
        assert b"The job was cancelled." in process.stderr.read()
    assert nst("cancel", "never-was")[0] == 1
