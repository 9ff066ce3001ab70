"""Style transfer as a whole: small pictures, a small seeded encoder, properties rather than pictures."""

import gc
from dataclasses import replace

import pytest
import torch
from engine_helpers import QUICK, TinyEncoder, difference, picture, steps, stripes

from nst_server import device as devices
from nst_server.engine import memory
from nst_server.engine.control import Cancelled, Control
from nst_server.engine.memory import bytes_per_pixel
from nst_server.engine.objective import Objective, style_shares
from nst_server.engine.optimisers import Diverged, Evaluation
from nst_server.engine.regions import Regions
from nst_server.engine.scene import Scene
from nst_server.engine.stylize import stylize
from nst_server.engine.view import View
from nst_server.wire.params import Params

CPU = torch.device("cpu")


def objective(params=QUICK, content=None, encoder=None, influence=None, styles=None):
    content = picture() if content is None else content
    scene = Scene(content, styles or [stripes()], encoder or TinyEncoder(), params, influence=influence)
    return View(scene, scene.size).objective(params, lambda: None, 10**9)


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_iterations_count_from_one_and_the_loss_falls(optimiser):
    taken = steps(params=replace(QUICK, optimiser=optimiser))
    assert [s.iteration for s in taken] == list(range(1, 13))
    assert [s.final for s in taken] == [False] * 11 + [True]
    assert {s.total for s in taken} == {12}
    assert taken[-1].losses["total"] < 0.7 * taken[0].losses["total"]
    assert taken[-1].evaluations >= 12
    assert taken[-1].seconds_left == 0
    for step in taken:
        assert step.image.shape == (3, 32, 40) and step.scale == (40, 32)
        assert not step.image.requires_grad
        assert float(step.image.min()) >= 0 and float(step.image.max()) <= 1


def test_objective_gradient_agrees_with_finite_differences():
    class Double(TinyEncoder):
        def __init__(self):
            super().__init__(torch.float64)

    mask = torch.ones(32, 40, dtype=torch.float64)
    mask[:, :10] = 0.5
    loss = objective(
        replace(QUICK, tv=0.5), picture().double(), Double(), influence=mask, styles=[stripes().double()]
    )
    x = picture(seed=5).double().clamp(0.05, 0.95)
    here = loss(x)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        v = torch.randn(x.shape, generator=generator, dtype=torch.float64)
        slope = (loss(x + 1e-6 * v).total - loss(x - 1e-6 * v).total) / 2e-6
        assert float((here.gradient * v).sum()) == pytest.approx(slope, rel=1e-4)


def test_same_seed_same_bits():
    params = replace(QUICK, start="noise")
    first, second = steps(params=params)[-1], steps(params=params)[-1]
    assert first.image.equal(second.image)
    assert first.losses == second.losses
    assert not steps(params=replace(params, seed=1))[-1].image.equal(first.image)


@pytest.mark.parametrize("start", ["noise", "style", "style-statistics", "content:0.5+noise:0.5"])
@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
def test_content_comes_back_from_another_start(start, fit):
    content = picture()
    params = replace(QUICK, start=start, fit=fit, iterations=60, coarse_to_fine=False)
    weak = steps(params=replace(params, strength=0.05))
    strong = steps(params=replace(params, strength=1.0))
    assert weak[-1].losses["content"] < 0.2 * weak[0].losses["content"]
    assert difference(weak[-1].image, content) < difference(strong[-1].image, content)


def test_starting_from_an_image_keeps_what_was_painted():
    painted = picture(seed=8)
    first = steps(params=replace(QUICK, start="image"), start=painted)[0]
    assert difference(first.image, painted) < 0.05
    with pytest.raises(ValueError, match="no image to start from"):
        steps(params=replace(QUICK, start="image"))


def view(params, content=None, **more):
    content = picture() if content is None else content
    return View(Scene(content, [stripes(), picture(30, 30, seed=5)], TinyEncoder(), params, **more), (40, 32))


def test_starts_blend_by_ratio():
    painted = picture(seed=8)
    names = ("content", "noise", "style-statistics", "style", "image")
    alone = [
        view(replace(QUICK, start=name), start=painted).beginning(replace(QUICK, start=name))
        for name in names
    ]
    params = replace(QUICK, start="content:4+noise:1+style-statistics:2+style:2+image:1")
    blended = view(params, start=painted).beginning(params)
    expected = sum(share * image for share, image in zip((0.4, 0.1, 0.2, 0.2, 0.1), alone, strict=True))
    torch.testing.assert_close(blended, expected, atol=1e-5, rtol=0)
    assert len({float(image.std()) for image in alone}) == 5


@pytest.mark.parametrize("start", ["style", "style-statistics"])
def test_each_region_starts_from_its_own_style(start):
    left = torch.zeros(32, 40)
    left[:, :20] = 1
    params = replace(QUICK, start=start, fit="stretch")
    parted = view(params, regions=Regions.of([left, 1 - left], (40, 32))).beginning(params)
    for index, columns in ((0, slice(0, 16)), (1, slice(24, 40))):
        weights = (1.0, 0.0) if index == 0 else (0.0, 1.0)
        own = view(params).beginning(replace(params, style_weights=weights))
        assert difference(parted[..., columns], own[..., columns]) < 1e-5


def test_a_blend_is_worked_coarse_to_fine_unless_half_of_it_is_painted_already():
    content = picture(400, 30)
    blend = replace(QUICK, start="content:3+image:1")
    assert steps(content, params=blend, start=content)[0].scale == (100, 8)
    assert steps(content, params=replace(blend, start="content+image"), start=content)[0].scale == (400, 30)


def test_the_content_in_a_blend_brings_its_detail_along():
    content = picture(200, 20, smooth=1)
    coarse = torch.full((3, 10, 100), 0.5)
    kept = {}
    for start in ("noise", "content:0.5+noise:0.5", "content"):
        params = replace(QUICK, start=start)
        # Of a plain style, which has no grain to bring along.
        scene = Scene(content, [torch.full((3, 32, 32), 0.5)], TinyEncoder(), params)
        kept[start] = float(View(scene, (200, 20), coarse).beginning(params).std())
    assert kept["noise"] < 1e-3
    assert kept["content:0.5+noise:0.5"] == pytest.approx(kept["content"] / 2, rel=0.1)


def test_grain_is_for_what_is_enlarged_with_a_style():
    rough = torch.rand(3, 64, 80, generator=torch.Generator().manual_seed(0))
    flat, noise = torch.full((3, 32, 40), 0.5), replace(QUICK, start="noise")
    scene = Scene(picture(), [rough], TinyEncoder(), noise)

    def spread(size, params=noise):
        return float(View(scene, size, flat).beginning(params).std())

    assert spread((80, 64)) > 0.1
    assert spread((80, 64), replace(noise, strength=0.0, tv=0.1)) < 1e-6
    # As after a retreat for want of memory.
    assert spread((40, 32)) < 1e-6 and spread((20, 16)) < 1e-6


def test_scales_grow_and_share_the_iterations():
    taken = steps(picture(400, 30), params=replace(QUICK, iterations=20))
    assert [s.iteration for s in taken] == list(range(1, 21))
    widths = [s.scale[0] for s in taken]
    assert sorted(set(widths)) == [100, 200, 400]
    assert widths == sorted(widths)
    assert taken[-1].scale == (400, 30)
    assert all(s.seconds_left > 0 for s in taken[:-1])


def test_size_is_the_longest_side_that_is_computed():
    assert steps(params=replace(QUICK, size=20))[-1].scale == (20, 16)


def test_a_single_iteration_is_at_full_size_and_final():
    (only,) = steps(picture(400, 30), params=replace(QUICK, iterations=1))
    assert only.final and only.iteration == 1 and only.scale == (400, 30)


@pytest.mark.parametrize(
    "content",
    [picture(1, 1, smooth=1), picture(37, 511), torch.zeros(3, 16, 16), torch.full((3, 16, 16), 0.7)],
    ids=["1x1", "37x511", "black", "flat"],
)
@pytest.mark.parametrize(
    "style", [picture(1, 1), torch.ones(3, 20, 20), stripes()], ids=["1x1", "white", "stripes"]
)
def test_odd_images_are_painted(content, style):
    final = steps(content, [style], params=replace(QUICK, iterations=9))[-1]
    assert final.final
    assert final.image.shape == content.shape
    assert bool(torch.isfinite(final.image).all())


def test_styles_share_by_weight():
    other = picture(seed=3).flip(0)
    one = steps(params=QUICK)[-1].image
    same = steps(styles=[stripes(), other], params=replace(QUICK, style_weights=(2.0, 0.0)))[-1].image
    torch.testing.assert_close(same, one, atol=1e-4, rtol=0)
    both = steps(styles=[stripes(), other], params=QUICK)[-1].image
    assert difference(both, one) > 0.01
    assert style_shares(Params(style_weights=(3.0, 1.0)), 2) == (0.75, 0.25)
    assert style_shares(Params(style_weights=(3.0, 1.0)), 3) == (0.75, 0.25, 0.0)
    assert style_shares(Params(), 4) == (0.25,) * 4
    with pytest.raises(ValueError, match="no style"):
        list(stylize(picture(), [], TinyEncoder(), QUICK, device=CPU))


def test_hidden_colours_change_nothing():
    influence = torch.ones(32, 40)
    influence[8:20, 10:30] = 0
    first = picture()
    second = first.clone()
    second[:, 8:20, 10:30] = torch.tensor([1.0, 0.0, 1.0])[:, None, None]
    a = steps(first, influence=influence)[-1]
    b = steps(second, influence=influence)[-1]
    assert a.image.equal(b.image)
    assert a.losses == b.losses
    assert not steps(second)[-1].image.equal(a.image)


def test_full_influence_is_no_influence():
    assert steps(influence=torch.ones(32, 40))[-1].image.equal(steps()[-1].image)


def test_a_wholly_transparent_content_is_finite():
    assert bool(torch.isfinite(steps(influence=torch.zeros(32, 40))[-1].image).all())


def test_more_iterations_lower_the_loss_whatever_each_scale_is_held_to():
    content, params = picture(192, 24), replace(QUICK, size=192)
    few, many = (steps(content, params=replace(params, iterations=n))[-1] for n in (30, 90))
    judge = objective(params, content)
    assert judge(many.image).total < judge(few.image).total


def test_what_the_encoder_hardly_sees_does_not_fill_with_flecks(monkeypatch):
    monkeypatch.setattr("nst_server.engine.ceiling._CEILING", 1e6)  # which would hide it
    params = replace(QUICK, iterations=90, coarse_to_fine=False)
    calm = steps(params=params)[-1].losses
    monkeypatch.setattr("nst_server.engine.objective._QUIET", 0.0)
    flecked = steps(params=params)[-1].losses
    assert calm["tv"] < 0.95 * flecked["tv"]
    assert calm["style"] < 1.1 * flecked["style"]


def test_total_variation_smooths():
    rough = steps(params=replace(QUICK, iterations=30))[-1].losses["tv"]
    smooth = steps(params=replace(QUICK, iterations=30, tv=1.0))[-1].losses["tv"]
    assert smooth < 0.8 * rough


def test_style_scale_changes_the_strokes():
    assert difference(steps()[-1].image, steps(params=replace(QUICK, style_scale=3.0))[-1].image) > 0.01


def test_stop_ends_with_the_best_so_far_at_full_size():
    control = Control(replace(QUICK, iterations=100))
    taken = []
    for step in stylize(
        picture(400, 30), [stripes()], TinyEncoder(), control.params, device=CPU, control=control
    ):
        taken.append(step)
        control.stop = step.iteration == 3
    assert [s.iteration for s in taken] == [1, 2, 3, 3]
    assert taken[-1].final and taken[-1].total == 3
    assert taken[-1].scale == (400, 30)
    assert taken[-1].note == "painted at 100 px, and enlarged to 400"


def test_cancel_leaves_in_the_middle_of_an_evaluation():
    class Cancelling(Control):
        checks = 0

        def check(self):
            self.checks += 1
            if self.checks > 100:
                raise Cancelled

    control = Cancelling(replace(QUICK, iterations=10_000))
    with pytest.raises(Cancelled):
        steps(params=control.params, control=control)
    assert control.checks == 101


def test_what_changes_before_the_first_step_counts_from_there():
    changes = {"keep_colours": "luminance", "strength": 0.8}
    control = Control(QUICK)
    control.params = QUICK.updated(changes)
    changed, asked = steps(params=QUICK, control=control), steps(params=QUICK.updated(changes))
    assert torch.equal(changed[-1].image, asked[-1].image)


def test_sliders_are_live():
    control = Control(replace(QUICK, iterations=40, strength=0.5, coarse_to_fine=False))
    taken = []
    for step in stylize(picture(), [stripes()], TinyEncoder(), control.params, device=CPU, control=control):
        taken.append(step)
        if step.iteration == 20:
            control.params = control.params.updated({"strength": 1.0, "tv": 0.1})
    assert difference(taken[20].image, taken[19].image) < 0.1
    assert taken[-1].losses["style"] < 0.5 * taken[19].losses["style"]
    assert taken[-1].losses["content"] > taken[19].losses["content"]


def _faulty(monkeypatch, faults):
    good = Objective.__call__
    calls = iter(range(1, 10_000))

    def call(self, image):
        here = good(self, image)
        return Evaluation(float("nan"), here.gradient, here.losses) if next(calls) in faults else here

    monkeypatch.setattr(Objective, "__call__", call)


def test_a_nan_on_the_way_is_noted_and_survived(monkeypatch):
    _faulty(monkeypatch, {14})
    taken = steps()
    notes = [s.note for s in taken if s.note]
    assert notes == ["stepped back from a loss that was not a number"]
    assert taken[-1].losses["total"] < taken[0].losses["total"]


def test_a_loss_that_is_never_a_number_is_an_error(monkeypatch):
    _faulty(monkeypatch, range(10_000))
    with pytest.raises(Diverged):
        steps()


def test_a_canvas_larger_than_memory_is_worked_smaller(monkeypatch):
    need = bytes_per_pixel(TinyEncoder(), ["conv2_1", "conv3_1"], CPU)
    assert 6 * 4 < need < 10_000
    monkeypatch.setattr(devices, "memory_available", lambda device: int(need * 320 / memory._SHARE))
    taken = steps()
    assert "of 40 px" in taken[0].note
    assert taken[-1].image.shape[1] * taken[-1].image.shape[2] <= 330
    assert [s.note for s in taken[1:]] == [None] * 11


@pytest.mark.parametrize(
    "params", [{}, {"optimiser": "adam"}, {"optimiser": "adam", "averaging": 0.9}], ids=str
)
@pytest.mark.parametrize("evaluations", [0, 3])
def test_running_out_of_memory_goes_on_at_half_the_size(evaluations, params):
    class Hungry(TinyEncoder):
        asked = 0

        def features(self, image, layers, check=lambda: None, alpha=None):
            if image.shape[3] > 200:
                self.asked += 1
                # Targets and a start take three; then another program takes the memory.
                if self.asked > (evaluations and 3 + evaluations):
                    raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
            return super().features(image, layers, check, alpha)

    params = replace(QUICK, iterations=20, **params)
    taken = list(stylize(picture(400, 30), [stripes()], Hungry(), params, device=CPU))
    assert [s.iteration for s in taken] == list(range(1, 21))
    assert taken[-1].final and taken[-1].scale == (200, 15)
    assert [s.note for s in taken if s.note] == ["worked at 200 of 400 px: not enough memory for more"]


def test_steps_that_lead_away_are_told():
    params = replace(QUICK, optimiser="adam", learning_rate=1.0, coarse_to_fine=False)
    *_, last = steps(params=params)
    assert last.losses["total"] < last.state.optimiser.values["here.total"] / 1.25
    assert "the picture is an earlier one" in last.note
    assert steps(params=replace(params, learning_rate=0.02))[-1].note is None


@pytest.mark.parametrize("optimiser", ["lbfgs", "plain-lbfgs", "adam"])
def test_a_job_leaves_nothing_in_memory(optimiser):
    alive = []
    for _ in range(3):
        steps(params=Params(iterations=3, optimiser=optimiser))
        gc.collect()
        alive.append(sum(type(thing) is torch.Tensor for thing in gc.get_objects()))
    assert alive[2] == alive[1]


def test_large_styles_are_read_in_parts():
    scene = Scene(picture(), [picture(200, 160)], TinyEncoder(), replace(QUICK, style_scale=4.0))
    whole = View(scene, (40, 32)).objective(QUICK, lambda: None, 10**9)(picture()).losses["style"]
    parts = View(scene, (40, 32)).objective(QUICK, lambda: None, 11_000)(picture()).losses["style"]
    assert parts == pytest.approx(whole, rel=0.1)


def test_device_names():
    assert devices.choose_device("cpu") == CPU
    assert devices.choose_device("auto") == devices.available_devices()[0]
    assert "thread" in devices.describe(CPU)
    assert devices.memory_available(CPU) > 1 << 20
    with pytest.raises(devices.DeviceError, match=r"cuda:99\. Choose auto or cpu"):
        devices.choose_device("cuda:99")
    with pytest.raises(devices.DeviceError, match="'tpu' is not a device"):
        devices.choose_device("tpu")
    plan = devices.plan(CPU, "0" * 64)
    assert plan["encoder"] == "0" * 64 and plan["threads"] == torch.get_num_threads()
