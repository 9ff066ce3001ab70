"""Pausing, resuming, changing and ending jobs from a terminal, with a real server and a real worker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server_process import SCRIPT, RawClient, ServerProcess, new_job

from nst_server.cli import control, main
from nst_server.cli.errors import CliError
from nst_server.wire.client import Client
from nst_server.wire.events import Event

job = pytest.fixture(new_job)
#: As long as any of these tests, at a few milliseconds an iteration.
ENDLESS = {"iterations": 1_000_000, "size": 32, "encoder": "built-in", "coarse_to_fine": False}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        yield process


class Terminal:
    """Runs ``nst`` with the server's folder; returns the exit code and what it prints."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def at(self, server: ServerProcess) -> None:
        self._monkeypatch.setenv("NST_DATA_DIR", str(server.data))

    def __call__(self, *arguments: str) -> tuple[int, str]:
        code = main(arguments)
        told = self._capsys.readouterr()
        return code, (told.out + told.err).strip()


@pytest.fixture
def nst(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    terminal = Terminal(monkeypatch, capsys)
    terminal.at(server)
    return terminal


def running(server: ServerProcess, job: str, **more: object) -> RawClient:
    client = server.client()
    client.submit(job, **{**ENDLESS, "frames": "1", **more})
    client.expect("progress", seconds=180, job=job)
    return client


def test_a_job_is_held_changed_let_go_on_and_stopped(server: ServerProcess, nst: Terminal, job: str) -> None:
    client = running(server, job)
    assert nst("pause", job) == (0, f"{job}: paused")
    assert nst("pause", job) == (0, f"{job}: paused")
    assert f"{job:34} paused" in nst("jobs")[1]
    assert nst("update", job, "--strength", "0.8", "--tv", "0.1") == (0, f"{job}: strength 0.8, tv 0.1")
    assert nst("update", job, "--keep-colours", "luminance") == (0, f"{job}: keep-colours luminance")
    assert nst("resume", job) == (0, f"{job}: running")
    while client.expect("progress", job=job)["revision"] < 2:
        pass
    client.send("attach", job=job)
    params = client.expect("accepted", job=job)["params"]
    assert (params["strength"], params["tv"], params["keep_colours"]) == (0.8, 0.1, "luminance")
    code, told = nst("stop", job)
    assert code == 0 and told.startswith(f"{job}: stopped after ")
    done = client.expect("done", job=job)
    assert done["reason"] == "stopped"
    client.send("frames", job=job)
    assert client.expect("frames", job=job)["frames"][-1]["final"]


def test_a_job_that_has_ended_is_told(server: ServerProcess, nst: Terminal, job: str) -> None:
    client = server.client()
    client.submit(job, **{**ENDLESS, "iterations": 1})
    client.expect("done", seconds=180, job=job)
    for command in ("pause", "resume"):
        assert nst(command, job) == (1, f"nst: {job} has ended: done.")
    for command in ("stop", "cancel"):
        assert nst(command, job) == (1, f"nst: {job} has ended already: done.")
    code, told = nst("update", job, "--strength", "0.1")
    assert code == 1 and told.startswith(f"nst: {job} has ended: done.")


def queued(server: ServerProcess, job: str) -> RawClient:
    """A client whose ``job`` waits behind another of its own."""
    client = server.client()
    client.submit("first", seed=1)
    client.submit(job)
    client.expect("accepted", job=job)
    return client


def test_a_job_that_ends_with_its_picture_once_a_device_is_free_says_so(
    server: ServerProcess, nst: Terminal, job: str
) -> None:
    client = running(server, job)
    assert nst("pause", job)[0] == 0
    other = new_job()
    running(server, other)
    command = [sys.executable, "-m", "nst_server", "stop", job]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        client.send("cancel", job=other)
        output, more = process.communicate(timeout=60)
    assert (told, more) == (f"{job} ends with its picture as soon as a device is free.\n", "")
    assert (process.returncode, output.startswith(f"{job}: stopped after ")) == (0, True)


@pytest.mark.parametrize("command", ["stop", "cancel"])
def test_a_job_that_vanishes_meanwhile_is_not_called_cancelled(
    nst: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: str, command: str
) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        nst.at(server)
        other = queued(server, job)

        def forgotten_first(client: Client, job: str) -> None:
            client._lose("The connection is lost.")
            other.send("cancel", job=job)
            other.expect("cancelled", job=job)
            other.send("forget", job=job)
            other.expect("forgotten", job=job)

        monkeypatch.setattr(Client, command, forgotten_first)
        code, told = nst(command, job)
    assert code == 1 and told.startswith(f"nst: There is no job {job}.")


@pytest.mark.parametrize("command", ["pause", "resume", "stop", "cancel", "update"])
def test_an_unknown_job_is_named(nst: Terminal, command: str) -> None:
    more = ("--strength", "0.1") if command == "update" else ()
    code, told = nst(command, "never-was", *more)
    assert code == 1 and told.startswith("nst: There is no job never-was.")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "There is nothing to change."),
        (("--iterations", "5"), "--iterations: cannot change while the job runs."),
        (("--strength", "2"), "--strength: "),
    ],
)
def test_what_cannot_be_changed_is_said_without_a_server(
    nst: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    monkeypatch.setenv("NST_DATA_DIR", str(tmp_path))
    code, text = nst("update", "any", *options)
    assert code == 2 and text.startswith(f"nst: {told}")


@pytest.mark.parametrize("command", ["pause", "stop"])
def test_a_name_that_no_job_has_is_said_to_be_one(nst: Terminal, command: str) -> None:
    code, told = nst(command, "bad job!")
    assert code == 1 and told.startswith("nst: JOB: must be 1 to 64 letters")


class Contested:
    """A server at which others' updates come ``times`` just before ours, with the same revision."""

    def __init__(self, times: int) -> None:
        self.revision, self.strength, self._times = 4, 0.5, times

    def attach(self, job: str, kept: bool) -> None:
        pass

    def poll(self, seconds: float) -> list[Event]:
        fields = {"state": "running", "revision": self.revision, "params": {"strength": self.strength}}
        return [Event("accepted", {"job": "j", **fields})]

    def update(self, job: str, revision: int, strength: float) -> None:
        if self._times:
            self._times, self.revision, self.strength = self._times - 1, self.revision + 1, 0.9
        if revision > self.revision:
            self.revision, self.strength = revision, strength


def test_of_two_changes_at_once_none_is_lost_silently() -> None:
    for times in (0, 1, 3):
        server: Any = Contested(times)
        assert control._update(server, "j", {"strength": 0.2}) == "strength 0.2"
        assert server.strength == 0.2
    server = Contested(100)
    with pytest.raises(CliError, match="Somebody else"):
        control._update(server, "j", {"strength": 0.2})


def test_nothing_is_gone_on_with_without_a_picture(nst: Terminal) -> None:
    code, told = nst("stylize", "c.png", "s.png", "-o", "o.png", "--continues", "a-job")
    assert (code, told.startswith("nst: --continues: there is no picture to go on from.")) == (2, True)


def test_weights_for_styles_that_there_are_not(server: ServerProcess, nst: Terminal, job: str) -> None:
    running(server, job)
    code, told = nst("update", job, "--style-weights", "1,2")
    assert code == 1 and told.startswith("nst: --style-weights: must be one for each style.")
    assert nst("update", job, "--style-weights", "3") == (0, f"{job}: style-weights 3")
    assert nst("update", job, "--style-weights", "") == (0, f"{job}: style-weights equal")
    assert nst("cancel", job) == (0, f"{job}: cancelled")


def test_a_job_without_a_picture_is_only_ended(nst: Terminal, tmp_path: Path, job: str) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        nst.at(server)
        queued(server, job)
        assert nst("pause", job) == (0, f"{job}: paused")
        assert nst("resume", job) == (0, f"{job}: queued")
        assert nst("stop", job) == (0, f"{job}: cancelled")
