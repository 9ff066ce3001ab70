"""What a picture is optimised for: every choice of losses, with regions, transparency and several styles."""

from dataclasses import replace

import pytest
import torch
from engine_helpers import TinyEncoder, picture, stripes

from nst_server.engine.control import Control
from nst_server.engine.objective import Objective
from nst_server.engine.regions import Regions
from nst_server.engine.scene import Scene
from nst_server.engine.stylize import stylize
from nst_server.engine.view import View
from nst_server.wire.params import STYLE_LOSSES, Params

CPU = torch.device("cpu")
LAYERS = {"conv1_1": 1.0, "conv2_1": 2.0, "conv3_1": 0.5}
CHOICES = [
    *({"style_loss": loss} for loss in STYLE_LOSSES),
    {"style_layer_losses": {"conv1_1": "gram", "conv3_1": "wasserstein"}},
    {"tv_points": 9, "tv": 0.5},
    {"normalise_gradients": True, "content_layers": {"conv1_1": 1, "conv2_1": 1}},
]
NAMES = [*STYLE_LOSSES, "by layer", "nine points", "normalised"]


class Double(TinyEncoder):
    def __init__(self):
        super().__init__(torch.float64)


def view(params, size=(40, 32), double=False, **more):
    kind = torch.float64 if double else torch.float32
    styles = [stripes().to(kind), picture(30, 30, seed=5).flip(0).to(kind)]
    return View(
        Scene(picture().to(kind), styles, Double() if double else TinyEncoder(), params, **more), size
    )


def objective(params, **more) -> Objective:
    return view(params, **more).objective(params, lambda: None, 10**9)


def everything(kind=torch.float32):
    """Regions that overlap and leave some bare, and a content that is transparent in parts."""
    left, right = torch.zeros(32, 40), torch.zeros(32, 40)
    left[4:, :24] = 1
    right[:, 18:36] = 0.7
    influence = torch.ones(32, 40)
    influence[20:, 10:20] = 0.3
    regions = Regions.of([left, right], (40, 32))
    return {
        "regions": Regions(regions.masks.to(kind), regions.coverage.to(kind)),
        "influence": influence.to(kind),
    }


@pytest.mark.parametrize("choice", CHOICES, ids=NAMES)
@pytest.mark.parametrize("parted", [False, True], ids=["whole", "regions and alpha"])
def test_gradients_agree_with_finite_differences(choice, parted):
    params = Params(style_weights=(2, 1), **choice)
    loss = objective(params, double=True, **(everything(torch.float64) if parted else {}))
    x = picture(seed=5).double().clamp(0.05, 0.95)
    here = loss(x)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        nudge = torch.randn(x.shape, generator=generator, dtype=torch.float64)
        slope = (loss(x + 1e-6 * nudge).total - loss(x - 1e-6 * nudge).total) / 2e-6
        assert float((here.gradient * nudge).sum()) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("choice", CHOICES, ids=NAMES)
def test_every_choice_paints_and_follows_the_sliders(choice):
    params = Params(iterations=14, coarse_to_fine=False, strength=0.5, **choice)
    parts = everything()
    control = Control(params)
    taken = []
    styles = [stripes(), picture(30, 30, seed=5).flip(0)]
    for step in stylize(picture(), styles, TinyEncoder(), params, device=CPU, control=control, **parts):
        taken.append(step)
        if step.iteration == 7:
            control.params = params.updated({"strength": 0.9, "style_weights": [1, 3], "tv": 0.1})
    assert taken[-1].final and bool(taken[-1].image.isfinite().all())
    assert taken[6].losses["total"] < taken[0].losses["total"]
    assert taken[-1].losses["total"] < taken[7].losses["total"]
    assert taken[-1].losses["style"] < taken[6].losses["style"]


@pytest.mark.parametrize("loss", STYLE_LOSSES)
@pytest.mark.parametrize("size", [(40, 32), (80, 64)])
def test_the_content_itself_has_a_style_loss_near_one_whatever_is_compared(loss, size):
    params = Params(style_loss=loss)
    at = view(params, size)
    losses = at.objective(params, lambda: None, 10**9)(at.beginning(params)).losses
    assert 0.8 < losses["style"] <= 1.0001


def test_losses_by_layer_are_those_of_their_layers():
    mixed = objective(Params(style_layer_losses={"conv1_1": "gram", "conv3_1": "moments"}))
    x = picture(seed=5)
    expected = 0.0
    for layer, loss in (("conv1_1", "gram"), ("conv2_1", "wasserstein"), ("conv3_1", "moments")):
        expected += objective(Params(style_layers={layer: 1.0}, style_loss=loss))(x).losses["style"] / 3
    assert mixed(x).losses["style"] == pytest.approx(expected, rel=1e-4)


def test_weights_count_for_content_and_style_layers():
    x = picture(seed=5)
    for kind in ("content", "style"):
        first, second = (
            objective(Params(**{f"{kind}_layers": {layer: 1.0}}))(x).losses[kind]
            for layer in ("conv1_1", "conv3_1")
        )
        both = objective(Params(**{f"{kind}_layers": {"conv1_1": 3.0, "conv3_1": 1.0}}))(x).losses[kind]
        assert both == pytest.approx((3 * first + second) / 4, rel=1e-4)


def lengths(params, **more):
    """Length at the picture of the gradient of each style layer, alone in the loss, as it weighs there."""
    found = objective(params, **more)
    reference = view(params, **more).content
    pulls, _ = found._pulls(reference, found._style_units, found._style_at)
    return pulls


@pytest.mark.parametrize("parted", [False, True], ids=["whole", "regions and alpha"])
def test_normalised_gradients_are_as_long_as_layers_weigh(parted):
    more = everything() if parted else {}
    # The styles' colours are kept out of it, so that the reference is the content.
    params = Params(style_layers=LAYERS, keep_colours="luminance", normalise_gradients=True)
    plain, levelled = lengths(replace(params, normalise_gradients=False), **more), lengths(params, **more)
    total, weight = sum(levelled.values()), sum(LAYERS.values())
    assert {name: pull / total for name, pull in levelled.items()} == pytest.approx(
        {name: own / weight for name, own in LAYERS.items()}, rel=1e-3
    )
    assert plain["conv2_1"] / plain["conv1_1"] != pytest.approx(2, rel=0.1)


def test_normalising_leaves_what_the_losses_amount_to():
    params = Params(style_layers=LAYERS, content_layers={"conv1_1": 1, "conv3_1": 1})
    at = view(params)
    for choice in (params, replace(params, normalise_gradients=True)):
        loss = at.objective(choice, lambda: None, 10**9)
        assert loss(at.beginning(params)).losses["style"] == pytest.approx(
            objective(params)(at.beginning(params)).losses["style"], rel=1e-4
        )
        assert sum(loss._content_layers.values()) == pytest.approx(1)


def test_a_picture_without_any_gradient_can_be_normalised():
    flat = torch.full((3, 16, 16), 0.5)
    params = Params(normalise_gradients=True, content_layers={"conv1_1": 1, "conv2_1": 1}, iterations=2)
    final = list(stylize(flat, [flat], TinyEncoder(), params, device=CPU))[-1]
    assert bool(final.image.isfinite().all())
