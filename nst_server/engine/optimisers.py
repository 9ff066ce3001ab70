"""Optimisers of an image inside the [0, 1] box. Each ``step`` is one accepted step, whatever it cost.

L-BFGS: Nocedal & Wright, "Numerical Optimization", algorithm 7.4, with projection onto the box (Bertsekas
1982) and Armijo backtracking, so that the loss never rises. Adam: Kingma & Ba 2015, clamped to the box, with
the average of its iterates (Polyak & Juditsky 1992; exponential, as in Kingma & Ba, section 7.2).

Tensors are replaced, never changed in place: what ``parts`` hands out stays as it is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nst_server.engine.state import Parts


@dataclass(frozen=True)
class Evaluation:
    """An objective at one image: total loss, its gradient [3, H, W], and the parts of the loss by name."""

    total: float
    gradient: Tensor
    losses: Mapping[str, float]

    @property
    def finite(self) -> bool:
        """Whether neither the loss nor its gradient is NaN or infinite."""
        return math.isfinite(self.total) and math.isfinite(float(self.gradient.abs().sum()))


Objective = Callable[[Tensor], Evaluation]


class Diverged(ArithmeticError):
    """The loss is not a number where the optimiser begins, so that there is nothing to go back to."""


class Optimiser(Protocol):
    """What L-BFGS and Adam have in common. ``image`` is where it stands, ``here`` its evaluation.

    ``objective``: what is made small. ``evaluations``: how often it was asked. ``setbacks``: how often the
    optimiser stepped back, the last time from ``trouble``.
    """

    objective: Objective
    image: Tensor
    here: Evaluation
    evaluations: int
    setbacks: int
    trouble: str

    @property
    def shown(self) -> Tensor:
        """The picture [3, H, W] to show of the present step."""

    @property
    def best(self) -> tuple[Tensor, Evaluation]:
        """The picture with the lowest loss that is known since the objective last changed."""

    def result(self) -> tuple[Tensor, Evaluation]:
        """That picture, or a better one for another evaluation."""

    def step(self) -> bool:
        """Make one accepted step; False if the objective cannot be lowered from here."""

    def follow(self, objective: Objective, afresh: bool = False) -> None:
        """Go on from the same image under another objective. Raises Diverged if it is not finite there.

        ``afresh``: it is another picture's, and what was learnt of the old one is forgotten.
        """

    def recall(self, parts: Parts) -> None:
        """Take over the curvature in ``parts`` of another of the same kind, of nearly the same loss.

        It belongs to the loss more than to the picture: it holds after a jump of the picture too.
        """

    def parts(self) -> Parts:
        """All that another optimiser of the same kind needs to go on from here to the same bits."""


_NOT_A_NUMBER = "a loss that was not a number"
# A loss this small is nobody's to see; the rounding of one that is 0 can be negative.
_NOTHING = 1e-6


class LBFGS:
    """Projected L-BFGS that starts each direction from a preconditioner.

    A step is kept only if it lowers the loss enough (Armijo), so a bad curvature estimate, a NaN or a
    kink costs evaluations, never the image. ``setbacks`` counts evaluations that were not finite.
    """

    first_move = 0.02  # mean change of a pixel that the first direction asks for
    largest_move = 0.1  # and the most that any direction may ask for
    backtracks = 8
    # Of the fall that the slope alone promises, the part that a step must bring. With less it has gone nearly
    # twice as far as the lowest point on its way, and what it threw up on the other side would be shown.
    least_fall = 0.05
    curvature_floor = 1e-8

    def __init__(
        self,
        start: Tensor,
        objective: Objective,
        precondition: Callable[[Tensor], Tensor] | None = None,
        history: int = 10,
        resume: Parts | None = None,
    ) -> None:
        """``start`` [3, H, W] is clamped to [0, 1]. Raises Diverged if the loss there is not finite.

        ``history``: pairs of differences that are kept, two images each. ``resume``: ``parts`` of another
        L-BFGS that stood at ``start``; the objective is not asked then.
        """
        self._precondition = precondition or (lambda gradient: gradient)
        self._pairs: deque[tuple[Tensor, Tensor]] = deque(maxlen=history)
        self.image = start.clamp(0, 1)
        self.evaluations = 0
        self.setbacks = 0
        self.trouble = _NOT_A_NUMBER
        if resume is None:
            self.follow(objective)
            return
        self.objective = objective
        self.here = _evaluation(resume, "here")
        self.recall(resume)

    def recall(self, parts: Parts) -> None:
        for k in range(parts.values.get("pairs", 0)):
            self._pairs.append((parts.tensors[f"s{k}"], parts.tensors[f"y{k}"]))

    def parts(self) -> Parts:
        here = _parts_of(self.here, "here")
        tensors = {"image": self.image, **here.tensors}
        for k, (s, y) in enumerate(self._pairs):
            tensors.update({f"s{k}": s, f"y{k}": y})
        return Parts({**here.values, "pairs": len(self._pairs)}, tensors)

    @property
    def shown(self) -> Tensor:
        return self.image

    @property
    def best(self) -> tuple[Tensor, Evaluation]:
        # The loss never rises.
        return self.image, self.here

    def result(self) -> tuple[Tensor, Evaluation]:
        return self.best

    def follow(self, objective: Objective, afresh: bool = False) -> None:
        # With the pairs of the old loss the new one was no lower five steps after any of five changes of
        # strength, style weights and total variation, and the first frames had specks.
        self._pairs.clear()
        self.objective = objective
        self.here = _first_evaluation(self, objective)

    def step(self) -> bool:
        if self._pairs and self._try(self._direction()):
            return True
        self._pairs.clear()
        return self._try(self._direction())

    def _free(self) -> Tensor:
        """1 where a pixel may move downhill, 0 where the box holds it."""
        x, g = self.image, self.here.gradient
        return (~((x <= 0) & (g > 0) | (x >= 1) & (g < 0))).to(x.dtype)

    def _direction(self) -> Tensor:
        """Two-loop recursion on the free pixels: [3, H, W]."""
        free = self._free()
        gradient = self.here.gradient * free
        direction = -gradient
        products: list[tuple[Tensor, Tensor, float, float]] = []
        scale = 0.0
        for s, y in reversed(self._pairs):
            s_free, y_free = s * free, y * free
            curvature = _dot(s_free, y_free)
            if curvature <= self.curvature_floor * _norm(s_free) * _norm(y_free):
                continue
            if not scale:
                scale = curvature / max(_dot(y_free, free * self._precondition(y_free)), 1e-30)
            along = _dot(s_free, direction) / curvature
            direction = direction - along * y_free
            products.append((s_free, y_free, curvature, along))
        direction = free * self._precondition(direction)
        if products:
            direction = direction * scale
        for s_free, y_free, curvature, along in reversed(products):
            direction = direction + (along - _dot(y_free, direction) / curvature) * s_free
        return self._bounded(direction, gradient, fresh=not products)

    def _bounded(self, direction: Tensor, gradient: Tensor, *, fresh: bool) -> Tensor:
        """The direction at a sane length, or the plain preconditioned descent if it does not point down."""
        move = float(direction.abs().mean())
        if not math.isfinite(move) or _dot(direction, gradient) >= 0:
            direction, fresh = -self._free() * self._precondition(gradient), True
            move = float(direction.abs().mean())
        wanted = self.first_move if fresh else min(move, self.largest_move)
        return direction * (wanted / move) if move > 0 else direction

    def _try(self, direction: Tensor) -> bool:
        """Backtrack along ``direction``, projected onto the box, until the loss falls enough."""
        t = 1.0
        for _ in range(self.backtracks):
            image = (self.image + t * direction).clamp_(0, 1)
            slope = _dot(self.here.gradient, image - self.image)
            if not slope < 0:
                return False
            there = self.objective(image)
            self.evaluations += 1
            if not there.finite:
                self.setbacks += 1
                self._pairs.clear()
                t *= 0.1
                continue
            if there.total <= self.here.total + self.least_fall * slope:
                self._accept(image, there)
                return True
            # Minimum of the parabola through both losses and the slope, kept within [0.1, 0.5] t.
            t *= min(0.5, max(0.1, -slope / (2 * (there.total - self.here.total - slope))))
        return False

    def _accept(self, image: Tensor, there: Evaluation) -> None:
        s, y = image - self.image, there.gradient - self.here.gradient
        if _dot(s, y) > self.curvature_floor * _norm(s) * _norm(y):
            self._pairs.append((s, y))
        self.image, self.here = image, there


class Adam:
    """Adam inside the box. Shows the average of its steps; steps back to its best picture from a NaN.

    The steps of Adam are as long near the minimum as far from it: it circles there, and the average is
    nearer. A loss that grows beyond ``blow_up`` times what it was at the start counts as a NaN does.
    """

    blow_up = 10.0
    #: No pixel moves farther in a step. At first all of them move by the whole learning rate: more than this
    #: makes noise, which takes tens of iterations to calm.
    longest = 0.1

    def __init__(
        self,
        start: Tensor,
        objective: Objective,
        learning_rate: float = 0.02,
        averaging: float = 0.0,
        resume: Parts | None = None,
    ) -> None:
        """``start`` [3, H, W] is clamped to [0, 1]. Raises Diverged if the loss there is not finite.

        ``averaging`` in [0, 1): the weight of the older steps in the average; 0 shows the steps themselves.
        ``resume``: ``parts`` of another Adam that stood at ``start``; the objective is not asked then.
        """
        self._averaging = averaging
        self._learning_rate = learning_rate
        self.image = start.clamp(0, 1)
        self.evaluations = 0
        self.setbacks = 0
        self.trouble = ""
        self._steps = 0
        if resume is None:
            self.follow(objective, afresh=True)
            return
        self.objective = objective
        self.here, self._best_here = _evaluation(resume, "here"), _evaluation(resume, "best")
        for name in self._numbers:
            setattr(self, name, resume.values[name])
        for name in self._images:
            setattr(self, name, resume.tensors[name])

    _numbers = ("_learning_rate", "_steps", "_limit")
    _images = ("_best", "_first", "_second", "_sum")

    def parts(self) -> Parts:
        here, best = _parts_of(self.here, "here"), _parts_of(self._best_here, "best")
        values = {name: getattr(self, name) for name in self._numbers}
        tensors = {name: getattr(self, name) for name in self._images}
        return Parts(
            {**values, **here.values, **best.values},
            {"image": self.image, **tensors, **here.tensors, **best.tensors},
        )

    @property
    def shown(self) -> Tensor:
        if not self._averaging or not self._steps:
            return self.image
        # Kingma & Ba, equation 3: the sum began at 0.
        return (self._sum / (1 - self._averaging**self._steps)).clamp(0, 1)

    @property
    def best(self) -> tuple[Tensor, Evaluation]:
        return self._best, self._best_here

    def result(self) -> tuple[Tensor, Evaluation]:
        if self._averaging and self._steps:
            self._consider(self.shown)
        return self.best

    def follow(self, objective: Objective, afresh: bool = False) -> None:
        self.objective = objective
        self.here = _first_evaluation(self, objective)
        self._best, self._best_here = self.image, self.here
        self._limit = self.blow_up * max(self.here.total, _NOTHING)
        if afresh:
            self._forget()
        else:
            self._settle()

    def recall(self, parts: Parts) -> None:
        if parts.values:
            self._steps, self._second = parts.values["_steps"], parts.tensors["_second"]
            self._settle()

    def _forget(self) -> None:
        self._steps, self._second = 0, torch.zeros_like(self.image)
        self._settle()

    def _settle(self) -> None:
        """Stand here as if all steps so far had come this way: they were led elsewhere.

        How strong gradients usually are stays known: without that a step would move each pixel by the whole
        learning rate, and does where a gradient is stronger than it was. If they all are, nothing is known:
        it would take hundreds of steps to be unlearnt (from strength 0.5 to 0.2 the loss grew for ten).
        """
        gradient = self.here.gradient
        now = (1 - 0.999**self._steps) * gradient.square()
        if float(now.mean()) > float(self._second.mean()):
            self._steps, now, self._second = 0, torch.zeros_like(now), torch.zeros_like(now)
        self._second = torch.maximum(self._second, now)
        self._first = (1 - 0.9**self._steps) * gradient
        self._sum = (1 - self._averaging**self._steps) * self.image

    def step(self) -> bool:
        for _ in range(5):
            gradient = self.here.gradient
            if not bool(gradient.any()):
                return False
            self._steps += 1
            self._first = self._first.lerp(gradient, 0.1)
            self._second = self._second.lerp(gradient.square(), 0.001)
            first = self._first / (1 - 0.9**self._steps)
            second = self._second / (1 - 0.999**self._steps)
            # An epsilon below any gradient that moves a pixel visibly: gradients fall with the pixel count.
            moved = self._learning_rate * first / (second.sqrt() + 1e-12)
            image = (self.image - moved.clamp_(-self.longest, self.longest)).clamp_(0, 1)
            there = self._consider(image)
            if there.finite and there.total <= self._limit:
                self.image, self.here = image, there
                self._sum = torch.lerp(image, self._sum, self._averaging)
                return True
            self.setbacks += 1
            self.trouble = "a loss that grew tenfold" if there.finite else _NOT_A_NUMBER
            self._learning_rate /= 2
            self.image, self.here = self._best, self._best_here
            self._forget()
        return False

    def _consider(self, image: Tensor) -> Evaluation:
        there = self.objective(image)
        self.evaluations += 1
        if there.finite and there.total < self._best_here.total:
            self._best, self._best_here = image, there
        return there


def _parts_of(evaluation: Evaluation, name: str) -> Parts:
    values = {f"{name}.total": evaluation.total, f"{name}.losses": dict(evaluation.losses)}
    return Parts(values, {f"{name}.gradient": evaluation.gradient})


def _evaluation(parts: Parts, name: str) -> Evaluation:
    losses = {str(key): float(loss) for key, loss in parts.values[f"{name}.losses"].items()}
    return Evaluation(float(parts.values[f"{name}.total"]), parts.tensors[f"{name}.gradient"], losses)


def _first_evaluation(optimiser: LBFGS | Adam, objective: Objective) -> Evaluation:
    for _ in range(2):  # once more: a fault of the moment is not a fault of the image
        here = objective(optimiser.image)
        optimiser.evaluations += 1
        if here.finite:
            return here
        optimiser.setbacks += 1
    raise Diverged(
        "The loss is not a number at the starting image. Start from another image or with other layers."
    )


def _dot(a: Tensor, b: Tensor) -> float:
    # Apple's GPUs have no float64.
    return float((a * b).sum(dtype=torch.float32 if a.device.type == "mps" else torch.float64))


def _norm(a: Tensor) -> float:
    return math.sqrt(_dot(a, a))
