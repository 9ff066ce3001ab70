"""``nst serve``: run the server in this terminal, or in the background for Krita."""

from __future__ import annotations

import argparse
import logging
import logging.handlers
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from nst_server.cli.errors import CliError
from nst_server.cli.server import add_connection, add_worker, weights_option

IDLE_SECONDS = 600.0


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser(
        "serve",
        help="run the server",
        description="Run the server until Ctrl-C, or until nobody has needed it for a while.",
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
    from nst_server.broker.endpoint import (
        AlreadyRunning,
        Endpoint,
        EndpointError,
        Lock,
        runtime_dir,
    )
    from nst_server.broker.server import Broker
    from nst_server.executors.local import WORKER_DOMAIN, LocalExecutor
    from nst_server.store import Store
    from nst_server.wire.connection import (
        Connection,
        NoConnection,
        connection_file,
        data_dir,
        private_dir,
    )

    weights = weights_option(arguments)
    if arguments.idle_exit < 0:
        raise CliError("--idle-exit: a number of seconds from 0 is needed.")
    data = data_dir()
    try:
        logs = private_dir(data / "logs")
        lock = Lock(private_dir(data / "run") / "lock")
        run_dir = runtime_dir(data)
    except AlreadyRunning as running:
        print(f"nst serve: {running}")
        return 0
    except NoConnection as error:
        raise CliError(str(error)) from error
    _start_log(logs / "server.log")
    try:
        endpoint = Endpoint(run_dir, arguments.bind)
    except EndpointError as error:
        raise CliError(f"--bind: {error}") from error
    file = arguments.connection_file or connection_file()
    executors = [
        LocalExecutor(
            endpoint.context,
            worker_command(device, weights, arguments.no_download),
            device,
            run_dir,
            logs / (f"worker-{index}.log" if index else "worker.log"),
        )
        for index, device in enumerate((arguments.device or "auto").split(","))
    ]
    broker = Broker(
        endpoint, Store(data), executors, worker_domain=WORKER_DOMAIN, idle_exit=arguments.idle_exit
    )
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: broker.stop())

    def ready() -> None:
        endpoint.connection.write(file)
        logging.info("serving at %s, data in %s", endpoint.connection.endpoint, data)

    try:
        broker.run(ready)
    finally:
        with suppress(NoConnection):
            if Connection.read(file).pid == endpoint.connection.pid:
                file.unlink()
        endpoint.close()
        lock.release()
        logging.info("ended")
    return 0


def worker_command(device: str, weights: list[str], no_download: bool) -> list[str]:
    """What starts the worker of ``device``; its socket's endpoint is appended."""
    command = [sys.executable, "-m", "nst_server.worker", "--device", device, *weights]
    return [*command, "--no-download"] if no_download else command


def _start_log(path: Path) -> None:
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(path, maxBytes=10**6, backupCount=3, encoding="utf-8")
    ]
    if sys.stderr is not None and sys.stderr.isatty():
        handlers.append(logging.StreamHandler())
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", handlers=handlers
    )
