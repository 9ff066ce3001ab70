"""One server for each data folder: the lock that it holds, and ending the process that holds it."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from pathlib import Path
from typing import IO

from .connection import connection_file, data_dir, withdraw

#: A process that takes the lock is given so long to write down which it is.
SAID_SECONDS = 2.0
#: A server that ends lets its workers write down where their jobs are first: that may take 8 s.
END_SECONDS = 15.0


class AlreadyRunning(Exception):
    """Another server of this user holds the lock. ``pid``: its process, 0 before it has said so."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"already running (pid {pid})")
        self.pid = pid


class Lock:
    """One server for each data folder. The system lets go of it whatever way the process ends.

    Raises AlreadyRunning, and OSError where the folder cannot be written or its file system has no locks.
    """

    def __init__(self, path: Path) -> None:
        self._file = _locked(path)
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let another server start."""
        self._file.close()


def lock_file() -> Path:
    """What the server of this user's data folder holds the lock of."""
    return data_dir() / "run" / "lock"


def holder(path: Path) -> int | None:
    """The process that holds the lock at ``path``, None where nobody does.

    Raises TimeoutError where it does not say which it is, and other OSErrors.
    """
    deadline = time.monotonic() + SAID_SECONDS
    while path.exists():
        try:
            file = _locked(path, shared=True)
        except AlreadyRunning as running:
            if running.pid:
                return running.pid
            if time.monotonic() > deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT, "it is held by a process that does not say which"
                ) from None
            time.sleep(0.01)  # it is writing that down
        else:
            # Where locks cannot be shared, who asks at the same time must not read the number of one that
            # has ended.
            file.truncate(0)
            file.close()
            break
    return None


def end_holder(path: Path, pid: int, file: Path | None = None, seconds: float = END_SECONDS) -> None:
    """End the process ``pid``, which ``holder`` has just named, and wait until it has let go of the lock.

    ``file``: its connection file, removed if it is left; None: that of this user. What hangs is killed after
    ``seconds``: a job goes on from its last checkpoint whatever way its server ends. Windows, which
    has no signals, kills at once. Raises TimeoutError where it does not end, another OSError where it may
    not be ended.
    """
    # Who takes the lock of one that was killed writes its own number over that one's, a moment later.
    time.sleep(0.02)
    if holder(path) != pid:
        return
    for how in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        try:
            os.kill(pid, how)
        except OSError:
            if holder(path) == pid:  # else it has ended by itself meanwhile
                raise
        deadline = time.monotonic() + seconds
        while holder(path) == pid and time.monotonic() < deadline:
            time.sleep(0.05)
        if holder(path) != pid:
            withdraw(file or connection_file(), pid)
            return
    raise TimeoutError(f"process {pid} does not end")


def _locked(path: Path, shared: bool = False) -> IO[str]:
    """The file at ``path``, whose lock is held until it is closed. Raises AlreadyRunning, OSError."""
    file = path.open("a+", encoding="ascii")
    try:
        _take(file, shared)
    except (BlockingIOError, PermissionError):
        file.seek(0)
        text = file.read().strip()
        file.close()
        raise AlreadyRunning(int(text) if text.isdecimal() else 0) from None
    except OSError:
        file.close()
        raise
    return file


def _take(file: IO[str], shared: bool) -> None:
    if sys.platform == "win32":
        import msvcrt

        # Beyond the text, which others may read: a Windows lock forbids reading too.
        file.seek(1000)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        # Shared by those who only ask, so that none of them takes another for the server.
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
