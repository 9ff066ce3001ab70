"""Frames that do not come from the server: they are asked for again, and the docker says what is missing."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock, call

import pytest
from job_records import module, record
from plugin_state import a_document
from test_insertion import Painted

FINAL = "The final frame did not come from the server. Press Insert to ask for it once more."
ANOTHER = "1 frame did not come from the server. Press Insert to ask for it once more."


@pytest.fixture
def painted(part: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda *arguments, **more: Painted(part, monkeypatch, *arguments, **more)


def end(made: Painted, frames: int) -> None:
    """The job is done, and the server has kept so many frames of it."""
    done = {"iteration": 9, "seconds": 1.0, "reason": "completed", "notes": [], "kept_frames": frames}
    made.job.handle("done", done)


def asked(made: Painted) -> list[tuple[int, ...]]:
    """The frames that the server was asked for since this was asked last."""
    calls = [each.args[1] for each in made.network.fetch.call_args_list]
    made.network.fetch.reset_mock()
    return calls


def test_a_frame_that_could_not_be_read_keeps_its_place_and_is_asked_for_again(painted: Any) -> None:
    made = painted()
    made.become_layers(1)
    assert made.insertion.lose(2), "which nobody need know"
    made.become_layers(3)
    assert made.lists == ((1, 3), (2,)) and made.job.owes_frames and made.job.frames_note == ""
    made.insertion.ask_again()
    assert asked(made) == [(2,)]
    made.insertion.ask_again()
    assert asked(made) == [], "there is no answer yet"
    made.come(2)
    assert not made.inserter.put.call_args.args[0].final, "the painter has not asked for it"
    made.inserter.inserted = [1, 2, 3]
    made.inserter.on_inserted(2)
    assert made.lists == ((1, 2, 3), ()) and not made.job.owes_frames


def test_one_that_cannot_be_read_twice_is_told_and_left_to_the_painter(painted: Any) -> None:
    made = painted()
    made.become_layers(1)
    end(made, 3)
    made.insertion.lose(2)
    made.insertion.ask_again()
    assert not made.insertion.lose(2)
    assert made.lists == ((1,), (2,)) and made.job.frames_note == ANOTHER
    assert made.job.owes_frames, "the document offers it when it is opened again"
    made.insertion.ask_again()
    assert asked(made) == [(2,)], "once"
    made.insertion.fetch([2])
    assert asked(made) == [(2,)]
    assert not made.insertion.lose(2), "he hears at once"
    made.insertion.lose(3)
    made.insertion.ask_again()
    made.insertion.lose(3)
    assert made.job.frames_note == f"{ANOTHER} {FINAL}"
    asked(made)
    made.insertion.ask_again(anew=True)
    assert asked(made) == [(2, 3)], "a server answers again"
    made.become_layers(2, 3)
    assert made.lists == ((1, 2, 3), ()) and made.job.frames_note == ""


def test_what_was_asked_for_when_the_connection_was_lost_is_asked_for_again(painted: Any) -> None:
    made = painted()
    made.become_layers(1, 2, 3)
    made.has(1)
    made.insertion.fetch()
    made.come(2)
    asked(made)
    made.insertion.interrupt()
    made.insertion.ask_again()
    assert asked(made) == [(3,)], "the other one has come, and waits"
    made.come(3)
    assert made.inserter.put.call_args.args[0].final, "the painter has asked for it"
    made.insertion.interrupt()
    made.insertion.ask_again()
    assert asked(made) == []


def test_in_place_only_the_latest_lost_frame_is_missed(painted: Any) -> None:
    made = painted("newest")
    for sequence in (1, 2):
        made.insertion.lose(sequence)
    assert made.job.left_out == (2,)
    made.become_layers(3)
    made.insertion.lose(2)
    made.insertion.ask_again()
    assert made.lists == ((3,), ()) and asked(made) == []


def test_of_a_job_that_is_taken_away_no_frame_is_asked_for(painted: Any) -> None:
    made = painted()
    made.insertion.lose(1)
    made.job.wanted = "cancel"
    made.insertion.ask_again(anew=True)
    assert asked(made) == [] and not made.insertion.lose(2) and made.job.left_out == (1,)


def test_an_animation_is_made_of_the_frames_that_there_are_where_the_final_one_is_lost(
    part: Any, painted: Any
) -> None:
    made = painted("animation")
    made.become_layers(1, 2)
    made.insertion.lose(3)
    end(made, 3)
    made.insertion.ask_again()
    assert not made.inserter.animate.called, "it may still come"
    made.insertion.lose(3)
    assert made.inserter.animate.call_count == 1
    made.has(gone=part("host").ANIMATED)
    assert made.job.note.startswith("The frames are an animation now, from time 0 on. The last one is at")
    assert made.job.frames_note == FINAL and made.job.left_out == (3,)
    made.has(1, 2)
    made.inserter.on_changed()
    assert made.inserter.animate.call_count == 1, "the painter has undone it"


def test_it_waits_for_what_is_asked_for_again_and_for_what_waits(painted: Any) -> None:
    made = painted("animation")
    made.become_layers(1)
    made.insertion.lose(2)
    made.come(3)
    made.come(4, final=True)
    made.inserter.inserted = [1, 3]
    made.inserter.on_inserted(3)
    made.inserter.inserted = [1, 3, 4]
    made.inserter.on_inserted(4)
    assert not made.inserter.animate.called, "frame 2 may still come"
    made.insertion.ask_again()
    made.become_layers(2)
    assert made.inserter.animate.call_count == 1
    waiting = painted("animation")
    waiting.become_layers(1)
    waiting.come(2)
    end(waiting, 3)
    for _ in range(2):
        waiting.insertion.lose(3)
        waiting.insertion.ask_again()
    assert not waiting.inserter.animate.called
    waiting.inserter.inserted = [1, 2]
    waiting.inserter.on_inserted(2)
    assert waiting.inserter.animate.call_count == 1


def test_no_animation_is_made_of_what_the_painter_takes_away(painted: Any) -> None:
    made = painted("animation")
    made.become_layers(1, 2)
    made.come(4)
    end(made, 5)
    for _ in range(2):
        made.insertion.lose(5)
        made.insertion.ask_again()
    made.inserter.close = lambda: made.inserter.on_skipped(4)
    made.insertion.close()
    assert not made.inserter.animate.called


# What the plugin makes of what the server tells.


def lost(part: Any, root: Any, sequence: int = 2) -> None:
    words = {"message": f"Frame {sequence} is no longer in the data folder.", "hint": "See its log."}
    told = {"job": "a", "of": "frame", "code": "frame_lost", "field": "", "sequence": sequence, **words}
    root._handle(part("backend.wire").events.Event("error", told))


def test_a_lost_frame_is_told_once_asking_again_was_in_vain(part: Any, root: Any) -> None:
    insertion = root.insertion(root.jobs[0])
    insertion.lose.return_value = True
    root._asking.start.reset_mock()
    lost(part, root)
    insertion.lose.assert_called_once_with(2)
    assert root.message == "" and root._asking.start.called
    insertion.ask_again.reset_mock()
    root._ask_again()
    assert insertion.ask_again.mock_calls == [call(False)]
    insertion.lose.return_value = False
    lost(part, root)
    assert root.message == "Frame 2 is no longer in the data folder. See its log."


def test_lost_frames_are_asked_for_once_a_server_answers_again(part: Any, root: Any) -> None:
    def tell(kind: str, **fields: Any) -> list[Any]:
        insertion.reset_mock()
        root._handle(part("backend.wire").events.Event(kind, {"job": "", **fields}))
        return [each for each in insertion.mock_calls if each[0] in ("interrupt", "ask_again")]

    insertion = root.insertion(root.jobs[0])
    assert tell("connected", devices=[])[0] == call.ask_again(True)
    assert tell("disconnected", reason="It ended.") == [call.interrupt(), call.ask_again(False)]
    assert tell("unreachable", reason="Its program is gone.") == [call.interrupt()]
    assert tell("connected", devices=[])[0] == call.ask_again(True)


@pytest.mark.parametrize(("state", "is_open"), [("done", False), ("running", True), ("", True)])
def test_a_job_that_is_done_and_has_lost_its_final_frame_does_not_stay_open(
    part: Any, state: str, is_open: bool
) -> None:
    remembered = record()
    remembered.keep("{1}", module().FrameRecord(1, 1, 0))
    documents = part("model.documents").Documents(Mock())
    document = a_document(remembered)
    documents.look(document, ())
    known = {"state": state} if state else {}
    frames = [{"sequence": 1, "final": False}]
    event = part("backend.wire").events.Event("frames", {"job": "a", "frames": frames, **known})
    assert documents.handle(event)
    assert documents.history(document).jobs["a"].is_open == is_open and bool(documents.offers) == is_open
