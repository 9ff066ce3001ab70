"""Which server a command starts, asks or leaves alone, and what is said of it: with real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import zmq
from PIL import Image
from server_process import ROOT, SCRIPT, ServerProcess

from nst_server.cli import main, server
from nst_server.wire.connection import Connection


def nst(data: Path, *arguments: object, **environment: object) -> tuple[int, str]:
    """Exit code of that command, and all that it says."""
    run = subprocess.run(
        [sys.executable, "-m", "nst_server", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "NST_DATA_DIR": str(data), **{k: str(v) for k, v in environment.items()}},
        cwd=ROOT,
        check=False,
        timeout=120,
    )
    return run.returncode, run.stdout + run.stderr


@pytest.fixture
def painting(tmp_path: Path) -> list[object]:
    """The arguments that paint a small picture."""
    numbers = np.random.default_rng(5).integers(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(numbers).save(tmp_path / "photo.png")
    small = ("--iterations", 1, "--size", 32, "--encoder", "built-in")
    return ["stylize", tmp_path / "photo.png", tmp_path / "photo.png", "-o", tmp_path / "out.png", *small]


def of_another(path: Path, endpoint: str = "") -> Connection:
    """The connection file of a server on another computer, which does not answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = endpoint or f"tcp://127.0.0.1:{free.getsockname()[1]}"
    keys = [key.decode() for key in (*zmq.curve_keypair(), zmq.curve_keypair()[0])]
    there = Connection(endpoint, 77, "0.1", *keys)
    there.write(path)
    return there


def test_a_private_server_leaves_the_file_of_the_environment_alone(
    tmp_path: Path, painting: list[object]
) -> None:
    file = tmp_path / "copy.json"
    there = of_another(file)
    code, said = nst(tmp_path / "data", *painting, "--device", "cpu", NST_CONNECTION_FILE=file)
    assert code == 0, said
    assert Connection.read(file) == there


def test_the_file_of_a_server_elsewhere_is_not_written_over(tmp_path: Path, painting: list[object]) -> None:
    file, data = tmp_path / "copy.json", tmp_path / "data"
    there = of_another(file)
    problem = f"nst: {file} is of a server elsewhere ({there.endpoint}), which does not answer."
    for command, environment in (
        (["serve"], {"NST_CONNECTION_FILE": file}),
        (["serve", "--connection-file", file], {}),
        (painting, {"NST_CONNECTION_FILE": file}),
    ):
        code, said = nst(data, *command, **environment)
        assert (code, said.splitlines()[-2]) == (1, problem)
        assert "Start that, or unset NST_CONNECTION_FILE." in said.splitlines()[-1]
        assert Connection.read(file) == there


def test_nor_is_that_of_one_that_runs(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as other:
        there = Connection.read(other.file)
        code, said = nst(tmp_path / "mine", "serve", "--connection-file", other.file)
        assert (code, "is of another server, which runs" in said) == (1, True)
        assert Connection.read(other.file) == there


def test_what_ones_own_killed_server_has_left_is_written_over(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "server.json"
    options = ("--bind", "tcp://127.0.0.1:*", "--connection-file", str(file))
    mine = ServerProcess(tmp_path, *options, worker=SCRIPT)
    mine.file = file
    with mine:
        mine.stop(signal.SIGKILL)
        assert file.exists()
        mine.start()
    assert not file.exists()
    assert [path.name for path in (mine.data / "run").iterdir()] == ["lock"], "no keys are left"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--no-download",), "--no-download"),
        (("--idle-exit", "30", "--no-download"), "--idle-exit and --no-download"),
        ((), ""),
    ],
)
def test_options_that_a_running_server_does_not_take_up_are_named(
    tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as running:
        assert running.process is not None
        code, said = nst(running.data, "serve", *options)
        kept = f" It keeps to what it was told at its start about {told}." if told else ""
        problem = f"nst serve: already running (pid {running.process.pid}).{kept}"
        assert (code, said) == (0, f"{problem} End it with: nst serve --stop\n")


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1"])
def test_a_time_that_is_none_is_refused(tmp_path: Path, seconds: str) -> None:
    code, said = nst(tmp_path, "serve", f"--idle-exit={seconds}")
    assert (code, said.splitlines()[0]) == (2, "nst: --idle-exit: a number of seconds from 0 is needed.")


@pytest.mark.parametrize("option", ["--device", "--weights"])
def test_what_computes_is_not_told_to_a_server_that_runs(
    tmp_path: Path, painting: list[object], option: str
) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as running:
        value = "cpu" if option == "--device" else tmp_path / "photo.png"
        code, said = nst(tmp_path, *painting, "--connection-file", running.file, option, value)
    assert code == 2
    assert f"nst: {option}: the server of --connection-file has been told" in said
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("option", ["--device", "--weights", "--connection-file"])
def test_what_has_no_effect_in_krita_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert main(["demo", "--krita", "--out", str(tmp_path / "demo"), option, "cpu"]) == 2
    assert f"nst: {option}: with --krita the plugin starts a server of its own." in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_a_private_server_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NST_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(server, "END_SECONDS", 0.2)
    with server._private(Namespace(device="cpu", weights=None)) as file:
        pid = Connection.read(file).pid
        # It hears no signal but one.
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not file.exists()


def test_a_copy_of_a_server_that_was_started_anew_is_told_to_be_old(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--bind", "tcp://127.0.0.1:*", worker=SCRIPT) as running:
        endpoint = Connection.read(running.file).endpoint
        of_another(tmp_path / "copy.json", endpoint)
        code, said = nst(tmp_path / "mine", "jobs", "--connection-file", tmp_path / "copy.json")
        assert (code, said.splitlines()[-1].strip()) == (
            1,
            "Its keys change with each start: copy its server.json anew, if it runs.",
        )
        # One's own can only be hung.
        assert running.process is not None
        running.process.send_signal(signal.SIGSTOP)
        try:
            assert "It may be hung" in nst(running.data, "jobs")[1]
        finally:
            running.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("address", ["0.0.0.0", "*", "127.0.0.1"])
def test_the_address_for_another_computer_is_told(tmp_path: Path, address: str) -> None:
    mine = ServerProcess(tmp_path, "--bind", f"tcp://{address}:*", worker=SCRIPT)
    mine.context.destroy(0)
    with mine.popen(stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = process.stdout.readline().decode()
        port = said.split("tcp://127.0.0.1:")[1].split()[0]
        process.terminate()
        rest = process.stdout.read().decode()
    told = f"Endpoint to write into a copy of {mine.file} for another computer: "
    there = f"{told}tcp://{socket.gethostname()}:{port}\n"
    assert rest == ("" if address == "127.0.0.1" else there)
