"""Masks as documents keep them: packed, and read back as anything that a stranger may have written."""

from __future__ import annotations

import random
import struct
import zlib
from typing import Any

import pytest
from plugin_parts import part

pytestmark = pytest.mark.usefixtures("plugin")
CANVAS = (40, 30)


def masks() -> Any:
    return part("model.masks")


def noise(width: int, height: int) -> bytes:
    return random.Random(1).randbytes(width * height)


def packed(**changed: Any) -> bytes:
    """A mask of 5 × 4 px at (2, 3), with other numbers or pixels than it should have."""
    numbers = {"x": 2, "y": 3, "width": 5, "height": 4, "step": 1, **changed}
    pixels = numbers.pop("pixels", bytes(range(20)))
    return struct.pack("<5I", *numbers.values()) + zlib.compress(pixels)


def test_a_mask_comes_back_byte_for_byte() -> None:
    where = masks().Rect(2, 3, 31, 17)
    data = noise(31, 17)
    made = masks().packed(data, where, 10_000)
    assert masks().unpacked(made, *CANVAS) == (data, where)
    assert masks().name_of(made) == masks().name_of(bytes(made)) != masks().name_of(made[:-1])


def test_a_mask_that_is_too_long_is_kept_more_coarsely_and_at_last_not() -> None:
    where = masks().Rect(0, 0, 37, 29)
    data = noise(37, 29)
    made = masks().packed(data, where, 500)
    assert len(made) <= 500
    coarse, again = masks().unpacked(made, *CANVAS)
    assert again == where and len(coarse) == 37 * 29
    for x, y in ((0, 0), (1, 1), (36, 28), (17, 8)):
        assert coarse[y * 37 + x] == data[(y // 2 * 2) * 37 + x // 2 * 2]
    assert masks().packed(data, where, 30) == b""


def test_the_limit_holds_in_the_middle_of_a_long_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks(), "_STRIP_BYTES", 100)
    where = masks().Rect(0, 0, 40, 30)
    for limit in range(20, 1500, 37):
        assert len(masks().packed(noise(40, 30), where, limit)) <= limit


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"short",
        packed()[:-5],
        packed() + b"more",
        packed()[:20] + b"not deflated",
        packed(width=6),
        packed(width=0),
        packed(x=36),
        packed(y=2**32 - 1),
        packed(step=0),
        packed(step=3),
        packed(pixels=bytes(21)),
        packed(pixels=bytes(100_000_000)),
    ],
)
def test_what_is_no_mask_of_the_canvas_is_refused(damaged: bytes) -> None:
    assert masks().unpacked(packed(), *CANVAS) == (bytes(range(20)), (2, 3, 5, 4))
    with pytest.raises(ValueError):
        masks().unpacked(damaged, *CANVAS)


def test_a_bomb_takes_no_more_memory_than_the_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    inflated, decompressobj = [], zlib.decompressobj

    class Watched:
        def __init__(self) -> None:
            self._inner = decompressobj()

        def decompress(self, data: bytes, most: int = 0) -> bytes:
            inflated.append(self._inner.decompress(data, most))
            return inflated[-1]

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    monkeypatch.setattr(masks().zlib, "decompressobj", Watched)
    with pytest.raises(ValueError):
        masks().unpacked(packed(pixels=bytes(50_000_000)), *CANVAS)
    assert list(map(len, inflated)) == [21]
