"""A run as a whole: how its iterations are spent, what it tells, what its numbers depend on."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from engine_helpers import TinyEncoder, picture, stripes

from nst_server import device as devices
from nst_server.engine import stylize as module
from nst_server.engine.objective import Objective
from nst_server.engine.optimisers import LBFGS, Evaluation
from nst_server.engine.stylize import stylize
from nst_server.wire.params import Params

CPU = torch.device("cpu")
QUICK = Params(iterations=12)


def steps(content=None, params=QUICK):
    content = picture() if content is None else content
    return list(stylize(content, [stripes()], TinyEncoder(), params, device=CPU))


def test_a_picture_that_stops_changing_is_told(monkeypatch):
    good, calls = LBFGS.step, iter(range(1, 100))
    monkeypatch.setattr(LBFGS, "step", lambda self: next(calls) not in (4, 7) and good(self))
    taken = steps(picture(260, 20), params=replace(QUICK, iterations=14))
    assert [(s.iteration, s.note) for s in taken if s.note] == [
        (4, "the picture stopped changing after 3 of 8 iterations at 130 px"),
        (5, "the picture stopped changing after 2 of 6 iterations at 260 px"),
    ]
    assert taken[-1].final and taken[-1].total == 5


def test_a_sentence_is_told_once(monkeypatch):
    good, calls = Objective.__call__, iter(range(1, 1000))

    def faulty(self, image):
        here = good(self, image)
        return Evaluation(float("nan"), here.gradient, here.losses) if next(calls) in (14, 16, 19) else here

    monkeypatch.setattr(Objective, "__call__", faulty)
    notes = [s.note for s in steps() if s.note]
    assert notes == ["stepped back from a loss that was not a number"]


def test_iterations_are_spent_as_asked_at_each_scale():
    taken = steps(picture(260, 20), params=Params(scale_iterations=(5, 2)))
    assert [s.scale[0] for s in taken] == [130] * 5 + [260] * 2
    with pytest.raises(ValueError, match="3 numbers, but 260 px are worked at 2 scales"):
        steps(picture(260, 20), params=Params(scale_iterations=(5, 2, 1)))


def test_no_iterations_are_not_for_painting():
    with pytest.raises(ValueError, match="nothing to paint"):
        steps(params=Params(iterations=0, keep_colours="luminance"))


def test_plain_lbfgs_has_no_model_of_the_loss(monkeypatch):
    monkeypatch.setattr(module, "curvature_of", None)
    assert steps(params=replace(QUICK, optimiser="plain-lbfgs"))[-1].losses["total"] < 0.5


def test_deterministic_asks_nobody_how_much_memory_is_free(monkeypatch):
    monkeypatch.setattr(devices, "memory_available", None)
    final = steps(params=replace(QUICK, deterministic=True))[-1]
    assert (final.state.full, final.state.tile) == ((40, 32), 2**20)

    class Hungry(TinyEncoder):
        def features(self, image, layers, check=lambda: None, alpha=None):
            if image.requires_grad and image.shape[3] == 40:
                raise MemoryError
            return super().features(image, layers, check, alpha)

    with pytest.raises(MemoryError):
        list(stylize(picture(), [stripes()], Hungry(), replace(QUICK, deterministic=True), device=CPU))


def test_reproducible_fixes_the_threads_and_gives_them_back():
    before = devices.plan(CPU, "0" * 64)
    with devices.reproducible():
        within = devices.plan(CPU, "0" * 64)
        assert torch.are_deterministic_algorithms_enabled()
        torch.set_num_threads(3)
    with devices.reproducible(False):
        assert devices.plan(CPU, "0" * 64) == before
    assert within["threads"] == 4
    assert devices.plan(CPU, "0" * 64) == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_same_bits_whatever_else_runs_and_however_many_threads_there_were():
    """With other programs on every processor, and in a process that was given another number of threads."""
    content, params = picture(200, 150), replace(QUICK, iterations=4, deterministic=True)
    finals, threads = [], torch.get_num_threads()
    spin = [sys.executable, "-c", "while True: pass"]
    for given, others in ((threads, 0), (threads, 2 * (os.cpu_count() or 1)), (1, 0)):
        beside = [subprocess.Popen(spin) for _ in range(others)]
        torch.set_num_threads(given)
        try:
            with devices.reproducible(params.deterministic):
                finals.append(steps(content, params)[-1])
        finally:
            torch.set_num_threads(threads)
            for process in beside:
                process.kill()
                process.wait()
    for final in finals[1:]:
        assert final.image.equal(finals[0].image)
        assert final.losses == finals[0].losses
