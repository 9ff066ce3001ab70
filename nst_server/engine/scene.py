"""What a job paints from: content, styles, start and transparency, in the colours that it is to have."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nst_server.engine.luminance import luminance, with_luminance
from nst_server.engine.objective import style_part
from nst_server.engine.palette import Moments, in_histogram, in_moments, moments_of, pooled, within
from nst_server.engine.pyramid import fill_transparent, resize, resize_map
from nst_server.engine.regions import Division, Regions
from nst_server.engine.vgg import Encoder
from nst_server.wire.params import FIELDS, Params
from nst_server.wire.scales import Size, fit_longest

# A style is read at the canvas's longest side, so that strokes keep their proportion. For a thin canvas that
# would be hundreds of times its own pixels: beyond so many times its area, or that of a thumbnail, it is not.
_STYLE_AREA, _LEAST_AREA = 4, 128 * 128
# Variance of each channel up to which a content is plain, and from which on it is not at all: paper and its
# grain (deviations of 2 and 4 of 255), and the palest photograph.
_PLAIN, _NOT_PLAIN = (2 / 255) ** 2, (4 / 255) ** 2
# Deviations from the mean of a palette beyond which a colour is not one of it. Held to such a colour, the
# style loss made of it a weave of two that the style has, in cyan and magenta.
_FOREIGN = 3.5


class Scene:
    """The images of a job on the computing device: float32, [3, H, W], in [0, 1].

    ``influence`` [H, W] in [0, 1] is the content's alpha; ``regions`` is where each style acts, None:
    everywhere; ``style_alphas`` are those of the styles [h, w], and ``start_alpha`` that of the start, None:
    opaque. Of ``params`` only what cannot change in a running job is used here, and its colours. Raises
    ValueError for regions of another size and for a style of which nothing is to be seen.
    """

    def __init__(
        self,
        content: Tensor,
        styles: Sequence[Tensor],
        encoder: Encoder,
        params: Params,
        *,
        start: Tensor | None = None,
        start_alpha: Tensor | None = None,
        influence: Tensor | None = None,
        regions: Regions | None = None,
        style_alphas: Sequence[Tensor | None] = (),
    ) -> None:
        here = len(styles), (content.shape[2], content.shape[1])
        if regions is not None and (len(regions.masks), regions.size) != here:
            raise ValueError(
                f"The regions are {tuple(regions.masks.shape)}: give a mask of the content's size for "
                "each style."
            )
        for index, alpha in enumerate(style_alphas):
            if alpha is not None and not bool((alpha > 0).any()):
                raise ValueError(f"Style {index} is wholly transparent. Choose one with colours in it.")
        self.encoder = encoder
        self.params = params
        self.regions = regions
        self.influence = _unless_opaque(influence)
        self.original = _filled(content, self.influence)
        self.alphas = [_unless_opaque(alpha) for alpha in style_alphas] or [None] * len(styles)
        self._styles_given = [_filled(*style) for style in zip(styles, self.alphas, strict=True)]
        self.start_alpha = _unless_opaque(start_alpha)
        self._start_given = start if start is None else _filled(start, self.start_alpha)
        self._prepare(params)

    def take_colours(self, params: Params) -> None:
        """Have the pictures prepared for ``params.keep_colours`` and ``params.luminance_space``."""
        if not self.has_colours_of(params):
            self._prepare(params)

    def _prepare(self, params: Params) -> None:
        self._keeps, self._space = params.keep_colours, params.luminance_space
        self.content = self._grey(self.original)
        self.palette = moments_of(self.content, self.influence)
        self._palettes = [
            self.palette if self.regions is None else moments_of(self.content, self._weight_at(index))
            for index in range(len(self._styles_given))
        ]
        self.styles = [self._recoloured(index, self._grey(s)) for index, s in enumerate(self._styles_given)]
        self._style_palettes = [moments_of(*style) for style in zip(self.styles, self.alphas, strict=True)]
        self.start = None if self._start_given is None else self._grey(self._start_given)

    @property
    def has_colour(self) -> bool:
        """Whether more than light and dark is painted."""
        return self._keeps != "luminance"

    def neutral(self, values: Tensor) -> Tensor:
        """``values`` [3, h, w], a picture or a change of one, without colour where none is painted."""
        if self.has_colour:
            return values
        return values.mean(0, keepdim=True).expand(3, -1, -1).contiguous()

    def has_colours_of(self, params: Params) -> bool:
        """Whether the pictures are prepared for these ``params``."""
        is_used = self._keeps == "luminance"
        return self._keeps == params.keep_colours and not (is_used and self._space != params.luminance_space)

    @property
    def size(self) -> Size:
        """Width and height of the content."""
        return self.content.shape[2], self.content.shape[1]

    def influence_at(self, size: Size) -> Tensor | None:
        """The ``influence`` at another size."""
        return None if self.influence is None else resize_map(self.influence, size[1], size[0]).contiguous()

    def brought(self, picture: Tensor, size: Size) -> Tensor:
        """``picture`` [3, h, w] of the whole canvas at ``size``; pixels count by ``influence``."""
        return resize(picture, size, self.influence_at((picture.shape[2], picture.shape[1])))

    def style_at(self, index: int, size: Size) -> tuple[Tensor, Tensor | None]:
        """A style as it is read for a picture of ``size`` [3, h, w], and its alpha [h, w]."""
        style, alpha, (width, height) = self.styles[index], self.alphas[index], self.style_size(index, size)
        brought = None if alpha is None else resize_map(alpha, height, width)
        return resize(style, (width, height), alpha), brought

    def style_size(self, index: int, size: Size) -> Size:
        """The size at which a style is read for a picture of ``size``."""
        style, params = self.styles[index], self.params
        own = params.style_scales[index] if params.style_scales else 1.0
        # Two factors, each within the range of one, would reach scales that no image can be read at.
        low, high = FIELDS["style_scale"]["low"], FIELDS["style_scale"]["high"]
        scale = min(high, max(low, params.style_scale * own))
        longest = max(1, round(max(size) * scale))
        width, height = fit_longest((style.shape[2], style.shape[1]), longest)
        excess = width * height / (scale**2 * _STYLE_AREA * max(size[0] * size[1], _LEAST_AREA))
        if excess > 1:
            longest = max(1, round(longest / excess**0.5))
        return fit_longest((style.shape[2], style.shape[1]), longest)

    def reference(self, content: Tensor, params: Params, division: Division) -> Tensor:
        """``content`` at some scale as the picture should resemble it: in the colours of the styles.

        Matched colours halve the loss before the first step. Below strength 0.5 they fade to the content's
        own, as the statistics that are aimed at do, so that strength 0 means the content untouched.
        """
        if self._keeps != "no" or params.strength == 0:
            return content
        # A paper's grain is not to be blown up to the contrast of a painting.
        even = self.palette[0].to(content)[:, None, None]
        mapped = self._mapped(torch.lerp(content, even, self.plainness), division)
        return torch.lerp(content, mapped, style_part(params.strength))

    @property
    def plainness(self) -> float:
        """1 for a content of one colour, 0 for one in which there is something to be seen."""
        variance = float(self.palette[1].trace()) / 3
        return min(1.0, max(0.0, (_NOT_PLAIN - variance) / (_NOT_PLAIN - _PLAIN)))

    def finished(self, picture: Tensor) -> Tensor:
        """``picture`` [3, h, w] as the painter gets it: with the content's chroma if colours are kept so."""
        if self.has_colour:
            return picture
        original = self.brought(self.original, (picture.shape[2], picture.shape[1]))
        return with_luminance(original, luminance(picture, self._space), self._space)

    def taken_up(self, picture: Tensor, params: Params, division: Division) -> Tensor:
        """A ``picture`` [3, h, w] that was finished in other colours, as what to go on from in these."""
        grey = self._grey(picture)
        mapped = self.neutral(self._mapped(grey, division, is_content=False))
        return mapped if self._keeps != "no" else torch.lerp(picture, mapped, style_part(params.strength))

    def within_palette(self, image: Tensor, params: Params, division: Division) -> Tensor:
        """``image`` [3, h, w] with colours that the picture cannot have brought to the next that it can.

        As far as the colours are to be the styles'.
        """
        brought = within(image, self._wanted(self.palette, division.shares), _FOREIGN)
        return brought if self._keeps != "no" else torch.lerp(image, brought, style_part(params.strength))

    def _mapped(self, image: Tensor, division: Division, is_content: bool = True) -> Tensor:
        """``image`` [3, h, w], the content or another, in the palette that a picture is to have.

        With regions, each in that of its place.
        """
        influence = self.influence_at((image.shape[2], image.shape[1]))
        if division.colours is None:
            own = self.palette if is_content else moments_of(image, influence)
            return in_moments(image, own, self._wanted(self.palette, division.shares))
        mapped = image * (1 - division.colours.sum(0))
        for part, palette, shares in zip(division.colours, self._palettes, division.company, strict=True):
            if any(shares):
                weight = part if influence is None else part * influence
                own = palette if is_content else moments_of(image, weight)
                mapped += part * in_moments(image, own, self._wanted(palette, shares))
        return mapped

    def _wanted(self, content: Moments, shares: Sequence[float]) -> Moments:
        """The palette of a picture where the content has ``content`` and styles act with these shares."""
        return pooled(self._style_palettes, shares) if self._keeps == "no" else content

    def _weight_at(self, style: int) -> Tensor | None:
        """How much each pixel of the content counts [H, W] for the colours where ``style`` acts."""
        if self.regions is None:
            return self.influence
        mask = self.regions.masks[style]
        return mask if self.influence is None else mask * self.influence

    def _grey(self, image: Tensor) -> Tensor:
        # Gatys et al., "Preserving Color in Neural Artistic Style Transfer", 2016: luminance-only transfer.
        if self.has_colour:
            return image
        return luminance(image, self._space).expand(3, -1, -1).contiguous()

    def _recoloured(self, index: int, style: Tensor) -> Tensor:
        """A style in the content's colours (or in its range of luminance), where these are to be kept."""
        if self._keeps == "no":
            return style
        if self._keeps == "histogram":
            return in_histogram(style, self.content, self.alphas[index], self._weight_at(index))
        return in_moments(style, moments_of(style, self.alphas[index]), self._palettes[index])


def _unless_opaque(alpha: Tensor | None) -> Tensor | None:
    return None if alpha is None or bool((alpha >= 1).all()) else alpha


def _filled(image: Tensor, alpha: Tensor | None) -> Tensor:
    return image if alpha is None else fill_transparent(image, alpha)
