"""Where Krita keeps a painter's resources and settings, and whether it is running."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from krita_plugin.errors import SetupError
from krita_plugin.kritarc import read_entry

PROC = Path("/proc")


@dataclass(frozen=True)
class Profile:
    """One Krita as a painter has it: its resource folder (holds ``pykrita/``) and its settings file."""

    name: str
    resources: Path
    kritarc: Path


def candidates(system: str, environment: Mapping[str, str], home: Path) -> list[Profile]:
    """Where Krita's profiles may be on ``system`` (as sys.platform); the first is the ordinary Krita's."""
    if system == "win32":
        roaming = Path(environment.get("APPDATA") or home / "AppData" / "Roaming")
        local = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
        # Windows redirects what programs from its store write to a folder of the program's own.
        stores = sorted((local / "Packages").glob("*Krita*/LocalCache"))
        return [
            Profile("Krita", roaming / "krita", local / "kritarc"),
            *(Profile("Microsoft Store", s / "Roaming" / "krita", s / "Local" / "kritarc") for s in stores),
        ]
    if system == "darwin":
        library = home / "Library"
        return [
            Profile("Krita", library / "Application Support" / "krita", library / "Preferences" / "kritarc")
        ]
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    flatpak = home / ".var" / "app" / "org.kde.krita"
    return [
        Profile("Krita", data / "krita", config / "kritarc"),  # also the AppImage's
        Profile("Flatpak", flatpak / "data" / "krita", flatpak / "config" / "kritarc"),
    ]


def find_profiles(
    resources: Path | None = None,
    kritarc: Path | None = None,
    *,
    system: str = sys.platform,
    environment: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> list[Profile]:
    """The profiles to install into: the one given, else all that exist, else the ordinary one if Krita is
    on PATH and was never started.

    Raises SetupError if there is none.
    """
    possible = [_moved(profile) for profile in candidates(system, environment, home or Path.home())]
    if resources is not None:
        folder = resources.expanduser().absolute()
        known = next((profile for profile in possible if profile.resources == folder), possible[0])
        return [Profile(str(folder), folder, (kritarc or known.kritarc).expanduser().absolute())]
    found = [profile for profile in possible if profile.resources.is_dir()]
    if found:
        return found
    if shutil.which("krita", path=environment.get("PATH")):
        return possible[:1]
    raise SetupError(
        "No Krita was found: none of its resource folders exists, and no krita is on PATH.",
        "Start Krita once, or name its folder (Settings ▸ Manage Resources… ▸ Open Resource Folder) with "
        "--resources DIR.",
    )


def running(
    system: str = sys.platform,
    environment: Mapping[str, str] = os.environ,
    proc: Path = PROC,
) -> list[int]:
    """The ids of this user's Krita processes. Krita writes kritarc when it quits, over what others wrote."""
    if system == "win32":
        command = ["tasklist", "/FI", "IMAGENAME eq krita.exe", "/FO", "CSV", "/NH"]
        rows = csv.reader(_output(command).splitlines())
        return [int(row[1]) for row in rows if len(row) > 1 and row[0].lower() == "krita.exe"]
    if system == "darwin":
        lines = [line.split(None, 1) for line in _output(["ps", "-x", "-o", "pid=,comm="]).splitlines()]
        return [int(pid) for pid, name in lines if Path(name.strip()).name == "krita"]
    return sorted(int(p.name) for p in proc.glob("[0-9]*") if _is_our_krita(p, environment.get("HOME", "")))


def _is_our_krita(process: Path, home: str) -> bool:
    try:
        if (process / "comm").read_text().strip() != "krita" or process.stat().st_uid != os.getuid():
            return False
        entries = (process / "environ").read_bytes().split(b"\0")
    except OSError:  # It ended meanwhile.
        return False
    homes = [os.fsdecode(entry[5:]) for entry in entries if entry.startswith(b"HOME=")]
    return not homes or homes[0] == home


def _moved(profile: Profile) -> Profile:
    """``profile`` with the resource folder that the painter has chosen in Krita's settings, if any."""
    try:
        chosen = read_entry(profile.kritarc.read_bytes(), "", "ResourceDirectory")
    except OSError:
        return profile
    return Profile(profile.name, Path(chosen), profile.kritarc) if chosen else profile


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False).stdout
    except OSError:
        return ""
