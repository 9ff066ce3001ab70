"""Light and dark of one picture, colour of another, in each of the spaces."""

from dataclasses import replace

import pytest
import torch
from engine_helpers import QUICK, TinyEncoder, picture, steps, stripes

from nst_server.engine.control import Control
from nst_server.engine.luminance import luminance, with_luminance
from nst_server.engine.scene import Scene
from nst_server.engine.view import View
from nst_server.wire.params import LUMINANCE_SPACES

every_space = pytest.mark.parametrize("space", LUMINANCE_SPACES)

# Known values: luma of encoded primaries; the sRGB grey of the primaries' CIE Y.
PRIMARIES = {
    "ycbcr": (0.2126, 0.7152, 0.0722),
    "yiq": (0.299, 0.587, 0.114),
    "lab": (0.4984, 0.8625, 0.2979),
    "luv": (0.4984, 0.8625, 0.2979),
}


@every_space
def test_luminance_of_the_primaries(space):
    primaries = torch.eye(3)[:, None, :]
    assert luminance(primaries, space)[0, 0].tolist() == pytest.approx(PRIMARIES[space], abs=2e-4)


@every_space
def test_its_own_luminance_changes_nothing(space):
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(with_luminance(image, luminance(image, space), space), image, atol=1e-5)


@every_space
def test_the_result_has_the_luminance_asked_for_and_stays_in_range(space):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(3, 64, 64, generator=generator).round(decimals=1)  # black, white and primaries too
    grey = torch.rand(1, 64, 64, generator=generator).round(decimals=1)
    made = with_luminance(image, grey, space)
    assert float(made.min()) >= 0 and float(made.max()) <= 1
    assert torch.allclose(luminance(made, space), grey, atol=2e-5)


@every_space
def test_grey_stays_grey_and_black_and_white_have_no_colour(space):
    grey = torch.linspace(0, 1, 11)[None, None]
    made = with_luminance(torch.full((3, 1, 11), 0.4), grey, space)
    assert torch.allclose(made, grey.expand(3, 1, 11), atol=1e-5)
    ends = with_luminance(picture(2, 1), torch.tensor([[[0.0, 1.0]]]), space)
    assert torch.allclose(ends, torch.tensor([[[0.0, 1.0]]]).expand(3, 1, 2), atol=1e-5)


@every_space
def test_what_srgb_cannot_show_is_paler_but_no_other_hue(space):
    blue = torch.tensor([0.05, 0.1, 0.9])[:, None, None]
    for level in (0.1, 0.3, 0.5, 0.7, 0.9):
        made = with_luminance(blue, torch.full((1, 1, 1), level), space)[:, 0, 0]
        assert float(made[2]) == float(made.max())
        # Cut off at 1, blue would stop and green catch up with it.
        assert float(made[2] - made[1]) > 0.5 * float(made[2] - made[0])


def test_chroma_is_what_each_space_keeps():
    """a* and b* in Lab, u* and v* in Luv, against their definitions (CIE 15:2004, 8.2)."""
    image, grey = 0.3 + 0.3 * picture(9, 7), 0.5 + 0.1 * picture(9, 7, seed=1)[:1]
    for space, chroma in (("lab", _lab), ("luv", _luv)):
        made = with_luminance(image, grey, space)
        assert torch.allclose(chroma(made), chroma(image), atol=0.02)
        assert not torch.allclose(made, image, atol=0.05)


def _xyz(image):
    from nst_server.engine.colour import srgb_to_linear

    matrix = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    return torch.einsum("ij,jhw->ihw", matrix, srgb_to_linear(image)), matrix.sum(1)


def _lab(image):
    xyz, white = _xyz(image)
    x, y, z = (xyz / white[:, None, None]) ** (1 / 3)
    return torch.stack((500 * (x - y), 200 * (y - z)))


def _luv(image):
    xyz, white = _xyz(image)
    lightness = 116 * xyz[1] ** (1 / 3) - 16
    found = []
    for x, y, z in (xyz, white):
        total = x + 15 * y + 3 * z
        found.append((4 * x / total, 9 * y / total))
    (u, v), (white_u, white_v) = found
    return 13 * lightness * torch.stack((u - white_u, v - white_v))


LATE = {"keep_colours": "luminance"}


@pytest.mark.parametrize("optimiser", ["lbfgs", "plain-lbfgs", "adam"])
@pytest.mark.parametrize("start", ["content", "noise", "style-statistics"])
@every_space
def test_what_is_told_is_the_loss_of_what_is_shown(optimiser, start, space):
    params = replace(QUICK, optimiser=optimiser, start=start, luminance_space=space, coarse_to_fine=False)
    content = picture()

    class Later(Control):
        def check(self):
            self.evaluations = getattr(self, "evaluations", 0) + 1
            if self.evaluations > 20:
                self.params = self.params.updated(LATE)

    for control in (Control(replace(params, **LATE)), Later(params)):
        found = steps(content, params=control.params, control=control)
        final = found[-1]
        image = final.state.image
        assert (image == image[:1]).all(), "light and dark alone"
        scene = Scene(content, [stripes()], TinyEncoder(), final.params)
        size = (content.shape[2], content.shape[1])
        objective = View(scene, size).objective(final.params, lambda: None, 10**9)
        shown = luminance(final.image, space).expand(3, -1, -1).contiguous()
        assert objective(shown).losses["total"] == pytest.approx(final.losses["total"], rel=2e-3)
