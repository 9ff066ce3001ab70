"""What a report of a problem needs, as text for the clipboard, without names of people and their folders."""

from __future__ import annotations

import getpass
import platform
import re
from pathlib import Path
from typing import Iterable, Mapping

#: What begins an absolute path. A "//" after a colon is of a server's address, unless that is a file's.
_BEGIN = r"(?:(?<=ipc://)|(?<![\w:/\\.~]))(?:(?:~|[A-Za-z]:)[/\\]+|[/\\]+(?=[^/\\\s\"']+[/\\]))"
#: A part of it; with spaces where another one follows.
_PART = r"[^/\\\s\"'<>|:,;()]+(?: [^/\\\s\"'<>|:,;()]+)*[/\\]+"
_PATH = re.compile(rf"{_BEGIN}(?:{_PART})*(?=[^/\\\s])")
#: How much of each log is told.
TAIL_LINES = 40


def report(facts: Mapping[str, str], logs: Iterable[Path], home: Path | None = None, user: str = "") -> str:
    """``facts`` as lines, then the end of each of the ``logs`` that exists."""
    lines = [f"{name}: {value}" for name, value in facts.items()]
    for log in logs:
        tail = tail_of(log)
        if tail:
            lines += ["", f"--- {log.name} ---", *tail]
    return short_paths(without_names("\n".join(lines) + "\n", home or Path.home(), user or _user()))


def tail_of(log: Path, count: int = TAIL_LINES) -> list[str]:
    """The last lines of a log; none where it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 400 * count))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return []


def without_names(text: str, home: Path, user: str) -> str:
    """``text`` with the home folder as ``~``, however it is written, and the user's name as ``USER``."""
    spellings = {str(home), home.as_posix(), str(home).replace("\\", "\\\\")}
    for spelling in sorted(spellings, key=len, reverse=True):
        if len(spelling) > 1:
            text = re.sub(re.escape(spelling) + r"(?![\w.-])", "~", text, flags=re.IGNORECASE)
    # A short name, or one that is a word of the text's own, would make it unreadable.
    if len(user) > 2 and user.lower() not in ("root", "user", "server", "worker", "krita", "python"):
        text = re.sub(rf"(?<![\w-]){re.escape(user)}(?![\w-])", "USER", text, flags=re.IGNORECASE)
    return text


def short_paths(text: str) -> str:
    """``text`` with absolute paths cut down to the names of their files: folders are called after people and
    their clients."""
    return _PATH.sub("…/", text)


def system_facts() -> dict[str, str]:
    """The system and the Python that this runs in."""
    return {"system": platform.platform(), "Python": platform.python_version()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # as systems without such a user say it
        return ""
