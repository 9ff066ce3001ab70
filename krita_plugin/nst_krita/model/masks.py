"""Masks as bytes: one for each pixel, rows from top to bottom."""

from __future__ import annotations

from typing import NamedTuple


class Rect(NamedTuple):
    """A rectangle of a document, in px."""

    x: int
    y: int
    width: int
    height: int


def cut(data: bytes, have: Rect, want: Rect) -> bytes:
    """What the mask ``data`` over ``have`` says about ``want``; 0 where it says nothing."""
    left, right = max(have.x, want.x), min(have.x + have.width, want.x + want.width)
    if left >= right:
        return bytes(want.width * want.height)
    before, after, empty = bytes(left - want.x), bytes(want.x + want.width - right), bytes(want.width)
    rows = []
    for y in range(want.y, want.y + want.height):
        start = (y - have.y) * have.width - have.x
        is_inside = have.y <= y < have.y + have.height
        rows.append(before + data[start + left : start + right] + after if is_inside else empty)
    return b"".join(rows)
