"""Random jobs in turn: each must end with a lower loss, a sane picture, and the same bits once more."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from nst_server import weights
from nst_server.bench import machine
from nst_server.bench.cases import Case, draw, encoder_for
from nst_server.engine.ceiling import grain
from nst_server.engine.control import Control
from nst_server.engine.pyramid import resize
from nst_server.engine.scene import Scene
from nst_server.engine.state import State
from nst_server.engine.step import Step
from nst_server.engine.stylize import stylize
from nst_server.engine.vgg import Encoder
from nst_server.engine.view import View

_CPU = torch.device("cpu")
#: A picture is noise when its grain is above this, and above so many times that of all it was made from.
#: Even white noise has 2.8 times the grain of the "clouds" that are drawn here, 4 times that of the demo's
#: painting and 6 to 10 times a photograph's; one that has blown up to black and white pixels, 5 and more.
GRAIN_FLOOR, GRAIN_RATIO = 0.06, 2.0
#: px; on a shorter side two strokes beside each other are grain, and noise no more than that.
_TELLING = 4
# Relative, of losses that are the same but for rounding.
_ROUNDING = 1e-5
# And of losses that vanish: they are 1 for a content that nobody has painted on.
_NOTHING = 1e-6


@dataclass(frozen=True)
class Outcome:
    """What came of a round: ``faults`` is empty if all was well.

    ``loss``: the final one over that at the start of the last stretch, which begins with its scale or, later,
    with the last live change. ``grain``: the picture's over that of all it was made from.
    """

    number: int
    case: dict[str, Any]
    faults: tuple[str, ...]
    seconds: float
    loss: float | None = None
    grain: float | None = None
    repeat: str = ""


def rounds(numbers: Iterable[int], seed: int, weights_path: Path | None = None) -> Iterator[Outcome]:
    """Run these rounds. ``weights_path``: VGG's weights; None: filters at random, in VGG's shape.

    Raises WeightsError for a file that cannot be used.
    """
    if weights_path is not None:
        weights.load(weights_path)
    for number in numbers:
        yield judged(draw(seed, number), number, weights_path)


def judged(case: Case, number: int, weights_path: Path | None = None) -> Outcome:
    """Paint ``case`` and say what is wrong with the result; an exception is a fault like any other."""
    began = perf_counter()
    faults: list[str] = []
    loss = grain = None
    try:
        encoder = encoder_for(case, weights_path)
        steps = painted(case, encoder)
        faults, loss, grain = examined(case, steps, encoder)
        if case.repeat:
            faults += _differences(case, steps, encoder)
    except Exception as error:  # whatever it is, it is what we look for
        place = traceback.extract_tb(error.__traceback__)[-1]
        faults = [f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"]
    seconds = perf_counter() - began
    return Outcome(number, case.described(), tuple(faults), seconds, loss, grain, case.repeat)


def painted(case: Case, encoder: Encoder, resume: Step | None = None) -> list[Step]:
    """All steps of ``case``, or those after ``resume``."""
    control = Control(case.params if resume is None else case.params_after(resume.iteration))
    steps = []
    for step in stylize(
        case.content,
        case.styles,
        encoder,
        case.params,
        device=_CPU,
        start=case.start,
        influence=case.influence,
        regions=case.regions(),
        control=control,
        resume=None if resume is None else resume.state,
    ):
        steps.append(step)
        control.params = case.params_after(step.iteration)
        control.stop = case.stop is not None and step.iteration >= case.stop
    return steps


def examined(case: Case, steps: Sequence[Step], encoder: Encoder) -> tuple[list[str], float, float]:
    """What is wrong with these steps; the final loss over that at the start, and the grain's ratio."""
    faults = []
    final = steps[-1]
    for step in steps:
        if not all(map(isfinite, step.losses.values())):
            faults.append(f"a loss at iteration {step.iteration} is {step.losses}")
        if not bool(torch.isfinite(step.image).all()):
            faults.append(f"the picture of iteration {step.iteration} is not finite")
        elif float(step.image.min()) < 0 or float(step.image.max()) > 1:
            faults.append(f"the picture of iteration {step.iteration} leaves the range from 0 to 1")
    if (final.image.shape[2], final.image.shape[1]) != final.state.full or not final.final:
        faults.append(f"the last picture is {tuple(final.image.shape)}, not final at {final.state.full}")
    begin = _last_stretch(steps)
    objective_params = steps[begin].state.params
    view, start = _beginning(case, steps, begin, encoder)
    objective = view.objective(objective_params, lambda: None, final.state.tile)
    first, last = objective(start).total, final.losses["total"]
    if not last <= first + _ROUNDING * abs(first) + _NOTHING:
        faults.append(f"the loss rose from {first:.6g} to {last:.6g}")
    if objective_params.optimiser != "adam":
        losses = [step.losses["total"] for step in steps[begin:]]
        if any(later > earlier for earlier, later in pairwise(losses)):
            faults.append("the loss rose from one step to the next")
        again = objective(final.state.image).total
        if abs(again - last) > _ROUNDING * abs(last) + _NOTHING:
            faults.append(f"the final picture has the loss {again:.6g}, and {last:.6g} is told")
    ratio = _grain_ratio(final.image, view, start)
    if ratio > GRAIN_RATIO:
        faults.append(f"the picture is noise: {ratio:.1f} times the grain of what it was made from")
    return faults, last / first if first > 0 else 1.0, ratio


def _last_stretch(steps: Sequence[Step]) -> int:
    """The first step of the last loss: the scale and the parameters of the final one."""
    index = len(steps) - 1
    key = (steps[index].state.size, steps[index].state.params)
    while index and (steps[index - 1].state.size, steps[index - 1].state.params) == key:
        index -= 1
    return index


def _beginning(case: Case, steps: Sequence[Step], index: int, encoder: Encoder) -> tuple[View, Tensor]:
    """Where the stretch that begins with this step began: the view, and the picture [3, h, w]."""
    scene = Scene(
        case.content,
        case.styles,
        encoder,
        case.params,
        start=case.start,
        influence=case.influence,
        regions=case.regions(),
    )

    def view_of(state: State) -> View:
        if not scene.has_colours_of(state.params):
            scene.take_colours(state.params)
        return View(scene, state.size, state.previous, state.previous_strength)

    state = steps[index].state
    before = steps[index - 1].state if index else None
    if before is None or before.size != state.size:
        view = view_of(state)
        return view, view.beginning(state.params).clamp(0, 1)
    view = view_of(before)
    return view, view.follow_colours(state.params, before.image).clamp(0, 1)


def _grain_ratio(picture: Tensor, view: View, start: Tensor) -> float:
    """The grain of ``picture`` over the largest of all that it was made from, as the engine has seen it.

    0 for one that is too small to tell, or that nobody sees: pixels count by their alpha.
    """
    scene, seen = view.scene, view.influence
    if min(picture.shape[1:]) < _TELLING or (seen is not None and not seen.any()):
        return 0.0
    read = [resize(style, scene.style_size(index, view.size)) for index, style in enumerate(scene.styles)]
    own = (grain(image, seen) for image in (view.content, start, view.finished(start)))
    allowed = max(map(float, (*own, *map(grain, (*scene.styles, *read)))))
    return float(grain(picture, seen)) / max(allowed, GRAIN_FLOOR / GRAIN_RATIO)


def _differences(case: Case, steps: Sequence[Step], encoder: Encoder) -> list[str]:
    """What differs when ``case`` is painted once more, or gone on with from a step in the middle."""
    resume = None
    if case.repeat == "resumed":
        going = [step for step in steps[:-1] if case.stop is None or step.iteration < case.stop]
        if not going:
            return []
        resume = going[len(going) // 2]
    again = painted(case, encoder, resume)[-1]
    if again.losses == steps[-1].losses and again.image.equal(steps[-1].image):
        return []
    how = "painted again" if resume is None else f"gone on with from iteration {resume.iteration}"
    apart = float((again.image - steps[-1].image).abs().max())
    return [f"{how}, the picture differs by {apart:.2g}, losses are {again.losses}, not {steps[-1].losses}"]


def report(
    outcomes: Sequence[Outcome], seed: int, seconds: float, weights_path: Path | None = None
) -> dict[str, Any]:
    """The result of these rounds as JSON values."""
    losses = [found.loss for found in outcomes if found.loss is not None]
    grains = [found.grain for found in outcomes if found.grain is not None]
    return {
        "bench": "robustness",
        **machine.record(),
        "weights": None if weights_path is None else weights_path.name,
        "seed": seed,
        "rounds": len(outcomes),
        "seconds": round(seconds, 1),
        "loss_fell": sum(loss < 1 for loss in losses),
        "loss_ratio_median": median(losses) if losses else None,
        "grain_ratio_median": median(grains) if grains else None,
        "grain_ratio_largest": max(grains, default=None),
        "painted_again": sum(found.repeat == "whole" for found in outcomes),
        "resumed": sum(found.repeat == "resumed" for found in outcomes),
        "failed": sum(bool(found.faults) for found in outcomes),
        "failures": [
            {
                "round": found.number,
                "again": f"nst bench robustness --seed {seed} --round {found.number}",
                "faults": found.faults,
                **found.case,
            }
            for found in outcomes
            if found.faults
        ],
    }
