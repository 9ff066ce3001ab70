"""Style transfer as a generator of steps, from coarse to fine. Closing it is cancellation."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nst_server import device as devices
from nst_server.engine.memory import bytes_per_pixel
from nst_server.engine.objective import used_layers
from nst_server.engine.optimisers import LBFGS, Adam, Diverged, Evaluation, Objective, Optimiser
from nst_server.engine.preconditioner import Preconditioner, probe_curvature
from nst_server.engine.pyramid import COARSEST, Size, fit_longest, scale_ladder, share_iterations
from nst_server.engine.regions import Regions
from nst_server.engine.scene import Scene, View
from nst_server.engine.vgg import Encoder
from nst_server.wire.params import Params

# Of the free memory; the rest is for frames on their way out and for what the estimate leaves out.
_MEMORY_SHARE = 0.75


class Cancelled(Exception):
    """Raised by ``Control.check`` to leave a computation at once."""


class Control:
    """The reins of a running job. ``params`` may be replaced (live fields only) and ``stop`` set at any time.

    ``check`` is called between the layers of every evaluation; a subclass raises Cancelled there.
    """

    def __init__(self, params: Params) -> None:
        self.params = params
        self.stop = False

    def check(self) -> None:
        """Do nothing, or raise Cancelled."""


@dataclass(frozen=True)
class Step:
    """One accepted step of the optimiser.

    iteration: counted from 1 over all scales, of ``total``, which may change; evaluations: spent so far.
    scale: width and height of ``image`` [3, h, w], float32 in [0, 1], detached, on the computing device.
    losses: content, style, tv, total. seconds_left: None while unknown. final: the last step; its image is
    the best one at the full size, its iteration may repeat that of the step before. memory: bytes that an
    evaluation takes at this scale, as estimated. note: something that the painter should know, or None.
    """

    iteration: int
    total: int
    evaluations: int
    scale: Size
    losses: Mapping[str, float]
    seconds_left: float | None
    image: Tensor
    memory: int = 0
    final: bool = False
    note: str | None = None


def stylize(
    content: Tensor,
    styles: Sequence[Tensor],
    encoder: Encoder,
    params: Params,
    *,
    device: torch.device,
    start: Tensor | None = None,
    influence: Tensor | None = None,
    regions: Regions | None = None,
    control: Control | None = None,
) -> Iterator[Step]:
    """Paint ``content`` [3, H, W] in the manner of ``styles`` (each [3, h, w]); sRGB in [0, 1].

    ``start`` [3, h, w] is needed when ``params.start`` is "image". ``influence`` [H, W] in [0, 1] is the
    content's alpha: where it is 0 the content's colours change nothing. ``regions`` is where each style acts,
    None: everywhere; ``regions.composed`` lays the images of the steps over what no style acts on.
    ``encoder`` is on ``device`` already.
    The last step has ``final`` set, also when ``control.stop`` ends the work early. The same arguments and
    the same plan (``device.plan``) give the same bits on the CPU.

    Raises ValueError without styles or start and for regions of another size, Diverged if the loss is not a
    number at the start, and whatever ``control.check`` raises.
    """
    if not styles:
        raise ValueError("There is no style. Give at least one style image.")
    if params.start == "image" and start is None:
        raise ValueError("There is no image to start from. Give one, or start from content, noise or style.")
    if regions is not None and (len(regions.masks), regions.size) != (len(styles), _size(content)):
        raise ValueError(
            f"The regions are {tuple(regions.masks.shape)}: give a mask of the content's size for each style."
        )
    scene = Scene(
        content.to(device, torch.float32),
        [style.to(device, torch.float32) for style in styles],
        encoder,
        params,
        start=None if start is None else start.to(device, torch.float32),
        influence=None if influence is None else influence.to(device, torch.float32),
        regions=None if regions is None else regions.to(device),
    )
    yield from _Run(scene, control or Control(params), device).steps()


def _size(image: Tensor) -> Size:
    return image.shape[2], image.shape[1]


class _Run:
    """One run of ``stylize``: the scales that are left, and where the picture stands."""

    def __init__(self, scene: Scene, control: Control, device: torch.device) -> None:
        self._scene = scene
        self._control = control
        self._device = device
        self._note: str | None = None
        self._iteration = 0
        self._evaluations = 0
        self._curvature: Tensor | None = None
        self._seconds_per_pixel: float | None = None
        params = scene.params
        content, style = used_layers(scene.encoder, params)
        self._bytes_per_pixel = bytes_per_pixel(scene.encoder, {**content, **style}, device)
        self._wanted = fit_longest(scene.size, params.size)
        self._largest = self._affordable_pixels()
        full = self._wanted
        if full[0] * full[1] > self._largest:
            full = fit_longest(full, max(1, int(max(full) * math.sqrt(self._largest / (full[0] * full[1])))))
            self._say_smaller(full)
        self._full = full
        # A start image has its composition already; working it small first would only blur it.
        sizes = scale_ladder(full, params.coarse_to_fine and params.start != "image")
        shares = share_iterations(params.iterations, len(sizes))
        self._queue = [pair for pair in zip(sizes, shares, strict=True) if pair[1]]
        self._view = View(scene, self._queue[0][0])
        self._optimiser: Optimiser | None = None

    def steps(self) -> Iterator[Step]:
        """Work the scales in turn, then yield the final step."""
        while self._queue and not (self._control.stop and self._optimiser):
            size, iterations = self._queue.pop(0)
            began = self._iteration
            try:
                yield from self._work(size, iterations)
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error) or max(size) < 2:
                    raise
                self._retreat(size, began + iterations - self._iteration)
            except Diverged:
                if self._optimiser is None:
                    raise
                self._say("stopped early: the loss was not a number")
                break
        yield self._final()

    def _work(self, size: Size, iterations: int) -> Iterator[Step]:
        """Up to ``iterations`` steps at ``size``; the very last step of the run is left to ``_final``."""
        params = self._control.params
        optimiser = self._enter(size, params)
        for left in reversed(range(iterations)):
            if self._control.stop:
                return
            began = time.perf_counter()
            evaluations, setbacks = optimiser.evaluations, optimiser.setbacks
            if self._control.params != params:
                params = self._control.params
                optimiser.follow(self._objective(self._view, params))
            moved = optimiser.step()
            self._evaluations += optimiser.evaluations - evaluations
            if optimiser.setbacks > setbacks:
                self._say("stepped back from a loss that was not a number")
            if not moved:
                return
            self._iteration += 1
            self._measure((time.perf_counter() - began) / (size[0] * size[1]))
            if left or self._queue:
                yield self._step(optimiser.image, optimiser.here, left)

    def _enter(self, size: Size, params: Params) -> Optimiser:
        """Begin at a scale from what the one before has reached."""
        view = View(self._scene, size, self._view.extended(self._optimiser.best) if self._optimiser else None)
        objective = self._objective(view, params)
        start = view.beginning(params)
        optimiser: Optimiser
        if params.optimiser == "adam":
            optimiser = Adam(start, objective, params.learning_rate)
        else:
            optimiser = LBFGS(start, objective, self._preconditioner(size, params))
        self._evaluations += optimiser.evaluations
        self._view, self._optimiser = view, optimiser
        return optimiser

    def _objective(self, view: View, params: Params) -> Objective:
        return view.objective(params, self._control.check, self._largest)

    def _preconditioner(self, size: Size, params: Params) -> Preconditioner:
        """For images of ``size``, from a probe of the content loss made once at the coarsest size.

        The curvature by frequency and colour is the encoder's far more than the picture's or the scale's.
        """
        if self._curvature is None:
            view = View(self._scene, fit_longest(size, min(COARSEST, max(size))))
            probe = replace(params, strength=0.0, tv=0.0)
            objective = self._objective(view, probe)
            self._curvature = probe_curvature(
                lambda image: objective(image).gradient, view.content, params.seed
            )
        return Preconditioner(self._curvature, size[1], size[0], self._device)

    def _step(self, image: Tensor, here: Evaluation, left: int, final: bool = False) -> Step:
        """A step with ``left`` iterations to go at this scale."""
        note, self._note = self._note, None
        remaining = left * self._view.size[0] * self._view.size[1] + sum(
            w * h * n for (w, h), n in self._queue
        )
        rate = self._seconds_per_pixel
        return Step(
            iteration=max(1, self._iteration),
            total=max(1, self._iteration + left + sum(n for _, n in self._queue)),
            evaluations=self._evaluations,
            scale=(image.shape[2], image.shape[1]),
            losses=here.losses,
            seconds_left=None if rate is None else rate * remaining,
            image=self._view.finished(image),
            memory=round(self._bytes_per_pixel * image.shape[1] * image.shape[2]),
            final=final,
            note=note,
        )

    def _final(self) -> Step:
        """The last step: the best image of the last scale that was reached, at the full size."""
        assert self._optimiser is not None
        best, here = self._optimiser.best, self._optimiser.best_here
        self._queue.clear()
        if self._view.size != self._full:
            self._view = View(self._scene, self._full, self._view.extended(best))
            best = self._view.beginning(self._control.params)
        return self._step(best, here, 0, final=True)

    def _measure(self, seconds_per_pixel: float) -> None:
        # Smoothed over about five steps: line searches make single ones uneven.
        old = self._seconds_per_pixel
        self._seconds_per_pixel = seconds_per_pixel if old is None else 0.8 * old + 0.2 * seconds_per_pixel

    def _affordable_pixels(self) -> int:
        """How many pixels the memory that is free now can hold, at least one."""
        available = _MEMORY_SHARE * devices.memory_available(self._device)
        return max(1, int(available / self._bytes_per_pixel))

    def _retreat(self, size: Size, iterations: int) -> None:
        """After running out of memory at ``size``: spend what is left of the run at half of it."""
        iterations += sum(n for _, n in self._queue)
        self._full = fit_longest(size, max(size) // 2)
        self._largest = max(1, size[0] * size[1] // 4)
        self._queue = [(self._full, iterations)]
        self._say_smaller(self._full)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _say_smaller(self, size: Size) -> None:
        self._say(f"worked at {max(size)} of {max(self._wanted)} px: not enough memory for more")

    def _say(self, note: str) -> None:
        self._note = note if self._note is None else f"{self._note}; {note}"
