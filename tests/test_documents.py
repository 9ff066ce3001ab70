"""What the docker makes of what documents remember, with stand-ins for Qt and Krita."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from job_records import again, module, record, settings
from plugin_state import a_document


class Desk:
    """Options, styles and documents as the docker has them; ``opened``: the style files that were opened."""

    def __init__(self, part: Any) -> None:
        self.opened: list[str] = []
        self.style = part("model.style_list").Style
        self.network = Mock()
        self.options = part("model.options").Options()
        self.styles = part("model.style_list").StyleList(self.open)
        self.documents = part("model.documents").Documents(self.network)
        self.in_use = part("model.settings_in_use").SettingsInUse(
            part("settings").Settings(), self.options, self.styles, self.documents
        )

    def open(self, path: str) -> tuple[Any, str]:
        self.opened.append(path)
        made = self.style()
        made.path = made.name = path
        return made, ""

    def meet(self, document: Any, busy: bool = False) -> list[str]:
        """Look at the document; returns the words of what is offered."""
        self.documents.look(document, ())
        self.in_use.meet(document, busy)
        return [offer.words for offer in self.documents.offers]


def test_a_document_of_somebody_else_opens_no_file_unasked(part: Any) -> None:
    desk = Desk(part)
    assert desk.meet(a_document(record("foreign"))) == ["Last painted here: “Ü”"]
    assert desk.opened == []
    again = Desk(part)
    again.in_use.hold()("own")
    assert again.meet(a_document(record("own"))) == []
    assert again.opened == ["/“Ü”.png"]


@pytest.mark.parametrize(
    "path", ["//computer/share/x.png", r"\\computer\share\x.png", r"\??\UNC\c\s\x.png", "x.png", ":/x.png"]
)
def test_paths_of_other_computers_are_never_opened(part: Any, path: str) -> None:
    desk = Desk(part)
    words = desk.in_use.use(settings(0.5, path, "/own.png"), a_document())
    assert desk.opened == ["/own.png"]
    assert words == "“x.png” is not a file of this computer. Add it again with +."
    assert not part("model.styles").is_own_file(path, on_windows=True)
    assert part("model.styles").is_own_file(r"C:\own.png", on_windows=True)


def test_styles_that_no_document_brings_back_are_not_replaced(part: Any) -> None:
    for path, region in (("/a.png", part("model.regions").Region()), ("", None)):
        desk = Desk(part)
        desk.in_use.hold()("own")
        style = desk.style()
        style.path, style.region = path, region
        desk.styles.add(style)
        desk.in_use.hold()("own")
        assert desk.meet(a_document(record("own"))) == ["Last painted here: “Ü”"]
        assert desk.styles.styles == (style,)


def layered(part: Any, *layers: str) -> Any:
    """A document with layers of these names, which are their ids as well."""
    document = a_document()

    def source(layer_id: str) -> Any:
        if layer_id not in layers:
            raise part("host").HostError("gone", "")
        return SimpleNamespace(id=layer_id, name=layer_id)

    document.source = source
    return document


def painting_in_parts(desk: Desk, part: Any, document: Any) -> dict[str, Any]:
    """Settings of styles a, b and c, that paint where a layer has paint, in a selection, and everywhere."""
    regions = part("model.regions")
    desk.styles.load([{"path": f"/{name}.png"} for name in "abc"])
    first, second, _third = desk.styles.styles
    first.region, second.region = regions.LayerRegion(document, document.source("washes")), regions.Region()
    return desk.in_use.now()


def test_styles_paint_again_where_a_layer_has_paint(part: Any) -> None:
    desk, document = Desk(part), layered(part, "washes")
    history = module().History()
    history.settings = painting_in_parts(desk, part, document)
    remembered = again(history).settings
    assert remembered == history.settings
    other = Desk(part)
    words = other.in_use.use(remembered, document)
    first, second, third = other.styles.styles
    assert (first.region.words, second.region, third.region) == ("where “washes” has paint", None, None)
    assert words == (
        "“/b.png” painted only inside a selection, which is not remembered. "
        "Select that part again, and choose “Paint only inside the selection” in the style's menu."
    )
    other.in_use.use({**remembered, "styles": [{"path": "/a.png"}]}, document)
    assert other.styles.styles[0].region is None, "the region was not of these settings"


def test_a_style_whose_layer_is_gone_paints_everywhere_and_says_so(part: Any) -> None:
    desk = Desk(part)
    remembered = painting_in_parts(desk, part, layered(part, "washes"))
    words = desk.in_use.use(remembered, layered(part, "Background"))
    assert [style.region for style in desk.styles.styles] == [None] * 3
    assert words.startswith("“/a.png” painted only where the layer “washes” has paint, which is not here. ")


def test_a_layers_region_does_not_keep_the_next_document_from_bringing_its_settings(part: Any) -> None:
    desk, document = Desk(part), layered(part, "washes")
    painting_in_parts(desk, part, document)
    desk.styles.styles[1].region = None
    desk.in_use.hold()("own")
    assert desk.meet(a_document(record("own"))) == []


def test_another_server_that_does_not_know_a_job_does_not_close_it(part: Any) -> None:
    desk, document = Desk(part), a_document(record("a"))
    desk.documents.look(document, ())
    before = document.text
    error = part("backend.wire").events.Event("error", {"job": "a", "code": "unknown_job"})
    assert desk.documents.handle(error)
    desk.documents.look(document, ())
    assert desk.network.list_frames.call_count == 1, "asked once in a session"
    assert (desk.documents.offers, document.text) == ((), before)


def test_a_frame_that_is_fetched_twice_is_one_layer(part: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, network, inserter = part("model.document_model"), Mock(), Mock(inserted=[], gone=None)
    inserter.is_aside, inserter.is_out_of_sight, inserter.doubled = False, False, ""
    inserter.hindrance, inserter.is_kept = Mock(dialog="", is_tool=False), False
    inserter.keeps_redo = False
    monkeypatch.setattr(
        model.host, "FrameInserter", lambda *_, **more: inserter.__dict__.update(more) or inserter
    )
    inserter.id_of, inserter.group_id = lambda sequence: f"{{{sequence}}}", "{group}"
    job = record(seen=[2])
    followed = model.job_again(job, SimpleNamespace(id="document"))
    assert followed.left_out == (1,)
    insertion = part("model.insertion").Insertion(followed, Mock(), Mock(), Mock(), network, job, Mock())
    pixels = {"width": 1, "height": 1, "x": 0, "y": 0, "channels": "RGBA", "bytes": 4, "digest": 64 * "0"}
    frame = {"sequence": 1, "final": False, "kept": True, "iteration": 1, "revision": 0, "pixels": pixels}
    event = part("backend.wire").events.Event("frame", frame, b"1234")
    insertion.fetch()
    insertion.fetch()
    followed.handle("frame", frame)
    insertion.put(event)
    inserter.on_inserted(1)
    insertion.put(event)
    assert inserter.put.call_count == 1
    assert network.taken.call_args_list[-1].args == (4,)


@pytest.fixture
def animated(part: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A job whose frames become an animation: its ``insertion``, its ``inserter``, ``frame`` to send."""
    model, inserter = part("model.document_model"), Mock(inserted=[], gone=None, is_animating=False)
    inserter.is_aside, inserter.is_out_of_sight, inserter.doubled = False, False, ""
    inserter.hindrance, inserter.is_kept = Mock(dialog="", is_tool=False), False
    inserter.keeps_redo = False
    monkeypatch.setattr(
        model.host, "FrameInserter", lambda *_, **more: inserter.__dict__.update(more) or inserter
    )
    inserter.id_of, inserter.group_id = lambda sequence: f"{{{sequence}}}", "{group}"
    remembered = record()
    remembered.layers = "animation"
    job = model.job_again(remembered, SimpleNamespace(id="document"))
    document = Mock(is_in_front=True)
    insertion = part("model.insertion").Insertion(job, document, Mock(), Mock(), Mock(), remembered, Mock())
    pixels = {"width": 1, "height": 1, "x": 0, "y": 0, "channels": "RGBA", "bytes": 4, "digest": 64 * "0"}

    def frame(sequence: int, final: bool = False) -> None:
        """It comes from the server and becomes a layer."""
        fields = {
            "sequence": sequence,
            "final": final,
            "kept": True,
            "iteration": 9 * sequence,
            "revision": 2,
        }
        event = part("backend.wire").events.Event("frame", {**fields, "pixels": pixels}, b"1234")
        job.handle("frame", event.fields)
        insertion.put(event)
        inserter.inserted = [*inserter.inserted, sequence]
        inserter.on_inserted(sequence)

    return SimpleNamespace(job=job, insertion=insertion, inserter=inserter, frame=frame, record=remembered)


def test_frames_become_an_animation_once_the_final_one_is_there(part: Any, animated: Any) -> None:
    assert animated.job.layers.has_all
    animated.frame(1)
    animated.frame(2)
    assert animated.inserter.max_steps == 100
    assert not animated.inserter.animate.called
    animated.frame(3, final=True)
    assert animated.inserter.animate.call_count == 1 and animated.job.note == ""
    animated.inserter.inserted, animated.inserter.gone = [], part("host").ANIMATED
    animated.inserter.on_animated("{animation}", "")
    animated.inserter.on_gone(part("host").ANIMATED)
    assert animated.job.inserted == ()
    assert animated.job.note.endswith("Undo that to have them as layers.")
    whole = again(module_with(animated.record)).of_layer("{animation}")
    assert whole.frames["{animation}"] == (0, 0, 2) and sorted(whole.seen) == [0, 1, 2, 3]
    followed = part("model.document_model").job_again(whole, SimpleNamespace(id="document"))
    assert followed.left_out == () and followed.frames == {1: 9, 2: 18, 3: 27}
    animated.inserter.inserted = [1, 2, 3]
    animated.inserter.on_gone("")
    assert (animated.job.inserted, animated.job.note) == ((1, 2, 3), "")


def module_with(job: Any) -> Any:
    history = module().History()
    history.add(job)
    return history


def test_a_single_frame_stays_a_layer_without_a_word(animated: Any) -> None:
    animated.frame(1, final=True)
    assert not animated.inserter.animate.called and animated.job.note == ""


def test_what_keeps_frames_from_becoming_an_animation_is_said(part: Any, animated: Any) -> None:
    animated.frame(1)
    animated.frame(2, final=True)
    animated.inserter.on_animated("", part("host.animation").LOCKED)
    assert animated.job.note.endswith("is locked. Unlock it for an animation.")
    animated.inserter.gone = part("host").DELETED
    animated.insertion.animate()
    assert animated.job.note.startswith(part("host").DELETED) and animated.inserter.animate.call_count == 1
    animated.inserter.gone, animated.insertion.document.is_in_front = None, False
    animated.insertion.animate()
    assert "when their document is in front" in animated.job.note


def test_frames_of_an_animation_that_came_meanwhile_are_all_offered(part: Any) -> None:
    desk, remembered = Desk(part), record(seen=[1, 3])
    remembered.layers = "animation"
    desk.documents.look(a_document(remembered), ())
    kept = [{"sequence": sequence, "final": sequence == 4} for sequence in (1, 2, 3, 4)]
    assert desk.documents.handle(part("backend.wire").events.Event("frames", {"job": "a", "frames": kept}))
    assert [offer.words for offer in desk.documents.offers] == ["2 frames of Ü → “a” came meanwhile"]


def test_the_cross_takes_a_waiting_animation_back_first(root: Any) -> None:
    job = root.jobs[0]
    root.insertion(job).is_animating = True
    root.dismiss(job)
    assert root.jobs == (job,) and root.insertion(job).leave_layers.call_count == 1
    root.insertion(job).is_animating = False
    root.dismiss(job)
    assert root.jobs == ()


def test_a_recolouring_leaves_the_sliders_to_the_job_that_paints(
    part: Any, root: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    painting, model = root.jobs[0], part("model.document_model")
    painting.styles = ("style",)
    used = root._in_use._used
    content = SimpleNamespace(pixels="content", mask=None)
    monkeypatch.setattr(model.host, "read_content", lambda *_, **_options: content)
    monkeypatch.setattr(model.host, "read_start", lambda *_: "frame")
    origin = model.Origin(SimpleNamespace(id="{source}"), SimpleNamespace(name="final"), Mock())
    monkeypatch.setattr(part("model.reading"), "continuation", lambda *_: origin)
    monkeypatch.setattr(root._in_use, "record_in", lambda _document: None)
    root.recolour_layer()
    assert root.message.endswith("Choose other Colours, then give them to it.")
    root.options["keep_colours"] = "moments"
    root.recolour_layer()
    request = root._network.submit.call_args.args[0]
    assert request.params == part("backend.wire").params.Params(
        iterations=0, keep_colours="moments", frames=part("backend.wire").params.FrameSchedule(series=False)
    )
    assert (request.start, request.styles) == ("frame", ["content"])
    assert [job.title for job in root.jobs] == [painting.title, "recoloured → “final”"]
    assert root.rows.latest[0] is painting and root._in_use._used == used
    root.jobs[1].handle("done", {**DONE, "iteration": 0, "encoder": ""})
    assert root.jobs[1].words == "recoloured in 1 s"


def test_a_slider_is_followed_while_the_hand_moves(part: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    live, clock = part("model.live"), Mock()
    clock.isActive.side_effect = lambda: clock.start.call_count > clock.send.call_count
    monkeypatch.setattr(live, "timer", lambda _ms, send: clock)
    changes = live.LiveChanges(Mock(), Mock(), Mock(), lambda: None, Mock(), Mock())
    for moves in range(1, 10):
        changes.start()
        if moves % 3 == 0:
            clock.send()
    assert clock.start.call_count == 3, "moving on does not put the sending off"


def test_shares_reach_a_running_job_in_its_own_order_after_the_rows_were_moved(
    part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, desk, insertion = part("model.live"), Desk(part), Mock()
    monkeypatch.setattr(live, "timer", Mock())
    desk.styles.load([{"path": "/a.png", "weight": 1.0}, {"path": "/b.png", "weight": 0.5}])
    job = part("model.document_model").job_again(record(), a_document())
    job.params, job.styles = desk.options.params(desk.styles.weights), desk.styles.styles
    job.state = part("model.jobs").JobState.RUNNING
    latest = lambda: (job, insertion)  # noqa: E731
    changes = live.LiveChanges(desk.options, desk.styles, desk.network, latest, Mock(), Mock())
    first, second = job.styles
    desk.styles.move(first, 1)
    changes._send()
    assert desk.network.tell.call_count == 0, "another order is no change"
    second.weight = 0.25
    changes._send()
    desk.network.tell.assert_called_once_with("update", job.id, 1, style_weights=[1.0, 0.25])
    insertion.record.change.assert_called_once_with(1, {"style_weights": [1.0, 0.25]})


def tell(root: Any, part: Any, kind: str, **fields: Any) -> None:
    root._handle(part("backend.wire").events.Event(kind, {"job": "a", **fields}))


DONE = {"iteration": 9, "seconds": 1.0, "reason": "completed", "notes": [], "encoder": "vgg19"}


def written_down(root: Any) -> list[list[Any]]:
    """The jobs for a later session, their records aside."""
    return [entry[:6] for entry in root.settings.get("jobs", list)]


def is_open(root: Any) -> bool:
    return bool(module().History.from_text(root.documents._known["document"][0].text).jobs["a"].is_open)


def test_frames_beyond_the_undo_cap_are_offered_after_quitting(root: Any, part: Any) -> None:
    tell(root, part, "done", **DONE)
    assert is_open(root)
    assert written_down(root) == [["a", "Ü → “a”", "", "a.kra", 600, 414]]
    root.jobs[0].left_out = ()
    root._ended(root.jobs[0])
    assert not is_open(root)
    assert root.settings.get("jobs", list) == []


def test_a_job_whose_document_is_closed_is_remembered_at_once(root: Any, part: Any) -> None:
    tell(root, part, "done", **DONE)
    root.settings.set("jobs", [])
    root.insertion(root.jobs[0]).is_homeless = True
    root.look()
    assert root.jobs == ()
    assert written_down(root) == [["a", "Ü → “a”", "", "a.kra", 600, 414]]


def test_a_job_that_another_server_does_not_know_stays_open_in_the_document(root: Any, part: Any) -> None:
    tell(root, part, "error", code="unknown_job", of="attach", message="", hint="")
    assert root.jobs[0].has_ended and is_open(root)
    root.dismiss(root.jobs[0])
    root.look()
    assert root.documents.offers == ()


def test_a_live_change_that_the_server_refuses_is_told_in_the_painters_words(root: Any, part: Any) -> None:
    refused = {"of": "update", "code": "bad_update", "field": "params.style_weights", "message": "all are 0."}
    part("translation").use(["de"])
    try:
        tell(root, part, "error", **refused, hint="Give at least one style a weight above 0.")
    finally:
        part("translation").use([])
    # Names of settings have their language since the plugin was loaded.
    expected = "The shares of the styles: alle sind 0. Mindestens einem Stil einen Anteil über 0 geben."
    assert (root.message, root.jobs[0].has_ended) == (expected, False)


def test_a_job_lost_to_a_server_that_does_not_answer_is_offered_again(root: Any, part: Any) -> None:
    root.jobs[0].left_out = ()
    tell(root, part, "unreachable", reason="The server did not answer.")
    assert root.jobs[0].has_ended and root.documents.offers == ()
    root.dismiss(root.jobs[0])
    tell(root, part, "not_running")
    assert [(offer.job, offer.verb) for offer in root.offers] == [("a", "Insert")]


def test_a_message_does_not_outlast_the_document_that_it_was_about(
    root: Any, part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.message = "“a” is hidden."
    root.look()
    assert root.message
    other = a_document()
    other.id = "other"
    monkeypatch.setattr(part("model.root").host, "current", lambda: other)
    root.look()
    assert root.message == ""


def test_a_job_is_sent_even_if_the_document_cannot_remember_it(
    root: Any, part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    style = part("model.style_list").Style()
    style.path = "/a.png"
    root.styles.styles = (style,)
    job, begun = (
        part("model.document_model").job_again(record("new"), a_document()),
        part("model.reading").Begun,
    )
    monkeypatch.setattr(root.documents, "add", Mock(side_effect=ValueError))
    with pytest.raises(ValueError):
        root._begin(lambda: begun(a_document(), Mock(), job, "request", record("new")))
    root._network.submit.assert_called_once_with("request")


def test_a_damaged_connection_file_is_told_in_plain_words(part: Any, tmp_path: Path) -> None:
    file, said = tmp_path / "studio.json", Mock()
    file.write_text("{}}")
    part("model.server").Server.choose(SimpleNamespace(_say=said), str(file))
    said.assert_called_once_with(
        "“studio.json” is no connection file, or is damaged. Choose the server.json of the other server."
    )


def test_what_is_made_from_a_frame_comes_above_the_frames_of_its_job(part: Any) -> None:
    model = part("model.document_model")
    frame, group = SimpleNamespace(id="{frame}"), SimpleNamespace(id="{group}")
    document = Mock()
    document.source.return_value, document.layers.return_value = frame, [group, frame]
    history = Mock()
    history.of_layer.return_value = record(group="{group}")
    assert model.active_layer(document, history) == (frame, None, group, None, False)
    history.of_layer.return_value = None
    assert model.active_layer(document, history).above is frame
