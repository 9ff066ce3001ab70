"""What a job paints from: content, styles, start and transparency, prepared for each scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nst_server.engine.losses import Statistics
from nst_server.engine.luminance import luminance, with_luminance
from nst_server.engine.noise import random_grain, random_texture, white_noise
from nst_server.engine.objective import Objective, style_part, style_shares, used_layers
from nst_server.engine.palette import Moments, in_histogram, in_moments, moments_of, pooled
from nst_server.engine.pyramid import fill_transparent, fit_image, resize, resize_map
from nst_server.engine.regions import Division, Regions
from nst_server.engine.state import State
from nst_server.engine.styles import read_style
from nst_server.engine.vgg import Encoder
from nst_server.wire.params import FIELDS, Params
from nst_server.wire.scales import Size, fit_longest

# A style is read at the canvas's longest side, so that strokes keep their proportion. For a thin canvas that
# would be hundreds of times its own pixels: beyond so many times its area, or that of a thumbnail, it is not.
_STYLE_AREA, _LEAST_AREA = 4, 128 * 128

# How much of what the content loss compares with is the picture of the coarser scale, not the content. The
# content wants a sky flat; held to it alone, the style's energy goes where that loss looks least, into a
# weave of a few pixels, the more the longer a scale is worked. Strokes that are already there satisfy both.
# At 1 (and a content weight of 0.15) slender things such as bridge towers dissolved.
_HOLD = 0.8
# A difference of 1/8 from a frame is somebody's brush and counts as painted over; the half step by which 8
# bits round it hardly counts.
_REPAINTED = 8


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

    def has_colours_of(self, params: Params) -> bool:
        """Whether the pictures are prepared for these ``params``."""
        is_used = self._keeps == "luminance"
        return self._keeps == params.keep_colours and not (is_used and self._space != params.luminance_space)

    @property
    def size(self) -> Size:
        """Width and height of the content."""
        return self.content.shape[2], self.content.shape[1]

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
        return torch.lerp(content, self._mapped(content, division), style_part(params.strength))

    def finished(self, picture: Tensor) -> Tensor:
        """``picture`` [3, h, w] as the painter gets it: with the content's chroma if colours are kept so."""
        if self._keeps != "luminance":
            return picture
        original = resize(self.original, (picture.shape[2], picture.shape[1]))
        return with_luminance(original, luminance(picture, self._space), self._space)

    def taken_up(self, picture: Tensor, params: Params, division: Division) -> Tensor:
        """A ``picture`` [3, h, w] that was finished in other colours, as what to go on from in these."""
        grey = self._grey(picture)
        mapped = self._mapped(grey, division, is_content=False)
        return mapped if self._keeps != "no" else torch.lerp(picture, mapped, style_part(params.strength))

    def _mapped(self, image: Tensor, division: Division, is_content: bool = True) -> Tensor:
        """``image`` [3, h, w], the content or another, in the palette that a picture is to have.

        With regions, each in that of its place.
        """
        influence = None
        if self.influence is not None:
            influence = resize_map(self.influence, image.shape[1], image.shape[2])
        if division.parts is None:
            own = self.palette if is_content else moments_of(image, influence)
            return in_moments(image, own, self._wanted(self.palette, division.shares))
        mapped = image * (1 - division.parts.sum(0))
        for part, palette, shares in zip(division.parts, self._palettes, division.company, strict=True):
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
        if self._keeps != "luminance":
            return image
        return luminance(image, self._space).expand(3, -1, -1).contiguous()

    def _recoloured(self, index: int, style: Tensor) -> Tensor:
        """A style in the content's colours (or in its range of luminance), where these are to be kept."""
        if self._keeps == "no":
            return style
        if self._keeps == "histogram":
            return in_histogram(style, self.content, self.alphas[index], self._weight_at(index))
        return in_moments(style, moments_of(style, self.alphas[index]), self._palettes[index])


class View:
    """A scene at one scale. Styles shrink with the picture, so that strokes keep their proportion to it.

    ``previous`` [3, h, w] is the picture that the scale before has reached. Where ``hold`` is called instead,
    it is what the content loss holds to in its place.
    """

    def __init__(self, scene: Scene, size: Size, previous: Tensor | None = None) -> None:
        self.scene = scene
        self.size = size
        self._previous = previous
        self.content = resize(scene.content, size)
        self.influence = (
            None if scene.influence is None else resize_map(scene.influence, size[1], size[0]).contiguous()
        )
        # Met along the edges of the content as it is, whatever colours are kept: those may change on the way.
        self.regions = (
            None if scene.regions is None else scene.regions.at(size).meeting(resize(scene.original, size))
        )
        self._statistics: list[dict[str, Statistics]] | None = None
        self._division: Division | None = None
        self._grain: Tensor | None = None

    @property
    def previous(self) -> Tensor | None:
        """The picture that the scale before has reached, in the colours of now."""
        return self._previous

    def objective(self, params: Params, check: Callable[[], None], largest: int) -> Objective:
        """The loss at this scale under the live ``params``; styles are read ``largest`` pixels at a time."""
        scene = self.scene
        if self._statistics is None:
            _, layers = used_layers(scene.encoder, scene.params)
            self._statistics = [
                read_style(style, scene.encoder, layers, check, largest, alpha)
                for style, alpha in map(self._scaled, range(len(scene.styles)))
            ]
        division = self._divided(params)
        reference = scene.reference(self.content, params, division)
        target = None
        if self._previous is not None:
            enlarged = self._enlarged(self._previous, reference, 1 - params.strength)
            held = torch.lerp(reference, enlarged, _HOLD * style_part(params.strength))
            target = self._grained(held, params)
        return Objective(
            scene.encoder,
            reference,
            self._statistics,
            params,
            division,
            target=target,
            influence=self.influence,
            ground=self.content,
            # At strength 0 all is content anyhow, and the probe of the curvature has to see all of it.
            coverage=self.regions.coverage if self.regions and params.strength else None,
            check=check,
        )

    def hold(self, frame: Tensor, params: Params, earlier: State | None) -> None:
        """Let the content loss hold to ``frame`` [3, h, w] of an earlier run as to a coarser scale's picture.

        To the picture that the run itself held to, where its last state ``earlier`` is of this size: then
        the loss goes on where it stood. Except where the frame has been painted over since.
        """
        frame, reference = (
            self.extended(frame),
            self.scene.reference(self.content, params, self._divided(params)),
        )
        known = earlier if earlier is not None and earlier.size == self.size else None
        if known is None:
            longest = max(1, round(max(self.size) / self.scene.params.scale_step))
            size = fit_longest(self.size, longest)
        else:
            held = reference if known.previous is None else known.previous
            size = (held.shape[2], held.shape[1])
        frame = resize(frame, size)
        # Further away than the frame by as much as the content, of which a share is left, would draw it back:
        # what was painted out would shine through.
        beyond = (frame + (1 / _HOLD - 1) * (frame - resize(reference, size))).clamp(0, 1)
        if known is None:
            self._previous = beyond
        else:
            before = resize(self.extended(known.image), size)
            repainted = (_REPAINTED * (frame - before).abs().amax(0)).clamp(max=1)
            self._previous = torch.lerp(held, beyond, repainted)

    def _divided(self, params: Params) -> Division:
        shares = style_shares(params, len(self.scene.styles))
        if self._division is None or self._division.shares != shares:
            self._division = Division.of(shares, self.regions)
            self._grain = None
        return self._division

    def beginning(self, params: Params, earlier: State | None = None) -> Tensor:
        """The image to start from [3, h, w]: ``params.start``, or the previous scale's picture enlarged.

        Where the image that ``start`` names is transparent, the picture of ``earlier`` shows, or the content.
        Enlarging from the content brings the content's fine detail along, the more the lower the strength.
        """
        scene = self.scene
        division = self._divided(params)
        reference = scene.reference(self.content, params, division)
        shares = params.start_shares
        if self._previous is not None and not params.strength and not params.tv:
            return reference  # which the coarser picture with its detail is but for rounding
        if self._previous is not None:
            detail = shares.get("content", 0.0) * (1 - params.strength)
            return self._grained(self._enlarged(self._previous, reference, detail), params)
        below = reference if earlier is None else resize(earlier.image, self.size)
        images = [
            share * self._image(name, params, below if name == "image" else reference, division)
            for name, share in shares.items()
        ]
        return images[0] if len(images) == 1 else torch.stack(images).sum(0)

    def _image(self, name: str, params: Params, reference: Tensor, division: Division) -> Tensor:
        """One of the images [3, h, w] that there are to start from; "content" is the ``reference``.

        "image" lies over it.
        """
        scene = self.scene
        if name == "noise":
            return white_noise(scene.palette[0], self.size, params.seed).to(reference)
        if name == "style-statistics":
            return self._painted_over(
                reference,
                division,
                lambda shares: self._texture(shares, params.seed).to(reference),
            )
        if name == "style":

            def fitted(shares: Sequence[float]) -> Tensor:
                style = shares.index(max(shares))
                return self._laid(scene.styles[style], scene.alphas[style], params.fit, reference)

            return self._painted_over(reference, division, fitted)
        if name == "image" and scene.start is not None:
            return self._laid(scene.start, scene.start_alpha, params.fit, reference)
        return reference

    def _texture(self, shares: Sequence[float], seed: int) -> Tensor:
        styles, alphas = zip(*map(self._scaled, range(len(shares))), strict=True)
        return random_texture(styles, shares, self.size, seed, alphas)

    def _laid(self, image: Tensor, alpha: Tensor | None, fit: str, around: Tensor) -> Tensor:
        """What is to be seen of ``image`` with ``alpha``, brought to this size, over ``around`` [3, h, w]."""
        fitted = fit_image(image, self.size, fit, around)
        if alpha is None:
            return fitted
        cover = fit_image(alpha[None], self.size, fit, torch.zeros_like(around[:1]))
        return torch.lerp(around, fitted, cover)

    def _painted_over(
        self, reference: Tensor, division: Division, image_of: Callable[[Sequence[float]], Tensor]
    ) -> Tensor:
        """``image_of`` the styles' shares; with regions of each style alone in its own, on ``reference``."""
        if division.parts is None:
            return image_of(division.shares)
        painted = reference * (1 - division.parts.sum(0))
        for index, part in enumerate(division.parts):
            painted += part * image_of([float(index == other) for other in range(len(division.parts))])
        return painted

    def _enlarged(self, picture: Tensor, reference: Tensor, detail: float) -> Tensor:
        """``picture`` at this size, with that share of the ``detail`` that ``reference`` has beyond it."""
        coarse = resize(resize(reference, (picture.shape[2], picture.shape[1])), self.size)
        return (resize(picture, self.size) + detail * (reference - coarse)).clamp(0, 1)

    def _grained(self, picture: Tensor, params: Params) -> Tensor:
        """``picture`` [3, h, w], with the styles' detail that the scale before had no room for, at random.

        Where a picture is smooth nothing tells the style loss which way grain would lie, and it answers with
        more contrast where there are edges already.
        """
        amount = style_part(params.strength)
        # After a retreat for want of memory the scale before is the larger one, and has lost nothing.
        if self._previous is None or not amount or self._previous.shape[1:] >= picture.shape[1:]:
            return picture
        if self._grain is None:
            before = self._previous.shape[2], self._previous.shape[1]
            styles, alphas = zip(*map(self._scaled, range(len(self.scene.styles))), strict=True)

            def grain(shares: Sequence[float]) -> Tensor:
                found = random_grain(styles, shares, self.size, before, params.seed, alphas)
                return found.to(picture)

            self._grain = self._painted_over(torch.zeros_like(picture), self._divided(params), grain)
        return (picture + amount * self._grain).clamp(0, 1)

    def extended(self, picture: Tensor) -> Tensor:
        """``picture`` [3, h, w] fit to be enlarged: where no style acts, with colours from around."""
        return picture if self.regions is None else self.regions.extended(picture)

    def finished(self, picture: Tensor) -> Tensor:
        """``picture`` [3, h, w] as the painter gets it."""
        return self.scene.finished(self.extended(picture))

    def whole(self, picture: Tensor, params: Params) -> Tensor:
        """``picture`` [3, h, w] as the painter gets it, at the content's size."""
        return self.scene.finished(self.enlarged(picture, self.scene.size, params))

    def enlarged(self, picture: Tensor, size: Size, params: Params) -> Tensor:
        """``picture`` [3, h, w] at ``size``, with nothing to be painted on it any more.

        The content's fine detail comes along, but less than to a ``beginning``, and none where the style is
        whole: with no iteration to work it into the paint, it would lie over it like a second picture.
        """
        enlarged = resize(self.extended(picture), size)
        detail = params.start_shares.get("content", 0.0) * (1 - style_part(params.strength))
        if not detail or size == self.size:
            return enlarged
        larger = View(self.scene, size)
        reference = self.scene.reference(larger.content, params, larger._divided(params))
        # By the same way as the picture, so that what they lose is the same.
        coarse = resize(self.extended(resize(reference, self.size)), size)
        return enlarged.add_(coarse.neg_().add_(reference), alpha=detail).clamp_(0, 1)

    def follow_colours(self, params: Params, picture: Tensor) -> Tensor:
        """Take the colours that ``params`` ask for; returns what to go on from in place of ``picture``.

        That looks at once as it is to look: strokes stay, their colours are those of the new targets.
        """
        scene = self.scene
        if scene.has_colours_of(params):
            return picture
        shown = scene.finished(picture)
        previous = None if self._previous is None else scene.finished(self._previous)
        scene.take_colours(params)
        self.content = resize(scene.content, self.size)
        self._statistics = self._grain = None
        if previous is not None:
            coarser = View(scene, (previous.shape[2], previous.shape[1]))
            self._previous = scene.taken_up(previous, params, coarser._divided(params))
        return scene.taken_up(shown, params, self._divided(params))

    def _scaled(self, index: int) -> tuple[Tensor, Tensor | None]:
        """A style at the size at which it is read [3, h, w], and its alpha [h, w]."""
        width, height = self.scene.style_size(index, self.size)
        alpha = self.scene.alphas[index]
        alpha = None if alpha is None else resize_map(alpha, height, width)
        return resize(self.scene.styles[index], (width, height)), alpha


def _unless_opaque(alpha: Tensor | None) -> Tensor | None:
    return None if alpha is None or bool((alpha >= 1).all()) else alpha


def _filled(image: Tensor, alpha: Tensor | None) -> Tensor:
    return image if alpha is None else fill_transparent(image, alpha)
