"""Random pictures and maps of the kinds that an engine stumbles over."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import torch
from torch import Tensor

from nst_server.wire.scales import Size

_SIDE = 64  # px, of most pictures
_LONGEST = 256  # px, of thin ones: long enough for several scales, at hardly any cost


def random_size(random: Random, limit: float) -> Size:
    """Width and height of a picture of which no side is above ``limit`` px, if that is at least 1."""
    kind = random.random()
    if kind < 0.05:
        size = (1, 1)
    elif kind < 0.15:
        size = (random.randint(1, 3), random.randint(2, _LONGEST))
    elif kind < 0.25:
        size = (random.randint(140, _LONGEST), random.randint(4, 16))
    elif kind < 0.3:
        size = (random.randint(_SIDE, 2 * _SIDE), random.randint(_SIDE, 2 * _SIDE))
    else:
        size = (random.randint(2, _SIDE), random.randint(2, _SIDE))
    width, height = (max(1, min(side, int(limit))) for side in size)
    return (width, height) if random.random() < 0.5 else (height, width)


def random_image(random: Random, size: Size) -> Tensor:
    """A picture [3, H, W] in [0, 1] of a random kind."""
    return random.choice(list(KINDS.values()))(_generator(random), size)


def random_map(random: Random, size: Size) -> Tensor:
    """A map [H, W] in [0, 1] that is not 0 everywhere: a feathered half, holes, a single pixel, or faint."""
    generator = _generator(random)
    kind = random.choice(("half", "holes", "pixel", "faint"))
    if kind == "half":
        found = _ramp(generator, size).mul(3).sub(1).clamp(0, 1)
    elif kind == "holes":
        found = (clouds(generator, size).mean(0) > 0.5).float()
    elif kind == "faint":
        found = torch.full((size[1], size[0]), 1 / 255)
    else:
        found = torch.zeros(size[1], size[0])
    if not bool(found.any()):
        found[random.randrange(size[1]), random.randrange(size[0])] = 1.0
    return found


def clouds(generator: torch.Generator, size: Size) -> Tensor:
    """[3, H, W] in [0, 1]: noise with amplitudes as 1/f, as photographs have them (Field 1987)."""
    width, height = size
    spectrum = torch.fft.rfft2(torch.randn(3, height, width, generator=generator))
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width))
    amplitude = 1 / frequency.clamp_min(1 / max(size))
    found = torch.fft.irfft2(spectrum * amplitude, s=(height, width))
    found = found - found.mean((1, 2), keepdim=True)
    deviation = found.std(unbiased=False).clamp_min(1e-6)
    picture: Tensor = (0.5 + 0.2 * found / deviation).clamp(0, 1)
    return picture


def noise(generator: torch.Generator, size: Size) -> Tensor:
    """[3, H, W]: independent values, evenly from 0 to 1."""
    return torch.rand(3, size[1], size[0], generator=generator)


def _flat(generator: torch.Generator, size: Size) -> Tensor:
    colour = torch.rand(3, generator=generator)
    # Black and white as well: the box holds every pixel of them.
    return colour.mul(2).sub(0.5).clamp(0, 1)[:, None, None].expand(3, size[1], size[0]).contiguous()


def _gradient(generator: torch.Generator, size: Size) -> Tensor:
    ends = torch.rand(2, 3, 1, 1, generator=generator)
    return torch.lerp(ends[0], ends[1], _ramp(generator, size))


def _hard(generator: torch.Generator, size: Size) -> Tensor:
    """Stripes of two colours, black and white among them, as wide as may be."""
    pair = torch.rand(2, 3, 1, 1, generator=generator).round()
    stripes = (_ramp(generator, size) * float(torch.randint(2, 12, (), generator=generator))) % 2 < 1
    return torch.lerp(pair[0], pair[1], stripes.float())


def _grey(generator: torch.Generator, size: Size) -> Tensor:
    return clouds(generator, size).mean(0, keepdim=True).expand(3, -1, -1).contiguous()


def _ramp(generator: torch.Generator, size: Size) -> Tensor:
    """[H, W] from 0 to 1 along a random direction."""
    angle = float(torch.rand((), generator=generator)) * math.pi
    x, y = torch.linspace(-0.5, 0.5, size[0]), torch.linspace(-0.5, 0.5, size[1])
    along = x * math.cos(angle) + y[:, None] * math.sin(angle)
    ramp: Tensor = (along / 2**0.5 + 0.5).clamp(0, 1)
    return ramp


def _generator(random: Random) -> torch.Generator:
    return torch.Generator().manual_seed(random.getrandbits(32))


#: Kinds of pictures by name.
KINDS: dict[str, Callable[[torch.Generator, Size], Tensor]] = {
    "flat": _flat,
    "noise": noise,
    "gradient": _gradient,
    "clouds": clouds,
    "hard": _hard,
    "grey": _grey,
}
