"""What a picture is optimised for at one scale: content, style and total variation, with their weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nst_server.engine.ceiling import Ceiling
from nst_server.engine.losses import (
    ContentTarget,
    Place,
    Statistics,
    StyleTarget,
    content_error,
    statistics,
    style_gradient,
    total_variation,
)
from nst_server.engine.optimisers import Evaluation
from nst_server.engine.pyramid import resize_map
from nst_server.engine.regions import Division
from nst_server.engine.vgg import Encoder
from nst_server.wire.params import Params

# Content weight against a style weight of 1, before strength. At this ratio, with both losses relative,
# six pairs were clearly painted and their content clear. At 0.25 strokes were ragged; at 0.15 little more of
# the drawing was left (fine 0.44 instead of 0.42), and an eighth more of the Gram distance.
_BALANCE = 0.12
# Added to the error that the content itself has against the style, so that a layer where both agree already
# does not get an unbounded weight.
_AGREEMENT = 0.02
# Loss of a picture as grainy as its content at tv = 1, against a style loss of 1 for the content itself.
_TV_UNIT = 0.04
# Total variation in units of tv that the style always brings along, as a multiple of s. The encoder hardly
# sees fine colour: without it, 270 iterations more at one scale lowered the loss by 3 %, raised total
# variation by half with flecks, and left the next scale to begin from those. At 0.3 fine strokes blurred.
_QUIET = 0.1
# The strength from which on the style itself is aimed at; below it, something between content and style.
# Weights alone make no half of a style: where a firmly held content leaves no room for strokes, all the
# energy that the style asks for goes into rows of dots in flat areas.
_WHOLE = 0.5
# Mean colour difference of neighbours below which a picture counts as flat (2.5 steps of 8-bit colour).
_TV_FLOOR = 0.01
# Amplitude of the noise that shows how a layer of the content pulls: where its gradient is no longer that of
# rounding, and a picture is still seen.
_BESIDE = 0.1


@dataclass(frozen=True)
class Weights:
    """How the losses add up: weight of content, style and total variation."""

    content: float
    style: float
    tv: float

    @classmethod
    def of(cls, params: Params) -> Weights:
        """The weights that ``params`` ask for."""
        strength = max(params.strength, _WHOLE) if params.strength else 0.0
        return cls(content=_BALANCE * (1 - strength), style=strength, tv=params.tv + _QUIET * strength)


def style_part(strength: float) -> float:
    """How much of the way from content to style a picture goes: 0 at ``strength`` 0, 1 from 0.5 on."""
    return min(1.0, strength / _WHOLE)


def style_shares(params: Params, styles: int) -> tuple[float, ...]:
    """The share of each style, adding up to 1; equal if ``params`` names none of these styles.

    Styles beyond those that ``params`` lists get 0.
    """
    weights = list(params.style_weights[:styles]) + [0.0] * (styles - len(params.style_weights))
    total = sum(weights)
    return tuple(weight / total for weight in weights) if total > 0 else (1 / styles,) * styles


def used_layers(encoder: Encoder, params: Params) -> tuple[dict[str, float], dict[str, float]]:
    """Content and style layers with their weights, each adding up to 1, from ``params`` or the encoder."""
    return (
        _normalised(params.content_layers or encoder.default_content_layers),
        _normalised(params.style_layers or encoder.default_style_layers),
    )


def style_losses(params: Params, layers: Collection[str]) -> dict[str, str]:
    """Which style loss each of ``layers`` has."""
    return {name: params.style_layer_losses.get(name, params.style_loss) for name in layers}


def _normalised(layers: Mapping[str, float]) -> dict[str, float]:
    total = sum(layers.values())
    return {name: weight / total for name, weight in layers.items() if weight > 0}


@dataclass(frozen=True)
class _Patch:
    """Part of a picture at the size of some layer's features, and the styles that it is compared with.

    weights: how much each position counts [h, w]; None: all the same. shares: of the whole picture's style
    loss, by the index of the style. place: rows and columns of the features that ``weights`` is for, so that
    regions beside each other cost hardly more than one; None: all.
    """

    weights: Tensor | None
    shares: Mapping[int, float]
    place: Place | None = None

    def of(self, features: Tensor) -> Tensor:
        """The part of ``features`` [1, C, h, w] that this is about."""
        if self.place is None:
            return features
        return features[self.place].contiguous(memory_format=torch.channels_last)


class Objective:
    """Loss and gradient of an image at one scale. Call it with an image [3, H, W] in [0, 1].

    ``reference`` [3, H, W] is the content, which losses are relative to; ``target`` [3, H, W] is what the
    content loss compares with, the reference if None; ``influence`` [H, W] in [0, 1] says how much each pixel
    counts; ``division`` what share each of the ``styles`` has, and where.

    ``coverage`` [H, W] in [0, 1] is how far the picture will be seen, over something else: beyond it the
    reference counts in what losses are relative to, and the picture not at all.
    ``plainness`` from 0 to 1 is how far the content has nothing in it to be kept to: relative to the little
    that varies in it every stroke would be too dear, and the style would go where no layer looks.
    ``losses`` of an evaluation: content, style, tv before weighting, and their total.
    """

    def __init__(
        self,
        encoder: Encoder,
        reference: Tensor,
        styles: Sequence[Mapping[str, Statistics]],
        params: Params,
        division: Division,
        *,
        target: Tensor | None = None,
        influence: Tensor | None = None,
        coverage: Tensor | None = None,
        plainness: float = 0.0,
        ceiling: Ceiling | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._encoder = encoder
        self._styles = styles
        self._division = division
        self._influence = self._alpha = influence
        self._maps: dict[tuple[int, int], Tensor] = {}
        self._patches: dict[tuple[int, int], list[_Patch]] = {}
        self._check = check
        self._ceiling = ceiling
        self._weights = Weights.of(params)
        content_layers, self._style_layers = used_layers(encoder, params)
        kept = 1 - plainness if params.strength else 1.0
        self._content_layers = {name: kept * weight for name, weight in content_layers.items() if kept}
        self._layers = frozenset(self._content_layers) | frozenset(self._style_layers)
        with torch.no_grad():
            features = encoder.features(reference[None], self._layers, check, influence)
        self._content = {
            name: ContentTarget.of(features[name], self._map(features[name])) for name in self._content_layers
        }
        own, _ = total_variation(reference, params.tv_points, weights=influence)
        self._tv_unit = _TV_UNIT / (_TV_FLOOR + float(own))
        if coverage is not None:  # from here on only what will be seen counts
            self._influence = coverage if influence is None else influence * coverage
            self._maps.clear()
        if target is not None and self._content_layers:
            with torch.no_grad():
                held = encoder.features(target[None], self._content_layers, check, influence)
            self._content = {
                name: replace(content, features=held[name].detach())
                for name, content in self._content.items()
            }
        self._style_units: dict[str, list[float]] = {}
        self._targets: dict[str, dict[int, StyleTarget]] = {}
        for name, loss in style_losses(params, self._style_layers).items():
            self._aim(name, loss, features[name], style_part(params.strength))
        self._tv_points = params.tv_points
        if params.normalise_gradients:
            self._normalise(reference, params.seed)

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at ``image`` [3, H, W]."""
        leaf = image.detach()[None].contiguous(memory_format=torch.channels_last).requires_grad_()
        with torch.enable_grad():
            features = self._encoder.features(leaf, self._layers, self._check, self._alpha)
        gradients: dict[str, Tensor] = {}
        content, style = image.new_zeros(()), image.new_zeros(())
        for name, weight in self._content_layers.items():
            value, gradient = content_error(features[name], self._content[name], self._map(features[name]))
            content += weight * value
            gradients[name] = gradient.mul_(self._weights.content * weight)
        for name in self._style_units:
            value, gradient = self._style_at(name, features[name].detach(), gradients.get(name))
            style += value
            gradients[name] = gradient
        (gradient,) = torch.autograd.grad(
            [features[name] for name in gradients], leaf, list(gradients.values())
        )
        tv, tv_gradient = total_variation(image, self._tv_points, weights=self._influence)
        gradient = gradient[0].contiguous()
        if self._weights.tv:
            gradient = gradient + tv_gradient * (self._weights.tv * self._tv_unit)
        parts = torch.stack([content, style, tv * self._tv_unit]).tolist()
        losses = dict(zip(("content", "style", "tv"), parts, strict=True))
        total = (
            self._weights.content * parts[0] + self._weights.style * parts[1] + self._weights.tv * parts[2]
        )
        if self._ceiling is not None:
            raised, pull = self._ceiling.surcharge(image, self._influence)
            if pull is not None:
                gradient = gradient * (1 + raised) + pull * total
                total *= 1 + raised
        return Evaluation(total, gradient, {**losses, "total": total})

    def _aim(self, name: str, loss: str, features: Tensor, part: float) -> None:
        """Set each style's target at a layer, and its unit, from the ``features`` of the reference.

        The target: what lies that ``part`` of the way from the statistics of the reference to the style's.
        The unit is what errors are multiplied by, so that a layer's depth and size do not change what it
        counts: relative to the reference's own error where the style acts, against all styles that act
        there, so that shares keep their meaning.
        """
        errors = [0.0] * len(self._styles)
        targets = self._targets[name] = {}
        for patch in self._patched(features):
            stats = statistics(patch.of(features), patch.weights)
            for index in patch.shares:
                style = self._styles[index][name]
                targets[index] = StyleTarget.of(style, loss)
                errors[index] = float(targets[index].error(stats)[0])
                if part < 1:
                    targets[index] = StyleTarget.of(stats.towards(style, part), loss)
        self._style_units[name] = [
            self._style_layers[name]
            / (_AGREEMENT + sum(share * error for share, error in zip(row, errors, strict=True)))
            for row in self._division.company
        ]

    def _style_at(self, name: str, features: Tensor, gradient: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Style loss at one layer, and its part of the total loss's gradient at ``features``.

        The latter is added to ``gradient``, in place, where there is one.
        """
        value = features.new_zeros(())
        for patch in self._patched(features):
            part = patch.of(features)
            error, derivative = self._style_error(
                name, statistics(part, patch.weights), patch, self._style_units[name]
            )
            value += error
            own = style_gradient(part, derivative, patch.weights)
            if patch.place is None:
                gradient = own if gradient is None else gradient.add_(own)
            else:
                gradient = torch.zeros_like(features) if gradient is None else gradient
                gradient[patch.place] += own
        return value, torch.zeros_like(features) if gradient is None else gradient

    def _normalise(self, reference: Tensor, seed: int) -> None:
        """Weigh layers so that the lengths of their gradients at the picture are as their weights.

        Of the style at the ``reference``; of the content beside it, as at it they vanish. What the style loss
        amounts to there stays the same, and so does the sum of the content's weights: strength keeps its
        meaning.
        """
        if self._weights.style:
            lengths, losses = self._pulls(reference, self._style_units, self._style_at)
            for name, factor in _levelled(lengths, self._style_layers, losses).items():
                self._style_units[name] = [unit * factor for unit in self._style_units[name]]
        noise = torch.randn(reference.shape, generator=torch.Generator().manual_seed(seed))
        beside = (reference + _BESIDE * noise.to(reference)).clamp(0, 1)
        weights = self._content_layers
        lengths, _ = self._pulls(
            beside, weights, lambda name, found: content_error(found, self._content[name], self._map(found))
        )
        lengths = {name: weights[name] * length for name, length in lengths.items()}
        factors = _levelled(lengths, weights, weights)
        self._content_layers = {name: weight * factors.get(name, 1.0) for name, weight in weights.items()}

    def _pulls(
        self, image: Tensor, layers: Collection[str], loss: Callable[[str, Tensor], tuple[Tensor, Tensor]]
    ) -> tuple[dict[str, float], dict[str, float]]:
        """For each layer the length of its gradient at ``image``, and its loss there.

        ``loss`` gives value and gradient at a layer's features.
        """
        leaf = image.detach()[None].contiguous(memory_format=torch.channels_last).requires_grad_()
        with torch.enable_grad():
            features = self._encoder.features(leaf, layers, self._check, self._alpha)
        lengths, losses = {}, {}
        for name in layers:
            value, gradient = loss(name, features[name].detach())
            (pull,) = torch.autograd.grad(features[name], leaf, gradient, retain_graph=True)
            lengths[name] = float(pull.norm())
            losses[name] = float(value)
        return lengths, losses

    def _style_error(
        self, name: str, stats: Statistics, patch: _Patch, units: Sequence[float]
    ) -> tuple[Tensor, Statistics]:
        """Style loss of a patch at one layer, and the derivatives of its part of the total loss."""
        value = torch.zeros_like(stats.mean[0])
        mean, gram = torch.zeros_like(stats.mean), torch.zeros_like(stats.gram)
        for index, share in patch.shares.items():
            error, derivative = self._targets[name][index].error(stats)
            weight = share * units[index]
            value += weight * error
            mean += (self._weights.style * weight) * derivative.mean
            gram += (self._weights.style * weight) * derivative.gram
        return value, Statistics(mean, gram, stats.weight)

    def _patched(self, features: Tensor) -> list[_Patch]:
        """What to take statistics of at the size of ``features``: the whole, or the region of each style."""
        size = (features.shape[2], features.shape[3])
        if size not in self._patches:
            self._patches[size] = self._divided(size, self._map(features))
        return self._patches[size]

    def _divided(self, size: tuple[int, int], influence: Tensor | None) -> list[_Patch]:
        division = self._division
        if division.parts is None:
            return [_Patch(influence, {i: share for i, share in enumerate(division.shares) if share})]
        total = float(size[0] * size[1] if influence is None else influence.sum())
        patches = []
        counted = division.parts if self._influence is None else division.parts * self._influence
        for index, part in enumerate(counted):
            weights = resize_map(part, *size)
            area = float(weights.sum())
            if area > 0:
                # A share of the loss in proportion to the area: every pixel is then pulled as if its style
                # had the whole picture, however small the region.
                place = _bounds(weights)
                patches.append(_Patch(weights[place], {index: area / total}, place))
        return patches

    def _map(self, features: Tensor) -> Tensor | None:
        """The influence at the size of ``features``, or None if every position counts the same."""
        if self._influence is None:
            return None
        size = (features.shape[2], features.shape[3])
        if size not in self._maps:
            self._maps[size] = resize_map(self._influence, *size)
        return self._maps[size]


def _levelled(
    lengths: Mapping[str, float], weights: Mapping[str, float], losses: Mapping[str, float]
) -> dict[str, float]:
    """Factors that bring ``lengths`` into the proportions of ``weights``, and leave the sum of ``losses``."""
    factors = {name: weights[name] / length for name, length in lengths.items() if length > 0}
    total = sum(factor * losses[name] for name, factor in factors.items())
    if total <= 0:
        return {}
    ratio = sum(losses[name] for name in factors) / total
    return {name: factor * ratio for name, factor in factors.items()}


def _bounds(weights: Tensor) -> Place:
    """Rows and columns of ``weights`` [h, w] outside which all are 0; some are not."""
    seen = weights > 0
    rows, columns = (seen.any(axis).nonzero().flatten() for axis in (1, 0))
    return ..., slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
