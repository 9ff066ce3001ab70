"""Optimisers and the preconditioner: descent, the box, faults, live changes."""

import math

import pytest
import torch
from engine_helpers import TinyEncoder, picture

from nst_server.engine.optimisers import LBFGS, Adam, Diverged, Evaluation
from nst_server.engine.preconditioner import Preconditioner, curvature_of, dct, idct, probe_curvature
from nst_server.engine.scene import Scene
from nst_server.wire.params import Params

CPU = torch.device("cpu")


def evaluated(function):
    """An objective from a differentiable function of an image."""

    def objective(image):
        leaf = image.clone().requires_grad_()
        value = function(leaf)
        (gradient,) = torch.autograd.grad(value, leaf)
        return Evaluation(float(value.detach()), gradient, {"total": float(value.detach())})

    return objective


def bowl(target, curvature=None):
    """A quadratic with its minimum at ``target``, curved per pixel by ``curvature``."""
    curvature = torch.ones_like(target) if curvature is None else curvature
    return evaluated(lambda x: (curvature * (x - target).square()).mean())


def uneven(like):
    return torch.logspace(-3, 0, like.numel()).view_as(like)


OPTIMISERS = [LBFGS, Adam]


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_reaches_the_minimum_of_a_bowl(optimiser):
    target = picture(6, 5)
    o = optimiser(torch.full_like(target, 0.5), bowl(target))
    for _ in range(200):
        if not o.step():
            break
    torch.testing.assert_close(o.result()[0], target, atol=0.02, rtol=0)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_minimum_outside_the_box_is_met_at_its_border(optimiser):
    target = picture(6, 5) * 3 - 1
    o = optimiser(torch.full_like(target, 0.5), bowl(target))
    for _ in range(200):
        moved = o.step()
        assert float(o.image.min()) >= 0 and float(o.image.max()) <= 1
        if not moved:
            break
    torch.testing.assert_close(o.result()[0], target.clamp(0, 1), atol=0.02, rtol=0)


def test_lbfgs_never_rises_on_an_uneven_curved_objective():
    target = picture(6, 5)
    curvature = uneven(target)
    # A narrow curved valley with a kink: what breaks L-BFGS without a line search.
    nasty = evaluated(
        lambda x: (
            (curvature * (x - target).square()).sum()
            + 50 * (x[0] - x[1].square()).square().sum()
            + (x[2] - 0.5).abs().sum()
            + 1e3 * (x - 0.9).relu().pow(3).sum()
        )
    )
    o = LBFGS(torch.full_like(target, 0.95), nasty)
    last = o.here.total
    for _ in range(150):
        if not o.step():
            break
        assert o.here.total < last
        last = o.here.total
    assert last < 0.05 * nasty(torch.full_like(target, 0.95)).total


def test_lbfgs_moves_are_bounded():
    target = picture(6, 5)
    start = torch.full_like(target, 0.5)
    steep = evaluated(lambda x: 1e12 * (x - target).square().sum())
    o = LBFGS(start, steep)
    for _ in range(5):
        before = o.image
        o.step()
        assert float((o.image - before).abs().mean()) <= LBFGS.largest_move + 1e-6


def test_lbfgs_does_not_settle_across_the_valley():
    start = torch.full((3, 5, 6), 0.5)
    # The first direction goes 1.95 times as far as the minimum lies.
    o = LBFGS(start, bowl(start + LBFGS.first_move / 1.95))
    first = o.here.total
    assert o.step()
    assert o.here.total < 0.01 * first
    assert o.evaluations == 3


class Faulty:
    """An objective that answers NaN at chosen calls."""

    def __init__(self, objective, faults, gradient_only=False):
        self.objective, self.faults, self.gradient_only, self.calls = objective, faults, gradient_only, 0

    def __call__(self, image):
        self.calls += 1
        good = self.objective(image)
        if self.calls not in self.faults:
            return good
        total = good.total if self.gradient_only else math.nan
        return Evaluation(total, torch.full_like(image, math.nan), good.losses)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("gradient_only", [False, True])
def test_a_nan_is_stepped_back_from(optimiser, gradient_only):
    target = picture(6, 5)
    o = optimiser(torch.full_like(target, 0.5), Faulty(bowl(target), {1, 3, 4}, gradient_only))
    first = o.here.total
    for _ in range(150):
        if not o.step():
            break
        assert bool(torch.isfinite(o.image).all())
    assert o.setbacks == 3
    assert o.result()[1].total < 0.05 * first


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_an_objective_that_is_never_a_number_is_refused(optimiser):
    with pytest.raises(Diverged, match="Start from another image"):
        optimiser(picture(6, 5), Faulty(bowl(picture(6, 5)), {1, 2}))


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_nothing_to_gain_ends_the_work(optimiser):
    target = picture(6, 5)
    o = optimiser(target, bowl(target))
    assert not o.step()
    assert o.result()[0].equal(target)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_new_objective_is_followed_from_the_same_image(optimiser):
    first, second = picture(6, 5, seed=1), picture(6, 5, seed=2)
    o = optimiser(torch.full_like(first, 0.5), bowl(first))
    for _ in range(20):
        o.step()
    before = o.image
    o.follow(bowl(second))
    assert o.image.equal(before)
    assert o.result()[1].total == bowl(second)(before).total
    for _ in range(200):
        if not o.step():
            break
    torch.testing.assert_close(o.result()[0], second, atol=0.02, rtol=0)


def test_adam_keeps_its_best():
    target = picture(6, 5)
    o = Adam(torch.full_like(target, 0.5), bowl(target), learning_rate=0.5)
    totals = [o.here.total]
    for _ in range(15):
        o.step()
        totals.append(o.here.total)
    assert o.result()[1].total == min(totals)
    assert bowl(target)(o.result()[0]).total == min(totals)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (8, 6), (7, 9)])
def test_dct_is_the_orthonormal_cosine_transform(size):
    width, height = size
    x = torch.randn(3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def matrix(n):
        i = torch.arange(n).double()
        k = i[:, None]
        m = torch.cos(math.pi * k * (2 * i + 1) / (2 * n)) * math.sqrt(2 / n)
        m[0] /= math.sqrt(2)
        return m

    torch.testing.assert_close(dct(x), matrix(height) @ x @ matrix(width).T, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(idct(dct(x)), x)


def blurred(x):
    return torch.nn.functional.avg_pool2d(x[None], 3, stride=1, padding=1)[0]


def test_probe_finds_flat_frequencies_and_colours():
    mix = torch.tensor([0.3, 0.6, 0.1])
    seen = evaluated(lambda x: (blurred(x) * mix[:, None, None]).sum(0).square().sum())
    curvature = probe_curvature(lambda x: seen(x).gradient, picture(48, 40), seed=0)
    low, high = torch.linalg.eigh(curvature[2]), torch.linalg.eigh(curvature[15])
    assert float(low.eigenvalues[-1]) > 5 * float(high.eigenvalues[-1])
    assert float(low.eigenvalues[1]) < 0.05 * float(low.eigenvalues[-1])
    assert abs(float(low.eigenvectors[:, -1] @ (mix / mix.norm()))) > 0.99


def test_probe_of_a_flat_loss_or_a_single_pixel_is_harmless():
    assert probe_curvature(torch.zeros_like, picture(8, 8), seed=0).isfinite().all()
    assert probe_curvature(lambda x: x, torch.zeros(3, 1, 1), seed=0).isfinite().all()


def test_the_probe_sees_the_layers_of_both_losses_as_much_as_they_count():
    def probed(strength, style_layer):
        params = Params(strength=strength, content_layers={"conv1_1": 1}, style_layers={style_layer: 1})
        scene = Scene(picture(40, 32), [picture(24, 24)], TinyEncoder(), params)
        return curvature_of(scene, params, scene.size, lambda: None, 10**9)

    shallow, deep = "conv1_1", "conv2_1"
    assert torch.equal(probed(0.0, shallow), probed(0.0, deep))
    apart = [float((probed(s, shallow) - probed(s, deep)).norm()) for s in (0.1, 0.95)]
    assert 0.01 < apart[0] <= apart[1]


def test_preconditioner_is_symmetric_and_positive():
    curvature = probe_curvature(blurred, picture(24, 24), seed=0)
    precondition = Preconditioner(curvature, 9, 13, CPU)
    generator = torch.Generator().manual_seed(2)
    a, b = (torch.randn(3, 9, 13, generator=generator) for _ in range(2))
    assert float((a * precondition(b)).sum()) == pytest.approx(float((b * precondition(a)).sum()), rel=1e-3)
    assert float((a * precondition(a)).sum()) > 0


def test_preconditioner_spares_evaluations():
    target = picture(24, 20)
    objective = evaluated(lambda x: (blurred(x - target)).square().sum())
    start = torch.full_like(target, 0.5)
    curvature = probe_curvature(lambda x: objective(x).gradient, target, seed=0)
    totals = []
    for precondition in (None, Preconditioner(curvature, 20, 24, CPU)):
        o = LBFGS(start, objective, precondition)
        while o.evaluations < 12 and o.step():
            pass
        totals.append(o.here.total)
    assert totals[1] < 0.8 * totals[0]


def noisy(target, amount):
    """A bowl whose gradient is off by another amount at every call, as strokes push and pull."""
    generator = torch.Generator().manual_seed(3)
    plain = bowl(target)

    def objective(image):
        here = plain(image)
        wrong = amount * torch.randn(image.shape, generator=generator) / image.numel()
        return Evaluation(here.total, here.gradient + wrong, here.losses)

    return objective


def test_the_average_of_adam_is_nearer_than_its_steps():
    target = picture(6, 5).clamp(0.2, 0.8)
    steps = Adam(torch.full_like(target, 0.5), noisy(target, 0.5), learning_rate=0.05)
    average = Adam(torch.full_like(target, 0.5), noisy(target, 0.5), learning_rate=0.05, averaging=0.9)
    for _ in range(100):
        assert steps.step() and average.step()
    assert average.image.equal(steps.image)
    assert steps.shown.equal(steps.image)
    plain = bowl(target)
    assert plain(average.shown).total < 0.5 * plain(steps.shown).total
    image, here = average.result()
    assert here.total == plain(image).total <= plain(average.shown).total


def test_the_average_begins_with_the_first_step_and_forgets_the_loss_before():
    target = picture(6, 5)
    o = Adam(torch.full_like(target, 0.5), bowl(target), averaging=0.99)
    assert o.shown.equal(o.image)
    o.step()
    torch.testing.assert_close(o.shown, o.image, atol=1e-5, rtol=0)
    o.step()
    o.follow(bowl(1 - target))
    # Where the steps so far still count, ``shown`` divides by what the sum was multiplied with: a rounding.
    torch.testing.assert_close(o.shown, o.image, atol=1e-6, rtol=0)


def test_adam_steps_back_from_a_loss_that_grows():
    target = torch.full((3, 5, 6), 0.5)
    o = Adam(target + 0.001, bowl(target), learning_rate=0.1)
    first = o.here.total
    for _ in range(40):
        o.step()
        assert o.here.total <= 10 * first
    assert o.setbacks and o.trouble == "a loss that grew tenfold"
    assert o.result()[1].total <= first


@pytest.mark.parametrize("kind", [LBFGS, Adam])
def test_a_small_live_change_makes_no_jump(kind):
    target = picture(8, 8)
    o = kind(torch.full_like(target, 0.5), bowl(target))
    for _ in range(60):
        o.step()
    before = o.image
    o.follow(bowl(target.lerp(torch.full_like(target, 0.5), 0.02)))
    o.step()
    assert float((o.image - before).abs().max()) < 0.015


def test_adam_forgets_how_strong_gradients_were_where_they_are_much_stronger():
    target = picture(8, 8)
    learnt, fresh = (Adam(torch.full_like(target, 0.5), bowl(target)) for _ in range(2))
    for _ in range(60):
        learnt.step()
    fresh.image = learnt.image
    for o in (learnt, fresh):
        o.follow(bowl(1 - target))
        o.step()
    assert learnt.image.equal(fresh.image)


def test_a_step_of_adam_moves_no_pixel_by_more_than_a_tenth():
    target = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    o = Adam(torch.full_like(target, 0.5), bowl(target), learning_rate=1.0)
    for _ in range(3):
        before = o.image
        o.step()
        assert float((o.image - before).abs().max()) <= 0.1 + 1e-6
