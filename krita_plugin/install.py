"""Installing the plugin into a painter's Krita, and taking it out again."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nst_server
from krita_plugin import package
from krita_plugin.errors import SetupError
from krita_plugin.kritarc import read_entry, remove_entry, write_entry
from krita_plugin.profiles import Profile, running
from krita_plugin.replacing import Replacing, exists
from nst_server.wire.connection import data_dir
from nst_server.wire.launch import INSTALLED
from nst_server.wire.lock import holder, lock_file

GROUP, KEY = "python", "enable_nst_krita"


def install(profiles: Sequence[Profile], pyzmq: package.Pyzmq, *, link: bool = False) -> list[str]:
    """Put the plugin into ``profiles``, enable it, and record how Krita starts the server.

    All of it happens or none; an installed version is replaced. With ``link`` the plugin's sources and the
    protocol are links to the source tree. Returns what was changed, a line for each file. Raises SetupError.
    """
    _refuse_while_running()
    command = server_command()
    record = read_record()
    earlier = {entry["resources"]: entry for entry in record.get("profiles", [])}
    files, links = package.plugin_files(pyzmq), {}
    if link:
        links = _links()
        files = {name: data for name, data in files.items() if name.split("/")[0] in _MADE_FOR_LINK}
    lines: list[str] = []
    with Replacing() as replacing:
        for profile in profiles:
            entry = _entry(profile, earlier.get(str(profile.resources)))
            earlier[str(profile.resources)] = entry
            module, desktop, action = _places(profile)
            lines.append(f"{_verb(module)} {module} ({_count(files, links)})")
            replacing.tree(module, files, links)
            for target, source in ((desktop, package.DESKTOP), (action, package.ACTION)):
                lines.append(f"{_verb(target)} {target}")
                replacing.write(target, source.read_bytes())
            settings = _read(profile.kritarc)
            if read_entry(settings, GROUP, KEY) != "true":
                lines.append(f"{_verb(profile.kritarc, 'changed')} {profile.kritarc} ([{GROUP}] {KEY}=true)")
                replacing.write(profile.kritarc, write_entry(settings, GROUP, KEY, "true"))
        lines.append(f"{_verb(record_path())} {record_path()} (how Krita starts the server)")
        # The rest stays: the environment that the docker made may be in use, and is removed by what it says.
        record.update(command=command, data_dir=str(data_dir().absolute()))
        record.update(version=nst_server.__version__, profiles=list(earlier.values()))
        replacing.write(record_path(), json.dumps(record, indent=1).encode() + b"\n")
    return lines


def uninstall(profiles: Iterable[Profile], *, everywhere: bool = True, purge: bool = False) -> list[str]:
    """Take the plugin out of ``profiles`` and, with ``everywhere``, out of all that it was installed in.

    Removes what ``install`` added and nothing else; ``purge`` also removes the data folder, with the
    painter's settings, the jobs with their frames, and the weights.
    Returns what was changed, a line for each file; empty if the plugin was nowhere. Raises SetupError.
    """
    _refuse_while_running()
    if purge:
        _refuse_purge()
    record = read_record()
    entries = {entry["resources"]: entry for entry in record.get("profiles", [])}
    chosen = {str(profile.resources): profile for profile in profiles}
    if everywhere:
        for key, entry in entries.items():
            chosen.setdefault(key, Profile(entry["name"], Path(key), Path(entry["kritarc"])))
    lines: list[str] = []
    made: list[str] = []
    with Replacing() as replacing:
        for key, profile in chosen.items():
            entry = entries.pop(key, {})
            made += entry.get("made", [])
            for path in filter(exists, _places(profile)):
                lines.append(f"removed {path}")
                replacing.delete(path)
            settings = _read(profile.kritarc)
            restored = _restore(settings, entry.get("enabled_before"))
            if settings and not restored.strip() and str(profile.kritarc) in made:
                lines.append(f"removed {profile.kritarc}")
                replacing.delete(profile.kritarc)
            elif restored != settings:
                lines.append(f"changed {profile.kritarc} ([{GROUP}] {KEY})")
                replacing.write(profile.kritarc, restored)
        if entries:
            record["profiles"] = list(entries.values())
            replacing.write(record_path(), json.dumps(record, indent=1).encode() + b"\n")
        else:
            # What Krita installed for itself goes as well: nothing else would ever remove it.
            for path in filter(exists, (record_path(), data_dir() / "pyzmq", data_dir() / "server")):
                lines.append(f"removed {path}")
                replacing.delete(path)
            made.append(str(data_dir()))
        if purge and exists(data_dir()):
            lines.append(f"removed {data_dir()}")
            replacing.delete(data_dir())
    for folder in sorted(made, key=len, reverse=True):
        with contextlib.suppress(OSError):  # Something else lies in it by now, so it stays.
            Path(folder).rmdir()
    return lines


def server_command() -> list[str]:
    """The command by which Krita starts the server. Raises SetupError if this Python would not find it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path = [*filter(None, sys.path)]; import nst_server.wire"],
        env=environment,
        capture_output=True,
        check=False,
    )
    if found.returncode != 0:
        raise SetupError(
            f"Krita could not start the server: {sys.executable} finds no nst_server outside of this folder.",
            "Install the project into that Python first (uv sync, or pip install .), then run this again.",
        )
    # From Krita nobody has agreed to a download of 548 MB; `nst weights fetch` is that agreement.
    return [sys.executable, "-m", "nst_server", "serve", "--no-download"]


def record_path() -> Path:
    """The file that tells the plugin how to start the server, and ``uninstall`` what to undo."""
    return data_dir() / INSTALLED


def read_record() -> dict[str, Any]:
    """The record of an earlier ``install``; empty if there is none that can be read."""
    try:
        record = json.loads(record_path().read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


#: What a linked plugin holds as files of its own; the rest is links.
_MADE_FOR_LINK = ("_vendor", "licences", "build.json")


def _links() -> dict[str, Path]:
    sources = [path for path in package.PLUGIN.iterdir() if path.name not in package.GENERATED]
    links = {path.name: path for path in sources if path.name != "__pycache__"}
    return {**links, "_wire": package.WIRE}


def _places(profile: Profile) -> tuple[Path, Path, Path]:
    pykrita = profile.resources / "pykrita"
    return (
        pykrita / "nst_krita",
        pykrita / "nst_krita.desktop",
        profile.resources / "actions" / "nst_krita.action",
    )


def _entry(profile: Profile, earlier: dict[str, Any] | None) -> dict[str, Any]:
    """What ``uninstall`` will have to know; a second install must not forget how it was before the first."""
    if earlier is not None:
        return {**earlier, "kritarc": str(profile.kritarc)}
    wanted = [path for place in (*_places(profile), profile.kritarc) for path in place.parents]
    made = {str(path) for path in [*wanted, profile.kritarc] if not path.exists()}
    return {
        "name": profile.name,
        "resources": str(profile.resources),
        "kritarc": str(profile.kritarc),
        "enabled_before": read_entry(_read(profile.kritarc), GROUP, KEY),
        "made": sorted(made),
    }


def _restore(settings: bytes, before: str | None) -> bytes:
    if before is None:
        return remove_entry(settings, GROUP, KEY)
    return write_entry(settings, GROUP, KEY, before)


def _refuse_while_running() -> None:
    processes = running()
    if processes:
        raise SetupError(
            f"Krita runs (process {', '.join(map(str, processes))}) and would undo this when it quits.",
            "Quit Krita, then run this again.",
        )


def _refuse_purge() -> None:
    if os.environ.get("NST_DATA_DIR"):
        raise SetupError(
            f"NST_DATA_DIR names {data_dir()}, and what else lies there is not known here.",
            "Remove that folder by hand, or unset NST_DATA_DIR to purge the ordinary one.",
        )
    try:
        pid = holder(lock_file())
    except OSError as error:
        raise SetupError(f"{lock_file()}: {error.strerror}.") from error
    if pid is not None:
        raise SetupError(
            "The server is running and uses the folder that is to be removed.",
            "End it with nst serve --stop, then run this again.",
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _verb(path: Path, again: str = "replaced") -> str:
    return again if exists(path) else "wrote"


def _count(files: dict[str, bytes], links: dict[str, Path]) -> str:
    size = sum(map(len, files.values())) / 1e6
    return f"{len(files)} files, {size:.1f} MB" + (f", {len(links)} links" if links else "")
