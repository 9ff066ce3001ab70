"""What a picture starts from: one image, or several blended by ratio."""

from __future__ import annotations

import math
from typing import Mapping

#: The images that there are to start from, in the order in which a blend names them.
STARTS = ("content", "noise", "style-statistics", "style", "image")

#: So nearly five shares of seven digits add up to 1.
_ROUNDED = 5e-7

#: What a blend looks like, for those who write one.
EXAMPLE = "content:0.7+noise:0.3"


def shares_of(start: str) -> dict[str, float]:
    """Name → share of each image of ``start``, adding up to 1, such as "noise" or "content:7+noise:3".

    Raises ValueError with what is wrong, as a sentence without its subject.
    """
    ratios: dict[str, float] = {}
    for part in start.split("+"):
        name, colon, ratio = (piece.strip() for piece in part.partition(":"))
        if name not in STARTS or name in ratios:
            again = "is named twice" if name in ratios else "is not a choice"
            raise ValueError(f"{name or start!r} {again}.")
        try:
            ratios[name] = float(ratio) if colon else 1.0
        except ValueError:
            raise ValueError(f"{ratio!r} is not a number.") from None
        if not (math.isfinite(ratios[name]) and ratios[name] >= 0):
            raise ValueError(f"{ratio!r} is not a ratio.")
    total = sum(ratios.values())
    if not 0 < total < math.inf:
        raise ValueError("the ratios add up to nothing.")
    # What was rounded in ``canonical`` stays as it is, or its last digits would wander.
    total = 1.0 if abs(total - 1) < _ROUNDED else total
    return {name: ratios[name] / total for name in STARTS if ratios.get(name)}


def canonical(shares: Mapping[str, float]) -> str:
    """The one way to write these shares, adding up to 1: seven digits each, none for a single image."""
    if len(shares) == 1:
        return next(iter(shares))
    return "+".join(f"{name}:{share:.7g}" for name, share in shares.items())
