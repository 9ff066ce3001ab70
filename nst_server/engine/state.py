"""Where a run stands between two steps, as plain data that can be written down and gone on from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from nst_server.wire.params import Params
from nst_server.wire.scales import Size


@dataclass(frozen=True)
class Parts:
    """JSON values, and tensors by name. Nobody changes the tensors in place, so that taking them is free."""

    values: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """All that a run of ``stylize`` needs to go on after a step as if it had never been interrupted.

    iteration, evaluations: so far. size: at which it works; asked, left: iterations there, in all and still
    to come. queue: (width, height, iterations) of the scales after it. full, tile: the size to be reached and
    the pixels of a style that are read at a time, decided by the memory at the start. params: those that the
    optimiser follows. said: notes so far. seconds_per_pixel: of an iteration, None while unknown.
    optimiser: its image, curvature and moments. previous [3, h, w]: the picture of the scale before, painted
    at previous_strength; curvature [bins, 3, 3]: of the preconditioner; each None where there is none.
    """

    iteration: int
    evaluations: int
    size: Size
    asked: int
    left: int
    queue: tuple[tuple[int, int, int], ...]
    full: Size
    tile: int
    params: Params
    said: tuple[str, ...]
    seconds_per_pixel: float | None
    optimiser: Parts
    previous: Tensor | None = None
    curvature: Tensor | None = None
    previous_strength: float = 1.0

    @property
    def image(self) -> Tensor:
        """The picture as it stands, [3, h, w] in [0, 1]."""
        return self.optimiser.tensors["image"]

    def on(self, device: torch.device | str) -> State:
        """The same with its tensors on ``device``; the curvature, which is small, always on the CPU."""
        tensors = {name: tensor.to(device) for name, tensor in self.optimiser.tensors.items()}
        return replace(
            self,
            optimiser=Parts(self.optimiser.values, tensors),
            previous=None if self.previous is None else self.previous.to(device),
            curvature=None if self.curvature is None else self.curvature.cpu(),
        )

    def afresh(self) -> State:
        """The same picture without what the optimiser has learnt: for a loss that is another one now."""
        return replace(self, optimiser=Parts({}, {"image": self.image}), curvature=None)

    def parts(self) -> Parts:
        """This state in a form that can be written down."""
        values = {name: getattr(self, name) for name in _PLAIN}
        values.update(params=self.params.to_header(), optimiser=dict(self.optimiser.values))
        tensors = {f"optimiser.{name}": tensor for name, tensor in self.optimiser.tensors.items()}
        tensors.update({name: tensor for name in _TENSORS if (tensor := getattr(self, name)) is not None})
        return Parts(values, tensors)

    @classmethod
    def of(cls, parts: Parts) -> State:
        """The state that ``parts`` were made from. Raises ValueError where they are not those of one."""
        # Of states written down before there was one, all were held to as if it had been the greatest.
        values, tensors = {"previous_strength": 1.0, **parts.values}, parts.tensors
        try:
            plain: dict[str, Any] = {name: _tuples(values[name]) for name in _PLAIN}
            pictures: dict[str, Any] = {name: tensors.get(name) for name in _TENSORS}
            own = {name[10:]: tensor for name, tensor in tensors.items() if name.startswith("optimiser.")}
            state = cls(
                **plain,
                params=Params.from_header(values["params"]),
                optimiser=Parts(dict(values["optimiser"]), own),
                **pictures,
            )
            if strange := sorted({str(t.dtype) for t in tensors.values()} - {"torch.float32"}):
                raise ValueError(f"it has {', '.join(strange)} in it, not only float32")
            if state.image.shape != (3, state.size[1], state.size[0]):
                raise ValueError(f"the picture is {tuple(state.image.shape)}, not {state.size}")
            _check_numbers(state)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"not a state: {error!r}") from error
        return state


_TENSORS = ("previous", "curvature")
_PLAIN = tuple(f.name for f in fields(State) if f.name not in (*_TENSORS, "params", "optimiser"))


def _check_numbers(state: State) -> None:
    """Raise ValueError for numbers that no run leaves."""
    sides = [*state.size, *state.full, *(side for scale in state.queue for side in scale[:2])]
    counts = [state.iteration, state.evaluations, state.asked, state.left, state.tile]
    counts += [iterations for _, _, iterations in state.queue]
    for least, numbers in ((1, sides), (0, counts)):
        if strange := [n for n in numbers if type(n) is not int or n < least]:
            raise ValueError(f"{strange[0]!r} is none of its numbers")
    seconds = state.seconds_per_pixel
    if seconds is not None and not (isinstance(seconds, (int, float)) and 0 <= seconds < math.inf):
        raise ValueError(f"an iteration takes {seconds!r}")
    if not (isinstance(state.previous_strength, (int, float)) and 0 <= state.previous_strength <= 1):
        raise ValueError(f"the picture before was painted at strength {state.previous_strength!r}")
    if state.previous is not None and (state.previous.dim() != 3 or state.previous.shape[0] != 3):
        raise ValueError(f"the picture before is {tuple(state.previous.shape)}")
    for name, tensor in state.parts().tensors.items():
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} is not finite")


def _tuples(value: Any) -> Any:
    """JSON knows lists alone."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
