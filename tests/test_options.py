"""What the options of the command line become, and what is said of those that cannot be used."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from nst_server.cli import stylize
from nst_server.cli.errors import CliError
from nst_server.cli.options import params_of
from nst_server.wire.params import DEFAULTS, Params


def parsed(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    stylize.add_parser(parser.add_subparsers())
    return parser.parse_args(["stylize", "content.png", "style.png", "-o", "out.png", *options])


def params(*options: str) -> Params:
    return params_of(parsed(*options))


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        (["--style-layers", "conv1_1,conv2_1:2.5"], "style_layers", {"conv1_1": 1.0, "conv2_1": 2.5}),
        (["--style-layers", "conv3_1@2:0.5"], "style_layers", {"conv3_1@2": 0.5}),
        (["--content-layers", "relu4_2:3,conv1_1"], "content_layers", {"conv4_2": 3.0, "conv1_1": 1.0}),
        (["--style-loss", "wasserstein"], "style_loss", "wasserstein"),
        (
            ["--style-layer-losses", "conv1_1:gram, relu3_1:wasserstein"],
            "style_layer_losses",
            {"conv1_1": "gram", "conv3_1": "wasserstein"},
        ),
        (["--tv-points", "9"], "tv_points", 9),
        (["--pooling", "l2"], "pooling", "l2"),
        (["--normalise-gradients"], "normalise_gradients", True),
        (["--start", "noise:3+content:7"], "start", "content:0.7+noise:0.3"),
        ([], "start", DEFAULTS.start),
    ],
)
def test_options_become_parameters(options: list[str], field: str, value: Any) -> None:
    assert getattr(params(*options), field) == value


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tv-points", "5"], "--tv-points: 5 is not a choice"),
        (["--style-loss", "adain"], "--style-loss: 'adain' is not a choice"),
        (["--style-layer-losses", "conv9_1:gram"], "--style-layer-losses: auto has no layer 'conv9_1'"),
        (["--start", "content:0+noise:0"], "--start: the ratios add up to nothing"),
        (["--style-layer-losses", "conv1_1"], "--style-layer-losses: conv1_1 is given no loss"),
        (["--style-layer-losses", "conv1_1:gram,conv1_1:gram"], "--style-layer-losses: conv1_1 is named tw"),
        (["--content-layers", "conv1_1,conv1_1:2"], "--content-layers: conv1_1 is named twice"),
        (["--style-layers", " , "], "--style-layers: names no layer"),
        (["--style-layers", "conv1_1:much"], "--style-layers: must be a number, not 'much'"),
        (["--strength", "much"], "--strength: must be a number, not 'much'"),
        (["--style-weights", "1,x"], "--style-weights: must be a number, not 'x'"),
    ],
)
def test_what_cannot_be_used_is_named(options: list[str], said: str) -> None:
    with pytest.raises(CliError, match=said) as raised:
        params(*options)
    assert raised.value.hint


def test_a_file_to_start_from_takes_part_in_a_blend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noise").touch()  # a known word all the same
    odd = tmp_path / "a+b.png"
    odd.touch()
    (tmp_path / "sketch.png").touch()
    for text, start, file in (
        ("content:3+sketch.png:1", "content:0.75+image:0.25", Path("sketch.png")),
        ("sketch.png+noise", "noise:0.5+image:0.5", Path("sketch.png")),
        ("sketch.png", "image", Path("sketch.png")),
        (str(odd), "image", odd),
        ("style-statistics", "style-statistics", None),
        ("noise", "noise", None),
        ("sketch.png:0+noise", "noise", None),
    ):
        found, path = stylize._params_and_start(parsed("--start", text))
        assert (found.start, path) == (start, file)
    with pytest.raises(CliError, match=r"a\.png and b\.png are files"):
        stylize._params_and_start(parsed("--start", "a.png+b.png"))
