"""Which iterations are kept as frames, as a painter reads and writes it."""

from __future__ import annotations

import re

from .options import FrameSchedule
from .words import tr

#: The protocol's "series".
SERIES = tr("1, 2, 5, 10, 20, 50 …")
_EVERY = tr("every {} iterations")

#: What is offered: schedule → words.
OFFERED = {
    "series": SERIES,
    "every:10": _EVERY.format(10),
    "every:50": _EVERY.format(50),
    "none": tr("the result alone"),
}


def words_of(schedule: str) -> str:
    """A schedule of the protocol in words; what is not offered can be written likewise."""
    if schedule in OFFERED:
        return OFFERED[schedule]
    known = FrameSchedule.parse(schedule)
    parts = [SERIES] if known.series else []
    parts += [_EVERY.format(known.every)] if known.every else []
    parts += [", ".join(map(str, known.at))] if known.at else []
    return " + ".join(parts)


def schedule_of(words: str) -> str:
    """The inverse; the protocol's own form is understood too. Raises InvalidParams (a ValueError)."""
    for schedule, offered in OFFERED.items():
        if words.strip() == offered:
            return schedule
    pattern = re.escape(_EVERY).replace(re.escape("{}"), r"(\d+)")
    parts = []
    for part in map(str.strip, words.split("+")):
        number = re.fullmatch(pattern, part)
        parts.append("series" if part == SERIES else f"every:{number[1]}" if number else part)
    return str(FrameSchedule.parse("+".join(parts)))
