"""Puts the pyzmq that travels with the plugin on the import path. Call ``activate`` before importing zmq.

``_vendor/`` holds one folder for each pyzmq release and platform, ``pyzmq-27.3.0-linux-x86_64``. Wheels of
one release differ only in the extension module, whose file name says which Pythons can load it, so they lie
in one folder on top of each other and Python itself takes the right one.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Callable, Sequence

VENDOR = Path(__file__).parent / "_vendor"

#: The first Python whose stable ABI pyzmq's wheels are built for. Python would try them on older ones too.
ABI3_SINCE = (3, 12)
_UNTAGGED = (".abi3.so", ".so", ".pyd")


class NoPyzmq(ImportError):
    """There is no pyzmq for the Python inside this Krita; the message is for the painter."""


def platform_name() -> str:
    """The platform as the vendored folders name it: linux-x86_64, win-amd64, macosx-universal2, …"""
    # Asked first, because get_platform() needs a file on macOS that Krita's bundle may lack.
    return "macosx-universal2" if sys.platform == "darwin" else sysconfig.get_platform()


def extension_names(
    version: tuple[int, int], suffixes: Sequence[str] = importlib.machinery.EXTENSION_SUFFIXES
) -> list[str]:
    """The file names of pyzmq's extension module that a Python of this version loads, best first."""
    return ["_zmq" + suffix for suffix in suffixes if suffix not in _UNTAGGED or version >= ABI3_SINCE]


def choose(vendor: Path, platform: str, names: Sequence[str]) -> Path | None:
    """The folder below ``vendor`` with a pyzmq for ``platform`` and an extension of these ``names``."""
    for folder in sorted(vendor.glob("pyzmq-*-" + platform), reverse=True):
        if any((folder / "zmq" / "backend" / "cython" / name).is_file() for name in names):
            return folder
    return None


def copy_once(folder: Path, parent: Path) -> Path:
    """Copy ``folder`` below ``parent``, once for each state of its files; returns the copy.

    Windows does not delete a library in use, so Krita's importer, which removes the plugin's folder before
    it writes a new version, would fail half-way if Krita had loaded pyzmq from there.
    """
    files = sorted(
        (path.relative_to(folder).as_posix(), path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    copy = parent / f"{folder.name}-{hashlib.sha256(repr(files).encode()).hexdigest()[:12]}"
    if copy.is_dir():
        return copy
    unfinished = parent / f"{copy.name}.{os.getpid()}"
    shutil.rmtree(str(unfinished), ignore_errors=True)
    try:
        shutil.copytree(str(folder), str(unfinished), ignore=shutil.ignore_patterns("__pycache__"))
        unfinished.rename(copy)
    except OSError:
        # Another Krita that started with this one may have been first; its copy is as good.
        shutil.rmtree(str(unfinished), ignore_errors=True)
        if not copy.is_dir():
            raise
    return copy


def _reason(error: OSError) -> str:
    """Why copying failed; ``shutil`` gathers what it met, file by file."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][2])
    return error.strerror or str(error)


def activate(vendor: Path = VENDOR, tr: Callable[[str], str] = str) -> Path | None:
    """Make ``import zmq`` find the vendored pyzmq; returns its folder, or None where another one serves.

    Raises NoPyzmq, in the language of ``tr``, if there is none for this Python and platform, vendored or
    installed, or it cannot be copied where that is needed.
    """
    if "zmq" in sys.modules:  # Another plugin was first, and two of them in one process do not go together.
        return None
    platform, version = platform_name(), sys.version_info[:2]
    folder = choose(vendor, platform, extension_names(version))
    if folder is None:
        if importlib.util.find_spec("zmq") is not None:
            return None
        words = tr(
            "This copy of the plugin has no pyzmq for Python {} on {}. Install it from the release zip, or "
            "run: nst krita install"
        )
        raise NoPyzmq(words.format(f"{version[0]}.{version[1]}", platform))
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        copies = Path(local) / "nst-krita" / "pyzmq"
        try:
            folder = copy_once(folder, copies)
        except OSError as error:
            words = tr(
                "pyzmq cannot be copied to {} ({}). Make room there, or allow it, then start Krita again."
            )
            raise NoPyzmq(words.format(copies, _reason(error))) from error
    sys.path.insert(0, str(folder))
    return folder
