"""The plugin as one zip that Krita imports: Tools ▸ Scripts ▸ Import Python Plugin from File…"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import subprocess
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nst_server
from krita_plugin import wheels
from krita_plugin.errors import SetupError

HERE = Path(__file__).resolve().parent
PLUGIN = HERE / "nst_krita"
DESKTOP = HERE / "nst_krita.desktop"
# Not inside the plugin: Krita looks for actions in actions/ and in all of pykrita/, and would find two.
ACTION = HERE / "nst_krita.action"
WIRE = Path(nst_server.__file__).resolve().parent / "wire"

#: Made by packing, so never taken from the source tree.
GENERATED = ("_vendor", "_wire", "_server", "licences", "build.json", "LICENSE")
NOTICE = """\
The folders beside this file hold the licences of pyzmq (BSD 3-clause) and of what its binaries contain:
libzmq (MPL 2.0), libsodium (ISC) and code from tornado (Apache 2.0). They are unmodified releases of the
pyzmq project; their sources are at https://github.com/zeromq and https://github.com/jedisct1/libsodium.
Where there is a folder for uv: it is an unmodified release too (MIT or Apache 2.0),
https://github.com/astral-sh/uv.
"""
#: What translators work with; Krita needs what is compiled from it.
_TRANSLATORS = {".po", ".pot"}

# The zip format's earliest, so that the same sources make the same bytes.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Pyzmq:
    """The pyzmq files to pack, by their path below ``nst_krita/``; ``note`` says why some are missing."""

    files: Mapping[str, bytes]
    note: str = ""

    @property
    def served(self) -> str:
        """Which Kritas it serves, in a line for each platform."""
        kritas = wheels.served(self.files).items()
        return "\n".join(
            f"  {platform}: Krita with Python {', '.join(pythons)}" for platform, pythons in kritas
        )


def find_pyzmq(platforms: Iterable[str], *, offline: bool = False) -> Pyzmq:
    """The pinned pyzmq for ``platforms``; with ``offline``, or without a network, the one of this Python.

    Raises SetupError if uv is missing or a wheel is not what was pinned.
    """
    reason = "As asked, nothing was downloaded"
    if not offline:
        try:
            return Pyzmq(wheels.download(platforms))
        except wheels.Unreachable as error:
            reason = str(error)
    return Pyzmq(
        wheels.installed(),
        f"{reason}\nThe pyzmq of this Python is packed instead; only these Kritas are served:",
    )


def plugin_files(pyzmq: Pyzmq, server: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """Every file of the plugin by its path below ``nst_krita/``; ``server``: what installs the server.

    Raises SetupError if one is missing.
    """
    files = {
        path.relative_to(PLUGIN).as_posix(): path.read_bytes()
        for path in sorted(PLUGIN.rglob("*"))
        if path.is_file() and is_source(path, PLUGIN) and path.suffix not in _TRANSLATORS
    }
    if "__init__.py" not in files:
        raise SetupError(f"{PLUGIN} is not the plugin: it has no __init__.py.", "Install nst-krita again.")
    files.update({f"_wire/{path.name}": path.read_bytes() for path in sorted(WIRE.glob("*.py"))})
    files.update(pyzmq.files)
    files.update(server or {})
    files["LICENSE"] = licence()
    files["licences/README.txt"] = NOTICE.encode()
    files["build.json"] = json.dumps(build(pyzmq), indent=1, sort_keys=True).encode() + b"\n"
    return files


def is_source(path: Path, tree: Path) -> bool:
    """Whether a file below ``tree`` belongs to the sources: not made by packing, nor left by a program."""
    if path.is_relative_to(PLUGIN) and path.relative_to(PLUGIN).parts[0] in GENERATED:
        return False
    return not any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(tree).parts)


def build(pyzmq: Pyzmq) -> dict[str, object]:
    """What this copy of the plugin is: version, git commit ("-dirty" if files differ from it, None outside
    of git) and the Pythons served on each platform."""
    commit = None
    if (HERE.parent / ".git").exists():
        command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            output = subprocess.check_output(command, cwd=HERE.parent, text=True, stderr=subprocess.DEVNULL)
            commit = output.strip() or None
    return {"version": nst_server.__version__, "commit": commit, "pythons": wheels.served(pyzmq.files)}


def write_zip(files: Mapping[str, bytes], output: Path) -> None:
    """Write the zip: entries in order, with fixed times, and one for each folder.

    Krita's importer finds a plugin by the entry of its folder; without it: "No plugins found".
    """
    entries = {path.name: path.read_bytes() for path in (DESKTOP, ACTION)}
    entries.update({f"nst_krita/{name}": data for name, data in files.items()})
    folders = {f"{parent.as_posix()}/" for name in entries for parent in Path(name).parents if parent.parts}
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_name(f".{output.name}.new")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name in sorted([*entries, *folders]):
                archive.writestr(entry(name), entries.get(name, b""))
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)


def entry(name: str) -> zipfile.ZipInfo:
    """The entry of a file, or of a folder (with a slash at the end), that is the same at every packing."""
    made = zipfile.ZipInfo(name, _TIMESTAMP)
    made.create_system = 3
    is_folder = name.endswith("/")
    made.external_attr = (0o40755 << 16 | 0x10) if is_folder else 0o100644 << 16
    made.compress_type = zipfile.ZIP_STORED if is_folder else zipfile.ZIP_DEFLATED
    return made


def licence() -> bytes:
    """The project's licence text. Raises SetupError if it is missing."""
    beside = HERE.parent / "LICENSE"
    if beside.is_file():
        return beside.read_bytes()
    for path in importlib.metadata.files("nst-krita") or ():
        if path.name == "LICENSE":
            return path.read_binary()
    raise SetupError(
        "The project's LICENSE file was not found, and the zip must carry it.", "Reinstall nst-krita."
    )
