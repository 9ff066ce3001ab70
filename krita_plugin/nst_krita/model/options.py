"""The docker's settings: every parameter of a job, and which frames become layers."""

from __future__ import annotations

from enum import Enum
from typing import Any, Iterable, Mapping

from ..backend import wire
from .properties import Observable

Params, FrameSchedule = wire.params.Params, wire.params.FrameSchedule
DEFAULTS, FIELDS = wire.params.DEFAULTS, wire.params.FIELDS
#: The parameters that a running job can follow.
LIVE = tuple(name for name, meta in FIELDS.items() if meta.get("live"))


class Layers(Enum):
    """Which frames become layers of the document."""

    EVERY = "every"
    NEWEST = "newest"
    FINAL = "final"


class Options(Observable):
    """The parameters by their names in the protocol, with its defaults; ``layers`` beside them.

    ``style_weights`` is not among them: it belongs to the list of styles.
    """

    def __init__(self) -> None:
        self._values: dict[str, Any] = {
            name: getattr(DEFAULTS, name) for name in FIELDS if name != "style_weights"
        }
        self._values["frames"] = str(DEFAULTS.frames)
        self._values["layers"] = Layers.EVERY

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if self._values[name] != value:
            self._values[name] = value
            self.notify(name)

    def params(self, weights: Iterable[float]) -> Any:
        """Params for a job with styles of these weights. Raises InvalidParams."""
        values = {name: value for name, value in self._values.items() if name != "layers"}
        if self["layers"] is Layers.FINAL:
            values["frames"] = FrameSchedule(series=False)
        # The painter sees choices, not the image that "image" needs.
        return Params(style_weights=tuple(weights), **values)

    def live(self, weights: Iterable[float]) -> dict[str, Any]:
        """What a running job can follow, as an update wants it."""
        values = {name: self._values[name] for name in LIVE if name in self._values}
        return {**values, "style_weights": list(weights)}

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults, for the settings file."""
        fresh = Options()
        changed = {name: value for name, value in self._values.items() if value != fresh[name]}
        return {name: value.value if isinstance(value, Layers) else value for name, value in changed.items()}

    def load(self, saved: Any) -> None:
        """Take what ``to_json`` gave; entries that no longer fit are left at their defaults."""
        for name, value in saved.items() if isinstance(saved, Mapping) else ():
            try:
                if name == "layers":
                    self["layers"] = Layers(value)
                elif name in self._values:
                    checked = getattr(Params(**{name: value}), name)
                    self[name] = str(checked) if name == "frames" else checked
            except (ValueError, TypeError):
                continue
