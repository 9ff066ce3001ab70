"""Command line options of a job, made from the parameters' own table of defaults and help texts."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from nst_server.cli.errors import CliError
from nst_server.wire.checks import InvalidParams
from nst_server.wire.params import DEFAULTS, FIELDS, STYLE_LOSSES, Params
from nst_server.wire.scales import Size, check_usable, fit_longest, scale_ladder

# What takes part in giving a finished picture other colours.
_RECOLOURING = {"iterations", "start", "keep_colours", "luminance_space", "fit", "style_weights", "frames"}

_OF_STYLES = {name for name in FIELDS if name.startswith("style_")}


def _is_styleless(params: Params) -> bool:
    """Whether the styles are only read: nothing is painted like them or begins with them."""
    is_begun_without = set(params.start_shares) <= {"content", "noise"}
    return bool(params.iterations) and not params.strength and is_begun_without


def _has_one_scale(params: Params, size: Size) -> bool:
    """Whether a content of ``size`` has a single scale, with the step asked for and without."""
    full = fit_longest(size, params.size)
    return all(len(scale_ladder(full, step)) == 1 for step in (params.scale_step, DEFAULTS.scale_step))


#: Which parameters change nothing, where that is so, and how it is said.
_IDLE: tuple[tuple[Collection[str], Callable[[Params, argparse.Namespace, Size], bool], str], ...] = (
    (set(FIELDS) - _RECOLOURING, lambda params, *_: not params.iterations, "in 0 iterations"),
    (_OF_STYLES, lambda params, *_: _is_styleless(params), "at --strength 0"),
    (
        ("keep_colours",),
        lambda params, *_: params.keep_colours in ("moments", "histogram") and _is_styleless(params),
        "at --strength 0",
    ),
    (("content_layers",), lambda params, *_: params.strength == 1, "at --strength 1"),
    (
        ("learning_rate", "averaging"),
        lambda params, *_: params.optimiser != "adam",
        "without --optimiser adam",
    ),
    (
        ("luminance_space",),
        lambda params, *_: params.keep_colours != "luminance",
        "without --keep-colours luminance",
    ),
    (
        ("scale_step",),
        # Gone on with, a picture is held to at the size that lies a step below.
        lambda params, job, _: not (params.coarse_to_fine or getattr(job, "continues", None)),
        "with --no-coarse-to-fine",
    ),
    (
        ("scale_step", "coarse_to_fine"),
        lambda params, job, _: (
            params.coarse_to_fine
            and params.start_shares.get("image", 0) >= 0.5
            and not getattr(job, "continues", None)
        ),
        "where at least half of the start is an image: that is painted on at its full size",
    ),
    (
        ("fit",),
        lambda params, job, _: (
            not getattr(job, "style_masks", None) and not {"image", "style"} & set(params.start_shares)
        ),
        "without --style-masks or a start from an image or the style",
    ),
    (
        ("scale_step", "coarse_to_fine"),
        lambda params, job, size: _has_one_scale(params, size) and not getattr(job, "continues", None),
        "at a size that has one scale only",
    ),
    (("style_weights",), lambda _, job, __: len(getattr(job, "styles", ("",))) == 1, "with one style"),
)

_NAMES = re.compile(
    rf"`({'|'.join(FIELDS)})`|(?<![\w-])({'|'.join(name for name in FIELDS if '_' in name)})(?!\w)"
)

_LISTS = {
    "style_weights": "W,…",
    "style_scales": "X,…",
    "scale_iterations": "N,…",
    "content_layers": "L,…",
    "style_layers": "L,…",
    "style_layer_losses": "L:LOSS,…",
    "frames": "FRAMES",
}


def add_params(
    parser: argparse.ArgumentParser, names: Collection[str] = tuple(FIELDS), **defaults: Any
) -> None:
    """Add an option for each of these job parameters; ``defaults`` replace those of ``Params`` here."""
    group = parser.add_argument_group("how it is painted")
    for name in names:
        _add(group, name, _help(FIELDS[name], defaults.get(name, getattr(DEFAULTS, name))))
    parser.set_defaults(param_defaults=defaults)


def add_changes(parser: argparse.ArgumentParser) -> None:
    """Add an option for each live parameter. The others are read too, to be told of, but not shown."""
    group = parser.add_argument_group("what changes")
    for name, meta in FIELDS.items():
        _add(group, name, _help(meta, ()) if meta.get("live") else argparse.SUPPRESS)


def given_in(arguments: argparse.Namespace) -> dict[str, Any]:
    """The parameters that ``arguments`` name, as values. Raises CliError for layers that cannot be read."""
    given = {name: getattr(arguments, name) for name in FIELDS if hasattr(arguments, name)}
    try:
        return {name: _value(name, text) for name, text in given.items()}
    except InvalidParams as error:
        raise unusable(error) from error


def option_of(field: str) -> str:
    """The option for a parameter that a message names: --style-weights for style_weights[1]."""
    return "--" + field.partition(".")[0].partition("[")[0].replace("_", "-")


def _as_given(field: str, arguments: argparse.Namespace) -> str:
    """The option as it was written, which may be that for no."""
    return option_of(f"no_{field}" if getattr(arguments, field) is False else field)


def unusable(error: InvalidParams) -> CliError:
    """What is said of parameters that cannot be used, with their options for their names."""
    return CliError(f"{option_of(error.field)}: {in_options(error.problem)}", in_options(error.hint))


def in_options(text: str) -> str:
    """``text`` with the options of the parameters that it names `so`, or that an _ tells from words."""
    return _NAMES.sub(lambda match: option_of(match[1] or match[2]), text)


def _add(group: Any, name: str, text: str) -> None:
    options: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": text}
    if isinstance(getattr(DEFAULTS, name), bool):
        options["action"] = argparse.BooleanOptionalAction
    else:
        options.update(metavar=_metavar(name, FIELDS[name]))
    group.add_argument(option_of(name), **options)


def params_of(arguments: argparse.Namespace, **forced: Any) -> Params:
    """The parameters that ``arguments`` ask for. Raises CliError naming the option."""
    given = given_in(arguments)
    defaults = dict(arguments.param_defaults)
    if "scale_iterations" in given:
        defaults.pop("iterations", None)  # it is their sum
    try:
        return Params(**{**defaults, **given, **forced})
    except InvalidParams as error:
        raise unusable(error) from error


def must_be_usable(params: Params, size: Size, styles: int) -> None:
    """Raise CliError where a content of ``size`` and so many ``styles`` cannot be painted with ``params``."""
    try:
        check_usable(params, size, styles)
    except InvalidParams as error:
        raise unusable(error) from error


def tell_idle(arguments: argparse.Namespace, params: Params, size: Size) -> None:
    """Say on standard error which of the parameters that ``arguments`` name change nothing.

    ``size`` is the content's.
    """
    if getattr(arguments, "continues", None) and params.start != "image":
        why = "where --start is a blend: it is only begun from"
        print(f"note: --continues changes nothing {why}.", file=sys.stderr)
    given = dict.fromkeys(given_in(arguments))
    for names, is_so, why in _IDLE:
        idle = [_as_given(name, arguments) for name in given if name in names]
        if idle and is_so(params, arguments, size):
            does = "changes" if len(idle) == 1 else "change"
            print(f"note: {', '.join(idle)} {does} nothing {why}.", file=sys.stderr)
            given = {name: None for name in given if name not in names}


def _metavar(name: str, meta: Mapping[str, Any]) -> str:
    if "choices" in meta:
        choices = [str(choice) for choice in meta["choices"] if not (name == "start" and choice == "image")]
        return "|".join([*choices, "IMAGE"] if name == "start" else choices)
    return _LISTS.get(name, str(meta.get("unit", "N")).upper())


def _help(meta: Mapping[str, Any], default: Any) -> str:
    text = in_options(meta["help"]).replace("%", "%%")
    shown = "" if default in ((), {}) else f" (default: {default})"
    return f"{text}{shown}"


def _value(name: str, text: Any) -> Any:
    """What the text of an option stands for; validation proper is left to Params. Raises InvalidParams."""
    if not isinstance(text, str):
        return text
    if name in ("style_weights", "style_scales", "scale_iterations"):
        return tuple(map(_number, text.split(","))) if text.strip() else ()
    if name in ("content_layers", "style_layers"):
        layers = _by_layer(name, text)
        return {layer: _number(weight) if weight else 1.0 for layer, weight in layers.items()}
    if name == "style_layer_losses":
        return _losses(name, text)
    return _number(text) if isinstance(getattr(DEFAULTS, name), (int, float)) else text


def _losses(name: str, text: str) -> dict[str, str]:
    losses = _by_layer(name, text)
    for layer, loss in losses.items():
        if loss not in STYLE_LOSSES:
            given = repr(loss) if loss else "no loss"
            hint = f"Write {layer}:gram, for instance; there are {', '.join(STYLE_LOSSES)}."
            raise InvalidParams(name, f"{layer} is given {given}.", hint)
    return losses


def _by_layer(name: str, text: str) -> dict[str, str]:
    """What stands behind the colon of each layer in "conv1_1:2,conv2_1"; "" where there is none."""
    found: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        layer, _, value = (piece.strip() for piece in part.partition(":"))
        if layer in found:
            raise InvalidParams(name, f"{layer} is named twice.", "Name each layer once.")
        found[layer] = value
    if not found:
        raise InvalidParams(name, "names no layer.", "Write conv1_1, for instance, or leave it out.")
    return found


def _number(text: str) -> Any:
    """The number that ``text`` is; else the text, for Params to say what is wanted."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
