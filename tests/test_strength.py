"""How far a picture leaves its content for the style: the same at any size, layer and scale."""

from dataclasses import replace

import pytest
import torch
from engine_helpers import QUICK, TinyEncoder, difference, picture, steps, stripes

from nst_server.engine.regions import Division, Regions
from nst_server.engine.scene import Scene
from nst_server.engine.view import View


def test_strength_zero_returns_the_content():
    # Shrunk in two steps it is not what it is in one.
    content = torch.rand(3, 40, 600, generator=torch.Generator().manual_seed(1)).round()
    found = steps(content, params=replace(QUICK, strength=0.0, size=300))
    assert len({step.scale for step in found}) > 1
    assert float((found[-1].whole() - content).abs().max()) < 0.5 / 255
    assert not any(step.note for step in found), "that nothing more changes is no fault"


def test_a_start_from_noise_is_not_left_out_at_strength_zero():
    content = picture(300, 20)
    params = replace(QUICK, strength=0.0, start="noise", content_layers={"conv3_1": 1.0})
    found = steps(content, params=params)
    assert len({step.scale for step in found}) > 1
    assert difference(found[-1].image, content) > 0.01


def test_strength_moves_from_content_to_style():
    content = picture()
    results = [
        steps(params=replace(QUICK, strength=s, iterations=30))[-1] for s in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    whole = View(Scene(content, [stripes()], TinyEncoder(), QUICK), (40, 32)).objective(
        replace(QUICK, strength=1.0), lambda: None, 10**9
    )
    styles = [whole(r.image).losses["style"] for r in results]
    contents = [r.losses["content"] for r in results]
    assert styles == sorted(styles, reverse=True)
    assert contents == sorted(contents)
    assert difference(results[-1].image, content) > 0.05


def test_the_palette_comes_evenly_with_the_strength():
    content = picture()
    scene, division = Scene(content, [stripes()], TinyEncoder(), QUICK), Division.of((1.0,), None)
    moved = [
        difference(scene.reference(content, replace(QUICK, strength=s), division), content)
        for s in (0.0, 0.1, 0.25, 0.5, 0.9)
    ]
    assert moved[3] > 0.02
    assert [m / moved[3] for m in moved] == pytest.approx([0, 0.2, 0.5, 1, 1], abs=0.01)


def test_something_even_begins_with_a_little_texture_where_the_style_is_not_whole():
    def grain(content, strength):
        view = View(Scene(content, [stripes()], TinyEncoder(), QUICK), (40, 32))
        return float(view.beginning(replace(QUICK, strength=strength))[:, :, :20].std((1, 2)).mean())

    half, whole = picture(), torch.full((3, 32, 40), 0.5)
    half[:, :, :20] = 0.5
    assert grain(half, 0.0) < 1e-6 and grain(half, 0.5) < 1e-6
    assert min(grain(half, 0.1), grain(half, 0.25)) > 0.01
    # With nothing to be seen anywhere the style needs something to begin from at any strength.
    assert grain(whole, 0.0) < 1e-6 and grain(whole, 0.5) > 0.01


def test_a_scale_holds_to_the_one_before_as_far_as_that_was_painted_at_this_strength():
    content, painted = picture(), stripes(40, 32)
    scene = Scene(content, [stripes()], TinyEncoder(), QUICK)

    def loss(now, then):
        view = View(scene, (40, 32), painted, then)
        objective = view.objective(replace(QUICK, strength=now), lambda: None, 10**9)
        return objective(painted).losses["content"]

    assert loss(0.25, 0.25) == pytest.approx(loss(0.25, 0.1))
    assert loss(0.25, 0.25) < 0.5 * loss(0.25, 0.5) < 0.5 * loss(0.1, 0.5)


@pytest.mark.parametrize("layers", [{"conv1_1": 1.0}, {"conv1_1": 7.0}, {"conv3_1": 1.0}])
@pytest.mark.parametrize("size", [(40, 32), (80, 64)])
def test_the_content_itself_has_a_style_loss_near_one_at_any_layer_and_size(layers, size):
    params = replace(QUICK, style_layers=layers)
    view = View(Scene(picture(), [stripes()], TinyEncoder(), params), size)
    losses = view.objective(params, lambda: None, 10**9)(view.beginning(params)).losses
    assert 0.8 < losses["style"] <= 1
    assert losses["content"] < 1e-9


def test_each_region_of_an_empty_canvas_gets_the_colours_of_its_style():
    left = torch.zeros(32, 40)
    left[:, :20] = 1
    red, blue = (torch.tensor(c)[:, None, None] * picture(seed=3) for c in ((1.0, 0.2, 0.2), (0.2, 0.2, 1.0)))
    regions = Regions.of([left, 1 - left], (40, 32))
    scene = Scene(torch.ones(3, 32, 40), [red, blue], TinyEncoder(), QUICK, regions=regions)
    view = View(scene, (40, 32))
    view.objective(QUICK, lambda: None, 10**9)
    colours = scene.reference(scene.content, QUICK, Division.of((0.5, 0.5), view.regions))
    assert difference(colours[:, 5, 2], red.mean((1, 2))) < 0.02
    assert difference(colours[:, 5, -3], blue.mean((1, 2))) < 0.02


def test_what_is_plain_is_not_held_to_unless_nothing_else_is_wanted():
    even = torch.full((3, 32, 40), 0.5)
    for params in (QUICK, replace(QUICK, normalise_gradients=True), replace(QUICK, strength=1.0)):
        found = steps(even, params=params)
        assert found[-1].losses["content"] == 0
        assert found[-1].losses["style"] < 0.3
    untouched = steps(even, params=replace(QUICK, strength=0.0))[-1]
    assert difference(untouched.image, even) < 1e-6


def test_colours_that_no_style_has_stay_as_far_as_the_content_does():
    scene, division = Scene(picture(), [stripes()], TinyEncoder(), QUICK), Division.of((1.0,), None)
    green = torch.tensor([0.1, 1.0, 0.1])[:, None, None].expand(3, 8, 8)
    moved = [
        difference(scene.within_palette(green, replace(QUICK, strength=strength), division), green)
        for strength in (0.0, 0.1, 0.5)
    ]
    assert moved[0] == 0 and moved[1] == pytest.approx(0.2 * moved[2]) and moved[2] > 0.1
