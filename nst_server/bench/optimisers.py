"""How soon optimisers lower one and the same loss, from one and the same start, at one scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from nst_server.bench.cases import loaded
from nst_server.engine.builtin import build_encoder
from nst_server.engine.optimisers import LBFGS, Adam, Evaluation, Objective
from nst_server.engine.preconditioner import Preconditioner, curvature_of
from nst_server.engine.pyramid import resize
from nst_server.engine.scene import Scene
from nst_server.engine.vgg import Encoder
from nst_server.engine.view import View
from nst_server.wire.params import Params
from nst_server.wire.scales import fit_longest

_CPU = torch.device("cpu")
_WHOLE = 10**9  # px that a style is read at a time: all
_HISTORY = 100  # pairs, of the tutorials' loop
#: Parts by which a loss may still be above the lowest that any run has reached, for the table.
WITHIN = (0.5, 0.2, 0.05)
#: From how many times its lowest loss on a run has blown up, as ``Adam.blow_up``.
BLOWN_UP = 10.0

#: Layers by name: of the content and of the style; None: the encoder's defaults.
LAYERS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]] | None] = {
    "default": None,
    "shallow": (("conv2_2",), ("conv1_1", "conv2_1", "conv3_1")),
    "middle": (("conv3_1",), ("conv1_1", "conv2_1", "conv3_1", "conv4_1")),
    # Gatys, Ecker & Bethge 2016.
    "deep": (("conv4_2",), ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")),
}


@dataclass(frozen=True)
class Setting:
    """What is optimised: ``content`` [3, H, W] and ``style`` [3, h, w] in [0, 1], and the ``pair``'s name."""

    pair: str
    content: Tensor
    style: Tensor
    layers: str
    strength: float
    weights_path: Path | None = None

    @classmethod
    def of(
        cls,
        pair: str,
        images: tuple[Tensor, Tensor],
        longest: int,
        layers: str,
        strength: float,
        path: Path | None,
    ) -> Setting:
        """The same from content and style of any size, brought to this longest side.

        Raises InvalidParams for a strength out of range, WeightsError for weights that cannot be used.
        """
        content, style = (
            resize(image.contiguous(), fit_longest((image.shape[2], image.shape[1]), longest))
            for image in images
        )
        setting = cls(pair, content, style, layers, strength, path)
        _ = setting.params
        return setting

    @property
    def encoder_name(self) -> str:
        """The encoder, as ``Params.encoder`` has it. Raises WeightsError."""
        return "built-in" if self.weights_path is None else loaded(self.weights_path).name

    @property
    def params(self) -> Params:
        """The parameters of the job. Raises WeightsError."""
        chosen = LAYERS[self.layers]
        content, style = chosen or ((), ())
        return Params(
            encoder=self.encoder_name,
            strength=self.strength,
            content_layers=dict.fromkeys(content, 1.0),
            style_layers=dict.fromkeys(style, 1.0),
        )

    def encoder(self) -> Encoder:
        """The encoder of the job. Raises WeightsError."""
        if self.weights_path is not None:
            found = loaded(self.weights_path)
            return Encoder(found.name, found.state)
        chosen = LAYERS[self.layers]
        layers = (*chosen[0], *chosen[1]) if chosen else ("conv3_1",)
        return build_encoder(self.content, [self.style], layers=layers)

    @property
    def title(self) -> str:
        """What tells it from the others. Raises WeightsError."""
        name = self.encoder_name.replace("vgg", "VGG")
        return f"{name}, {self.layers} layers, {self.pair}, strength {self.strength:g}"


class _Spent(Exception):
    """All evaluations have been made."""


class _Counted:
    """An objective that writes down each loss, and ends the run after so many evaluations."""

    def __init__(self, objective: Objective, evaluations: int) -> None:
        self._objective, self._evaluations = objective, evaluations
        self.losses: list[float] = []

    def __call__(self, image: Tensor) -> Evaluation:
        if len(self.losses) == self._evaluations:
            raise _Spent
        found = self._objective(image)
        self.losses.append(found.total)
        return found


Run = Callable[[Tensor, _Counted], None]


def _steps(optimiser: LBFGS | Adam) -> None:
    while optimiser.step():
        pass


def _torch_lbfgs(line_search: str | None) -> Run:
    """The loop of the public tutorials: ``torch.optim.LBFGS``, pixels clamped inside the closure."""

    def run(start: Tensor, objective: _Counted) -> None:
        image = start.clone().requires_grad_()
        optimiser = torch.optim.LBFGS(
            [image],
            max_iter=_WHOLE,
            max_eval=_WHOLE,
            history_size=_HISTORY,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn=line_search,
        )
        # Its tests of curvature are absolute, for losses as large as theirs; ours is 1 at the start.
        unit = image.numel()

        def closure() -> float:
            with torch.no_grad():
                image.clamp_(0, 1)
            here = objective(image.detach())
            image.grad = here.gradient * unit
            return here.total * unit

        optimiser.step(closure)  # type: ignore[no-untyped-call]

    return run


def _runs(setting: Setting, scene: Scene, view: View) -> dict[str, Run]:
    """The optimisers by name; the first is the engine's default."""

    def preconditioned(start: Tensor, objective: _Counted) -> None:
        curvature = curvature_of(scene, setting.params, view.size, lambda: None, _WHOLE)
        _steps(LBFGS(start, objective, Preconditioner(curvature, view.size[1], view.size[0], _CPU)))

    return {
        "preconditioned L-BFGS": preconditioned,
        "plain L-BFGS": lambda start, objective: _steps(LBFGS(start, objective)),
        "Adam": lambda start, objective: _steps(Adam(start, objective)),
        "tutorials' L-BFGS": _torch_lbfgs(None),
        "the same, strong Wolfe": _torch_lbfgs("strong_wolfe"),
    }


def measured(settings: Sequence[Setting], evaluations: int) -> Iterator[dict[str, Any]]:
    """For each setting its curves, as JSON values: optimiser → loss at each evaluation.

    The eight evaluations of the preconditioner's probe, at 128 px at most, are not among them.
    Raises WeightsError.
    """
    for setting in settings:
        scene = Scene(setting.content, [setting.style], setting.encoder(), setting.params)
        view = View(scene, scene.size)
        objective = view.objective(setting.params, lambda: None, _WHOLE)
        start = view.beginning(setting.params)
        losses, seconds = {}, {}
        for name, run in _runs(setting, scene, view).items():
            counted, began = _Counted(objective, evaluations), perf_counter()
            with suppress(_Spent):
                run(start, counted)
            losses[name], seconds[name] = counted.losses, round(perf_counter() - began, 1)
        yield {
            "title": setting.title,
            "size": view.size,
            "params": setting.params.to_header(),
            "seconds": seconds,
            "losses": losses,
        }


def lowest_so_far(losses: Sequence[float]) -> list[float]:
    """The lowest of ``losses`` up to each evaluation; what is not a number counts as infinite."""
    found, lowest = [], math.inf
    for loss in losses:
        lowest = min(lowest, loss if math.isfinite(loss) else math.inf)
        found.append(lowest)
    return found


def needed(losses: Sequence[float], level: float) -> int | None:
    """How many evaluations it took to come to ``level`` or below; None: it never did."""
    return next((count for count, loss in enumerate(losses, 1) if loss <= level), None)


def has_blown_up(losses: Sequence[float]) -> bool:
    """Whether the last loss is no number or far above the lowest."""
    return not losses[-1] <= BLOWN_UP * min(lowest_so_far(losses))


def table(results: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Rows of cells, the heading first: evaluations until within so much of the lowest loss of any run."""
    names = list(results[0]["losses"])
    rows = [["setting", "within", *names]]
    for result in results:
        curves = result["losses"]
        lowest = min(lowest_so_far(losses)[-1] for losses in curves.values())
        for part in WITHIN:
            cells = [needed(curves[name], (1 + part) * lowest) for name in names]
            shown = [
                "–" if cell is None else f"{cell}{' (blew up)' * has_blown_up(curves[name])}"
                for cell, name in zip(cells, names, strict=True)
            ]
            rows.append([result["title"] if part == WITHIN[0] else "", f"{100 * part:g} %", *shown])
    return rows


def draw(results: Sequence[Mapping[str, Any]], file: Path, columns: int = 4) -> None:
    """A picture of all curves: how far each run is above the lowest loss of any, by evaluations."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = min(columns, len(results))
    lines = -(-len(results) // columns)
    figure, grid = plt.subplots(
        lines, columns, figsize=(3.1 * columns, 2.3 * lines + 0.4), layout="constrained", squeeze=False
    )
    for axes in grid.flat[len(results) :]:
        axes.set_visible(False)
    for axes, result in zip(grid.flat, results, strict=False):
        curves = {name: lowest_so_far(losses) for name, losses in result["losses"].items()}
        lowest = min(losses[-1] for losses in curves.values())
        for (name, losses), colour in zip(curves.items(), _COLOURS, strict=True):
            above = [100 * (loss / lowest - 1) for loss in losses]
            axes.plot(range(1, len(above) + 1), above, color=colour, label=name, linewidth=1.3)
        encoder, layers, pair = result["title"].split(", ", 2)
        axes.set_title(f"{encoder}, {layers}\n{pair}", fontsize=8)
        axes.set_yscale("log")
        axes.set_ylim(1, 1000)
        axes.set_xlim(left=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7)
    for axes in grid[:, 0]:
        axes.set_ylabel("above the lowest, %", fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("evaluations", fontsize=8)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    figure.savefig(file, dpi=110)
    plt.close(figure)


_COLOURS = ("#cc3311", "#4477aa", "#ddaa33", "#999999", "#333333")
