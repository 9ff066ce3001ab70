"""Where frames come in a real Krita after the image has been resized, cropped, scaled, turned or mirrored."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_krita import Result, run_probe

HERE = Path(__file__).parent
pytestmark = [pytest.mark.krita, pytest.mark.timeout(400)]

WHOLE, RIGHT = [0, 0, 240, 240], [100, 0, 240, 240]


@pytest.fixture(scope="module")
def result() -> Result:
    script = HERE / "real_krita/placing_probe.py"
    return run_probe(script, plugin=HERE.parent / "krita_plugin", enable=False)


def test_frames_follow_the_canvas_that_is_resized_or_cropped(result: Result) -> None:
    found = result["moved"]
    assert found["resized"] == [RIGHT, RIGHT]
    assert found["cropped"] == [[70, 0, 30, 150], [70, 0, 30, 150], [70, -20, 240, 240]]
    assert found["uncropped"] == [RIGHT, RIGHT, RIGHT], "and the undo of it"


def test_frames_of_a_later_session_follow_what_was_done_before(result: Result) -> None:
    assert result["moved"]["reopened"] == [RIGHT, RIGHT]


def test_the_first_frame_follows_the_layer_that_it_is_made_from(result: Result) -> None:
    assert result["moved_before_the_first"] == [RIGHT]


def test_the_one_that_changes_is_written_where_it_lies(result: Result) -> None:
    assert result["moved_in_place"] == [[RIGHT], "02141eff"]


def test_frames_wait_while_the_image_is_scaled(result: Result) -> None:
    found = result["scaled"]
    assert found["waits"] == [[1], 1, True]
    assert found["undone"] == [[WHOLE, WHOLE], False]
    assert found["waits_again"] == [1, 2]
    assert found["wanted"] == [[WHOLE, WHOLE], False], "as the painter has said so, and the next one, too"


def test_frames_wait_while_the_image_is_turned(result: Result) -> None:
    assert result["turned"] == {"rotateImage180": [[1], True], "rotateImageCW90": [[1], True]}


def test_frames_wait_while_the_image_is_mirrored(result: Result) -> None:
    assert len(result["mirrored"]) == 3
    for found in result["mirrored"].values():
        assert found == [[[], True], [[1], False], [[1], True], [[1, 2], False]]
