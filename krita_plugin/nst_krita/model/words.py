"""What the painter reads: translation, durations, amounts."""

from __future__ import annotations

import gettext
from pathlib import Path

_FOLDER = Path(__file__).parent.parent / "translations"

#: Every text for the painter goes through here; without a catalogue for the language it stays English.
tr = gettext.translation("nst_krita", str(_FOLDER), fallback=True).gettext

#: Names of the encoders as they are written for people.
ENCODER_NAMES = {"vgg19": "VGG19", "vgg16": "VGG16", "built-in": tr("built-in encoder")}


def encoder_name(encoder: str) -> str:
    """An encoder's name as people write it; unknown ones as they are."""
    return ENCODER_NAMES.get(encoder, encoder)


def duration(seconds: float) -> str:
    """A duration as one would say it: "40 s", "3 min", "1 h 20 min"."""
    whole = max(1, round(seconds))
    if whole < 60:
        return tr("{} s").format(whole)
    if whole < 3600:
        return tr("{} min").format(round(whole / 60))
    return tr("{} h {} min").format(whole // 3600, whole % 3600 // 60)


def amount(done: float, total: float, unit: str) -> str:
    """ "212 of 548 MB"; bytes are told in MB."""
    if unit in ("B", "byte", "bytes"):
        done, total, unit = done / 1e6, total / 1e6, "MB"
    text = tr("{} of {} {}").format(round(done), round(total), unit) if total else f"{round(done)} {unit}"
    return text.strip()


def sentence(*parts: str) -> str:
    """Message and hint in one line; empty parts are left out."""
    return " ".join(part.strip() for part in parts if part and part.strip())
