"""Named-layer features of a VGG-shaped network (Simonyan & Zisserman 2014, arXiv 1409.1556).

VGG19, VGG16 and the built-in encoder are the same class with other weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nst_server.engine.pyramid import LEAST
from nst_server.weights import convolutions
from nst_server.wire.layers import joined_layer, parted_layer

# Mean and deviation of ImageNet's sRGB values: what torchvision's weights were trained with.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)

# The mean of four rectified values is below their maximum, and so is the root of their mean square. VGG's
# weights were trained behind maxima; with these gains mean activations up to conv3_1 are on average within
# 6 % of those (measured on five images). Filters learned behind another pooling need none.
_GAIN = {"average": 1.25, "l2": 1.2}
_TINY = 1e-12  # keeps the derivative of the root finite where all four values are 0


class Layers(NamedTuple):
    """Layer name → weight, of the content loss and of the style loss."""

    content: dict[str, float]
    style: dict[str, float]


def default_layers(encoder: str) -> Layers:
    """The layers that ``encoder`` is best used with."""
    if encoder == "built-in":
        # Where its pictures were judged best. Its deep filters know no objects, so conv4_2 loses structure;
        # conv2_2 alone holds every fleck of the content and leaves strokes ragged, conv3_1 alone dissolves
        # what is slender. Strokes are cleaner with all five style layers than with the first of each block.
        # Layers of the picture at half its size stand in for the deep ones of VGG: without those of the style
        # long strokes and swirls fall apart into short ones, and without that of the content they dissolve
        # the large forms. Snelgrove 2017 (SIGGRAPH Asia Technical Briefs, "High-Resolution Multi-Scale Neural
        # Texture Synthesis") compares Gram matrices at several sizes too.
        content = ["conv2_2", "conv3_1", "conv2_2@2"]
        style = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv2_1@2", "conv3_1@2"]
    else:
        # Gatys, Ecker & Bethge 2016 (CVPR), section 3.
        content, style = ["conv4_2"], ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"]
    return Layers(dict.fromkeys(content, 1.0), dict.fromkeys(style, 1.0))


def normalised(image: Tensor) -> Tensor:
    """ImageNet-normalised ``image`` [N, 3, H, W], sRGB in [0, 1]."""
    mean = image.new_tensor(MEAN).view(1, 3, 1, 1)
    deviation = image.new_tensor(DEVIATION).view(1, 3, 1, 1)
    return (image - mean) / deviation


def convolve(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Rectified 3×3 convolution [1, C, H, W] → [1, K, H, W] of the ``mirrored`` map; differentiable by ``x``.

    VGG was trained with zeros around. To a picture they are a grey frame, an edge that is not in it, and
    a style loss answers it with flecks along the border; mirrored, the outermost pixels are as any other.
    """
    found: Tensor = _Convolution.apply(x, weight, bias)
    return found


def mirrored(x: Tensor) -> Tensor:
    """``x`` [1, C, H, W] with one more position on every side: reflected, repeated where a side is 1 px."""
    return functional.pad(x, (1, 1, 1, 1), mode="reflect" if min(x.shape[2:]) > 1 else "replicate")


class _Convolution(torch.autograd.Function):
    """The gradient by hand: PyTorch's of mirroring is not deterministic on CUDA, and that of a frozen,
    rectified convolution needs nothing but its result, where autograd would keep the mirrored map too.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        found = functional.relu_(functional.conv2d(mirrored(x), weight, bias))
        ctx.save_for_backward(found, weight)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        found, weight = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient, found, 0)
        gradient = functional.conv_transpose2d(gradient, weight)
        # How far from the border the position lies that was mirrored.
        source = 1 if min(found.shape[2:]) > 1 else 0
        for axis in (2, 3):
            first, gradient, last = gradient.tensor_split((1, gradient.shape[axis] - 1), dim=axis)
            gradient.narrow(axis, source, 1).add_(first)
            gradient.narrow(axis, gradient.shape[axis] - 1 - source, 1).add_(last)
        return gradient, None, None


def pool(x: Tensor, pooling: str, gain: float = 1.0) -> Tensor:
    """``x`` [1, C, H, W] at half its size; a side of 1 px stays 1 px.

    "max"; "average", or "l2", the root of the mean square, times ``gain``.
    """
    window = (min(2, x.shape[-2]), min(2, x.shape[-1]))
    if pooling == "max":
        return functional.max_pool2d(x, window)
    if pooling == "l2":
        x = functional.avg_pool2d(x.square(), window).add(_TINY).sqrt()
    else:
        x = functional.avg_pool2d(x, window)
    return x if gain == 1.0 else x * gain


def halved(image: Tensor, weight: Tensor | None = None) -> Tensor:
    """``image`` [1, C, H, W] at half its size, after a blur of 1 3 3 1; a side of 1 px stays 1 px.

    Its pixels count by ``weight`` [1, 1, H, W] above 0; None: all alike.
    Means of 2×2 alone would let the gradient come in squares, which a flat sky shows as a weave. Made of
    means all the same: their gradients are deterministic on CUDA, those of other ways to shrink are not.
    """
    if weight is not None:
        return halved(image * weight) / halved(weight)
    image = functional.avg_pool2d(image, 2, stride=1, padding=1, count_include_pad=False)
    image = functional.avg_pool2d(image, 2, stride=1)
    return pool(image, "average")


def nothing() -> None:
    """The check of those who need none."""


class Encoder(nn.Module):
    """Frozen convolutions with VGG's layer names; only the gradient to the image is computed.

    Attributes: ``name`` ("vgg19", "vgg16", "built-in"), ``pooling`` ("max", "average", "l2"),
    ``default_content_layers`` and ``default_style_layers`` (layer name → weight), ``layers`` (the
    names that it has, shallow to deep), ``digest``.
    """

    def __init__(self, name: str, state: Mapping[str, Tensor], *, pooling: str = "auto") -> None:
        """``state``: "0.weight" [64, 3, 3, 3], "0.bias" [64] and so on, torchvision's keys of ``features``.

        It may end early; the encoder then ends there. ``pooling`` "auto" is max for VGG, as published, and
        average for the built-in encoder. Raises ValueError for a state without the first convolution or
        with other shapes.
        """
        super().__init__()
        family = "built-in" if name == "built-in" else "vgg"
        self.name = name
        self.pooling = pooling if pooling != "auto" else ("average" if family == "built-in" else "max")
        self._gain = _GAIN.get(self.pooling, 1.0) if family == "vgg" else 1.0
        self._convolutions = []
        for conv in convolutions(name):
            weight, bias = state.get(f"{conv.position}.weight"), state.get(f"{conv.position}.bias")
            if weight is None or bias is None:
                break
            if weight.shape != (conv.outputs, conv.inputs, 3, 3) or bias.shape != (conv.outputs,):
                raise ValueError(f"{conv.name} of {name} has weights of shape {tuple(weight.shape)}.")
            self._convolutions.append(conv)
            weight = weight.detach().to(torch.float32).contiguous(memory_format=torch.channels_last)
            self.register_buffer(f"weight_{conv.name}", weight)
            self.register_buffer(f"bias_{conv.name}", bias.detach().to(torch.float32))
        if not self._convolutions:
            raise ValueError(f"The state of {name} lacks 0.weight or 0.bias.")
        self.layers = tuple(conv.name for conv in self._convolutions)
        self.default_content_layers, self.default_style_layers = default_layers(name)

    @cached_property
    def digest(self) -> str:
        """SHA-256, 64 hex digits, over name, pooling and weights: all that features depend on."""
        sha = hashlib.sha256(f"{self.name} {self.pooling}".encode())
        for key, value in self.features_state().items():
            sha.update(f"{key} {tuple(value.shape)}".encode())
            sha.update(value.numpy().astype("<f4").data)
        return sha.hexdigest()

    def features_state(self) -> dict[str, Tensor]:
        """The weights with torchvision's keys, float32 on the CPU: what builds this encoder again."""
        state = {}
        for conv in self._convolutions:
            for kind in ("weight", "bias"):
                value: Tensor = getattr(self, f"{kind}_{conv.name}")
                state[f"{conv.position}.{kind}"] = value.detach().cpu().float().contiguous()
        return state

    def features(
        self,
        image: Tensor,
        layers: Collection[str],
        check: Callable[[], None] = nothing,
        alpha: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Rectified outputs of ``layers``, layer name → [1, C, h, w].

        ``image``: float32 [1, 3, H, W], sRGB in [0, 1], from 1×1 px; a name such as "conv3_1@2" asks for
        the layer of the image at half its size, where its pixels count by ``alpha`` [H, W] in [0, 1] (None:
        all alike). Nothing deeper than the deepest layer asked for is computed.
        ``check`` is called between layers, forward and backward; what it raises ends the pass. Raises
        ValueError for a layer that this encoder lacks.
        """
        wanted: dict[int, set[str]] = {}
        for layer in layers:
            convolution, shrinkage = parted_layer(layer)
            wanted.setdefault(shrinkage, set()).add(convolution)
        if unknown := set().union(*wanted.values()).difference(self.layers):
            raise ValueError(
                f"{self.name} has no layer {', '.join(sorted(unknown))}. It has {', '.join(self.layers)}."
            )
        found: dict[str, Tensor] = {}
        shrunk = 1
        weight = None if alpha is None else alpha.clamp_min(LEAST)[None, None]
        for shrinkage, names in sorted(wanted.items()):
            while shrunk < shrinkage:
                image, shrunk = halved(image, weight), 2 * shrunk
                weight = None if weight is None else halved(weight)
            for name, features in self._features(image, names, check).items():
                found[joined_layer(name, shrinkage)] = features
        check()
        return found

    def _features(
        self, image: Tensor, wanted: Collection[str], check: Callable[[], None]
    ) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        # A fifth less time than planar memory, on CPUs too.
        x = normalised(image).contiguous(memory_format=torch.channels_last)
        for conv in self._convolutions:
            if len(found) == len(wanted):
                break
            check()
            if conv.pooled:
                x = pool(x, self.pooling, self._gain)
            weight: Tensor = getattr(self, f"weight_{conv.name}")
            bias: Tensor = getattr(self, f"bias_{conv.name}")
            x = convolve(x.to(weight.dtype), weight, bias)
            if x.requires_grad and check is not nothing:
                x.register_hook(lambda _: check())  # type: ignore[no-untyped-call]
            if conv.name in wanted:
                found[conv.name] = x
        return found

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """``features`` of every layer."""
        return self.features(image, self.layers)
