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


@pytest.mark.parametrize("depth", CODES)
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("at", [None, 0, 3000, 5999])
def test_one_pixel_that_is_to_be_seen_is_enough(
    part: Any, monkeypatch: pytest.MonkeyPatch, depth: str, channels: int, at: int | None
) -> None:
    reading = part("host.reading")
    monkeypatch.setattr(reading, "STRIP_BYTES", 1000)
    code, _one = CODES[depth]
    numbers = [7 if code in "BH" else 1e-6] * (6000 * channels)
    numbers[channels - 1 :: channels] = [0] * 6000
    mask = bytearray(6000)
    if at is not None:
        numbers[channels * at + channels - 1] = 1 if code in "BH" else 6e-8
        mask[at] = 2
    names = {"B": "uint8", "H": "uint16", "e": "float16", "f": "float32"}
    data = struct.pack(f"<{len(numbers)}{code}", *numbers)
    pixels = reading.PixelBlock(data, 100, 60, dtype=names[code])
    inside = reading.PixelBlock(bytes(mask), 100, 60, channels="MASK")
    outside = reading.PixelBlock(bytes(2 * (value == 0) for value in mask), 100, 60, channels="MASK")
    is_seen = at is not None
    assert (reading.shows(pixels), reading.shows(pixels, inside)) == (is_seen, is_seen)
    assert not reading.shows(pixels, outside)
