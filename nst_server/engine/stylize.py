"""Style transfer as a generator of steps, from coarse to fine. Closing it is cancellation."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from nst_server import device as devices
from nst_server.engine.control import Control
from nst_server.engine.memory import affordable_pixels, bytes_per_pixel
from nst_server.engine.objective import used_layers
from nst_server.engine.optimisers import LBFGS, Adam, Diverged, Evaluation, Objective, Optimiser
from nst_server.engine.preconditioner import Preconditioner, curvature_of
from nst_server.engine.regions import Regions
from nst_server.engine.scene import Scene
from nst_server.engine.state import Parts, State
from nst_server.engine.step import Step
from nst_server.engine.vgg import Encoder
from nst_server.engine.view import View
from nst_server.wire.params import Params
from nst_server.wire.scales import Size, check_scales, fit_longest, scales_of

# Pixels of a style that ``deterministic`` reads at a time, where the canvas has not more: VGG's first maps of
# so many take 256 MB each.
_TILE = 2**20
# From how much above the lowest loss on Adam's steps have led astray; they circle a minimum in any case.
_RISEN = 1.25
# A picture that the memory suffices for only at less than this part of its side is none.
_LEAST_STARVED = 16


def stylize(
    content: Tensor,
    styles: Sequence[Tensor],
    encoder: Encoder,
    params: Params,
    *,
    device: torch.device,
    start: Tensor | None = None,
    start_alpha: Tensor | None = None,
    influence: Tensor | None = None,
    regions: Regions | None = None,
    style_alphas: Sequence[Tensor | None] = (),
    control: Control | None = None,
    resume: State | None = None,
    continues: bool = False,
    earlier: State | None = None,
    starved: int = 0,
) -> Iterator[Step]:
    """Paint ``content`` [3, H, W] in the manner of ``styles`` (each [3, h, w]); sRGB in [0, 1].

    ``start`` [3, h, w] is needed when "image" is part of ``params.start``; where ``start_alpha`` [h, w] is 0,
    the picture of ``earlier`` shows, or the content. ``influence`` [H, W] in [0, 1] is the content's alpha,
    and ``style_alphas`` ([h, w] for each style, None: opaque) are those of the styles: where one is 0 the
    colours there change nothing. ``regions`` is where each style acts, None: everywhere; ``composed``
    of those that are ``acting`` lays the images of the steps over what no style acts on.
    ``encoder`` is on ``device`` already.
    The last step has ``final`` set, also when ``control.stop`` ends the work early. The same arguments and
    the same plan (``device.plan`` with ``State.full`` and ``State.tile``) give the same bits on the CPU.

    ``resume``: the ``state`` of a step of an earlier call with the same arguments. The steps after it are
    those that the earlier call would have made, to the bit where the plan is the same; live parameters that
    have changed since are followed from there. Its tensors may be on any device.

    ``continues``: ``start`` is a frame of an earlier run, painted over or not. The content loss holds to it,
    as at every scale to the picture of the coarser one. ``earlier``: the last state of that run, where it
    made the same loss small, but for live weights; what it has learnt is used if it was of this run's size.

    ``starved``: how often a process that went on from here was ended for want of memory. Each time halves the
    side that is reached; a picture that is larger already is brought to it.

    Raises ValueError without styles, start or iterations, for regions of another size, for a style of which
    nothing is to be seen and for more ``scale_iterations`` than scales, Diverged if the loss is not a number
    at the start, and whatever ``control.check`` raises. With ``deterministic`` a canvas too large for the
    memory raises what PyTorch does.
    """
    if not styles:
        raise ValueError("There is no style. Give at least one style image.")
    if not params.iterations:
        raise ValueError("There is nothing to paint in 0 iterations. palette.recoloured gives other colours.")
    if "image" in params.start_shares and start is None:
        raise ValueError("There is no image to start from. Give one, or start from content, noise or style.")
    check_scales((content.shape[2], content.shape[1]), params)

    def ready(image: Tensor | None) -> Tensor | None:
        return None if image is None else image.to(device, torch.float32)

    scene = Scene(
        content.to(device, torch.float32),
        [style.to(device, torch.float32) for style in styles],
        encoder,
        params,
        start=ready(start),
        start_alpha=ready(start_alpha),
        influence=ready(influence),
        regions=None if regions is None else regions.to(device),
        style_alphas=list(map(ready, style_alphas)),
    )
    run = _Run(scene, control or Control(params), device, resume, continues, earlier, starved)
    # This frame outlives what the run forgets of them.
    del resume, earlier
    yield from run.steps()


class _Run:
    """One run of ``stylize``: the scales that are left, and where the picture stands."""

    def __init__(
        self,
        scene: Scene,
        control: Control,
        device: torch.device,
        resume: State | None,
        continues: bool,
        earlier: State | None,
        starved: int,
    ) -> None:
        self._scene = scene
        self._continues, self._earlier = continues, earlier
        self._control = control
        self._device = device
        self._note: str | None = None
        self._said = [] if resume is None else list(resume.said)
        self._iteration = 0
        self._evaluations = 0
        self._is_enough = False
        self._curvature: Tensor | None = None
        self._seconds_per_pixel: float | None = None
        self._params = scene.params
        self._asked = self._left = 0
        self._optimiser: Optimiser | None = None
        self._reached: Tensor | None = None
        content, style = used_layers(scene.encoder, scene.params)
        self._bytes_per_pixel = bytes_per_pixel(scene.encoder, {**content, **style}, device)
        self._wanted = fit_longest(scene.size, scene.params.size)
        self._resume = resume
        if resume is None:
            self._full, self._tile = self._afford(self._wanted, starved)
            self._queue = scales_of(self._full, scene.params)
        else:
            self._full, self._tile = resume.full, resume.tile
            self._queue = [((width, height), iterations) for width, height, iterations in resume.queue]
            # Stopped, nothing is computed at the size that the memory did not suffice for.
            if starved and not self._control.stop:
                self._starve(resume, starved)
        self._view = View(scene, self._queue[0][0] if resume is None else resume.size)

    def _afford(self, full: Size, starved: int, again: bool = False) -> tuple[Size, int]:
        """The size to be reached, ``full`` at most, and the pixels of a style to read at a time: what the
        memory allows, with half the side for each time that ``full``, or what was allowed, was too much."""
        pixels = full[0] * full[1]
        if self._scene.params.deterministic:
            return full, max(_TILE, pixels)
        affordable = affordable_pixels(self._bytes_per_pixel, self._device)
        if pixels > affordable or starved:
            allowed, halved = min(1.0, math.sqrt(affordable / pixels)), 0.5**starved
            side = max(full) * (min(allowed, halved) if again else allowed * halved)
            # Halves as scales are: an odd side up.
            full = fit_longest(full, max(1, math.ceil(side) if starved else int(side)))
            if starved and max(full) < max(self._wanted) // _LEAST_STARVED:
                raise MemoryError
            self._say_smaller(full)
        # In powers of two, so that the megabytes that happen to be free do not decide how a style is read.
        tile = 1 << (affordable.bit_length() - 1)
        sizes = (self._scene.style_size(index, full) for index in range(len(self._scene.styles)))
        tile = min(tile, max(width * height for width, height in sizes))
        return full, min(tile, full[0] * full[1]) if starved else tile

    def _starve(self, resume: State, starved: int) -> None:
        """Go on smaller from ``resume``; if most of the largest scale is painted, end: more would be lost."""
        if not resume.queue and 2 * resume.left <= resume.asked:
            self._say("stopped early: not enough memory to go on")
            self._is_enough = True
            return
        self._full, self._tile = self._afford(resume.full, starved, again=True)
        self._fold()

    def _fold(self) -> None:
        """Spend at the full size what was to be spent at this and larger ones."""
        smaller = [(size, iterations) for size, iterations in self._queue if max(size) < max(self._full)]
        rest = sum(iterations for size, iterations in self._queue if max(size) >= max(self._full))
        self._queue = [*smaller, (self._full, rest)] if rest else smaller

    def steps(self) -> Iterator[Step]:
        """Work the scales in turn, then yield the final step."""
        while (self._resume or self._left or self._queue) and not (self._control.stop and self._optimiser):
            try:
                if self._resume is not None:
                    self._go_on(self._resume)
                elif not self._left:
                    self._enter(*self._queue[0])
                else:
                    yield from self._work()
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error) or self._scene.params.deterministic:
                    raise
                self._retreat(error)
            except Diverged:
                if self._optimiser is None:
                    raise
                self._say("stopped early: the loss was not a number")
                break
        yield self._final()

    def _work(self) -> Iterator[Step]:
        """The steps that are left at this scale; the very last one of the run is left to ``_final``."""
        optimiser, size = self._optimiser, self._view.size
        assert optimiser is not None
        while self._left and not self._control.stop:
            began = time.perf_counter()
            evaluations, setbacks = optimiser.evaluations, optimiser.setbacks
            if self._control.params != self._params:
                params = self._control.params
                recoloured = not self._scene.has_colours_of(params)
                optimiser.image = self._view.follow_colours(params, optimiser.image)
                optimiser.follow(self._objective(self._view, params), afresh=recoloured)
                self._params = params
            moved = optimiser.step()
            self._evaluations += optimiser.evaluations - evaluations
            if optimiser.setbacks > setbacks:
                self._say(f"stepped back from {optimiser.trouble}")
            if not moved:
                done = self._asked - self._left
                # Of nothing but the content no more is to be expected.
                if self._params.strength or self._params.tv:
                    self._say(
                        f"the picture stopped changing after {done} of {self._asked} iterations "
                        f"at {max(size)} px"
                    )
                self._left = 0
                return
            self._iteration += 1
            self._left -= 1
            self._measure((time.perf_counter() - began) / (size[0] * size[1]))
            if self._left or self._queue:
                yield self._step(optimiser.shown, optimiser.here)

    def _enter(self, size: Size, iterations: int) -> None:
        """Begin at a scale from what the one before has reached."""
        params = self._control.params
        if self._optimiser is not None:
            self._reached = self._result()[0]
        if self._reached is not None:
            self._reached = self._view.follow_colours(params, self._reached)
        else:
            self._scene.take_colours(params)
        previous = None if self._reached is None else self._view.extended(self._reached)
        view = View(self._scene, size, previous, self._params.strength)
        earlier, self._earlier = self._earlier, None
        if earlier is not None:
            earlier = earlier.on(self._device)
        start = view.beginning(params, earlier, self._control.check)
        if self._continues and previous is None:
            view.hold(start, params, earlier)
        objective = self._objective(view, params)
        if earlier is not None and self._curvature is None:
            self._curvature = earlier.curvature
        self._params = params
        optimiser = self._new_optimiser(start, objective, size)
        if earlier is not None and earlier.size == size:
            optimiser.recall(earlier.optimiser)
        self._evaluations += optimiser.evaluations
        self._view, self._optimiser = view, optimiser
        self._asked = self._left = iterations
        del self._queue[0]

    def _go_on(self, state: State) -> None:
        """Stand where ``state`` was taken."""
        self._resume, self._earlier, state = None, None, state.on(self._device)
        self._iteration, self._evaluations = state.iteration, state.evaluations
        self._seconds_per_pixel = state.seconds_per_pixel
        self._curvature = state.curvature
        # What is left to go on from if the memory does not suffice for the rest.
        self._asked, self._left = state.asked, state.left
        self._reached = state.image
        self._scene.take_colours(state.params)
        self._view = View(self._scene, state.size, state.previous, state.previous_strength)
        self._params = state.params
        if state.size == self._full:
            # Starved: what larger scales were to get is spent here.
            rest = sum(iterations for _, iterations in self._queue)
            self._asked, self._left, self._queue = self._asked + rest, self._left + rest, []
        if max(state.size) > max(self._full):
            # Starved. What the optimiser has learnt is of a size that the memory does not suffice for.
            self._queue.append((state.size, self._left))
            self._left = 0
            self._fold()
            return
        objective = self._objective(self._view, self._params)
        own = state.optimiser if state.optimiser.values else None
        self._optimiser = self._new_optimiser(state.image, objective, state.size, own)
        self._evaluations += self._optimiser.evaluations
        if self._is_enough:
            self._left = 0

    def _new_optimiser(
        self, start: Tensor, objective: Objective, size: Size, resume: Parts | None = None
    ) -> Optimiser:
        params = self._scene.params
        if params.optimiser == "adam":
            return Adam(start, objective, params.learning_rate, params.averaging, resume)
        if params.optimiser == "plain-lbfgs":
            return LBFGS(start, objective, resume=resume)
        precondition, neutral = self._preconditioner(size), self._scene.neutral
        return LBFGS(start, objective, lambda gradient: neutral(precondition(gradient)), resume=resume)

    def _result(self) -> tuple[Tensor, Evaluation]:
        """The best picture of this scale, with its losses."""
        optimiser = self._optimiser
        assert optimiser is not None
        evaluations = optimiser.evaluations
        try:
            return optimiser.result()
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error) or self._scene.params.deterministic:
                raise
            return optimiser.best
        finally:
            self._evaluations += optimiser.evaluations - evaluations

    def _objective(self, view: View, params: Params) -> Objective:
        objective = view.objective(params, self._control.check, self._tile)

        def without_colour(image: Tensor) -> Evaluation:
            # Colour that is not to be shown would lower the loss, and be taken away at the end.
            found = objective(image)
            return replace(found, gradient=self._scene.neutral(found.gradient))

        return objective if self._scene.has_colour else without_colour

    def _preconditioner(self, size: Size) -> Preconditioner:
        if self._curvature is None:
            self._curvature = curvature_of(self._scene, self._params, size, self._control.check, self._tile)
        return Preconditioner(self._curvature, size[1], size[0], self._device)

    def _step(
        self, image: Tensor, here: Evaluation, final: State | None = None, params: Params | None = None
    ) -> Step:
        note, self._note = self._note, None
        still = [(self._view.size, self._left), *self._queue]
        pixels, rate = sum(w * h * n for (w, h), n in still), self._seconds_per_pixel
        return Step(
            iteration=max(1, self._iteration),
            total=max(1, self._iteration + sum(n for _, n in still)),
            evaluations=self._evaluations,
            scale=(image.shape[2], image.shape[1]),
            losses=here.losses,
            seconds_left=None if rate is None else rate * pixels,
            image=self._view.finished(image),
            params=params or self._params,
            memory=round(self._bytes_per_pixel * image.shape[1] * image.shape[2]),
            final=final is not None,
            note=note,
            state=final or self._state(),
            whole=partial(self._view.whole, image, self._params),
        )

    def _state(self) -> State:
        assert self._optimiser is not None
        return State(
            iteration=self._iteration,
            evaluations=self._evaluations,
            size=self._view.size,
            asked=self._asked,
            left=self._left,
            queue=tuple((width, height, iterations) for (width, height), iterations in self._queue),
            full=self._full,
            tile=self._tile,
            params=self._params,
            said=tuple(self._said),
            seconds_per_pixel=self._seconds_per_pixel,
            optimiser=self._optimiser.parts(),
            previous=self._view.previous,
            previous_strength=self._view.previous_strength,
            curvature=self._curvature,
        )

    def _final(self) -> Step:
        """The last step: the best image of the last scale that was reached, at the full size."""
        best, here = self._result()
        if isinstance(self._optimiser, Adam) and self._optimiser.here.total > _RISEN * here.total:
            self._say("the loss rose again: the picture is an earlier one; a smaller learning rate helps")
        self._queue.clear()
        self._left = 0
        state = self._state()
        # Colours asked for since the last step are for the eye: the loss that is told is of that step.
        wanted = self._control.params
        colours = replace(
            self._params, keep_colours=wanted.keep_colours, luminance_space=wanted.luminance_space
        )
        best = self._view.follow_colours(colours, best)
        if self._view.size != self._full:
            self._say(f"painted at {max(self._view.size)} px, and enlarged to {max(self._scene.size)}")
            best = self._view.enlarged(best, self._full, self._params)
            self._view = View(self._scene, self._full)
        return self._step(best, here, state, colours)

    def _measure(self, seconds_per_pixel: float) -> None:
        old = seconds_per_pixel if self._seconds_per_pixel is None else self._seconds_per_pixel
        # Smoothed over about five steps: line searches make single ones uneven.
        self._seconds_per_pixel = 0.8 * old + 0.2 * seconds_per_pixel

    def _retreat(self, error: Exception) -> None:
        """After running out of memory: spend what is left of the run at half the size. Raises ``error``."""
        size, iterations = (self._view.size, self._left) if self._left else self._queue.pop(0)
        if max(size) < 2:
            raise error
        iterations += sum(n for _, n in self._queue)
        self._left = 0
        self._full = fit_longest(size, max(size) // 2)
        self._tile = max(1, size[0] * size[1] // 4)
        self._queue = [(self._full, iterations)]
        self._say_smaller(self._full)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _say_smaller(self, size: Size) -> None:
        self._say(f"worked at {max(size)} of {max(self._wanted)} px: not enough memory for more")

    def _say(self, note: str) -> None:
        if note not in self._said:
            self._said.append(note)
            self._note = note if self._note is None else f"{self._note}; {note}"
