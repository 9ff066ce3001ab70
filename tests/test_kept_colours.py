"""Colours that are kept, and colours that change while a picture is being painted."""

from dataclasses import replace
from functools import cache
from itertools import permutations

import pytest
import torch
from engine_helpers import TinyEncoder, picture, stripes

from nst_server.engine.control import Control
from nst_server.engine.luminance import luminance
from nst_server.engine.palette import moments_of
from nst_server.engine.regions import Regions
from nst_server.engine.stylize import stylize
from nst_server.wire.params import KEEP_COLOURS, Params

CPU = torch.device("cpu")
CONTENT = picture() * torch.tensor([0.2, 0.9, 0.3])[:, None, None]
PARAMS = Params(iterations=12, coarse_to_fine=False)


def painted(params, changes=None, at=6, content=CONTENT, **more):
    """The steps of a job whose parameters change after step ``at``."""
    control, taken = Control(params), []
    job = stylize(content, [stripes()], TinyEncoder(), params, device=CPU, control=control, **more)
    for step in job:
        taken.append(step)
        if changes and step.iteration == at:
            control.params = control.params.updated(changes)
    return taken


@cache
def from_the_start(**colours):
    """The last step of a job that has had these colours all along."""
    return painted(replace(PARAMS, **colours))[-1]


def explained(image, by):
    """Share of an image's variance that is an affine map of the colours of another, from 0 to 1."""
    colours = torch.cat((by, torch.ones_like(by[:1]))).flatten(1).T
    wanted = image.flatten(1).T
    rest = wanted - colours @ torch.linalg.lstsq(colours, wanted).solution
    return 1 - float(rest.square().sum() / (wanted - wanted.mean(0)).square().sum())


def palette_distance(a, b):
    return float((moments_of(a)[0] - moments_of(b)[0]).abs().max())


def test_colours_asked_for_since_the_last_step_are_there_when_the_job_is_stopped():
    content = CONTENT * 0.4 + 0.3
    control = Control(PARAMS)
    for step in stylize(content, [stripes()], TinyEncoder(), PARAMS, device=CPU, control=control):
        if step.iteration == 4 and not step.final:
            assert not has_chroma_of(content, step.image)
            control.params, control.stop = PARAMS.updated({"keep_colours": "luminance"}), True
    assert step.final and step.iteration == 4
    assert has_chroma_of(content, step.image)


def has_chroma_of(content, image):
    """Whether all pixels but those that black and white cut off differ in luma alone."""
    inside = ((image > 0.01) & (image < 0.99)).all(0)
    assert inside.float().mean() > 0.3
    shift = (image - content)[:, inside]
    return float((shift - shift.mean(0)).abs().max()) < 1e-5


def test_luminance_keeps_the_chroma():
    content = picture() * 0.4 + 0.3
    final = painted(replace(PARAMS, keep_colours="luminance", strength=0.8), content=content)[-1].image
    assert has_chroma_of(content, final)
    assert float((final - content).abs().mean()) > 0.01


@pytest.mark.parametrize("keep_colours", ["moments", "histogram"])
def test_a_recoloured_style_keeps_the_palette(keep_colours):
    assert palette_distance(from_the_start(keep_colours=keep_colours).image, CONTENT) < 0.1
    assert palette_distance(from_the_start().image, CONTENT) > 0.2


@pytest.mark.parametrize(("before", "after"), list(permutations(KEEP_COLOURS, 2)))
def test_the_next_step_has_the_new_colours_and_the_same_strokes(before, after):
    taken = painted(replace(PARAMS, keep_colours=before), {"keep_colours": after})
    fresh = from_the_start(keep_colours=after)
    old, new = taken[5].image, taken[6].image
    assert [step.iteration for step in taken] == list(range(1, 13))
    if "no" in (before, after):
        assert palette_distance(old, fresh.image) > 0.3
    assert palette_distance(new, fresh.image) < 0.1
    # What was painted is still there, in other colours.
    assert explained(luminance(new, "ycbcr") if after == "luminance" else new, old) > 0.9
    # And it goes on to where a job that had these colours from the start gets.
    assert taken[-1].losses["total"] < 2 * fresh.losses["total"]


@pytest.mark.parametrize("space", ["yiq", "lab", "luv"])
def test_the_space_of_luminance_changes_without_a_jump(space):
    params = replace(PARAMS, keep_colours="luminance")
    taken = painted(params, {"luminance_space": space})
    assert float((taken[6].image - taken[5].image).abs().mean()) < 0.1
    fresh = from_the_start(keep_colours="luminance", luminance_space=space)
    assert taken[-1].losses["total"] < 2 * fresh.losses["total"]


def test_a_space_that_is_not_used_changes_nothing():
    params = replace(PARAMS, iterations=7)
    old, new = (step.image for step in painted(params, {"luminance_space": "luv"})[-2:])
    assert explained(new, old) > 0.98


@pytest.mark.parametrize("at", [4, 8, 12])
def test_between_the_scales_too(at):
    content = picture(300, 24) * torch.tensor([0.2, 0.9, 0.3])[:, None, None]
    params = Params(iterations=16)
    taken = painted(params, {"keep_colours": "moments"}, at=at, content=content)
    assert len({step.scale for step in taken}) > 1
    assert palette_distance(taken[at].image, content) < 0.1
    assert palette_distance(taken[at - 1].image, content) > 0.2


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
@pytest.mark.parametrize("after", ["luminance", "histogram"])
def test_with_regions_transparency_and_each_optimiser(optimiser, after):
    mask = torch.zeros(32, 40)
    mask[:, :24] = 1
    influence = torch.ones(32, 40)
    influence[:6] = 0
    taken = painted(
        replace(PARAMS, optimiser=optimiser),
        {"keep_colours": after},
        regions=Regions.of([mask], (40, 32)),
        influence=influence,
    )
    assert all(bool(step.image.isfinite().all()) for step in taken)
    seen = (..., slice(6, None), slice(0, 22))
    assert palette_distance(taken[6].image[seen], CONTENT[seen]) < 0.15
    assert palette_distance(taken[5].image[seen], CONTENT[seen]) > 0.2
