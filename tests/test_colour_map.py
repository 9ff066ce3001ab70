"""A layer in flat colours as a map of regions: which colours are found, and the masks they make."""

from __future__ import annotations

import random
from typing import Any

import pytest
from plugin_parts import part

pytestmark = pytest.mark.usefixtures("plugin")
RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (20, 160, 60)


def pixels(*runs: tuple[tuple[int, int, int], int, int]) -> bytes:
    """Blue, green, red, alpha of runs of (colour, alpha, count)."""
    return b"".join(bytes([*colour[::-1], alpha]) * count for colour, alpha, count in runs)


def found(data: bytes, width: int = 10) -> list[Any]:
    """The colours of rows of that many px, and their shares."""
    colours = part("model.colour_map").flat_colours(data, width, len(data) // 4 // max(1, width))
    return [(colour, round(share, 3)) for colour, share in colours]


def blend(one: tuple[int, ...], other: tuple[int, ...], share: float) -> tuple[int, int, int]:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def rows(*runs: tuple[tuple[int, int, int], int, int], count: int = 100) -> bytes:
    """So many rows with these runs."""
    return pixels(*runs) * count


def test_colours_are_found_by_their_area() -> None:
    data = rows((RED, 255, 20), (BLUE, 255, 70), (GREEN, 40, 10), ((9, 9, 9), 20, 50))
    assert found(data, 150) == [("#0000ff", 0.7), ("#ff0000", 0.2), ("#14a03c", 0.1)]
    assert found(b"", 0) == found(pixels((RED, 0, 50))) == []


@pytest.mark.parametrize("width", [1, 10])
def test_a_single_row_or_column_has_its_colours(width: int) -> None:
    data = pixels((RED, 255, 4), (BLUE, 255, 6))
    assert found(data, width) == [("#0000ff", 0.6), ("#ff0000", 0.4)]
    assert found(pixels((RED, 255, 1)), 1) == [("#ff0000", 1.0)]


@pytest.mark.parametrize("edge", [1, 2, 64])
def test_blended_edges_are_no_colours_of_their_own(edge: int) -> None:
    blended = [(blend(RED, BLUE, (step + 1) / (edge + 1)), 255, 1) for step in range(edge)]
    colours = found(rows((RED, 255, 80), *blended, (BLUE, 255, 60)), 140 + edge)
    assert [colour[:2] + colour[5] for colour, _share in colours][:2] == ["#f0", "#0f"]
    assert len(colours) == 2 or edge == 64
    assert sum(share for _colour, share in colours) == pytest.approx(1, abs=0.002)


def test_shades_of_a_brush_are_one_colour() -> None:
    generator = random.Random(3)
    grain = [(tuple(level + generator.randrange(9) for level in GREEN), 255, 1) for _ in range(5000)]
    assert len(found(pixels(*grain), 100)) == 1


def test_colours_of_a_large_layer_are_found_in_a_sample() -> None:
    quarter = rows((RED, 255, 700), (BLUE, 255, 301), count=5)
    assert found(quarter + rows((GREEN, 255, 1001), count=5), 1001) == [
        ("#14a03c", 0.5),
        ("#ff0000", 0.35),
        ("#0000ff", 0.15),
    ]


def test_a_picture_has_no_more_colours_than_can_be_told_apart() -> None:
    levels = range(0, 256, 51)
    patches = b"".join(rows(((red, green, 128), 255, 12), count=12) for red in levels for green in levels)
    assert len(found(patches, 12)) == part("model.colour_map").MAX_COLOURS
    assert found(random.Random(1).randbytes(4 * 10_000), 100) == []


@pytest.mark.parametrize("strip", [7, 1 << 17])
def test_masks_of_a_layer_add_up_to_its_paint(strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module = part("model.colour_map")
    monkeypatch.setattr(module, "MAPPED_PIXELS", strip)
    generator = random.Random(2)
    runs = [(blend(RED, BLUE, generator.random()), generator.randrange(256), 1) for _ in range(500)]
    data = pixels((RED, 255, 3), (BLUE, 128, 2), (GREEN, 1, 1), (RED, 0, 1), *runs)
    colours = ["#ff0000", "#0000ff", "#14a03c"]
    made = module.ColourMap(data, colours)
    masks = [made.mask(colour) for colour in colours]
    assert [list(mask[:7]) for mask in masks] == [
        [255, 255, 255, 0, 0, 0, 0],
        [0, 0, 0, 128, 128, 0, 0],
        [0, 0, 0, 0, 0, 1, 0],
    ]
    assert bytes(map(sum, zip(*masks, strict=True))) == data[3::4]
    assert all(sum(map(bool, shares)) <= 1 for shares in zip(*masks, strict=True)), "no pixel has two"


def test_paint_belongs_to_the_nearest_colour() -> None:
    module = part("model.colour_map")
    runs = [(blend(RED, BLUE, share), 255, 1) for share in (0.1, 0.4, 0.6, 0.9)]
    made = module.ColourMap(pixels(*runs), ["#ff0000", "#0000ff"])
    assert (list(made.mask("#ff0000")), list(made.mask("#0000ff"))) == ([255, 255, 0, 0], [0, 0, 255, 255])


def test_a_colour_is_known_again_by_its_shades_alone() -> None:
    made = part("model.colour_map").ColourMap(pixels((RED, 255, 4)), ["#ff0000", "#0000ff"])
    assert made.has("#ff0000") and made.has("#f00a0a")
    assert not made.has("#a03030")
    assert made.mask("#f00a0a") == b"\xff" * 4
