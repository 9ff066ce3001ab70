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
    ANIMATION = "animation"

    @property
    def has_all(self) -> bool:
        """Whether every frame becomes a layer, at first at least."""
        return self.value in HAVE_ALL


#: The values of those that have all frames.
HAVE_ALL = (Layers.EVERY.value, Layers.ANIMATION.value)


#: How much is spent on a picture: (size in px, iterations). The longest strokes come from the coarse scales
#: that every one of them has; what a larger size adds are finer ones.
QUALITIES = {
    "draft": (512, 100),
    "medium": (1024, 200),
    "full": (DEFAULTS.size, DEFAULTS.iterations),
    "finest": (DEFAULTS.size, 2 * DEFAULTS.iterations),
}
#: What belongs to the list of styles.
OF_STYLES = ("style_weights", "style_scales")
#: What can be given to a finished picture.
OF_COLOURS = ("keep_colours", "luminance_space")
#: What the plugin does with frames; the server knows nothing of it.
OF_KRITA = ("layers", "lock_frames", "frame_memory")
#: What the frames of a job may take of Krita's memory, in MB of 2^20; 0: any amount.
FRAME_MEMORIES = (512, 1024, 2048, 4096, 0)


class Options(Observable):
    """The parameters by their names in the protocol, with its defaults; those of OF_KRITA beside them.

    ``lock_frames``: whether frames become locked layers. ``frame_memory``: one of FRAME_MEMORIES. Those of
    OF_STYLES are not among them.
    """

    def __init__(self) -> None:
        self._values: dict[str, Any] = {
            name: getattr(DEFAULTS, name) for name in FIELDS if name not in OF_STYLES
        }
        self._values["frames"] = str(DEFAULTS.frames)
        self._values["layers"] = Layers.EVERY
        self._values["lock_frames"] = False
        self._values["frame_memory"] = 1024

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if self._values[name] != value:
            self._values[name] = value
            self.notify(name)

    @property
    def quality(self) -> str:
        """Which of QUALITIES size and iterations amount to; "" for none of them."""
        effort = (self["size"], self["iterations"])
        return next((name for name, known in QUALITIES.items() if known == effort), "")

    def spend(self, quality: str) -> None:
        """Set size and iterations to that of QUALITIES."""
        self["size"], self["iterations"] = QUALITIES[quality]

    def params(self, weights: Iterable[float], scales: Iterable[float] = ()) -> Any:
        """Params for a job with styles of these weights and stroke sizes. Raises InvalidParams."""
        values = {name: value for name, value in self._values.items() if name not in OF_KRITA}
        if self["layers"] is Layers.FINAL:
            values["frames"] = FrameSchedule(series=False)
        # The painter sees choices, not the image that "image" needs.
        return Params(style_weights=tuple(weights), style_scales=tuple(scales), **values)

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
                elif name == "lock_frames":
                    self["lock_frames"] = value is True
                elif name == "frame_memory" and not isinstance(value, bool):
                    self["frame_memory"] = FRAME_MEMORIES[FRAME_MEMORIES.index(value)]
                elif name in self._values:
                    checked = getattr(Params(**{name: value}), name)
                    self[name] = str(checked) if name == "frames" else checked
            except (ValueError, TypeError):
                continue

    def replace(self, saved: Any) -> None:
        """Have what ``to_json`` gave, and the defaults for all else."""
        wanted = Options()
        wanted.load(saved)
        for name, value in wanted._values.items():
            self[name] = value
