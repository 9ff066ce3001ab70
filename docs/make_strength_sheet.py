"""Paint one picture at several strengths and resolutions, lay out the sheet, print the table of measures.

    .uv/bin/uv run docs/make_strength_sheet.py                  256, 512, 1024 px: 15 minutes on one core
    .uv/bin/uv run docs/make_strength_sheet.py --sizes 256 512
    .uv/bin/uv run docs/make_strength_sheet.py --style-loss moments --out sheet.jpg
    .uv/bin/uv run docs/make_strength_sheet.py --sizes 256 --style painting.jpg --out sheet.jpg
    .uv/bin/uv run docs/make_strength_sheet.py --weights vgg19.pth --layers shallow --out sheet.jpg
    .uv/bin/uv run docs/make_strength_sheet.py --sizes 512 2048 --strengths 0.5 --column 620 --out sizes.jpg
    .uv/bin/uv run docs/make_strength_sheet.py --others --weights vgg19.pth --sizes 256 1024 \\
        --strengths 0.25 0.5 0.75 --column 180 --out strengths-others.jpg
    .uv/bin/uv run docs/make_strength_sheet.py --band --sizes 256 1024 2048 4096 \\
        --strengths 0.25 0.5 0.75 --column 400 --out strengths-band.jpg

The demo's photograph and painting, the built-in encoder, seed 0, defaults but for what is named; layers as
`nst bench optimisers` names them. ``--others`` has a row for each of some settings that differ in one thing,
and --weights is for the first of them. ``--band`` takes a band across the photograph: 4096 px of it fit into
24 GB of memory. To compare what the eye compares, pictures are shrunk to the smallest size before they are
measured. They are kept in out/strength, and those that are there are measured as they are: remove them to
have them painted anew.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from make_gallery import write_inputs
from PIL import Image
from sheets import sheet
from torch import Tensor

from nst_server.bench import optimisers
from nst_server.compare import GROUPS, Measure, measures
from nst_server.demo import inputs
from nst_server.engine.pyramid import resize
from nst_server.engine.stylize import stylize
from nst_server.wire.params import DEFAULTS, STYLE_LOSSES
from nst_server.wire.scales import fit_longest

STRENGTHS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
SIZES = (256, 512, 1024)  # px, longest side
ITERATIONS = 100
OUT = Path(__file__).parent / "images" / "strengths.jpg"
PAINTED = Path(__file__).parent.parent / "out" / "strength"
COLUMN = 300  # px, width of a picture on the sheet
BAND = (0.36, 0.67)  # of the photograph's height: roofs, trees and lake, nearly five times as wide as high


def tensor(image: Image.Image, size: int) -> Tensor:
    """[3, H, W] in [0, 1] with this longest side."""
    pixels = torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32) / 255)
    return resize(pixels.permute(2, 0, 1).contiguous(), fit_longest((image.width, image.height), size))


@dataclass(frozen=True)
class Setting:
    """What is painted at all strengths and sizes: a photograph of the demo's, in the manner of a painting."""

    content: str
    style: Path | None  # None: the demo's painting
    layers: str
    weights: Path | None  # None: the built-in encoder
    style_loss: str
    iterations: int
    band: bool

    @property
    def photograph(self) -> Image.Image:
        """The content, or the band across it."""
        whole = inputs.content_photo(self.content)
        top, bottom = BAND if self.band else (0, 1)
        return whole.crop((0, round(top * whole.height), whole.width, round(bottom * whole.height)))

    @property
    def painting(self) -> Image.Image:
        """The style."""
        return inputs.style_painting() if self.style is None else Image.open(self.style)

    def file(self, size: int, strength: float) -> Path:
        """Where the picture is kept."""
        rest = [path.stem for path in (self.style, self.weights) if path is not None]
        rest += [self.layers] if self.layers != "default" else []
        rest += ["band"] if self.band else []
        words = (self.content, size, self.style_loss, self.iterations, strength, *rest)
        return PAINTED / f"{'-'.join(map(str, words))}.png"

    def painted(self, size: int, strength: float) -> Image.Image:
        """The picture, painted now or before."""
        file = self.file(size, strength)
        if not file.exists():
            began = time.process_time()
            content, style = tensor(self.photograph, size), tensor(self.painting, size)
            job = optimisers.Setting(self.content, content, style, self.layers, strength, self.weights)
            params = replace(job.params, style_loss=self.style_loss, iterations=self.iterations)
            *_, last = stylize(content, [style], job.encoder(), params, device=torch.device("cpu"))
            pixels = (last.image * 255).round().byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(file)
            print(f"{time.process_time() - began:.0f} s of computing: {file.name}", flush=True)
        return Image.open(file).convert("RGB")


def others(demo: Setting) -> Iterator[tuple[str, Setting]]:
    """``demo`` with VGG19's weights, and with the built-in encoder and one other thing, by their names."""
    built_in = replace(demo, weights=None)
    yield "VGG19", replace(demo, layers="shallow")
    yield "three layers", replace(built_in, layers="shallow")
    yield "to conv4_1", replace(built_in, layers="middle")
    folder = PAINTED.parent / "gallery"
    folder.mkdir(exist_ok=True)
    write_inputs(folder)
    yield "indigo painting", replace(built_in, style=folder / "indigo.jpg")
    yield "dahlia", replace(built_in, content="flower")


def table(setting: Setting, sizes: Sequence[int], strengths: Sequence[float]) -> Iterator[str]:
    """The measures of a setting's pictures, all at the smallest size, as lines of Markdown."""
    at = min(sizes)
    content, style = tensor(setting.photograph, at), tensor(setting.painting, at)
    keys = [(strength, size) for strength in strengths for size in sizes]
    rows = measures([tensor(setting.painted(size, strength), at) for strength, size in keys], content, style)
    yield f"| strength, size | {' | '.join(f'{r.group}, {r.name}' for r in rows)} |"
    yield "|---" * (len(rows) + 1) + "|"
    yield row("content", rows, 0)
    for index, (strength, size) in enumerate(keys, 1):
        yield row(f"{strength:g}, {size} px", rows, index)


def row(title: str, rows: list[Measure], index: int) -> str:
    """A row of the table: the measures of picture ``index``."""
    cells = (f"{measure.values[index]:.{GROUPS[measure.group].places}f}" for measure in rows)
    return f"| {title} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--content", choices=inputs.CONTENTS, default="china", help="which photograph")
    parser.add_argument("--style", type=Path, metavar="FILE", help="a painting in place of the demo's")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="VGG19's, in place of the built-in encoder"
    )
    parser.add_argument("--others", action="store_true", help="a row for each of some other settings")
    parser.add_argument("--band", action="store_true", help="a band across the photograph, 5 times as wide")
    parser.add_argument("--layers", choices=optimisers.LAYERS, default="default", help="of content and style")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="PX", help="longest sides")
    parser.add_argument("--strengths", type=float, nargs="+", default=STRENGTHS, metavar="S")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, metavar="N", help="of each picture")
    parser.add_argument("--style-loss", choices=STYLE_LOSSES, default=DEFAULTS.style_loss)
    parser.add_argument("--column", type=int, default=COLUMN, metavar="PX", help="width of a picture")
    parser.add_argument("--out", type=Path, default=OUT, help="where to write (default: %(default)s)")
    asked = parser.parse_args()
    PAINTED.mkdir(parents=True, exist_ok=True)
    setting = Setting(
        asked.content,
        asked.style,
        asked.layers,
        asked.weights,
        asked.style_loss,
        asked.iterations,
        asked.band,
    )
    sizes, strengths = sorted(asked.sizes), list(asked.strengths)
    shown = []
    if asked.others:
        settings = dict(others(setting))
        columns = len(strengths) * len(sizes)
        for (name, other), strength, size in itertools.product(settings.items(), strengths, sizes):
            shown.append((f"{name}, {strength:g}, {size} px", other.painted(size, strength)))
    else:
        settings = {"": setting}
        columns = len(strengths) if len(strengths) > 1 else len(sizes)
        for size, strength in itertools.product(sizes, strengths):
            shown.append((f"strength {strength:g}, {size} px", setting.painted(size, strength)))
    sheet(shown, columns, asked.column).save(asked.out, quality=88)
    for name, each in settings.items():
        print(f"\n{name}\n" if name else "")
        print("\n".join(table(each, sizes, strengths)))


if __name__ == "__main__":
    main()
