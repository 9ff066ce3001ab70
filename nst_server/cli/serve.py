"""``nst serve``: run the server in this terminal, or in the background for Krita."""

from __future__ import annotations

import argparse
import logging
import logging.handlers
import math
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from nst_server.cli.errors import CliError
from nst_server.cli.server import (
    add_connection,
    add_worker,
    devices_of,
    must_be_ours,
    own_copy,
    weights_option,
)
from nst_server.wire.connection import Connection
from nst_server.wire.launch import module_command, running_server
from nst_server.wire.lock import END_SECONDS, AlreadyRunning, Lock, end_holder, holder, lock_file

IDLE_SECONDS = 600.0
#: Files and connections that may be open at once; shells allow 1024, or 256 on macOS.
CONNECTIONS = 65_536


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser(
        "serve",
        help="run the server",
        description="Run the server until Ctrl-C, or until nobody has needed it for a while.",
    )
    parser.add_argument(
        "--stop",
        action="store_true",
        help="end the one that runs instead; jobs that it has go on with the next one",
    )
    add_connection(parser)
    parser.add_argument(
        "--bind",
        default="",
        metavar="ENDPOINT",
        help="ipc://PATH or tcp://ADDRESS:PORT (default: local only)",
    )
    add_worker(parser)
    parser.add_argument(
        "--idle-exit",
        type=float,
        default=IDLE_SECONDS,
        metavar="S",
        help=f"end after S seconds without job or client; 0: never (default: {IDLE_SECONDS:g})",
    )
    parser.add_argument("--no-download", action="store_true", help="never fetch weights from the network")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit code."""
    # Imported here: the other commands need none of it.
    from nst_server.broker.endpoint import Endpoint, EndpointError, runtime_dir
    from nst_server.broker.server import Broker
    from nst_server.executors.local import WORKER_DOMAIN, LocalExecutor
    from nst_server.store import Store
    from nst_server.wire.connection import (
        NoConnection,
        connection_file,
        data_dir,
        private_dir,
        withdraw,
    )

    if arguments.stop:
        return _stop(arguments)
    weights, devices = weights_option(arguments), devices_of(arguments)
    if not 0 <= arguments.idle_exit < math.inf:
        raise CliError("--idle-exit: a number of seconds from 0 is needed.", "0 means never.")
    data = data_dir()
    file = arguments.connection_file or connection_file()
    try:
        logs = private_dir(data / "logs")
        private_dir(data / "run")
        lock = _lock(lock_file(), file)
        run_dir = runtime_dir(data)
        store = Store(data)
    except AlreadyRunning as running:
        return _left_to(running, arguments)
    except NoConnection as error:
        raise CliError(str(error)) from error
    except OSError as error:
        raise _unwritable(data, error) from error
    files = _files(file)
    _start_log(logs / "server.log")
    _allow_connections()
    try:
        endpoint = Endpoint(run_dir, arguments.bind)
    except EndpointError as error:
        raise CliError(f"--bind: {error}") from error
    executors = [
        LocalExecutor(
            endpoint.context,
            worker_command(device, weights, arguments.no_download),
            device,
            run_dir,
            logs / (f"worker-{index}.log" if index else "worker.log"),
        )
        for index, device in enumerate(devices)
    ]
    broker = Broker(endpoint, store, executors, worker_domain=WORKER_DOMAIN, idle_exit=arguments.idle_exit)
    _end_on_signals(broker.stop)

    def ready() -> None:
        for path in files:
            _write(endpoint.connection, path, own=path.parent == data / "run")
        logging.info("serving at %s, data in %s", endpoint.connection.endpoint, data)
        idle = f", or until nobody has needed it for {arguments.idle_exit:g} s" if arguments.idle_exit else ""
        print(
            f"Serving at {endpoint.connection.endpoint} until Ctrl-C{idle}. Log: {logs / 'server.log'}",
            flush=True,
        )
        if arguments.bind.startswith(("tcp://0.0.0.0:", "tcp://*:")):
            # The file names an address that is this computer's own.
            there = f"tcp://{socket.gethostname()}:{endpoint.connection.endpoint.rpartition(':')[2]}"
            print(f"Endpoint to write into a copy of {file} for another computer: {there}", flush=True)

    try:
        broker.run(ready)
    finally:
        for path in files:
            withdraw(path, endpoint.connection.pid)
        endpoint.close()
        lock.release()
        logging.info("ended")
    return 0


def _files(file: Path) -> list[Path]:
    """The connection files that this server writes. Raises CliError where ``file`` is another server's."""
    must_be_ours(file)
    return list(dict.fromkeys((own_copy(file), file)))


def _write(connection: Connection, path: Path, own: bool) -> None:
    try:
        connection.write(path)
    except OSError as error:
        raise _unwritable(path.parent, error, own) from error


def _end_on_signals(end: Callable[[], None]) -> None:
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: end())


def _left_to(running: AlreadyRunning, arguments: argparse.Namespace) -> int:
    """What to say where another server runs. Raises CliError if this one was to be another kind of server."""
    hint = "End it with: nst serve --stop"
    if arguments.bind or arguments.connection_file or arguments.device or arguments.weights:
        raise CliError(f"A server is {running}, and not as this one was to be.", hint, 1)
    has_idle, is_offline = arguments.idle_exit != IDLE_SECONDS, arguments.no_download
    given = " and ".join(["--idle-exit"] * has_idle + ["--no-download"] * is_offline)
    # No error: Krita and commands give these as well, and the server that was faster does for them.
    kept = f" It keeps to what it was told at its start about {given}." if given else ""
    print(f"nst serve: {running}.{kept} {hint}")
    return 0


def _unwritable(folder: Path, error: OSError, own: bool = True) -> CliError:
    way_out = "set NST_DATA_DIR to another folder" if own else "choose another place for the connection file"
    hint = f"Make room there, or {way_out}."
    return CliError(f"The server cannot write in {folder}: {error.strerror}.", hint, 1)


def _allow_connections() -> None:
    """Let as many clients connect as the system allows: at the limit, libzmq ends the whole process."""
    if sys.platform == "win32":
        return  # there it is 2^24
    import resource

    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now == resource.RLIM_INFINITY or now >= CONNECTIONS:
        return
    enough = CONNECTIONS if most == resource.RLIM_INFINITY else min(CONNECTIONS, most)
    # macOS names no limit, and takes no number above another one that it does not name here.
    for number in (enough, min(enough, 10_240)):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, number), most))
            return


def _lock(path: Path, file: Path) -> Lock:
    """The lock, once a server that is ending has let go of it. Raises AlreadyRunning where one stays."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        try:
            return Lock(path)
        except AlreadyRunning:
            # One that is ending hears nobody; one that is starting soon does.
            if time.monotonic() > deadline or running_server(file) is not None:
                raise
            time.sleep(0.05)


def _stop(arguments: argparse.Namespace) -> int:
    """End the server of this user, if one runs. Raises CliError where it cannot be ended."""
    from nst_server.cli.jobs import listing
    from nst_server.cli.server import running
    from nst_server.wire.connection import NoConnection, data_dir
    from nst_server.wire.messages import ENDINGS

    # The lock says for certain which process it is: a connection file may be a copy, or left by one that
    # was killed, and its process id another program's by now.
    try:
        pid = holder(lock_file())
    except OSError as error:
        raise CliError(f"{lock_file()}: {error.strerror}.", code=1) from error
    if arguments.connection_file is not None:
        try:
            named = Connection.read(arguments.connection_file).pid
        except NoConnection as error:
            raise CliError(str(error), code=1) from error
        if named != pid:
            problem = f"{arguments.connection_file} names a server that does not belong to {data_dir()}."
            raise CliError(problem, "End it on the computer, and with the NST_DATA_DIR, of its start.", 1)
    if pid is None:
        print("No server is running.")
        return 0
    unfinished = 0
    with suppress(CliError), running(arguments, "nst serve --stop") as client:
        unfinished = sum(job["state"] not in ENDINGS for job in listing(client)[1])
    try:
        end_holder(lock_file(), pid, arguments.connection_file, END_SECONDS)
    except TimeoutError:
        raise CliError(f"The server (pid {pid}) does not end.", "End that process by hand.", 1) from None
    except OSError as error:
        raise CliError(f"The server (pid {pid}) cannot be ended: {error.strerror}.", code=1) from error
    more = f"; unfinished jobs that go on when one is started again: {unfinished}" if unfinished else ""
    print(f"The server (pid {pid}) has ended{more}.")
    return 0


def worker_command(device: str, weights: list[str], no_download: bool) -> list[str]:
    """What starts the worker of ``device``; its socket's endpoint is appended."""
    command = [*module_command("nst_server.worker"), "--device", device, *weights]
    return [*command, "--no-download"] if no_download else command


def _start_log(path: Path) -> None:
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(path, maxBytes=10**6, backupCount=3, encoding="utf-8")
    ]
    if sys.stderr is not None and sys.stderr.isatty():
        handlers.append(terminal := logging.StreamHandler())
        terminal.setLevel(logging.WARNING)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", handlers=handlers
    )
