"""Optimisers of an image inside the [0, 1] box. Each ``step`` is one accepted step, whatever it cost.

L-BFGS: Nocedal & Wright, "Numerical Optimization", algorithm 7.4, with projection onto the box (Bertsekas
1982) and Armijo backtracking, so that the loss never rises. Adam: Kingma & Ba 2015, clamped to the box.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


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
    """What L-BFGS and Adam have in common. ``image`` is where it stands, ``here`` its evaluation."""

    image: Tensor
    here: Evaluation
    evaluations: int
    setbacks: int

    @property
    def best(self) -> Tensor:
        """The image with the lowest loss since the objective last changed."""

    @property
    def best_here(self) -> Evaluation:
        """The evaluation of ``best``."""

    def step(self) -> bool:
        """Make one accepted step; False if the objective cannot be lowered from here."""

    def follow(self, objective: Objective) -> None:
        """Go on from the same image under another objective."""


class LBFGS:
    """Projected L-BFGS that starts each direction from a preconditioner.

    A step is kept only if it lowers the loss enough (Armijo), so a bad curvature estimate, a NaN or a
    kink costs evaluations, never the image. ``setbacks`` counts evaluations that were not finite.
    """

    first_move = 0.02  # mean change of a pixel that the first direction asks for
    largest_move = 0.1  # and the most that any direction may ask for
    backtracks = 8
    curvature_floor = 1e-8

    def __init__(
        self,
        start: Tensor,
        objective: Objective,
        precondition: Callable[[Tensor], Tensor] | None = None,
        history: int = 10,
    ) -> None:
        """``start`` [3, H, W] is clamped to [0, 1]. Raises Diverged if the loss there is not finite."""
        self._precondition = precondition or (lambda gradient: gradient)
        self._pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=history)
        self._scale = 0.0
        self.image = start.clamp(0, 1)
        self.evaluations = 0
        self.setbacks = 0
        self.follow(objective)

    @property
    def best(self) -> Tensor:
        """The image with the lowest loss so far: the present one, as the loss never rises."""
        return self.image

    @property
    def best_here(self) -> Evaluation:
        """The evaluation of ``best``."""
        return self.here

    def follow(self, objective: Objective) -> None:
        """Go on from the same image under another objective. Raises Diverged if it is not finite there."""
        self._objective = objective
        self._pairs.clear()
        self.here = _first_evaluation(self, objective)

    def step(self) -> bool:
        """Make one accepted step; False if the objective cannot be lowered from here."""
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
        for s, y, _ in reversed(self._pairs):
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
            there = self._objective(image)
            self.evaluations += 1
            if not there.finite:
                self.setbacks += 1
                self._pairs.clear()
                t *= 0.1
                continue
            if there.total <= self.here.total + 1e-4 * slope:
                self._accept(image, there)
                return True
            # Minimum of the parabola through both losses and the slope, kept within [0.1, 0.5] t.
            t *= min(0.5, max(0.1, -slope / (2 * (there.total - self.here.total - slope))))
        return False

    def _accept(self, image: Tensor, there: Evaluation) -> None:
        s, y = image - self.image, there.gradient - self.here.gradient
        curvature = _dot(s, y)
        if curvature > self.curvature_floor * _norm(s) * _norm(y):
            self._pairs.append((s, y, curvature))
        self.image, self.here = image, there


class Adam:
    """Adam inside the box. Keeps the best image, as the loss may rise; steps back to it from a NaN."""

    def __init__(self, start: Tensor, objective: Objective, learning_rate: float = 0.02) -> None:
        """``start`` [3, H, W] is clamped to [0, 1]. Raises Diverged if the loss there is not finite."""
        self._learning_rate = learning_rate
        self.image = start.clamp(0, 1)
        self.evaluations = 0
        self.setbacks = 0
        self.follow(objective)

    def follow(self, objective: Objective) -> None:
        """Go on from the same image under another objective. Raises Diverged if it is not finite there."""
        self._objective = objective
        self.here = _first_evaluation(self, objective)
        self.best, self.best_here = self.image, self.here
        self._forget()

    def _forget(self) -> None:
        self._steps = 0
        self._first = torch.zeros_like(self.image)
        self._second = torch.zeros_like(self.image)

    def step(self) -> bool:
        """Make one step; False if the gradient vanished, or if five evaluations running were not finite."""
        for _ in range(5):
            gradient = self.here.gradient
            if not bool(gradient.any()):
                return False
            self._steps += 1
            self._first.lerp_(gradient, 0.1)
            self._second.lerp_(gradient.square(), 0.001)
            first = self._first / (1 - 0.9**self._steps)
            second = self._second / (1 - 0.999**self._steps)
            # An epsilon below any gradient that moves a pixel visibly: gradients fall with the pixel count.
            image = (self.image - self._learning_rate * first / (second.sqrt() + 1e-12)).clamp_(0, 1)
            there = self._objective(image)
            self.evaluations += 1
            if there.finite:
                self.image, self.here = image, there
                if there.total < self.best_here.total:
                    self.best, self.best_here = image, there
                return True
            self.setbacks += 1
            self._learning_rate /= 2
            self.image, self.here = self.best, self.best_here
            self._forget()
        return False


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
