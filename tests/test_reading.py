"""What a job is made of while the painter goes on: sliders, styles and documents change meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from plugin_state import a_document


class Desk:
    """Styles a and b, document "document" in view and "other" beside it; reading a layer lets time pass."""

    def __init__(self, part: Any, root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, host = root, part("host")
        self.documents = {name: self.document(name) for name in ("document", "other")}
        self.meanwhile: Callable[[], Any] = Mock()
        monkeypatch.setattr(host, "current", lambda: self.front)
        monkeypatch.setattr(host, "open_documents", lambda: list(self.documents.values()))
        monkeypatch.setattr(host, "read_content", self.read)
        monkeypatch.setattr(host, "read_start", lambda *_: "start")
        self.front = self.documents["document"]
        root.documents._known.clear()
        root.look()
        for name, weight in (("a", 1.0), ("b", 0.5)):
            style = part("model.style_list").Style()
            style.name, style.weight, style.scale = name, weight, 2 * weight
            style.picture = lambda name=name: f"picture {name}"
            style.region = Mock(mask=lambda *_, name=name: f"mask {name}")
            root.styles.add(style)

    def document(self, name: str) -> Any:
        made = a_document()
        made.id, made.name = name, f"{name}.kra"
        layer = SimpleNamespace(id=f"{{layer of {name}}}", name=f"layer of {name}")
        made.source, made.layers = lambda *_: layer, lambda: [layer]
        return made

    def read(self, *_: Any, may_be_hidden: bool) -> Any:
        self.reads_hidden = may_be_hidden
        self.meanwhile()
        return SimpleNamespace(pixels="content", mask=None)

    def view(self, name: str) -> None:
        """The painter goes to that document, and Krita tells of it."""
        self.front = self.documents[name]
        self.root.look()

    @property
    def request(self) -> Any:
        """What was submitted; of one job."""
        (call,) = self.root._network.submit.call_args_list
        return call.args[0]

    def settings(self, name: str) -> Any:
        """What the document remembers."""
        return self.root.documents.history(self.documents[name]).settings


@pytest.fixture
def desk(part: Any, root: Any, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(part, root, monkeypatch)


def test_a_job_has_the_settings_of_the_moment_of_start(desk: Desk) -> None:
    root = desk.root
    first, second = root.styles.styles

    def change() -> None:
        root.styles.move(first, 1)
        first.weight, second.weight, first.scale, first.region = 0.1, 0.2, 3.0, None
        root.styles.remove(second)
        root.options["strength"], root.options["lock_frames"] = 0.9, True
        root.options["frame_memory"] = 0

    before = root._in_use.now()
    desk.meanwhile = change
    root.start()
    request, job = desk.request, root.jobs[-1]
    assert (request.styles, request.style_masks) == (["picture a", "picture b"], ["mask a", "mask b"])
    assert (request.params.style_weights, request.params.style_scales) == ((1.0, 0.5), (2.0, 1.0))
    assert job.title == "a + b → “layer of document”"
    assert request.title == "a + b → “layer of document” (document.kra)", "others may have such a layer"
    assert job.styles == (first, second) and not job.locks and job.room == 2**30
    assert desk.settings("document") == before != root._in_use.now()


def test_what_is_active_is_refused_where_it_is_hidden(desk: Desk, part: Any) -> None:
    model = part("model.history")
    record = model.JobRecord("job", "", "", "every", "{source}", {})
    record.keep(desk.front.source().id, model.FrameRecord(1, 1, 0))
    desk.root.documents.history(desk.front).jobs["job"] = record
    desk.root.start()
    assert not desk.reads_hidden, "the painter would not see what is painted"


def test_a_document_that_is_closed_meanwhile_gets_no_job(desk: Desk) -> None:
    rows = desk.root.jobs
    desk.meanwhile = lambda: setattr(desk.front, "is_open", False)
    desk.root.start()
    assert desk.root.message == "The document has been closed. Open it again first."
    assert desk.root._network.submit.call_count == 0 and desk.root.jobs == rows
    assert not desk.root.reading.is_reading


def test_nothing_is_sent_once_krita_quits(desk: Desk) -> None:
    desk.meanwhile = desk.root.close
    desk.root.start()
    assert desk.root._network.submit.call_count == 0 and desk.root.settings.get("started", list) == []


def test_a_painter_who_looks_at_another_document_meanwhile_stays_there(desk: Desk) -> None:
    root = desk.root
    root.options["strength"] = 0.25
    desk.meanwhile = lambda: (desk.view("other"), root.options.__setitem__("strength", 0.75))
    root.start()
    job = root.jobs[-1]
    assert (job.document_id, job.document_name, root.rows.viewed) == ("document", "document.kra", "other")
    assert root.rows.latest is None, "no slider moves a job of a document out of sight"
    assert job.params.strength == desk.settings("document")["options"]["strength"] == 0.25
    assert desk.settings("other") is None
    job.handle("state", {"state": "running"})
    desk.view("document")
    assert (root.rows.latest[0], root.options["strength"]) == (job, 0.25)
    desk.view("other")
    assert root.options["strength"] == 0.75


def test_a_recolouring_has_the_settings_of_the_frame_that_was_read(
    desk: Desk, part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, model = desk.root, part("model.reading")
    made = {"options": {"tv": 0.5}, "styles": [], "others": ["a layer"]}
    record = Mock(settings_of=lambda layer: {**made, "of": layer})
    monkeypatch.setattr(
        root._in_use, "record_in", lambda document: record if document.id == "document" else None
    )
    layer = desk.front.source()
    monkeypatch.setattr(model, "continuation", lambda *_: model.Origin(layer, layer, layer))
    remembered = Mock(side_effect=model.record_of)
    monkeypatch.setattr(model, "record_of", remembered)
    root.options["keep_colours"] = "moments"
    desk.meanwhile = lambda: (desk.view("other"), root.options.__setitem__("keep_colours", "no"))
    root.recolour_layer()
    assert desk.request.params.keep_colours == "moments"
    settings = remembered.call_args.args[1]
    assert (settings["of"], settings["others"]) == (layer.id, ["a layer"])
    assert settings["options"] == {"tv": 0.5, "keep_colours": "moments", "luminance_space": "ycbcr"}


def test_start_is_heard_once_while_a_layer_is_read(desk: Desk, part: Any) -> None:
    started: list[bool] = []

    def press_again() -> None:
        started.append(desk.root.reading.is_reading)
        desk.root.start()
        raise part("host").HostError("It is empty.", "")

    desk.meanwhile = press_again
    for count in (1, 2):
        desk.root.start()
        assert started == [True] * count and desk.root.message == "It is empty."
        assert not desk.root.reading.is_reading


def test_without_a_style_nothing_is_read(desk: Desk) -> None:
    desk.root.styles.load([])
    desk.root.start()
    assert desk.root.message == "There is no style yet. Choose one first: press +."
    assert not desk.meanwhile.called


def test_a_frame_that_is_gone_on_with_names_the_job_that_made_it(
    desk: Desk, part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, record = (
        SimpleNamespace(id="{frame}", name="final"),
        SimpleNamespace(id="a-job", source="{x}", group="", frames={}),
    )
    source = SimpleNamespace(id="{x}")
    history = SimpleNamespace(of_layer=lambda layer: record if layer == "{frame}" else None, latest=None)
    desk.front.source = lambda layer=None: source if layer else frame
    monkeypatch.setattr(desk.root.reading, "_documents", Mock(history=lambda _document: history))
    begun = desk.root.reading.onward()
    assert (begun.request.start, begun.request.continues) == ("start", "a-job")
    assert not desk.reads_hidden, "a layer of the painter's own"
    record.frames = {"{x}": object()}
    history.of_layer = lambda layer: record
    desk.root.reading.onward()
    assert desk.reads_hidden, "a stage, which the docker may have hidden"
    assert begun.request.params.style_weights == (1.0, 0.5) and len(begun.request.styles) == 2
    assert desk.root.reading.anew().request.continues is None


class Canvas:
    """What is under way in each document, by id; ``look`` lets the docker ask again."""

    def __init__(self, desk: Desk, part: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.under_way: dict[str, str] = {}
        self.asked: list[str] = []
        monkeypatch.setattr(part("host"), "to_finish", self.answer)
        self.look = desk.root.waiting._look

    def answer(self, document: Any, _waited: float) -> str | None:
        self.asked.append(document.id)
        return self.under_way.get(document.id)


@pytest.fixture
def canvas(desk: Desk, part: Any, monkeypatch: pytest.MonkeyPatch) -> Canvas:
    return Canvas(desk, part, monkeypatch)


def test_start_waits_until_nothing_is_under_way_and_then_begins_by_itself(desk: Desk, canvas: Canvas) -> None:
    root, submit = desk.root, desk.root._network.submit
    canvas.under_way["document"] = "Finish the transformation."
    root.start()
    canvas.look()
    assert (root.waiting.is_waiting, root.message) == (True, "Finish the transformation.")
    assert submit.call_count == 0 and not root.reading.is_reading
    root.options["strength"] = 0.9
    canvas.under_way.clear()
    canvas.look()
    assert (root.waiting.is_waiting, root.message) == (False, "")
    assert desk.request.params.strength == 0.9, "as it is when it begins"


def test_start_waits_for_the_documents_of_styles_too(desk: Desk, canvas: Canvas) -> None:
    desk.root.styles.styles[0].document = desk.documents["other"]
    canvas.under_way["other"] = "Finish the transformation."
    desk.root.start()
    assert desk.root.waiting.is_waiting and canvas.asked == ["document", "other"]
    desk.documents["other"].is_open = False
    canvas.look()
    assert desk.request.styles == ["picture a", "picture b"], "what was closed keeps nothing waiting"


def test_a_double_click_on_start_while_krita_draws_starts_once(desk: Desk, canvas: Canvas) -> None:
    canvas.under_way["document"] = ""
    desk.root.start()
    assert not desk.root.waiting.is_waiting, "there is nothing to tell the painter"
    desk.root.start()
    canvas.under_way.clear()
    canvas.look()
    assert desk.root._network.submit.call_count == 1


@pytest.mark.parametrize(
    ("leave", "words"),
    [
        (lambda desk: desk.root.start(), ""),
        (lambda desk: desk.view("other"), "Not started, as you went to another document."),
        (lambda desk: desk.root.close(), ""),
    ],
)
def test_a_start_that_waits_can_be_left(
    desk: Desk, canvas: Canvas, leave: Callable[[Desk], None], words: str
) -> None:
    root = desk.root
    canvas.under_way["document"] = "Finish the transformation."
    root.start()
    leave(desk)
    if root.waiting.is_waiting:
        canvas.look()
    assert (root.waiting.is_waiting, root.message, root._network.submit.call_count) == (False, words, 0)
    assert root.waiting._timer.stop.called
