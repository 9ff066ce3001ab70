"""A layer in flat colours as a map of regions: which colours it has, and where each of them is.

Pixels are bytes in sRGB: blue, green, red and straight alpha, 8 bits each, rows from top to bottom.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, Dict, NamedTuple, Sequence

#: Colours whose red, green and blue differ by no more than this in all are shades of one.
SHADES = 48
#: A colour has at least this share of the paint; a soft passage from one to another is spread over many.
MIN_SHARE = 1 / 400
#: Pixels of less than an eighth of full alpha, whose colours are too coarse to count.
CLEAR = 0x20 << 24
#: In so many px a side colours are looked for: of a photograph that takes 50 ms on a slow machine.
SAMPLE_SIDE = 160
#: Colours that are told apart at most: a layer with more of them is a picture, no map.
MAX_COLOURS = 24
#: So many pixels are divided at a time: that takes 20 ms on a slow machine, in which no other thread runs.
MAPPED_PIXELS = 1 << 17


class FlatColour(NamedTuple):
    """``colour``: as "#rrggbb". ``share``: of all that is painted, 0 to 1."""

    colour: str
    share: float


def flat_colours(pixels: Any, width: int, height: int) -> list[FlatColour]:
    """The colours of an image, that with the largest area first; all but clear ones left aside."""
    # As one number, little-endian, a pixel is 0xAARRGGBB.
    every = memoryview(pixels).cast("I")
    right_step, down_step = (max(1, -(-side // SAMPLE_SIDE)) for side in (width, height))
    numbers: list[int] = []
    for start in range(0, width * height, max(1, width * down_step)):
        numbers += every[start : start + width : right_step].tolist()
    width = -(-width // right_step)
    painted = Counter(number & 0xFFFFFF for number in numbers if number >= CLEAR)
    # Where paint is blended along an edge, the next pixel to the right or below has another colour.
    flat = Counter(
        number & 0xFFFFFF
        for number, right, below in zip(numbers, numbers[1:] or numbers, numbers[width:] or numbers)
        if number >= CLEAR and _are_shades(number, right) and _are_shades(number, below)
    )
    alike: dict[int, Counter[int]] = defaultdict(Counter)
    for number, count in flat.items():
        alike[number & 0xF0F0F0][number] = count
    groups = [(sum(group.values()), group.most_common(1)[0][0]) for group in alike.values()]
    total = sum(painted.values())
    found: list[int] = []
    for area, number in sorted(groups, reverse=True):
        is_new = all(_distance(number, known) > SHADES for known in found)
        if is_new and len(found) < MAX_COLOURS and area >= total * MIN_SHARE:
            found.append(number)
    if not found:
        return []
    areas, nearest = [0] * len(found), _Nearest(found)
    for number, count in painted.items():
        areas[nearest[number & 0xF8F8F8]] += count
    colours = [FlatColour(f"#{number:06x}", area / total) for number, area in zip(found, areas)]
    return sorted(colours, key=lambda colour: -colour.share)


class ColourMap:
    """A layer's paint divided among ``colours`` ("#rrggbb"), each pixel to the nearest."""

    def __init__(self, pixels: Any, colours: Sequence[str]) -> None:
        self._pixels: Any = pixels
        self._numbers = [int(colour[1:], 16) for colour in colours]
        self._alpha = self._nearest = b""

    def has(self, colour: str) -> bool:
        """Whether one of the colours is this one, or a shade of it."""
        return any(_distance(int(colour[1:], 16), known) <= SHADES for known in self._numbers)

    def mask(self, colour: str) -> bytes:
        """The alpha of the pixels of the nearest of the colours, 0 elsewhere; in any thread, but one."""
        if self._pixels is not None:
            self._divide()
        own = bytearray(256)
        own[self._index(colour)] = 255
        is_own, strips = bytes(own), []
        for start in range(0, len(self._alpha), MAPPED_PIXELS):
            alpha = self._alpha[start : start + MAPPED_PIXELS]
            chosen = self._nearest[start : start + MAPPED_PIXELS].translate(is_own)
            both = int.from_bytes(chosen, "little") & int.from_bytes(alpha, "little")
            strips.append(both.to_bytes(len(alpha), "little"))
        return b"".join(strips)

    def _index(self, colour: str) -> int:
        return _Nearest(self._numbers)[int(colour[1:], 16)]

    def _divide(self) -> None:
        """Make of the pixels their alpha, and the index of the colour that each is nearest to."""
        # Fewer numbers: of a picture with ten thousands of them each would have to be compared.
        coarse = int.from_bytes(b"\xf8\xf8\xf8\0" * MAPPED_PIXELS, "little")
        nearest, alphas, indices = _Nearest(self._numbers), [], []
        pixels = memoryview(self._pixels)
        for start in range(0, len(pixels), 4 * MAPPED_PIXELS):
            strip = bytes(pixels[start : start + 4 * MAPPED_PIXELS])
            alphas.append(strip[3::4])
            numbers = (int.from_bytes(strip, "little") & coarse).to_bytes(len(strip), "little")
            indices.append(bytes(map(nearest.__getitem__, memoryview(numbers).cast("I"))))
        self._alpha, self._nearest, self._pixels = b"".join(alphas), b"".join(indices), None


class _Nearest(Dict[int, int]):
    """Colour, as a number → index of the nearest of ``numbers``; worked out once for each."""

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__()
        self._numbers = numbers

    def __missing__(self, number: int) -> int:
        distances = [_distance(number, known) for known in self._numbers]
        self[number] = index = distances.index(min(distances))
        return index


def _are_shades(one: int, other: int) -> bool:
    return one == other or _distance(one, other) <= SHADES


def _distance(one: int, other: int) -> int:
    red = abs((one >> 16 & 255) - (other >> 16 & 255))
    green = abs((one >> 8 & 255) - (other >> 8 & 255))
    return red + green + abs((one & 255) - (other & 255))
