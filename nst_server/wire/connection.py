"""Where the server keeps its files, and how a client finds it: the connection file."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

#: How long a connection file that cannot be replaced is tried again: reading it takes milliseconds.
REPLACE_SECONDS = 1.0


class NoConnection(Exception):
    """There is no usable connection file; the message says why."""


def data_dir() -> Path:
    """The per-user folder for jobs, frames, weights and logs; NST_DATA_DIR overrides it.

    XDG variables are not asked: inside Flatpak they differ from what a terminal sees, and both must
    arrive at the same folder.
    """
    override = os.environ.get("NST_DATA_DIR")
    if override:
        return Path(override).absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "nst-krita"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "nst-krita"
    return Path.home() / ".local" / "share" / "nst-krita"


def connection_file() -> Path:
    """Where the running server of this user says how to reach it; NST_CONNECTION_FILE overrides it."""
    override = os.environ.get("NST_CONNECTION_FILE")
    return Path(override).absolute() if override else data_dir() / "run" / "server.json"


def private_dir(path: Path) -> Path:
    """Make ``path`` a folder only this user can enter. Raises NoConnection if it is someone else's."""
    try:
        # Paths travel in messages, too.
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise NoConnection(
            f"The name of the folder {str(path)!r} is not Unicode. Set NST_DATA_DIR to another place."
        ) from None
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.name == "posix":
        info = path.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
            raise NoConnection(
                f"{path} is not a folder of this user. Remove it, or set NST_DATA_DIR to another place."
            )
        path.chmod(0o700)
    return path


@dataclass(frozen=True)
class Connection:
    """How to reach a server. Keys are Z85 texts of 40 characters (CURVE), or None over ipc."""

    endpoint: str
    pid: int = 0
    version: str = ""
    server_key: str | None = None
    client_key: str | None = None
    client_secret: str | None = None

    def write(self, path: Path) -> None:
        """Write the connection file, readable by this user only; it appears whole or not at all.

        A folder that is there stays as it is: it may be anybody's. Raises OSError.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        handle = os.open(str(temporary), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(asdict(self), file, indent=1)
            _replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    @classmethod
    def read(cls, path: Path) -> Connection:
        """Read a connection file. Raises NoConnection."""
        try:
            values: Any = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NoConnection(f"No server is running: {path} is not there.") from None
        except (OSError, ValueError, RecursionError) as error:
            raise NoConnection(f"{path} cannot be read: {error}.") from error
        if isinstance(values, dict) and "endpoint" in values:
            connection = cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})
            if connection._is_sound:
                return connection
        raise NoConnection(f"{path} is not a connection file.")

    @property
    def _is_sound(self) -> bool:
        """Whether a client can make use of it; it may be anybody's file."""
        keys = (self.server_key, self.client_key, self.client_secret)
        return (
            isinstance(self.endpoint, str)
            and self.endpoint.startswith(("ipc://", "tcp://"))
            and self.endpoint.encode("utf-8", "ignore").decode("utf-8") == self.endpoint
            and type(self.pid) is int
            and 0 <= self.pid < 2**31
            and isinstance(self.version, str)
            and (keys == (None, None, None) or all(isinstance(key, str) and len(key) == 40 for key in keys))
        )


def withdraw(path: Path, pid: int) -> None:
    """Remove the connection file of the process ``pid``, which ends or was killed; another's stays."""
    with suppress(NoConnection, OSError):
        if Connection.read(path).pid == pid:
            path.unlink()


def _replace(new: Path, path: Path) -> None:
    """Give ``new`` the name ``path``, also where Windows refuses that while a client reads what is there."""
    deadline = time.monotonic() + REPLACE_SECONDS
    while True:
        try:
            new.replace(path)
            return
        except PermissionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
