"""The progress line: what it says, how it fits, and what a pipe or a plain terminal gets."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from nst_server.cli import terminal
from nst_server.cli.terminal import (
    Progress,
    bar,
    duration,
    in_one_line,
    progress_line,
    shortened,
    state_line,
)
from nst_server.wire.events import Event

LOSSES = {"total": 12.345, "content": 1.0, "style": 11.3}


class Screen(io.TextIOWrapper):
    """A stream that says whether it is a terminal and which encoding it writes."""

    def __init__(self, tty: bool = True, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty

    @property
    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


def shown_on(screen: Screen, environment: dict[str, str] | None = None, columns: int = 100) -> Progress:
    clock = SimpleNamespace(now=0.0)

    def tick() -> float:
        clock.now += 1.0
        return clock.now

    return Progress(screen, environment or {}, lambda: columns, tick)


def progress(iteration: int, total: int = 300) -> Event:
    return Event(
        "progress",
        {"job": "j", "iteration": iteration, "total": total, "losses": LOSSES, "seconds_left": 61.0},
    )


@pytest.mark.parametrize("unicode", [True, False])
def test_the_line_fits_every_width(unicode: bool) -> None:
    for width in range(1, 160):
        line = progress_line(40, 300, LOSSES, 61.0, ["NVIDIA RTX 4070", "VGG19"], width, unicode)
        assert 0 < len(line) <= width
        assert unicode or line.isascii()


def test_what_matters_most_stays_longest() -> None:
    where = ["cpu", "built-in"]
    lines = [progress_line(40, 300, LOSSES, 61.0, where, width) for width in range(8, 140)]
    first_width = [
        next(i for i, line in enumerate(lines) if part in line)
        for part in ("40/300", "1:01", "12.3", "style", "cpu", "built-in")
    ]
    assert first_width == sorted(first_width)
    assert all(
        part in lines[-1]
        for part in ("40/300", "1:01 left", "loss 12.3", "content 1.00", "style 11.3", "built-in")
    )


def test_the_line_without_width_has_no_bar_and_leaves_nothing_out() -> None:
    line = progress_line(40, 300, LOSSES, 61.0, ["cpu"])
    assert line == "iteration 40/300 · 1:01 left · loss 12.3 (content 1.00, style 11.3) · cpu"


def test_the_last_iteration_has_no_time_left() -> None:
    assert "left" not in progress_line(300, 300, LOSSES, 0.0)


@pytest.mark.parametrize("unicode", [True, False])
def test_the_bar_has_its_width_and_grows(unicode: bool) -> None:
    bars = [bar(i / 50, 20, unicode) for i in range(-5, 60)]
    assert {len(b) for b in bars} == {20}
    filled = [len(b) - b.count(" ") - b.count("-") for b in bars]
    assert filled == sorted(filled)
    assert bars[0] == ("[" + "-" * 18 + "]" if not unicode else " " * 20)
    assert bars[-1] == ("[" + "#" * 18 + "]" if not unicode else "█" * 20)


def test_the_ascii_bar_is_full_only_when_done() -> None:
    assert "-" in bar(0.999, 20, unicode=False)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (0.2, "0:01"),
        (59.5, "1:00"),
        (725, "12:05"),
        (10800, "3:00:00"),
        (-3, "0:00"),
        (float("nan"), "?"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_states_in_plain_words() -> None:
    assert state_line("queued", position=1) == "waiting behind 1 job"
    assert state_line("queued", position=3) == "waiting behind 3 jobs"
    assert state_line("queued", position=0) == "next in line"
    assert state_line("preparing", what="downloading VGG19", done=212, total=548, unit="MB") == (
        "downloading VGG19, 212 of 548 MB"
    )
    assert state_line("cancelling") == "cancelling"


def test_numbers_keep_three_digits() -> None:
    assert [terminal.significant(v) for v in (0.1, 1.0, 12.345, 100.0, 0.0)] == [
        "0.100",
        "1.00",
        "12.3",
        "100",
        "0.00",
    ]


def test_cutting_keeps_the_width() -> None:
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcdef", 4, "...") == "a..."
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdef", 0) == ""


def test_a_title_cannot_steer_the_terminal() -> None:
    assert in_one_line("a\x1b[2Jb\nc\0d\u202ee") == r"a\x1b[2Jb\nc\x00d\u202ee"
    assert in_one_line("Größe – 影\u3000絵") == "Größe – 影\u3000絵"


def test_a_terminal_redraws_one_line() -> None:
    screen = Screen()
    live = shown_on(screen)
    live.show(Event("state", {"state": "running", "device": "cpu", "encoder": "built-in"}))
    for iteration in (1, 2, 3):
        live.show(progress(iteration))
    assert "\n" not in screen.text
    assert screen.text.count("\r") == 4
    assert screen.text.count(terminal.ERASE_TO_END) == 4
    assert "built-in" in screen.text.rsplit("\r", 1)[1]
    live.close()
    live.close()
    assert screen.text.count("\n") == 1


def test_no_redraw_sooner_than_needed_but_the_last_iteration_shows() -> None:
    screen = Screen()
    live = Progress(screen, {}, lambda: 100, lambda: 5.0)
    for iteration in range(1, 301):
        live.show(progress(iteration))
    assert screen.text.count("\r") == 2
    assert "300/300" in screen.text


def test_no_colour_when_asked_and_colour_otherwise() -> None:
    plain, colour = Screen(), Screen()
    shown_on(plain, {"NO_COLOR": "1"}).show(progress(40))
    shown_on(colour).show(progress(40))
    assert terminal.ACCENT in colour.text
    assert "\x1b[3" not in plain.text
    assert "40/300" in plain.text


@pytest.mark.parametrize("environment", [{}, {"TERM": "dumb"}])
def test_a_pipe_or_a_dumb_terminal_gets_plain_lines(environment: dict[str, str]) -> None:
    screen = Screen(tty=bool(environment))
    plain = shown_on(screen, environment)
    plain.show(Event("accepted", {"state": "queued", "position": 2}))
    plain.show(Event("state", {"state": "running", "device": "cpu", "encoder": "built-in"}))
    for iteration in range(1, 31):
        plain.show(progress(iteration))
    plain.show(Event("frame", {"iteration": 20, "kept": True}, b""))
    plain.show(Event("frame", {"iteration": 21, "kept": False}, b""))
    plain.close()
    lines = screen.text.splitlines()
    assert "\r" not in screen.text
    assert "\x1b" not in screen.text
    assert lines[0] == "waiting behind 2 jobs"
    assert lines[1] == "running on cpu, built-in"
    assert 1 <= sum(line.startswith("iteration ") for line in lines) <= 5
    assert lines[-1] == "frame of iteration 20"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_an_encoding_without_blocks_gets_ascii(encoding: str) -> None:
    screen = Screen(encoding=encoding)
    live = shown_on(screen)
    live.show(progress(150))
    live.show(Event("disconnected", {"reason": "server gone"}))
    live.show(Event("state", {"state": "preparing", "what": "reading 絵.png"}))
    live.close()
    assert "[####" in screen.text
    assert "█" not in screen.text
    assert "reading ?.png" in screen.text


def test_a_note_stands_on_its_own_line() -> None:
    screen = Screen()
    live = shown_on(screen)
    live.show(progress(1))
    live.note("the built-in encoder is used")
    live.show(progress(2))
    rows = screen.text.split("\n")
    assert rows[0].endswith("the built-in encoder is used")
    assert "2/300" in rows[1]
