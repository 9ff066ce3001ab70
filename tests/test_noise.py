"""Noise to start from."""

import pytest
import torch
from engine_helpers import picture, stripes

from nst_server.engine.noise import random_texture, white_noise
from nst_server.engine.palette import moments_of, pooled


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
    ):
        assert make(1).equal(make(1))
        assert not make(1).equal(make(2))
