"""Losses: values against plain formulas, gradients against autograd and finite differences in float64."""

import math
from dataclasses import replace

import pytest
import torch
from engine_helpers import picture

from nst_server.engine.losses import (
    ContentTarget,
    Statistics,
    StyleTarget,
    content_error,
    gram_matrix,
    statistics,
    style_gradient,
    total_variation,
)
from nst_server.engine.transport import by_eigenvalues, by_products, transport
from nst_server.wire.params import STYLE_LOSSES


def features(seed=0, channels=5, height=6, width=7):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, channels, height, width, generator=generator, dtype=torch.float64).relu()


def mask(height=6, width=7):
    weights = torch.rand(height, width, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    weights[2:4, 1:3] = 0
    return weights


def plain_style_error(x, weights, target):
    flat = x[0].flatten(1)
    share = (torch.ones(flat.shape[1]).to(x) if weights is None else weights.flatten()) + 0.0
    share = share / share.sum()
    mean = (flat * share).sum(1)
    centred = flat - mean[:, None]
    covariance = torch.einsum("cn,dn,n->cd", centred, centred, share)
    deviation = (covariance.diagonal() + target.quiet).sqrt()
    return (covariance - target.covariance).square().sum() / target.covariance_scale + (
        (mean - target.mean).square().sum() + (deviation - target.deviation).square().sum()
    ) / target.deviation_scale


def test_gram_matrix_is_the_mean_product_of_channels():
    x = features()
    expected = torch.einsum("nchw,ndhw->cd", x, x) / (6 * 7)
    torch.testing.assert_close(gram_matrix(x), expected)


@pytest.mark.parametrize("weights", [None, mask()], ids=["whole", "masked"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["nchw", "nhwc"])
def test_style_gradient_is_that_of_autograd(weights, layout):
    x = features().contiguous(memory_format=layout)
    target = StyleTarget.of(statistics(features(seed=3)), "moments")
    value, derivative = target.error(statistics(x, weights))
    gradient = style_gradient(x, derivative, weights)

    leaf = x.clone().requires_grad_()
    expected = plain_style_error(leaf, weights, target)
    (expected_gradient,) = torch.autograd.grad(expected, leaf)
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(gradient, expected_gradient)
    assert gradient.shape == x.shape


def root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ (values.clamp_min(0).sqrt()[:, None] * vectors.T)


@pytest.mark.parametrize("weights", [None, mask()], ids=["whole", "masked"])
def test_the_gram_loss_is_the_relative_error_of_the_gram_matrix(weights):
    x, stats = features(), statistics(features(seed=3))
    value, derivative = StyleTarget.of(stats, "gram").error(statistics(x, weights))

    leaf = x.clone().requires_grad_()
    flat = leaf[0].flatten(1)
    share = torch.full((42,), 1 / 42).to(x) if weights is None else weights.flatten() / weights.sum()
    expected = ((flat * share) @ flat.T - stats.gram).square().sum() / stats.gram.square().sum()
    torch.testing.assert_close(value, expected.detach())
    gradient = style_gradient(x, derivative, weights)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, leaf)[0])


def test_the_wasserstein_loss_is_the_distance_of_the_gaussians():
    x, y = statistics(features(height=40, width=40)), statistics(features(seed=3, height=40, width=40) * 2)
    target = StyleTarget.of(y, "wasserstein")
    value, _ = target.error(x)
    ridge = target.ridge * torch.eye(5)
    theirs = root(y.covariance + ridge)
    moved = x.covariance + y.covariance + 2 * ridge - 2 * root(theirs @ (x.covariance + ridge) @ theirs)
    distance = (x.mean - y.mean).square().sum() + moved.trace()
    assert float(value) == pytest.approx(float(distance) / target.scale, rel=1e-9)
    assert target.scale == pytest.approx(float(y.covariance.trace() + 0.05 * y.energy))


@pytest.mark.parametrize("loss", STYLE_LOSSES)
@pytest.mark.parametrize("size", [(6, 7), (1, 3), (1, 1)], ids=["whole rank", "few positions", "a point"])
@pytest.mark.parametrize("weights", [False, True], ids=["whole", "masked"])
def test_style_gradients_agree_with_finite_differences(loss, size, weights):
    target = StyleTarget.of(statistics(features(seed=3)), loss)
    weight = torch.linspace(0.2, 1, size[0] * size[1]).double().view(size) if weights else None
    x = features(height=size[0], width=size[1]) + 0.1
    _, derivative = target.error(statistics(x, weight))
    gradient = style_gradient(x, derivative, weight)
    for seed in range(3):
        nudge = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        ends = [target.error(statistics(x + h * nudge, weight))[0] for h in (1e-6, -1e-6)]
        slope = float(ends[0] - ends[1]) / 2e-6
        assert float((gradient * nudge).sum()) == pytest.approx(slope, rel=2e-4, abs=1e-8)


@pytest.mark.parametrize("loss", STYLE_LOSSES)
@pytest.mark.parametrize("channels", [5, 60], ids=["whole rank", "more channels than positions"])
def test_style_error_is_zero_for_the_style_itself_however_it_is_arranged(loss, channels):
    x = features(channels=channels)
    shuffled = x.flatten(2)[:, :, torch.randperm(42, generator=torch.Generator().manual_seed(0))].view_as(x)
    value, derivative = StyleTarget.of(statistics(x), loss).error(statistics(shuffled))
    assert abs(float(value)) < 1e-12
    scale = float(StyleTarget.of(statistics(x), loss).error(statistics(2 * x))[1].gram.abs().max())
    if channels < 42:
        assert float(derivative.gram.abs().max()) < 1e-9 * scale


@pytest.mark.parametrize("loss", STYLE_LOSSES)
def test_a_mean_alone_is_an_error_in_every_style_loss(loss):
    x = features()
    assert float(StyleTarget.of(statistics(x), loss).error(statistics(x + 0.3))[0]) > 0.01


def test_a_plain_area_of_the_mean_feature_is_about_1_from_the_style():
    style = features(height=30, width=30)
    plain = style.mean((2, 3), keepdim=True).expand_as(style)
    value, _ = StyleTarget.of(statistics(style), "wasserstein").error(statistics(plain))
    assert float(value) == pytest.approx(1, abs=0.25)  # less the floor, and what the ridge grants


def covariance(channels, positions, seed):
    x = features(seed, channels, 1, positions)[0, :, 0]
    return (x @ torch.diag(torch.linspace(1e-3, 1, positions).double()) @ x.T) / positions


@pytest.mark.parametrize("positions", [200, 10], ids=["whole rank", "rank of 10"])
def test_both_ways_to_transport_agree(positions):
    ridge = 1e-2
    own = covariance(40, positions, 1) + ridge * torch.eye(40)
    deviation = (torch.linspace(0, 3, 40).double().square() + ridge).sqrt()
    trace, moved = by_eigenvalues(own, deviation, ridge)
    other_trace, other_moved = by_products(own, deviation, ridge)
    torch.testing.assert_close(other_trace, trace, rtol=1e-5, atol=0)
    torch.testing.assert_close(other_moved, moved, rtol=1e-3, atol=1e-3)
    # What the map is: it moves the one covariance to the other.
    torch.testing.assert_close(moved @ own @ moved, torch.diag(deviation.square()), rtol=1e-6, atol=1e-8)
    in_float32 = by_products(own.float(), deviation.float(), ridge)
    torch.testing.assert_close(in_float32[0].double(), trace, rtol=1e-4, atol=0)
    torch.testing.assert_close(in_float32[1].double(), moved, rtol=1e-2, atol=1e-2)


def test_a_covariance_below_its_own_rounding_is_moved_too():
    own = covariance(40, 10, 1) - 1e-9 * torch.eye(40)
    deviation = torch.full((40,), 1e-3).double()
    found, expected = by_products(own, deviation, 1e-8), by_eigenvalues(own, deviation, 1e-8)
    assert all(bool(one.isfinite().all()) for one in found)
    torch.testing.assert_close(found, expected)


def test_what_is_not_finite_gives_no_number_and_no_error():
    trace, moved = transport(torch.full((3, 3), math.nan), torch.ones(3), 0.01)
    assert bool(trace.isnan()) and bool(moved.isnan().all())


@pytest.mark.parametrize("loss", STYLE_LOSSES)
def test_style_losses_in_float32_are_those_in_float64(loss):
    x, y = features(channels=64, height=20, width=20), features(3, 64, 20, 20)
    value, derivative = StyleTarget.of(statistics(y), loss).error(statistics(x))
    small, short = StyleTarget.of(statistics(y.float()), loss).error(statistics(x.float()))
    assert small.dtype == short.gram.dtype == short.mean.dtype == torch.float32
    assert float(small) == pytest.approx(float(value), rel=1e-4)
    assert float((short.gram - derivative.gram).norm()) < 1e-3 * float(derivative.gram.norm())


@pytest.mark.parametrize("loss", STYLE_LOSSES)
def test_statistics_of_tiles_add_up_and_give_the_gradient_of_the_whole(loss):
    x = features()
    left, right = x[..., :3], x[..., 3:]
    whole, merged = statistics(x), Statistics.merged([statistics(left), statistics(right)])
    torch.testing.assert_close(merged.gram, whole.gram)
    torch.testing.assert_close(merged.mean, whole.mean)
    assert merged.weight == whole.weight
    _, derivative = StyleTarget.of(statistics(features(seed=3)), loss).error(merged)
    tiles = torch.cat([style_gradient(left, derivative), style_gradient(right, derivative)], -1)
    torch.testing.assert_close(tiles, style_gradient(x, derivative))


def test_halfway_between_two_statistics_lies_one_picture_not_a_mixture_of_two():
    x, y = features(), features(seed=3)
    here, there = statistics(x), statistics(y)
    torch.testing.assert_close(here.towards(there, 0.0).gram, here.gram)
    torch.testing.assert_close(here.towards(there, 1.0).gram, there.gram)
    halfway = here.towards(there, 0.5).covariance
    torch.testing.assert_close(halfway, (here.covariance + there.covariance) / 2)
    moved = statistics(x + 2.0)
    torch.testing.assert_close(here.towards(moved, 0.25).gram, statistics(x + 0.5).gram)
    assert here.towards(replace(moved, weight=7.0), 0.25).weight == 7.0


def test_hidden_positions_do_not_count():
    weights = mask()
    x, y = features(), features()
    y[..., weights == 0] = 50.0
    torch.testing.assert_close(statistics(x, weights).gram, statistics(y, weights).gram)
    target = ContentTarget.of(features(seed=4), weights)
    torch.testing.assert_close(content_error(x, target, weights)[0], content_error(y, target, weights)[0])
    assert not content_error(y, target, weights)[1][..., weights == 0].any()


@pytest.mark.parametrize("weights", [None, mask()], ids=["whole", "masked"])
def test_content_gradient_is_that_of_autograd(weights):
    x, content = features(), features(seed=4)
    target = ContentTarget.of(content, weights)
    value, gradient = content_error(x, target, weights)

    leaf = x.clone().requires_grad_()
    share = torch.full((6, 7), 1 / 42).double() if weights is None else weights / weights.sum()
    expected = ((leaf - content).square().sum(1)[0] * share).sum() / target.scale
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, leaf)[0])


def test_content_error_of_a_plain_area_is_one():
    content = features(seed=4)
    plain = content.mean((2, 3), keepdim=True).expand_as(content)
    assert float(content_error(plain, ContentTarget.of(content))[0]) == pytest.approx(1)


@pytest.mark.parametrize("scale", [0.1, 100.0])
def test_errors_do_not_depend_on_the_scale_of_features(scale):
    x, other = features(), features(seed=3)
    for loss in STYLE_LOSSES:
        style = StyleTarget.of(statistics(other), loss).error(statistics(x))[0]
        scaled = StyleTarget.of(statistics(other * scale), loss).error(statistics(x * scale))[0]
        torch.testing.assert_close(scaled, style)
    content = content_error(x, ContentTarget.of(other))[0]
    torch.testing.assert_close(content_error(x * scale, ContentTarget.of(other * scale))[0], content)


@pytest.mark.parametrize("points", [4, 9])
def test_total_variation_gradient_agrees_with_finite_differences(points):
    image = picture(6, 5).double()
    _, gradient = total_variation(image, points)
    for index in [(0, 0, 0), (1, 2, 3), (2, 4, 5), (0, 4, 0), (1, 0, 5)]:
        nudge = torch.zeros_like(image)
        nudge[index] = 1e-6
        ends = [total_variation(image + nudge, points)[0], total_variation(image - nudge, points)[0]]
        assert float(gradient[index]) == pytest.approx(float(ends[0] - ends[1]) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("points", [4, 9])
def test_total_variation_of_a_slope_is_its_length(points):
    across, down = torch.meshgrid(torch.arange(40.0), torch.arange(30.0), indexing="xy")
    slope = (0.3 * across + 0.4 * down).expand(3, -1, -1) / 20
    length = total_variation(slope, points, smoothing=1e-6)[0]
    # At the border some neighbours are missing.
    assert float(length) == pytest.approx(3**0.5 * 0.5 / 20, rel=0.05)


def edge(degrees, points, side=80):
    """Total variation of a sharp edge at this slant, for each pixel of its length."""
    y, x = torch.meshgrid(
        torch.arange(side) - side / 2 + 0.5, torch.arange(side) - side / 2 + 0.5, indexing="ij"
    )
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    image = ((x * cos + y * sin) > 0).float().expand(3, -1, -1)
    length = side / max(abs(cos), abs(sin))
    return float(total_variation(image, points, smoothing=1e-4)[0]) * side**2 / length


def test_nine_points_hold_edges_of_any_slant_more_alike():
    slants = range(0, 180, 15)
    unevenness = {}
    for points in (4, 9):
        costs = [edge(degrees, points) for degrees in slants]
        unevenness[points] = max(costs) / min(costs)
    assert unevenness[4] > 1.35
    assert unevenness[9] < 1.2
    assert edge(45, 9) == pytest.approx(edge(135, 9), rel=0.01)


@pytest.mark.parametrize("points", [4, 9])
@pytest.mark.parametrize("size", [(4, 4), (1, 1), (1, 5), (5, 1)])
def test_total_variation_of_a_flat_image_is_zero(points, size):
    value, gradient = total_variation(torch.full((3, *size), 0.3), points)
    assert float(value) == pytest.approx(0, abs=1e-7)
    assert not gradient.any()


@pytest.mark.parametrize("fill", [0.0, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (4, 4)])
@pytest.mark.parametrize("loss", STYLE_LOSSES)
def test_flat_features_give_finite_losses(fill, size, loss):
    flat = torch.full((1, 3, *size), fill)
    target = StyleTarget.of(statistics(flat), loss)
    value, derivative = target.error(statistics(flat))
    textured = target.error(statistics(features().float()[:, :3]))
    assert bool(textured[0].isfinite()) and bool(textured[1].gram.isfinite().all())
    content, gradient = content_error(flat + 0.1, ContentTarget.of(flat))
    for tensor in (value, derivative.mean, derivative.gram, content, gradient):
        assert bool(torch.isfinite(tensor).all())
