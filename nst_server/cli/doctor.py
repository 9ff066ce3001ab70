"""``nst doctor``: what works here, what does not, and what to do."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nst_server import __version__
from nst_server.wire.connection import connection_file, data_dir
from nst_server.wire.launch import running_server

#: A day of painting with frames kept, at 4k; below it jobs start to fail for want of space.
ENOUGH_DISK_GIB = 5

_UV = Path(".uv", "bin", "uv")
#: `uv run` makes the environment what uv.lock says before it runs anything.
_OTHER_BUILD = f"""\
With a GPU here, install the PyTorch that is built for it, in the project's folder:
  {_UV} pip install --torch-backend=auto --reinstall torch torchvision
From then on call plain nst (in the activated environment), or: {_UV} run --no-sync nst
{_UV} run without --no-sync puts the locked PyTorch back."""

OK, MINOR, BROKEN = "ok", "--", "!!"
Finding = tuple[str, str, str]


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    commands.add_parser("doctor", help="what works here, what does not, and what to do")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns 0 if nothing is broken, else 1."""
    broken = False
    # The last two load torch, which takes seconds; what does not need it is said at once.
    for check in (_python, _zeromq, _disk, _server, _krita, _terminal, _devices, _weights):
        for mark, text, advice in _careful(check):
            broken |= mark == BROKEN
            print(f"[{mark}] {text}", flush=True)
            if advice:
                print(textwrap.indent(advice, "     "))
    return int(broken)


def _careful(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of ``check``; a check that breaks is a finding too."""
    try:
        yield from check()
    except Exception as error:  # whatever is broken here is what the user wants to be told
        name = check.__name__.strip("_")
        yield (
            BROKEN,
            f"{name}: {error or type(error).__name__}",
            "Install the packages anew (see the README).",
        )


def _python() -> Iterator[Finding]:
    yield OK, f"nst {__version__}, Python {platform.python_version()}, {platform.platform()}", ""


def _zeromq() -> Iterator[Finding]:
    import_module("nst_server.wire.dealer")
    yield OK, f"pyzmq {version('pyzmq')}", ""


def _devices() -> Iterator[Finding]:
    # Imported here, as all below: a package that is broken must not keep the doctor from starting.
    from nst_server import device

    for found in device.available_devices():
        free = device.memory_available(found) / 2**30
        yield OK, f"{found}: {device.describe(found)}, {free:.1f} GiB free", ""
    if device.choose_device("auto").type == "cpu":
        text = f"no GPU that PyTorch {device.build()} can use"
        text += ", although nvidia-smi is here" if shutil.which("nvidia-smi") else ""
        yield MINOR, f"{text}: a picture of 512 px takes about a minute instead of seconds", _OTHER_BUILD


def _weights() -> Iterator[Finding]:
    from nst_server import weights

    for name in weights.NAMES:
        file = weights.cached(name)
        if file:
            try:
                weights.load(file)
                yield OK, f"{name}: {file}", ""
            except weights.WeightsError as error:
                yield BROKEN, str(error), f"Delete {file}, then: nst weights fetch {name}"
        else:
            auto = "where it cannot be downloaded, --encoder auto takes the built-in one"
            needed = auto if name == "vgg19" else f"only jobs with --encoder {name} need it"
            yield (
                MINOR,
                f"{name}: not on this machine; {needed}",
                f"nst weights fetch {name}, or nst weights import FILE",
            )


def _disk() -> Iterator[Finding]:
    folder = data_dir()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free / 2**30
    enough = free > ENOUGH_DISK_GIB
    yield (OK if enough else BROKEN), f"{folder}: {free:.1f} GiB free", "" if enough else "Make room there."


def _server() -> Iterator[Finding]:
    server = running_server()
    if server is None:
        yield MINOR, "no server is running (Krita and nst start one when they need it)", ""
    elif server.version != __version__:
        yield (
            BROKEN,
            f"the running server is {server.version}, this is {__version__}",
            f"End pid {server.pid}.",
        )
    else:
        yield OK, f"server {server.version} is running, pid {server.pid} ({connection_file()})", ""


def _terminal() -> Iterator[Finding]:
    if _is_activated(os.environ):
        yield (
            MINOR,
            "in this terminal a virtual environment is activated: a Krita that is started from it may take "
            "that for its own Python, and have no Python plugins at all",
            "Start Krita from the desktop, or after: deactivate",
        )


def _is_activated(environment: Mapping[str, str]) -> bool:
    """Whether the terminal's own PATH leads into a virtual environment: Krita looks for python3 there."""
    folder = environment.get("VIRTUAL_ENV")
    if not folder:
        return False
    times = environment.get("PATH", "").split(os.pathsep).count(str(Path(folder) / "bin"))
    # `uv run` adds it too, but for the command alone that it runs.
    return times > ("UV_RUN_RECURSION_DEPTH" in environment)


def _krita() -> Iterator[Finding]:
    from krita_plugin.errors import SetupError
    from krita_plugin.profiles import find_profiles

    try:
        profiles = find_profiles()
    except SetupError as error:
        yield MINOR, f"{error}", ""
        return
    for profile in profiles:
        installed = (profile.resources / "pykrita" / "nst_krita").exists()
        text = f"{profile.name} ({profile.resources}): the plugin is {'' if installed else 'not '}installed"
        yield (OK if installed else MINOR), text, "" if installed else "nst krita install"
    if sys.platform == "linux" and not shutil.which("krita"):
        yield MINOR, "krita is not on PATH (an AppImage or Flatpak need not be)", ""
