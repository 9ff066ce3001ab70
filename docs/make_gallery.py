"""Run the command lines of docs/gallery.md and lay out its pictures.

    .uv/bin/uv run docs/make_gallery.py               all of them, ten minutes on one core
    .uv/bin/uv run docs/make_gallery.py strength tv   only these rows
    .uv/bin/uv run docs/make_gallery.py --inputs DIR  only write the photographs, styles and masks there

A section of the document names its picture, images/gallery/ROW.jpg, and the command lines that paint it.
They run as they stand in out/gallery, by a server of their own. What a command line has painted is kept
there with the line, and not painted again until the line changes: remove it to have it painted anew.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageOps
from sheets import sheet

from nst_server import cli
from nst_server.demo import inputs
from nst_server.wire.params import DEFAULTS, FIELDS

DOCUMENT = Path(__file__).parent / "gallery.md"
OUT = Path(__file__).parent / "images" / "gallery"
PAINTED = Path(__file__).parent.parent / "out" / "gallery"
WIDTH = 256  # px of a picture on a sheet: as many as are computed
#: Options that most command lines have and few rows are about.
COMMON = ("size", "iterations", "encoder", "content")
SOFTNESS = 4  # px: the radius by which the border of a region is blurred


@dataclass(frozen=True)
class Row:
    """A section of the document: the name of its picture, and its command lines."""

    name: str
    lines: tuple[str, ...]


def rows(text: str) -> list[Row]:
    """The sections of ``text`` (Markdown) that show a picture."""
    found = []
    for section in text.split("\n## ")[1:]:
        if name := re.search(r"\(images/gallery/([\w-]+)\.jpg\)", section):
            blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
            lines = [line for block in blocks for line in block.splitlines() if line.startswith("nst ")]
            found.append(Row(name[1], tuple(lines)))
    return found


def write_inputs(folder: Path) -> list[str]:
    """Write what the command lines read, unless it is there; returns the names."""
    flower, orchard = inputs.content_photo("flower"), inputs.style_painting()
    # A painting unlike the orchard in colours and strokes: a quarter of it, enlarged, turned, in indigo.
    tones = ImageOps.autocontrast(orchard.convert("L").crop((0, 360, 450, 720)))
    indigo = ImageOps.colorize(tones, "#101426", "#f6efe0", mid="#4a78a8")
    bloom = Image.new("L", flower.size)
    ImageDraw.Draw(bloom).ellipse((165, 82, 448, 358), fill=255)
    bloom = bloom.filter(ImageFilter.GaussianBlur(SOFTNESS))
    disc = Image.new("L", (256, 256))
    ImageDraw.Draw(disc).ellipse((28, 28, 228, 228), fill=255)
    cut_out = flower.copy()
    cut_out.putalpha(bloom)
    pictures = {
        "china.jpg": inputs.content_photo("china"),
        "flower.jpg": flower,
        "orchard.jpg": orchard,
        "indigo.jpg": indigo.transpose(Image.Transpose.ROTATE_90).resize(
            (720, 900), Image.Resampling.LANCZOS
        ),
        "bloom.png": bloom,
        "around.png": ImageOps.invert(bloom),
        "disc.png": disc,
        "cut-out.png": cut_out,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        if not (folder / name).exists():
            picture.save(folder / name, quality=95)
    return list(pictures)


def options(line: str) -> dict[str, str]:
    """Name → value, "" for a switch, of the long options of a command line."""
    parts = (part.replace("=", " ").partition(" ") for part in line.split(" --")[1:])
    return {name: value for name, _, value in parts}


def output(line: str) -> Path:
    """Where a command line writes its picture."""
    words = shlex.split(line)
    return Path(words[words.index("-o") + 1])


def run(line: str) -> None:
    """Run a command line of the document here, unless its picture is here. Raises SystemExit."""
    noted = output(line).with_suffix(".sh")
    if output(line).exists() and noted.exists() and noted.read_text(encoding="utf-8") == line:
        return
    print(line, flush=True)
    if folder := options(line).get("frames-dir"):
        # The frames of an earlier job would stay beside the new ones.
        shutil.rmtree(folder, ignore_errors=True)
    if code := cli.main(shlex.split(line)[1:]):
        raise SystemExit(f"It ended with {code}.")
    noted.write_text(line, encoding="utf-8")


def varied(given: list[dict[str, str]]) -> list[str]:
    """Names of the options in which the pictures of command lines with these options differ."""
    names = dict.fromkeys(name for each in given for name in each)
    values = {name: {each[name] for each in given if name in each} for name in names}
    missing = {name for name in names if len(given) == 1 or any(name not in each for each in given)}
    return [name for name in names if len(values[name]) > 1 or name in missing.difference(COMMON)]


def titled(row: Row) -> list[tuple[str, Image.Image]]:
    """What a row shows: the files that its options name, then what its command lines have painted."""
    given = [options(line) for line in row.lines]
    names = varied(given)
    values = (value for each in given for value in each.values())
    files = dict.fromkeys(name for value in values for name in re.findall(r"[\w-]+\.(?:png|jpg)", value))
    shown = [(name, Path(name)) for name in files]
    for line, each in zip(row.lines, given, strict=True):
        if "frames-dir" in each:
            frames = sorted(Path(each["frames-dir"]).iterdir())
            shown += [(f"iteration {int(path.stem.rpartition('-')[2])}", path) for path in frames]
        else:
            title = ", ".join(f"{name} {each[name]}".strip() for name in names if name in each)
            shown.append((title or _otherwise(line, row, names), output(line)))
    return [(title, Image.open(path)) for title, path in shown]


def _otherwise(line: str, row: Row, names: list[str]) -> str:
    """The title of the command line without these options, which others of the row have."""
    if not names:
        return shlex.split(line)[2]  # the rows without options differ in what is painted
    if any(other.startswith("nst recolour") for other in row.lines):
        return "as painted"
    field = names[0].replace("-", "_")
    value = getattr(DEFAULTS, field) if len(names) == 1 and field in FIELDS else None
    return "default" if value in (None, False, (), {}) else f"{names[0]} {value} (default)"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="names of pictures (default: all)")
    parser.add_argument("--inputs", type=Path, metavar="DIR", help="only write the inputs there")
    asked = parser.parse_args()
    if asked.inputs:
        write_inputs(asked.inputs)
        return
    names = write_inputs(PAINTED)
    OUT.mkdir(parents=True, exist_ok=True)
    os.chdir(PAINTED)
    # The painter's own server may have other jobs to do, and goes on with them.
    os.environ["NST_DATA_DIR"] = str(PAINTED / "server")
    os.environ.pop("NST_CONNECTION_FILE", None)
    shown = [(name, Image.open(name)) for name in names]
    sheet(shown, 4, WIDTH).save(OUT / "inputs.jpg", quality=88)
    for row in rows(DOCUMENT.read_text(encoding="utf-8")):
        if row.name in (asked.rows or [row.name]):
            for line in row.lines:
                run(line)
            pictures = titled(row)
            sheet(pictures, len(pictures), WIDTH).save(OUT / f"{row.name}.jpg", quality=88)


if __name__ == "__main__":
    main()
