"""Paint pairs with the built-in encoder, with VGG19 and by the loop of the tutorials; print their measures.

    .uv/bin/uv run docs/make_encoder_table.py --weights vgg19.pth
    .uv/bin/uv run docs/make_encoder_table.py --weights vgg19.pth --sheet docs/images/quality/encoders.jpg
    .uv/bin/uv run docs/make_encoder_table.py --weights vgg19.pth --size 1024 --iterations 300 \\
        --only built-in --contents town.jpg bridge.jpg --styles night.jpg scream.jpg

Without --contents and --styles: scikit-learn's two photographs with the project's own painting. VGG19
paints with the layers up to conv3_1, by which it is measured too: the relative squared error of the Gram
matrices at conv1_1, conv2_1 and conv3_1, of the picture and of its half, in the mean. A second table has the
means of `nst compare`'s measures, and in how many pairs ours is better than the tutorials' loop, which takes
as many evaluations with VGG19. docs/quality.md has these figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path

import gatys_reference
import numpy as np
import torch
from make_quality import picture
from PIL import Image
from sheets import sheet
from torch import Tensor

from nst_server import weights
from nst_server.compare import GROUPS, Measure, measures
from nst_server.demo import inputs
from nst_server.engine.builtin import build_encoder
from nst_server.engine.losses import gram_matrix
from nst_server.engine.pyramid import resize
from nst_server.engine.stylize import stylize
from nst_server.engine.vgg import Encoder
from nst_server.wire.params import Params
from nst_server.wire.scales import fit_longest

LAYERS = ("conv1_1", "conv2_1", "conv3_1")
COLUMN = 300  # px of a picture on the sheet


def scaled(image: Tensor, longest: int) -> Tensor:
    return resize(image, fit_longest((image.shape[2], image.shape[1]), longest))


def distance(image: Tensor, style: Tensor, vgg: Encoder, size: int) -> float:
    """The figure of the table for ``image``, made at ``size`` from ``style``, both [3, H, W]."""
    errors = []
    with torch.no_grad():
        for longest in (size, size // 2):
            here = vgg.features(scaled(image, longest)[None], LAYERS)
            there = vgg.features(scaled(style, longest)[None], LAYERS)
            for name in LAYERS:
                wanted = gram_matrix(there[name])
                errors.append(float((gram_matrix(here[name]) - wanted).norm() / wanted.norm()) ** 2)
    return sum(errors) / len(errors)


def painted(content: Tensor, style: Tensor, encoder: Encoder, **options: object) -> Tensor:
    params = Params.from_header({"encoder": encoder.name, **options})
    *_, last = stylize(content, [style], encoder, params, device=torch.device("cpu"))
    return last.image


def by_vgg(content: Tensor, style: Tensor, vgg: Encoder, iterations: int) -> Tensor:
    layers = {"content_layers": ["conv2_2"], "style_layers": list(LAYERS)}
    return painted(content, style, vgg, iterations=iterations, **layers)


def by_the_loop(content: Tensor, style: Tensor, vgg: Encoder, evaluations: int) -> Tensor:
    # Its own five style layers, up to conv3_1 as well.
    return gatys_reference.paint(content, scaled(style, max(content.shape[1:])), vgg, evaluations)[0]


def by_built_in(content: Tensor, style: Tensor, vgg: Encoder, iterations: int) -> Tensor:
    return painted(content, style, build_encoder(content, [style]), iterations=iterations)


#: Makes a picture from content and style, each [3, H, W], VGG19 and the number of iterations.
PAINTERS: dict[str, Callable[[Tensor, Tensor, Encoder, int], Tensor]] = {
    "VGG19": by_vgg,
    "reference": by_the_loop,
    "built-in": by_built_in,
}


def means_of(measured: list[list[Measure]], names: list[str]) -> str:
    """The means over all pairs as Markdown, and in how many each of ours is better than the reference."""
    ours = [name for name in names if name != "reference" and "reference" in names]
    heads = ["means", "content", *names, *(f"{name} better in" for name in ours)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for rows in zip(*measured, strict=True):
        first = rows[0]
        if first.group == "Gram" and first.name not in LAYERS:
            continue
        values = list(zip(*(row.values for row in rows), strict=True))
        cells = [f"{sum(column) / len(column):.{GROUPS[first.group].places}f}" for column in values]
        by_name = dict(zip(names, values[1:], strict=True))
        sign = 1 if GROUPS[first.group].better == "higher" else -1
        for name in ours:
            pairs = zip(by_name[name], by_name["reference"], strict=True)
            cells.append(str(sum(sign * own > sign * other for own, other in pairs)))
        lines.append(f"| {first.group}, {first.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def loaded(paths: list[Path], otherwise: dict[str, Image.Image]) -> dict[str, Tensor]:
    images = {path.stem: Image.open(path) for path in paths} or otherwise
    return {
        name: torch.from_numpy(np.asarray(image.convert("RGB"), np.float32) / 255).permute(2, 0, 1)
        for name, image in images.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True, help="VGG19, at least up to conv3_1")
    parser.add_argument("--contents", type=Path, nargs="+", default=[])
    parser.add_argument("--styles", type=Path, nargs="+", default=[])
    parser.add_argument("--size", type=int, default=256, help="px, longest side (default: %(default)s)")
    parser.add_argument("--iterations", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--only", choices=PAINTERS, nargs="+", default=PAINTERS)
    parser.add_argument("--sheet", type=Path, help="write the pictures side by side")
    options = parser.parse_args()
    found = weights.load(options.weights)
    vgg = Encoder(found.name, found.state)
    contents = loaded(options.contents, {name: inputs.content_photo(name) for name in inputs.CONTENTS})
    styles = loaded(options.styles, {"orchard": inputs.style_painting()})
    names = [name for name in PAINTERS if name in options.only]
    shown: list[tuple[str, Image.Image]] = []
    distances, measured = [], []
    print(f"| relative Gram distance | content | {' | '.join(names)} |\n|---{'|---' * (len(names) + 1)}|")
    for (name, photo), (title, style) in product(contents.items(), styles.items()):
        content, wanted = scaled(photo, options.size), scaled(style, options.size)
        images = [PAINTERS[painter](content, style, vgg, options.iterations) for painter in names]
        row = [distance(image, style, vgg, options.size) for image in (content, *images)]
        distances.append(row)
        print(f"| {name}, {title} | {' | '.join(f'{value:.3f}' for value in row)} |", flush=True)
        measured.append(measures(images, content, wanted, encoder=vgg))
        titles = (name, *(f"{painter}, {value:.3f}" for painter, value in zip(names, row[1:], strict=True)))
        shown += [(text, picture(image)) for text, image in zip(titles, (content, *images), strict=True)]
        shown.append((title, picture(wanted)))
    means = [sum(column) / len(column) for column in zip(*distances, strict=True)]
    print(f"| mean | {' | '.join(f'{value:.3f}' for value in means)} |\n")
    print(means_of(measured, names))
    if options.sheet is not None:
        sheet(shown, len(names) + 2, COLUMN).save(options.sheet, quality=88)


if __name__ == "__main__":
    main()
