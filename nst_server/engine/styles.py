"""What is read of a style image: the statistics that a picture in its manner is to have."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from nst_server.engine.losses import Statistics, statistics
from nst_server.engine.pyramid import resize_map
from nst_server.engine.vgg import Encoder


def read_style(
    style: Tensor,
    encoder: Encoder,
    layers: Collection[str],
    check: Callable[[], None],
    largest: int,
    alpha: Tensor | None = None,
) -> dict[str, Statistics]:
    """The statistics of ``style`` [3, H, W] at ``layers``, read at most ``largest`` pixels at a time.

    Pixels count by ``alpha`` [H, W] in [0, 1], not 0 everywhere; None: all alike.
    """
    # Positions of features count by what lies in their own cell of the grid. Without those that see what is
    # transparent further out too few would be left: of two paintings with four kinds of holes, Gram matrices
    # were 1.1 to 3 times as far from those of the whole painting at the same places.
    style = style if alpha is None else torch.cat((style, alpha[None]))
    parts: dict[str, list[Statistics]] = {name: [] for name in layers}
    for tile in _tiles(style, largest):
        opacity = None if alpha is None else tile[3]
        if opacity is not None and not bool(opacity.any()):
            continue
        with torch.no_grad():
            features = encoder.features(tile[None, :3], layers, check, opacity)
        for name in layers:
            height, width = features[name].shape[2:]
            weights = None if opacity is None else resize_map(opacity, height, width)
            parts[name].append(statistics(features[name], weights))
    return {name: Statistics.merged(found) for name, found in parts.items()}


def _tiles(image: Tensor, largest: int) -> list[Tensor]:
    height, width = image.shape[1:]
    if height * width <= max(largest, 2):
        return [image]
    axis = 1 if height >= width else 2
    half = image.shape[axis] // 2
    rest = image.shape[axis] - half
    return _tiles(image.narrow(axis, 0, half), largest) + _tiles(image.narrow(axis, half, rest), largest)
