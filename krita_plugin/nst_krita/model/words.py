"""What the painter reads: durations, amounts, sentences."""

from __future__ import annotations

import re
from typing import Sequence

from ..translation import decimal, tr
from .labels import LABELS
from .server_words import told

#: Names of the encoders as they are written for people.
ENCODER_NAMES = {
    "auto": tr("auto"),
    "vgg19": "VGG19",
    "vgg16": "VGG16",
    "built-in": tr("built-in encoder"),
}

#: Pictures of a submission, as the painter knows them.
PICTURES = {
    "content": tr("The layer"),
    "mask": tr("The selection"),
    "start": tr("The layer to start from"),
}


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
    """How much of a ``total`` above 0 is done: "212 of 548 MB"; MB of 2^20 bytes, as torchvision's."""
    if unit in ("B", "byte", "bytes"):
        return tr("{} of {} MB").format(round(done / 2**20), round(total / 2**20))
    return tr("{} of {} {}").format(round(done), round(total), unit).strip()


def memory_size(size: float) -> str:
    """A number of bytes as "350 MB" or "1.2 GB"."""
    megabytes = size / 2**20
    if megabytes < 1000:
        return tr("{} MB").format(round(megabytes))
    return tr("{} GB").format(decimal(f"{size / 2**30:.1f}"))


def sentence(*parts: str) -> str:
    """Message and hint in one line; empty parts are left out."""
    return " ".join(part.strip() for part in parts if part and part.strip())


def refusal(field: str, problem: str, hint: str, styles: Sequence[str] = ()) -> str:
    """Why the server, or its checks, did not take something, in the painter's words.

    ``field``: of a submission, as far as it is known which. It becomes a picture, or a setting by name.
    ``styles``: the names of its styles, where they are known.
    """
    if problem.startswith(f"{field}: "):
        problem = problem[len(field) + 2 :]
    return sentence(_about(field, told(problem), styles), told(hint))


def _about(field: str, message: str, styles: Sequence[str]) -> str:
    place, _, rest = field.partition(".")
    if place == "params":
        known = re.split(r"[.\[]", rest, maxsplit=1)[0]  # of a list, the place in it says nothing
        name = LABELS.get(known) or rest.replace("_", " ").capitalize()
        return f"{name}: {message}"
    numbered = re.match(r"(styles|style_masks)\[(\d+)\]", place)
    if numbered:
        index, is_style = int(numbered[2]), numbered[1] == "styles"
        if is_style and index < len(styles):
            return f"{styles[index]}: {message}"
        subject = tr("Style {}") if is_style else tr("The region of style {}")
        named = styles[index] if index < len(styles) else index + 1
        return f"{subject.format(named)}: {message}"
    return f"{PICTURES[place]}: {message}" if place in PICTURES else message
