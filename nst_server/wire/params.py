"""Everything that decides what a job computes: names, defaults, ranges, validation.

The only home of defaults. The command line and the docker build their options from ``FIELDS``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Callable, Mapping

from .checks import (
    InvalidParams,
    checked_choice,
    checked_layers,
    checked_list,
    checked_losses,
    checked_number,
    checked_start,
)
from .layers import convolutions_needed, layer_names
from .starts import EXAMPLE, STARTS, shares_of

ENCODERS = ("auto", "vgg19", "vgg16", "built-in")
OPTIMISERS = ("lbfgs", "plain-lbfgs", "adam")
FITS = ("cover", "contain", "stretch")
KEEP_COLOURS = ("no", "luminance", "moments", "histogram")
LUMINANCE_SPACES = ("ycbcr", "yiq", "lab", "luv")
POOLINGS = ("auto", "average", "max", "l2")
STYLE_LOSSES = ("moments", "gram", "wasserstein")
TV_POINTS = (4, 9)

MAX_STYLES = 16
#: 32,768 px in steps of 1.2.
MAX_SCALES = 32
MAX_ITERATIONS = 1_000_000
MAX_SIZE = 32_768


@dataclass(frozen=True)
class FrameSchedule:
    """Which iterations are kept as frames; the last iteration is always kept too.

    ``series``: 1, 2, 5, 10, 20, 50, 100, … for as long as the job runs. ``every``: every N
    iterations (0: not). ``at``: exactly these. The three add up; all empty keeps only the final frame.
    """

    series: bool = True
    every: int = 0
    at: tuple[int, ...] = ()

    def keeps(self, iteration: int) -> bool:
        """Whether this iteration (counted from 1) is one to keep."""
        if iteration in self.at or (self.every and iteration % self.every == 0):
            return True
        if not self.series:
            return False
        while iteration > 5 and iteration % 10 == 0:
            iteration //= 10
        return iteration in (1, 2, 5)

    @classmethod
    def parse(cls, text: str) -> FrameSchedule:
        """Read "series", "none", "every:10", "1,2,5,10" or parts joined by "+".

        Raises InvalidParams for anything else, and for two parts "every:".
        """
        hint = 'Write "series", "none", "every:10", or iterations such as "1,2,5,10".'
        schedule = cls(series=False)
        for part in (piece.strip() for piece in text.lower().split("+")):
            if part == "series":
                schedule = replace(schedule, series=True)
            elif part == "none":
                continue
            elif part.startswith("every:") and _is_iteration(part[6:]) and not schedule.every:
                schedule = replace(schedule, every=int(part[6:]))
            elif all(map(_is_iteration, part.split(","))):
                schedule = replace(schedule, at=tuple(sorted({*schedule.at, *map(int, part.split(","))})))
            else:
                raise InvalidParams("frames", f"{text!r} is not a choice of frames.", hint)
        return schedule

    def __str__(self) -> str:
        parts = ["series"] if self.series else []
        parts += [f"every:{self.every}"] if self.every else []
        parts += [",".join(map(str, self.at))] if self.at else []
        return "+".join(parts) or "none"


def _is_iteration(text: str) -> bool:
    # Python refuses to convert thousands of digits, with another error than ours.
    return text.strip().isdecimal() and len(text) < 20 and int(text) > 0


def _option(default: Any, text: str, **more: Any) -> Any:
    if callable(default):
        return field(default_factory=default, metadata={"help": text, **more})
    return field(default=default, metadata={"help": text, **more})


@dataclass(frozen=True)
class Params:
    """The parameters of one job. Immutable; a live change makes a new object.

    Field metadata: ``help``; ``low``/``high`` (inclusive range); ``choices``; ``unit``; ``live`` when a
    running job follows a change.
    """

    strength: float = _option(
        0.5,
        "how far the picture follows the style: 0 keeps the content, 1 forgets it",
        low=0.0,
        high=1.0,
        live=True,
    )
    style_weights: tuple[float, ...] = _option(
        tuple,
        "share of each style, in the order of the styles; empty: equal shares",
        low=0.0,
        high=1e6,
        live=True,
    )
    style_scale: float = _option(
        1.0,
        "size of the brush strokes: 2 doubles the style image before its strokes are read",
        low=0.1,
        high=8.0,
    )
    style_scales: tuple[float, ...] = _option(
        tuple,
        "size of each style's strokes relative to style_scale, in the order of the styles; empty: 1 each; "
        "the product is kept from 0.1 to 8",
        low=0.1,
        high=8.0,
    )
    tv: float = _option(
        0.0,
        "total variation weight: smooths grain; 1 is strong",
        low=0.0,
        high=100.0,
        live=True,
    )
    tv_points: int = _option(
        4,
        "pixels that total variation compares: each with 4 around it, or all 9 of a square, for edges of any "
        "slant alike",
        choices=TV_POINTS,
    )
    keep_colours: str = _option(
        "no",
        "luminance: paint with the content's colours; recolour the style like the content first by its "
        "moments (mean and covariance) or its whole histogram",
        choices=KEEP_COLOURS,
        live=True,
    )
    luminance_space: str = _option(
        "ycbcr",
        "what keep_colours luminance takes for light and dark: luma as in HD video (ycbcr) or NTSC (yiq), or "
        "the lightness of CIE 1976 lab or luv",
        choices=LUMINANCE_SPACES,
        live=True,
    )
    size: int = _option(
        0,
        "longest side that is computed, 0 for the content's own; frames have the content's size",
        high=MAX_SIZE,
        low=0,
        unit="px",
    )
    iterations: int = _option(
        300,
        "accepted steps of the optimiser over all scales; 0: only give the image to start from other "
        "colours, as keep_colours says",
        low=0,
        high=MAX_ITERATIONS,
    )
    frames: FrameSchedule = _option(
        FrameSchedule, 'iterations kept as frames: "series" (1, 2, 5, 10, …), "every:N", "1,2,5", "none"'
    )
    scale_iterations: tuple[int, ...] = _option(
        tuple,
        "iterations at each scale, coarse first, the last at the full size; empty: shared from iterations",
        low=0,
        high=MAX_ITERATIONS,
    )
    optimiser: str = _option(
        "lbfgs",
        "lbfgs needs fewest iterations; plain-lbfgs is without its model of the loss; adam needs less memory",
        choices=OPTIMISERS,
    )
    learning_rate: float = _option(
        0.02,
        "step size of adam, in units of the full [0, 1] colour range; no pixel goes farther than 0.1 at once",
        low=1e-5,
        high=1.0,
    )
    averaging: float = _option(
        0.0,
        "adam only: frames show a running average of the steps, in which each weighs this much of the one "
        "after it; the final picture is that average or the best step, whichever has the smaller loss; 0: no "
        "average",
        low=0.0,
        high=0.999,
    )
    start: str = _option(
        "content",
        f"the image to start from, or several blended by ratio, such as {EXAMPLE}; style-statistics: noise "
        "with the styles' colours and grain",
        choices=STARTS,
    )
    fit: str = _option(
        "cover",
        "how images of other shapes are brought to the content's (style masks and start images)",
        choices=FITS,
    )
    coarse_to_fine: bool = _option(True, "begin small and grow: long strokes, an early first frame")
    scale_step: float = _option(
        2.0, "of coarse to fine: how many times larger each scale is than the one before", low=1.2, high=4.0
    )
    encoder: str = _option(
        "auto",
        "auto: VGG19 if its weights are here or can be fetched, else the built-in encoder",
        choices=ENCODERS,
    )
    pooling: str = _option(
        "auto",
        "how the encoder shrinks its maps: average, max, or l2 (root of the mean square); auto: max for VGG, "
        "average for built-in",
        choices=POOLINGS,
    )
    content_layers: Mapping[str, float] = _option(
        dict,
        "layer names with weights; conv3_1@2: of the picture at half its size; empty: the encoder's default",
    )
    style_layers: Mapping[str, float] = _option(
        dict,
        "layer names with weights; conv3_1@2: of the picture at half its size; empty: the encoder's default",
    )
    style_loss: str = _option(
        "wasserstein",
        "what the style loss compares: wasserstein: the distance of the Gaussians that have the means and "
        "covariances of the features; moments: these themselves; gram: the Gram matrices alone",
        choices=STYLE_LOSSES,
    )
    style_layer_losses: Mapping[str, str] = _option(
        dict, "style layers with another style loss than style_loss, and which"
    )
    normalise_gradients: bool = _option(
        False, "each layer weighs so that its gradients are equally strong where a scale begins"
    )
    seed: int = _option(0, "of the noise and of the built-in encoder", low=0, high=2**63 - 1)
    deterministic: bool = _option(
        False,
        "nothing depends on free memory or processors: the same bits in every run on a CPU",
    )

    def __post_init__(self) -> None:
        for spec in fields(self):
            object.__setattr__(self, spec.name, _checked(spec.name, getattr(self, spec.name), spec.metadata))
        for name in ("content_layers", "style_layers", "style_layer_losses"):
            try:
                convolutions_needed(self.encoder, getattr(self, name))
            except ValueError as error:
                known = ", ".join(layer_names(self.encoder))
                raise InvalidParams(name, str(error), f"It has {known}.") from error
        if self.style_layers and (idle := set(self.style_layer_losses).difference(self.style_layers)):
            raise InvalidParams(
                "style_layer_losses", f"{min(idle)} is not among the style layers.", "Name it there too."
            )
        if self.style_weights and not any(self.style_weights):
            raise InvalidParams("style_weights", "all are 0.", "Give at least one style a weight above 0.")
        if self.scale_iterations:
            self._add_up()
        if not self.iterations and self.keep_colours == "no":
            raise InvalidParams(
                "keep_colours",
                '"no" leaves nothing to do in 0 iterations.',
                "Choose luminance, moments or histogram, or give 1 or more iterations.",
            )

    def _add_up(self) -> None:
        """``iterations`` of the ``scale_iterations``."""
        total = sum(self.scale_iterations)
        if not 1 <= total <= MAX_ITERATIONS:
            raise InvalidParams(
                "scale_iterations", f"add up to {total}.", f"Give 1 to {MAX_ITERATIONS} together."
            )
        if self.iterations not in (Params.iterations, total):
            raise InvalidParams(
                "scale_iterations",
                f"add up to {total}, but iterations is {self.iterations}.",
                "Leave `iterations` out.",
            )
        object.__setattr__(self, "iterations", total)

    @property
    def start_shares(self) -> dict[str, float]:
        """Name → share of each image that ``start`` blends, adding up to 1."""
        return shares_of(self.start)

    def to_header(self) -> dict[str, Any]:
        """The fields that differ from their defaults, as JSON values."""
        header: dict[str, Any] = {}
        for spec in fields(self):
            value = getattr(self, spec.name)
            if value == getattr(DEFAULTS, spec.name):
                continue
            if isinstance(value, FrameSchedule):
                value = str(value)
            elif isinstance(value, tuple):
                value = list(value)
            elif isinstance(value, Mapping):
                value = dict(value)
            header[spec.name] = value
        return header

    @classmethod
    def from_header(cls, header: Any) -> Params:
        """Build from JSON values. Raises InvalidParams; a misspelt field is an error, not a default."""
        if not isinstance(header, Mapping):
            raise InvalidParams("params", "must be an object.", "Send {} for the defaults.")
        unknown = sorted(set(header) - set(FIELDS))
        if unknown:
            raise InvalidParams(
                str(unknown[0]), "is not a parameter.", f"The parameters are {', '.join(FIELDS)}."
            )
        return cls(**dict(header))

    def updated(self, changes: Any) -> Params:
        """These parameters with live changes applied. Raises InvalidParams if one is not live."""
        if not isinstance(changes, Mapping):
            raise InvalidParams("params", "must be an object.", "Send the live parameters that change.")
        for name in changes:
            if name not in FIELDS or not FIELDS[name].get("live"):
                live = ", ".join(n for n, meta in FIELDS.items() if meta.get("live"))
                raise InvalidParams(str(name), "cannot change while the job runs.", f"These can: {live}.")
        return replace(self, **dict(changes))


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "content_layers": checked_layers,
    "style_layers": checked_layers,
    "style_layer_losses": lambda name, value: checked_losses(name, value, STYLE_LOSSES),
    "start": checked_start,
}
#: Parameters that are lists of numbers: what there is one for, how many at most, and of which kind.
_LISTS: Mapping[str, tuple[str, int, type]] = {
    "style_weights": ("style", MAX_STYLES, float),
    "style_scales": ("style", MAX_STYLES, float),
    "scale_iterations": ("scale", MAX_SCALES, int),
}


def _checked(name: str, value: Any, meta: Mapping[str, Any]) -> Any:
    """The value in its canonical type, or InvalidParams."""
    if name == "frames":
        return _checked_frames(value)
    if name in _CHECKS:
        return _CHECKS[name](name, value)
    if name in _LISTS:
        return checked_list(name, value, *_LISTS[name], meta["low"], meta["high"])
    if "choices" in meta:
        return checked_choice(name, value, meta["choices"])
    kind = type(getattr(Params, name))
    if kind is bool:
        if not isinstance(value, bool):
            raise InvalidParams(name, f"must be true or false, not {value!r}.", "")
        return value
    return checked_number(name, value, kind, meta["low"], meta["high"])


def _checked_frames(value: Any) -> FrameSchedule:
    if isinstance(value, FrameSchedule):
        return value
    if isinstance(value, str):
        return FrameSchedule.parse(value)
    raise InvalidParams(
        "frames", f"{value!r} is not a choice of frames.", 'Write for instance "series" or "every:10".'
    )


FIELDS: Mapping[str, Mapping[str, Any]] = {spec.name: spec.metadata for spec in fields(Params)}
DEFAULTS = Params()
