"""Installing the server from inside Krita: an environment of its own in the user's data folder, made by uv.

Knows neither Qt nor Krita. What earlier tries left is removed first. Nothing that is in use is changed
before the new environment has been made and tried, by an update as well: the last step writes
``installed.json``, which tells the plugin how to start the server. Then the earlier environment is removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, TextIO

from ..translation import decimal, tr
from . import wire
from .files import write_whole
from .uv_output import Progress, Reading, SetupFailed, host_of, reason_of
from .uv_process import Cancelled, environment, run_lines

__all__ = ["Cancelled", "Installation", "Progress", "SetupFailed", "needed_bytes"]

CARRIED = Path(__file__).resolve().parent.parent / "_server"
#: Another wheel instead of the one in the zip, for developers.
WHEEL_VARIABLE = "NST_SERVER_WHEEL"
#: The server's own range, ended before the Pythons that its libraries have not been seen with.
PYTHON = ">=3.10,<3.15"
#: PyTorch's own host, which has a build for each GPU and a small one without. PyPI has one build alone.
TORCH_HOST = "download.pytorch.org"
#: What an installation takes on the disk, in bytes. Measured: 5.6 GiB from PyPI on Linux (with NVIDIA's
#: libraries), 0.8 GiB from PyPI for Windows (CPU), 0.7 GiB for macOS; the rest is room for newer releases.
GIB = 2**30
LARGE, SMALL = int(6.5 * GIB), int(1.5 * GIB)

#: Tried before the switch: all that a job needs can be imported, and there is a device.
TRIAL = (
    "import nst_server.wire.client, nst_server.device as device\n"
    "print('computes on', device.describe(device.choose_device('auto')))"
)
_TRIED = "computes on "


def carried_wheel() -> Path | None:
    """The server's wheel that came with the plugin."""
    named = os.environ.get(WHEEL_VARIABLE)
    if named:
        return Path(named)
    return next(iter(sorted(CARRIED.glob("nst_krita-*.whl"))), None)


def carried_uv() -> Path | None:
    """The uv that came with the plugin, else the one on PATH."""
    name = "uv.exe" if sys.platform == "win32" else "uv"
    found = next(iter(sorted(CARRIED.glob(f"uv-*/{name}"))), None)
    on_path = shutil.which("uv")
    return found or (Path(on_path) if on_path else None)


def version_of(wheel: Path) -> str:
    """The version that a wheel's file name tells."""
    return wheel.name.split("-")[1]


def server_folder() -> Path:
    """Where the environment, uv and what they need lie."""
    return wire.connection.data_dir() / "server"


def log_file() -> Path:
    """What uv said at the latest installation."""
    return wire.connection.data_dir() / "logs" / "install.log"


def installed() -> dict[str, Any]:
    """The record of the installed server ("command", "version", …); empty where there is none."""
    try:
        record = json.loads(_record_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def own_environment() -> Path | None:
    """The environment that an earlier installation from Krita made, if it is there."""
    named = installed().get("environment")
    folder = Path(named) if isinstance(named, str) else None
    return folder if folder is not None and python_of(folder).is_file() else None


def needed_bytes(cpu_only: bool, platform: str = sys.platform) -> int:
    """What an installation takes on the disk, at most as far as is known."""
    return SMALL if cpu_only or platform == "darwin" else LARGE


def python_of(env: Path) -> Path:
    """The interpreter of a virtual environment."""
    return env / "Scripts" / "python.exe" if os.name == "nt" else env / "bin" / "python"


@dataclass
class Installation:
    """One installation, or an update: that begins with a copy of ``update``, an earlier one's environment.

    ``retire`` ends the running server before its files are removed; it may raise Cancelled when
    ``cancelled`` is set meanwhile. All of it runs in the calling thread.
    """

    wheel: Path
    uv: Path
    cpu_only: bool = False
    update: Path | None = None
    retire: Callable[[threading.Event, Callable[[Progress], None]], None] = lambda *_: None
    note: str = ""

    def __post_init__(self) -> None:
        self.cancelled = threading.Event()
        self._report: Callable[[Progress], None] = lambda _: None
        self._log: TextIO | None = None

    def run(self, report: Callable[[Progress], None]) -> str:
        """Install; returns the device that the server will compute on. ``report`` hears how far it is.

        Raises SetupFailed with the reason, Cancelled. Then nothing has been switched, half an environment
        is removed, and what was downloaded whole is kept for the next try.
        """
        self._report = report
        log = log_file()
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            server_folder().mkdir(parents=True, exist_ok=True)
            with log.open("w", encoding="utf-8", errors="replace") as self._log, _only_one("lock"):
                return self._install()
        except OSError as error:
            name = error.filename or tr("A file")
            raise SetupFailed(f"{name}: {error.strerror}.") from error

    def _install(self) -> str:
        if not self.wheel.is_file():
            raise SetupFailed(tr("{} is missing. Import the plugin's zip again.").format(self.wheel))
        _sweep(keep=own_environment())
        self._check_space(needed_bytes(self.cpu_only))
        uv = self._own_uv()
        env = server_folder() / f"env-{time.time_ns():x}"
        try:
            device = self._make(uv, env)
            with _only_one("switch"):
                self.retire(self.cancelled, self._report)
                self._record(env)
        except BaseException:
            shutil.rmtree(str(env), ignore_errors=True)
            _sweep_downloads()
            raise
        _sweep(keep=env)
        # Its files are also those of the environment; alone they would take their room once more.
        shutil.rmtree(str(server_folder() / "cache"), ignore_errors=True)
        return device

    def _make(self, uv: Path, env: Path) -> str:
        """Make the environment and try it; returns the device. A copy that does not run is made anew."""
        if self.update:
            try:
                self._copy_environment(self.update, env)
                self._install_wheel(uv, env)
                return self._try(env)
            except (SetupFailed, OSError):
                # The fault may be that of the earlier one, which would then stay for ever.
                shutil.rmtree(str(env), ignore_errors=True)
                self.update = None
                self._check_space(needed_bytes(self.cpu_only))
        self._make_environment(uv, env)
        self._install_wheel(uv, env)
        return self._try(env)

    def _check_space(self, needed: int) -> None:
        if self.update:
            return
        # Downloads of an earlier try are part of what is needed.
        there = _size(server_folder() / "cache") if (server_folder() / "cache").exists() else 0
        free = shutil.disk_usage(str(server_folder())).free
        if free + there < needed:
            words = tr(
                "The disk with {} has {} GB left, and {} GB are needed. Make room there, or choose CPU only."
            )
            left, wanted = (decimal(f"{size / GIB:.1f}") for size in (free, needed))
            raise SetupFailed(words.format(server_folder(), left, wanted))

    def _own_uv(self) -> Path:
        """A copy that may be executed: Krita's importer sets no rights, and Windows locks what runs."""
        copy = server_folder() / self.uv.name
        if not copy.is_file() or copy.stat().st_size != self.uv.stat().st_size:
            draft = copy.with_name(f".{copy.name}.{os.getpid()}")
            shutil.copyfile(str(self.uv), str(draft))
            draft.chmod(0o755)
            draft.replace(copy)
        return copy

    def _make_environment(self, uv: Path, env: Path) -> None:
        self._report(Progress("python"))
        # The system's Python if there is one that serves; uv fetches its own otherwise.
        command = [str(uv), "venv", "--no-project", "--python", PYTHON, "--python-preference", "system"]
        code, lines = self._uv([*command, str(env)], "python")
        if code != 0:
            words = tr(
                "No Python that serves ({}) was found, and it could not be fetched: {} Install Python from "
                "python.org, then try again."
            )
            raise SetupFailed(words.format(PYTHON, reason_of(lines)))

    def _copy_environment(self, old: Path, env: Path) -> None:
        """The same files under a second name, which takes seconds and no room: uv replaces files, and never
        writes into them."""
        self._report(Progress("resolving"))

        def link(source: str, target: str) -> None:
            if self.cancelled.is_set():
                raise Cancelled
            try:
                os.link(source, target)
            except OSError:  # not every file system can
                shutil.copy2(source, target)

        shutil.copytree(str(old), str(env), symlinks=True, copy_function=link)

    def _install_wheel(self, uv: Path, env: Path) -> None:
        self._report(Progress("resolving"))
        words = [str(uv), "pip", "install", "--python", str(python_of(env)), str(self.wheel)]
        if self.update:
            words += ["--reinstall-package", "nst-krita"]
        # macOS has one build for all.
        backend = [] if sys.platform == "darwin" else ["--torch-backend", "cpu" if self.cpu_only else "auto"]
        code, lines = self._uv([*words, *backend], "downloading")
        if code != 0 and backend and host_of(lines) == TORCH_HOST:
            note = tr("{} cannot be reached; PyTorch comes from the package index instead.")
            if sys.platform == "linux":
                self._check_space(LARGE)
                note = tr(
                    "{} cannot be reached; PyTorch comes from the package index, for NVIDIA, about 6 GB."
                )
            self.note = note.format(TORCH_HOST)
            code, lines = self._uv(words, "downloading")
        if code != 0:
            raise SetupFailed(reason_of(lines))

    def _try(self, env: Path) -> str:
        self._report(Progress("trying"))
        code, lines = self._run([str(python_of(env)), "-I", "-c", TRIAL], lambda _: None)
        device = next((line[len(_TRIED) :] for line in lines if line.startswith(_TRIED)), "")
        if code != 0 or not device:
            said = lines[-1] if lines else tr("it said nothing")
            raise SetupFailed(tr("It was installed, but does not run: {}").format(said))
        return device

    def _uv(self, words: list[str], stage: str) -> tuple[int, list[str]]:
        reading = Reading(stage)
        cache = server_folder() / "cache"

        def hear(line: str) -> None:
            if line:
                reading.hear(line)
            elif reading.under_way:
                reading.arrived(sum(map(_size, cache.glob(".tmp*"))))
            self._report(reading.progress)

        return self._run(words, hear)

    def _run(self, words: list[str], hear: Callable[[str], None]) -> tuple[int, list[str]]:
        assert self._log is not None
        folder = server_folder()
        return run_lines(words, folder, environment(folder), self._log, hear, self.cancelled)

    def _record(self, env: Path) -> None:
        record = {
            **installed(),  # with the Kritas that the installer of the command line knows
            "command": [str(python_of(env)), "-m", "nst_server", "serve", "--no-download"],
            "data_dir": str(wire.connection.data_dir().absolute()),
            "version": version_of(self.wheel),
            "environment": str(env),
        }
        write_whole(_record_file(), json.dumps(record, indent=1) + "\n")


def is_switching() -> bool:
    """Whether this Krita or another one is just replacing the server: none may be started meanwhile."""
    if not server_folder().is_dir():
        return False
    try:
        with _only_one("switch"):
            return False
    except SetupFailed:
        return True


def _record_file() -> Path:
    return wire.connection.data_dir() / wire.load("launch").INSTALLED


def _sweep(keep: Path | None) -> None:
    """Remove what is not in use: environments half made or replaced, files half written before a kill."""
    for env in server_folder().glob("env-*"):
        # Resolved: the folder may be reached by another way than when it was recorded.
        if keep is None or env.resolve() != keep.resolve():
            shutil.rmtree(str(env), ignore_errors=True)
    record = _record_file()
    for half in (*server_folder().glob(".uv*.[0-9]*"), *record.parent.glob(record.name + ".[0-9]*")):
        with contextlib.suppress(OSError):
            half.unlink()
    _sweep_downloads()


def _sweep_downloads() -> None:
    """Remove half downloads, which uv does not take up again."""
    for half in (server_folder() / "cache").glob(".tmp*"):
        shutil.rmtree(str(half), ignore_errors=True)


def _size(folder: Path) -> int:
    """Bytes below ``folder``; what vanishes meanwhile counts nothing."""
    total = 0
    try:
        with os.scandir(str(folder)) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    total += _size(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    except OSError:
        pass
    return total


class _only_one:  # noqa: N801 (reads as a condition)
    """A block that one thread of all processes at a time may enter; raises SetupFailed in the others."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._file = (server_folder() / self._name).open("a")
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(self._file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            words = tr("Another Krita is installing the server; wait until it has ended.")
            raise SetupFailed(words) from None

    def __exit__(self, *_: object) -> None:
        self._file.close()
