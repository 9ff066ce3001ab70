"""Names of what computes, as people write them."""

from __future__ import annotations

import re

CHOICES = "auto, cpu, cuda:0, cuda:1, … or mps"


def parsed(name: str) -> tuple[str, int] | None:
    """("auto", "cpu", "mps" or "cuda", the index of that GPU or 0); None for what is no device's name."""
    match = re.fullmatch(r"(auto|cpu|mps)|cuda(?::(\d+))?", name.strip().lower())
    return None if match is None else (match[1] or "cuda", int(match[2] or 0))
