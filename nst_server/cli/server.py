"""The server as a command sees it: the running one, or one started for the call."""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nst_server.cli.errors import CliError
from nst_server.wire import devices
from nst_server.wire.client import Client
from nst_server.wire.connection import Connection, NoConnection, connection_file, data_dir
from nst_server.wire.launch import (
    answers,
    ensure_server,
    has_ended,
    module_command,
    start_server,
    wait_for_server,
)

#: How long a server started by a call outlives it: the next call finds it warm.
IDLE_SECONDS = 30
CONNECT_SECONDS = 20.0
#: A private server is killed after this: what it would write down goes with it.
END_SECONDS = 10.0


class NoServer(CliError):
    """No server of this user is running."""

    def __init__(self) -> None:
        super().__init__("No server is running.", "Start one with: nst serve", code=1)


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add the option that says which server is meant."""
    parser.add_argument(
        "--connection-file",
        type=Path,
        metavar="F",
        help="where the server says how it is reached (default: per user)",
    )


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the options of a server that is started for the call."""
    add_worker(
        parser.add_argument_group("what computes it (either one starts a private server for the call)")
    )


def add_worker(parser: Any) -> None:
    """Add the options that say what computes: of a server, or of one that is started for the call."""
    parser.add_argument(
        "--device",
        metavar="auto|cpu|cuda:N|mps",
        help="what computes; several with commas work side by side (default: auto)",
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="VGG weights to use")


def devices_of(arguments: argparse.Namespace) -> list[str]:
    """The names in ``--device``. Raises CliError for one that no computer has."""
    names = (arguments.device or "auto").split(",")
    for name in names:
        if devices.parsed(name) is None:
            raise CliError(f"--device: {name!r} is none.", f"Choose {devices.CHOICES}.")
    return names


def weights_option(arguments: argparse.Namespace) -> list[str]:
    """``--weights`` as it is passed on to another process. Raises CliError where there is no such file."""
    if not arguments.weights:
        return []
    if not arguments.weights.is_file():
        raise CliError(f"--weights: {arguments.weights} is not a file.", "Name a .pth or .pt file.")
    return ["--weights", str(arguments.weights.resolve())]


@contextmanager
def running(arguments: argparse.Namespace, name: str) -> Iterator[Client]:
    """A client of the server that is running. Raises NoServer if there is none, else CliError."""
    file = arguments.connection_file or connection_file()
    if arguments.connection_file is None and not file.exists():
        raise NoServer
    with _client(file, name) as client:
        yield client


def own_copy(file: Path) -> Path:
    """What a server of this data folder writes beside its connection ``file``, to know that by later.

    The same file where it is in its own place; elsewhere it may be a copy, whose server is another one.
    """
    place = data_dir() / "run" / "server.json"
    return file if file.resolve() == place.resolve() else place.with_name("elsewhere.json")


def must_be_ours(file: Path) -> None:
    """Raise CliError where a server that writes ``file`` would take the keys of another one away.

    What a server of this data folder has left there as it was killed may be written over.
    """
    with suppress(NoConnection):
        there = Connection.read(file)
        if _is_ours(file, there):
            return
        if answers(there):
            problem = f"{file} is of another server, which runs ({there.endpoint})."
            raise CliError(problem, "Name another --connection-file, or unset NST_CONNECTION_FILE.", code=1)
        if there.endpoint.startswith("tcp://"):
            problem = f"{file} is of a server elsewhere ({there.endpoint}), which does not answer."
            hint = "Start that, or unset NST_CONNECTION_FILE. If it is gone for good, remove the file."
            raise CliError(problem, hint, code=1)


def _is_ours(file: Path, there: Connection) -> bool:
    """Whether a server of this data folder has written what is ``there``, in ``file``."""
    with suppress(NoConnection):
        return Connection.read(own_copy(file)) == there
    return False


def is_private(arguments: argparse.Namespace) -> bool:
    """Whether ``for_call`` starts a server that ends with the call, and with it all that it keeps."""
    return arguments.connection_file is None and bool(arguments.device or arguments.weights)


@contextmanager
def for_call(arguments: argparse.Namespace, name: str) -> Iterator[Client]:
    """A client of the running server, or of one started for the call. Raises CliError.

    With ``--device`` or ``--weights`` the server is private to the call: the running one may have others.
    """
    if arguments.connection_file is not None:
        if arguments.device or arguments.weights:
            option = "--device" if arguments.device else "--weights"
            problem = f"{option}: the server of --connection-file has been told at its start what computes."
            raise CliError(problem, "Leave one of them out.")
        with running(arguments, name) as client:
            yield client
    elif is_private(arguments):
        devices_of(arguments)
        if arguments.weights and getattr(arguments, "encoder", None) == "built-in":
            raise CliError("--weights: the built-in encoder reads none.", "Leave one of them out.")
        with _private(arguments) as file, _client(file, name, is_private=True) as client:
            yield client
    else:
        try:
            ensure_server(_serve_here, seconds=CONNECT_SECONDS)
        except NoConnection as error:
            raise CliError(str(error), code=1) from error
        with _client(connection_file(), name) as client:
            yield client


@contextmanager
def _client(file: Path, name: str, is_private: bool = False) -> Iterator[Client]:
    client = Client(lambda: _find(file, known, is_private), name=name)
    hint = "Start a server with: nst serve"
    try:
        known = Connection.read(file)  # without one there is nobody to wait for
        hint = "It may be hung: end it with nst serve --stop, then try again."
        if known.endpoint.startswith("tcp://") and not _is_ours(file, known):
            hint = "Its keys change with each start: copy its server.json anew, if it runs."
        if not has_ended(known):
            client.wait_connected(5)
            yield client
            return
        raise NoServer
    except NoConnection as error:
        raise CliError(str(error), hint, code=1) from error
    finally:
        client.close()


def _find(file: Path, known: Connection, is_private: bool) -> Connection:
    """Where the server is now. Raises CliError where the one that is ``known`` has ended for good."""
    try:
        found = Connection.read(file)
        if not has_ended(found):
            return found
    except NoConnection:
        if not has_ended(known):
            raise
    if is_private:
        hint = "It was of this command alone, and the job is gone with it; run the command again."
        raise CliError("The server has ended while it was computing.", hint, code=1)
    tunnel = ", or the tunnel to it" if known.endpoint.startswith("tcp://") else ""
    raise CliError(
        f"The server has ended while it was computing{tunnel}.",
        "The job goes on with the next server: run `nst serve`; `nst jobs` names it, and "
        "`nst attach JOB --frames-dir DIR` follows it and writes its pictures.",
        code=1,
    )


@contextmanager
def _private(arguments: argparse.Namespace) -> Iterator[Path]:
    """A server with its own data folder, gone with the call; yields its connection file."""
    command = _serve() + weights_option(arguments)
    if arguments.device:
        command += ["--device", arguments.device]
    # A process of its worker may still be writing there.
    with tempfile.TemporaryDirectory(prefix="nst-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "run" / "server.json"
        environment = {
            "NST_DATA_DIR": folder,
            "NST_WEIGHTS_DIR": str(data_dir() / "weights"),
            # That of the environment is another server's.
            "NST_CONNECTION_FILE": str(file),
        }
        log = Path(folder) / "start.log"
        try:
            process = start_server(command, log, {**os.environ, **environment})
            try:
                wait_for_server(process, log, file, CONNECT_SECONDS)
                yield file
            finally:
                _end(process)
        except NoConnection as error:
            raise CliError(str(error), code=1) from error


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _serve_here() -> list[str]:
    """What starts the user's server. Raises CliError where that would take another one's file."""
    must_be_ours(connection_file())
    return [*_serve(), "--idle-exit", str(IDLE_SECONDS)]


def _serve() -> list[str]:
    return [*module_command("nst_server"), "serve"]
