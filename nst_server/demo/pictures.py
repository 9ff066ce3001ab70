"""Pictures that explain a finished job: a contact sheet of its frames and a plot of its losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

Frame = tuple[int, Image.Image, tuple[int, int]]

PAPER = (247, 245, 240)
INK = (34, 34, 38)
FAINT = (118, 116, 112)
CELL = 320  # longest side of a small picture on the sheet, px
GAP = 20
MARGIN = 36
TITLE, LABEL, NOTE = 26, 17, 14  # type sizes, px

# Okabe & Ito 2008: told apart with every common colour blindness; dashes say the same without colour.
CURVES: Mapping[str, tuple[str, str, float]] = {
    "total": ("#000000", "-", 2.0),
    "style": ("#D55E00", "-", 1.5),
    "content": ("#0072B2", "--", 1.5),
    "tv": ("#009E73", ":", 1.5),
}
NAMES: Mapping[str, str] = {"tv": "total variation"}


@dataclass(frozen=True)
class _Cell:
    """A picture with its label and a fainter second line."""

    image: Image.Image
    label: str
    note: str = ""


def contact_sheet(
    content: Image.Image,
    styles: Sequence[Image.Image],
    frames: Sequence[Frame],
    caption: str,
) -> Image.Image:
    """The content, the styles and every frame with its iteration on one sheet, RGB.

    ``frames``: (iteration, image, native size (width, height) in px) in the order they are shown; the last
    is taken as the final one. ``caption``: one line or several, set at the top. Raises ValueError
    without a frame.
    """
    if not frames:
        raise ValueError("A contact sheet needs at least one frame. Keep some with --frames.")
    inputs = [_Cell(content, "content", _size(content.size))]
    for number, style in enumerate(styles, 1):
        inputs.append(_Cell(style, "style" if len(styles) == 1 else f"style {number}", _size(style.size)))
    cells = []
    for iteration, image, native in frames:
        note = f"computed at {_size(native)}" if native != image.size else _size(native)
        cells.append(_Cell(image, f"iteration {iteration}", note))
    last = cells.pop()
    cells.append(_Cell(last.image, f"{last.label}, final", last.note))

    columns = _columns(len(cells), len(inputs))
    width = 2 * MARGIN + columns * CELL + (columns - 1) * GAP
    lines = _wrapped(caption, _font(TITLE, bold=True), width - 2 * MARGIN)
    top = MARGIN + round(len(lines) * TITLE * 1.35) + (GAP if lines else 0)
    rows = [group[i : i + columns] for group in (inputs, cells) for i in range(0, len(group), columns)]
    heights = [max(_fitted(cell.image.size)[1] for cell in row) for row in rows]
    text = LABEL + NOTE + 16
    rule_after = math.ceil(len(inputs) / columns)
    height = top + sum(heights) + len(rows) * (text + GAP) + GAP + MARGIN - GAP

    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        draw.text((MARGIN, MARGIN + round(i * TITLE * 1.35)), line, INK, _font(TITLE, bold=True))
    y = top
    for index, (row, tall) in enumerate(zip(rows, heights, strict=True)):
        if index == rule_after:
            draw.line((MARGIN, y, width - MARGIN - 1, y), (212, 208, 200), 1)
            y += GAP
        for column, cell in enumerate(row):
            x = MARGIN + column * (CELL + GAP)
            small = _flat(cell.image).resize(_fitted(cell.image.size), Image.Resampling.LANCZOS)
            sheet.paste(small, (x, y + tall - small.height))  # on one base line, close to their labels
            draw.text((x, y + tall + 7), cell.label, INK, _font(LABEL, bold=True))
            draw.text((x, y + tall + 11 + LABEL), cell.note, FAINT, _font(NOTE))
        y += tall + text + GAP
    return sheet


def loss_plot(history: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    """Write the curves of the losses over the iterations as a picture file (PNG by its suffix).

    ``history``: for each iteration a mapping with ``iteration`` (int, from 1), ``losses`` (name → value; of
    content, style, tv, total those that are there are drawn) and ``scale`` (width, height in px); dotted
    vertical lines show where the scale changes. Values that are not above 0 have no place on a
    logarithmic axis and are left out. Raises ValueError for an empty history.
    """
    if not history:
        raise ValueError("There are no losses to plot. Let the job run for one iteration at least.")
    # Imported here: matplotlib takes long, and the rest of the demo does not need it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8.4, 4.8), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_yscale("log")
    for name, (colour, dashes, weight) in CURVES.items():
        iterations, values = curve(history, name)
        if any(math.isfinite(value) for value in values):
            single = "o" if len(values) == 1 else ""
            label = NAMES.get(name, name)
            axes.plot(iterations, values, dashes, color=colour, linewidth=weight, label=label, marker=single)
    changes = scale_changes(history)
    for i, (iteration, scale) in enumerate(changes):
        if i:
            axes.axvline(iteration - 0.5, color="#777777", linewidth=0.8, linestyle=(0, (2, 3)))
        if len(changes) > 1:
            axes.annotate(
                _size(scale),
                (iteration, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(2, 4),
                textcoords="offset points",
                fontsize=8,
                color="#555555",
            )
    axes.set_xlabel("iteration (accepted steps, over all scales)")
    axes.set_ylabel("loss (logarithmic)")
    axes.set_title(title, loc="left", pad=20 if len(changes) > 1 else 8, fontsize=12)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, which="major", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.lines:
        axes.legend(frameon=False)
    figure.savefig(path)


def curve(history: Sequence[Mapping[str, Any]], name: str) -> tuple[list[int], list[float]]:
    """Iterations and values of one loss; NaN, which leaves a gap, where it is missing or not above 0."""
    iterations, values = [], []
    for entry in history:
        value = float(entry["losses"].get(name, math.nan))
        iterations.append(int(entry["iteration"]))
        values.append(value if math.isfinite(value) and value > 0 else math.nan)
    return iterations, values


def scale_changes(history: Sequence[Mapping[str, Any]]) -> list[tuple[int, tuple[int, int]]]:
    """(iteration, (width, height)) of the first step at each scale, in order."""
    changes: list[tuple[int, tuple[int, int]]] = []
    for entry in history:
        width, height = entry["scale"]
        if not changes or changes[-1][1] != (width, height):
            changes.append((int(entry["iteration"]), (width, height)))
    return changes


def _columns(frames: int, inputs: int) -> int:
    """Columns that leave the fewest gaps in the last row of frames; the inputs fit in one row if they can."""
    least = min(max(inputs, 2), 5)
    choices = range(max(least, min(3, frames)), 6)
    return min(choices, key=lambda n: (-frames % n, abs(n - 4)))


def _fitted(size: tuple[int, int]) -> tuple[int, int]:
    shrink = CELL / max(size)
    return max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))


def _flat(image: Image.Image) -> Image.Image:
    """RGB; transparent parts show the paper."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    layered = Image.new("RGBA", image.size, (*PAPER, 255))
    layered.alpha_composite(image.convert("RGBA"))
    return layered.convert("RGB")


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]} px"


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The text broken into lines that fit; its own line breaks stay."""
    lines = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


@lru_cache(maxsize=8)
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib carries it, so that no system font is needed."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("matplotlib, which carries the sheet's font, is missing. Install it.")
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name, size)
