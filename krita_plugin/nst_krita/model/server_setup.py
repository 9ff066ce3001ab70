"""Installing and updating the server from the docker: what is offered, how far it is, why it failed."""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import sys
import threading
from enum import Enum
from pathlib import Path
from typing import Any, Callable

from ..backend import installation, running, wire
from ..backend.installation import Cancelled, Installation, Progress, SetupFailed
from .properties import Observable, Property
from .words import memory_size, tr

BUILD = Path(__file__).resolve().parent.parent / "build.json"
#: What quitting Krita waits for uv to end, in seconds: it is killed after half of one.
QUIT_SECONDS = 1.5
#: Share of the progress bar at which each stage begins, and the next one's.
_SPANS = {
    "waiting": (0.0, 0.0),
    "python": (0.0, 0.03),
    "resolving": (0.03, 0.06),
    "downloading": (0.06, 0.9),
    "installing": (0.9, 0.94),
    "trying": (0.94, 1.0),
}


class Need(Enum):
    """What stands between the painter and a working server."""

    NOTHING = "nothing"
    INSTALL = "install"
    UPDATE = "update"
    RESTART = "restart"


class ServerSetup(Observable):
    """What the docker's page about the server shows.

    ``busy``: an installation runs. ``fraction``: of it, 0 to 1. ``words``: what it does, or how it ended.
    ``problem``: why it failed; the log then says more. ``may_lose_jobs``: it failed because the server that
    runs does not tell whether it has jobs; beginning once more ends it all the same.
    """

    need = Property(Need.NOTHING)
    busy = Property(False)
    words = Property("")
    fraction = Property(0.0)
    problem = Property("")
    may_lose_jobs = Property(False)
    cpu_only = Property(False)

    def __init__(
        self,
        in_gui_thread: Callable[[Callable[[], None]], None],
        retire: Callable[..., None] = running.retire,
    ) -> None:
        self._in_gui_thread, self._retire = in_gui_thread, retire
        self._installation: Installation | None = None
        self._thread: threading.Thread | None = None
        self._closing = False
        self.is_remote = False  # then nothing is needed here
        self.version = _build_version()
        self.look()

    # What the painter does.

    def install(self) -> None:
        """Install or update the server, in a thread of its own."""
        wheel, uv = installation.carried_wheel(), installation.carried_uv()
        if self.busy or wheel is None or uv is None:
            return
        update = installation.own_environment() if self.need is Need.UPDATE else None
        retire = functools.partial(self._retire, anyway=self.may_lose_jobs)
        self._installation = Installation(wheel, uv, self.cpu_only, update, retire)
        self.busy, self.problem, self.may_lose_jobs, self.fraction = True, "", False, 0.0
        self.words = tr("beginning")
        self._thread = threading.Thread(
            target=self._run, args=(self._installation,), daemon=True, name="nst-installation"
        )
        self._thread.start()

    def cancel(self) -> None:
        """End the installation; what has been downloaded whole is kept for the next one."""
        if self._installation is not None:
            self.words = tr("cancelling")
            self._installation.cancelled.set()

    def read(self) -> None:
        """How the installation ended is no news any more."""
        if not self.busy:
            self.words, self.problem, self.may_lose_jobs = "", "", False

    def close(self) -> None:
        """Krita quits: uv is ended, the next start finds nothing half made."""
        self._closing = True
        self.cancel()
        if self._thread is not None:
            self._thread.join(QUIT_SECONDS)

    # What is known.

    def look(self, running_version: str = "", refused: bool = False) -> None:
        """Find out what is needed. ``running_version``: of the server that answers, ``refused``: it speaks
        another protocol."""
        if self.busy:
            return
        here = installation.installed().get("version", "")
        wheel = installation.carried_wheel()
        carried = installation.version_of(wheel) if wheel is not None else ""
        if self.is_remote:
            self.need = Need.NOTHING
        elif not self._is_startable():
            self.need = Need.INSTALL
        elif carried and here and here != carried:
            self.need = Need.UPDATE
        elif (refused or (running_version and self.version and running_version != self.version)) and (
            not here or here == self.version
        ):
            self.need = Need.RESTART
        else:
            self.need = Need.NOTHING

    @property
    def log(self) -> str:
        """Where uv's words lie."""
        return _home_short(installation.log_file())

    @property
    def can_install(self) -> bool:
        """Whether this copy of the plugin brought what it takes."""
        return installation.carried_wheel() is not None and installation.carried_uv() is not None

    @property
    def makes_environment(self) -> bool:
        """Whether installing begins from nothing; an update changes what an earlier installation made."""
        return self.need is Need.INSTALL or installation.own_environment() is None

    @property
    def question(self) -> str:
        """What the page says before anything is pressed."""
        if self.need is Need.UPDATE:
            text = tr("The server is version {}, this plugin brought another one, {}. ")
            if not self.makes_environment:
                text += tr("Updating takes a minute, and waits for running jobs.")
            else:
                text += tr("The server installed there stays; the new one takes {} of the disk.").format(
                    self._room()
                )
            wheel = installation.carried_wheel()
            return text.format(
                installation.installed().get("version", "?"), installation.version_of(wheel) if wheel else "?"
            )
        if self.need is Need.RESTART:
            return tr("Another version of the server is still running. Restart it when its jobs have ended.")
        if not self.can_install:
            return tr(
                "The server, which does the painting, is not installed, and this copy of the plugin cannot "
                "install it. Import the zip that was made for this system, or run in a terminal: "
                "nst krita install"
            )
        return tr(
            "The server, which does the painting, is not installed yet. It will be put into {}: a Python "
            "environment of its own with PyTorch, downloaded from the internet. It takes {} of the disk; "
            "{} are free. Nothing else on this computer is changed."
        ).format(_home_short(installation.server_folder()), self._room(), _free())

    def _room(self) -> str:
        if sys.platform == "darwin" or self.cpu_only:
            return tr("about 1 GB")
        return tr("about 6 GB with an NVIDIA GPU, about 1 GB without,")

    @staticmethod
    def _is_startable() -> bool:
        launch = wire.load("launch")
        with contextlib.suppress(wire.connection.NoConnection):
            started = wire.connection.Connection.read(wire.connection.connection_file())
            if not launch.has_ended(started):
                return True  # one that was started in a terminal
        try:
            launch.installed_command()
        except wire.connection.NoConnection:
            return False
        return True

    # The thread, and what it says.

    def _run(self, work: Installation) -> None:
        problem = device = ""
        cancelled = untold = False
        try:
            device = work.run(lambda progress: self._tell(lambda: self._show(progress)))
        except Cancelled:
            cancelled = True
        except (SetupFailed, running.StillNeeded) as error:
            problem, untold = str(error), isinstance(error, running.Untold)
        except Exception as error:  # whatever it was, the painter is to be told
            problem = f"{type(error).__name__}: {error}"
        self._tell(lambda: self._ended(device, cancelled, problem, untold, work.note))

    def _tell(self, call: Callable[[], None]) -> None:
        if not self._closing:
            self._in_gui_thread(call)

    def _show(self, progress: Progress) -> None:
        if self._installation is None or self._installation.cancelled.is_set():
            return
        begin, end = _SPANS[progress.stage]
        part = progress.done / progress.total if progress.total else 0.0
        self.fraction = max(self.fraction, begin + part * (end - begin))
        self.words = ". ".join(filter(None, (stage_words(progress), self._installation.note)))

    def _ended(self, device: str, cancelled: bool, problem: str, untold: bool, note: str) -> None:
        self._installation = self._thread = None
        self.busy, self.problem, self.may_lose_jobs = False, problem, untold
        if cancelled:
            self.words = tr("Cancelled. What was downloaded is kept for the next try.")
        elif problem:
            self.words = ""
        else:
            self.words = " ".join(filter(None, (tr("Installed. It computes on: {}.").format(device), note)))
        self.look()


def stage_words(progress: Progress) -> str:
    """What the installation does, for the painter."""
    if progress.total and progress.stage in ("python", "downloading"):
        what = tr("downloading Python") if progress.stage == "python" else tr("downloading")
        done, total = round(progress.done / 2**20), round(progress.total / 2**20)
        return tr("{}: about {} of {} MB").format(what, done, total)
    return {
        "waiting": tr("waiting for running jobs: {}").format(round(progress.done)),
        "python": tr("looking for a Python"),
        "resolving": tr("finding out what is needed"),
        "downloading": tr("downloading"),
        "installing": tr("installing"),
        "trying": tr("testing it"),
    }[progress.stage]


def _build_version() -> str:
    try:
        build: Any = json.loads(BUILD.read_text(encoding="utf-8"))
        return str(build["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _home_short(folder: Path) -> str:
    try:
        return str(Path("~") / folder.relative_to(Path.home()))
    except ValueError:
        return str(folder)


def _free() -> str:
    folder = installation.server_folder()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return memory_size(shutil.disk_usage(str(existing)).free)
