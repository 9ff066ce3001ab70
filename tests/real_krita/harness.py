"""Starts Krita for a probe and brings back what it wrote; see the package's docstring."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUTPUT = HERE.parents[1] / "test-output"
SCREEN = "1400x900x24"

# A window of one size, the plain canvas (Xvfb has no OpenGL worth the name) and no network.
KRITARC = """\
useOpenGL=false
OpenGLRenderer=none
askForRecovery=false
showWelcomeScreen=false
[MainWindow]
State=
[News]
fetchNews=false
[python]
"""


class ProbeFailed(AssertionError):
    """Krita crashed, hung, or the probe raised."""


@dataclass(frozen=True)
class Result:
    """What a probe found: its recorded values, the versions met, Krita's log and the screenshots."""

    json: dict[str, Any]
    versions: dict[str, str]
    log: str
    screenshots: list[Path]
    folder: Path

    def __getitem__(self, name: str) -> Any:
        return self.json[name]


def root_folder() -> Path | None:
    """The root whose Krita is to run; None for the machine's own."""
    named = os.environ.get("NST_KRITA_ROOT")
    return Path(named) if named else None


def missing() -> str | None:
    """What keeps Krita from being run here, in one sentence; None if nothing does."""
    root = root_folder()
    if root is None:
        absent = [name for name in ("krita", "Xvfb", "xdotool") if not shutil.which(name)]
        return f"{' and '.join(absent)} not installed: apt-get install krita xvfb xdotool" if absent else None
    if os.geteuid() != 0:
        return f"NST_KRITA_ROOT={root} needs root rights for chroot"
    if not (root / "usr/bin/krita").exists():
        return f"no Krita in NST_KRITA_ROOT={root}: make it with tests/real_krita/roots.sh"
    return None if shutil.which("Xvfb") else "Xvfb not installed: apt-get install xvfb"


def krita_version() -> str:
    """The version that Krita says it has, such as 5.1.5."""
    # `krita --version` would need a display.
    words = ["dpkg-query", "-W", "-f", "${Version}", "krita"]
    root = root_folder()
    done = subprocess.run(
        ["chroot", str(root), *words] if root else words, capture_output=True, text=True, check=False
    )
    found = re.search(r"\d+\.\d+\.\d+", done.stdout)
    return found.group() if found else "unknown"


class Profile:
    """A private home for one or more starts of Krita; deleted at the end of the ``with`` block.

    ``outside``: the folder as this process sees it. ``inside``: the same folder as Krita sees it.
    """

    def __init__(self) -> None:
        self.root = root_folder()
        top = self.root / "tmp" if self.root else None
        self.outside = Path(tempfile.mkdtemp(prefix="nst-", dir=top))
        self.inside = Path("/") / self.outside.relative_to(self.root) if self.root else self.outside
        self.pykrita = self.outside / "home/.local/share/krita/pykrita"
        for folder in ("out", "run", "tmp", "home/.config", "home/.cache"):
            (self.outside / folder).mkdir(parents=True)
        (self.outside / "run").chmod(0o700)
        self.pykrita.mkdir(parents=True)
        self._enabled: list[str] = []
        self._install_stepper()

    def __enter__(self) -> Profile:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.outside, ignore_errors=True)

    def _install_stepper(self) -> None:
        package = self.pykrita / "nst_probe"
        package.mkdir()
        for module in (
            "stepper.py",
            "docker.py",
            "inserting.py",
            "animating.py",
            "editing.py",
            "blending.py",
            "hiding.py",
            "redoing.py",
            "undoing.py",
            "job_rows.py",
            "keyboard.py",
            "looking.py",
            "starting.py",
            "steadiness.py",
        ):
            shutil.copy(HERE / module, package)
        (package / "__init__.py").write_text(
            f"import os\nfrom nst_probe.stepper import start\nSTEPPER = start({str(self.inside)!r})\n"
        )
        (self.pykrita / "nst_probe.desktop").write_text(
            "[Desktop Entry]\nType=Service\nServiceTypes=Krita/PythonPlugin\n"
            "X-KDE-Library=nst_probe\nX-Python-2-Compatible=false\nName=Probe\nComment=Test probe\n"
        )
        self.enable("nst_probe")

    def enable(self, name: str) -> None:
        """Switch the plugin called ``name`` on in kritarc."""
        self._enabled.append(name)
        lines = "".join(f"enable_{plugin}=true\n" for plugin in self._enabled)
        (self.outside / "home/.config/kritarc").write_text(KRITARC + lines)

    def install(self, plugin: Path, *, enable: bool = True) -> None:
        """Put the plugin of a folder there: NAME.desktop, NAME.action and NAME/."""
        actions = self.pykrita.parent / "actions"
        actions.mkdir(exist_ok=True)
        for action in plugin.glob("*.action"):
            shutil.copy(action, actions)
        for desktop in plugin.glob("*.desktop"):
            shutil.copy(desktop, self.pykrita)
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(desktop.with_suffix(""), self.pykrita / desktop.stem, ignore=skip)
            if enable:
                self.enable(desktop.stem)

    def environment(self, display: str, extra: dict[str, str]) -> dict[str, str]:
        """Nothing of the caller's environment: Krita sees a user who has just logged in."""
        home = self.inside / "home"
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "DISPLAY": display,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local/share"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_RUNTIME_DIR": str(self.inside / "run"),
            # Krita looks for its other instances by a lock file there.
            "TMPDIR": str(self.inside / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONFAULTHANDLER": "1",
            **extra,
        }


@contextlib.contextmanager
def screen(log: Any) -> Iterator[str]:
    """An X server of our own; yields its display, such as :7."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", SCREEN, "-nolisten", "tcp", "-noreset"],
        pass_fds=[write],
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise ProbeFailed("Xvfb did not start; see the log.")
        yield f":{number}"
    finally:
        end(server)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_probe(
    script: Path,
    *,
    plugin: Path | None = None,
    enable: bool = True,
    env: dict[str, str] | None = None,
    timeout: float = 240.0,
    profile: Profile | None = None,
) -> Result:
    """Start Krita, let the steps in ``script`` run in it, kill it; raises ProbeFailed.

    ``plugin``: folder of one to install first, and to switch on unless ``enable`` is false.
    ``timeout``: seconds for the whole run, Krita's start (10 to 40 s) included.
    """
    if profile is None:
        with Profile() as fresh:
            return run_probe(script, plugin=plugin, enable=enable, env=env, timeout=timeout, profile=fresh)
    if plugin is not None:
        profile.install(plugin, enable=enable)
    shutil.copy(script, profile.outside / "probe.py")
    made = profile.outside / "out"
    for old in made.iterdir():
        old.unlink()
    words = ["krita", "--nosplash"]
    if profile.root:
        words = ["chroot", str(profile.root), *words]
    with (made / "krita.log").open("wb") as log, screen(log) as display:
        environment = profile.environment(display, env or {})
        krita = subprocess.Popen(words, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            code = krita.wait(timeout)
            ending = f"Krita ended with exit status {code}"
        except subprocess.TimeoutExpired:
            ending = f"Krita was killed after {timeout:.0f} s"
        finally:
            end(krita)
    folder = keep(made, script.stem)
    return judge(folder, ending)


def keep(made: Path, name: str) -> Path:
    """Move what a run left behind to the test output."""
    folder = OUTPUT / f"krita-{krita_version()}" / name.removesuffix("_probe")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    return folder


def judge(folder: Path, ending: str) -> Result:
    """Read the kept results; raises ProbeFailed unless the probe came to its end."""
    log = (folder / "krita.log").read_text(encoding="utf-8", errors="replace")
    path = folder / "result.json"
    state = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if state.get("error"):
        raise ProbeFailed(f"the probe raised (screenshots in {folder}):\n{state['error']}")
    if not state.get("finished"):
        place = folder / "place"
        where = place.read_text(encoding="utf-8") if place.exists() else "before its first step"
        raise ProbeFailed(
            f"{ending}, the probe was not through but at {where}; {folder}/krita.log ends:\n{log[-3000:]}"
        )
    return Result(state["results"], state["versions"], log, sorted(folder.glob("*.png")), folder)
