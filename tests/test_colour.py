"""Colour statistics and transfer, sRGB's curve."""

import pytest
import torch

from nst_server.engine.colour import apply_map, colour_moments, linear_to_srgb, srgb_to_linear, transfer_map


def picture(seed: int, height: int = 20, width: int = 30) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = (torch.eye(3) + torch.rand(3, 3, generator=generator)) / 4
    noise = torch.rand(3, height * width, generator=generator)
    return (mixing @ noise).reshape(3, height, width)


def test_transfer_brings_mean_and_covariance_of_the_target():
    source, target = picture(0), picture(1, 15, 11)
    moved = apply_map(source, *transfer_map(colour_moments(source), colour_moments(target)))
    mean, covariance = colour_moments(moved)
    wanted_mean, wanted_covariance = colour_moments(target)
    assert torch.allclose(mean, wanted_mean, atol=1e-5)
    # Not exact, because both covariances are regularised.
    assert torch.allclose(covariance, wanted_covariance, atol=2e-4)


def test_transfer_to_its_own_colours_changes_nothing():
    source = picture(2)
    matrix, offset = transfer_map(colour_moments(source), colour_moments(source))
    assert torch.allclose(matrix, torch.eye(3, dtype=matrix.dtype), atol=1e-9)
    assert torch.allclose(offset, torch.zeros(3, dtype=offset.dtype), atol=1e-9)


def test_flat_image_takes_the_target_mean_without_blowing_up_noise():
    noise = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(3)) - 0.5
    flat = 0.5 + noise / 255
    target = picture(4)
    moved = apply_map(flat, *transfer_map(colour_moments(flat), colour_moments(target)))
    assert torch.allclose(moved.mean(dim=(1, 2)), target.mean(dim=(1, 2)), atol=1e-3)
    assert moved.std() < target.std()
    assert float((moved - moved.mean(dim=(1, 2), keepdim=True)).abs().max()) < 0.1


def test_grey_image_stays_finite_and_gets_the_mean_colour():
    grey = picture(5)[:1].expand(3, -1, -1)
    target = picture(6)
    moved = apply_map(grey, *transfer_map(colour_moments(grey), colour_moments(target)))
    assert bool(moved.isfinite().all())
    assert torch.allclose(moved.mean(dim=(1, 2)), target.mean(dim=(1, 2)), atol=1e-4)


def test_weight_decides_which_pixels_count():
    image = torch.cat((picture(7), picture(8) + 0.3), dim=2)
    weight = torch.cat((torch.ones(20, 30), torch.zeros(20, 30)), dim=1)
    for counted, alone in zip(colour_moments(image, weight), colour_moments(picture(7)), strict=True):
        assert torch.allclose(counted, alone, atol=1e-9)
    everywhere = colour_moments(image, torch.zeros(20, 60))
    assert torch.allclose(everywhere[0], colour_moments(image)[0])


@pytest.mark.parametrize(
    ("encoded", "linear"), [(0.0, 0.0), (0.04045, 0.04045 / 12.92), (0.5, 0.214041), (1.0, 1.0)]
)
def test_srgb_curve_at_known_points(encoded, linear):
    assert float(srgb_to_linear(torch.tensor(encoded))) == pytest.approx(linear, abs=1e-6)
    assert float(linear_to_srgb(torch.tensor(linear))) == pytest.approx(encoded, abs=1e-6)


def test_srgb_curve_is_undone_also_beyond_its_range():
    values = torch.linspace(-2, 4, 601)
    assert torch.allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-5)
    assert torch.equal(srgb_to_linear(-values), -srgb_to_linear(values))
