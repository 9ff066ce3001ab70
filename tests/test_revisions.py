"""Frames and progress are told with the revision of the parameters that made them, not of the latest ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from engine_helpers import QUICK, TinyEncoder, picture, stripes

from nst_server.engine.control import Control
from nst_server.engine.step import Step
from nst_server.engine.stylize import stylize
from nst_server.wire.messages import Message
from nst_server.wire.params import Params
from nst_server.worker.reins import Reins

PLAIN = replace(QUICK, iterations=6, coarse_to_fine=False)
STRONG = {"strength": 0.9}


class Updates:
    """A link that brings these updates at once, numbered from 1."""

    def __init__(self, *params: Params) -> None:
        self._params = list(enumerate(params, start=1))

    def receive(self, _seconds: float = 0.0) -> Message | None:
        if not self._params:
            return None
        revision, params = self._params.pop(0)
        return Message("update", {"job": "job", "revision": revision, "params": params.to_header()})


def reins(*updates: Params) -> Reins:
    task: dict[str, Any] = dict.fromkeys(("previews", "paused", "release", "stop"), False)
    link: Any = Updates(*updates)
    task.update(job="job", params=PLAIN.to_header(), revision=0, download=None)
    return Reins(link, Message("run", task))


def test_a_revision_is_known_by_its_parameters() -> None:
    strong, mild = PLAIN.updated(STRONG), PLAIN.updated({"strength": 0.2})
    held = reins(strong, mild, strong)
    assert held.revision_of(held.params) == 0
    held.check()
    assert held.params == strong
    assert held.revision_of(PLAIN) == 0, "made before any of them was looked at"
    assert held.revision_of(strong) == 3
    assert held.revision_of(mild) == 3, "the one that was told last, where nothing has just these"


def last_step(change: dict[str, Any], at: int, stop: bool = False) -> Step:
    """The final step of a run into whose step ``at`` a change comes, and perhaps the end."""

    class Late(Control):
        evaluations = 0

        def check(self) -> None:
            self.evaluations += 1
            if self.evaluations == at:
                self.params, self.stop = self.params.updated(change), stop

    control = Late(PLAIN)
    cpu = torch.device("cpu")
    *_, final = stylize(picture(), [stripes()], TinyEncoder(), PLAIN, device=cpu, control=control)
    assert control.params != PLAIN
    return final


def test_what_came_too_late_for_the_final_picture_is_not_said_of_it() -> None:
    assert last_step(STRONG, at=20, stop=True).params == PLAIN


def test_what_came_in_time_is() -> None:
    assert last_step(STRONG, at=20).params == PLAIN.updated(STRONG)


def test_colours_are_never_too_late() -> None:
    colours = {"keep_colours": "moments"}
    final = last_step(colours, at=20, stop=True)
    assert final.params == PLAIN.updated(colours)
    assert final.state.params == PLAIN, "what has been learnt is of the colours before"
