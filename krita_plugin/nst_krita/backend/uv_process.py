"""Running a program whose lines are read and logged while it works, and which can be ended at once."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence, TextIO

from . import wire

#: How often the caller is asked for news and whether to go on, in seconds.
TICK_SECONDS = 0.2
#: Every so many ticks without a line the caller is told that time passes.
QUIET_TICKS = 8
#: Lower than that of the painter's program; 19 would be the lowest.
NICENESS = 10
#: What a program is given to end by itself, in seconds.
END_SECONDS = 0.5
#: Where distributions keep the certificates that they trust. Without any, uv's own are taken: told to use the
#: system's, uv would not even begin.
LINUX_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class Cancelled(Exception):
    """It was ended because the painter wished so."""


def environment(folder: Path, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What uv runs with: nothing of Krita's own Python, its downloads and its Python in ``folder``.

    Mirrors and proxies that the user has set for uv (UV_DEFAULT_INDEX, HTTPS_PROXY, …) stay.
    """
    kept = wire.load("launch").clean_environment(given)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON"):
        kept.pop(name, None)
    # Where Krita brings a Python along, uv must not take it for the system's.
    bundle = given.get("APPDIR") or (str(Path(sys.executable).parent) if sys.platform == "win32" else "")
    if bundle:
        places = kept.get("PATH", "").split(os.pathsep)
        kept["PATH"] = os.pathsep.join(place for place in places if not place.startswith(bundle))
    kept.setdefault("UV_HTTP_TIMEOUT", "120")  # slow lines carry many wheels at a time
    if sys.platform != "linux" or any(map(os.path.exists, LINUX_CERTIFICATES)):
        kept.setdefault("UV_SYSTEM_CERTS", "1")  # offices and schools have certificates of their own
    return {
        **kept,
        "UV_CACHE_DIR": str(folder / "cache"),
        "UV_PYTHON_INSTALL_DIR": str(folder / "python"),
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
    }


def run_lines(
    words: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    log: TextIO,
    hear: Callable[[str], None],
    cancelled: threading.Event,
) -> tuple[int, list[str]]:
    """Run ``words`` in ``folder``; returns the exit code and the lines. ``hear`` gets each line, and "" while
    there is none. Raises Cancelled, with the program ended, and OSError if it cannot be started."""
    log.write("$ " + " ".join(words) + "\n")
    log.flush()
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        options = {"creationflags": flags | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    process = subprocess.Popen(
        list(words),
        cwd=str(folder),
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        **options,
    )
    if os.name == "posix":
        # Unpacking takes every core, and the painter paints on.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    lines: list[str] = []
    try:
        arriving = _lines_of(process)
        quiet = 0
        while True:
            if cancelled.is_set():
                raise Cancelled
            try:
                line = arriving.get(timeout=TICK_SECONDS)
            except queue.Empty:
                quiet += 1
                if quiet % QUIET_TICKS == 0:
                    hear("")
                continue
            if line is None:
                return process.wait(), lines
            log.write(line + "\n")
            log.flush()
            lines.append(line)
            hear(line)
    finally:
        _end(process)


def _lines_of(process: subprocess.Popen[str]) -> queue.Queue[str | None]:
    """The lines of the program as they come, then None."""
    arriving: queue.Queue[str | None] = queue.Queue()
    output = process.stdout
    assert output is not None

    def read() -> None:
        with output:
            for line in output:
                arriving.put(line.rstrip())
        arriving.put(None)

    threading.Thread(target=read, daemon=True, name="nst-uv-output").start()
    return arriving


def _end(process: subprocess.Popen[str]) -> None:
    """End the program, if it has not ended; except on Windows also what it started."""
    if process.poll() is not None:
        return
    if os.name == "nt":
        process.kill()
        process.wait()
        return
    for signal_ in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_)
            process.wait(END_SECONDS)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
