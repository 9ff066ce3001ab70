"""Noise to start from."""

import pytest
import torch
from engine_helpers import picture, stripes

from nst_server.engine.noise import random_grain, random_texture, white_noise
from nst_server.engine.palette import moments_of, pooled
from nst_server.engine.pyramid import resize


def correlation(image, rows, columns):
    """Of neighbours that many rows and columns apart."""
    centred = image - image.mean((1, 2), keepdim=True)
    height, width = image.shape[1:]
    here, there = centred[:, : height - rows, : width - columns], centred[:, rows:, columns:]
    return float((here * there).mean() / centred.square().mean())


def test_a_texture_has_the_colours_of_the_style():
    style = picture(60, 50) * 0.5 + 0.25
    mean, covariance = moments_of(random_texture([style], [1.0], (120, 90), seed=0))
    wanted = moments_of(style)
    torch.testing.assert_close(mean, wanted[0], atol=0.01, rtol=0)
    torch.testing.assert_close(covariance, wanted[1], atol=0.002, rtol=0)


def test_a_texture_has_the_direction_of_the_style_and_white_noise_none():
    texture = random_texture([stripes(64, 64)], [1.0], (96, 96), seed=0)
    assert texture.shape == (3, 96, 96)
    # The stripes fall: along them alike, across them not.
    assert correlation(texture.flip(2), 2, 2) > 0.8
    assert correlation(texture, 1, 1) < 0
    assert abs(correlation(white_noise(torch.full((3,), 0.5), (96, 96), 0), 2, 2)) < 0.05


def test_styles_share_a_texture():
    styles = [torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(2)) * 0.2, picture(40, 40)]
    texture = random_texture(styles, [0.75, 0.25], (80, 80), seed=0)
    wanted = pooled([moments_of(style) for style in styles], [0.75, 0.25])
    torch.testing.assert_close(moments_of(texture)[0], wanted[0], atol=0.05, rtol=0)
    assert random_texture(styles, [0.0, 1.0], (80, 80), seed=0).mean() > texture.mean() + 0.1


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (40, 32)])
@pytest.mark.parametrize("style", [picture(1, 1, smooth=1), torch.ones(3, 7, 5), stripes(200, 10)])
def test_any_size_of_style_fills_any_canvas(size, style):
    texture = random_texture([style], [1.0], size, seed=3)
    assert texture.shape == (3, size[1], size[0])
    assert bool(texture.isfinite().all()) and float(texture.min()) >= 0 and float(texture.max()) <= 1


def test_a_seed_names_a_noise():
    style, mean = [picture(30, 30)], torch.full((3,), 0.5)
    for make in (
        lambda seed: random_texture(style, [1.0], (20, 20), seed),
        lambda seed: white_noise(mean, (20, 20), seed),
        lambda seed: random_grain(style, [1.0], (20, 20), (10, 10), seed),
    ):
        assert make(1).equal(make(1))
        assert not make(1).equal(make(2))


def lost(image):
    """What of ``image`` [3, h, w] is lost at half its size."""
    size = image.shape[2], image.shape[1]
    return image - resize(resize(image, (size[0] // 2, size[1] // 2)), size)


def rough(height, width, seed=5):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed)) * 0.5 + 0.25


def test_grain_is_what_the_style_loses_when_it_is_shrunk():
    style = rough(64, 80) * torch.tensor([1.0, 0.5, 0.1])[:, None, None]
    grain = random_grain([style], [1.0], (160, 120), (80, 60), seed=0)
    band = lost(style)
    assert grain.shape == (3, 120, 160)
    assert float(grain.mean().abs()) < 1e-3
    torch.testing.assert_close(grain.std((1, 2)), band.std((1, 2)), atol=0, rtol=0.05)
    for step in ((0, 1), (1, 0), (1, 1), (0, 2)):
        assert correlation(grain, *step) == pytest.approx(correlation(band, *step), abs=0.05)


def test_what_is_smooth_has_no_grain():
    style = torch.linspace(0, 1, 64).expand(3, 64, 64)
    assert float(random_grain([style], [1.0], (64, 64), (32, 32), seed=0).abs().max()) < 0.01
    assert not random_grain([rough(64, 64)], [1.0], (64, 64), (64, 64), seed=0).any()


def test_styles_share_the_grain_and_what_is_hidden_has_none():
    smooth, alpha = torch.full((3, 64, 64), 0.5), torch.zeros(64, 64)
    alpha[:, :32] = 1
    half = random_grain([rough(64, 64), smooth], [0.5, 0.5], (64, 64), (32, 32), seed=0)
    assert float(half.square().mean()) == pytest.approx(
        0.5 * float(lost(rough(64, 64)).square().mean()), rel=0.1
    )
    hidden = torch.where(alpha.bool(), smooth, rough(64, 64))
    inside = random_grain([hidden], [1.0], (64, 64), (32, 32), seed=0, alphas=[alpha])
    assert float(inside.square().mean()) < 0.02 * float(lost(rough(64, 64)).square().mean())


def test_grain_has_no_seam_where_it_repeats():
    grain = random_grain([rough(40, 40)], [1.0], (1100, 8), (550, 4), seed=0)
    steps = (grain[:, :, 1:] - grain[:, :, :-1]).square().mean((0, 1))
    assert float(steps[1023]) < float(steps.mean() + 4 * steps.std())
    assert grain[:, :, 1024:].equal(grain[:, :, :76])


def test_what_is_hardly_seen_of_a_style_makes_little_grain():
    columns = torch.arange(64) % 4 == 0
    style = torch.where(columns, 1.0, 0.3).expand(3, 64, 64)
    alpha = torch.where(columns, 0.13, 1.0).expand(64, 64)
    opaque, faint = (
        float(random_grain([style], [1.0], (64, 64), (32, 32), 0, [weight]).std()) for weight in (None, alpha)
    )
    assert faint < 0.3 * opaque
