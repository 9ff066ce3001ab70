"""Paint pairs with the built-in encoder and with VGG19; print how near each style VGG19 finds them.

    .uv/bin/uv run docs/make_encoder_table.py --weights vgg19.pth
    .uv/bin/uv run docs/make_encoder_table.py --weights vgg19.pth --sheet docs/images/quality/encoders.jpg
    .uv/bin/uv run docs/make_encoder_table.py --weights vgg19.pth --size 1024 --iterations 300 \\
        --contents town.jpg bridge.jpg --styles night.jpg scream.jpg

Without --contents and --styles: scikit-learn's two photographs with the project's own painting. VGG19
paints with the layers up to conv3_1, by which it is measured too: the relative squared error of the Gram
matrices at conv1_1, conv2_1 and conv3_1, of the picture and of its half, in the mean. docs/quality.md has
these figures in its last table.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import torch
from make_quality import picture
from PIL import Image
from sheets import sheet
from torch import Tensor

from nst_server import weights
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


def painted(content: Tensor, style: Tensor, encoder: Encoder, options: dict[str, object]) -> Tensor:
    params = Params.from_header({"encoder": encoder.name, **options})
    *_, last = stylize(content, [style], encoder, params, device=torch.device("cpu"))
    return last.image


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
    parser.add_argument("--sheet", type=Path, help="write the pictures side by side")
    options = parser.parse_args()
    found = weights.load(options.weights)
    vgg = Encoder(found.name, found.state)
    contents = loaded(options.contents, {name: inputs.content_photo(name) for name in inputs.CONTENTS})
    styles = loaded(options.styles, {"orchard": inputs.style_painting()})
    shown: list[tuple[str, Image.Image]] = []
    sums = [0.0] * 3
    print("| pair | content | VGG19 | built-in |\n|---|---|---|---|")
    for (name, photo), (title, style) in product(contents.items(), styles.items()):
        content = scaled(photo, options.size)
        common = {"iterations": options.iterations}
        up_to_conv3 = {"content_layers": ["conv2_2"], "style_layers": list(LAYERS)}
        images = (
            content,
            painted(content, style, vgg, {**common, **up_to_conv3}),
            painted(content, style, build_encoder(content, [style]), common),
        )
        row = [distance(image, style, vgg, options.size) for image in images]
        sums = [total + value for total, value in zip(sums, row, strict=True)]
        print(f"| {name}, {title} | {row[0]:.2f} | {row[1]:.3f} | {row[2]:.3f} |", flush=True)
        titles = (name, f"VGG19 up to conv3_1, {row[1]:.3f}", f"built-in, {row[2]:.3f}")
        shown += [(text, picture(image)) for text, image in zip(titles, images, strict=True)]
        shown.append((title, picture(scaled(style, options.size))))
    pairs = len(contents) * len(styles)
    print(f"| mean | {sums[0] / pairs:.2f} | {sums[1] / pairs:.3f} | {sums[2] / pairs:.3f} |")
    if options.sheet is not None:
        sheet(shown, 4, COLUMN).save(options.sheet, quality=88)


if __name__ == "__main__":
    main()
