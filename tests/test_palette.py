"""Palettes: distributions of colours matched without tearing passages apart."""

import pytest
import torch
from engine_helpers import picture, stripes

from nst_server.engine.palette import in_histogram, in_moments, moments_of, pooled, recoloured, within


def peaks(height=48, width=64):
    """Two thirds deep blue, a third pale yellow, hardly anything between: no bell curve."""
    image = torch.tensor([0.1, 0.15, 0.5])[:, None, None].expand(3, height, width).clone()
    image[:, : height // 3] = torch.tensor([0.95, 0.9, 0.6])[:, None, None]
    return (image + 0.03 * (picture(width, height, smooth=2) - 0.5)).clamp(0, 1)


def rich(width=64, height=48, seed=4):
    """Clouds whose channels belong together, and are dark more often than light."""
    mixing = torch.tensor([[0.8, 0.3, 0.0], [0.1, 0.6, 0.3], [-0.2, 0.5, 0.5]])
    image = (mixing @ picture(width, height, seed=seed).flatten(1)).reshape(3, height, width)
    return image.clamp(0, 1) ** 2


def distance(a, b):
    """Mean difference of quantiles along 32 directions of the colour space."""
    directions = torch.randn(32, 3, generator=torch.Generator().manual_seed(3))
    directions = directions / directions.norm(dim=1, keepdim=True)
    levels = torch.linspace(0, 1, 101)
    found = [torch.quantile(directions @ image.flatten(1), levels, dim=1) for image in (a, b)]
    return float((found[0] - found[1]).abs().mean())


@pytest.mark.parametrize(("image", "like"), [(picture(), peaks()), (rich(), peaks()), (rich(), picture())])
def test_a_histogram_comes_nearer_than_moments(image, like):
    linear = in_moments(image, moments_of(image), moments_of(like))
    whole = in_histogram(image, like)
    assert distance(linear, like) < 0.65 * distance(image, like)
    assert distance(whole, like) < 0.7 * distance(linear, like)


def test_the_same_images_give_the_same_colours():
    assert in_histogram(picture(), peaks()).equal(in_histogram(picture(), peaks()))


def test_its_own_histogram_changes_little():
    image = picture(64, 48)
    assert float((in_histogram(image, image) - image).abs().max()) < 0.02


def test_a_smooth_passage_stays_smooth():
    """4096 steps of a passage across the gap between two peaks: no band, no jump."""
    passage = torch.linspace(0, 1, 4096)[None, None].expand(3, 8, 4096)
    made = in_histogram(passage, peaks())[:, 0]
    assert float(made.diff(dim=1).abs().max()) < 8 / 4095
    assert len(made[0].unique()) > 2048


def test_noise_of_a_flat_picture_is_not_blown_up():
    noise = torch.rand(3, 30, 40, generator=torch.Generator().manual_seed(3)) - 0.5
    made = in_histogram(0.5 + noise * (2 / 255), peaks())
    assert bool((made.std((1, 2)) < 0.5 * peaks().std((1, 2))).all())


def test_weights_decide_whose_colours_count():
    two = torch.cat((peaks(), picture(64, 48)), dim=2)
    left = torch.cat((torch.ones(48, 64), torch.zeros(48, 64)), dim=1)
    image = picture(40, 40, seed=5)
    assert distance(in_histogram(image, two, like_weight=left), in_histogram(image, peaks())) < 0.01
    own = torch.cat((image, torch.ones(3, 40, 40)), dim=2)
    seen = torch.cat((torch.ones(40, 40), torch.zeros(40, 40)), dim=1)
    made = in_histogram(own, peaks(), weight=seen)[:, :, :40]
    assert distance(made, in_histogram(image, peaks())) < 0.02
    assert bool(in_histogram(image, two, like_weight=torch.zeros(48, 128)).isfinite().all())


def test_pooled_moments_are_those_of_both_pictures_together():
    a, b = picture(20, 10), stripes(20, 10)
    mean, covariance = pooled([moments_of(a), moments_of(b)], (0.5, 0.5))
    wanted_mean, wanted_covariance = moments_of(torch.cat((a, b), dim=2))
    assert torch.allclose(mean, wanted_mean)
    assert torch.allclose(covariance, wanted_covariance)


@pytest.mark.parametrize("keep_colours", ["moments", "histogram"])
def test_afterwards_a_picture_has_the_contents_palette(keep_colours):
    content, painted = picture(40, 30), rich(40, 30)
    made = recoloured(painted, content, keep_colours, "lab")
    assert distance(made, content) < 0.3 * distance(painted, content)
    hidden = torch.ones(30, 40)
    hidden[:, 20:] = 0
    part = recoloured(painted, content, keep_colours, "lab", hidden, hidden)
    assert distance(part[:, :, :20], content[:, :, :20]) < distance(made[:, :, :20], content[:, :, :20])


def test_afterwards_luminance_is_the_paintings_and_no_is_nothing():
    content, painted = 0.4 + 0.2 * picture(), 0.3 + 0.4 * stripes(40, 32)
    made = recoloured(painted, content, "luminance", "ycbcr")
    shift = made - content
    assert float((shift - shift.mean(0)).abs().max()) < 1e-5
    assert float(shift.abs().mean()) > 0.01
    assert recoloured(painted, content, "no", "ycbcr") is painted


def test_colours_of_no_palette_are_brought_to_its_edge():
    blue = peaks()
    own, foreign = moments_of(blue), blue.clone()
    foreign[:, 10:20, 10:20] = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    brought = within(foreign, own, 3.5)
    assert float((brought - blue)[:, 25:].abs().max()) < 1e-6
    patch = brought[:, 10:20, 10:20]
    assert float((patch - within(patch, own, 3.5)).abs().max()) < 1e-5
    # In the direction in which it lay, and no farther than the palette goes there.
    wanted, found = (colour - own[0][:, None].float() for colour in (foreign[:, 10, 10:11], patch[:, 0, :1]))
    assert float(torch.nn.functional.cosine_similarity(wanted, found, dim=0)) > 0.999
    assert float(found.norm()) < 0.5 * float(wanted.norm())
