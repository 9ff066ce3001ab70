"""Benchmarks: random jobs hold what the engine promises, and the measures see what they are to see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from engine_helpers import picture, stripes
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nst_server.bench import optimisers, random_params, robustness
from nst_server.bench.cases import Case, draw, encoder_for
from nst_server.bench.optimisers import Setting
from nst_server.bench.random_images import clouds, noise
from nst_server.bench.robustness import GRAIN_FLOOR, GRAIN_RATIO, Outcome, examined, grain, judged, painted
from nst_server.cli import main
from nst_server.device import threads
from nst_server.wire.params import DEFAULTS, FIELDS, Params
from nst_server.wire.scales import check_layers


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_random_jobs_hold_what_is_promised(number: int) -> None:
    """The same as ``nst bench robustness``, which goes through thousands."""
    with threads(1):
        assert judged(draw(0, number), number).faults == ()


def test_rounds_draw_every_parameter() -> None:
    drawn = [draw(1, number) for number in range(200)]
    changed = {name for case in drawn for name in case.params.to_header()}
    assert changed == set(FIELDS)
    live = {name for case in drawn for changes in case.changes.values() for name in changes}
    assert live == {name for name, meta in FIELDS.items() if meta.get("live")}
    assert {case.repeat for case in drawn} == {"", "whole", "resumed"}
    for wanted in ("influence", "start", "stop"):
        assert {getattr(case, wanted) is None for case in drawn} == {True, False}
    assert {1, 2, 3} == {len(case.styles) for case in drawn}
    assert any(case.regions() for case in drawn)
    assert any(min(case.size) == 1 for case in drawn)
    for case in drawn:
        check_layers(case.params)  # no server would take other ones


def test_a_parameter_of_a_new_kind_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_params, "DEFAULTS", replace_attribute(DEFAULTS, "seed", object()))
    with pytest.raises(TypeError, match="seed is of a kind"):
        for _ in range(20):
            random_params.random_params(Random(0), 1)


def replace_attribute(params: Params, name: str, value: object) -> object:
    class Changed:
        def __getattr__(self, asked: str) -> Any:
            return value if asked == name else getattr(params, asked)

    return Changed()


def test_a_round_is_the_same_again() -> None:
    first, second, other = draw(3, 7), draw(3, 7), draw(3, 8)
    assert first.described() == second.described() != other.described()
    assert first.content.equal(second.content)
    assert all(a.equal(b) for a, b in zip(first.styles, second.styles, strict=True))


@pytest.mark.parametrize("size", [(24, 20), (64, 64), (128, 96)])
def test_grain_tells_noise_from_pictures(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    allowed = max(grain(clouds(generator, size)) for _ in range(5))
    # What the tutorials' loop leaves when it blows up: pixels thrown into the corners of the colour cube.
    blown_up = noise(generator, size).round()
    for bad in (noise(generator, size), blown_up):
        assert grain(bad) > GRAIN_RATIO * max(allowed, GRAIN_FLOOR / GRAIN_RATIO)
    assert grain(stripes(*size)) < GRAIN_RATIO * grain(stripes(*size)) + GRAIN_FLOOR
    assert grain(torch.full((3, size[1], size[0]), 0.3)) < 1e-6


def quick_case(**more: Any) -> Case:
    params = Params(encoder="vgg19", content_layers={"conv1_2": 1}, style_layers={"conv1_1": 1}, iterations=4)
    case = Case(
        params=params,
        content=picture(24, 20),
        styles=[picture(20, 20, seed=1)],
        influence=None,
        masks=[None],
        start=None,
        changes={},
        stop=None,
        repeat="",
    )
    return replace(case, **more)


def test_faults_are_seen() -> None:
    case = quick_case()
    encoder = encoder_for(case)
    steps = painted(case, encoder)
    assert examined(case, steps, encoder)[0] == []
    final = steps[-1]

    def faults(**changes: Any) -> str:
        return "; ".join(examined(case, [*steps[:-1], replace(final, **changes)], encoder)[0])

    generator = torch.Generator().manual_seed(0)
    assert "is noise" in faults(image=noise(generator, (24, 20)))
    assert "not finite" in faults(image=final.image / 0)
    assert "leaves the range" in faults(image=final.image + 1)
    assert "not final at" in faults(image=final.image[:, :5])
    assert "the loss rose from" in faults(losses={**final.losses, "total": 2.0})
    assert "a loss at iteration" in faults(losses={**final.losses, "content": float("nan")})


@pytest.mark.parametrize("repeat", ["whole", "resumed"])
def test_other_bits_are_seen(repeat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = quick_case(repeat=repeat, changes={2: {"strength": 0.8}})
    assert judged(case, 0).faults == ()
    honest, calls = robustness.painted, []

    def restless(*arguments: Any) -> Any:
        calls.append(arguments)
        steps = honest(*arguments)
        return [*steps[:-1], replace(steps[-1], image=steps[-1].image * (1 - 1e-6 * len(calls)))]

    monkeypatch.setattr(robustness, "painted", restless)
    assert "the picture differs by" in judged(case, 0).faults[0]


def test_colours_that_change_leave_regions_where_they_are() -> None:
    """Gone on with afterwards, styles met along other edges of the content than without an interruption."""
    half = torch.zeros(20, 24)
    half[:, :12] = 1
    case = quick_case(
        masks=[half, None],
        styles=[picture(20, 20, seed=1), stripes(20, 20)],
        changes={2: {"keep_colours": "luminance"}},
        repeat="resumed",
    )
    assert judged(replace(case, params=replace(case.params, iterations=8)), 0).faults == ()


def test_an_exception_is_a_fault() -> None:
    case = quick_case(params=Params(encoder="vgg19", start="image"))
    (fault,) = judged(case, 0).faults
    assert fault.startswith("ValueError: There is no image to start from.")


def test_robustness_writes_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "found.json"
    assert main(["bench", "robustness", "--rounds", "2", "--seed", "4", "--json", str(file)]) == 0
    found = json.loads(file.read_text("utf-8"))
    assert (found["rounds"], found["seed"], found["failed"], found["failures"]) == (2, 4, 0, [])
    assert found["torch"] == torch.__version__
    assert "2 of 2 rounds" in capsys.readouterr().out


def outcome(number: int, *faults: str) -> Outcome:
    return Outcome(number, draw(0, number).described(), faults, 0.1)


def test_a_failure_is_told_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(robustness, "judged", lambda case, number, weights: outcome(number, "it broke"))
    file = tmp_path / "found.json"
    assert main(["bench", "robustness", "--round", "5", "--json", str(file)]) == 1
    (failure,) = json.loads(file.read_text("utf-8"))["failures"]
    assert failure["again"] == "nst bench robustness --seed 0 --round 5"
    assert failure["faults"] == ["it broke"]
    assert Params.from_header(failure["params"]) == draw(0, 5).params
    assert "round 5: it broke" in capsys.readouterr().err


def test_interrupted_it_writes_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Iterator[Outcome]:
        yield outcome(0)
        raise KeyboardInterrupt

    monkeypatch.setattr(robustness, "rounds", interrupted)
    file = tmp_path / "found.json"
    assert main(["bench", "robustness", "--json", str(file)]) == 130
    assert json.loads(file.read_text("utf-8"))["rounds"] == 1


def test_optimisers_lower_one_loss_from_one_start() -> None:
    setting = Setting("pair", picture(24, 20), stripes(24, 20), "default", 0.5)
    with threads(1):
        (found,) = optimisers.measured([setting], 12)
    curves = found["losses"]
    assert len(curves) == 5
    assert all(len(losses) == 12 for losses in curves.values())
    starts = [losses[0] for losses in curves.values()]
    assert starts == pytest.approx([starts[0]] * 5, rel=1e-6)
    for name in ("preconditioned L-BFGS", "plain L-BFGS", "Adam"):
        assert min(curves[name]) < 0.8 * starts[0]


def test_counts_of_evaluations() -> None:
    losses = [1.0, 0.5, float("nan"), 0.7, 0.2]
    assert optimisers.lowest_so_far(losses) == [1.0, 0.5, 0.5, 0.5, 0.2]
    assert optimisers.needed(losses, 0.5) == 2
    assert optimisers.needed(losses, 0.1) is None
    assert not optimisers.has_blown_up(losses)
    assert optimisers.has_blown_up([*losses, 2.1])
    assert optimisers.has_blown_up([*losses, float("nan")])
    results = [{"title": "one", "losses": {"a": [1.0, 0.2, 0.1], "b": [1.0, 0.5, 0.12]}}]
    rows = optimisers.table(results)
    assert rows[0] == ["setting", "within", "a", "b"]
    assert rows[1:] == [["one", "50 %", "3", "3"], ["", "20 %", "3", "3"], ["", "5 %", "3", "–"]]


def test_optimisers_draws_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, curves = tmp_path / "found.json", tmp_path / "curves.png"
    given, style = tmp_path / "small.png", tmp_path / "style.png"
    Image.radial_gradient("L").resize((20, 16)).convert("RGB").save(given)
    Image.linear_gradient("L").resize((16, 20)).convert("RGB").save(style)
    arguments = ["bench", "optimisers", "--content", str(given), "--style", str(style), "--size", "16"]
    arguments += ["--strength", "0.5", "--evaluations", "3"]
    assert main([*arguments, "--json", str(file)]) == 0
    assert main([*arguments, "--beside", str(file), "--out", str(curves)]) == 0
    assert "built-in, default layers, small, strength 0.5" in capsys.readouterr().out
    with Image.open(curves) as drawn:
        assert drawn.size > (300, 100)
    assert main([*arguments, "--strength", "2"]) == 2
    assert main([*arguments, "--beside", str(given)]) == 2


@pytest.mark.parametrize("option", ["--json", "--out"])
@pytest.mark.parametrize("read", ["--content", "--style", "--beside", "--weights"])
def test_what_is_read_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], read: str, option: str
) -> None:
    file = tmp_path / "read.png"
    file.write_text("read")
    assert main(["bench", "optimisers", read, str(file), option, str(file)]) == 2
    assert f"{option}: {file} is a file that this reads." in capsys.readouterr().err
    assert file.read_text() == "read"


def test_weights_are_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_text("read")
    assert main(["bench", "robustness", "--weights", str(file), "--json", str(file)]) == 2
    assert file.read_text() == "read"
