"""What a picture is optimised for at one scale: content, style and total variation, with their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nst_server.engine.losses import (
    ContentTarget,
    Statistics,
    StyleTarget,
    content_error,
    statistics,
    style_error,
    style_gradient,
    total_variation,
)
from nst_server.engine.optimisers import Evaluation
from nst_server.engine.pyramid import resize_map
from nst_server.engine.vgg import Encoder
from nst_server.wire.params import Params

# Content weight against a style weight of 1, before strength. At this ratio, with both losses relative,
# three pairs were clearly painted and their content clear.
_BALANCE = 0.25
# Added to the error that the content itself has against the style, so that a layer where both agree already
# does not get an unbounded weight.
_AGREEMENT = 0.02
# Loss of a picture as grainy as its content at tv = 1, against a style loss of 1 for the content itself.
_TV_UNIT = 0.04
# Total variation in units of tv that a low strength brings along, as a multiple of s (1 - 2 s). Without it
# the style's energy goes into specks in flat areas, where a firmly held content leaves no room for strokes.
_CALM = 3.0
# Mean colour difference of neighbours below which a picture counts as flat (2.5 steps of 8-bit colour).
_TV_FLOOR = 0.01


@dataclass(frozen=True)
class Weights:
    """How the losses add up: weight of content, style and total variation, share of each style."""

    content: float
    style: float
    tv: float
    shares: tuple[float, ...]

    @classmethod
    def of(cls, params: Params, styles: int) -> Weights:
        """Weights for ``styles`` styles; styles beyond those that ``params`` lists get weight 0."""
        return cls(
            content=_BALANCE * (1 - params.strength),
            style=params.strength,
            tv=params.tv + _CALM * params.strength * max(0.0, 1 - 2 * params.strength),
            shares=style_shares(params, styles),
        )


def style_shares(params: Params, styles: int) -> tuple[float, ...]:
    """The share of each style, adding up to 1; equal if ``params`` names none of these styles."""
    weights = list(params.style_weights[:styles]) + [0.0] * (styles - len(params.style_weights))
    total = sum(weights)
    return tuple(weight / total for weight in weights) if total > 0 else (1 / styles,) * styles


def used_layers(encoder: Encoder, params: Params) -> tuple[dict[str, float], dict[str, float]]:
    """Content and style layers with their weights, each adding up to 1, from ``params`` or the encoder."""
    return (
        _normalised(params.content_layers or encoder.default_content_layers),
        _normalised(params.style_layers or encoder.default_style_layers),
    )


def _normalised(layers: Mapping[str, float]) -> dict[str, float]:
    total = sum(layers.values())
    return {name: weight / total for name, weight in layers.items() if weight > 0}


def read_style(
    style: Tensor, encoder: Encoder, layers: Mapping[str, float], check: Callable[[], None], largest: int
) -> dict[str, StyleTarget]:
    """The targets that ``style`` [3, H, W] sets at ``layers``, read at most ``largest`` pixels at a time."""
    parts: dict[str, list[Statistics]] = {name: [] for name in layers}
    for tile in _tiles(style, largest):
        with torch.no_grad():
            features = encoder.features(tile[None], layers, check)
        for name in layers:
            parts[name].append(statistics(features[name]))
    return {name: StyleTarget.of(Statistics.merged(stats)) for name, stats in parts.items()}


def _tiles(image: Tensor, largest: int) -> list[Tensor]:
    height, width = image.shape[1:]
    if height * width <= max(largest, 2):
        return [image]
    axis = 1 if height >= width else 2
    half = image.shape[axis] // 2
    rest = image.shape[axis] - half
    return _tiles(image.narrow(axis, 0, half), largest) + _tiles(image.narrow(axis, half, rest), largest)


class Objective:
    """Loss and gradient of an image at one scale. Call it with an image [3, H, W] in [0, 1].

    ``reference`` [3, H, W] is the content, which losses are relative to; ``target`` [3, H, W] is what the
    content loss compares with, the reference if None; ``influence`` [H, W] in [0, 1] says how much each pixel
    counts. ``losses`` of an evaluation: content, style, tv before weighting, and their total.
    """

    def __init__(
        self,
        encoder: Encoder,
        reference: Tensor,
        styles: Sequence[Mapping[str, StyleTarget]],
        params: Params,
        *,
        target: Tensor | None = None,
        influence: Tensor | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._encoder = encoder
        self._styles = styles
        self._influence = influence
        self._maps: dict[tuple[int, int], Tensor] = {}
        self._check = check
        self._weights = Weights.of(params, len(styles))
        self._content_layers, self._style_layers = used_layers(encoder, params)
        self._layers = frozenset(self._content_layers) | frozenset(self._style_layers)
        with torch.no_grad():
            features = encoder.features(reference[None], self._layers, check)
        self._content = {
            name: ContentTarget.of(features[name], self._map(features[name])) for name in self._content_layers
        }
        if target is not None:
            with torch.no_grad():
                held = encoder.features(target[None], self._content_layers, check)
            self._content = {
                name: replace(content, features=held[name].detach())
                for name, content in self._content.items()
            }
        # Relative to the content's own error, so that a layer's depth and size do not change what it counts.
        self._style_units = {
            name: weight / (_AGREEMENT + float(self._style_error(name, features[name])[0]))
            for name, weight in self._style_layers.items()
        }
        self._tv_unit = _TV_UNIT / (_TV_FLOOR + float(total_variation(reference)[0]))

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at ``image`` [3, H, W]."""
        leaf = image.detach()[None].contiguous(memory_format=torch.channels_last).requires_grad_()
        with torch.enable_grad():
            features = self._encoder.features(leaf, self._layers, self._check)
        gradients: dict[str, Tensor] = {}
        content, style = image.new_zeros(()), image.new_zeros(())
        for name, weight in self._content_layers.items():
            value, gradient = content_error(features[name], self._content[name], self._map(features[name]))
            content += weight * value
            gradients[name] = gradient.mul_(self._weights.content * weight)
        for name, unit in self._style_units.items():
            value, derivative = self._style_error(name, features[name])
            style += unit * value
            scaled = self._weights.style * unit
            derivative = Statistics(derivative.mean * scaled, derivative.gram * scaled, derivative.weight)
            gradient = style_gradient(features[name], derivative, self._map(features[name]))
            gradients[name] = gradients[name].add_(gradient) if name in gradients else gradient
        (gradient,) = torch.autograd.grad(
            [features[name] for name in gradients], leaf, list(gradients.values())
        )
        tv, tv_gradient = total_variation(image)
        gradient = gradient[0].contiguous()
        if self._weights.tv:
            gradient = gradient + tv_gradient * (self._weights.tv * self._tv_unit)
        parts = torch.stack([content, style, tv * self._tv_unit]).tolist()
        losses = dict(zip(("content", "style", "tv"), parts, strict=True))
        total = (
            self._weights.content * parts[0] + self._weights.style * parts[1] + self._weights.tv * parts[2]
        )
        return Evaluation(total, gradient, {**losses, "total": total})

    def _style_error(self, name: str, features: Tensor) -> tuple[Tensor, Statistics]:
        """Error against all styles at one layer, each by its share, and its derivative by the statistics."""
        stats = statistics(features, self._map(features))
        value = features.new_zeros(())
        mean, gram = torch.zeros_like(stats.mean), torch.zeros_like(stats.gram)
        for share, style in zip(self._weights.shares, self._styles, strict=True):
            error, derivative = style_error(stats, style[name])
            value += share * error
            mean += share * derivative.mean
            gram += share * derivative.gram
        return value, Statistics(mean, gram, stats.weight)

    def _map(self, features: Tensor) -> Tensor | None:
        """The influence at the size of ``features``, or None if every position counts the same."""
        if self._influence is None:
            return None
        size = (features.shape[2], features.shape[3])
        if size not in self._maps:
            self._maps[size] = resize_map(self._influence, *size)
        return self._maps[size]
