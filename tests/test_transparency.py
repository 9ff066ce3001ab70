"""Transparent pixels of content and styles influence nothing, not even an encoder that learns from them."""

from dataclasses import replace

import pytest
import torch
from engine_helpers import TinyEncoder, picture, stripes

from nst_server.engine.builtin import build_encoder
from nst_server.engine.palette import moments_of
from nst_server.engine.pyramid import fill_transparent, resize
from nst_server.engine.scene import Scene
from nst_server.engine.styles import read_style
from nst_server.engine.stylize import stylize
from nst_server.engine.view import View
from nst_server.wire.params import Params

CPU = torch.device("cpu")
QUICK = Params(iterations=4, strength=0.7)
LAYERS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv2_1@2", "conv3_1@2")
BLACK, MAGENTA = (0.0, 0.0, 0.0), (1.0, 0.0, 1.0)


def hole(width=56, height=48, soft=0):
    """Opaque, and in the middle not; ``soft`` px lie between."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    distance = ((rows - height / 2) ** 2 + (columns - width / 2) ** 2).sqrt() - min(width, height) / 4
    return (distance / max(soft, 1e-3)).clamp(0, 1)


def hiding(image, alpha, colour):
    """``image`` with ``colour`` where nothing is to be seen."""
    return torch.where(alpha > 0, image, torch.tensor(colour)[:, None, None])


def painted(content, styles, params=QUICK, alpha=None, style_alphas=()):
    """The encoder and the last picture of a job with these images."""
    alphas = [alpha, *(style_alphas or [None] * len(styles))]
    encoder = build_encoder(content, styles, alphas=alphas, layers=LAYERS)
    *_, last = stylize(
        content, styles, encoder, params, device=CPU, influence=alpha, style_alphas=style_alphas
    )
    return encoder, last.image


def unlike(statistics, others):
    """The mean relative distance of two styles' Gram matrices at a layer."""
    distances = [
        float((statistics[name].gram - other.gram).norm() / other.gram.norm())
        for name, other in others.items()
    ]
    return sum(distances) / len(distances)


@pytest.mark.parametrize("soft", [0, 8], ids=["a hole", "a soft edge"])
def test_hidden_colours_of_the_content_change_no_bit(soft):
    alpha = hole(soft=soft)
    first, second = (
        painted(hiding(picture(56, 48), alpha, colour), [stripes(40, 40)], alpha=alpha)
        for colour in (BLACK, MAGENTA)
    )
    assert first[0].digest == second[0].digest
    assert first[1].equal(second[1])


@pytest.mark.parametrize("soft", [0, 8], ids=["a hole", "a soft edge"])
def test_hidden_colours_of_a_style_change_no_bit(soft):
    alpha = hole(40, 40, soft)
    first, second = (
        painted(
            picture(56, 48),
            [hiding(stripes(40, 40), alpha, colour), picture(30, 30, seed=5)],
            replace(QUICK, style_scales=(1.5, 1.0)),
            style_alphas=[alpha, None],
        )
        for colour in (BLACK, MAGENTA)
    )
    assert first[0].digest == second[0].digest
    assert first[1].equal(second[1])


@pytest.mark.parametrize(
    "changed",
    [
        *({"start": start} for start in ("style", "style-statistics")),
        *({"keep_colours": keep} for keep in ("luminance", "moments", "histogram")),
    ],
    ids=lambda changed: "-".join(changed.values()),
)
def test_hidden_colours_of_a_style_change_no_bit_of_a_start_or_a_palette(changed):
    alpha = hole(40, 40, 6)
    params = replace(QUICK, iterations=3, **changed)
    first, second = (
        list(
            stylize(
                picture(), [hiding(stripes(40, 40), alpha, colour)], TinyEncoder(), params, device=CPU,
                style_alphas=[alpha],
            )
        )[-1].image
        for colour in (BLACK, MAGENTA)
    )  # fmt: skip
    assert first.equal(second)


@pytest.mark.parametrize("largest", [10**9, 900], ids=["whole", "in tiles"])
def test_what_closes_the_hole_of_a_style_is_not_taken_for_paint(largest):
    style, alpha = picture(72, 64, smooth=2), hole(72, 64)
    encoder = build_encoder(picture(56, 48), [style], alphas=[None, alpha], layers=LAYERS)
    filled = fill_transparent(style, alpha)
    wanted, weighted, unweighted = (
        read_style(image, encoder, LAYERS, lambda: None, largest, weight)
        for image, weight in ((style, alpha), (filled, alpha), (filled, None))
    )
    assert unlike(weighted, wanted) < 0.4 * unlike(unweighted, wanted)
    assert unlike(weighted, wanted) < 0.15


def test_a_tile_of_which_nothing_is_to_be_seen_is_not_looked_at():
    encoder = TinyEncoder()
    alpha = torch.ones(32, 64)
    alpha[:, 32:] = 0
    style = torch.cat((stripes(), picture(32, 32)), dim=2)
    halves = read_style(style, encoder, ["conv1_1"], lambda: None, 1024, alpha)["conv1_1"]
    assert encoder.passes == 1
    left = read_style(stripes(), encoder, ["conv1_1"], lambda: None, 1024)["conv1_1"]
    torch.testing.assert_close(halves.gram, left.gram)


def test_nothing_is_learned_from_what_is_transparent():
    """The filters of a style half of which is erased are those of the other half."""
    half = torch.ones(48, 56)
    half[:, 28:] = 0
    seen = stripes(28, 48)
    erased = torch.cat((seen, torch.rand(3, 48, 28, generator=torch.Generator().manual_seed(3))), dim=2)

    def filters(style, alpha):
        encoder = build_encoder(picture(56, 48), [style], alphas=[None, alpha], layers=["conv1_1"])
        return torch.nn.functional.normalize(encoder.features_state()["0.weight"].flatten(1), dim=1)

    own = filters(seen, None)
    likeness = [float((own @ filters(erased, alpha).T).amax(1).mean()) for alpha in (half, None)]
    assert likeness[0] > 0.8
    assert likeness[1] < 0.75


def test_an_opaque_style_is_read_as_one_without_alpha():
    encoder = TinyEncoder()
    plain, opaque = (
        list(
            stylize(picture(), [stripes()], encoder, QUICK, device=CPU, style_alphas=alphas)
        )[-1].image
        for alphas in ((), [torch.ones(32, 32)])
    )  # fmt: skip
    assert plain.equal(opaque)


def test_a_style_without_anything_to_see_is_refused():
    with pytest.raises(ValueError, match="Style 1 is wholly transparent"):
        next(
            stylize(
                picture(), [stripes(), stripes()], TinyEncoder(), QUICK, device=CPU,
                style_alphas=[None, torch.zeros(32, 32)],
            )
        )  # fmt: skip


def test_a_content_of_which_nothing_is_to_be_seen_is_painted_with_what_the_style_taught():
    first, second = (
        painted(picture(56, 48) * dim, [stripes(40, 40)], alpha=torch.zeros(48, 56)) for dim in (1, 0)
    )
    assert bool(first[1].isfinite().all())
    assert first[0].digest == second[0].digest


@pytest.mark.parametrize("soft", [0, 6], ids=["a hole", "a soft edge"])
def test_there_is_no_halo_where_the_content_ends(soft):
    """Paint beside a hole that hides white is as light, as colourful and as lively as far from it."""
    alpha = hole(48, 48, soft)
    content = hiding(0.3 + 0.1 * picture(48, 48), alpha, (1.0, 1.0, 1.0))
    solid = (alpha >= 0.5).float()
    near = solid * (hole(48, 48, soft + 3) < 1)
    far = solid * (hole(48, 48, soft + 6) >= 1)

    def beside(influence):
        params = replace(QUICK, iterations=15, strength=0.2)
        _, image = painted(content, [0.2 + 0.25 * stripes(40, 40)], params, influence)
        (mean, spread), (far_mean, far_spread) = (moments_of(image, ring) for ring in (near, far))
        return float((mean - far_mean).abs().max()), float((spread.trace() / far_spread.trace()).sqrt())

    shift, liveliness = beside(alpha)
    assert shift < 0.01
    assert 0.6 < liveliness < 1.5
    if not soft:
        shift, liveliness = beside(None)
        assert shift > 0.015
        assert liveliness > 2


def faint(width, height, others=(0.0, 1.0, 0.0)):
    """Opaque red columns, and others of another colour between them that are hardly seen; and the alpha."""
    columns = torch.arange(width) % 2 == 0
    red, green = (torch.tensor(colour)[:, None, None] for colour in ((1.0, 0.0, 0.0), others))
    image = torch.where(columns, red, green).expand(3, height, width).contiguous()
    return image, torch.where(columns, 1.0, 0.15).expand(height, width).contiguous()


def mostly_red(image):
    return torch.allclose(image.mean((1, 2)), torch.tensor([0.87, 0.13, 0.0]), atol=0.015)


def test_content_styles_and_start_are_brought_to_a_size_by_their_alpha():
    content, alpha = faint(48, 40)
    start, start_alpha = faint(64, 30)
    params = replace(QUICK, start="image", strength=0.0)
    scene = Scene(
        content, [content], TinyEncoder(), params,
        influence=alpha, style_alphas=[alpha], start=start, start_alpha=start_alpha,
    )  # fmt: skip
    view = View(scene, (24, 20))
    style, opacity = scene.style_at(0, (24, 20))
    assert mostly_red(view.content) and mostly_red(style)
    torch.testing.assert_close(opacity, torch.full((20, 24), 0.575))
    # The start lies over the content, as far as it is to be seen.
    assert mostly_red(view.beginning(params))


def test_a_picture_is_brought_to_a_larger_size_by_the_contents_alpha():
    """White that is hardly to be seen does not reach into the opaque pixels beside it."""
    alpha = torch.where(torch.arange(64) < 32, 1.0, 0.01).expand(48, 64).contiguous()
    scene = Scene(torch.full((3, 48, 64), 0.3), [stripes()], TinyEncoder(), QUICK, influence=alpha)
    small = torch.full((3, 24, 32), 0.3)
    small[:, :, 16:] = 1.0
    assert float((scene.brought(small, (64, 48))[:, :, :32] - 0.3).abs().max()) < 0.02
    assert float((resize(small, (64, 48))[:, :, :32] - 0.3).abs().max()) > 0.1
    whole = View(scene, (32, 24)).whole(small, replace(QUICK, strength=1.0))
    assert float((whole[:, :, :32] - 0.3).abs().max()) < 0.02


def test_a_partly_transparent_style_is_read_at_half_its_size_by_its_alpha():
    style, alpha = faint(32, 32)
    encoder = build_encoder(picture(), [stripes()], layers=["conv1_1"])
    own = read_style(style, encoder, ["conv1_1@2"], lambda: None, 10**6, alpha)["conv1_1@2"]
    red, straight = (
        read_style(image, encoder, ["conv1_1@2"], lambda: None, 10**6)["conv1_1@2"].mean
        for image in (faint(32, 32, (1.0, 0.0, 0.0))[0], style)
    )
    assert float((own.mean - red).norm()) < 0.5 * float((straight - red).norm())
