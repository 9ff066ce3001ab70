"""A scene at one scale: what it begins from, the loss, what of it the painter gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from nst_server.engine.ceiling import Ceiling
from nst_server.engine.grain import matched_grain
from nst_server.engine.losses import Statistics
from nst_server.engine.noise import random_texture, white_noise
from nst_server.engine.objective import Objective, style_part, style_shares, used_layers
from nst_server.engine.pyramid import fit_image
from nst_server.engine.regions import Division
from nst_server.engine.scene import Scene
from nst_server.engine.state import State
from nst_server.engine.styles import read_style
from nst_server.engine.vgg import nothing
from nst_server.wire.params import Params
from nst_server.wire.scales import Size, fit_longest

# How much of what the content loss compares with is the picture of the coarser scale, not the content. The
# content wants a sky flat; held to it alone, the style's energy goes where that loss looks least, into a
# weave of a few pixels, the more the longer a scale is worked. Strokes that are already there satisfy both.
# At 1 (and a content weight of 0.15) slender things such as bridge towers dissolved.
_HOLD = 0.8
# How much of a texture of the styles, against the amplitude that the strength asks for, a content is given to
# begin with, below the strength from which on the style itself is aimed at. Where a picture is smooth no
# gradient says which way strokes would lie, and held as firmly as it is there, it stayed bare.
_SEED = 0.6
# A difference of 1/8 from a frame is somebody's brush and counts as painted over; the half step by which 8
# bits round it hardly counts.
_REPAINTED = 8


class View:
    """A scene at one scale. Styles shrink with the picture, so that strokes keep their proportion to it.

    ``previous`` [3, h, w] is the picture that the scale before has reached, painted at ``strength``. Where
    ``hold`` is called instead, it is what the content loss holds to in its place.
    """

    def __init__(
        self, scene: Scene, size: Size, previous: Tensor | None = None, strength: float = 1.0
    ) -> None:
        self.scene = scene
        self.size = size
        self._previous, self._strength = previous, strength
        self.content = scene.brought(scene.content, size)
        self.influence = scene.influence_at(size)
        self.regions = None if scene.regions is None else scene.regions.at(size)
        # Where any style may act: one that has no share now may get one on the way.
        self._reach = None if self.regions is None else self.regions.coverage
        self._statistics: list[dict[str, Statistics]] | None = None
        self._division: Division | None = None
        self._grain: Tensor | None = None

    @property
    def previous(self) -> Tensor | None:
        """The picture that the scale before has reached, in the colours of now."""
        return self._previous

    @property
    def previous_strength(self) -> float:
        """The strength at which that picture was painted."""
        return self._strength

    def objective(self, params: Params, check: Callable[[], None], largest: int) -> Objective:
        """The loss at this scale under the live ``params``; styles are read ``largest`` pixels at a time."""
        scene = self.scene
        if self._statistics is None:
            _, layers = used_layers(scene.encoder, scene.params)
            self._statistics = [
                read_style(style, scene.encoder, layers, check, largest, alpha)
                for style, alpha in self._styles_read()
            ]
        division = self._divided(params)
        reference = scene.reference(self.content, params, division)
        target = None if self.regions is None else reference
        if self._previous is not None:
            enlarged = self._enlarged(self._previous, reference, _detail(params))
            held = torch.lerp(reference, enlarged, _HOLD * self._part_of_previous(params))
            target = self._grained(held, params, check)
        return Objective(
            scene.encoder,
            reference,
            self._statistics,
            params,
            division,
            target=None if target is None else self._beyond(target),
            influence=self.influence,
            # At strength 0 all is content anyhow, and the probe of the curvature has to see all of it.
            coverage=self.regions.coverage if self.regions and params.strength else None,
            plainness=scene.plainness,
            ceiling=self._ceiling(params, reference, target),
            check=check,
        )

    def _ceiling(self, params: Params, reference: Tensor, target: Tensor | None) -> Ceiling:
        """For pictures of content, styles and what they begin with, be it of a coarser scale."""
        begun = self.beginning(params) if target is None or self._previous is None else target
        pictures = [(reference, self.influence), (begun, self.influence), *self._styles_read()]
        return Ceiling(pictures)

    def _beyond(self, picture: Tensor) -> Tensor:
        """``picture`` [3, h, w] going on beyond what styles act on, as if it were to be seen there.

        Features near the edge see both its sides. Were the content on the other one, they would see an edge
        that no style has, and made to agree with the style all the same, the last pixels become a rim.
        """
        return picture if self.regions is None else self.regions.extended(picture)

    def _paint_in(self, picture: Tensor, earlier: State | None) -> Tensor:
        """``picture`` [3, h, w], which lies over the content, as it was painted; with what ``earlier`` had
        beyond."""
        if self.regions is None or earlier is None:
            return self._beyond(picture)
        return self.regions.uncomposed(picture, self.content, self.scene.brought(earlier.image, self.size))

    def _part_of_previous(self, params: Params) -> float:
        """How much a picture of ``params.strength`` may hold to the previous one, from 0 to 1."""
        now, then = style_part(params.strength), style_part(self._strength)
        return min(1.0, now / then) if then else 0.0

    def hold(self, frame: Tensor, params: Params, earlier: State | None) -> None:
        """Let the content loss hold to ``frame`` [3, h, w] of an earlier run as to a coarser scale's picture.

        To the picture that the run itself held to, where its last state ``earlier`` is of this size: then
        the loss goes on where it stood. Except where the frame has been painted over since.
        """
        reference = self._beyond(self.scene.reference(self.content, params, self._divided(params)))
        frame = self.extended(self._paint_in(frame, earlier))
        known = earlier if earlier is not None and earlier.size == self.size else None
        if known is None:
            longest = max(1, round(max(self.size) / self.scene.params.scale_step))
            size = fit_longest(self.size, longest)
        else:
            held = reference if known.previous is None else known.previous
            size = (held.shape[2], held.shape[1])
        if known is None or known.previous is None:
            self._strength = params.strength if earlier is None else earlier.params.strength
        else:
            self._strength = known.previous_strength
        frame = self.scene.brought(frame, size)
        # Further away than the frame by as much as the content, of which a share is left, would draw it back:
        # what was painted out would shine through.
        beyond = (frame + (1 / _HOLD - 1) * (frame - self.scene.brought(reference, size))).clamp(0, 1)
        beyond = self.scene.within_palette(beyond, params, self._divided(params))
        if known is None:
            self._previous = beyond
        else:
            before = self.scene.brought(self.extended(known.image), size)
            repainted = (_REPAINTED * (frame - before).abs().amax(0)).clamp(max=1)
            self._previous = torch.lerp(held, beyond, repainted)

    def _divided(self, params: Params) -> Division:
        shares = style_shares(params, len(self.scene.styles))
        if self._division is None or self._division.shares != shares:
            faded = None
            if self.scene.regions is not None:
                # Met along the edges of the content as it is, whatever colours are kept: those may change.
                guide = self.scene.brought(self.scene.original, self.size)
                acting = self.scene.regions.acting(shares).at(self.size)
                self.regions, faded = acting.meeting(guide), acting.fading(guide)
            self._division = Division.of(shares, self.regions, faded)
            self._grain = None
        return self._division

    def beginning(
        self, params: Params, earlier: State | None = None, check: Callable[[], None] = nothing
    ) -> Tensor:
        """The image to start from [3, h, w]: ``params.start``, or the previous scale's picture enlarged.

        Where the image that ``start`` names is transparent, the picture of ``earlier`` shows, or the content.
        Enlarging from the content brings the content's fine detail along, the more the lower the strength.
        ``check`` is called often where that takes long; what it raises ends it.
        """
        scene = self.scene
        division = self._divided(params)
        reference = self._beyond(scene.reference(self.content, params, division))
        shares = params.start_shares
        if self._previous is not None and not (params.strength or params.tv) and set(shares) == {"content"}:
            return reference  # which the coarser picture with its detail is but for rounding
        if self._previous is not None:
            detail = shares.get("content", 0.0) * _detail(params)
            return scene.neutral(
                self._grained(self._enlarged(self._previous, reference, detail), params, check)
            )
        below = reference if earlier is None else scene.brought(earlier.image, self.size)
        images = [
            share * self._image(name, params, below if name == "image" else reference, division)
            for name, share in shares.items()
        ]
        picture = images[0] if len(images) == 1 else torch.stack(images).sum(0)
        return scene.neutral(self.extended(self._paint_in(picture, earlier)))

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
        return self._seeded(reference, params, division)

    def _seeded(self, reference: Tensor, params: Params, division: Division) -> Tensor:
        """``reference`` with a little of a texture of the styles: none at strength 0, and from 0.5 on only
        where the content is plain."""
        part = style_part(params.strength)
        amount = _SEED * math.sqrt(part) * max(1 - part, self.scene.plainness)
        if not amount:
            return reference

        def texture(shares: Sequence[float]) -> Tensor:
            found = self._texture(shares, params.seed)
            found -= found.mean((1, 2), keepdim=True)
            return found.to(reference)

        seed = self._painted_over(torch.zeros_like(reference), division, texture)
        return (reference + amount * seed).clamp(0, 1)

    def _texture(self, shares: Sequence[float], seed: int) -> Tensor:
        styles, alphas = zip(*self._styles_read(), strict=True)
        return random_texture(styles, shares, self.size, seed, alphas)

    def _styles_read(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The styles as they are read at this size, each with its alpha."""
        return (self.scene.style_at(index, self.size) for index in range(len(self.scene.styles)))

    def _laid(self, image: Tensor, alpha: Tensor | None, fit: str, around: Tensor) -> Tensor:
        """What is to be seen of ``image`` with ``alpha``, brought to this size, over ``around`` [3, h, w]."""
        fitted = fit_image(image, self.size, fit, around, alpha)
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
            if not part.any():
                continue
            painted += part * image_of([float(index == other) for other in range(len(division.parts))])
        return painted

    def _enlarged(self, picture: Tensor, reference: Tensor, detail: float) -> Tensor:
        """``picture`` at this size, with that share of the ``detail`` that ``reference`` has beyond it."""
        brought = self.scene.brought
        coarse = brought(brought(reference, (picture.shape[2], picture.shape[1])), self.size)
        return (brought(picture, self.size) + detail * (reference - coarse)).clamp(0, 1)

    def _grained(self, picture: Tensor, params: Params, check: Callable[[], None]) -> Tensor:
        """``picture`` [3, h, w], with the styles' detail that the scale before had no room for.

        Where a picture is smooth nothing tells the style loss which way grain would lie, and it answers with
        more contrast where there are edges already.
        """
        amount = style_part(params.strength)
        # After a retreat for want of memory the scale before is the larger one, and has lost nothing.
        if self._previous is None or not amount or max(self._previous.shape) >= max(picture.shape):
            return picture
        if self._grain is None:
            before = self._previous.shape[2], self._previous.shape[1]
            enlarged = self.scene.brought(self._previous, self.size)
            styles, alphas = zip(*self._styles_read(), strict=True)

            def grain(shares: Sequence[float]) -> Tensor:
                found = matched_grain(enlarged, before, styles, shares, params.seed, alphas, check)
                return found.to(picture)

            self._grain = self._painted_over(torch.zeros_like(picture), self._divided(params), grain)
        return (picture + amount * self._grain).clamp(0, 1)

    def extended(self, picture: Tensor) -> Tensor:
        """``picture`` [3, h, w] with the content where only styles act that have no share now, for when they
        get one."""
        if self.regions is None or self._reach is None:
            return picture
        idle = (self.regions.coverage == 0) & (self._reach > 0)
        return torch.where(idle, self.content, picture)

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
        brought = self.scene.brought
        enlarged = brought(self.extended(picture), size)
        detail = params.start_shares.get("content", 0.0) * (1 - style_part(params.strength))
        if not detail or size == self.size:
            return enlarged
        larger = View(self.scene, size)
        reference = self.scene.reference(larger.content, params, larger._divided(params))
        # By the same way as the picture, so that what they lose is the same.
        coarse = brought(self.extended(self._beyond(brought(reference, self.size))), size)
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
        self.content = scene.brought(scene.content, self.size)
        self._statistics = self._grain = None
        if previous is not None:
            coarser = View(scene, (previous.shape[2], previous.shape[1]))
            self._previous = scene.taken_up(previous, params, coarser._divided(params))
        return scene.taken_up(shown, params, self._divided(params))


def _detail(params: Params) -> float:
    """How much of the content's detail comes along to a larger scale: all of it while the style is held to
    the content's drawing, none where the content is forgotten."""
    return min(1.0, 2 * (1 - params.strength))
