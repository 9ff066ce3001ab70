"""How far frames belong from where they were made for, as the layers that lie there tell it."""

from __future__ import annotations

from itertools import product
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest


class Node:
    """A layer of paint that fills a canvas of 200 × 100 px."""

    def __init__(self, name: str = "source") -> None:
        self.name = name
        self.at, self.area = (0, 0), (0, 0, 200, 100)
        self.paint = [[(x * x + 3 * y) % 251 for x in range(200)] for y in range(100)]

    def uniqueId(self) -> Any:  # noqa: N802
        return SimpleNamespace(toString=lambda: self.name)

    def childNodes(self) -> list[Any]:  # noqa: N802
        return []

    def animated(self) -> bool:
        return False

    def type(self) -> str:
        return "paintlayer"

    def position(self) -> Any:
        return SimpleNamespace(x=lambda: self.at[0], y=lambda: self.at[1])

    def bounds(self) -> Any:
        names = ("x", "y", "width", "height")
        return SimpleNamespace(**{name: lambda n=n: n for name, n in zip(names, self.area, strict=True)})

    def pixelData(self, x: int, y: int, width: int, height: int) -> bytes:  # noqa: N802
        (dx, dy), black = self.at, [0] * 200
        rows = [self.paint[row] if 0 <= row < 100 else black for row in range(y - dy, y - dy + height)]
        columns = range(x - dx, x - dx + width)
        values = [row[column] if 0 <= column < 200 else 0 for row in rows for column in columns]
        return b"".join(bytes([value, 255]) for value in values)

    def move(self, x: int, y: int) -> None:
        (was_x, was_y), (left, top, width, height) = self.at, self.area
        self.at, self.area = (x, y), (left + x - was_x, top + y - was_y, width, height)


class Image:
    """A document with one layer, as Krita changes it."""

    def __init__(self, part: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        module = part("host.placing")
        self.is_free, self.source = True, Node()
        monkeypatch.setattr(module, "is_free", lambda _document: self.is_free)
        root = SimpleNamespace(childNodes=lambda: [self.source] if self.source else [])
        self.document = SimpleNamespace(size=(200, 100), is_open=True, root=root)
        self.placing = module.Placing(self.document, "source")

    def lies(self, size: tuple[int, int], at: tuple[int, int], area: tuple[int, int, int, int]) -> None:
        self.document.size, self.source.at, self.source.area = size, at, area

    @property
    def offset(self) -> Any:
        found = self.placing.offset(None)
        assert self.placing.is_lost is (found is None)
        return found


@pytest.fixture
def image(part: Any, monkeypatch: pytest.MonkeyPatch) -> Image:
    return Image(part, monkeypatch)


BEFORE = (200, 100), (0, 0), (0, 0, 200, 100)
RESIZED = (300, 100), (60, 0), (60, 0, 200, 100)
CROPPED = (50, 40), (-30, -20), (0, 0, 50, 40)
CROPPED_AT_ITS_END = (50, 40), (0, 0), (0, 0, 50, 40)  # or scaled down
WIDER = (300, 100), (0, 0), (0, 0, 200, 100)
SCALED = (100, 50), (0, 0), (0, 0, 100, 50)
TURNED = (100, 200), (99, 0), (0, 0, 100, 200)
UPSIDE_DOWN = (200, 100), (199, 99), (0, 0, 200, 100)


@pytest.mark.parametrize(
    ("state", "offset"),
    [
        (RESIZED, (60, 0)),
        (CROPPED, (-30, -20)),
        (WIDER, (0, 0)),
        (CROPPED_AT_ITS_END, None),
        (SCALED, None),
        (TURNED, None),
        (UPSIDE_DOWN, None),
    ],
)
def test_what_has_become_of_the_source_tells_where_frames_belong(
    image: Image, state: Any, offset: Any
) -> None:
    assert image.offset == (0, 0)
    image.lies(*state)
    assert image.offset == offset
    image.lies(*BEFORE)
    assert image.offset == (0, 0), "undone"
    image.lies(*SCALED)
    assert image.offset is None, "whatever was undone"


def test_a_source_that_is_painted_on_lies_where_it_did(image: Image) -> None:
    image.source.area = (20, 20, 30, 30)
    assert image.offset == (0, 0)


@pytest.mark.parametrize(
    "ways",
    [
        [lambda rows: [row[::-1] for row in rows]],
        [lambda rows: rows[::-1]],
        [lambda rows: [row[::-1] for row in rows], lambda rows: rows[::-1]],
    ],
)
def test_frames_wait_while_the_image_is_mirrored(image: Image, ways: Any) -> None:
    before = image.source.paint
    for way in ways:
        image.source.paint = way(image.source.paint)
        assert image.offset is None
    image.source.paint = before
    assert image.offset == (0, 0), "undone"


def test_an_image_that_is_mirrored_and_painted_on_is_mirrored(image: Image) -> None:
    image.source.paint = [row[:120] + [7] * 80 for row in image.source.paint][::-1]
    assert image.offset is None
    image.placing.accept()
    assert image.offset == (0, 0), "as the painter wants it"


def test_a_layer_that_is_painted_on_is_not_mirrored(image: Image) -> None:
    paint = image.source.paint
    plain = [[7] * 200] * 100
    for changed in (plain, [row[:40] + [7] * 160 for row in paint], plain[:40] + paint[40:]):
        image.source.paint = changed
        assert image.offset == (0, 0)


def drawing(seed: int) -> list[list[int]]:
    """A few strokes on plain paper."""
    random, paint = Random(seed), [[255] * 200 for _ in range(100)]
    for _ in range(12):
        x, y, ink = random.randrange(200), random.randrange(100), random.randrange(200)
        step = random.choice([(1, 0), (0, 1), (1, 1), (1, -1)])
        for at, thick in product(range(60), range(5)):
            down, across = y + at * step[1] + thick * step[0], x + at * step[0] + thick * step[1]
            paint[down % 100][across % 200] = ink
    return paint


def test_a_drawing_on_plain_paper_is_mirrored_and_another_one_is_not(
    part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for seed in range(20):
        for change in (drawing(seed + 100), [row[::-1] for row in drawing(seed)]):
            image = Image(part, monkeypatch)
            image.source.paint = drawing(seed)
            image.placing = type(image.placing)(image.document, "source")
            image.source.paint = change
            told.append(image.offset is None)
    assert sum(told[::2]) <= 2 and sum(told[1::2]) >= 18


def test_an_image_that_was_mirrored_is_told_after_it_was_resized(image: Image) -> None:
    before = image.source.paint
    image.source.paint = [row[::-1] for row in before]
    assert image.offset is None
    image.lies(*RESIZED)
    assert image.offset is None
    image.source.paint = before
    assert image.offset == (60, 0)


def test_what_the_painter_has_accepted_does_not_hold_once_it_is_undone(image: Image) -> None:
    before = image.source.paint
    image.source.paint = before[::-1]
    assert image.offset is None
    image.placing.accept()
    assert image.offset == (0, 0)
    image.source.paint = before
    assert image.offset == (0, 0), "as it was at first"
    image.source.paint = before[::-1]
    assert image.offset == (0, 0), "redone"


def test_nothing_is_mirrored_until_krita_is_done_with_it(image: Image) -> None:
    image.source.paint, image.is_free = image.source.paint[::-1], False
    assert image.offset == (0, 0)
    image.is_free = True
    assert image.offset is None


def test_the_painter_can_have_frames_where_they_came_last(image: Image) -> None:
    image.lies(*RESIZED)
    assert image.offset == (60, 0)
    image.lies((150, 50), (60, 0), (30, 0, 100, 50))
    assert image.offset is None
    image.placing.accept()
    assert image.offset == (60, 0)
    image.lies(*RESIZED)
    image.lies(*TURNED)
    assert image.offset is None, "that was for what he saw then"


def test_a_frame_tells_it_before_the_source_does_and_the_source_when_it_is_undone(image: Image) -> None:
    frame = Node("frame")
    image.lies(*RESIZED)
    assert image.offset == (60, 0)
    image.placing.put(frame)
    assert frame.at == (60, 0), "for a later session"
    image.source.at = (0, 0)  # the painter has moved it
    assert image.placing.offset(frame) == (60, 0)
    image.document.size = (320, 120)
    frame.move(70, 10)
    image.source.area = (0, 0, 320, 120)
    assert image.placing.offset(frame) == (70, 10)
    assert image.offset == (70, 10)


def test_a_layer_of_an_earlier_session_tells_it_by_its_position(image: Image) -> None:
    frame = Node("frame")
    frame.move(-5, 7)
    assert image.placing.offset(frame) == (-5, 7)


def test_nothing_is_concluded_while_krita_is_at_it(image: Image) -> None:
    image.is_free = False
    image.lies(*RESIZED)
    assert image.offset is None
    image.is_free = True
    assert image.offset == (60, 0)


def test_without_a_layer_the_size_of_the_image_counts(image: Image) -> None:
    image.source = None
    assert image.offset == (0, 0)
    image.document.size = (100, 50)
    assert image.offset is None
    image.placing.accept()
    assert image.offset == (0, 0)


def test_what_was_painted_on_follows_the_canvas_all_the_same(image: Image) -> None:
    image.source.area = (20, 20, 30, 30)
    assert image.offset == (0, 0)
    image.source.area = (10, 20, 80, 30)
    assert image.offset == (0, 0)
    image.lies((300, 100), (60, 0), (70, 20, 80, 30))
    assert image.offset == (60, 0)


def test_a_source_that_comes_back_lies_where_the_frames_do(image: Image, part: Any) -> None:
    source, image.source = image.source, None
    image.placing = part("host.placing").Placing(image.document, "source")
    source.move(-40, 0)
    image.source = source
    assert image.offset == (0, 0)


def test_krita_is_not_asked_whether_it_draws_while_nothing_changes(
    image: Image, part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(_document: Any) -> bool:
        raise AssertionError("its preview would be drawn anew each time")

    monkeypatch.setattr(part("host.placing"), "is_free", asked)
    assert image.offset == (0, 0)
