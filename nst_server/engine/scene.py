"""What a job paints from: content, styles, start and transparency, prepared for each scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nst_server.engine.colour import apply_map, colour_moments, transfer_map
from nst_server.engine.losses import StyleTarget
from nst_server.engine.objective import Objective, read_style, style_shares, used_layers
from nst_server.engine.pyramid import Size, fill_transparent, fit_image, fit_longest, resize, resize_map
from nst_server.engine.regions import Division, Regions
from nst_server.engine.vgg import Encoder
from nst_server.wire.params import FIELDS, Params

# A style is read at the canvas's longest side, so that strokes keep their proportion. For a thin canvas that
# would be hundreds of times its own pixels: beyond so many times its area, or that of a thumbnail, it is not.
_STYLE_AREA, _LEAST_AREA = 4, 128 * 128

# How much of what the content loss compares with is the picture of the coarser scale, not the content. The
# content wants a sky flat; held to it alone, the style's energy goes where that loss looks least, into a
# weave of a few pixels, the more the longer a scale is worked. Strokes that are already there satisfy both.
# At 1 (and a content weight of 0.15) slender things such as bridge towers dissolved.
_HOLD = 0.8

Palette = tuple[Tensor, Tensor]  # mean [3] and covariance [3, 3] of colours, float64 on the CPU


def _palette(image: Tensor, weight: Tensor | None = None) -> Palette:
    # On the CPU because Apple's GPUs have no float64.
    return colour_moments(image.cpu(), None if weight is None else weight.cpu())


def _pooled(palettes: Sequence[Palette], shares: Sequence[float]) -> Palette:
    """The palette of all the pictures together, each counted by its share."""
    mean = sum((share * own for share, (own, _) in zip(shares, palettes, strict=True)), torch.zeros(3))
    covariance = torch.zeros(3, 3, dtype=torch.float64)
    for share, (own, spread) in zip(shares, palettes, strict=True):
        covariance += share * (spread + torch.outer(own - mean, own - mean))
    return mean, covariance


def _in_palette(image: Tensor, own: Palette, wanted: Palette) -> Tensor:
    return apply_map(image, *transfer_map(own, wanted)).clamp(0, 1)


class Scene:
    """The images of a job on the computing device: float32, [3, H, W], in [0, 1].

    ``influence`` [H, W] in [0, 1] is the content's alpha; ``regions`` is where each style acts, None:
    everywhere. Of ``params`` only what cannot change in a running job is used here.
    """

    def __init__(
        self,
        content: Tensor,
        styles: Sequence[Tensor],
        encoder: Encoder,
        params: Params,
        *,
        start: Tensor | None = None,
        influence: Tensor | None = None,
        regions: Regions | None = None,
    ) -> None:
        self.encoder = encoder
        self.params = params
        self.regions = regions
        self.influence = None if influence is None or bool((influence >= 1).all()) else influence
        self.original = content if self.influence is None else fill_transparent(content, self.influence)
        self.content = self._grey(self.original)
        self.palette = _palette(self.content, self.influence)
        self._palettes = [self._palette_at(index) for index in range(len(styles))]
        grey = map(self._grey, styles)
        self.styles = [self._recoloured(s, own) for s, own in zip(grey, self._palettes, strict=True)]
        self._style_palettes = [_palette(style) for style in self.styles]
        self.start = None if start is None else self._grey(start)

    @property
    def size(self) -> Size:
        """Width and height of the content."""
        return self.content.shape[2], self.content.shape[1]

    def reference(self, content: Tensor, params: Params, division: Division) -> Tensor:
        """``content`` at some scale as the picture should resemble it: in the colours of the styles.

        Matched colours halve the loss before the first step. Below strength 0.25 they fade to the content's
        own, so that strength 0 means the content untouched.
        """
        if self.params.keep_colours != "no" or params.strength == 0:
            return content
        return torch.lerp(content, self._matched(content, division), _fade(params.strength))

    def _matched(self, content: Tensor, division: Division) -> Tensor:
        """``content`` in the palette of the styles; with regions each in that of the styles acting there."""
        if division.parts is None:
            return _in_palette(content, self.palette, _pooled(self._style_palettes, division.shares))
        matched = content * (1 - division.parts.sum(0))
        for part, own, shares in zip(division.parts, self._palettes, division.company, strict=True):
            if any(shares):
                matched += part * _in_palette(content, own, _pooled(self._style_palettes, shares))
        return matched

    def _palette_at(self, style: int) -> Palette:
        """The content's palette where ``style`` acts."""
        if self.regions is None:
            return self.palette
        mask = self.regions.masks[style]
        return _palette(self.content, mask if self.influence is None else mask * self.influence)

    def _grey(self, image: Tensor) -> Tensor:
        # Gatys et al., "Preserving Color in Neural Artistic Style Transfer", 2016: luminance-only transfer.
        if self.params.keep_colours != "luminance":
            return image
        return _luma(image).expand(3, -1, -1).contiguous()

    def _recoloured(self, style: Tensor, wanted: Palette) -> Tensor:
        """The style in the content's colours (or in its range of luminance), where these are to be kept."""
        if self.params.keep_colours == "no":
            return style
        return _in_palette(style, _palette(style), wanted)


def _fade(strength: float) -> float:
    """0 at strength 0, rising evenly to 1 at 0.25, as the distance to the styles' palette then falls."""
    return min(1.0, 4 * strength)


class View:
    """A scene at one scale. Styles shrink with the picture, so that strokes keep their proportion to it.

    ``previous`` [3, h, w] is the picture that the scale before has reached.
    """

    def __init__(self, scene: Scene, size: Size, previous: Tensor | None = None) -> None:
        self.scene = scene
        self.size = size
        self._previous = previous
        self.content = resize(scene.content, size)
        self.influence = (
            None if scene.influence is None else resize_map(scene.influence, size[1], size[0]).contiguous()
        )
        self.regions = None if scene.regions is None else scene.regions.at(size).meeting(self.content)
        self._targets: list[dict[str, StyleTarget]] | None = None
        self._division: Division | None = None

    def objective(self, params: Params, check: Callable[[], None], largest: int) -> Objective:
        """The loss at this scale under the live ``params``; styles are read ``largest`` pixels at a time."""
        scene = self.scene
        if self._targets is None:
            _, layers = used_layers(scene.encoder, scene.params)
            self._targets = [
                read_style(self._scaled(index), scene.encoder, layers, check, largest)
                for index in range(len(scene.styles))
            ]
        division = self._divided(params)
        reference = scene.reference(self.content, params, division)
        target = None
        if self._previous is not None:
            enlarged = self._enlarged(self._previous, reference, params.strength)
            target = torch.lerp(reference, enlarged, _HOLD * _fade(params.strength))
        return Objective(
            scene.encoder,
            reference,
            self._targets,
            params,
            division,
            target=target,
            influence=self.influence,
            ground=self.content,
            # At strength 0 all is content anyhow, and the probe of the curvature has to see all of it.
            coverage=self.regions.coverage if self.regions and params.strength else None,
            check=check,
        )

    def _divided(self, params: Params) -> Division:
        shares = style_shares(params, len(self.scene.styles))
        if self._division is None or self._division.shares != shares:
            self._division = Division.of(shares, self.regions)
        return self._division

    def beginning(self, params: Params) -> Tensor:
        """The image to start from [3, h, w]: ``params.start``, or the previous scale's picture enlarged.

        Enlarging from the content brings the content's fine detail along, the more the lower the strength.
        """
        scene = self.scene
        division = self._divided(params)
        reference = scene.reference(self.content, params, division)
        if self._previous is not None:
            if params.start != "content":
                return resize(self._previous, self.size)
            return self._enlarged(self._previous, reference, params.strength)
        if params.start == "image" and scene.start is not None:
            return fit_image(scene.start, self.size, params.fit, reference)
        if params.start == "style":
            return self._painted_over(reference, division, params.fit)
        if params.start == "noise":
            return self._noise(params.seed)
        return reference

    def _painted_over(self, reference: Tensor, division: Division, fit: str) -> Tensor:
        """The style with the largest share, laid over ``reference``; with regions, each style in its own."""
        styles = self.scene.styles
        if division.parts is None:
            largest = division.shares.index(max(division.shares))
            return fit_image(styles[largest], self.size, fit, reference)
        painted = reference * (1 - division.parts.sum(0))
        for part, style in zip(division.parts, styles, strict=True):
            painted += part * fit_image(style, self.size, fit, reference)
        return painted

    def _enlarged(self, picture: Tensor, reference: Tensor, strength: float) -> Tensor:
        """``picture`` at this size, with 1 - ``strength`` of the detail that ``reference`` has beyond it."""
        coarse = resize(resize(reference, (picture.shape[2], picture.shape[1])), self.size)
        return (resize(picture, self.size) + (1 - strength) * (reference - coarse)).clamp(0, 1)

    def extended(self, picture: Tensor) -> Tensor:
        """``picture`` [3, h, w] fit to be enlarged: where no style acts, with colours from around."""
        return picture if self.regions is None else self.regions.extended(picture)

    def finished(self, picture: Tensor) -> Tensor:
        """``picture`` [3, h, w] as the painter gets it: with the content's chroma if colours are kept so."""
        picture = self.extended(picture)
        if self.scene.params.keep_colours != "luminance":
            return picture
        original = resize(self.scene.original, self.size)
        return (original + _luma(picture) - _luma(original)).clamp(0, 1)

    def _noise(self, seed: int) -> Tensor:
        """White noise around the mean colour of the content, the same on every device."""
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(3, self.size[1], self.size[0], generator=generator).to(self.content.device)
        return (self.scene.palette[0].to(noise)[:, None, None] + 0.2 * noise).clamp(0, 1)

    def _scaled(self, index: int) -> Tensor:
        style, params = self.scene.styles[index], self.scene.params
        own = params.style_scales[index] if params.style_scales else 1.0
        # Two factors, each within the range of one, would reach scales that no image can be read at.
        low, high = FIELDS["style_scale"]["low"], FIELDS["style_scale"]["high"]
        scale = min(high, max(low, params.style_scale * own))
        longest = max(1, round(max(self.size) * scale))
        width, height = fit_longest((style.shape[2], style.shape[1]), longest)
        excess = width * height / (scale**2 * _STYLE_AREA * max(self.size[0] * self.size[1], _LEAST_AREA))
        if excess > 1:
            longest = max(1, round(longest / excess**0.5))
        return resize(style, fit_longest((style.shape[2], style.shape[1]), longest))


def _luma(image: Tensor) -> Tensor:
    """[1, H, W]: Rec. 709 luma of ``image`` [3, H, W]."""
    weights = image.new_tensor([0.2126, 0.7152, 0.0722]).view(3, 1, 1)
    return (weights * image).sum(0, keepdim=True)
