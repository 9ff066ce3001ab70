"""Regional styles: each acts where its mask says, and nowhere else."""

from dataclasses import replace

import pytest
import torch
from engine_helpers import TinyEncoder, picture, stripes

from nst_server.engine.control import Control
from nst_server.engine.losses import StyleTarget, statistics
from nst_server.engine.objective import style_shares
from nst_server.engine.regions import Division, Regions
from nst_server.engine.scene import Scene
from nst_server.engine.stylize import stylize
from nst_server.engine.view import View
from nst_server.wire.params import Params

CPU = torch.device("cpu")
QUICK = Params(iterations=12)
SIZE = (40, 32)


def left(width=20, size=SIZE):
    mask = torch.zeros(size[1], size[0])
    mask[:, :width] = 1
    return mask


def halves(size=SIZE):
    mask = left(size[0] // 2, size)
    return [mask, 1 - mask]


def spots(seed=3):
    """A green and purple style without a direction."""
    return picture(36, 36, seed=seed, smooth=2) * torch.tensor([0.5, 0.9, 0.6])[:, None, None]


def regions(masks, size=SIZE):
    found = Regions.of(masks, size)
    assert found is not None
    return found


def final(masks, styles, params=QUICK, content=None, **more):
    content = picture() if content is None else content
    found = Regions.of(masks, (content.shape[2], content.shape[1]))
    *_, last = stylize(content, styles, TinyEncoder(), params, device=CPU, regions=found, **more)
    return last.image if found is None else composed(found, content, last)


def composed(found, content, step):
    shares = style_shares(step.state.params, len(found.masks))
    return found.acting(shares).composed(content, step.image)


def view_of(masks, styles, params=QUICK, content=None, encoder=None, influence=None):
    content = picture() if content is None else content
    size = content.shape[2], content.shape[1]
    found = Regions.of(masks, size)
    if found is not None:
        found = Regions(found.masks.to(content.dtype), found.coverage.to(content.dtype))
    scene = Scene(content, styles, encoder or TinyEncoder(), params, influence=influence, regions=found)
    return View(scene, size)


def objective(*arguments, params=QUICK, **more):
    return view_of(*arguments, params=params, **more).objective(params, lambda: None, 10**9)


def test_masks_that_limit_nothing_are_none():
    assert Regions.of([None, None], SIZE) is None
    assert Regions.of([torch.ones(32, 40), None], SIZE) is None
    assert Regions.of([None, left()], SIZE) is not None


@pytest.mark.parametrize(
    ("mask", "words"),
    [(torch.ones(32, 41), r"mask 1 is \(32, 41\)"), (torch.zeros(32, 40), "mask 1 is 0 everywhere")],
)
def test_a_mask_that_cannot_be_used_is_named(mask, words):
    with pytest.raises(ValueError, match=words):
        Regions.of([None, mask], SIZE)


def test_regions_of_another_size_are_refused():
    for masks, size in (([left()], SIZE), ([left(4, (8, 8))] * 2, (8, 8))):
        with pytest.raises(ValueError, match="a mask of the content's size for each style"):
            next(stylize(picture(), [stripes(), spots()], TinyEncoder(), QUICK, device=CPU,
                         regions=regions(masks, size)))  # fmt: skip


def test_weights_are_shares_where_styles_meet():
    masks = torch.tensor([[[1.0, 1.0, 0.0, 0.5]], [[0.0, 1.0, 0.0, 0.5]]])
    division = Division.of((0.75, 0.25), Regions(masks, masks.sum(0).clamp_max(1)))
    torch.testing.assert_close(division.parts[:, 0], torch.tensor([[1, 0.75, 0, 0.75], [0, 0.25, 0, 0.25]]))
    for row in division.company:
        assert sum(row) == pytest.approx(1)
    assert division.company[1] == pytest.approx((0.75, 0.25))
    assert division.company[0][0] > 0.75
    assert Division.of((0.75, 0.25)).company == ((0.75, 0.25),) * 2


def test_feathered_edges_that_cross_cover_fully():
    ramp = torch.linspace(0, 1, 40).expand(32, 40)
    torch.testing.assert_close(regions([ramp, 1 - ramp]).coverage, torch.ones(32, 40))
    halved = regions([ramp, ramp / 2]).at((20, 16))
    torch.testing.assert_close(halved.coverage, halved.masks.sum(0).clamp_max(1), atol=0.02, rtol=0)


def test_styles_meet_softly_unless_the_content_has_an_edge_there():
    size = (128, 32)
    hard = regions(halves(size), size)
    plain = hard.meeting(torch.full((3, 32, 128), 0.4)).masks[0]
    assert float((plain[:, 1:] - plain[:, :-1]).abs().max()) < 0.4
    assert bool((plain[:, :50] > 0.999).all()) and bool((plain[:, 78:] < 0.001).all())
    edge = hard.meeting(0.1 + 0.8 * halves(size)[1].expand(3, 32, 128)).masks[0]
    assert float((edge[:, 63] - edge[:, 64]).min()) > 0.9
    assert hard.meeting(torch.rand(3, 32, 128)).coverage.equal(hard.coverage)


@pytest.mark.parametrize("strength", [0.2, 0.7])
def test_the_gradient_agrees_with_finite_differences(strength):
    class Double(TinyEncoder):
        def __init__(self):
            super().__init__(torch.float64)

    params = replace(QUICK, tv=0.5, strength=strength, style_weights=(1.0, 3.0, 1.0))
    influence = torch.ones(32, 40, dtype=torch.float64)
    influence[:, :6] = 0.5
    soft = torch.linspace(-0.3, 1, 32)[:, None].clamp(0, 1).expand(32, 40)
    content = picture().double()
    styles = [style.double() for style in (stripes(), spots(), picture(30, 30, seed=4))]
    masks = [left(15), soft * (1 - left(12)), soft * left(8)]
    loss = objective(masks, styles, params=params, content=content, encoder=Double(), influence=influence)
    x = picture(seed=5).double().clamp(0.05, 0.95)
    here = loss(x)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        v = torch.randn(x.shape, generator=generator, dtype=torch.float64)
        slope = (loss(x + 1e-6 * v).total - loss(x - 1e-6 * v).total) / 2e-6
        assert float((here.gradient * v).sum()) == pytest.approx(slope, rel=1e-4)
    assert not here.gradient[:, 0, 25:].any(), "what no feature of the paint sees"


def test_masks_over_everything_change_nothing():
    styles = [stripes(), spots()]
    params = replace(QUICK, style_weights=(3.0, 1.0))
    almost = torch.ones(32, 40)
    almost[0, 0] = 0.999
    x = picture(seed=5)
    whole, masked = (objective(m, styles, params=params)(x) for m in ([None, None], [almost, almost]))
    assert masked.losses == pytest.approx(whole.losses, rel=0.01)
    assert float((masked.gradient - whole.gradient).norm()) < 0.02 * float(whole.gradient.norm())


def test_losses_are_of_what_styles_act_on_however_small():
    for width in (10, 20, 40):
        mask = left(width) if width < 40 else None
        view = view_of([mask], [stripes()])
        losses = view.objective(QUICK, lambda: None, 10**9)(view.beginning(QUICK)).losses
        assert 0.8 < losses["style"] < 1.05
        assert losses["content"] < 1e-6
    shared = view_of([left(10), left(30) - left(10)], [stripes(), stripes()])
    both = shared.objective(QUICK, lambda: None, 10**9)(shared.beginning(QUICK)).losses
    assert 0.8 < both["style"] < 1.05, "they share it by their areas"


def distance(image, style, mask):
    """Error of ``image`` against ``style`` where ``mask`` is 1, at one layer."""
    encoder, layer = TinyEncoder(), "conv1_1"
    target = StyleTarget.of(statistics(encoder.features(style[None], [layer])[layer]), "moments")
    return float(target.error(statistics(encoder.features(image[None], [layer])[layer], mask))[0])


def test_each_region_goes_towards_its_own_style():
    content, styles = picture(), [stripes(), spots()]
    params = replace(QUICK, iterations=40, strength=0.9)
    for order in (halves(), halves()[::-1]):
        painted = final(order, styles, params)
        for own, other, mask in ((0, 1, order[0]), (1, 0, order[1])):
            near = distance(painted, styles[own], mask)
            assert near < 0.3 * distance(content, styles[own], mask)
            assert near < 0.3 * distance(painted, styles[other], mask)


def test_outside_the_masks_the_content_stays_bit_for_bit():
    content = picture(300, 40)
    small = torch.zeros(40, 300)
    small[5:25, 30:90] = 1
    painted = final([small], [stripes()], replace(QUICK, iterations=20), content)
    assert painted[:, small == 0].equal(content[:, small == 0])
    assert float((painted - content)[:, small > 0].abs().mean()) > 0.03


def test_a_small_region_is_painted_as_strongly_as_a_large_one():
    content = picture(96, 32, smooth=2)
    inside = (slice(None), slice(4, 28), slice(4, 20))
    change = [
        float((final([left(width, (96, 32))], [stripes()], QUICK, content) - content)[inside].abs().mean())
        for width in (24, 96)
    ]
    assert change[0] == pytest.approx(change[1], rel=0.35)


def test_a_style_of_weight_0_leaves_its_region_to_the_content():
    control = Control(replace(QUICK, iterations=60, coarse_to_fine=False, style_weights=(1.0, 1.0)))
    taken = []
    found = regions(halves())
    for step in stylize(picture(), [stripes(), spots()], TinyEncoder(), control.params, device=CPU,
                        regions=found, control=control):  # fmt: skip
        taken.append(composed(found, picture(), step))
        if step.iteration in (20, 40):
            weight = float(step.iteration == 40)
            control.params = control.params.updated({"style_weights": [1.0, weight]})
    change = [(image - picture()).abs() for image in taken]
    right = halves()[1] > 0
    assert all(bool(one[:, right].any()) == (not 20 <= at < 40) for at, one in enumerate(change))
    # Once it counts again it goes on from where it was.
    assert float(change[40][:, right].mean()) > 0.7 * float(change[19][:, right].mean())


def test_a_style_whose_weight_is_raised_from_0_begins_with_the_content():
    params = replace(QUICK, iterations=30, style_weights=(1.0, 0.0))
    control, found = Control(params), regions(halves())
    for step in stylize(picture(), [stripes(), spots()], TinyEncoder(), params, device=CPU,
                        regions=found, control=control):  # fmt: skip
        if step.iteration == 25:
            right = halves()[1] > 0
            assert step.image[:, right].equal(picture()[:, right])
            # What goes on from here is not what bled from beside it.
            far = step.state.image[..., -8:], picture()[..., -8:]
            assert float((far[0] - far[1]).abs().mean()) < 0.03
            break


@pytest.mark.parametrize("strength", [0.2, 0.7])
def test_a_style_of_weight_0_is_as_if_it_were_not_there(strength):
    content, x = picture(), picture(seed=5)
    params = replace(QUICK, strength=strength, style_weights=(1.0, 0.0))
    for masks in ([left(), None], [left(), left(30)]):
        ours, alone = (
            objective(masks[:count], [stripes(), spots()][:count], params=params)(x) for count in (2, 1)
        )
        assert ours.losses == pytest.approx(alone.losses)
        torch.testing.assert_close(ours.gradient, alone.gradient)
        painted = final(masks, [stripes(), spots()], params, content)
        outside = left() == 0
        assert painted[:, outside].equal(content[:, outside])


def test_the_next_scale_has_the_content_where_a_style_may_act_again():
    params = replace(QUICK, style_weights=(1.0, 0.0))
    view = view_of([left(), left(30)], [stripes(), spots()], params)
    view.objective(params, lambda: None, 10**9)
    extended = view.extended(picture(seed=5))
    assert extended[:, :, 20:30].equal(picture()[:, :, 20:30])
    assert extended[:, :, :20].equal(picture(seed=5)[:, :, :20])
    assert not extended[:, :, 30:].equal(picture()[:, :, 30:]), "there the paint's colours bleed outwards"


def test_each_region_begins_in_the_colours_of_its_style():
    styles = [stripes(), spots()]
    view = view_of(halves((80, 32)), styles, content=picture(80, 32))
    start = view.beginning(QUICK)
    for style, area in zip(styles, (start[..., :32], start[..., 48:]), strict=True):
        assert float((area.mean((1, 2)) - style.mean((1, 2))).abs().max()) < 0.06
    shown = view_of(halves((80, 32)), styles, replace(QUICK, start="style"), picture(80, 32))
    start = shown.beginning(replace(QUICK, start="style"))
    for style, area in zip(styles, (start[..., :32], start[..., 48:]), strict=True):
        assert float((area.mean((1, 2)) - style.mean((1, 2))).abs().max()) < 0.1


def test_colours_fade_where_the_same_style_meets_itself():
    size = (128, 64)
    slope = torch.linspace(0.2, 0.8, 128).expand(3, 64, 128) + 0.05 * picture(128, 64)
    view = view_of(halves(size), [spots(), spots()], content=slope)
    step = (view.beginning(QUICK) - view_of([None], [spots()], content=slope).beginning(QUICK)).mean(1)
    assert float((step[:, 1:] - step[:, :-1]).abs().max()) < 0.02
    edge = slope + 0.5 * halves(size)[1]
    masks = view_of(halves(size), [spots(), stripes()], content=edge)._divided(QUICK).colours
    assert float((masks[0, :, 60] - masks[0, :, 68]).min()) > 0.7, "at the content's own edge they do not"


@pytest.mark.parametrize("keep_colours", ["moments", "histogram"])
def test_each_style_gets_the_colours_of_its_region(keep_colours):
    content = (
        picture(80, 32) * 0.4
        + 0.3 * torch.stack([left(40, (80, 32))] * 3) * torch.tensor([2.0, 0.2, 0.0])[:, None, None]
    )
    params = replace(QUICK, keep_colours=keep_colours)
    scene = view_of(halves((80, 32)), [stripes(), spots()], params, content).scene
    for style, area in zip(scene.styles, (content[..., :40], content[..., 40:]), strict=True):
        assert float((style.mean((1, 2)) - area.mean((1, 2))).abs().max()) < 0.05


def test_styles_share_one_forward_pass():
    encoder = TinyEncoder()
    loss = objective([left(15), left(25), None], [stripes(), spots(), picture(seed=6)], encoder=encoder)
    passes = encoder.passes
    loss(picture(seed=5))
    assert encoder.passes == passes + 1


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
@pytest.mark.parametrize("keep_colours", ["no", "luminance"])
@pytest.mark.parametrize("size", [(1, 1), (5, 70), (64, 48)])
def test_odd_regions_are_painted(optimiser, keep_colours, size):
    line = torch.zeros(size[1], size[0])
    line[size[1] // 2, : max(1, size[0] // 2)] = 0.7
    params = replace(QUICK, iterations=6, optimiser=optimiser, keep_colours=keep_colours)
    painted = final([line, None], [stripes(), spots()], params, picture(*size))
    assert bool(torch.isfinite(painted).all())
    influence = 1 - (line > 0).float()  # the style acts under transparent pixels alone
    painted = final([line], [stripes()], params, picture(*size), influence=influence)
    assert bool(torch.isfinite(painted).all())


def test_a_style_has_its_own_scale():
    styles = [stripes(), spots()]
    same = final([None], styles[:1], replace(QUICK, style_scales=(3.0,)))
    assert same.equal(final([None], styles[:1], replace(QUICK, style_scale=3.0)))
    assert not same.equal(final([None], styles[:1]))
    masks = halves()
    first, second = (final(masks, styles, replace(QUICK, style_scales=s)) for s in ((1.0, 1.0), (1.0, 3.0)))
    shift = (first - second).abs().mean(0)
    assert float(shift[:, 28:].mean()) > 2 * float(shift[:, :12].mean())
    largest = replace(QUICK, style_scale=8.0)
    assert final([None], styles[:1], replace(largest, style_scales=(8.0,))).equal(
        final([None], styles[:1], largest)
    )
