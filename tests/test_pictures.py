"""The demo's inputs, its contact sheet and its plot of the losses."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst_server.demo import inputs, pictures
from nst_server.demo.pictures import PAPER, contact_sheet, curve, loss_plot, scale_changes

RED, GREEN, BLUE = (200, 30, 30), (30, 160, 60), (30, 60, 200)


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (64, 43)) -> Image.Image:
    return Image.new("RGB", size, colour)


def area(sheet: Image.Image, colour: tuple[int, int, int]) -> int:
    """Pixels of exactly this colour."""
    return int((np.asarray(sheet) == colour).all(axis=-1).sum())


def history(count: int = 30) -> list[dict[str, object]]:
    return [
        {
            "iteration": i,
            "losses": {"content": 1 + 1 / i, "style": 100 / i, "tv": 0.0, "total": 101 / i + 1},
            "scale": (128, 86) if i <= 10 else (256, 171),
        }
        for i in range(1, count + 1)
    ]


def test_the_sheet_shows_every_picture_whole() -> None:
    sheet = contact_sheet(
        plain(RED), [plain(GREEN, (40, 60))], [(n, plain(BLUE), (64, 43)) for n in (1, 2, 5)], "caption"
    )
    cell = pictures.CELL * round(pictures.CELL * 43 / 64)
    assert sheet.mode == "RGB"
    assert area(sheet, RED) == cell
    assert area(sheet, GREEN) == pictures.CELL * round(pictures.CELL * 40 / 60)
    assert area(sheet, BLUE) == 3 * cell


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 7, 9, 12])
@pytest.mark.parametrize("styles", [1, 2, 5, 9])
def test_nothing_overlaps_whatever_the_number(frames: int, styles: int) -> None:
    shown = [(n, plain(BLUE, (30, 20)), (30, 20)) for n in range(1, frames + 1)]
    sheet = contact_sheet(plain(RED, (30, 20)), [plain(GREEN, (20, 30))] * styles, shown, "")
    cell = pictures.CELL * round(pictures.CELL * 2 / 3)
    assert [area(sheet, c) for c in (RED, GREEN, BLUE)] == [cell, styles * cell, frames * cell]
    edge = np.asarray(sheet)
    assert (edge[:, : pictures.MARGIN] == PAPER).all()
    assert (edge[:, -pictures.MARGIN :] == PAPER).all()


def test_every_label_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    draw_text = pictures.ImageDraw.ImageDraw.text

    def recorded(self: object, xy: object, text: str, *rest: object, **more: object) -> None:
        written.append(text)
        draw_text(self, xy, text, *rest, **more)

    monkeypatch.setattr(pictures.ImageDraw.ImageDraw, "text", recorded)
    frames = [(1, plain(BLUE), (32, 21)), (20, plain(BLUE), (64, 43))]
    contact_sheet(plain(RED), [plain(GREEN), plain(GREEN)], frames, "temple\nstrength 0.5")
    assert {
        "temple",
        "strength 0.5",
        "content",
        "style 1",
        "style 2",
        "iteration 1",
        "iteration 20, final",
    } <= set(written)
    assert "computed at 32×21 px" in written


def test_a_long_caption_is_wrapped_not_cut() -> None:
    frames = [(1, plain(BLUE), (64, 43))]
    short = contact_sheet(plain(RED), [plain(GREEN)], frames, "word")
    long = contact_sheet(plain(RED), [plain(GREEN)], frames, "word " * 60)
    assert long.width == short.width
    assert long.height > short.height + 2 * pictures.TITLE
    assert (np.asarray(long)[:, -pictures.MARGIN :] == PAPER).all()


def test_transparent_frames_lie_on_paper() -> None:
    clear = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    sheet = contact_sheet(plain(RED), [plain(GREEN)], [(1, clear, (64, 64))], "")
    assert area(sheet, (255, 0, 0)) == 0
    assert area(sheet, (0, 0, 0)) == 0


def test_a_sheet_needs_a_frame() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        contact_sheet(plain(RED), [plain(GREEN)], [], "")


def test_the_plot_draws_its_curves(tmp_path: Path) -> None:
    loss_plot(history(), tmp_path / "loss.png", "china in the manner of an orchard")
    with Image.open(tmp_path / "loss.png") as image:
        picture = np.asarray(image.convert("RGB")).astype(int)
    for name in ("total", "style", "content"):
        colour = [int(pictures.CURVES[name][0][i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(picture - colour).max(axis=-1) < 12).sum() > 100, name
    nothing = [int(pictures.CURVES["tv"][0][i : i + 2], 16) for i in (1, 3, 5)]
    assert (np.abs(picture - nothing).max(axis=-1) < 12).sum() == 0


def test_the_plot_of_a_single_iteration(tmp_path: Path) -> None:
    loss_plot(history(1), tmp_path / "loss.png", "one step")
    assert (tmp_path / "loss.png").stat().st_size > 5_000


def test_an_empty_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no losses"):
        loss_plot([], tmp_path / "loss.png", "")
    assert not (tmp_path / "loss.png").exists()


def test_values_without_a_logarithm_leave_a_gap() -> None:
    entries = [
        {"iteration": i, "losses": losses, "scale": (1, 1)}
        for i, losses in enumerate(({"tv": 0.0}, {"tv": math.nan}, {}, {"tv": math.inf}, {"tv": 2.0}), 1)
    ]
    iterations, values = curve(entries, "tv")
    assert iterations == [1, 2, 3, 4, 5]
    assert [math.isnan(v) for v in values] == [True, True, True, True, False]


def test_scale_changes_are_found() -> None:
    assert scale_changes(history()) == [(1, (128, 86)), (11, (256, 171))]


@pytest.mark.parametrize("name", inputs.CONTENTS)
def test_the_photographs_are_there(name: str) -> None:
    photo = inputs.content_photo(name)
    assert (photo.mode, photo.size) == ("RGB", (640, 427))
    assert np.asarray(photo).std() > 30


def test_an_unknown_photograph_is_named() -> None:
    with pytest.raises(ValueError, match=r"'cat'.*china, flower"):
        inputs.content_photo("cat")


def test_the_painting_covers_its_canvas_in_many_colours() -> None:
    painting = inputs.style_painting()
    pixels = np.asarray(painting)
    assert (painting.mode, painting.size) == ("RGB", (900, 720))
    bare = (pixels >= 252).all(axis=-1).mean()
    assert bare < 0.002
    blocks = pixels.reshape(36, 20, 45, 20, 3).swapaxes(1, 2).astype(float)
    assert (blocks.std(axis=(2, 3)).max(axis=-1) > 4).mean() > 0.98


def test_importing_the_demo_loads_neither_torch_nor_matplotlib() -> None:
    code = (
        "import sys, nst_server.demo.inputs, nst_server.demo.pictures; "
        "sys.exit(bool({'torch', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
