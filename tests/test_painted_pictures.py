"""Painted pictures keep to the line: strokes, colours, drawing and traces, measured as ``nst compare`` does.

The bounds lie well beside what was measured when they were written, so that another rounding passes, and
on the better side of what earlier faults gave.
"""

import numpy as np
import pytest
import torch

from nst_server.compare import measures
from nst_server.demo import inputs
from nst_server.engine.builtin import build_encoder
from nst_server.engine.pyramid import resize
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
    assert max(measured["traces, fine grid"]) < 1.35


@pytest.mark.parametrize(("strength", "least"), [(HALF, 0.011), (WHOLE, 0.03)])
def test_an_even_sky_is_painted_too(content, painted, strength, least):
    def contrasts(image):
        blocks = image.mean(0)[:80].unfold(0, 8, 8).unfold(1, 8, 8)
        return blocks.flatten(2).std(2)

    sky = contrasts(content) < 0.006
    assert int(sky.sum()) > 20
    assert float(contrasts(painted[strength])[sky].min()) > least


@pytest.mark.parametrize("strength", [HALF, WHOLE])
def test_the_border_is_painted_like_the_rest(painted, strength):
    steps = painted[strength].diff(dim=1).abs().mean((0, 2))
    # The content's sky is at the top, where a frame would show.
    assert 0.4 < float(steps[:3].mean() / steps[6:30].mean()) < 1.6
