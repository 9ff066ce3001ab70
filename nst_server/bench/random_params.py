"""Random parameters of jobs: any valid combination, drawn from the fields' own ranges and choices.

A parameter that is added to ``Params`` is drawn here without a change, unless it is of a new kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nst_server.engine.vgg import default_layers
from nst_server.wire.layers import SHRINKAGES, joined_layer, layer_names
from nst_server.wire.params import DEFAULTS, FIELDS, STYLE_LOSSES, FrameSchedule, Params
from nst_server.wire.starts import canonical

_DEFAULT = 0.4  # of the drawn values: combinations of a few unusual ones show more than all at once
_EXTREME = 0.15  # of the drawn numbers are an end of their range
_SPAN = 50.0  # from which ratio of its ends on a range is drawn by orders of magnitude
_LEAST = 1e-3  # of a range from 0 that is drawn so, in units of its upper end
# Ranges narrower than the fields' own, so that a round takes a moment.
_QUICK = {"iterations": (1, 12), "size": (0, 72)}
_SHALLOW = 5  # layers, conv1_1 to conv3_1: as deep as most rounds go
_DEEP = 0.1  # of the rounds go deeper


def random_params(random: Random, styles: int) -> Params:
    """Valid parameters for so many ``styles``, without ``scale_iterations``: those depend on the canvas."""
    values: dict[str, Any] = {"encoder": random.choice(FIELDS["encoder"]["choices"])}
    for name in FIELDS:
        if name in ("encoder", "scale_iterations"):
            continue
        if random.random() >= _DEFAULT or name == "iterations":
            values[name] = _value(random, name, styles, values)
    # The default layers go to conv5_1 in VGG; most rounds are to be quick.
    for name in ("content_layers", "style_layers"):
        if not values.get(name) and random.random() >= _DEEP:
            values[name] = _layers(random, values["encoder"])
    if values.get("style_layers"):
        losses = values.get("style_layer_losses", {})
        values["style_layer_losses"] = {k: v for k, v in losses.items() if k in values["style_layers"]}
    return Params(**values)


def random_changes(random: Random, styles: int) -> dict[str, Any]:
    """Values for one or more of the live parameters."""
    live = [name for name, meta in FIELDS.items() if meta.get("live")]
    return {
        name: _value(random, name, styles, {}) for name in random.sample(live, random.randint(1, len(live)))
    }


def random_iterations(random: Random, scales: int) -> tuple[int, ...]:
    """``scale_iterations`` for at most so many ``scales``."""
    counts = [random.choice((0, 1, 2, 5)) for _ in range(random.randint(1, scales))]
    return (*counts[:-1], max(1, counts[-1]))


def _value(random: Random, name: str, styles: int, others: Mapping[str, Any]) -> Any:
    meta, default = FIELDS[name], getattr(DEFAULTS, name)
    found: Any
    if name == "start":
        found = _start(random, meta["choices"])
    elif name == "style_layer_losses":
        layers = others.get("style_layers") or default_layers(others["encoder"]).style
        found = {layer: random.choice(STYLE_LOSSES) for layer in layers if random.random() < 0.5}
    elif isinstance(default, FrameSchedule):
        found = random.choice(("series", "none", "every:2", "1,3", "series+every:4"))
    elif isinstance(default, bool) or "choices" in meta:
        found = random.choice(meta.get("choices", (False, True)))
    elif isinstance(default, (int, float)):
        found = _number(random, type(default), *_QUICK.get(name, (meta["low"], meta["high"])))
    elif isinstance(default, tuple):
        numbers = [_number(random, float, meta["low"], meta["high"]) for _ in range(styles)]
        found = tuple(numbers) if any(numbers) else ()
    elif isinstance(default, Mapping):
        found = _layers(random, others["encoder"])
    else:
        raise TypeError(f"{name} is of a kind that no round draws yet: {default!r}.")
    return found


def _number(random: Random, kind: type, low: float, high: float) -> Any:
    if random.random() < _EXTREME:
        return kind(random.choice((low, high)))
    least = low if low > 0 else _LEAST * high
    if high > _SPAN * max(low, 1e-12) and high > _SPAN * least:
        drawn = math.exp(random.uniform(math.log(least), math.log(high)))
    else:
        drawn = random.uniform(low, high)
    return min(kind(high), max(kind(low), round(drawn) if kind is int else drawn))


def _start(random: Random, choices: Sequence[str]) -> str:
    names = random.sample(choices, random.choice((1, 1, 1, 2, 3)))
    ratios = {name: random.randint(1, 9) for name in names}
    return canonical({name: ratio / sum(ratios.values()) for name, ratio in ratios.items()})


def _layers(random: Random, encoder: str) -> dict[str, float]:
    known = layer_names(encoder)
    # Filters of the built-in encoder are learned layer by layer, the deep ones for tens of seconds.
    deepest = len(known) if encoder != "built-in" and random.random() < _DEEP else _SHALLOW
    chosen = random.sample(known[:deepest], random.randint(1, 3))
    # Nothing else sees what is fine: a picture begun from noise would stay noise.
    whole, *others = chosen
    others = [
        joined_layer(layer, random.choice(SHRINKAGES) if random.random() < 0.3 else 1) for layer in others
    ]
    return {layer: _number(random, float, 0.01, 100.0) for layer in (whole, *others)}
