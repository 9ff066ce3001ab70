"""docs/gallery.md: its command lines are right, and no option that changes the picture is missing."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from nst_server.cli import build_parser
from nst_server.cli.options import params_of
from nst_server.wire.params import FIELDS

DOCS = Path(__file__).resolve().parent.parent / "docs"
TEXT = (DOCS / "gallery.md").read_text(encoding="utf-8")
PICTURES = DOCS / "images" / "gallery"


@pytest.fixture(scope="module")
def gallery() -> Iterator[ModuleType]:
    """docs/make_gallery.py, which stands beside what it imports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        yield importlib.import_module("make_gallery")


def test_every_command_line_is_a_right_one(gallery: ModuleType) -> None:
    parser = build_parser(("stylize", "recolour"))
    for row in gallery.rows(TEXT):
        for line in row.lines:
            params_of(parser.parse_args(shlex.split(line)[1:]))


def test_every_option_is_shown_or_left_out_with_its_reason(gallery: ModuleType) -> None:
    shown = set()
    for row in gallery.rows(TEXT):
        shown.update(gallery.varied([gallery.options(line) for line in row.lines]))
    shown = {name.removeprefix("no-").replace("-", "_") for name in shown}
    left_out = set(re.findall(r"^- `--([\w-]+)`: \w+", TEXT.split("\n## Left out\n", 1)[1], re.MULTILINE))
    left_out = {name.replace("-", "_") for name in left_out}
    assert not shown & left_out
    assert set(FIELDS) - shown - left_out == set()


def test_command_lines_read_what_there_is(gallery: ModuleType, tmp_path: Path) -> None:
    there = set(gallery.write_inputs(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == there
    painted: dict[str, str] = {}
    for row in gallery.rows(TEXT):
        for line in row.lines:
            output = str(gallery.output(line))
            named = set(re.findall(r"[\w.-]+\.(?:jpg|png)", line)) - {output}
            assert named <= there.union(painted)
            assert painted.setdefault(output, line) == line, "two command lines write to this file"


def test_pictures_are_those_of_the_rows(gallery: ModuleType) -> None:
    rows = gallery.rows(TEXT)
    names = [f"{row.name}.jpg" for row in rows]
    assert len(names) == len(set(names)) == TEXT.count("```sh\nnst ")
    assert {path.name for path in PICTURES.iterdir()} == {*names, "inputs.jpg"}
    for row in rows:
        with Image.open(PICTURES / f"{row.name}.jpg") as picture:
            assert picture.width // gallery.WIDTH >= len(row.lines)


def test_titles_say_in_what_the_pictures_differ(gallery: ModuleType) -> None:
    line = "nst stylize a.jpg b.jpg -o c.png --size 256"
    given = [gallery.options(text) for text in (f"{line} --strength 0.25 --tv 1", f"{line} --tv 1", line)]
    assert given[0] == {"size": "256", "strength": "0.25", "tv": "1"}
    assert gallery.varied(given) == ["strength", "tv"]
    assert gallery.varied(given[:2]) == ["strength"]
    assert gallery.varied([{"size": "128"}, {"size": "256"}]) == ["size"]


def test_transparent_pixels_are_shown_on_a_chequerboard(gallery: ModuleType) -> None:
    hole = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    whole = gallery.sheet([("hole", hole)], 1, 32)
    board = whole.crop((0, whole.height - 32, 32, whole.height))
    assert {colour for _, colour in board.getcolors()} == {(255, 255, 255), (208, 208, 208)}
