"""Frames have the content's size, whatever size was worked at, and of its fine detail what is wanted."""

from dataclasses import replace

import pytest
import torch
from engine_helpers import TinyEncoder, picture, stripes

from nst_server.engine.control import Control
from nst_server.engine.pyramid import resize
from nst_server.engine.regions import Regions
from nst_server.engine.stylize import stylize
from nst_server.wire.params import Params

CPU = torch.device("cpu")
SMALL = Params(iterations=6, size=36)


def content(width=72, height=60):
    """A picture with detail that goes at half its size."""
    generator = torch.Generator().manual_seed(9)
    grain = torch.rand(3, height, width, generator=generator) - 0.5
    return (picture(width, height, smooth=6) + 0.3 * grain).clamp(0, 1)


def wholes(params, image, **more):
    """What each step's frame shows."""
    steps = stylize(image, [stripes()], TinyEncoder(), params, device=CPU, **more)
    return [step.whole() for step in steps]


def share_of_detail(frame, image, size=(36, 30)):
    """How much of the detail that ``image`` loses at ``size`` is in ``frame``."""

    def detail(whole):
        return whole - resize(resize(whole, size), (whole.shape[2], whole.shape[1]))

    lost = detail(image)
    return float((detail(frame) * lost).sum() / (lost * lost).sum())


@pytest.mark.parametrize("keep_colours", ["no", "luminance", "moments", "histogram"])
@pytest.mark.parametrize("parts", ["whole", "in regions", "transparent"])
def test_at_strength_0_every_frame_is_the_content(keep_colours, parts):
    image = content()
    mask, alpha = torch.zeros(60, 72), torch.ones(60, 72)
    mask[:, :30] = 1
    alpha[20:40, 20:50] = 0
    regions = Regions.of([mask], (72, 60)) if parts == "in regions" else None
    influence = alpha if parts == "transparent" else None
    params = replace(SMALL, strength=0.0, keep_colours=keep_colours)
    frames = wholes(params, image, regions=regions, influence=influence)
    assert frames
    for frame in frames:
        if regions is not None:
            frame = regions.composed(image, frame)  # noqa: PLW2901
        shown = 1 if influence is None else influence
        assert frame.shape == image.shape
        assert float(((frame - image) * shown).abs().max()) < 0.5 / 255


def test_less_of_the_contents_detail_comes_along_the_stronger_the_style():
    image = content()
    shares = [
        share_of_detail(wholes(replace(SMALL, strength=strength), image)[-1], image)
        for strength in (0.0, 0.125, 0.25, 0.375)
    ]
    assert shares == pytest.approx([1, 0.7, 0.45, 0.2], abs=0.1)


def test_a_whole_style_has_no_second_picture_laid_over_it():
    image = content()
    for strength in (0.5, 1.0):
        params = replace(SMALL, strength=strength)
        *_, last = stylize(image, [stripes()], TinyEncoder(), params, device=CPU)
        assert last.whole().equal(resize(last.image, (72, 60)))


def test_a_start_without_the_content_brings_none_of_its_detail():
    image = content()
    params = replace(SMALL, strength=0.25, start="noise")
    *_, last = stylize(image, [stripes()], TinyEncoder(), params, device=CPU)
    assert last.whole().equal(resize(last.image, (72, 60)))


def test_a_frame_of_the_contents_size_is_the_image_of_the_step():
    image = content()
    for keep_colours in ("no", "luminance"):
        params = replace(SMALL, size=72, strength=0.2, keep_colours=keep_colours, coarse_to_fine=False)
        for step in stylize(image, [stripes()], TinyEncoder(), params, device=CPU):
            assert step.whole().equal(step.image)


def test_colours_that_are_kept_are_the_contents_at_its_own_size():
    """Not those of the size that was worked at, enlarged."""
    image = content()
    params = replace(SMALL, strength=0.5, keep_colours="luminance")
    *_, last = stylize(image, [stripes()], TinyEncoder(), params, device=CPU)

    def chroma(whole):
        return whole - whole.mean(0)

    off = float((chroma(last.whole()) - chroma(image)).abs().mean())
    enlarged = float((chroma(resize(last.image, (72, 60))) - chroma(image)).abs().mean())
    assert off < 0.5 * enlarged


def test_a_job_that_is_stopped_early_ends_like_any_of_that_size():
    """Stopped at its coarsest scale, a picture of no strength is the content still."""
    image = content(300, 20)
    params = Params(iterations=30, strength=0.0)
    control = Control(params)
    taken = []
    for step in stylize(image, [stripes()], TinyEncoder(), params, device=CPU, control=control):
        taken.append(step)
        control.stop = True
    assert taken[0].scale[0] < 300
    assert taken[-1].final
    assert float((taken[-1].image - image).abs().max()) < 0.5 / 255
