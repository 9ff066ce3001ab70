"""The pyzmq that travels in the plugin: fetched by uv, pinned by digest, or taken from this Python; and uv.

Files are held in memory by the path that they have below ``nst_krita/``; pyzmq for all platforms is about
30 MB, uv for one 28 to 38 MB.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from krita_plugin.errors import SetupError
from nst_server.wire.launch import module_command

REQUIREMENTS = Path(__file__).with_name("pyzmq.txt")
UV_REQUIREMENTS = Path(__file__).with_name("uv.txt")

#: The platforms that Krita's plugin is packed for, and what uv calls them. glibc 2.28 is pyzmq's oldest.
PLATFORMS: Mapping[str, str] = {
    "linux-aarch64": "aarch64-manylinux_2_28",
    "linux-x86_64": "x86_64-manylinux_2_28",
    "macosx-universal2": "macos",
    "win-amd64": "x86_64-pc-windows-msvc",
}

#: One Python for each kind of wheel; those after the last are served by its stable ABI.
PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12")

# The rest of pyzmq imports without these; the client has no use for them.
_UNUSED_FOLDERS = {"tests", "cffi", "green", "ssh", "log", "eventloop", "devices", "__pycache__"}
_UNUSED_SUFFIXES = {".pyi", ".pxd", ".pxi", ".pyx", ".h", ".c", ".typed"}
_UNUSED_NAMES = {"zmq/backend/cython/_zmq.py"}
_EXTENSION = re.compile(
    r"_vendor/pyzmq-[^-]+-([^/]+)/zmq/backend/cython/_zmq\.(?:cpython-|cp)?(abi3|pyd|3\d+)"
)


class Unreachable(SetupError):
    """The wheels could not be fetched, as happens without a network."""


def this_platform() -> str:
    """This platform by the name that the plugin's vendor.py looks for."""
    return "macosx-universal2" if sys.platform == "darwin" else sysconfig.get_platform()


def find_uv(executable: Path = Path(sys.executable), folder: Path | None = None) -> list[str]:
    """The command that runs uv: beside this Python, in ``.uv`` of ``folder`` (the source tree), on PATH,
    or as a module. Raises SetupError."""
    name = "uv.exe" if sys.platform == "win32" else "uv"
    tree = folder or Path(__file__).resolve().parents[1]
    for candidate in (executable.parent / name, tree / ".uv" / executable.parent.name / name):
        if candidate.is_file():
            return [str(candidate)]
    on_path = shutil.which("uv")
    if on_path:
        return [on_path]
    module = module_command("uv", str(executable))
    if subprocess.run([*module, "--version"], capture_output=True, check=False).returncode == 0:
        return module
    raise SetupError(
        "uv, which fetches the plugin's pyzmq, was not found.",
        "Install it (python -m pip install uv), or add --offline to pack the pyzmq of this Python.",
    )


def download(platforms: Iterable[str] = tuple(PLATFORMS)) -> dict[str, bytes]:
    """The pinned pyzmq for every Python of ``platforms``, and its licences.

    Raises Unreachable without a network, SetupError if a wheel is not what was pinned.
    """
    uv = find_uv()
    with tempfile.TemporaryDirectory() as scratch:
        wanted = [
            (platform, python, Path(scratch) / f"{platform}-{python}")
            for platform in platforms
            for python in PYTHONS
        ]
        # The first goes alone: without a network, all of them would sit out uv's retries.
        for first in wanted[:1]:
            _fetch(uv, *first)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda wheel: _fetch(uv, *wheel), wanted[1:]))
        files: dict[str, bytes] = {}
        for platform, _, target in wanted:
            [information] = target.glob("pyzmq-*.dist-info")
            version = information.name.removeprefix("pyzmq-").removesuffix(".dist-info")
            _merge(files, _take(target, version, platform))
    return files


def download_uv(platform: str) -> dict[str, bytes]:
    """The pinned uv for ``platform``, and its licences.

    Raises Unreachable without a network, SetupError if the wheel is not what was pinned.
    """
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch)
        _fetch(find_uv(), platform, PYTHONS[-1], target, UV_REQUIREMENTS)
        [information] = target.glob("uv-*.dist-info")
        release = information.name.removesuffix(".dist-info")
        [program] = [path for path in target.rglob("*") if path.name in ("uv", "uv.exe") and path.is_file()]
        files = {f"_server/{release}/{program.name}": program.read_bytes()}
        for path in sorted(information.rglob("LICEN*")):
            if path.is_file():
                files[f"licences/{release}/{path.name}"] = path.read_bytes().replace(b"\r\n", b"\n")
    return files


def installed() -> dict[str, bytes]:
    """The pyzmq of the Python that runs this, which serves Kritas with the same Python and platform."""
    distribution = importlib.metadata.distribution("pyzmq")
    return _take(Path(str(distribution.locate_file(""))), distribution.version, this_platform())


def served(names: Iterable[str]) -> dict[str, list[str]]:
    """The Pythons served by the pyzmq among these files, by platform: "3.8", …, "3.12 and later"."""
    found: dict[str, list[tuple[int, str]]] = {}
    for match in filter(None, map(_EXTENSION.search, names)):
        platform, tag = match.groups()
        minor, text = (12, "3.12 and later") if tag in ("abi3", "pyd") else (int(tag[1:]), f"3.{tag[1:]}")
        found.setdefault(platform, []).append((minor, text))
    return {platform: [text for _, text in sorted(found[platform])] for platform in sorted(found)}


def _fetch(
    uv: list[str], platform: str, python: str, target: Path, requirements: Path = REQUIREMENTS
) -> None:
    command = [*uv, "pip", "install", "--quiet", "--target", str(target), "--python", sys.executable]
    command += ["--python-platform", PLATFORMS[platform], "--python-version", python]
    command += ["--only-binary", ":all:", "--no-deps", "--require-hashes", "--requirement", str(requirements)]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode == 0:
        return
    what = f"{requirements.stem} for Python {python} on {platform}"
    reason = next((line.strip() for line in result.stderr.splitlines() if line.strip()), "it said nothing")
    if "Hash mismatch" in result.stderr:
        raise SetupError(
            f"{what} is not the file that was pinned; nothing was packed.",
            f"Find out what your package index serves. Its digests are in {requirements}.",
        )
    raise Unreachable(f"uv could not fetch {what}: {reason}")


def _take(folder: Path, version: str, platform: str) -> dict[str, bytes]:
    """What the plugin needs of the pyzmq that lies in ``folder``, by the path it gets in the plugin."""
    files: dict[str, bytes] = {}
    for top in ("zmq", "pyzmq.libs"):
        for path in sorted((folder / top).rglob("*")):
            relative = path.relative_to(folder)
            unused = (
                _UNUSED_FOLDERS.intersection(relative.parts)
                or path.suffix in _UNUSED_SUFFIXES
                or relative.as_posix() in _UNUSED_NAMES
            )
            if path.is_file() and not unused:
                files[f"_vendor/pyzmq-{version}-{platform}/{relative.as_posix()}"] = path.read_bytes()
    for path in sorted((folder / f"pyzmq-{version}.dist-info").rglob("LICEN*")):
        if path.is_file():
            # Windows wheels have the same texts with other line ends.
            files[f"licences/pyzmq-{version}/{path.name}"] = path.read_bytes().replace(b"\r\n", b"\n")
    return files


def _merge(files: dict[str, bytes], more: Mapping[str, bytes]) -> None:
    for name, data in more.items():
        if files.setdefault(name, data) != data:
            raise SetupError(
                f"Two wheels of one pyzmq release disagree about {name}, so they cannot share a folder.",
                "Pin releases whose wheels agree in pyzmq.txt.",
            )
