"""The styles' fine detail, laid where a picture looks like them."""

import pytest
import torch
from engine_helpers import TinyEncoder

from nst_server.engine.control import Cancelled
from nst_server.engine.grain import matched_grain
from nst_server.engine.pyramid import resize
from nst_server.engine.scene import Scene
from nst_server.engine.vgg import nothing
from nst_server.engine.view import View
from nst_server.wire.params import Params


def rough(height, width, seed=5):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed)) * 0.5 + 0.25


def enlarged(image):
    """``image`` [3, h, w] without what is lost at half its size."""
    size = image.shape[2], image.shape[1]
    return resize(resize(image, (size[0] // 2, size[1] // 2)), size)


def grain_of(picture, *styles, shares=(1.0,), seed=0, alphas=()):
    """Grain for a ``picture`` [3, h, w] that comes from half its size."""
    half = picture.shape[2] // 2, picture.shape[1] // 2
    return matched_grain(picture, half, styles, shares, seed, alphas)


def energy(grain):
    return float(grain.square().mean())


def test_grain_lies_as_it_does_where_the_style_looks_alike():
    lines = torch.arange(96) % 2 * 0.3
    red, blue = torch.tensor([0.6, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.6])
    level = red[:, None, None] + lines[:, None].expand(96, 96)
    upright = blue[:, None, None] + lines.expand(96, 96)
    picture = torch.cat([(colour + 0.15).view(3, 1, 1).expand(3, 48, 90) for colour in (blue, red)], 1)
    grain = grain_of(picture, torch.cat((level, upright), 2))
    for part, across, along in ((grain[:, 4:36], 2, 1), (grain[:, 60:92], 1, 2)):
        assert energy(part.diff(dim=along)) < 0.1 * energy(part.diff(dim=across))
        assert energy(part.diff(dim=across)) == pytest.approx(0.3**2, rel=0.3)


def bands(height, width, period, colour=0.5):
    """Level bands as wide as they are apart, with fine lines along them."""
    rows = torch.arange(height)
    return (colour + 0.2 * (rows // (period // 2) % 2) - 0.1 + 0.1 * (rows % 2))[:, None].expand(
        3, height, width
    )


def test_fine_lines_run_as_the_forms_do_whose_colours_are_all_alike():
    style = torch.cat((bands(96, 96, 16), bands(96, 96, 16).transpose(1, 2)), 2)
    forms = enlarged(bands(96, 96, 16))
    picture = torch.cat((forms.transpose(1, 2), forms), 2)
    for part, across, along in (
        (grain_of(picture, style)[:, 12:84, 12:84], 2, 1),
        (grain_of(picture, style)[:, 12:84, 108:180], 1, 2),
    ):
        assert energy(part.diff(dim=along)) < 0.2 * energy(part.diff(dim=across))


def test_a_styles_grain_stays_where_another_loses_its_share():
    picture, styles = enlarged(rough(96, 96)), (rough(96, 96, seed=1), rough(96, 96, seed=2))
    little = grain_of(picture, *styles, shares=(0.02, 0.98)).flatten()
    none = grain_of(picture, *styles, shares=(0.0, 1.0)).flatten()
    assert float(torch.corrcoef(torch.stack((little, none)))[0, 1]) > 0.85


@pytest.mark.parametrize("picture", [torch.full((3, 240, 240), 0.5), enlarged(rough(240, 240, seed=1))])
def test_it_is_as_strong_as_what_the_style_loses(picture):
    style = rough(64, 80) * torch.tensor([1.0, 0.5, 0.1])[:, None, None]
    grain = grain_of(picture, style)
    assert grain.shape == picture.shape
    assert abs(float(grain.mean())) < 5e-3
    lost = (style - enlarged(style)).std((1, 2))
    torch.testing.assert_close(grain.std((1, 2)), lost, atol=0, rtol=0.15)


def test_it_is_as_strong_between_its_patches_as_in_them():
    grain = grain_of(enlarged(rough(480, 480, seed=1)), rough(96, 96))
    by_place = grain.view(3, 40, 12, 40, 12).square().mean((0, 1, 3)).sqrt()
    assert float(by_place.max() / by_place.min()) < 1.35


def test_it_does_not_repeat_itself_in_a_plain_area():
    grain = grain_of(torch.full((3, 480, 480), 0.5), rough(120, 120))
    for step in (12, 24, 48, 96):
        for shifted in (grain[:, :, step:] * grain[:, :, :-step], grain[:, step:] * grain[:, :-step]):
            assert abs(float(shifted.mean())) < 0.25 * energy(grain)


def test_what_is_smooth_has_no_grain():
    style = torch.linspace(0, 1, 64).expand(3, 64, 64)
    assert float(grain_of(rough(64, 64), style).abs().max()) < 0.01
    assert not matched_grain(rough(64, 64), (64, 64), [rough(64, 64)], [1.0], 0).any()


def test_styles_share_the_grain():
    smooth, picture = torch.full((3, 64, 64), 0.5), torch.full((3, 200, 200), 0.5)
    whole = energy(grain_of(picture, rough(64, 64)))
    half = grain_of(picture, rough(64, 64), smooth, shares=(0.5, 0.5))
    assert energy(half) == pytest.approx(0.5 * whole, rel=0.2)
    assert energy(grain_of(picture, rough(64, 64), smooth, shares=(0.0, 1.0))) < 1e-6 * whole
    assert not grain_of(picture, rough(64, 64), shares=(0.0,)).any()


def test_what_is_hidden_of_a_style_makes_none():
    smooth, alpha = torch.full((3, 64, 64), 0.5), torch.zeros(64, 64)
    alpha[:, :32] = 1
    hidden = torch.where(alpha.bool(), smooth, rough(64, 64))
    grain = grain_of(rough(64, 64, seed=1), hidden, alphas=[alpha])
    assert energy(grain) < 0.02 * energy(rough(64, 64) - enlarged(rough(64, 64)))


def test_what_is_hardly_seen_of_a_style_makes_little():
    columns = torch.arange(64) % 4 == 0
    style = torch.where(columns, 1.0, 0.3).expand(3, 64, 64)
    alpha = torch.where(columns, 0.13, 1.0).expand(64, 64)
    opaque, faint = (float(grain_of(rough(64, 64), style, alphas=[weight]).std()) for weight in (None, alpha))
    assert faint < 0.3 * opaque


def test_no_patch_comes_from_where_a_style_is_half_transparent():
    alpha = torch.ones(96, 96)
    alpha[:, :48] = 0.8
    style = torch.where(alpha < 1, rough(96, 96), torch.full((3, 96, 96), 0.5))
    lost = energy(style - enlarged(style))
    assert energy(grain_of(enlarged(rough(96, 96)), style, alphas=[alpha])) < 0.02 * lost


def test_a_plain_picture_gets_more_than_its_nearest_places_have():
    noise = rough(96, 192) - 0.5
    quiet, loud = 0.5 + 0.1 * noise[:, :, :96], 0.5 + noise[:, :, 96:]
    grain = grain_of(torch.full((3, 96, 96), 0.5), torch.cat((quiet, loud), 2))
    assert energy(grain) == pytest.approx(1.5**2 * energy(quiet - enlarged(quiet)), rel=0.15)


def test_specks_of_a_style_are_not_strewn_over_what_is_plain():
    style = 0.5 + 0.1 * (rough(96, 96) - 0.5)
    style[:, 6::24, 6::24] = 1.0
    detail = style - enlarged(style)
    grain = grain_of(torch.full((3, 240, 240), 0.5), style)
    assert float(detail.abs().max()) > 15 * float(detail.std())
    assert float(grain.abs().max()) < 8 * float(grain.std())


def test_a_seed_names_it():
    picture, styles = rough(64, 64), (rough(64, 64, seed=1), rough(64, 64, seed=2))
    one, same, other = (grain_of(picture, *styles, shares=(0.5, 0.5), seed=seed) for seed in (1, 1, 2))
    assert one.equal(same) and not one.equal(other)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (40, 32), (1100, 8)])
@pytest.mark.parametrize("style", [rough(1, 1), rough(7, 5), rough(5, 200), rough(30, 24)])
@pytest.mark.parametrize("is_faint", [False, True])
def test_any_size_of_style_fills_any_canvas(size, style, is_faint):
    width, height = size
    alpha = torch.full(style.shape[1:], 1e-4) if is_faint else None
    picture, coarser = rough(height, width), (max(1, width // 3), max(1, height // 3))
    grain = matched_grain(picture, coarser, [style], [1.0], 0, [alpha])
    assert grain.shape == (3, height, width)
    assert bool(grain.isfinite().all())


def begun(previous, style, alpha=None, check=nothing):
    """The picture that a scale of 96 px begins with after ``previous``, of a plain content."""
    params = Params(strength=1.0)
    scene = Scene(torch.full((3, 96, 96), 0.5), [style], TinyEncoder(), params, style_alphas=[alpha])
    return View(scene, (96, 96), previous).beginning(params, check=check)


def test_a_scale_begins_with_the_grain_of_what_the_coarser_one_has_painted():
    half = torch.cat((bands(96, 48, 16), bands(96, 48, 16).transpose(1, 2).repeat(1, 2, 1)[:, :96]), 2)
    previous = resize(bands(96, 96, 16), (48, 48))
    level = begun(previous, half)[:, 12:84, 12:84]
    upright = begun(previous.transpose(1, 2).contiguous(), half)[:, 12:84, 12:84]
    for picture, across, along in ((level, 1, 2), (upright, 2, 1)):
        detail = picture - enlarged(picture)
        assert energy(detail.diff(dim=along)) < 0.5 * energy(detail.diff(dim=across))


def test_a_scale_begins_with_little_grain_of_what_is_hardly_seen_of_a_style():
    columns = torch.arange(96) % 4 == 0
    style = torch.where(columns, 1.0, 0.3).expand(3, 96, 96)
    alpha = torch.where(columns, 0.13, 1.0).expand(96, 96)
    previous = torch.full((3, 48, 48), 0.5)
    assert energy(begun(previous, style, alpha) - 0.5) < 0.1 * energy(begun(previous, style) - 0.5)


@pytest.mark.parametrize("count", range(1, 12))
def test_the_search_for_grain_can_be_ended(count):
    calls = []

    def check():
        calls.append(None)
        if len(calls) == count:
            raise Cancelled

    with pytest.raises(Cancelled):
        begun(torch.full((3, 48, 48), 0.5), rough(96, 96), check=check)
