"""Starting the server when it is not running, from a terminal as from inside Krita."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence, Union

import zmq

from .codec import decode, encode
from .connection import Connection, NoConnection, connection_file, data_dir
from .dealer import open_socket
from .messages import FROM_SERVER, PROTOCOL_VERSION, BadMessage, Message

#: A server's command, or a function that tells it and may raise NoConnection.
Command = Union[Sequence[str], Callable[[], Sequence[str]]]
#: What ``nst krita install`` records for the plugin, in the data folder: {"command": [...]}.
INSTALLED = "installed.json"
#: What this computer is given to say that nobody listens at an endpoint, in seconds.
LISTENS_SECONDS = 0.25


def installed_command() -> list[str]:
    """The server's command as the installer recorded it, else ``nst serve`` on PATH. Raises NoConnection."""
    record = data_dir() / INSTALLED
    try:
        command = json.loads(record.read_text(encoding="utf-8"))["command"]
        if command and all(isinstance(part, str) for part in command) and shutil.which(command[0]):
            return list(command)
        problem = f"The server's program {command[0] if command else ''} is gone."
    except FileNotFoundError:
        problem = "The server is not installed for Krita."
    except (OSError, ValueError, KeyError, TypeError):
        problem = f"{record} cannot be read."
    on_path = shutil.which("nst")
    if on_path:
        return [on_path, "serve"]
    raise NoConnection(f"{problem} Run: nst krita install")


def answers(connection: Connection, seconds: float = 1.0) -> bool:
    """Whether a server answers ``hello`` there; one of another protocol does, and tells a client so."""
    if has_ended(connection):
        return False
    context = zmq.Context()
    try:
        dealer = open_socket(context, connection)
        dealer.send_multipart(
            encode(Message("hello", {"protocol": list(PROTOCOL_VERSION), "client": "launcher"}))
        )
        if not dealer.poll(int(1000 * seconds)):
            return False
        reply = decode(dealer.recv_multipart(), FROM_SERVER)
        return reply.type == "welcome" or reply.get("code") == "version"
    except (zmq.ZMQError, ValueError, BadMessage):
        return False
    finally:
        context.destroy(0)


def has_ended(connection: Connection) -> bool:
    """Whether nobody listens at an endpoint of this computer any more, as after a power failure.

    No process id tells that: a connection file may be a copy from another computer, whose server is reached
    from here through a tunnel. Where it cannot be known at once (outside of POSIX) it counts as there.
    """
    scheme, _, place = connection.endpoint.partition("://")
    host, _, port = place.rpartition(":")
    address: Any
    if os.name != "posix":
        return False
    if scheme == "ipc":
        family, address = socket.AF_UNIX, place
    elif scheme == "tcp" and host == "127.0.0.1" and port.isdecimal():
        family, address = socket.AF_INET, (host, int(port))
    else:
        return False
    with socket.socket(family) as asking:
        asking.settimeout(LISTENS_SECONDS)
        try:
            asking.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except (OSError, ValueError, OverflowError):
            pass  # it is not known
    return False


def running_server(file: Path | None = None) -> Connection | None:
    """The server that the connection file names, if it answers."""
    try:
        connection = Connection.read(file or connection_file())
    except NoConnection:
        return None
    return connection if answers(connection) else None


def ensure_server(
    command: Command,
    *,
    file: Path | None = None,
    seconds: float = 20.0,
    cancelled: Callable[[], bool] = lambda: False,
) -> Connection:
    """The running server's connection, after starting ``command`` where there is none.

    A ``command`` that is a function is called only then. Blocks up to ``seconds``; ``cancelled`` is asked in
    between. Raises NoConnection with the reason and, where the server wrote one, the last line of its log.
    """
    running = running_server(file)
    if running is not None:
        return running
    log = data_dir() / "logs" / "start.log"
    process = start_server(command() if callable(command) else command, log)
    return wait_for_server(process, log, file, seconds, cancelled)


def wait_for_server(
    process: subprocess.Popen[bytes],
    log: Path,
    file: Path | None = None,
    seconds: float = 20.0,
    cancelled: Callable[[], bool] = lambda: False,
) -> Connection:
    """The connection of a server that is starting. Raises NoConnection with what its log ends with."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not cancelled():
        # Exit code 0 means that another server was faster: its connection file is the one to read.
        if process.poll() not in (None, 0):
            raise NoConnection(f"The server stopped while starting: {_last_line(log)} (log: {log})")
        running = running_server(file)
        if running is not None:
            return running
        time.sleep(0.05)
    raise NoConnection(f"The server did not answer within {seconds:g} s: {_last_line(log)} (log: {log})")


def module_command(module: str, python: str = sys.executable) -> list[str]:
    """``python -m module``, but nothing is imported from the current folder, in which anything may lie.

    Python itself offers that from 3.11 on (``-P``). A source tree that this runs from is found all the same.
    """
    tree = str(Path(__file__).parents[2])
    # sys is part of the interpreter: no file can take its place.
    path = f"[{tree!r}] * ({tree!r} not in sys.path) + [entry for entry in sys.path if entry]"
    run = f"import runpy; runpy.run_module({module!r}, None, '__main__', True)"
    return [python, "-c", f"import sys; sys.path = {path}; {run}"]


def start_server(
    command: Sequence[str], log: Path, environment: Mapping[str, str] = os.environ
) -> subprocess.Popen[bytes]:
    """Start ``command`` detached: it outlives whoever starts it. Raises NoConnection."""
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("wb") as output:
            options: dict[str, Any] = {
                "stdin": subprocess.DEVNULL,
                "stdout": output,
                "stderr": subprocess.STDOUT,
                "env": clean_environment(environment),
                # A server that is a module of Python imports from there: only its own logs lie in it.
                "cwd": str(log.parent),
                "close_fds": True,
            }
            try:
                return subprocess.Popen(list(command), **options, **_detached())
            except PermissionError:
                if os.name == "posix":
                    raise
                # Some Windows programs hold what they start in a job object that it may not leave.
                return subprocess.Popen(list(command), **options, **_detached(leaves_job=False))
    except OSError as error:
        raise NoConnection(f"{command[0]} cannot be started: {error.strerror}.") from error


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` without what Krita sets for its own Python and libraries.

    Our own folders by their whole paths: what is started works in another folder.
    """
    dropped = {"PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE"}
    if "APPDIR" in environment:
        # Inside an AppImage the library path leads to Krita's libraries, not the system's.
        dropped.add("LD_LIBRARY_PATH")
    kept = {name: value for name, value in environment.items() if name not in dropped}
    folders = ("NST_DATA_DIR", "NST_CONNECTION_FILE", "NST_WEIGHTS_DIR")
    return {**kept, **{name: str(Path(kept[name]).absolute()) for name in folders if kept.get(name)}}


def _detached(leaves_job: bool = True) -> dict[str, Any]:
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags | (subprocess.CREATE_BREAKAWAY_FROM_JOB if leaves_job else 0)}
    return {"start_new_session": True}


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    # What to do stands indented under what is wrong.
    said = lines[-2:] if lines and lines[-1].startswith("  ") else lines[-1:]
    return " ".join(line.strip() for line in said) or "it wrote nothing"
