"""The docker's settings in a real Krita: nothing cut off, all of it named, reachable and draggable."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import packed_plugin
import pytest
from PIL import ImageOps
from real_krita import Profile, Result, run_probe

from nst_server.demo import inputs

HERE = Path(__file__).parent
pytestmark = [pytest.mark.krita, pytest.mark.timeout(600)]

SIZE = (320, 214)
LOOKS = (
    "idle",
    "styles",
    "region",
    "job",
    "advanced_dark",
    "narrow_dark",
    "advanced_bright",
    "narrow_bright",
)
#: Names of the pictures that serve as styles, the third as long as people make them.
NAMES = ("swirls", "mirrored swirls", "a study of swirls after the night sky, third version, varnished")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin as it is packed, in a folder."""
    return packed_plugin.unpack(tmp_path_factory.mktemp("plugin"))


def probed(plugin: Path, folder: Path, per_cent: int) -> Result:
    """What the probe found where Qt draws everything at that many per cent."""
    # Named so that each has its own folder of screenshots.
    probe = folder / f"docker_{per_cent}_probe.py"
    shutil.copy(HERE / "real_krita/docker_probe.py", probe)
    with Profile() as profile:
        inputs.content_photo().resize(SIZE).save(profile.outside / "content.png", icc_profile=None)
        style = inputs.style_painting().convert("RGB").resize((240, 180))
        pictures = (style, ImageOps.mirror(style), ImageOps.invert(style))
        environment = {
            "QT_SCALE_FACTOR": str(per_cent / 100),
            "NST_TEST_CONTENT": str(profile.inside / "content.png"),
        }
        for number, (name, picture) in enumerate(zip(NAMES, pictures, strict=True)):
            picture.save(profile.outside / f"{name}.png")
            environment[f"NST_TEST_STYLE_{number}"] = str(profile.inside / f"{name}.png")
        data = profile.outside / "home/.local/share/nst-krita"
        data.mkdir(parents=True)
        # The docker of somebody who has a server; none is started here. "true" is on every machine's PATH.
        (data / "installed.json").write_text(json.dumps({"command": ["true"]}))
        return run_probe(probe, plugin=plugin, env=environment, profile=profile)


@pytest.fixture(scope="module")
def usual(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return probed(plugin, tmp_path_factory.mktemp("probe"), 100)


@pytest.fixture(scope="module")
def enlarged(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return probed(plugin, tmp_path_factory.mktemp("probe"), 150)


@pytest.fixture(params=["usual", "enlarged"])
def docker(request: pytest.FixtureRequest) -> Result:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_is_cut_off_nameless_or_out_of_the_keyboards_reach(docker: Result, look: str) -> None:
    assert docker["faults_" + look] == []


def test_rows_move_and_go_by_keyboard(docker: Result) -> None:
    assert docker["order"] == list(NAMES)
    assert docker["moved"] == [NAMES[1], NAMES[0], NAMES[2]]
    assert docker["moved_back"] == list(NAMES)
    assert docker["deleted"] == list(NAMES[:2])


def test_a_selection_and_a_layers_paint_are_regions(docker: Result) -> None:
    assert "Nothing is selected" in docker["without_selection"]
    assert docker["message"] == ""
    assert docker["mask"] == [100, 60, 80, 50, 80 * 50, "MASK"]
    assert "washes" in docker["layer_region"]
    assert docker["layer_mask"] == [5, 7, 20, 5, [128]]


def test_rows_and_layers_are_dragged(usual: Result) -> None:
    assert usual["dragged"] == [NAMES[1], NAMES[2], NAMES[0]]
    assert "washes" in usual["layer_dropped"]


def test_the_gallery_offers_presets_and_saving(usual: Result) -> None:
    assert len(usual["menu_presets"]) > 5
    assert any("Save" in entry for entry in usual["menu_presets"])


def test_the_scrubber_runs_over_all_kept_frames(docker: Result) -> None:
    scrub = docker["scrub"]
    assert scrub["range"] == [0, 4] and scrub["newest"] == 4
    assert scrub["shown"] == [2], "those that are layers are shown at once"
    assert scrub["fetched"] == [[4]], "of the others, the one that the hand rests on is fetched"
    assert scrub["stays"] == 3, "the fetched frame is the one that is visible"
    assert scrub["follows"] == 5, "a new frame is visible, so the scrubber goes there"


def test_float_alpha_is_read(usual: Result) -> None:
    assert usual["alphas"] == {depth: [0, 128, 255] for depth in ("U8", "U16", "F16", "F32")}
