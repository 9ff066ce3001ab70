"""Paint the pictures of docs/quality.md, print its tables, lay out its sheet.

    .uv/bin/uv run docs/make_quality.py            about six minutes of computing on one core
    .uv/bin/uv run docs/make_quality.py --out DIR  the sheets somewhere else than in docs/images/quality

The pairs are scikit-learn's two photographs with the project's own painting, at 256 px, with the built-in
encoder, seed 0.
The pictures are kept in out/quality, and those that are there already are measured as they are: remove
them to have them painted anew.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import gatys_reference
import numpy as np
import torch
from PIL import Image
from sheets import sheet
from torch import Tensor

from nst_server.compare import GROUPS, measures
from nst_server.demo import inputs
from nst_server.engine.builtin import build_encoder
from nst_server.engine.pyramid import resize
from nst_server.engine.stylize import stylize
from nst_server.engine.vgg import Encoder
from nst_server.wire.params import Params
from nst_server.wire.scales import fit_longest

SIZE = 256  # px, longest side
OUT = Path(__file__).parent / "images" / "quality"
PAINTED = Path(__file__).parent.parent / "out" / "quality"
COLUMN = 420  # px of a picture on the sheet

#: Makes a picture [3, H, W] from content, style and encoder.
Painter = Callable[[Tensor, Tensor, Encoder], Tensor]


def ours(evaluations: int, **options: object) -> Painter:
    """The engine with its defaults, but for ``options``; an iteration takes one evaluation, seldom two."""
    params = Params.from_header({"encoder": "built-in", "iterations": evaluations, **options})

    def paint(content: Tensor, style: Tensor, encoder: Encoder) -> Tensor:
        last = list(stylize(content, [style], encoder, params, device=torch.device("cpu")))[-1]
        print(f"  {last.evaluations} evaluations, ", end="")
        return last.image

    return paint


def reference(evaluations: int) -> Painter:
    """The tutorials' loop."""

    def paint(content: Tensor, style: Tensor, encoder: Encoder) -> Tensor:
        image, held = gatys_reference.paint(content, style, encoder, evaluations)
        print(f"  {evaluations} evaluations, {'' if held else 'blew up, '}", end="")
        return image

    return paint


PICTURES: dict[str, dict[str, Painter]] = {
    "china": {
        "ours, 100": ours(100),
        "reference, 100": reference(100),
        "ours, 500": ours(500),
        "reference, 500": reference(500),
        "ours, 100, strength 0.25": ours(100, strength=0.25),
    },
    "flower": {"ours, 100": ours(100), "reference, 100": reference(100)},
}


def tensor(image: Image.Image) -> Tensor:
    """[3, H, W] in [0, 1], at most 256 px."""
    pixels = torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32) / 255)
    pixels = pixels.permute(2, 0, 1).contiguous()
    return resize(pixels, fit_longest((image.width, image.height), SIZE))


def picture(pixels: Tensor) -> Image.Image:
    """The image of [3, H, W] in [0, 1]."""
    return Image.fromarray((pixels * 255).round().byte().permute(1, 2, 0).numpy())


def painted(name: str, title: str, painter: Painter, style: Tensor) -> Image.Image:
    """The picture ``title`` of this content, painted now or before."""
    file = PAINTED / f"{name} {title}.png".replace(", ", "-").replace(" ", "-")
    if not file.exists():
        content, began = tensor(inputs.content_photo(name)), time.process_time()
        encoder = build_encoder(content[None], [style[None]], layers=("conv3_1",), seed=0)
        result = painter(content, style, encoder)
        print(f"{time.process_time() - began:.0f} s of computing: {file.name}", flush=True)
        picture(result).save(file)
    return Image.open(file).convert("RGB")


def table(name: str, pictures: dict[str, Image.Image], style: Tensor) -> str:
    """The measures as Markdown."""
    rows = measures([tensor(p) for p in pictures.values()], tensor(inputs.content_photo(name)), style)
    lines = [f"| {name} | content | {' | '.join(pictures)} |", "|---" * (len(pictures) + 2) + "|"]
    for row in rows:
        cells = " | ".join(f"{value:.{GROUPS[row.group].places}f}" for value in row.values)
        lines.append(f"| {row.group}, {row.name} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=OUT, help="where to write (default: %(default)s)")
    folder: Path = parser.parse_args().out
    for needed in (folder, PAINTED):
        needed.mkdir(parents=True, exist_ok=True)
    style = tensor(inputs.style_painting())
    for name, titles in PICTURES.items():
        pictures = {t: painted(name, t, p, style) for t, p in titles.items()}
        print("\n" + table(name, pictures, style) + "\n", flush=True)
        shown = [("content", inputs.content_photo(name)), *pictures.items()]
        sheet(shown, 2, COLUMN).save(folder / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    main()
