"""A job's progress in a terminal: one live line, or plain lines where the output is a file or a pipe."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TextIO

from nst_server.wire.messages import CANCELLING, PAUSED, PREPARING, QUEUED, RUNNING

REDRAW_SECONDS = 0.1
PLAIN_SECONDS = 15.0  # often enough to see that it lives, seldom enough to read a log
BAR_WIDTHS = (24, 16, 8)  # few widths, or the bar would dance with the length of the numbers behind it
BLOCKS = " ▏▎▍▌▋▊▉█"
ACCENT, PLAIN = "\x1b[36m", "\x1b[0m"
ERASE_TO_END = "\x1b[K"


class Told(Protocol):
    """A server's message: its type and its fields."""

    @property
    def type(self) -> str:
        """Message type, as in docs/protocol.md."""

    def get(self, name: str, default: Any = None) -> Any:
        """A field, or the default."""


class Progress:
    """Shows a job's events. Written to standard error by default, which leaves standard output to results.

    On a terminal one line is redrawn; elsewhere a line is added when the state changes, for each kept
    frame, and every PLAIN_SECONDS. Colour only on a terminal, and never with NO_COLOR set (no-color.org).
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        environment: Mapping[str, str] | None = None,
        columns: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        environment = os.environ if environment is None else environment
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and environment.get("TERM") != "dumb"
        self._colour = self._live and not environment.get("NO_COLOR")
        self._unicode = can_encode(BLOCKS + "·…", self._stream.encoding)
        self._columns = columns or (lambda: shutil.get_terminal_size().columns)
        self._clock = clock
        self._shown_at = -math.inf
        self._state = self._told = ""
        self._where: list[str] = []
        self._latest: dict[str, Any] = {}
        self._open_line = False

    def show(self, event: Told) -> None:
        """Show what the event says; events without news for a reader are passed over."""
        if event.type == "progress":
            self._latest = {
                name: event.get(name) for name in ("iteration", "total", "losses", "seconds_left")
            }
            self._state = RUNNING
            last = event.get("iteration") == event.get("total")
            self._progress(now=last)
            if event.get("note"):
                self.note(str(event.get("note")))
        elif event.type in ("accepted", "state"):
            self._change(event)
        elif event.type == "frame" and event.get("kept", True) and not self._live:
            self._write(f"frame of iteration {event.get('iteration')}")
        elif event.type == "disconnected":
            self._write("connection lost, trying again" + self._dots)

    def note(self, text: str) -> None:
        """A line that stays, above the live one."""
        if self._live and self._open_line:
            self._stream.write(f"\r{ERASE_TO_END}")
            self._open_line = False
        self._stream.write(self._encodable(text) + "\n")
        self._stream.flush()
        if self._live and self._latest:
            self._progress(now=True)

    def close(self) -> None:
        """End the live line, so that what follows starts on a line of its own. May be called twice."""
        if self._open_line:
            if self._latest:
                self._progress(now=True)
            self._stream.write("\n")
            self._stream.flush()
            self._open_line = False

    @property
    def _dots(self) -> str:
        return "…" if self._unicode else "..."

    def _change(self, event: Told) -> None:
        self._where = [
            str(event.get(name)) for name in ("device", "encoder") if event.get(name)
        ] or self._where
        state = str(event.get("state"))
        text = state_line(
            state,
            position=event.get("position"),
            what=event.get("what"),
            done=event.get("done"),
            total=event.get("total"),
            unit=event.get("unit"),
        )
        if state == RUNNING and self._where:
            text += " on " + ", ".join(self._where)
        moved = state != self._state or state == QUEUED
        if text == self._told:
            return
        if moved or self._due(REDRAW_SECONDS if self._live else PLAIN_SECONDS):
            self._state, self._told = state, text
            self._write(text)

    def _progress(self, now: bool) -> None:
        if not now and not self._due(REDRAW_SECONDS if self._live else PLAIN_SECONDS):
            return
        width = self._columns() - 1 if self._live else 0  # the last column would wrap on some terminals
        self._write(progress_line(**self._latest, where=self._where, width=width, unicode=self._unicode))

    def _due(self, seconds: float) -> bool:
        return self._clock() - self._shown_at >= seconds

    def _write(self, text: str) -> None:
        self._shown_at = self._clock()
        if not self._live:
            self._stream.write(self._encodable(text) + "\n")
        else:
            text = self._encodable(shortened(text, self._columns() - 1, self._dots))
            self._stream.write(f"\r{coloured(text) if self._colour else text}{ERASE_TO_END}")
            self._open_line = True
        self._stream.flush()

    def _encodable(self, text: str) -> str:
        """The text in what the stream can write: a file name or a device's may hold anything."""
        encoding = self._stream.encoding or "utf-8"
        return text.encode(encoding, "replace").decode(encoding)


def progress_line(
    iteration: int,
    total: int,
    losses: Mapping[str, float] | None = None,
    seconds_left: float | None = None,
    where: list[str] | None = None,
    width: int = 0,
    unicode: bool = True,
) -> str:
    """How far a job is, in at most ``width`` columns (0: as long as it is, without a bar).

    What matters least goes first where space is short: encoder, device, single losses, total loss, bar.
    """
    dot = "  " if not unicode else " · "
    count = f"{iteration:>{len(str(total))}}/{total}"
    left = f"{duration(seconds_left)} left" if seconds_left is not None and iteration < total else ""
    shown = {name: value for name, value in (losses or {}).items() if value is not None}
    parts = [f"{name} {significant(value)}" for name, value in shown.items() if name != "total"]
    loss = f"loss {significant(shown['total'])}" if "total" in shown else ""
    detailed = f"{loss} ({', '.join(parts)})" if loss and parts else loss or ", ".join(parts)
    places = list(where or [])
    variants = [[count, left, detailed, *places[:n]] for n in range(len(places), -1, -1)]
    variants += [[count, left, loss], [count, left], [count]]
    texts = [dot.join(part for part in variant if part) for variant in variants]
    if not width:
        return f"iteration {texts[0].lstrip()}"
    for text in texts:
        room = next((bar_width for bar_width in BAR_WIDTHS if bar_width + 2 + len(text) <= width), 0)
        if room:
            return f"{bar(iteration / max(total, 1), room, unicode)}  {text}"
    return next((text for text in texts if len(text) <= width), texts[-1][:width])


def state_line(
    state: str,
    position: int | None = None,
    what: str | None = None,
    done: float | None = None,
    total: float | None = None,
    unit: str | None = None,
) -> str:
    """What the server is doing with the job, in plain words; ``position``: jobs that come before this one."""
    if state == QUEUED:
        if not position:
            return "next in line"
        return f"waiting behind {counted(position, 'job')}"
    if state == PREPARING:
        text = what or "preparing"
        if done is not None and total:
            text += f", {done:g} of {total:g}{f' {unit}' if unit else ''}"
        return text
    return {RUNNING: "running", PAUSED: "paused", CANCELLING: "cancelling"}.get(state, state)


def counted(number: int, noun: str) -> str:
    """The number with its noun: 1 iteration, 2 iterations."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def bar(fraction: float, width: int, unicode: bool = True) -> str:
    """A bar of exactly ``width`` columns for 0…1; values outside are cut off."""
    fraction = min(max(fraction, 0.0), 1.0)
    if not unicode:
        inner = max(width - 2, 1)
        return f"[{'#' * int(fraction * inner):-<{inner}}]"
    eighths = int(fraction * width * 8)
    whole, part = divmod(eighths, 8)
    return "█" * whole + (BLOCKS[part] + " " * (width - whole - 1) if whole < width else "")


def duration(seconds: float) -> str:
    """Seconds as 0:07, 12:05 or 3:00:00; rounded up, so that 0:00 means done."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(math.ceil(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def significant(value: float) -> str:
    """Three significant digits, zeros at the end kept, so that a changing number keeps its length."""
    return f"{value:#.3g}".removesuffix(".")


def shortened(text: str, width: int, dots: str = "…") -> str:
    """The text, cut to ``width`` columns with ``dots`` at its end if it is longer."""
    if len(text) <= width:
        return text
    return text[: max(width - len(dots), 0)] + dots[: max(width, 0)]


def in_one_line(text: str) -> str:
    """The text with what a terminal would obey (ESC, newlines, changes of direction) spelt out: ``\\x1b``."""
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else c.encode("unicode_escape").decode()
        for c in text
    )


def coloured(line: str) -> str:
    """The line with its bar, if it begins with one, in the accent colour."""
    head, gap, rest = line.partition("  ")
    if not gap or not (set(head) <= set(BLOCKS + "[]#-")):
        return line
    filled = head.rstrip()
    padding = " " * (len(head) - len(filled))
    return f"{ACCENT}{filled}{PLAIN}{padding}{gap}{rest}"


def can_encode(text: str, encoding: str | None) -> bool:
    """Whether a stream of this encoding can write the text."""
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
