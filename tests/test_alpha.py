"""Alpha out of pixels of every depth, as a mask."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest

CODES = {"U8": ("B", 255), "U16": ("H", 65535), "F16": ("e", 1.0), "F32": ("f", 1.0)}


@pytest.mark.parametrize("depth", CODES)
@pytest.mark.parametrize("channels", [2, 4, 5])
@pytest.mark.parametrize("count", [1, 255, 700])
def test_alpha_is_that_of_each_pixel(part: Any, depth: str, channels: int, count: int) -> None:
    code, one = CODES[depth]
    draw = random.Random(count)
    # A soft edge between what is empty and what is full.
    shares = sorted(min(1.0, max(0.0, draw.uniform(-1, 2))) for _ in range(count))
    alphas = [round(share * one) if code in "BH" else share for share in shares]
    numbers = [number for alpha in alphas for number in (*[one] * (channels - 1), alpha)]
    data = struct.pack(f"<{len(numbers)}{code}", *numbers)
    alpha = part("host.regions").alpha_of(memoryview(data), count, depth)
    assert len(alpha) == count
    # Of a float only the upper half is looked at: 7 bits of it or more.
    assert all(abs(found - 255 * share) <= 1.5 for found, share in zip(alpha, shares, strict=True))


def test_no_pixels_have_no_alpha(part: Any) -> None:
    assert part("host.regions").alpha_of(b"", 0, "F32") == b""


def test_alpha_below_nothing_and_above_all_is_cut(part: Any) -> None:
    data = struct.pack("<8f", 0, 0, 0, -3.5, 0, 0, 0, 7.0)
    assert part("host.regions").alpha_of(data, 2, "F32") == b"\x00\xff"
