"""Fine detail for a picture that comes from a coarser scale: that of the styles, where they look alike.

Noise with the covariances of all that detail would have all its directions at all places: a weave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, fold, pad

from nst_server.engine.pyramid import resize, resize_map
from nst_server.engine.vgg import nothing
from nst_server.wire.scales import Size

_PATCH = 24  # px; a stroke at a scale's finest is shorter
_STEP = 12  # px between patches: each place lies under two in either direction, which pass into each other
_CELL = 2  # px; nothing finer came from the coarser scale
# What the mean colour counts, against how the cells of a patch differ from it.
_COLOUR = 0.5
_PLACES = 8192  # of a style, to choose from
_AT_ONCE = 4096  # patches, of which a slow processor looks at so many in a tenth of a second
# Each patch is chosen from one of so many groups of places, drawn at random: chosen from all, the same one
# would come again and again in a plain area, and be seen as a lattice.
_GROUPS = 16
_FEWEST = 64  # places of a group, where a style has as many
# Of the deviation around it: what stands out further, a boat or a speck, would be strewn over what is plain.
_SPECK = 2.5
# By how much the deviation is raised at most: to a plain picture no rough place of a style is near.
_MOST = 1.5
_FADE = torch.sin(torch.pi * (torch.arange(_PATCH) + 0.5) / _PATCH) ** 2


def matched_grain(
    picture: Tensor,
    coarser: Size,
    styles: Sequence[Tensor],
    shares: Sequence[float],
    seed: int,
    alphas: Sequence[Tensor | None] = (),
    check: Callable[[], None] = nothing,
) -> Tensor:
    """Grain [3, H, W] around 0, on the CPU, for ``picture`` [3, H, W], which was enlarged from ``coarser``.

    It is what the ``styles`` (each [3, h, w], as they are read at the picture's size) lose when they are
    shrunk as much, in patches: each from where a style, without it, looks much like the picture there. Which
    style that is, is drawn by their ``shares``, which add up to 1 or are all 0. Their pixels count by
    ``alphas`` ([h, w] in [0, 1] for each, or None: all alike). ``check`` is called often; what it raises ends
    the search.
    """
    if not any(shares):
        return torch.zeros(picture.shape)
    generator = torch.Generator().manual_seed(seed)
    # For each style its own, that none depends on which others have a share.
    seeds = torch.randint(2**62, (len(styles),), generator=generator).tolist()
    height, width = picture.shape[1:]
    factor = coarser[0] / width, coarser[1] / height
    rows, columns = (-(-length // _STEP) + 1 for length in (height, width))
    framed = _framed(picture.detach().cpu().float(), rows, columns)
    down, across = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).T * _STEP
    looks = _looks(framed, down, across, check)
    owners = torch.multinomial(torch.tensor(shares), rows * columns, replacement=True, generator=generator)
    grain = torch.zeros(3, (rows + 1) * _STEP, (columns + 1) * _STEP)
    energy = wanted = 0.0
    for index, (style, share) in enumerate(zip(styles, shares, strict=True)):
        if not share:
            continue
        generator = torch.Generator().manual_seed(seeds[index])
        alpha = alphas[index] if alphas else None
        source = _Source(style.detach().cpu().float(), alpha, factor, generator, check)
        wanted += share * source.energy
        places = source.like(looks, generator, check).view(rows, columns)
        for row, (owner, place) in enumerate(zip(owners.view(rows, columns), places, strict=True)):
            check()
            patches = source.patches(place) * (owner == index)[:, None, None, None]
            energy += float(patches.square().sum())
            grain[:, row * _STEP : row * _STEP + _PATCH] += _laid(patches * _FADE[:, None] * _FADE)
    grain = grain[:, _STEP : _STEP + height, _STEP : _STEP + width]
    energy /= rows * columns * 3 * _PATCH**2
    # What is nearest in looks is smoother than most of a style, as what is smooth is near to much.
    raised = min(_MOST, (wanted / max(energy, 1e-12)) ** 0.5)
    found: Tensor = grain / _deviation(grain, energy) * raised
    return found


def _laid(patches: Tensor) -> Tensor:
    """[3, 24, …]: ``patches`` [n, 3, 24, 24] added up in a row, a step apart."""
    size = _PATCH, (len(patches) + 1) * _STEP
    laid: Tensor = fold(patches.flatten(1).T[None], size, _PATCH, stride=_STEP)
    return laid[0]


def _deviation(grain: Tensor, energy: float) -> Tensor:
    """[H, W]: what overlapping has left of the deviation of patches with that mean ``energy``.

    Patches that agree keep it all; the less they do, the more is lost in the middle between them. Not put
    right, that would be a lattice.
    """
    fade = _FADE.square().view(2, _STEP).sum(0)
    apart = fade[:, None] * fade
    least = float(apart.mean())
    left = float(grain.square().mean()) / max(energy, 1e-12)
    agreeing = min(1.0, max(0.0, (left - least) / (1 - least)))
    rows, columns = (-(-length // _STEP) for length in grain.shape[1:])
    tile = (agreeing + (1 - agreeing) * apart).sqrt()
    return tile.repeat(rows, columns)[: grain.shape[1], : grain.shape[2]]


class _Source:
    """The places of a style [3, h, w] to take grain from, and how they look without it."""

    def __init__(
        self,
        style: Tensor,
        alpha: Tensor | None,
        factor: tuple[float, float],
        generator: torch.Generator,
        check: Callable[[], None],
    ) -> None:
        height, width = style.shape[1:]
        shrunk = max(1, round(width * factor[0])), max(1, round(height * factor[1]))
        seen = None if alpha is None else alpha.cpu()
        small = resize(style, shrunk, seen)
        check()
        smooth = resize(small, (width, height), None if seen is None else resize_map(seen, *shrunk[::-1]))
        check()
        detail = style - smooth if seen is None else (style - smooth) * seen
        counted = float(detail[0].numel()) if seen is None else float(seen.square().sum())
        self.energy = float(detail.square().sum()) / max(3 * counted, 1e-12)
        self._detail = _without_specks(_at_least_a_patch(detail))
        check()
        down, across = ((length - _PATCH) // _CELL + 1 for length in self._detail.shape[1:])
        places = torch.arange(down * across)
        if seen is not None:
            cells = avg_pool2d(_at_least_a_patch(seen[None]), _CELL)
            covered = avg_pool2d(cells, _PATCH // _CELL, 1).flatten()
            places = places[covered >= 0.9 * covered.max()]
        places = places[torch.randperm(len(places), generator=generator)[:_PLACES]]
        self._rows, self._columns = places // across * _CELL, places % across * _CELL
        self._looks = _looks(_at_least_a_patch(smooth), self._rows, self._columns, check)

    def like(self, looks: Tensor, generator: torch.Generator, check: Callable[[], None]) -> Tensor:
        """[n]: for each of ``looks`` [n, d] the place that comes nearest, of a group that is drawn."""
        count = max(1, min(_GROUPS, len(self._looks) // _FEWEST))
        groups = torch.randint(count, (len(looks),), generator=generator)
        found = torch.empty(len(looks), dtype=torch.long)
        for group in range(count):
            check()
            own = self._looks[group::count]
            asked = groups == group
            distances = own.square().sum(1) - 2 * looks[asked] @ own.T
            found[asked] = distances.argmin(1) * count + group
        return found

    def patches(self, places: Tensor) -> Tensor:
        """[n, 3, 24, 24]: the detail of these ``places`` [n]."""
        return _cut(self._detail, self._rows[places], self._columns[places], _PATCH)


def _without_specks(detail: Tensor) -> Tensor:
    """``detail`` [3, h, w], in no channel further from 0 than 2.5 times the deviation of all around it."""
    power = pad(detail.square().mean(0)[None, None], [_PATCH // 2] * 4, mode="replicate")
    for window in (_PATCH + 1, 1), (1, _PATCH + 1):
        power = avg_pool2d(power, window, 1)
    most = _SPECK * power[0].sqrt()
    return torch.minimum(torch.maximum(detail, -most), most)


def _looks(image: Tensor, rows: Tensor, columns: Tensor, check: Callable[[], None]) -> Tensor:
    """[n, d]: how the patches of ``image`` [3, h, w] look that begin at ``rows`` and ``columns`` [n]."""
    cells, side = avg_pool2d(image, _CELL), _PATCH // _CELL
    found = []
    for start in range(0, len(rows), _AT_ONCE):
        check()
        some = slice(start, start + _AT_ONCE)
        seen = _cut(cells, rows[some] // _CELL, columns[some] // _CELL, side).flatten(2)
        mean = seen.mean(2, keepdim=True)
        found.append(torch.cat((seen - mean, _COLOUR * side * mean), 2).flatten(1))
    return torch.cat(found)


def _cut(image: Tensor, rows: Tensor, columns: Tensor, side: int) -> Tensor:
    """[n, C, side, side]: the squares of ``image`` [C, h, w] that begin at ``rows`` and ``columns`` [n]."""
    inside = torch.arange(side)
    squares: Tensor = image[:, rows[:, None, None] + inside[:, None], columns[:, None, None] + inside]
    return squares.transpose(0, 1)


def _framed(image: Tensor, rows: int, columns: int) -> Tensor:
    """``image`` [3, h, w] from one step outside to the end of so many patches, going on as it ends."""
    margins = (_STEP, columns * _STEP - image.shape[2], _STEP, rows * _STEP - image.shape[1])
    return pad(image[None], margins, mode="replicate")[0]


def _at_least_a_patch(image: Tensor) -> Tensor:
    """``image`` [C, h, w], repeated where it is smaller than a patch."""
    down, across = (-(-_PATCH // length) for length in image.shape[1:])
    return image if down == across == 1 else image.repeat(1, down, across)
