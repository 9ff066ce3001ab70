"""Paint pairs with G'MIC's Stylize and with the engine; print the measures of both, lay out a sheet.

    apt-get install gmic
    .uv/bin/uv run docs/make_gmic_sheet.py --out docs/images/quality/gmic.jpg
    .uv/bin/uv run docs/make_gmic_sheet.py --contents town.jpg --styles night.jpg --size 1024 --out sheet.jpg

Without --contents and --styles: scikit-learn's two photographs with the project's own painting. Both
programs with their defaults, ours with the built-in encoder; G'MIC on all cores that there are.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from itertools import product
from pathlib import Path

from make_encoder_table import loaded, painted, scaled
from make_quality import picture
from PIL import Image
from sheets import sheet
from torch import Tensor

from nst_server.compare import GROUPS, measures
from nst_server.demo import inputs
from nst_server.engine.builtin import build_encoder

COLUMN = 420  # px of a picture on the sheet


def stylized(content: Tensor, style: Tensor) -> Tensor:
    """What ``gmic content style stylize`` makes, [3, H, W]. Raises CalledProcessError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, name)) for name in ("content.png", "style.png", "out.png")]
        picture(content).save(paths[0])
        picture(style).save(paths[1])
        command = ["gmic", *paths[:2], "stylize[0]", "[1]", "keep[0]", "output", paths[2]]
        subprocess.run(command, check=True, capture_output=True)
        return loaded([Path(paths[2])], {})["out"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contents", type=Path, nargs="+", default=[])
    parser.add_argument("--styles", type=Path, nargs="+", default=[])
    parser.add_argument("--size", type=int, default=512, help="px, longest side (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="the sheet")
    options = parser.parse_args()
    contents = loaded(options.contents, {name: inputs.content_photo(name) for name in inputs.CONTENTS})
    styles = loaded(options.styles, {"orchard": inputs.style_painting()})
    shown: list[tuple[str, Image.Image]] = []
    for (name, photo), (title, painting) in product(contents.items(), styles.items()):
        content, style = scaled(photo, options.size), scaled(painting, options.size)
        began = time.perf_counter()
        theirs = stylized(content, style)
        between = time.perf_counter()
        ours = painted(content, style, build_encoder(content, [style]))
        ended = time.perf_counter()
        print(f"\n{name}, {title}: G'MIC {between - began:.0f} s, ours {ended - between:.0f} s\n")
        print("| | content | G'MIC | ours |\n|---|---|---|---|")
        for row in measures([theirs, ours], content, style):
            cells = " | ".join(f"{value:.{GROUPS[row.group].places}f}" for value in row.values)
            print(f"| {row.group}, {row.name} | {cells} |", flush=True)
        for text, image in (("content", content), ("G'MIC Stylize", theirs), ("ours", ours)):
            shown.append((f"{name}: {text}", picture(image)))
    sheet(shown, 3, COLUMN).save(options.out, quality=88)


if __name__ == "__main__":
    main()
