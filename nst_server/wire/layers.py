"""Names of layers: a convolution of VGG, and how far the picture is shrunk before it gets there."""

from __future__ import annotations

import re
from typing import Iterable

# Convolutions in each block: 2, 2, 4, 4, 4 (VGG19) and 2, 2, 3, 3, 3 (VGG16), Simonyan & Zisserman 2014.
_CONVOLUTIONS = {
    "vgg19": tuple(f"conv{b}_{i}" for b, n in enumerate((2, 2, 4, 4, 4), 1) for i in range(1, n + 1)),
    "vgg16": tuple(f"conv{b}_{i}" for b, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)),
}

#: The sides of the pictures that a layer can look at: whole, half, a quarter …
SHRINKAGES = (1, 2, 4, 8, 16)

#: What a layer is called, for those who write one.
FORM = "Write conv3_1, or conv3_1@2 for the picture at half its size (@2, @4, @8 or @16)."

# Papers also write relu4_2 for the rectified output of conv4_2; features are always rectified.
_NAME = re.compile(rf"(?:conv|relu)([0-9]_[0-9])(?:@({'|'.join(map(str, SHRINKAGES))}))?")
_SHOWN = 40  # characters of a name that is none


def layer_names(encoder: str) -> tuple[str, ...]:
    """Convolutions that ``encoder`` has, shallow to deep; "auto" and "built-in" have VGG19's shape."""
    return _CONVOLUTIONS["vgg16" if encoder == "vgg16" else "vgg19"]


def parted_layer(name: str) -> tuple[str, int]:
    """Convolution and shrinkage: "conv3_1" and 2 for "relu3_1@2", conv3_1 of the picture at half its size.

    Raises ValueError for what is no name of a layer; whether there is such a convolution is not asked.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
        raise ValueError(f"{shown!r} is not a layer.")
    return f"conv{found[1]}", int(found[2] or 1)


def joined_layer(convolution: str, shrinkage: int) -> str:
    """The one way to write it: "conv3_1@2", and "conv3_1" for the whole picture."""
    return convolution if shrinkage == 1 else f"{convolution}@{shrinkage}"


def canonical_layer(name: str) -> str:
    """The one way to write ``name``. Raises ValueError for what is no name of a layer."""
    return joined_layer(*parted_layer(name))


def convolutions_needed(encoder: str, layers: Iterable[str]) -> int:
    """How many convolutions of ``encoder`` it takes to reach the deepest of ``layers``; at least 1.

    Raises ValueError for a layer that it has not.
    """
    known = layer_names(encoder)
    wanted = {parted_layer(layer)[0] for layer in layers}
    if unknown := wanted.difference(known):
        raise ValueError(f"{encoder} has no layer {', '.join(map(repr, sorted(unknown)))}.")
    return 1 + max((known.index(layer) for layer in wanted), default=0)
