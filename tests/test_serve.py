"""The server as a process: starting, one for each user, who may talk to it, restarting, ending."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from argparse import Namespace
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import zmq
from server_process import ROOT, SCRIPT, RawClient, ServerProcess

from nst_server.broker import server as broker_module
from nst_server.broker.endpoint import Endpoint, runtime_dir
from nst_server.cli import main, serve
from nst_server.cli.server import devices_of
from nst_server.store import Store
from nst_server.wire.connection import Connection, private_dir
from nst_server.wire.launch import module_command, start_server, wait_for_server
from nst_server.wire.messages import PROTOCOL_VERSION


def said_on_a_terminal(server: ServerProcess, ending: str) -> str:
    """All that it says there, from its start over a job with that ending to its own end."""
    terminal, its_end = os.openpty()
    server.process = server.popen(stdout=its_end, stderr=its_end)
    os.close(its_end)
    with ExitStack() as ends:
        ends.callback(os.close, terminal)
        ends.callback(server.__exit__)
        said = os.read(terminal, 1000)
        client = server.client()
        client.submit("job", iterations=1)
        client.expect(ending, seconds=20)
        server.stop(signal.SIGINT)
        with suppress(OSError):  # how Linux says that nobody writes there any more
            while more := os.read(terminal, 1000):
                said += more
    return said.decode()


def loaded(pid: int, library: str) -> bool:
    return library in Path(f"/proc/{pid}/maps").read_text()


def test_hello_is_answered_before_the_worker_has_loaded_torch(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    with server:
        assert server.process is not None
        assert server.client().welcome["devices"] == [{"id": "auto", "name": ""}]
        for library in ("torch", "numpy"):
            assert not loaded(server.process.pid, f"/{library}/")
        assert server.file.stat().st_mode & 0o777 == 0o600
        assert server.file.parent.stat().st_mode & 0o777 == 0o700
    assert not server.file.exists()
    assert list(server.file.parent.iterdir()) == [server.file.parent / "lock"]


def folder_of_traps(path: Path) -> Path:
    """A folder with files of the names that the server imports."""
    for name in ("zmq", "torch", "runpy", "nst_server/__init__", "nst_server/worker/__init__"):
        trap = path / f"{name}.py"
        trap.parent.mkdir(parents=True, exist_ok=True)
        trap.write_text("raise SystemExit('this is not the module that was meant')\n")
    return path


def test_nothing_is_imported_from_the_folder_that_it_is_started_in(tmp_path: Path) -> None:
    folder = folder_of_traps(tmp_path / "downloads")
    command = [*module_command("nst_server"), "serve", "--no-download", "--connection-file", "here.json"]
    environment = {**os.environ, "NST_DATA_DIR": str(tmp_path / "data")}
    log = tmp_path / "start.log"
    with ExitStack() as ends, log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        ends.callback(process.wait, 10)
        ends.callback(process.terminate)
        connection = wait_for_server(process, log, folder / "here.json")
        context = zmq.Context()
        ends.callback(context.destroy, 0)
        client = RawClient(context, connection, hello=True)
        client.submit("job", iterations=1)
        # By the process that computes.
        client.expect("done", seconds=60)


def test_nor_from_the_home_of_whoever_has_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of_traps(tmp_path / "home")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("NST_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(folder)
    for command in ([sys.executable, "-m", "nst_server"], module_command("nst_server")):
        log = tmp_path / "logs/start.log"
        process = start_server([*command, "serve", "--no-download"], log)
        wait_for_server(process, log)
        process.terminate()
        assert process.wait(10) == 0


def test_the_second_server_leaves_the_field_to_the_first(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        assert server.process is not None
        second = server.popen(stdout=-1)
        output, _ = second.communicate(timeout=20)
        assert second.returncode == 0
        assert f"already running (pid {server.process.pid})" in output.decode()
        server.client().send("status")


def test_a_server_of_another_kind_does_not_leave_the_field_in_silence(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        command = [sys.executable, "-m", "nst_server", "serve", "--bind", "tcp://127.0.0.1:*"]
        environment = {**os.environ, "NST_DATA_DIR": str(server.data)}
        second = subprocess.run(
            command, check=False, env=environment, capture_output=True, text=True, timeout=20
        )
        assert second.returncode == 1
        assert "and not as this one was to be" in second.stderr


def test_a_device_that_no_computer_has_is_named_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nst_server", "serve", "--device", "cpu,gpu"]
    environment = {**os.environ, "NST_DATA_DIR": str(tmp_path)}
    server = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=20)
    assert server.returncode == 2
    assert "--device: 'gpu' is none." in server.stderr


def test_devices_are_named_in_any_case() -> None:
    assert devices_of(Namespace(device="CPU, cuda:1")) == ["CPU", " cuda:1"]


def test_a_server_that_was_killed_leaves_nothing_that_stops_the_next(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        client = server.client()
        client.submit("done", iterations=2)
        client.expect("done")
        client.submit("running", iterations=1000)
        # Not every iteration is told: progress comes at most ten times a second.
        assert any(m.type == "progress" and m["iteration"] >= 3 for m in client.messages(10))
        server.stop(signal.SIGKILL)
        server.start()
        again = server.client()
        again.send("attach", job="done")
        assert again.expect("accepted")["kept_frames"] == 2
        again.expect("done", job="done")
        again.send("attach", job="running")
        assert again.expect("accepted", job="running")["kept_frames"] >= 2
        assert again.expect("progress", job="running")["iteration"] < 1000
        again.send("credit", bytes=10**9)
        assert {again.expect("blob")["job"] for _ in range(4)} == {"done", "running"}
        again.submit("more", iterations=1, more={"start": {"job": "running", "iteration": 2}})
        again.send("cancel", job="running")
        again.expect("done", job="more")


def test_it_ends_when_nobody_needs_it(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--idle-exit", "0.6", worker=SCRIPT) as server:
        assert server.process is not None
        client = server.client()
        client.submit("long", iterations=60)
        client.expect("done", seconds=20)
        # The job took longer than the idle time, and its client had nothing to say meanwhile.
        time.sleep(0.2)
        client.send("forget", job="long")
        client.expect("forgotten")
        assert server.process.wait(5) == 0
        assert not server.file.exists()


def test_it_ends_soon_after_the_last_client_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", broker_module.__name__)
    monkeypatch.setattr(broker_module, "_BYE_SECONDS", 1.5)
    with closing(Endpoint(private_dir(tmp_path / "run"))) as endpoint, ExitStack() as ends:
        broker = broker_module.Broker(endpoint, Store(tmp_path), [], worker_domain=b"", idle_exit=60.0)
        thread = threading.Thread(target=broker.run)
        thread.start()
        ends.callback(thread.join)
        ends.callback(broker.stop)
        context = zmq.Context()
        ends.callback(context.destroy, 0)
        staying, leaving = (RawClient(context, endpoint.connection, hello=True) for _ in range(2))
        thread.join(2)
        assert thread.is_alive(), "nobody has left"
        leaving.send("bye")
        for _ in range(20):
            thread.join(0.1)
            staying.send("status")
        assert thread.is_alive(), "somebody is still there"
        thread.join(10)
        assert not thread.is_alive()
    assert "idle for 1.5 s: the server ends" in caplog.text


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, how: int) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        assert server.stop(how) == 0
        assert not server.file.exists()
        assert "ended" in server.log()


@pytest.mark.parametrize(("idle", "until"), [("0", ""), ("60", ", or until nobody has needed it for 60 s")])
def test_on_a_terminal_it_says_one_line(tmp_path: Path, idle: str, until: str) -> None:
    server = ServerProcess(tmp_path, "--idle-exit", idle, worker=SCRIPT)
    said = said_on_a_terminal(server, "done")
    endpoint = server.log().split("serving at ")[1].split(",")[0]
    log = server.data / "logs" / "server.log"
    assert said == f"Serving at {endpoint} until Ctrl-C{until}. Log: {log}\r\n"


def test_what_goes_wrong_is_said_on_a_terminal(tmp_path: Path) -> None:
    said = said_on_a_terminal(ServerProcess(tmp_path, "--device", "mps", worker=SCRIPT), "failed")
    assert "the worker ended: ImportError: libtorch is not here" in said


def test_tcp_is_encrypted_and_takes_only_its_own_key(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--bind", "tcp://127.0.0.1:*", worker=SCRIPT) as server:
        connection = Connection.read(server.file)
        assert connection.endpoint.startswith("tcp://127.0.0.1:")
        client = server.client()
        client.submit("job", iterations=1)
        client.expect("done")
        public, secret = zmq.curve_keypair()
        stranger = Connection(
            connection.endpoint,
            server_key=connection.server_key,
            client_key=public.decode(),
            client_secret=secret.decode(),
        )
        for wrong in (stranger, Connection(connection.endpoint)):
            other = RawClient(server.context, wrong, hello=False)
            other.send("hello", protocol=[1, 0])
            assert other.receive(0.5) is None
            other.close()
        assert "wrong key was refused" in server.log()
        client.send("status")
        client.expect("status")


def test_without_sockets_in_the_file_system_everything_goes_over_encrypted_tcp(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT, without_ipc=True) as server:
        connection = Connection.read(server.file)
        assert connection.endpoint.startswith("tcp://127.0.0.1:")
        assert connection.server_key
        client = server.client()
        client.submit("job", iterations=2)
        client.expect("done")
        assert not list(server.file.parent.glob("*.ipc"))


def test_an_endpoint_that_cannot_be_used_is_refused_in_words(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, worker=SCRIPT)
    for bind in ("udp://127.0.0.1:1", "tcp://256.0.0.1:1", "ipc://@nst", "ipc://*"):
        process = server.popen("--bind", bind, stderr=-1)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 2
        assert errors.decode().startswith("nst: --bind: ")
    server.context.destroy(0)


def test_a_socket_at_a_path_of_ones_own_is_private(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with ServerProcess(tmp_path, "--bind", f"ipc://{path}", worker=SCRIPT):
        assert path.stat().st_mode & 0o777 == 0o600


def nst(data: Path, *arguments: str) -> tuple[int, str]:
    """Exit code of that command, and what it says."""
    run = subprocess.run(
        [sys.executable, "-m", "nst_server", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "NST_DATA_DIR": str(data)},
        cwd=ROOT,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


def test_a_server_is_ended_from_a_terminal_and_its_jobs_go_on(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        assert server.process is not None
        client = server.client()
        client.submit("ended", iterations=1)
        client.expect("done")
        client.submit("unfinished", iterations=100_000)
        client.expect("progress")
        told = nst(server.data, "serve", "--stop")
        goes_on = "unfinished jobs that go on when one is started again: 1"
        assert told == (0, f"The server (pid {server.process.pid}) has ended; {goes_on}.\n")
        assert server.process.wait(5) == 0
        server.start()
        again = server.client()
        again.send("attach", job="unfinished")
        again.expect("progress")


def test_more_clients_than_a_shell_allows_files_do_not_end_the_server(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        server = ServerProcess(tmp_path, worker=SCRIPT)
        server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with ExitStack() as stack:
        stack.callback(server.__exit__)
        for _ in range(150):
            server.client(hello=False).send("hello", protocol=list(PROTOCOL_VERSION))
        for client in server.clients[1:]:
            client.expect("welcome")


def test_a_folder_that_cannot_be_written_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, words = nst(tmp_path / "file", "serve")
    assert (code, words.splitlines()[0]) == (
        1,
        f"nst: The server cannot write in {tmp_path / 'file'}: Not a directory.",
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "server.json").mkdir()
    code, words = nst(tmp_path, "serve")
    assert (code, words.splitlines()[0]) == (
        1,
        f"nst: The server cannot write in {tmp_path / 'run'}: Is a directory.",
    )
    place = tmp_path / "file" / "server.json"
    code, words = nst(tmp_path, "serve", "--connection-file", str(place))
    assert (code, words.splitlines()) == (
        1,
        [
            f"nst: The server cannot write in {place.parent}: File exists.",
            "     Make room there, or choose another place for the connection file.",
        ],
    )
    (tmp_path / "jobs").rmdir()
    (tmp_path / "jobs").touch()
    code, words = nst(tmp_path, "serve")
    assert (code, words.splitlines()[0]) == (1, f"nst: The server cannot write in {tmp_path}: File exists.")


def test_folders_of_the_data_may_be_links(tmp_path: Path) -> None:
    for name in ("another disk", "a third one"):
        (tmp_path / name).mkdir()
    (tmp_path / "another disk" / "jobs").symlink_to(tmp_path / "a third one")
    (tmp_path / "data").symlink_to(tmp_path / "another disk")
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        client = server.client()
        client.submit("job", iterations=1)
        client.expect("done")
        assert (tmp_path / "a third one" / "job" / "end.json").exists()


def test_a_server_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "END_SECONDS", 1.0)
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        assert server.process is not None
        monkeypatch.setenv("NST_DATA_DIR", str(server.data))
        server.process.send_signal(signal.SIGSTOP)
        assert main(["jobs"]) == 1
        assert main(["serve", "--stop"]) == 0
        assert server.process.wait(5) == -signal.SIGKILL
        server.start()


def test_where_no_server_runs_none_is_ended(tmp_path: Path) -> None:
    assert nst(tmp_path, "serve", "--stop") == (0, "No server is running.\n")
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        server.stop(signal.SIGKILL)
        # The connection file that is left may name anybody by now: this process, say.
        server.file.write_text(server.file.read_text().replace(str(server.process.pid), str(os.getpid())))  # type: ignore[union-attr]
        assert nst(server.data, "serve", "--stop") == (0, "No server is running.\n")


def test_the_server_of_another_data_folder_is_not_ended(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        told = nst(tmp_path / "other", "serve", "--stop", "--connection-file", str(server.file))
        assert (told[0], "does not belong to" in told[1]) == (1, True)
        server.client()


def test_a_server_waits_for_the_one_that_is_ending(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        assert server.process is not None
        client = server.client()
        client.submit("hangs", seed=1, iterations=2)
        client.expect("progress")
        # Its worker does not listen, and is given 8 s to write down where the job is.
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        ending = server.process
        server.start()
        assert ending.wait(5) == 0
        server.client()


def test_ended_jobs_can_be_forgotten_from_a_terminal(tmp_path: Path) -> None:
    def forget(*arguments: str) -> tuple[int, str]:
        return nst(server.data, "forget", *arguments)

    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        client = server.client()
        for job in ("a", "b", "c"):
            client.submit(job, iterations=1)
            client.expect("done", job=job)
        client.submit("running", iterations=100_000)
        client.expect("progress", job="running")
        assert forget("b") == (0, "b: forgotten\n")
        assert not (server.data / "jobs/b").exists()
        code, words = forget("running")
        assert (code, "has not ended" in words) == (1, True)
        assert forget("--ended") == (0, "c: forgotten\na: forgotten\n")
        assert forget("--ended") == (0, "no ended jobs\n")
        assert forget()[0] == 2
        client.send("status")
        assert [job["job"] for job in client.expect("status")["jobs"]] == ["running"]


def test_sockets_of_a_deep_data_folder_go_to_a_short_private_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 80)
    folder = runtime_dir(deep)
    assert folder == runtime_dir(deep)
    assert len(os.fsencode(folder)) < 80
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    with ServerProcess(deep, worker=SCRIPT) as server:
        assert len(Connection.read(server.file).endpoint) < 100
