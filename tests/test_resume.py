"""Interrupted and uninterrupted runs of one plan: the same steps to the last bit."""

import json
from dataclasses import replace

import pytest
import torch
from engine_helpers import TinyEncoder, picture, stripes

from nst_server import device as devices
from nst_server.engine.control import Control
from nst_server.engine.objective import Objective
from nst_server.engine.optimisers import Evaluation
from nst_server.engine.regions import Regions
from nst_server.engine.state import Parts, State
from nst_server.engine.stylize import stylize
from nst_server.wire.params import Params

CPU = torch.device("cpu")
#: Two scales, 130 and 260 px.
QUICK = Params(iterations=14)


class Live(Control):
    """Changes parameters as a painter does who moves the sliders between two iterations."""

    def __init__(self, params, changes):
        super().__init__(params)
        self.changes = changes

    def heard(self, iteration):
        """What has come by the end of that iteration."""
        if iteration in self.changes:
            self.params = self.params.updated(self.changes[iteration])


def run(params, *, changes=None, resume=None, **more):
    control = Live(params, changes or {})
    if resume is not None:
        for iteration in range(1, resume.iteration + 1):
            control.heard(iteration)
    more = {"content": picture(260, 20), "styles": [stripes()], **more}
    taken = []
    for step in stylize(
        encoder=TinyEncoder(), params=control.params, device=CPU, control=control, resume=resume, **more
    ):
        taken.append(step)
        control.heard(step.iteration)
    return taken


def written_and_read(state):
    """``state`` after a stay on disk."""
    parts = state.parts()
    tensors = {name: tensor.clone() for name, tensor in parts.tensors.items()}
    return State.of(Parts(json.loads(json.dumps(parts.values)), tensors))


def assert_goes_on(params, at, **more):
    whole = run(params, **more)
    for iteration in at:
        state = written_and_read(whole[iteration - 1].state)
        rest = run(params, resume=state, **more)
        assert [s.iteration for s in rest] == [s.iteration for s in whole[iteration:]]
        for ours, theirs in zip(rest, whole[iteration:], strict=True):
            assert ours.image.equal(theirs.image)
            assert ours.losses == theirs.losses
            assert (ours.evaluations, ours.total, ours.scale) == (
                theirs.evaluations,
                theirs.total,
                theirs.scale,
            )
            assert (ours.note, ours.final) == (theirs.note, theirs.final)
    return whole


#: The last iteration of the first scale.
BOUNDARY = 8


@pytest.mark.parametrize("optimiser", ["lbfgs", "plain-lbfgs", "adam"])
def test_the_rest_of_a_run_is_the_same_to_the_bit(optimiser):
    whole = assert_goes_on(replace(QUICK, optimiser=optimiser), [5, BOUNDARY, 11])
    assert whole[BOUNDARY - 1].state.left == 0 and whole[BOUNDARY].state.left > 0


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_with_masks_transparency_two_styles_and_sliders_moved(optimiser):
    left = torch.zeros(20, 260)
    left[:, :150] = 1
    right = 1 - left
    right[:, 200:220] = 0.5
    influence = torch.ones(20, 260)
    influence[5:12, 40:80] = 0.3
    changes = {
        3: {"strength": 0.8},
        6: {"style_weights": (1.0, 0.0), "tv": 0.2},
        BOUNDARY: {"strength": 0.3},
        10: {"style_weights": (1.0, 3.0)},
    }
    assert_goes_on(
        replace(QUICK, optimiser=optimiser),
        [2, 3, BOUNDARY, 9, 10],
        changes=changes,
        styles=[stripes(), picture(40, 40, seed=4)],
        influence=influence,
        regions=Regions.of([left, right], (260, 20)),
    )


@pytest.mark.parametrize("more", [{"start": "noise"}, {"keep_colours": "luminance"}, {"scale_step": 1.414}])
def test_with_other_beginnings_and_ladders(more):
    assert_goes_on(replace(QUICK, **more), [6, 12])


def test_with_colours_changed_on_the_way():
    assert_goes_on(QUICK, [3, 7, 10], changes={5: {"keep_colours": "luminance"}, 9: {"keep_colours": "no"}})


def test_from_an_image():
    params = replace(QUICK, start="image", iterations=8)
    assert_goes_on(params, [3], start=picture(260, 20, seed=9))


def test_decisions_by_memory_are_not_made_again(monkeypatch):
    need = 260 * 20 * 700
    monkeypatch.setattr(devices, "memory_available", lambda device: need)
    whole = run(QUICK)
    assert "not enough memory" in whole[0].note
    monkeypatch.setattr(devices, "memory_available", lambda device: 100 * need)
    rest = run(QUICK, resume=written_and_read(whole[5].state))
    assert rest[-1].image.equal(whole[-1].image)


def test_a_setback_before_is_remembered(monkeypatch):
    good, calls = Objective.__call__, iter(range(10**6))

    def faulty(self, image):
        here = good(self, image)
        return Evaluation(float("nan"), here.gradient, here.losses) if next(calls) == 6 else here

    monkeypatch.setattr(Objective, "__call__", faulty)
    params = replace(QUICK, optimiser="adam", learning_rate=0.05)
    whole = run(params)
    rest = run(params, resume=written_and_read(whole[6].state))
    assert rest[-1].image.equal(whole[-1].image)
    assert rest[-1].losses == whole[-1].losses


def test_running_out_of_memory_after_the_return_keeps_the_picture(monkeypatch):
    whole = run(QUICK)
    state = written_and_read(whole[11].state)
    good = TinyEncoder.features

    def hungry(self, image, layers, *more):
        if image.shape[3] > 135:
            raise MemoryError
        return good(self, image, layers, *more)

    monkeypatch.setattr(TinyEncoder, "features", hungry)
    rest = run(QUICK, resume=state)
    assert [s.iteration for s in rest] == [13, 14]
    assert rest[-1].scale == (130, 10)
    small = torch.nn.functional.adaptive_avg_pool2d(state.image, (10, 130))
    assert float((rest[0].image - small).abs().mean()) < 0.05


def test_stopped_at_once_it_ends_with_the_picture_of_the_state():
    state = written_and_read(run(QUICK)[11].state)
    control = Control(QUICK)
    control.stop = True
    content = picture(260, 20)
    (only,) = stylize(content, [stripes()], TinyEncoder(), QUICK, device=CPU, control=control, resume=state)
    assert only.final and only.iteration == 12
    assert only.image.equal(state.image)


def test_afresh_goes_on_from_the_picture_alone():
    whole = run(QUICK)
    state = whole[11].state.afresh()
    assert set(state.parts().tensors) == {"optimiser.image", "previous"}
    rest = run(QUICK, resume=written_and_read(state))
    assert [s.iteration for s in rest] == [13, 14]
    assert rest[-1].losses["total"] < whole[11].losses["total"]


def test_a_state_from_before_strengths_were_written_down_is_gone_on_with():
    parts = run(QUICK)[9].state.parts()
    values = {name: value for name, value in parts.values.items() if name != "previous_strength"}
    assert len(values) < len(parts.values)
    assert [s.iteration for s in run(QUICK, resume=State.of(Parts(values, parts.tensors)))][-1] == 14


@pytest.mark.parametrize(
    "broken",
    [
        *("no image", "other size", "no number", "params"),
        *({"left": -1}, {"left": "3"}, {"iteration": 1.5}, {"full": [0, 20]}, {"tile": True}),
        *({"queue": [[64, 20]]}, {"queue": [[64, 20, -2]]}, {"seconds_per_pixel": "fast"}),
        *({"previous_strength": 2}, {"previous_strength": "half"}),
        *(float("nan"), float("inf"), "flat"),
    ],
)
def test_what_is_no_state_is_refused(broken):
    parts = run(replace(QUICK, iterations=4))[0].state.parts()
    values, tensors = dict(parts.values), dict(parts.tensors)
    if broken == "no image":
        del tensors["optimiser.image"]
    elif broken == "other size":
        tensors["optimiser.image"] = torch.zeros(3, 4, 4)
    elif broken == "no number":
        del values["left"]
    elif isinstance(broken, dict):
        values.update(broken)
    elif isinstance(broken, float):
        tensors["optimiser.image"] = tensors["optimiser.image"].clone()
        tensors["optimiser.image"][0, 0, 0] = broken
    elif broken == "flat":
        tensors["previous"] = torch.zeros(20, 64)
    else:
        values["params"] = {"strength": "much"}
    with pytest.raises(ValueError):
        State.of(Parts(values, tensors))
