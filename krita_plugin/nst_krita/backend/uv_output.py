"""What uv (as of 0.13, without a terminal) says while it works: how far it is, and why it failed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Sequence

from ..translation import tr

_FETCHING = re.compile(r"^\s*Downloading (\S+).*\(([\d.]+)([KMG])iB\)")
_FETCHED = re.compile(r"^\s*Downloaded (\S+)")
_URL = re.compile(r"https?://(?:[^@/\s]*@)?([^/:\s`)]+)")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
#: Wheels are unpacked while they arrive, to this multiple of their size (PyTorch with CUDA 13).
UNPACKED = 1.9


class SetupFailed(Exception):
    """Why the server could not be installed, in a sentence for the painter."""


@dataclass(frozen=True)
class Progress:
    """``stage``: python, resolving, downloading, installing, waiting (``done``: for how many jobs) or trying;
    ``done`` of ``total`` bytes where they are known."""

    stage: str
    done: float = 0.0
    total: float = 0.0


class Reading:
    """Follows one uv command. ``stage``: what its downloads are for, "python" or "downloading"."""

    def __init__(self, stage: str) -> None:
        self._fetches = stage
        self._stage = "python" if stage == "python" else "resolving"
        self._sizes: dict[str, float] = {}
        self._there: set[str] = set()
        self._arriving = 0.0
        self._done = 0.0  # told so far; an estimate that falls would look like a loss

    @property
    def under_way(self) -> bool:
        """Whether something is being downloaded."""
        return len(self._there) < len(self._sizes)

    @property
    def progress(self) -> Progress:
        """Where it stands."""
        if self._stage != self._fetches:
            return Progress(self._stage)
        done = sum(self._sizes[name] for name in self._there)
        total = sum(self._sizes.values())
        # What arrives is an estimate, and must not seem whole before it is.
        self._done = max(self._done, done + min(self._arriving, 0.98 * (total - done)))
        return Progress(self._stage, self._done, total)

    def hear(self, line: str) -> None:
        """Take note of a line."""
        fetching, fetched = _FETCHING.match(line), _FETCHED.match(line)
        if fetching:
            self._stage = self._fetches
            self._sizes[fetching[1]] = float(fetching[2]) * _UNITS[fetching[3]]
        elif fetched:
            if fetched[1] in self._sizes:
                self._there.add(fetched[1])
        elif line.startswith("Prepared "):
            self._stage = "installing"

    def arrived(self, unpacked: float) -> None:
        """So many bytes of what is under way have been unpacked."""
        self._arriving = unpacked / UNPACKED


def host_of(lines: Sequence[str]) -> str:
    """The host that could not be reached, "" if that was not what failed."""
    text = "\n".join(lines)
    for line in lines:
        found = _URL.search(line)
        if (
            found
            and ("Failed to fetch" in line or "Failed to download" in line)
            and "HTTP status" not in text
        ):
            return found[1]
    return ""


def reason_of(lines: Sequence[str]) -> str:
    """Why uv failed, in one sentence, from what it said."""
    text = "\n".join(lines)
    host = host_of(lines)
    if "No space left" in text or "os error 28" in text or "os error 112" in text:
        return tr("The disk is full.")
    if host and "invalid peer certificate" in text:
        return tr("The certificate of {} is not trusted by this computer.").format(host)
    if host:
        return tr("{} cannot be reached. Is this computer online?").format(host)
    at = next((number for number, line in enumerate(lines) if line.startswith("error: ")), None)
    if at is None:
        return lines[-1] if lines else tr("uv ended without a word.")
    # The first line says what failed, the line below why.
    why = [
        line.strip()[len("cause: ") :] for line in lines[at + 1 : at + 2] if line.strip().startswith("cause:")
    ]
    return ": ".join([lines[at][len("error: ") :].rstrip("."), *why])
