"""Masks as bytes: one for each pixel, rows from top to bottom."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import NamedTuple

#: Of a mask that would be too long, every other pixel is kept in each row and column, every fourth, eighth.
STEPS = (1, 2, 4, 8)
#: x, y, width, height and one of STEPS; the pixels follow, deflated.
_HEADER = struct.Struct("<5I")
_STRIP_BYTES = 1 << 20


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


def packed(data: bytes, where: Rect, limit: int) -> bytes:
    """The mask ``data`` over ``where``, in at most ``limit`` bytes; empty where it cannot be."""
    for step in STEPS:
        deflated = _deflated(_thinned(data, where.width, step), limit - _HEADER.size)
        if deflated:
            return _HEADER.pack(*where, step) + deflated
    return b""


def unpacked(data: bytes, width: int, height: int) -> tuple[bytes, Rect]:
    """What ``packed`` has made of a mask of a canvas with that width and height, in px.

    Raises ValueError where it is none; no more memory is taken than the canvas has pixels.
    """
    try:
        *numbers, step = _HEADER.unpack_from(data)
        where = Rect(*numbers)
        is_inside = where.x + where.width <= width and where.y + where.height <= height
        if not (is_inside and where.width and where.height and step in STEPS):
            raise ValueError("no rectangle of this canvas")
        columns, rows = -(-where.width // step), -(-where.height // step)
        inflater = zlib.decompressobj()
        kept = inflater.decompress(data[_HEADER.size :], columns * rows + 1)
    except (struct.error, zlib.error) as error:
        raise ValueError(str(error)) from error
    if len(kept) != columns * rows or not inflater.eof or inflater.unused_data:
        raise ValueError("not as many pixels as it says")
    return _widened(kept, where, step), where


def name_of(mask: bytes) -> str:
    """What a packed mask is called: a part of its SHA-256."""
    return hashlib.sha256(mask).hexdigest()[:32]


def _deflated(data: bytes, limit: int) -> bytes:
    """Empty where it takes more than ``limit`` bytes; that shows before all of it has been looked at."""
    deflater, made = zlib.compressobj(), b""
    for start in range(0, len(data), _STRIP_BYTES):
        made += deflater.compress(data[start : start + _STRIP_BYTES])
        if len(made) > limit:
            return b""
    made += deflater.flush()
    return made if len(made) <= limit else b""


def _thinned(data: bytes, width: int, step: int) -> bytes:
    if step == 1:
        return data
    return b"".join(data[start : start + width : step] for start in range(0, len(data), step * width))


def _widened(data: bytes, where: Rect, step: int) -> bytes:
    if step == 1:
        return data
    columns, rows = -(-where.width // step), []
    for start in range(0, len(data), columns):
        row = bytearray(step * columns)
        for shift in range(step):
            row[shift::step] = data[start : start + columns]
        rows += [bytes(row[: where.width])] * step
    return b"".join(rows[: where.height])
