"""Checks of single parameters: each returns the value in its canonical type, or raises InvalidParams."""

from __future__ import annotations

import math
from typing import Any, Mapping, Sequence

from .layers import FORM, canonical_layer
from .starts import EXAMPLE, STARTS, canonical, shares_of


class InvalidParams(ValueError):
    """A parameter that cannot be used. ``field`` names it, ``hint`` says what to do."""

    def __init__(self, field_name: str, problem: str, hint: str) -> None:
        super().__init__(f"{field_name}: {problem} {hint}".strip())
        self.field = field_name
        self.problem = problem
        self.hint = hint


def checked_choice(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """One of ``choices``."""
    if value not in choices or type(value) is not type(choices[0]):
        wanted = f"Choose one of {', '.join(map(str, choices))}."
        raise InvalidParams(name, f"{value!r} is not a choice.", wanted)
    return value


def checked_number(name: str, value: Any, kind: type, low: float, high: float) -> Any:
    """A number of this ``kind`` from ``low`` to ``high``."""
    wanted = f"Give a {'whole ' if kind is int else ''}number from {low} to {high}."
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidParams(name, f"must be a number, not {value!r}.", wanted)
    if isinstance(value, float) and (not math.isfinite(value) or (kind is int and not value.is_integer())):
        raise InvalidParams(name, f"{value!r} cannot be used.", wanted)
    if not low <= value <= high:
        raise InvalidParams(name, f"{value!r} is out of range.", wanted)
    return kind(value)


def checked_layers(name: str, value: Any) -> Mapping[str, float]:
    """Layer names with weights; from a list of names, each weighs 1."""
    if isinstance(value, (list, tuple)):
        value = dict.fromkeys(value, 1.0) if _all_strings(value) else None
    if not isinstance(value, Mapping):
        raise InvalidParams(
            name, "must be layer names, or names with weights.", 'Write ["conv1_1"] or {"conv1_1": 1}.'
        )
    layers = {
        layer: checked_number(f"{name}.{layer}", weight, float, 0.0, 1e6)
        for layer, weight in _by_layer(name, value).items()
    }
    if layers and not any(layers.values()):
        raise InvalidParams(name, "all weights are 0.", "Give at least one layer a weight above 0.")
    return layers


def checked_losses(name: str, value: Any, choices: Sequence[str]) -> Mapping[str, str]:
    """Layer names, each with one of ``choices``."""
    if not isinstance(value, Mapping) or not all(loss in choices for loss in value.values()):
        raise InvalidParams(
            name,
            f"must be layer names, each with one of {', '.join(choices)}.",
            'Write {"conv1_1": "gram"}.',
        )
    return {layer: str(loss) for layer, loss in _by_layer(name, value).items()}


def checked_start(name: str, value: Any) -> str:
    """What to start from, in its canonical form."""
    hint = f"Choose one of {', '.join(STARTS)}, or blend some: {EXAMPLE}."
    if not isinstance(value, str):
        raise InvalidParams(name, f"{value!r} is not a choice.", hint)
    try:
        return canonical(shares_of(value))
    except ValueError as error:
        raise InvalidParams(name, str(error), hint) from error


def checked_list(
    name: str, value: Any, what: str, most: int, kind: type, low: float, high: float
) -> tuple[Any, ...]:
    """Numbers of this ``kind`` from ``low`` to ``high``, one for each ``what``, at ``most`` so many."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) or len(value) > most:
        raise InvalidParams(name, "must be a list of numbers.", f"One for each {what}, at most {most}.")
    return tuple(checked_number(f"{name}[{i}]", number, kind, low, high) for i, number in enumerate(value))


def _by_layer(name: str, value: Mapping[Any, Any]) -> Mapping[str, Any]:
    """``value`` with the names of its layers as they are written here."""
    found: dict[str, Any] = {}
    for given, what in value.items():
        try:
            layer = canonical_layer(str(given))
        except ValueError as error:
            raise InvalidParams(name, str(error), FORM) from error
        if layer in found:
            raise InvalidParams(name, f"{layer} is named twice.", "Name each layer once.")
        found[layer] = what
    return found


def _all_strings(values: Sequence[Any]) -> bool:
    return all(isinstance(v, str) for v in values)
