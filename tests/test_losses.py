"""Losses: values against plain formulas, gradients against autograd in float64."""

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
    style_error,
    style_gradient,
    total_variation,
)


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
    target = StyleTarget.of(statistics(features(seed=3)))
    value, derivative = style_error(statistics(x, weights), target)
    gradient = style_gradient(x, derivative, weights)

    leaf = x.clone().requires_grad_()
    expected = plain_style_error(leaf, weights, target)
    (expected_gradient,) = torch.autograd.grad(expected, leaf)
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(gradient, expected_gradient)
    assert gradient.shape == x.shape


def test_style_error_is_zero_for_the_style_itself_however_it_is_arranged():
    x = features()
    shuffled = x.flatten(2)[:, :, torch.randperm(42, generator=torch.Generator().manual_seed(0))].view_as(x)
    value, derivative = style_error(statistics(shuffled), StyleTarget.of(statistics(x)))
    assert float(value) < 1e-20
    assert float(derivative.gram.abs().max()) < 1e-12


def test_statistics_of_tiles_add_up_and_give_the_gradient_of_the_whole():
    x = features()
    left, right = x[..., :3], x[..., 3:]
    whole, merged = statistics(x), Statistics.merged([statistics(left), statistics(right)])
    torch.testing.assert_close(merged.gram, whole.gram)
    torch.testing.assert_close(merged.mean, whole.mean)
    assert merged.weight == whole.weight
    _, derivative = style_error(merged, StyleTarget.of(statistics(features(seed=3))))
    tiles = torch.cat([style_gradient(left, derivative), style_gradient(right, derivative)], -1)
    torch.testing.assert_close(tiles, style_gradient(x, derivative))


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
    style = style_error(statistics(x), StyleTarget.of(statistics(other)))[0]
    scaled = style_error(statistics(x * scale), StyleTarget.of(statistics(other * scale)))[0]
    torch.testing.assert_close(scaled, style)
    content = content_error(x, ContentTarget.of(other))[0]
    torch.testing.assert_close(content_error(x * scale, ContentTarget.of(other * scale))[0], content)


def test_total_variation_gradient_agrees_with_finite_differences():
    image = picture(6, 5).double()
    _, gradient = total_variation(image)
    for index in [(0, 0, 0), (1, 2, 3), (2, 4, 5), (0, 4, 0)]:
        nudge = torch.zeros_like(image)
        nudge[index] = 1e-6
        slope = (total_variation(image + nudge)[0] - total_variation(image - nudge)[0]) / 2e-6
        assert float(gradient[index]) == pytest.approx(float(slope), rel=1e-5)


def test_total_variation_of_a_flat_image_is_zero():
    value, gradient = total_variation(torch.full((3, 4, 4), 0.3))
    assert float(value) == pytest.approx(0, abs=1e-7)
    assert not gradient.any()


@pytest.mark.parametrize("fill", [0.0, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (4, 4)])
def test_flat_features_give_finite_losses(fill, size):
    flat = torch.full((1, 3, *size), fill)
    value, derivative = style_error(statistics(flat), StyleTarget.of(statistics(flat)))
    content, gradient = content_error(flat + 0.1, ContentTarget.of(flat))
    for tensor in (value, derivative.mean, derivative.gram, content, gradient):
        assert bool(torch.isfinite(tensor).all())
