"""Names of layers: a convolution of VGG, and how far the picture is shrunk before it gets there."""

from __future__ import annotations

from typing import Iterable

# Convolutions in each block: 2, 2, 4, 4, 4 (VGG19) and 2, 2, 3, 3, 3 (VGG16), Simonyan & Zisserman 2014.
_CONVOLUTIONS = {
    "vgg19": tuple(f"conv{b}_{i}" for b, n in enumerate((2, 2, 4, 4, 4), 1) for i in range(1, n + 1)),
    "vgg16": tuple(f"conv{b}_{i}" for b, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)),
}

#: The sides of the pictures that a layer can look at: whole, half, a quarter …
SHRINKAGES = (1, 2, 4, 8, 16)


def layer_names(encoder: str) -> tuple[str, ...]:
    """Convolutions that ``encoder`` has, shallow to deep; "auto" and "built-in" have VGG19's shape."""
    return _CONVOLUTIONS["vgg16" if encoder == "vgg16" else "vgg19"]


def canonical_layer(name: str) -> str:
    """The one way to write it: "conv4_2" for "relu4_2" and "conv4_2@1".

    Papers also write relu4_2 for the rectified output of conv4_2; features are always rectified.
    """
    name = name.replace("relu", "conv")
    return name[:-2] if name.endswith("@1") else name


def parted_layer(name: str) -> tuple[str, int]:
    """Convolution and shrinkage: "conv3_1@2" is conv3_1 of the picture at half its size.

    Raises ValueError for another shrinkage than SHRINKAGES; whether there is such a convolution is not asked.
    """
    convolution, at, shrinkage = canonical_layer(name).partition("@")
    if at and shrinkage not in map(str, SHRINKAGES):
        raise ValueError(f"{name!r} shrinks the picture by none of {', '.join(map(str, SHRINKAGES))}.")
    return convolution, int(shrinkage or 1)


def depth(encoder: str, layers: Iterable[str]) -> int:
    """How many convolutions of ``encoder`` it takes to reach the deepest of ``layers``; at least 1.

    Raises ValueError for a layer that it has not.
    """
    known = layer_names(encoder)
    wanted = {parted_layer(layer)[0] for layer in layers}
    if unknown := wanted.difference(known):
        raise ValueError(f"{encoder} has no layer {', '.join(sorted(unknown))}. It has {', '.join(known)}.")
    return 1 + max((known.index(layer) for layer in wanted), default=0)
