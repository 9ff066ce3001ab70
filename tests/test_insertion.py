"""What the docker knows of frames that the painter undid, hid, or that there was no room for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from job_records import record

PIXELS = {"width": 1, "height": 1, "x": 0, "y": 0, "channels": "RGBA", "bytes": 4, "digest": 64 * "0"}


class Painted:
    """A job in a document, whose layers are ``there``; ``inserter`` stands for the host's."""

    def __init__(
        self, part: Any, monkeypatch: pytest.MonkeyPatch, layers: str = "every", **more: Any
    ) -> None:
        self.part, self.network, self.pen = part, Mock(), Mock()
        self.inserter = Mock(
            inserted=[], gone=None, is_animating=False, is_aside=False, is_shown=True, is_kept=False
        )
        self.inserter.is_out_of_sight, self.inserter.doubled, self.inserter.keeps_redo = False, "", False
        self.inserter.hindrance = part("host.pen").Hindrance()
        self.inserter.id_of, self.inserter.group_id = lambda sequence: f"{{{sequence}}}", "{group}"
        self.inserter.show = lambda sequence: sequence in self.inserter.inserted
        self.opened: list[dict[str, Any]] = []
        model = part("model.document_model")
        monkeypatch.setattr(model.host, "FrameInserter", lambda *_, **options: self.open(options))
        options = more.pop("options", {})
        self.record = record(**more)
        self.record.layers, self.record.settings = layers, {"options": options}
        self.job = model.job_again(self.record, SimpleNamespace(id="document"))
        self.insertion = part("model.insertion").Insertion(
            self.job, Mock(), Mock(), self.pen, self.network, self.record, Mock()
        )

    def open(self, options: dict[str, Any]) -> Any:
        self.opened.append(options)
        self.inserter.__dict__.update(options)
        return self.inserter

    def come(self, sequence: int, final: bool = False) -> None:
        """A frame comes from the server."""
        fields = {"sequence": sequence, "final": final, "kept": True, "iteration": sequence, "revision": 0}
        event = self.part("backend.wire").events.Event("frame", {**fields, "pixels": PIXELS}, b"1234")
        self.job.handle("frame", event.fields)
        self.insertion.put(event)

    def become_layers(self, *sequences: int) -> None:
        for sequence in sequences:
            self.come(sequence)
            self.inserter.inserted = [*self.inserter.inserted, sequence]
            self.inserter.on_inserted(sequence)

    def has(self, *sequences: int, gone: str | None = None) -> None:
        """The painter has undone, redone or deleted frames: the document has these now."""
        self.inserter.inserted, self.inserter.gone = list(sequences), gone
        self.inserter.on_changed() if gone is None else self.inserter.on_gone(gone)

    @property
    def lists(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.job.inserted, self.job.left_out


@pytest.fixture
def painted(part: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda *arguments, **more: Painted(part, monkeypatch, *arguments, **more)


def test_the_document_remembers_a_layer_before_krita_adds_it(painted: Any) -> None:
    made, pending = painted(), []
    made.insertion._write = lambda: pending.append(made.insertion.pending)
    made.come(1)
    made.inserter.on_made(1)  # which takes Krita a while, in which the painter may save
    remembered = [frame.sequence for frame in made.record.frames.values()]
    assert (remembered, made.record.seen, made.job.inserted) == ([1], [1], ())
    made.inserter.inserted = [1]
    made.inserter.on_inserted(1)
    assert made.job.inserted == (1,)
    assert pending == [1, 0], "with the last frame of an ended job the document is told that none will come"


def test_frames_that_an_isolated_layer_keeps_out_of_sight_are_told_of(painted: Any) -> None:
    made = painted()
    made.inserter.is_out_of_sight = True
    made.come(1)
    assert "Isolate Active Layer" in made.job.frames_note, "it waits"
    made.inserter.inserted = [1]
    made.inserter.on_inserted(1)
    assert "Isolate Active Layer" in made.job.frames_note, "it is there, and not seen"
    made.inserter.is_out_of_sight = False
    made.has(1)
    assert made.job.frames_note == ""


def test_frames_that_wait_for_a_dialog_name_it(painted: Any) -> None:
    made = painted()
    made.come(1)
    hindrance = made.part("host.pen").Hindrance
    made.inserter.hindrance = hindrance(dialog="File Saved")
    made.has()
    assert "until Krita's window “File Saved” is closed" in made.job.frames_note
    made.inserter.hindrance = hindrance(is_tool=True)
    made.has()
    assert "the chosen tool may be at work" in made.job.frames_note
    made.inserter.hindrance = hindrance()
    made.has(1)
    assert made.job.frames_note == ""


def test_newer_frames_that_came_hidden_beneath_the_brush_are_told_of(painted: Any) -> None:
    made = painted()
    made.become_layers(1, 2)
    made.inserter.is_kept = True
    made.has(1, 2)
    assert "while you paint on one" in made.job.frames_note
    made.inserter.is_kept = False
    made.has(1, 2)
    assert made.job.frames_note == ""


def test_cancelling_puts_the_painters_layer_back(part: Any, painted: Any) -> None:
    made = painted()
    made.become_layers(1)
    made.insertion.remove()
    assert made.inserter.remove.called
    assert part("host").AfterUndo.return_value.put_back.called


@pytest.mark.parametrize(
    ("painted_on", "words"),
    [
        ([], ""),
        (["{1}", "{gone}"], "1 frame that you painted on stays."),
        (["{1}", "{2}"], "2 frames that you painted on stay."),
    ],
)
def test_cancelling_says_which_frames_stay(painted: Any, painted_on: list[str], words: str) -> None:
    made = painted(painted=painted_on)
    made.become_layers(1, 2)
    made.inserter.doubled = "Shadows"
    made.job.wanted = "cancel"
    made.inserter.remove = lambda: setattr(
        made.inserter, "inserted", [each for each in (1, 2) if f"{{{each}}}" in painted_on]
    )
    made.insertion.remove()
    assert (made.job.frames_note, made.job.inserted) == (words, ())
    made.inserter.on_skipped(3)  # it has come meanwhile
    assert made.job.frames_note == words


def test_a_layer_that_shows_through_its_frames_is_named(painted: Any) -> None:
    made = painted()
    made.inserter.doubled = "Shadows"
    made.become_layers(1)
    assert "“Shadows” shows through its frames" in made.job.frames_note
    made.inserter.is_aside = True
    made.has(1)
    assert "Shadows" not in made.job.frames_note, "they are hidden"
    made.inserter.is_aside, made.inserter.doubled = False, ""
    made.has(1)
    assert made.job.frames_note == ""


def test_a_frame_that_was_undone_can_be_fetched_and_comes_back_with_redo(painted: Any) -> None:
    made = painted()
    made.become_layers(1, 2, 3)
    made.has(1, 2)
    assert made.lists == ((1, 2), (3,))
    assert not made.job.owes_frames, "it has been a layer: nothing that a later session should offer"
    made.has(1, 2, 3)
    assert made.lists == ((1, 2, 3), ())
    made.has(1, 3)
    made.insertion.fetch()
    made.network.fetch.assert_called_once_with(made.job.id, (2,), after=3)
    made.come(2)
    assert made.inserter.put.call_args.args[0].final, "what was asked for is not held back"
    made.inserter.inserted = [1, 2, 3]
    made.inserter.on_inserted(2)
    assert made.lists == ((1, 2, 3), ()) and made.job.undone == set()


def test_scrubbing_to_a_frame_that_has_just_been_undone_fetches_it(painted: Any) -> None:
    made = painted()
    made.become_layers(1, 2)
    made.inserter.inserted = [1]
    made.insertion.show(2)
    made.network.fetch.assert_called_once_with(made.job.id, (2,), after=2)
    made.insertion.show(1)
    assert made.network.fetch.call_count == 1 and made.lists == ((1,), (2,))


@pytest.mark.parametrize(
    ("reason", "left_out"), [("DELETED", (1, 2)), ("ANIMATED", ()), ("CLOSED", ()), ("CONVERTED", ())]
)
def test_frames_can_be_fetched_where_their_group_was_taken_away(
    part: Any, painted: Any, reason: str, left_out: tuple[int, ...]
) -> None:
    made = painted()
    made.become_layers(1, 2)
    made.has(gone=getattr(part("host"), reason))
    assert made.lists == ((), left_out)


def test_in_place_only_the_latest_frame_can_be_fetched(part: Any, painted: Any) -> None:
    made = painted("newest")
    made.become_layers(1)
    made.come(2)
    made.inserter.inserted = [2]
    made.inserter.on_inserted(2)
    assert made.lists == ((2,), ())
    made.has(gone=part("host").DELETED)
    assert made.lists == ((), (2,))
    made.come(3)
    made.inserter.on_skipped(3)
    assert made.lists == ((), (3,))
    made.has(2)
    assert made.lists == ((2,), (3,)), "redone, it is older than the one that can be had"
    made.come(4)
    made.inserter.inserted = [4]
    made.inserter.on_inserted(4)
    assert made.lists == ((4,), ())


def test_a_frame_can_have_two_layers_one_of_them_undone(painted: Any) -> None:
    frames = {"{1}": (1, 1, 0), "{1 again}": (1, 1, 0), "{all}": (0, 1, 0)}
    history = painted().part("model.history")
    known = {layer: history.FrameRecord(*frame) for layer, frame in frames.items()}
    made = painted(frames=known, seen=[1])
    made.come(2)
    assert made.opened[0]["layers"] == {"{1}": 1, "{1 again}": 1}


def test_frames_that_wait_hidden_are_told_until_they_are_shown(painted: Any) -> None:
    made = painted()
    made.inserter.is_aside, made.inserter.is_shown = True, False
    made.become_layers(1)
    assert made.job.frames_note == (
        "1 frame waits hidden, so that you see what you paint. Show it with the eye."
    )
    made.become_layers(2)
    assert made.job.frames_note.startswith("2 frames wait hidden") and not made.job.is_shown
    made.inserter.is_aside, made.inserter.is_shown = False, True
    made.insertion.set_visible(True)
    made.inserter.set_visible.assert_called_once_with(True)
    assert made.job.frames_note == "" and made.job.is_shown


def test_painting_over_a_layer_is_told(painted: Any) -> None:
    made, heard = painted(), Mock()
    made.become_layers(1)
    made.job.observe(heard, "looks")
    made.inserter.on_changed()
    assert heard.call_count == 2, "at once, and when something has changed"


def test_strokes_are_watched_from_start_on(painted: Any) -> None:
    made = painted()
    assert made.pen.start.call_count == 1
    begun = made.insertion._begun
    made.come(1)
    assert made.opened[0]["begun"] == begun


def test_which_frames_have_strokes_is_what_the_document_remembers(painted: Any) -> None:
    made = painted(painted=["{2}"])
    made.come(1)
    assert made.opened[0]["painted"]() == ["{2}"]


def test_a_frame_that_came_while_its_job_was_cancelled_leaves_the_painters_layer_active(
    part: Any, painted: Any
) -> None:
    made = painted()
    made.come(1)
    made.job.wanted = "cancel"
    after_undo = part("host").AfterUndo.return_value
    after_undo.reset_mock()
    made.inserter.on_skipped(1)
    after_undo.put_back.assert_called_once_with()
    assert made.lists == ((), ())


def test_frames_that_the_painter_asks_for_in_a_new_group_are_not_hidden(part: Any, painted: Any) -> None:
    made = painted()
    made.become_layers(1)
    made.has(gone=part("host").DELETED)
    made.insertion.fetch()
    made.come(1)
    assert made.opened[1]["begun"] > made.opened[0]["begun"]


def test_an_animation_of_hidden_frames_says_that_it_is_hidden(part: Any, painted: Any) -> None:
    made = painted("animation")
    made.become_layers(1, 2)
    made.has(gone=part("host").ANIMATED)
    assert made.job.note == (
        "The frames are an animation now, from time 0 on. The last one is at time 1. "
        "Undo that to have them as layers."
    )
    made.inserter.is_shown = False
    made.has(gone=part("host").ANIMATED)
    assert made.job.note == (
        "The frames are an animation now, from time 0 on. They are hidden, as they were; show them in "
        "Krita's layers. Undo that to have them as layers."
    )


def test_frames_that_wait_for_a_group_that_is_gone_are_asked_for_with_the_others(
    part: Any, painted: Any
) -> None:
    made = painted()
    made.become_layers(1)
    made.has(gone=part("host").DELETED)
    made.come(2)
    made.inserter.close = lambda: made.inserter.on_skipped(2)
    made.insertion.fetch()
    made.network.fetch.assert_called_once_with(made.job.id, (1, 2), after=2)


def test_the_painters_eye_in_kritas_list_is_the_dockers(painted: Any) -> None:
    made = painted()
    made.become_layers(1)
    made.inserter.is_shown = False
    made.inserter.on_changed()
    assert not made.job.is_shown and made.job.frames_note == ""


def test_frames_beyond_the_room_say_what_they_would_take(painted: Any) -> None:
    made = painted()
    assert made.job.room == 2**30
    made.become_layers(1)
    for sequence in (2, 3):
        made.come(sequence)
        made.inserter.on_held(sequence, 400 * 2**20)
    assert made.opened[0]["max_bytes"] == 2**30
    assert made.lists == ((1,), (2, 3)) and made.job.owes_frames
    assert made.job.frames_note == (
        "2 more frames are kept on the server: they would take 800 MB of Krita's memory."
    )
    made.insertion.fetch([2])
    made.become_layers(2)
    assert made.job.frames_note == (
        "1 more frame is kept on the server: it would take 400 MB of Krita's memory."
    )
    made.insertion.fetch()
    made.become_layers(3)
    assert made.job.frames_note == ""


@pytest.mark.parametrize(
    ("saved", "room"), [({}, 2**30), ({"frame_memory": 0}, 0), ({"frame_memory": 512}, 2**29)]
)
def test_the_room_is_the_painters_choice(painted: Any, saved: dict[str, Any], room: int) -> None:
    assert painted(options=saved).job.room == room


def test_only_the_rooms_that_are_offered_are_taken_from_settings(part: Any) -> None:
    options = part("model.options").Options()
    options["frame_memory"] = 4096
    assert options.to_json() == {"frame_memory": 4096}
    for damaged in (7, -1, "512", None, [], True, False):
        options.load({"frame_memory": damaged})
    assert options["frame_memory"] == 4096


def test_frames_that_wait_for_the_painters_redo_are_told_and_can_be_asked_for(painted: Any) -> None:
    made = painted()
    made.come(1)
    assert (made.job.keeps_redo, made.job.frames_note) == (0, "")
    made.inserter.keeps_redo = True
    made.come(2)
    assert made.job.keeps_redo == 2 and "take away what you can redo" in made.job.frames_note
    watch = made.inserter.redo
    watch.give_up.side_effect = lambda: setattr(made.inserter, "keeps_redo", False)
    made.insertion.insert_now()
    assert watch.give_up.called and (made.job.keeps_redo, made.job.frames_note) == (0, "")


def test_frames_that_the_painter_fetches_do_not_wait_for_his_redo(painted: Any) -> None:
    made = painted()
    made.become_layers(1, 2)
    made.has(1)
    made.insertion.fetch([2])
    assert made.inserter.redo.give_up.called


def test_nothing_is_offered_any_more_once_the_layers_are_removed(painted: Any) -> None:
    made = painted()
    made.inserter.keeps_redo = True
    made.come(1)
    assert made.job.keeps_redo == 1
    made.insertion.remove()
    assert made.job.keeps_redo == 0


def test_an_animation_that_the_painter_asks_for_does_not_wait_for_his_redo(painted: Any) -> None:
    made = painted(layers="animation")
    made.become_layers(1, 2)
    made.insertion.animate()
    assert made.inserter.redo.give_up.called and made.inserter.animate.called


def test_frames_that_nobody_can_place_are_told_and_come_when_the_painter_wants_them(painted: Any) -> None:
    made = painted()
    placing = made.insertion._placing
    made.insertion.insert_now()
    assert not placing.accept.called, "nothing was told"
    placing.is_lost = True
    assert made.job.frames_note == ""
    made.come(1)
    assert made.job.keeps_redo == 1 and "scaled, cropped, turned, mirrored or moved" in made.job.frames_note
    assert made.opened[0]["placing"] is placing, "which has known the image since Start"
    placing.accept.side_effect = lambda: setattr(placing, "is_lost", False)
    made.insertion.insert_now()
    assert placing.accept.called and (made.job.keeps_redo, made.job.frames_note) == (0, "")


def test_the_layers_of_the_job_are_those_that_undo_and_redo_must_not_make_active(
    part: Any, painted: Any
) -> None:
    made = painted()
    _document, is_ours, pen, on_step = part("host").AfterUndo.call_args.args
    on_step()  # before there is a frame
    assert pen is made.pen and not is_ours("") and not is_ours("{group}")
    made.become_layers(1)
    on_step()
    assert made.inserter.look_soon.called, "what was undone is seen at once"
    made.inserter.on_animated("{all}", "")
    made.record.group = "{group}"
    assert [is_ours(layer) for layer in ("{group}", "{1}", "{all}", "{mine}")] == [True, True, True, False]
