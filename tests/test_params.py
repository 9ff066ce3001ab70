"""Parameters: one home of defaults, and bad values are named where they enter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nst_server.wire.checks import InvalidParams
from nst_server.wire.layers import SHRINKAGES, canonical_layer, joined_layer, parted_layer
from nst_server.wire.params import DEFAULTS, FIELDS, FrameSchedule, Params
from nst_server.wire.starts import STARTS, canonical, shares_of


def test_series_is_one_two_five_in_every_decade() -> None:
    kept = [n for n in range(1, 1001) if FrameSchedule().keeps(n)]
    assert kept == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("none", []),
        ("every:10", [10, 20, 30]),
        ("3,1,7", [1, 3, 7]),
        ("1+every:15", [1, 15, 30]),
        ("5+1,2+5", [1, 2, 5]),
        ("series+30", [1, 2, 5, 10, 20, 30]),
    ],
)
def test_frame_schedules(text: str, kept: list[int]) -> None:
    schedule = FrameSchedule.parse(text)
    assert [n for n in range(1, 31) if schedule.keeps(n)] == kept
    assert FrameSchedule.parse(str(schedule)) == schedule


def test_defaults_travel_as_nothing() -> None:
    assert DEFAULTS.to_header() == {}
    assert Params.from_header({}) == DEFAULTS


def test_every_field_explains_itself() -> None:
    for name, meta in FIELDS.items():
        assert meta["help"], name


@given(
    st.builds(
        Params,
        strength=st.floats(0, 1),
        style_weights=st.lists(st.floats(0.1, 9), max_size=4).map(tuple),
        style_scales=st.lists(st.floats(0.1, 8), max_size=4).map(tuple),
        size=st.integers(0, 4096),
        frames=st.sampled_from(["series", "none", "every:3+7,9"]),
        style_layers=st.dictionaries(st.sampled_from(["conv1_1", "conv4_2"]), st.floats(0.1, 9)),
        coarse_to_fine=st.booleans(),
        start=st.dictionaries(st.sampled_from(STARTS), st.floats(1e-3, 1e3), min_size=1).map(
            lambda ratios: "+".join(f"{name}:{ratio}" for name, ratio in ratios.items())
        ),
        tv_points=st.sampled_from([4, 9]),
        style_loss=st.sampled_from(["moments", "gram", "wasserstein"]),
        normalise_gradients=st.booleans(),
    )
)
def test_round_trip(params: Params) -> None:
    assert Params.from_header(params.to_header()) == params


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ({"strenght": 1}, "strenght"),
        ({"strength": 1.5}, "strength"),
        ({"strength": float("nan")}, "strength"),
        ({"strength": "0.5"}, "strength"),
        ({"strength": True}, "strength"),
        ({"iterations": -1}, "iterations"),
        ({"iterations": 0}, "keep_colours"),
        ({"iterations": 2.5}, "iterations"),
        ({"frames": "sometimes"}, "frames"),
        ({"frames": "every:0"}, "frames"),
        ({"frames": 7}, "frames"),
        ({"frames": "every:3+every:7"}, "frames"),
        ({"frames": "every:" + "9" * 5000}, "frames"),
        ({"optimiser": "sgd"}, "optimiser"),
        ({"fit": ["cover"]}, "fit"),
        ({"keep_colours": "hue"}, "keep_colours"),
        ({"luminance_space": "hsv"}, "luminance_space"),
        ({"coarse_to_fine": 1}, "coarse_to_fine"),
        ({"style_weights": [1, -1]}, "style_weights[1]"),
        ({"style_weights": [0, 0]}, "style_weights"),
        ({"style_weights": "1,2"}, "style_weights"),
        ({"style_scales": [1, 0]}, "style_scales[1]"),
        ({"style_scales": [9]}, "style_scales[0]"),
        ({"style_scales": 2}, "style_scales"),
        ({"style_scales": [1] * 17}, "style_scales"),
        ({"tv_points": 5}, "tv_points"),
        ({"tv_points": "9"}, "tv_points"),
        ({"tv_points": 9.0}, "tv_points"),
        ({"start": "nosie"}, "start"),
        ({"start": 3}, "start"),
        ({"start": ""}, "start"),
        ({"start": "content:x"}, "start"),
        ({"start": "content:-1+noise:2"}, "start"),
        ({"start": "content:0+noise:0"}, "start"),
        ({"start": "content:inf+noise:1"}, "start"),
        ({"start": "content+content"}, "start"),
        ({"pooling": "l3"}, "pooling"),
        ({"style_loss": "adain"}, "style_loss"),
        ({"style_layer_losses": ["conv1_1"]}, "style_layer_losses"),
        ({"style_layer_losses": {"conv1_1": "adain"}}, "style_layer_losses"),
        ({"style_layer_losses": {"conv1_1": ["gram"]}}, "style_layer_losses"),
        ({"style_layer_losses": {"conv9_1": "gram"}}, "style_layer_losses"),
        ({"style_layers": ["conv1_1"], "style_layer_losses": {"conv2_1": "gram"}}, "style_layer_losses"),
        ({"normalise_gradients": 1}, "normalise_gradients"),
        ({"style_layers": {"conv6_1": 1}}, "style_layers"),
        ({"style_layers": {"conv1_1": 0}}, "style_layers"),
        ({"style_layers": ["conv1_1@3"]}, "style_layers"),
        ({"style_layers": ["conv1_1@"]}, "style_layers"),
        ({"style_layers": ["conv1_1@1@1"]}, "style_layers"),
        ({"style_layers": ["conv1_1@02"]}, "style_layers"),
        ({"style_layers": ["@2"]}, "style_layers"),
        ({"style_layers": {"conv1_1@1": 5, "relu1_1": 0}}, "style_layers"),
        ({"style_layer_losses": {"conv1_1": "gram", "conv1_1@1": "moments"}}, "style_layer_losses"),
        ({"content_layers": ["conv9_1@2"]}, "content_layers"),
        ({"content_layers": [1]}, "content_layers"),
        ({"encoder": "vgg16", "content_layers": ["conv3_4"]}, "content_layers"),
        ([], "params"),
    ],
)
def test_bad_values_are_named(header: object, field: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        Params.from_header(header)
    assert caught.value.field == field
    assert caught.value.problem


def test_only_live_parameters_change_while_a_job_runs() -> None:
    assert DEFAULTS.updated({"strength": 0.9}).strength == 0.9
    colours = DEFAULTS.updated({"keep_colours": "luminance", "luminance_space": "lab"})
    assert (colours.keep_colours, colours.luminance_space) == ("luminance", "lab")
    with pytest.raises(InvalidParams, match="cannot change while the job runs"):
        DEFAULTS.updated({"iterations": 5})
    with pytest.raises(InvalidParams, match="cannot change while the job runs"):
        DEFAULTS.updated({"style_scales": [2]})
    with pytest.raises(InvalidParams):
        DEFAULTS.updated({"strength": 7})


def test_relu_names_mean_the_same_layers() -> None:
    assert Params(style_layers=["relu4_2"]).style_layers == {"conv4_2": 1.0}  # type: ignore[arg-type]


def test_layers_at_a_smaller_size_have_one_form() -> None:
    params = Params(style_layers=["relu2_1@1", "relu3_1@2"], style_layer_losses={"relu3_1@2": "gram"})  # type: ignore[arg-type]
    assert params.style_layers == {"conv2_1": 1.0, "conv3_1@2": 1.0}
    assert params.style_layer_losses == {"conv3_1@2": "gram"}


@given(st.text(), st.sampled_from(SHRINKAGES))
def test_a_layer_has_one_name_or_none(text: str, shrinkage: int) -> None:
    for name in (text, f"conv1_1{text}", joined_layer(f"conv{text}", shrinkage)):
        try:
            layer = canonical_layer(name)
        except ValueError as error:
            assert len(str(error)) < 300  # whatever was written
        else:
            assert canonical_layer(layer) == layer == joined_layer(*parted_layer(name))


def test_what_to_start_from_has_one_form() -> None:
    assert Params(start="noise: 3 + content:7").start == "content:0.7+noise:0.3"
    assert Params(start="noise:0.2").start == Params(start="content:0+noise").start == "noise"
    assert Params(start="image+style").start == "style:0.5+image:0.5"
    assert Params(start="content:2+image:1").start_shares == pytest.approx({"content": 2 / 3, "image": 1 / 3})
    assert DEFAULTS.start_shares == {"content": 1.0}


@given(st.dictionaries(st.sampled_from(STARTS), st.floats(1e-9, 1e9), min_size=1))
def test_shares_of_a_start_add_up_and_their_form_is_stable(ratios: dict[str, float]) -> None:
    text = "+".join(f"{name}:{ratio!r}".replace("e+", "e") for name, ratio in ratios.items())
    shares = shares_of(text)
    assert sum(shares.values()) == pytest.approx(1)
    once = canonical(shares)
    assert canonical(shares_of(once)) == once
    assert shares_of(once) == pytest.approx(shares, abs=1e-5)


def test_relu_names_mean_the_same_layers_for_losses_too() -> None:
    assert Params(style_layer_losses={"relu4_1": "gram"}).style_layer_losses == {"conv4_1": "gram"}
