"""The jobs that rounds paint: parameters, pictures, changes on the way, and the encoder, all at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor

from nst_server import weights
from nst_server.bench.random_images import random_image, random_map, random_size
from nst_server.bench.random_params import random_changes, random_iterations, random_params
from nst_server.engine.builtin import build_encoder
from nst_server.engine.regions import Regions
from nst_server.engine.vgg import Encoder, convolve, default_layers, normalised, pool
from nst_server.wire.checks import InvalidParams
from nst_server.wire.layers import convolutions_needed
from nst_server.wire.params import Params
from nst_server.wire.scales import Size, check_scales

_REPEATED, _RESUMED = 0.1, 0.1  # of the rounds
_READ = 160  # px, longest side at which a style is read, mostly


@dataclass(frozen=True)
class Case:
    """What a round paints.

    ``changes``: iteration after which live parameters change, and to what; ``stop``:
    iteration after which the painter stops, None: never; ``repeat``: how the same is to come out once more,
    "whole" from the start, "resumed" from a step in the middle, or "".
    """

    params: Params
    content: Tensor
    styles: list[Tensor]
    influence: Tensor | None
    masks: list[Tensor | None]
    start: Tensor | None
    changes: Mapping[int, Mapping[str, Any]]
    stop: int | None
    repeat: str

    @property
    def size(self) -> Size:
        """Width and height of the content."""
        return self.content.shape[2], self.content.shape[1]

    def regions(self) -> Regions | None:
        """Where the styles act."""
        return Regions.of(self.masks, self.size)

    def params_after(self, iteration: int) -> Params:
        """The parameters once the changes up to this iteration have been made."""
        params = self.params
        for when, changes in sorted(self.changes.items()):
            if when <= iteration:
                params = params.updated(changes)
        return params

    def described(self) -> dict[str, Any]:
        """What it is, as JSON values."""
        return {
            "params": self.params.to_header(),
            "content": self.size,
            "styles": [(style.shape[2], style.shape[1]) for style in self.styles],
            "alpha": self.influence is not None,
            "masks": [mask is not None for mask in self.masks],
            "start": None if self.start is None else (self.start.shape[2], self.start.shape[1]),
            "changes": {str(when): dict(changes) for when, changes in self.changes.items()},
            "stop": self.stop,
        }


def draw(seed: int, number: int) -> Case:
    """The case of round ``number``: the same for the same two numbers."""
    random = Random(f"{seed}/{number}")
    styles = random.choice((1, 1, 1, 2, 3))
    params = random_params(random, styles)
    size = random_size(random, _READ / (params.style_scale * max(params.style_scales, default=1.0)))
    content = random_image(random, size)
    if random.random() < 0.3:
        params = _with_scale_iterations(random, params, size)
    changes: dict[int, dict[str, Any]] = {}
    for _ in range(random.choice((0, 0, 1, 2))):
        changes[random.randint(1, params.iterations)] = random_changes(random, styles)
    masks: list[Tensor | None] = [None] * styles
    if random.random() < 0.3:
        masks = [random_map(random, size) if random.random() < 0.7 else None for _ in masks]
    chance = random.random()
    return Case(
        params=params,
        content=content,
        styles=[random_image(random, random_size(random, 128)) for _ in range(styles)],
        influence=random_map(random, size) if random.random() < 0.3 else None,
        masks=masks,
        start=random_image(random, random_size(random, 128)) if "image" in params.start_shares else None,
        changes=changes,
        stop=random.randint(1, params.iterations) if random.random() < 0.15 else None,
        repeat="whole" if chance < _REPEATED else "resumed" if chance < _REPEATED + _RESUMED else "",
    )


def _with_scale_iterations(random: Random, params: Params, size: Size) -> Params:
    for scales in (4, 2, 1):
        header = params.to_header()
        header.pop("iterations", None)
        found = Params.from_header({**header, "scale_iterations": random_iterations(random, scales)})
        try:
            check_scales(size, found)
        except InvalidParams:
            continue
        return found
    return params


def encoder_for(case: Case, weights_path: Path | None = None) -> Encoder:
    """The encoder of ``case``, as deep as it needs: "auto" is VGG19 here."""
    params = case.params
    layers = {
        *(params.content_layers or default_layers(params.encoder).content),
        *(params.style_layers or default_layers(params.encoder).style),
    }
    if params.encoder == "built-in":
        return build_encoder(
            case.content, case.styles, layers=layers, pooling=params.pooling, seed=params.seed
        )
    name = "vgg16" if params.encoder == "vgg16" else "vgg19"
    state = None
    if weights_path is not None:
        found = loaded(weights_path)
        state = found.state if found.name == name else None
    state = state or _random_filters(name)
    needed = {
        f"{conv.position}.{kind}": state[f"{conv.position}.{kind}"]
        for conv in weights.convolutions(name)[: convolutions_needed(name, layers)]
        for kind in ("weight", "bias")
    }
    return Encoder(name, needed, pooling=params.pooling)


loaded = cache(weights.load)


@cache
def _random_filters(name: str) -> dict[str, Tensor]:
    """He's initialisation, but a third of each filter alike over its nine taps; mean activation 1 on noise.

    VGG19's own have 0.18 to 0.60 of their energy there up to conv3_1, white ones 0.11: to those any grain is
    a step towards another colour.
    """
    generator = torch.Generator().manual_seed(0)
    x = normalised(torch.rand(1, 3, 64, 64, generator=generator))
    state = {}
    for conv in weights.convolutions(name):
        shape = (conv.outputs, conv.inputs, 3, 3)
        weight = torch.randn(shape, generator=generator) * (2 / (9 * conv.inputs)) ** 0.5
        weight = weight + weight.mean((2, 3), keepdim=True)
        bias = torch.zeros(conv.outputs)
        x = convolve(pool(x, "max") if conv.pooled else x, weight, bias)
        scale = 1 / x.mean().clamp_min(1e-6)
        x = x * scale
        state[f"{conv.position}.weight"], state[f"{conv.position}.bias"] = weight * scale, bias
    return state
