"""Painted pictures keep to the line: strokes, colours, drawing and traces, measured as ``nst compare`` does.

The bounds lie well beside what was measured when they were written, so that another rounding passes, and
on the better side of what earlier faults gave.
"""

import numpy as np
import pytest
import torch
from engine_helpers import picture as clouds

from nst_server.compare import measures
from nst_server.demo import inputs
from nst_server.engine.builtin import build_encoder
from nst_server.engine.pyramid import resize
from nst_server.engine.regions import Regions
from nst_server.engine.stylize import stylize
from nst_server.wire.params import Params

HALF, WHOLE = 0.25, 0.5  # strengths


def picture(image, size):
    return resize(torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255, size)


@pytest.fixture(scope="module")
def content():
    return picture(inputs.content_photo(), (128, 85))


@pytest.fixture(scope="module")
def painted(content):
    """The temple at half a style and at a whole one."""
    style = picture(inputs.style_painting(), (128, 102))
    encoder = build_encoder(content, [style])
    runs = {}
    for strength in (HALF, WHOLE):
        params = Params(iterations=60, strength=strength)
        *_, final = stylize(content, [style], encoder, params, device=torch.device("cpu"))
        runs[strength] = final.image
    return runs


@pytest.fixture(scope="module")
def measured(content, painted):
    style = picture(inputs.style_painting(), (128, 102))
    rows = measures([painted[HALF], painted[WHOLE]], content, style)
    return {f"{row.group}, {row.name}": row.values for row in rows}


@pytest.mark.parametrize("size", ["3 px", "6 px", "12 px"])
def test_strokes_come_near_the_style_the_nearer_the_stronger(measured, size):
    untouched, half, whole = measured[f"strokes, {size}"]
    assert whole < 0.15
    assert whole < half < 0.7 * untouched


def test_colours_come_near_the_style_the_nearer_the_stronger(measured):
    untouched, half, whole = measured["colours, to the style's"]
    assert whole < 7
    assert whole < half < 0.6 * untouched


def test_the_drawing_stays_the_more_the_weaker(measured):
    _, half, whole = measured["drawing, coarse"]
    assert whole > 0.35
    assert half > max(whole, 0.65)


def test_no_seam_and_no_grid(measured):
    assert max(measured["traces, seam"]) < 2
    # Over four encoders, by chance, 1.0 to 1.6.
    assert max(measured["traces, fine grid"]) < 1.8


# Of the content's sky every block is below 0.006.
@pytest.mark.parametrize(("strength", "least", "usual"), [(HALF, 0.006, 0.04), (WHOLE, 0.03, 0.06)])
def test_an_even_sky_is_painted_too(content, painted, strength, least, usual):
    def contrasts(image):
        blocks = image.mean(0)[:80].unfold(0, 8, 8).unfold(1, 8, 8)
        return blocks.flatten(2).std(2)

    sky = contrasts(content) < 0.006
    assert int(sky.sum()) > 20
    found = contrasts(painted[strength])[sky]
    assert float(found.min()) > least
    assert float(found.median()) > usual


@pytest.mark.parametrize("strength", [HALF, WHOLE])
def test_the_border_is_painted_like_the_rest(painted, strength):
    steps = painted[strength].diff(dim=1).abs().mean((0, 2))
    # The content's sky is at the top, where a frame would show.
    assert 0.4 < float(steps[:3].mean() / steps[6:30].mean()) < 1.6


def finest(image):
    """How strong the detail of ``image`` [3, h, w] is that is lost at half its size."""
    size = image.shape[2], image.shape[1]
    return float((image - resize(resize(image, (size[0] // 2, size[1] // 2)), size)).std())


def test_what_is_smooth_gets_the_grain_of_the_style():
    """Not the style's energy as contrast where there are edges, and a smooth rest."""
    content = torch.linspace(0.3, 0.7, 256).expand(3, 96, 256).clone()
    content[:, 30:80, 180:220], content[:, 30:80:6, 180:220] = 0.1, 0.9
    noise = torch.randn(1, 120, 256, generator=torch.Generator().manual_seed(1))
    style = (clouds(256, 120, smooth=8) * 0.6 + 0.2 + 0.08 * noise).clamp(0, 1)
    encoder = build_encoder(content, [style])
    *_, final = stylize(content, [style], encoder, Params(iterations=20), device=torch.device("cpu"))
    assert finest(final.image[:, :, :160]) == pytest.approx(finest(style), rel=0.25)


@pytest.mark.parametrize("grain", [0, 1.2 / 255])
def test_an_empty_canvas_is_painted(grain):
    """Not covered with a weave, for which no layer asks and which none forbids."""
    noise = torch.rand(3, 72, 96, generator=torch.Generator().manual_seed(2)) - 0.5
    content, style = (0.95 + 2 * grain * noise).clamp(0, 1), picture(inputs.style_painting(), (96, 76))
    encoder = build_encoder(content, [style])
    *_, final = stylize(content, [style], encoder, Params(iterations=30), device=torch.device("cpu"))
    assert final.losses["style"] < 0.12
    rows = {f"{row.group}, {row.name}": row.values for row in measures([final.image], content, style)}
    assert rows["strokes, 6 px"][1] < 0.3


def test_the_paint_of_a_region_ends_without_a_rim(content):
    style = picture(inputs.style_painting(), (128, 102))
    encoder = build_encoder(content, [style])
    params = Params(iterations=30)
    rims = []
    for top, left in ((20, 30), (10, 12), (36, 50)):
        mask = torch.zeros(content.shape[1:])
        mask[top : top + 44, left : left + 68] = 1
        regions = Regions.of([mask], (128, 85))
        *_, final = stylize(content, [style], encoder, params, device=torch.device("cpu"), regions=regions)
        image = final.image[:, top : top + 44, left : left + 68]
        rims.append(ring(image, 0) - ring(image, 1))
    # 0.042 where features saw the content beyond. One place alone would say little: neighbouring rings
    # anywhere within a painting differ by as much as this bound.
    assert float(torch.stack(rims).square().mean().sqrt()) < 0.02


def ring(image, depth):
    """Mean colour of the pixels at ``depth`` from the border of ``image`` [3, H, W]."""
    height, width = image.shape[1:]
    part = image[:, depth : height - depth, depth : width - depth]
    return torch.cat([part[:, 0], part[:, -1], part[..., 0], part[..., -1]], dim=1).mean(1)
