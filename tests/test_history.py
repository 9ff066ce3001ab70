"""What a document remembers of its jobs, without Krita."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

PLUGIN = Path(__file__).resolve().parent.parent / "krita_plugin"
LIMIT = 64 * 1024


@pytest.fixture(scope="module", autouse=True)
def plugin_path() -> Iterator[None]:
    sys.path.insert(0, str(PLUGIN))
    yield
    sys.path.remove(str(PLUGIN))
    for name in [name for name in sys.modules if name.split(".")[0] == "nst_krita"]:
        del sys.modules[name]


def module() -> Any:
    return importlib.import_module("nst_krita.model.history")


def settings(strength: float, *paths: str) -> dict[str, Any]:
    styles = [{"path": path, "weight": 1.0, "scale": 1.0} for path in paths]
    return {"options": {"strength": strength}, "styles": styles, "others": []}


def record(job: str = "a", **more: Any) -> Any:
    made = settings(0.5, "/“Ü”.png")
    return module().JobRecord(job, f"Ü → “{job}”", "Ü", "every", "{source}", made, **more)


def again(history: Any) -> Any:
    return module().History.from_text(history.to_text(LIMIT))


def test_everything_comes_back_from_the_document() -> None:
    history = module().History()
    job = record(group="{group}")
    job.keep("{layer}", module().FrameRecord(2, 10, 3))
    job.change(3, {"strength": 0.9})
    job.is_open = False
    history.add(job)
    read = again(history)
    assert read.jobs == history.jobs
    assert read.settings == history.settings == settings(0.5, "/“Ü”.png")
    assert read.latest == job


def test_frames_and_their_group_are_known_by_their_ids() -> None:
    history = module().History()
    for job in ("a", "b"):
        history.add(record(job, group=f"{{group {job}}}"))
        history.jobs[job].keep(f"{{layer {job}}}", module().FrameRecord(1, 1, 0))
    assert history.of_layer("{layer a}").id == "a"
    assert history.of_layer("{group b}").id == "b"
    assert history.of_layer("{Background}") is None
    history.add(record("c"))
    history.jobs["c"].keep("", module().FrameRecord(1, 1, 0))
    assert history.of_layer("") is None, "no group yet is no layer"
    assert history.jobs["c"].seen == [1]


def test_a_frame_has_the_settings_of_its_revision() -> None:
    job = module().JobRecord("a", "", "", "every", "", settings(0.1, "/x.png", "/y.png"))
    for sequence, revision in ((1, 0), (2, 3), (3, 7)):
        job.keep(f"{{{sequence}}}", module().FrameRecord(sequence, sequence, revision))
    job.change(2, {"strength": 0.2})
    job.change(5, {"style_weights": [1.0, 0.25]})
    found = [job.settings_of(f"{{{sequence}}}") for sequence in (1, 2, 3)]
    assert [one["options"]["strength"] for one in found] == [0.1, 0.2, 0.2]
    assert [one["styles"][1]["weight"] for one in found] == [1.0, 1.0, 0.25]
    assert job.settings_of("") == found[2], "no frame of it: as it was last"
    assert "style_weights" not in found[2]["options"]


def test_a_job_without_settings_leaves_those_of_the_document() -> None:
    history = module().History()
    history.add(record())
    history.add(module().JobRecord("b", "", "", "every", "", {}))
    assert again(history).settings == settings(0.5, "/“Ü”.png")


@pytest.mark.parametrize("limit", [100, 1000, 5000])
def test_it_never_outgrows_its_place(limit: int) -> None:
    history = module().History()
    for number in range(100):
        history.add(record(f"job-{number}"))
    text = history.to_text(limit)
    assert len(text.encode()) <= limit
    kept = list(module().History.from_text(text).jobs)
    assert kept == [f"job-{number}" for number in range(100)][len(history.jobs) - len(kept) :]
    assert len(module().History.from_text(history.to_text(10**6)).jobs) == module().MAX_JOBS


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '{"version": 2}', '{"version": 1, "settings": 5, "jobs": 7}', "[" * 5000],
)
def test_a_damaged_text_is_an_empty_history(damage: str) -> None:
    history = module().History.from_text(damage)
    assert (history.settings, history.jobs) == (None, {})


@pytest.mark.parametrize(
    "damage",
    [
        {"seen": [float("inf")]},
        {"seen": [10**12]},
        {"frames": {"{layer}": [1, 10**12, 0]}},
        {"title": "\ud800"},
        {"id": "\ud800"},
        {"id": "/"},
        {"settings": {"styles": 5}},
        {"settings": {"options": {"strength": float("inf")}, "styles": [], "others": []}},
        {"changes": {"1": {"style_weights": 5}}},
    ],
)
def test_what_could_not_be_written_sent_or_used_is_not_read(damage: dict[str, Any]) -> None:
    entries = [{**record().to_json(), **damage}, record("b").to_json()]
    text = json.dumps({"version": 1, "settings": damage.get("settings"), "jobs": entries})
    history = module().History.from_text(text)
    assert list(history.jobs) == ["b"]
    assert history.settings is None


def test_settings_of_a_stranger_have_the_form_of_ours() -> None:
    strange = {"options": {}, "styles": [{"path": 5}, {"path": "/a.png"}], "others": [7, "layer “a”"], "x": 1}
    text = json.dumps(
        {"version": 1, "settings": strange, "jobs": [{**record().to_json(), "settings": strange}]}
    )
    history = module().History.from_text(text)
    ours = {"options": {}, "styles": [{"path": "/a.png"}], "others": ["layer “a”"]}
    assert history.settings == history.jobs["a"].settings_of("") == ours


def test_half_a_character_in_a_name_does_not_keep_a_document_from_remembering() -> None:
    history = module().History()
    history.add(module().JobRecord("a", "\ud800", "", "every", "", {}))
    assert again(history).jobs["a"].title == "?"


def test_changes_that_made_no_layer_do_not_push_other_jobs_out() -> None:
    history = module().History()
    history.add(record("a"))
    history.add(record("b"))
    job = history.jobs["b"]
    for revision in range(1, 4001):
        job.change(revision, {"strength": revision / 4000})
        if revision == 2000:
            job.keep("{layer}", module().FrameRecord(1, 1, revision))
    assert list(again(history).jobs) == ["a", "b"]
    read = again(history).jobs["b"]
    assert read.settings_of("{layer}")["options"]["strength"] == 0.5
    assert read.settings_of("")["options"]["strength"] == 1.0
    job.keep("{late}", module().FrameRecord(2, 2, 3990))
    assert job.settings_of("{late}")["options"]["strength"] == 3990 / 4000


def test_one_damaged_job_does_not_cost_the_others() -> None:
    history = module().History()
    for job in ("a", "b", "c"):
        history.add(record(job))
    value = json.loads(history.to_text(LIMIT))
    value["jobs"][1]["frames"] = {"{layer}": ["x"]}
    value["jobs"].append("what")
    assert list(module().History.from_text(json.dumps(value)).jobs) == ["a", "c"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )
)
def test_no_text_of_a_stranger_raises(value: Any) -> None:
    whole = {"version": 1, "settings": value, "jobs": [value, {**record().to_json(), "changes": value}]}
    for text in (json.dumps(value), json.dumps(whole)):
        assert isinstance(module().History.from_text(text).to_text(LIMIT), str)


# What the docker makes of it, with stand-ins for Qt and Krita.


class Names(type):
    """A class that has any class as an attribute."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Names(name, (Anything,), {})


class Anything(metaclass=Names):
    def __init__(self, *_: Any) -> None:
        pass


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Import a part of the plugin."""
    importlib.import_module("nst_krita")  # beside a Krita it would register itself there
    qt, krita = ModuleType("nst_krita.qt"), ModuleType("krita")
    for name in ("QtCore", "QtGui", "QtWidgets", "QAction", "Signal"):
        setattr(qt, name, Anything)
    qt.to_bytes = bytes  # type: ignore[attr-defined]
    krita.Krita = krita.InfoObject = Anything  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "krita", krita)
    monkeypatch.setitem(sys.modules, "nst_krita.qt", qt)
    monkeypatch.setenv("NST_DATA_DIR", str(tmp_path))
    host = importlib.import_module("nst_krita.host")
    monkeypatch.setattr(host, "read_annotation", lambda document: document.text)
    monkeypatch.setattr(host, "write_annotation", lambda document, text: setattr(document, "text", text))
    return lambda name: importlib.import_module(f"nst_krita.{name}")


def a_document(*jobs: Any) -> Any:
    history = module().History()
    for job in jobs:
        history.add(job)
    return SimpleNamespace(id="document", is_open=True, text=history.to_text(LIMIT))


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
    again.in_use.start("own")
    assert again.meet(a_document(record("own"))) == []
    assert again.opened == ["/“Ü”.png"]


@pytest.mark.parametrize(
    "path", ["//computer/share/x.png", r"\\computer\share\x.png", r"\??\UNC\c\s\x.png", "x.png", ":/x.png"]
)
def test_paths_of_other_computers_are_never_opened(part: Any, path: str) -> None:
    desk = Desk(part)
    words = desk.in_use.use(settings(0.5, path, "/own.png"))
    assert desk.opened == ["/own.png"]
    assert words == "“x.png” is not a file of this computer. Add it again with +."
    assert not part("model.styles").is_own_file(path, on_windows=True)
    assert part("model.styles").is_own_file(r"C:\own.png", on_windows=True)


def test_styles_that_no_document_brings_back_are_not_replaced(part: Any) -> None:
    for path, region in (("/a.png", object()), ("", None)):
        desk = Desk(part)
        desk.in_use.start("own")
        style = desk.style()
        style.path, style.region = path, region
        desk.styles.add(style)
        desk.in_use.start("own")
        assert desk.meet(a_document(record("own"))) == ["Last painted here: “Ü”"]
        assert desk.styles.styles == (style,)


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
    monkeypatch.setattr(
        model.host, "FrameInserter", lambda *_, **more: inserter.__dict__.update(more) or inserter
    )
    inserter.id_of, inserter.group_id = lambda sequence: f"{{{sequence}}}", "{group}"
    job = record(seen=[2])
    followed = model.job_again(job, SimpleNamespace(id="document"))
    assert followed.left_out == (1,)
    insertion = model.Insertion(followed, Mock(), Mock(), Mock(), network, job, Mock())
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


def test_a_slider_is_followed_while_the_hand_moves(part: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    live, clock = part("model.live"), Mock()
    clock.isActive.side_effect = lambda: clock.start.call_count > clock.send.call_count
    monkeypatch.setattr(live, "timer", lambda _ms, send: clock)
    changes = live.LiveChanges(Mock(), Mock(), Mock(), lambda: None, Mock())
    for moves in range(1, 10):
        changes.start()
        if moves % 3 == 0:
            clock.send()
    assert clock.start.call_count == 3, "moving on does not put the sending off"


@pytest.fixture
def root(part: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The plugin's state with "document" in view, in which a job paints that has left frame 2 out."""
    model = part("model.root")
    document = a_document()
    for name in ("Network", "Server", "Insertion"):
        monkeypatch.setattr(model, name, Mock())
    model.Insertion.return_value = Mock(pending=0, is_homeless=False)
    monkeypatch.setattr(model, "timer", Mock())
    monkeypatch.setattr(part("model.live"), "timer", Mock())
    monkeypatch.setattr(model.host, "PenWatch", Mock())
    monkeypatch.setattr(model.host, "current", lambda: document)
    made = model.Root(part("settings").Settings())
    followed = part("model.document_model").job_again(record(), document)
    made.documents.add(document, record())
    made._follow(followed, document, Mock(), made.documents.history(document).jobs["a"])
    followed.left_out = (2,)
    return made


def tell(root: Any, part: Any, kind: str, **fields: Any) -> None:
    root._handle(part("backend.wire").events.Event(kind, {"job": "a", **fields}))


DONE = {"iteration": 9, "seconds": 1.0, "reason": "completed", "notes": [], "encoder": "vgg19"}


def is_open(root: Any) -> bool:
    return bool(module().History.from_text(root.documents._known["document"][0].text).jobs["a"].is_open)


def test_frames_beyond_the_undo_cap_are_offered_after_quitting(root: Any, part: Any) -> None:
    tell(root, part, "done", **DONE)
    assert is_open(root)
    assert root.settings.get("jobs", list) == [["a", "Ü → “a”"]]
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
    assert root.settings.get("jobs", list) == [["a", "Ü → “a”"]]


def test_a_job_that_another_server_does_not_know_stays_open_in_the_document(root: Any, part: Any) -> None:
    tell(root, part, "error", code="unknown_job", of="attach", message="", hint="")
    assert root.jobs[0].has_ended and is_open(root)
    root.dismiss(root.jobs[0])
    root.look()
    assert root.documents.offers == ()


def test_a_job_is_sent_even_if_the_document_cannot_remember_it(
    root: Any, part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    style = part("model.style_list").Style()
    style.path = "/a.png"
    root.styles.styles = (style,)
    job = part("model.document_model").job_again(record("new"), a_document())
    monkeypatch.setattr(part("model.root"), "read_job", lambda *_: (job, "request"))
    monkeypatch.setattr(root.documents, "add", Mock(side_effect=ValueError))
    with pytest.raises(ValueError):
        root._begin(lambda document: Mock())
    root._network.submit.assert_called_once_with("request")
