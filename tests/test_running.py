"""Ending the local server from Krita: never with somebody's job in it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plugin_parts import part
from server_process import SCRIPT, ServerProcess

from nst_server.wire.connection import Connection
from nst_server.wire.launch import running_server

pytestmark = pytest.mark.usefixtures("plugin")

PLUGIN = Path(__file__).resolve().parent.parent / "krita_plugin"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path, worker=SCRIPT, data=tmp_path / "data") as process:
        yield process


def test_a_server_without_jobs_is_ended(server: ServerProcess) -> None:
    running = part("backend.running")
    assert running.unfinished_jobs() == 0
    running.retire(threading.Event(), lambda _: None)
    assert server.process is not None and server.process.wait(10) == 0
    assert running.unfinished_jobs() is None
    running.retire(threading.Event(), lambda _: None)  # nothing to end is no error


def test_a_server_of_another_protocol_is_ended_only_when_the_painter_says_so(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = part("backend.running")
    monkeypatch.setattr(running.wire.load("client"), "PROTOCOL_VERSION", (99, 0))
    with pytest.raises(running.Untold, match="does not tell whether it has jobs"):
        running.retire(threading.Event(), lambda _: None)
    assert running_server() is not None
    running.retire(threading.Event(), lambda _: None, anyway=True)
    assert server.process is not None and server.process.wait(10) == 0


def test_silence_is_not_taken_for_idleness(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    running = part("backend.running")
    monkeypatch.setattr(running.wire.load("client").Client, "status", lambda _: None)
    monkeypatch.setattr(running, "ANSWER_SECONDS", 1.0)
    with pytest.raises(running.Untold, match="does not answer"):
        running.retire(threading.Event(), lambda _: None)
    assert running_server() is not None


def test_a_server_that_hangs_is_not_taken_for_ended(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = part("backend.running")
    monkeypatch.setattr(running, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(running.wire.load("lock").end_holder, "__defaults__", (None, 1.0))
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    with pytest.raises(running.Untold, match="does not answer"):
        running.retire(threading.Event(), lambda _: None)
    assert server.process.poll() is None
    running.retire(threading.Event(), lambda _: None, anyway=True)
    assert server.process.wait(5) == -signal.SIGKILL


def test_the_process_that_a_copied_connection_file_names_is_left_alone(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, copy = part("backend.running"), tmp_path / "copy.json"
    monkeypatch.setattr(running, "ANSWER_SECONDS", 1.0)
    with (
        ServerProcess(tmp_path, worker=SCRIPT, data=tmp_path / "another") as another,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander,
    ):
        replace(Connection.read(another.file), pid=bystander.pid).write(copy)
        monkeypatch.setenv("NST_CONNECTION_FILE", str(copy))
        assert running_server() is not None
        # The jobs of that one say nothing of those that would end with this one.
        with pytest.raises(running.Untold, match="does not answer"):
            running.unfinished_jobs()
        running.stop()
        assert server.process is not None and server.process.wait(5) == 0
        assert running.unfinished_jobs() is None
        running.stop()
        assert bystander.poll() is None
        another.client()
        bystander.communicate(b"\n")


def test_a_server_at_work_is_waited_for(server: ServerProcess) -> None:
    running, cancelled, heard = part("backend.running"), threading.Event(), []
    client = server.client()
    client.submit("at-work", iterations=100000)
    client.expect("accepted")

    def hear(progress: Any) -> None:
        heard.append((progress.stage, progress.done))
        cancelled.set()

    with pytest.raises(running.Cancelled):
        running.retire(cancelled, hear)
    assert heard == [("waiting", 1)]
    assert running_server() is not None
