"""Images brought from one size to another."""

import math

import pytest
import torch
from engine_helpers import picture

from nst_server.engine.pyramid import (
    fill_transparent,
    fit_image,
    resize,
    resize_map,
)


def test_resize_stays_in_range_and_does_not_alias():
    checks = ((torch.arange(64)[:, None] + torch.arange(64)) % 2).float().expand(3, 64, 64)
    small = resize(checks, (16, 16))
    assert float((small - 0.5).abs().max()) < 0.06
    large = resize(checks, (100, 100))
    assert float(large.min()) >= 0 and float(large.max()) <= 1


def test_a_column_becomes_a_row_without_what_both_span():
    # That would be 65535 × 65535 pixels: 51 GB.
    slope = torch.linspace(0, 1, 65_535)[None, :, None].expand(3, -1, 1)
    row = resize(slope, (65_535, 1))
    torch.testing.assert_close(row, torch.full((3, 1, 65_535), 0.5), atol=1e-4, rtol=0)
    image = picture(9, 40)
    turned = resize(image.transpose(1, 2), (11, 30)).transpose(1, 2)
    torch.testing.assert_close(resize(image, (30, 11)), turned, atol=1e-6, rtol=0)


def test_resize_map_keeps_the_mean():
    mask = torch.zeros(32, 32)
    mask[:, :8] = 1
    assert float(resize_map(mask, 8, 8).mean()) == pytest.approx(0.25)


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
@pytest.mark.parametrize("size", [(20, 30), (30, 20), (7, 1)])
def test_fit_brings_any_shape_to_the_size(fit, size):
    around = torch.zeros(3, size[1], size[0])
    assert fit_image(picture(40, 10), size, fit, around).shape == around.shape


def test_cover_crops_and_contain_leaves_a_margin():
    image = torch.zeros(3, 10, 40)
    image[:, :, 10:30] = 1
    around = torch.full((3, 10, 10), 0.5)
    cover = fit_image(image, (10, 10), "cover", around)
    assert float(cover.min()) > 0.9
    contain = fit_image(image, (10, 10), "contain", around)
    assert bool((contain[:, 0] == 0.5).all()) and bool((contain[:, -1] == 0.5).all())
    assert float(contain[:, 5, 5].min()) > 0.9


@pytest.mark.parametrize(("given", "size"), [((64, 43), (26, 26)), ((10, 4), (30, 31)), ((37, 50), (64, 20))])
def test_cover_is_the_middle_of_the_whole_resized(given, size):
    image = picture(*given)
    factor = max(size[0] / given[0], size[1] / given[1])
    whole = resize(image, (round(given[0] * factor), round(given[1] * factor)))
    left, top = (whole.shape[2] - size[0]) // 2, (whole.shape[1] - size[1]) // 2
    cover = fit_image(image, size, "cover", torch.zeros(3, size[1], size[0]))
    torch.testing.assert_close(cover, whole[:, top : top + size[1], left : left + size[0]], atol=1e-4, rtol=0)


def test_cover_computes_only_what_shows():
    # Whole, it would be 400 × 26 million pixels: 126 GB.
    slope = torch.linspace(0, 1, 65_535)[None, :, None].expand(3, -1, 1)
    cover = fit_image(slope, (400, 10), "cover", torch.zeros(3, 10, 400))
    torch.testing.assert_close(cover, torch.full((3, 10, 400), 0.5), atol=1e-4, rtol=0)


def test_hidden_colours_are_replaced_by_those_around():
    image = torch.full((3, 17, 23), 0.25)
    influence = torch.ones(17, 23)
    influence[3:12, 5:20] = 0
    image[:, 3:12, 5:20] = 1.0
    filled = fill_transparent(image, influence)
    torch.testing.assert_close(filled, torch.full_like(image, 0.25))


def test_a_wholly_hidden_image_becomes_grey():
    grey = torch.full((3, 7, 9), 0.5)
    torch.testing.assert_close(fill_transparent(picture(9, 7), torch.zeros(7, 9)), grey)


def colours_at(image, opacity):
    """Opaque columns of the first of two colours, and those between with the other and ``opacity``."""
    first, second = (torch.tensor(colour)[:, None, None] for colour in image)
    columns = torch.arange(32) % 2 == 0
    return torch.where(columns, first, second).expand(3, 24, 32).contiguous(), torch.where(
        columns, 1.0, opacity
    ).expand(24, 32)


@pytest.mark.parametrize("fit", [None, "stretch", "cover", "contain"])
def test_pixels_count_by_their_alpha(fit):
    image, alpha = colours_at(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), 0.15)
    size = (16, 12) if fit != "cover" else (16, 8)
    small = resize(image, size, alpha)
    if fit:
        small = fit_image(image, size, fit, torch.zeros(3, size[1], size[0]), alpha)
    shares = small.mean((1, 2))
    assert torch.allclose(shares, torch.tensor([0.87, 0.13, 0.0]), atol=0.01), shares


@pytest.mark.parametrize("size", [(20, 13), (61, 45), (17, 40)])
def test_where_alpha_is_even_it_changes_nothing(size):
    image = picture(40, 32, smooth=1)
    assert resize(image, size, torch.ones(32, 40)).equal(resize(image, size))
    torch.testing.assert_close(resize(image, size, torch.full((32, 40), 0.2)), resize(image, size))


@pytest.mark.parametrize("size", [(24, 24), (31, 50), (96, 96), (131, 100)])
def test_what_is_hardly_seen_does_not_colour_what_is_beside_it(size):
    """An opaque plain beside a white that is nearly transparent: no fringe on the plain, and no ringing."""
    image = torch.full((3, 48, 48), 0.3)
    image[:, :, 25:] = 1.0
    alpha = torch.where(torch.arange(48) < 25, 1.0, 0.004).expand(48, 48)
    brought = resize(image, size, alpha)
    seen = math.ceil(25 * size[0] / 48)
    assert float((brought[:, :, :seen] - 0.3).abs().max()) < 0.02
    assert float((resize(image, size)[:, :, :seen] - 0.3).abs().max()) > 0.04
    # Further out, the white is all that there is.
    assert float((brought[:, :, -size[0] // 4 :] - 1).abs().max()) < 0.02


def test_beside_many_weights_no_colour_leaves_the_range_of_its_surroundings():
    generator = torch.Generator().manual_seed(4)
    alpha = torch.rand(64, 64, generator=generator) ** 6
    alpha[torch.rand(64, 64, generator=generator) < 0.5] = 0
    image = 0.4 + 0.2 * torch.rand(3, 64, 64, generator=generator)
    for size in ((32, 32), (23, 40), (64, 90), (130, 130)):
        brought = resize(image, size, alpha)
        assert float(brought.min()) > 0.3 and float(brought.max()) < 0.7
