"""Draw every figure of docs/how-it-works.md, with the engine itself.

    .uv/bin/uv run docs/make_figures.py                 all of them, two to three minutes on two cores
    .uv/bin/uv run docs/make_figures.py gram filters    only these
    .uv/bin/uv run docs/make_figures.py --out /tmp/how  somewhere else than docs/images/how

The input is the demo's: scikit-learn's photograph of a temple and the project's own painting. The encoder is
the built-in one, learned here from these two, so nothing is downloaded. Seeds are fixed; the pictures are the
same at every run with the same thread count and library versions. What the text quotes is printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from nst_server.demo import inputs
from nst_server.engine.builtin import build_encoder
from nst_server.engine.colour import apply_map, colour_moments, transfer_map
from nst_server.engine.losses import StyleTarget, statistics
from nst_server.engine.optimisers import LBFGS
from nst_server.engine.preconditioner import Preconditioner, curvature_of
from nst_server.engine.pyramid import fit_image, resize
from nst_server.engine.scene import Scene
from nst_server.engine.stylize import stylize
from nst_server.engine.vgg import Encoder, convolutions
from nst_server.engine.view import View
from nst_server.wire.params import Params
from nst_server.wire.scales import fit_longest

CPU = torch.device("cpu")
SIZE = 256  # px, longest side of what is painted; where the built-in encoder has been judged
SMALL = 192  # px, for the figures that need many runs
DEPTHS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
OUT = Path(__file__).parent / "images" / "how"
INK = "#333333"


# -- material --------------------------------------------------------------------------------------


def to_tensor(image: Image.Image, longest: int) -> Tensor:
    """[3, H, W] in [0, 1] with that longest side."""
    pixels = torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1).contiguous()
    return resize(pixels, fit_longest((image.width, image.height), longest))


@cache
def photo(longest: int = SIZE) -> Tensor:
    """The content, [3, H, W] in [0, 1]."""
    return to_tensor(inputs.content_photo("china"), longest)


@cache
def painting(longest: int = SIZE) -> Tensor:
    """The style, [3, h, w] in [0, 1]."""
    return to_tensor(inputs.style_painting(), longest)


def cropped_painting(longest: int = SIZE) -> Tensor:
    """The painting in the photograph's shape, for showing side by side."""
    content = photo(longest)
    return fit_image(painting(longest), (content.shape[2], content.shape[1]), "cover", content)


@cache
def matched() -> Tensor:
    """The photograph in the painting's colours, [3, H, W] in [0, 1]."""
    change = transfer_map(colour_moments(photo()), colour_moments(painting()))
    return apply_map(photo(), *change).clamp(0, 1)


@cache
def encoder(deepest: str = "conv3_1") -> Encoder:
    """The built-in encoder for this pair. Its layers do not depend on how many come after them."""
    return build_encoder(photo()[None], [painting()[None]], layers=(deepest,), seed=0)


@cache
def random_encoder() -> Encoder:
    """The same network with random filters (He et al. 2015), to show what learning them adds."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for conv in convolutions("built-in")[:5]:
        shape = (conv.outputs, conv.inputs, 3, 3)
        state[f"{conv.position}.weight"] = (
            torch.randn(shape, generator=generator) * (2 / conv.inputs / 9) ** 0.5
        )
        state[f"{conv.position}.bias"] = torch.zeros(conv.outputs)
    return Encoder("built-in", state)


def paint(size: int = SIZE, by: Encoder | None = None, **options: object) -> Tensor:
    """What the engine makes of the photograph and the painting under these parameters."""
    params = Params.from_header({"encoder": "built-in", **options})
    steps = stylize(photo(size), [painting(SIZE)], by or encoder(), params, device=CPU)
    return list(steps)[-1].image


@cache
def painted() -> Tensor:
    """The picture with default parameters."""
    return paint(iterations=100)


# -- drawing ---------------------------------------------------------------------------------------


def panels(pictures: Sequence[Tensor], titles: Sequence[str], columns: int, width: float = 9.6) -> Figure:
    """Pictures [3, H, W] in a grid, each with its title above."""
    rows = -(-len(pictures) // columns)
    ratio = pictures[0].shape[1] / pictures[0].shape[2]
    cell = width / columns
    figure, grid = plt.subplots(
        rows, columns, figsize=(width, rows * (cell * ratio + 0.3)), layout="constrained", squeeze=False
    )
    for axes in grid.flat:
        axes.axis("off")
    for axes, picture, title in zip(grid.flat, pictures, titles, strict=False):
        show(axes, picture, title)
    return figure


def show(axes: Axes, picture: Tensor, title: str) -> None:
    """One picture [3, H, W] without axes."""
    axes.imshow(picture.permute(1, 2, 0).numpy(), interpolation="lanczos")
    axes.set_title(title, fontsize=9, color=INK)
    axes.axis("off")


# -- figures ---------------------------------------------------------------------------------------


def overview() -> Figure:
    """Content, style, where the optimiser begins, where it ends."""
    return panels(
        [photo(), cropped_painting(), matched(), painted()],
        ["content", "style (cropped)", "start: the content in the style's colours", "after 100 iterations"],
        2,
    )


def feature_maps() -> Figure:
    """Eight maps of the photograph at each depth: the most varied ones that are least alike."""
    columns = 8
    network = encoder(DEPTHS[-1])
    with torch.no_grad():
        features = network.features(photo(320)[None], DEPTHS)
    figure, grid = plt.subplots(len(DEPTHS), columns, figsize=(9.6, 4.5), layout="constrained")
    for row, layer in zip(grid, DEPTHS, strict=True):
        maps = features[layer][0]
        for axes, k in zip(row, _unlike(maps, columns), strict=True):
            brightest = float(maps[k].quantile(0.995))
            axes.imshow(maps[k], cmap="magma", norm=PowerNorm(0.6, vmin=0, vmax=brightest, clip=True))
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        channels, height, width = maps.shape
        row[0].set_ylabel(f"{layer}\n{channels} maps\n{width}×{height}", fontsize=8, color=INK)
    return figure


def _unlike(maps: Tensor, count: int) -> list[int]:
    flat = maps.flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    spread = flat.norm(dim=1)
    likeness = torch.corrcoef(flat + 1e-6 * torch.randn(flat.shape, generator=torch.Generator())).abs()
    chosen = [int(spread.argmax())]
    while len(chosen) < count:
        distinct = 1 - likeness[chosen].max(0).values
        chosen.append(int((distinct * spread).argmax()))
    return chosen


def content_depths() -> Figure:
    """The content rebuilt from noise by what each layer alone knows of it."""
    pictures, titles = [photo(SMALL)], ["the photograph"]
    for layer in DEPTHS:
        picture = paint(
            SMALL,
            encoder(DEPTHS[-1]),
            strength=0.0,
            start="noise",
            content_layers=[layer],
            style_layers=["conv1_1"],
            iterations=100,
            tv=0.5,
        )
        pictures.append(picture)
        titles.append(f"from {layer}")
        print(f"  {layer}: mean colour difference {255 * float((picture - photo(SMALL)).abs().mean()):.0f}")
    return panels(pictures, titles, 3)


def style_depths() -> Figure:
    """Textures grown from noise under the style loss alone, with more and more layers."""
    pictures, titles = [cropped_painting(SMALL)], ["the painting (cropped)"]
    for count, deepest in enumerate(DEPTHS, 1):
        pictures.append(
            paint(
                SMALL,
                encoder(DEPTHS[-1]),
                strength=1.0,
                start="noise",
                content_layers=["conv1_1"],
                style_layers=list(DEPTHS[:count]),
                iterations=100,
            )
        )
        titles.append(deepest if count == 1 else f"conv1_1 … {deepest}")
    return panels(pictures, titles, 3)


def gram() -> Figure:
    """The covariance part of the Gram matrix at one layer: painting, photograph, result."""
    layer = "conv2_1"
    known = {}
    for name, picture in (
        ("the painting", painting()),
        ("the photograph in its colours", matched()),
        ("the result", painted()),
    ):
        with torch.no_grad():
            known[name] = statistics(encoder().features(picture[None], [layer])[layer])
    target = StyleTarget.of(known["the painting"], "moments")
    # Channels that act alike stand side by side: ordered by angle in the painting's two main directions.
    deviation = target.covariance.diagonal().clamp_min(1e-9).sqrt()
    _, vectors = torch.linalg.eigh(target.covariance / torch.outer(deviation, deviation))
    order = torch.atan2(vectors[:, -2], vectors[:, -1]).argsort()
    scale = torch.outer(deviation, deviation)
    figure, row = plt.subplots(1, 3, figsize=(9.6, 3.6), layout="constrained")
    for axes, (name, stats) in zip(row, known.items(), strict=True):
        error = float(target.error(stats)[0])
        print(f"  {name}: style error {error:.3f} at {layer}")
        matrix = (stats.covariance / scale)[order][:, order]
        image = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_title(f"{name}\nerror {error:.3f}", fontsize=9, color=INK)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(f"{len(matrix)} channels of {layer}", fontsize=8, color=INK)
    bar = figure.colorbar(image, ax=row, shrink=0.75, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["never\ntogether", "unrelated", "always\ntogether"], fontsize=8)
    return figure


def strength() -> Figure:
    """The same picture at six strengths."""
    values = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    pictures = [paint(SMALL, strength=value, iterations=60) for value in values]
    return panels(pictures, [f"strength {value:g}" for value in values], 3)


def variation() -> Figure:
    """A detail without and with total variation."""
    values = (0.0, 0.2, 1)
    pictures = [paint(SMALL, tv=value, iterations=60)[:, 20:84, 40:136] for value in values]
    return panels(pictures, [f"tv {value:g}" for value in values], 3)


def scales() -> Figure:
    """Coarse to fine against the full size from the start, for as many iterations."""
    size, iterations = 384, 60
    params = Params(encoder="built-in", iterations=iterations)
    last: dict[tuple[int, int], Tensor] = {}
    for step in stylize(photo(size), [painting(size)], encoder(), params, device=CPU):
        last[step.scale] = step.image
    flat = paint(size, iterations=iterations, coarse_to_fine=False)
    titles = [f"after the scale {w}×{h}" for w, h in last]
    return panels([*last.values(), flat], [*titles, f"{flat.shape[2]}×{flat.shape[1]} from the start"], 2)


def optimiser() -> Figure:
    """How the loss is curved, and what that and the right colours save."""
    params = Params(encoder="built-in")
    scene = Scene(photo(SMALL), [painting()], encoder(), params)
    view = View(scene, scene.size)
    curvature = curvature_of(scene, params, scene.size, lambda: None, 10**9)
    objective = view.objective(params, lambda: None, 10**9)
    recoloured = view.beginning(params)
    model = Preconditioner(curvature, *view.content.shape[1:], CPU)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.5), layout="constrained")
    _draw_curvature(left, curvature)
    shown, lowest = 40, float("inf")
    curves = []
    for name, start, precondition, colour in (
        ("plain L-BFGS from the content", view.content, None, "#999999"),
        ("… from the content in the style's colours", recoloured, None, "#4477aa"),
        ("… and with the preconditioner", recoloured, model, "#cc3311"),
    ):
        run = LBFGS(start, objective, precondition)
        spent, losses = [run.evaluations], [run.here.total]
        while run.evaluations < 2 * shown and run.step():
            spent.append(run.evaluations)
            losses.append(run.here.total)
        lowest = min(lowest, losses[-1])
        curves.append((name, spent, losses, colour))
    for name, spent, losses, colour in curves:
        right.plot(spent, [100 * (loss / lowest - 1) for loss in losses], color=colour, label=name)
        needed = {
            over: next((n for n, x in zip(spent, losses, strict=True) if x <= over * lowest), None)
            for over in (1.5, 1.2, 1.1, 1.05)
        }
        print(f"  {name}: evaluations to that many times the lowest loss {needed}")
    right.set_xlim(1, shown)
    right.set_ylim(2, 1000)
    right.set_yscale("log")
    right.set_xlabel("evaluations", fontsize=9)
    right.set_ylabel("loss above the lowest reached, %", fontsize=9)
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    return figure


def _draw_curvature(axes: Axes, curvature: Tensor) -> None:
    frequency = (torch.arange(len(curvature)) + 0.5) * (0.5**0.5 / len(curvature))
    for name, colour, direction in (
        ("luminance (grey)", "#333333", (1.0, 1.0, 1.0)),
        ("blue to yellow", "#ddaa33", (1.0, 1.0, -2.0)),
        ("red to green", "#cc3311", (1.0, -1.0, 0.0)),
    ):
        unit = torch.nn.functional.normalize(torch.tensor(direction), dim=0)
        axes.plot(frequency, (curvature @ unit @ unit).clamp_min(1e-5), color=colour, label=name)
    axes.set_yscale("log")
    axes.set_xlim(0, 0.6)
    axes.set_xlabel("frequency, cycles per pixel", fontsize=9)
    axes.set_ylabel("curvature of the content loss", fontsize=9)
    axes.legend(frameon=False, fontsize=8)


def filters() -> Figure:
    """What the first layer has learned, and the picture by learned and by random filters."""
    figure, row = plt.subplots(1, 3, figsize=(9.6, 2.6), layout="constrained", width_ratios=[1, 1.5, 1.5])
    weight = encoder().features_state()["0.weight"]
    weight = weight / weight.abs().amax(dim=(1, 2, 3), keepdim=True)
    energy = weight.sum(1).square().sum((1, 2)) / weight.square().sum((1, 2, 3))
    tiles = torch.nn.functional.pad(
        0.5 + 0.5 * weight[energy.argsort(descending=True)], (0, 1, 0, 1), value=1
    )
    mosaic = tiles.unflatten(0, (8, 8)).permute(2, 0, 3, 1, 4).reshape(3, 32, 32)
    row[0].imshow(mosaic.permute(1, 2, 0)[:-1, :-1], interpolation="nearest")
    row[0].set_title("64 learned filters of conv1_1", fontsize=9, color=INK)
    row[0].axis("off")
    show(row[1], painted(), "painted by the learned filters")
    show(row[2], paint(by=random_encoder(), iterations=100), "by random filters of the same shape")
    return figure


FIGURES: dict[str, tuple[Callable[[], Figure], str]] = {
    "overview": (overview, "jpg"),
    "feature-maps": (feature_maps, "jpg"),
    "content-depths": (content_depths, "jpg"),
    "style-depths": (style_depths, "jpg"),
    "gram": (gram, "jpg"),
    "strength": (strength, "jpg"),
    "variation": (variation, "jpg"),
    "scales": (scales, "jpg"),
    "optimiser": (optimiser, "png"),
    "filters": (filters, "jpg"),
}


def main() -> None:
    """Draw the figures named on the command line, or all."""
    parser = argparse.ArgumentParser(description="Draw the figures of docs/how-it-works.md.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which: {', '.join(FIGURES)} (default: all)"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    arguments = parser.parse_args()
    if unknown := set(arguments.names).difference(FIGURES):
        parser.error(f"There is no figure {', '.join(sorted(unknown))}. Choose from {', '.join(FIGURES)}.")
    mpl.use("Agg")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or FIGURES:
        began = time.monotonic()
        draw, kind = FIGURES[name]
        path = arguments.out / f"{name}.{kind}"
        quality = {"quality": 80, "optimize": True} if kind == "jpg" else {"optimize": True}
        figure = draw()
        figure.savefig(path, dpi=100, pil_kwargs=quality)
        plt.close(figure)
        print(f"{path}: {path.stat().st_size // 1024} KiB, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
