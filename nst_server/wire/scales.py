"""The scales that a picture is worked at, how iterations are shared over them, and what cannot be painted.

Sizes are (width, height) in whole pixels.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Mapping, Tuple

from .checks import InvalidParams
from .layers import parted_layer
from .params import FIELDS, Params

Size = Tuple[int, int]

#: Longest side in px where a stroke of the style still spans several pixels and an iteration takes
#: milliseconds.
COARSEST = 128
#: Fewer steps than this do not develop a scale; it is then better left out.
_FEWEST_ITERATIONS = 4


def fit_longest(size: Size, longest: int) -> Size:
    """``size`` brought to this longest side, at least 1 pixel wide and high; 0 leaves it."""
    width, height = size
    side = max(width, height)
    if longest <= 0 or longest == side:
        return size
    return max(1, (2 * width * longest + side) // (2 * side)), max(
        1, (2 * height * longest + side) // (2 * side)
    )


def scale_ladder(size: Size, step: float = 2.0) -> list[Size]:
    """Sizes from about 128 px on the longest side, each ``step`` times the one before, up to ``size``."""
    ladder = [size]
    # Half a step around 128 px: with 2 the coarsest lies between 96 and 192 px.
    while max(size) / step ** (len(ladder) - 1) >= COARSEST * (1 + step) / 2:
        factor = step ** len(ladder)
        width, height = (max(1, math.floor(side / factor + 0.5)) for side in size)
        ladder.append((width, height))
    return ladder[::-1]


def share_iterations(iterations: int, scales: int, step: float = 2.0) -> list[int]:
    """Iterations of each scale, coarse first; they add up to ``iterations``.

    Each gets four; of the rest each gets 1/``step`` of what the coarser one gets: composing strokes takes
    more steps than sharpening them, and a step at a coarse scale costs less. With few iterations the coarsest
    scales get none.
    """
    kept = max(1, min(scales, iterations // _FEWEST_ITERATIONS))
    weights = [step ** (kept - 1 - k) for k in range(kept)]
    spare, total = iterations - min(iterations, _FEWEST_ITERATIONS * kept), sum(weights)
    base = (iterations - spare) // kept
    shares = [base + int(spare * weight / total) for weight in weights]
    shares[0] += iterations - sum(shares)
    return [0] * (scales - kept) + shares


def scales_of(size: Size, params: Params) -> list[tuple[Size, int]]:
    """The sizes that a picture worked up to ``size`` goes through, with the iterations at each, coarse first.

    ``params.scale_iterations`` are those of the finest scales. Where it has more numbers than there are
    scales, the coarsest takes the iterations of those beyond.
    """
    sizes = _sizes(size, params)
    shares = list(params.scale_iterations)
    if not shares:
        shares = share_iterations(params.iterations, len(sizes), params.scale_step)
    beyond = max(0, len(shares) - len(sizes))
    shares = [sum(shares[: beyond + 1]), *shares[beyond + 1 :]]
    shares = [0] * (len(sizes) - len(shares)) + shares
    return [(scale, share) for scale, share in zip(sizes, shares) if share]


def check_usable(params: Params, size: Size, styles: int) -> None:
    """Raise InvalidParams where they cannot paint a content of ``size`` with so many ``styles``."""
    for name in ("style_weights", "style_scales"):
        given = len(getattr(params, name))
        if given not in (0, styles):
            problem = f"Numbers given: {given}. Styles: {styles}."
            raise InvalidParams(name, problem, "Give one number for each style, or none.")
    check_layers(params)
    check_scales(size, params)


def check_scales(size: Size, params: Params) -> None:
    """Raise InvalidParams if ``scale_iterations`` has more numbers than a content of ``size`` has scales."""
    full = fit_longest(size, params.size)
    scales = len(_sizes(full, params))
    if len(params.scale_iterations) > scales:
        worked = "1 scale" if scales == 1 else f"{scales} scales"
        smallest = replace(params, scale_step=FIELDS["scale_step"]["low"])
        more = ", or a larger `size`"
        if len(_sizes(full, smallest)) >= len(params.scale_iterations):
            more = ", or a smaller `scale_step`"
        elif not _is_small_first(params):
            more = ""
        raise InvalidParams(
            "scale_iterations",
            f"has {len(params.scale_iterations)} numbers, but {max(full)} px are worked at {worked}.",
            f"Give at most {scales}, coarse first{more}.",
        )


def check_layers(params: Params) -> None:
    """Raise InvalidParams if no style layer looks at the whole picture; at strength 0, no content layer.

    What is fine would then be left to chance: coloured noise or a weave, whatever the content's layers hold.
    Encoders' defaults have such layers.
    """
    name = "style_layers" if params.strength else "content_layers"
    layers: Mapping[str, float] = getattr(params, name)
    whole = [layer for layer, weight in layers.items() if weight and parted_layer(layer)[1] == 1]
    if layers and not whole and params.iterations:
        raise InvalidParams(
            name,
            "none of them looks at the whole picture: what is fine in it would be left to chance.",
            "Add one without @, such as conv1_1.",
        )


def _sizes(size: Size, params: Params) -> list[Size]:
    return scale_ladder(size, params.scale_step) if _is_small_first(params) else [size]


def _is_small_first(params: Params) -> bool:
    # A start image has its composition already; working it small first would only blur it.
    return params.coarse_to_fine and params.start_shares.get("image", 0) < 0.5
