"""The engine on GPUs, as far as that shows without one: everything on one device, in numbers that it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from engine_helpers import picture, stripes
from pretend_device import PretendDevice, is_there
from torch import Tensor

from nst_server import device as devices
from nst_server import weights
from nst_server.engine.control import Control
from nst_server.engine.regions import Regions
from nst_server.engine.state import State
from nst_server.engine.stylize import Step, stylize
from nst_server.engine.vgg import Encoder
from nst_server.wire.params import Params

DEVICES = ("cuda", "mps")
#: Just so large that there are two scales, 120 and 144 px.
SIZE = WIDTH, HEIGHT = 144, 20
QUICK = Params(
    scale_iterations=(2, 3),
    scale_step=1.2,
    content_layers={"conv1_2": 1.0, "conv1_1@2": 1.0},
    style_layers={"conv2_1": 1.0, "conv1_2@2": 1.0},
)


@cache
def filters() -> dict[str, Tensor]:
    """Random ones of VGG's first three convolutions: its own code is to be tried, not a stand-in's."""
    generator, state = torch.Generator().manual_seed(0), {}
    for conv in weights.convolutions("vgg19")[:3]:
        shape = (conv.outputs, conv.inputs, 3, 3)
        state[f"{conv.position}.weight"] = (
            torch.randn(shape, generator=generator) * (2 / (9 * conv.inputs)) ** 0.5
        )
        state[f"{conv.position}.bias"] = torch.zeros(conv.outputs)
    return state


def canvas_alpha() -> Tensor:
    """Of a canvas with a hole, and something half transparent."""
    alpha = torch.ones(HEIGHT, WIDTH)
    alpha[:10, :30], alpha[10:13] = 0.0, 0.4
    return alpha


def style_alpha() -> Tensor:
    alpha = torch.ones(32, 32)
    alpha[:6] = 0.0
    return alpha


def regions() -> Regions | None:
    """Of two styles that overlap, and leave a part of the picture to neither."""
    first, second = torch.zeros(2, HEIGHT, WIDTH)
    first[:, :70], second[:, 60:130] = 1.0, 0.7
    return Regions.of([first, second], SIZE)


def run(
    pretend: PretendDevice,
    params: Params,
    *,
    changes: Sequence[dict[str, Any]] = (),
    stop: int | None = None,
    **more: Any,
) -> list[Step]:
    """The steps of a run on the device. ``changes``: live, one after each step; ``stop``: after that step."""
    with pretend:
        device = torch.device(pretend.device.type)
        encoder = Encoder("vgg19", filters()).to(device)
        control, coming, found = Control(params), list(changes), []
        content, styles = picture(WIDTH, HEIGHT), [stripes(), picture(28, 36, seed=1)]
        for step in stylize(content, styles, encoder, params, device=device, control=control, **more):
            found.append(step)
            assert is_there(step.image) and is_there(step.whole())
            control.stop = len(found) == stop
            if coming:
                control.params = control.params.updated(coming.pop(0))
        assert not coming
        return found


@pytest.fixture(params=DEVICES)
def pretend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> PretendDevice:
    # A real one would be asked, and here is none.
    monkeypatch.setattr(devices, "memory_available", lambda _device: 6 << 30)
    return PretendDevice(request.param)


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as it comes": ({}, {}),
    "plain-lbfgs, canvas with a hole": (
        {"optimiser": "plain-lbfgs", "style_loss": "moments", "tv": 0.3, "tv_points": 9},
        {"influence": canvas_alpha()},
    ),
    "adam, regions, other colours on the way": (
        {"optimiser": "adam", "averaging": 0.8, "style_loss": "gram"},
        {
            "influence": canvas_alpha(),
            "regions": regions(),
            "style_alphas": [style_alpha(), None],
            "changes": [
                {"style_weights": [0, 1]},
                {"keep_colours": "luminance", "luminance_space": "lab"},
                {"keep_colours": "histogram"},
            ],
        },
    ),
    "normalised, deterministic, weaker on the way": (
        {"normalise_gradients": True, "deterministic": True, "strength": 0.3},
        {
            "regions": regions(),
            "changes": [
                {"keep_colours": "moments"},
                {"strength": 0.1},
                {"keep_colours": "no"},
                {"keep_colours": "luminance", "luminance_space": "luv"},
            ],
        },
    ),
    "a start from everything": (
        {"start": "noise:.3+style:.2+style-statistics:.3+image:.2", "keep_colours": "luminance"},
        {
            "start": picture(50, 40, seed=2),
            "start_alpha": torch.ones(40, 50).tril(),
            "influence": canvas_alpha(),
            "regions": regions(),
            "style_alphas": [style_alpha(), None],
        },
    ),
    "too little memory": ({}, {"influence": canvas_alpha(), "starved": 1}),
    "stopped, then enlarged": ({}, {"influence": canvas_alpha(), "stop": 1}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_stays_on_its_device(pretend: PretendDevice, case: str) -> None:
    params, more = CASES[case]
    found = run(pretend, replace(QUICK, **params), **more)
    assert found[-1].final and len(found) > 1
    assert not pretend.findings


@pytest.mark.parametrize("optimiser", ["lbfgs", "plain-lbfgs", "adam"])
def test_a_run_that_was_interrupted_goes_on_on_its_device(pretend: PretendDevice, optimiser: str) -> None:
    # Of little to compute: here it is about what the optimisers remember.
    params = replace(QUICK, optimiser=optimiser, content_layers={"conv1_1": 1}, style_layers={"conv1_1": 1})
    whole = run(pretend, params)
    *_, last = run(pretend, params, resume=on_cpu(pretend, whole[2]))
    assert last.image.equal(whole[-1].image)
    assert not pretend.findings


def test_a_run_that_goes_on_from_a_frame_stays_on_its_device(pretend: PretendDevice) -> None:
    more = {"influence": canvas_alpha(), "regions": regions()}
    *_, before = run(pretend, QUICK, **more)
    with pretend:
        frame = before.image.cpu()
    frame[:, 12:, 60:80] = 0.9
    params = replace(QUICK, start="image", iterations=3, scale_iterations=(3,))
    run(pretend, params, start=frame, continues=True, earlier=on_cpu(pretend, before), **more)
    assert not pretend.findings


def on_cpu(pretend: PretendDevice, step: Step) -> State:
    """What a checkpoint or the worker's memory has of ``step``."""
    with pretend:
        return step.state.on("cpu")


def test_what_the_engine_leaves_behind_is_found(
    pretend: PretendDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else that nothing is found could mean that nothing is looked at.
    monkeypatch.setattr(Regions, "to", lambda self, device: self)
    run(pretend, QUICK, regions=regions(), stop=1)
    assert any("tensors of two devices" in finding for finding in pretend.findings)
    assert not any(finding.startswith("test_") for finding in pretend.findings), "it names the engine's line"


# What a GPU refuses, and what it does, with a tensor ``here`` on the CPU and one ``there``.
MIXED = {
    "a sum": lambda here, there: here + there,
    "a sum in place": lambda here, there: there.add_(here),
    "a single number that is to hold the sum": lambda here, there: here.sum().add_(there.sum()),
    "joined numbers": lambda here, there: torch.stack([here.sum(), there.sum()]),
    "a picture on the CPU by an index": lambda here, there: here[there > 0],
    "parts that are set": lambda here, there: there.__setitem__(torch.tensor([0, 1]), here),
    "a row": lambda here, there: next(iter(there)) + here[0],
    "a part": lambda here, there: there.unbind()[0] + here[0],
    "what was moved back": lambda here, there: there.to("cpu") + there,
    "what was made like it": lambda here, there: torch.zeros_like(there) + here,
    "a gradient that comes in": lambda here, there: gradient(there, here),
    "a gradient that comes out": lambda here, there: gradient(there, there) + here,
    "the filters": lambda here, there: torch.nn.Conv1d(2, 2, 1)(there),
}
OF_NUMPY = {
    "numpy": lambda here, there: there.numpy(),
    "asarray": lambda here, there: np.asarray(there),
}
OF_GENERATORS = {
    "made": lambda here, there: torch.rand(2, device=there.device, generator=torch.Generator()),
    "filled": lambda here, there: there.normal_(generator=torch.Generator()),
}
DOUBLE = {
    "converted": lambda here, there: there.double(),
    "moved": lambda here, there: here.double().to(there.device),
    "made": lambda here, there: torch.zeros(2, dtype=torch.float64, device=there.device),
    "a sum": lambda here, there: there.sum(dtype=torch.float64),
    "complex": lambda here, there: there.to(torch.complex128),
}
ALLOWED = {
    "a number": lambda here, there: there * 2 + torch.tensor(1.0),
    "an index on the CPU": lambda here, there: there[torch.tensor([1, 0])],
    "numbers of it": lambda here, there: [float(there.sum()), there.tolist(), there[0, 0].item()],
    "moved to it": lambda here, there: here.to(there) + here.to(there.device) + there,
    "moved from it": lambda here, there: there.cpu() + there.to("cpu") + here,
    "a part that is set": lambda here, there: there.__setitem__(0, here[0]),
    "copied": lambda here, there: [here.copy_(there), there.copy_(here)],
    "float64 on the CPU": lambda here, there: there.cpu().double().to(there),
    "NumPy's on the CPU": lambda here, there: np.asarray(there.detach().cpu()),
    "a generator of the CPU": lambda here, there: (
        torch.rand(2, generator=torch.Generator()).to(there) + there
    ),
}


def gradient(at: Tensor, coming_in: Tensor) -> Tensor:
    leaf = at.detach().requires_grad_()
    (found,) = torch.autograd.grad(leaf.square(), leaf, coming_in)
    return found


def findings(device: str, attempt: Any) -> list[str]:
    pretend, here = PretendDevice(device), torch.eye(2)
    with pretend:
        there = torch.ones(2, 2, device=device)
        assert there.device == pretend.device != here.device == torch.device("cpu")
        assert not there.is_cpu and getattr(there, f"is_{device}")
        attempt(here, there)
    return pretend.findings


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "attempts, what",
    [
        (MIXED, "tensors of two devices"),
        (OF_NUMPY, "NumPy cannot read it"),
        (OF_GENERATORS, "a generator of the CPU"),
        (DOUBLE, "float64 on MPS"),
    ],
)
def test_the_pretended_device_finds_what_a_real_one_refuses(
    device: str, attempts: dict[str, Any], what: str
) -> None:
    for name, attempt in attempts.items():
        found = findings(device, attempt)
        if what == "float64 on MPS" and device != "mps":
            assert not found, name
        else:
            assert len(found) == 1 and what in found[0], name
            assert found[0].startswith("test_devices.py:"), name


@pytest.mark.parametrize("device", DEVICES)
def test_the_pretended_device_finds_nothing_in_what_a_real_one_does(device: str) -> None:
    assert {name: found for name, attempt in ALLOWED.items() if (found := findings(device, attempt))} == {}
