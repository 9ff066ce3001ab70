"""How a server is found, known to be gone, started and ended: the connection file and the lock."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from server_process import SCRIPT, ServerProcess

from nst_server.cli import main
from nst_server.cli.errors import CliError
from nst_server.cli.server import _find as find
from nst_server.wire import connection, launch
from nst_server.wire.connection import Connection
from nst_server.wire.lock import Lock, end_holder, holder

SOMEWHERE = Connection("ipc:///somewhere", 1, "1")
BOTH = pytest.mark.parametrize("bind", [[], ["--bind", "tcp://127.0.0.1:*"]], ids=["ipc", "tcp"])


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def process_that_has_ended() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


# --- the connection file ---


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "everybody's"
    folder.mkdir()
    folder.chmod(0o755)
    SOMEWHERE.write(folder / "server.json")
    assert (mode(folder), mode(folder / "server.json")) == (0o755, 0o600)
    SOMEWHERE.write(folder / "of our own" / "server.json")
    assert mode(folder / "of our own") == 0o700


@pytest.mark.parametrize("refusals", [3, 10**6])
def test_a_file_that_a_client_reads_is_replaced_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusals: int
) -> None:
    rename, refused = Path.replace, []

    def as_on_windows(path: Path, to: Path) -> Path:
        refused.append(path)
        if len(refused) <= refusals:
            raise PermissionError(13, "Permission denied")
        return rename(path, to)

    monkeypatch.setattr(Path, "replace", as_on_windows)
    monkeypatch.setattr(connection, "REPLACE_SECONDS", 0.1 if refusals > 3 else 20)
    if refusals > 3:
        with pytest.raises(PermissionError):
            SOMEWHERE.write(tmp_path / "server.json")
        assert list(tmp_path.iterdir()) == []
    else:
        SOMEWHERE.write(tmp_path / "server.json")
        assert Connection.read(tmp_path / "server.json") == SOMEWHERE


# --- whether it is there ---


@BOTH
def test_a_copied_file_names_no_process_of_this_computer(tmp_path: Path, bind: list[str]) -> None:
    with ServerProcess(tmp_path, *bind, worker=SCRIPT) as server:
        copy = tmp_path / "copy.json"
        replace(Connection.read(server.file), pid=process_that_has_ended()).write(copy)
        assert launch.running_server(copy) is not None
        assert main(["jobs", "--connection-file", str(copy)]) == 0


@BOTH
@pytest.mark.parametrize("pid", ["its own", "another program's"])
def test_a_killed_server_is_known_to_be_gone_at_once(tmp_path: Path, bind: list[str], pid: str) -> None:
    with ServerProcess(tmp_path, *bind, worker=SCRIPT) as server:
        found = Connection.read(server.file)
        assert not launch.has_ended(found)
        server.stop(signal.SIGKILL)
        assert launch.has_ended(found if pid == "its own" else replace(found, pid=os.getpid()))
        said = "or the tunnel to it" if bind else "ended while it was computing.$"
        for is_private, hint in ((False, "goes on with the next server"), (True, "run the command again")):
            with pytest.raises(CliError, match=said if not is_private else "computing.$") as lost:
                find(server.file, found, is_private)
            assert hint in lost.value.hint


def test_one_that_hangs_has_not_ended(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        assert not launch.has_ended(Connection.read(server.file))
        server.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    "endpoint", ["tcp://192.0.2.1:5", "tcp://127.0.0.1:*", "tcp://127.0.0.1:99999", "ipc://" + 200 * "x"]
)
def test_where_it_cannot_be_known_it_counts_as_there(endpoint: str) -> None:
    assert not launch.has_ended(Connection(endpoint, process_that_has_ended()))


# --- starting it ---


def test_on_windows_no_window_opens_where_the_job_object_may_not_be_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {"CREATE_NO_WINDOW": 1, "CREATE_NEW_PROCESS_GROUP": 2, "CREATE_BREAKAWAY_FROM_JOB": 4}
    given: list[int] = []

    def popen(*_: object, creationflags: int = 0, **__: object) -> str:
        given.append(creationflags)
        if len(given) == 1:
            raise PermissionError(5, "Access is denied")
        return "the process"

    for name, value in flags.items():
        monkeypatch.setattr(subprocess, name, value, raising=False)
    monkeypatch.setattr(subprocess, "Popen", popen)
    monkeypatch.setattr(launch, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(launch, "os", SimpleNamespace(name="nt"))
    assert launch.start_server(["nst", "serve"], tmp_path / "start.log", {}) == "the process"
    assert given == [7, 3]


# --- who holds the lock ---


def test_the_lock_tells_the_process_as_long_as_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder(path) is None
    lock = Lock(path)
    assert holder(path) == os.getpid()
    lock.release()
    assert holder(path) is None


def test_one_who_asks_is_not_taken_for_the_server(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    # As a server that was killed leaves it.
    path.write_text(str(os.getpid()))
    with path.open("a+") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert holder(path) is None
    assert path.read_text() == "", "where locks cannot be shared, nobody reads its number"


def test_what_was_killed_is_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        assert server.process is not None
        monkeypatch.setenv("NST_DATA_DIR", str(server.data))
        lock = server.data / "run" / "lock"
        server.process.send_signal(signal.SIGSTOP)
        end_holder(lock, server.process.pid, seconds=0.3)
        assert server.process.wait(5) == -signal.SIGKILL
        assert not server.file.exists()
