"""Frames of earlier jobs: in which documents they are offered, and which can have them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, call

import pytest
from job_records import module, record
from plugin_state import a_document

TITLE = "swirls → “Background”"


class Scene:
    """The docker with a document in view that has the layers sky and temple, of which this is active.

    ``made``: the ways of frames into documents, the latest last.
    """

    def __init__(self, part: Any, root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.part, self.made = root, part, []
        self.front = self.document("front")
        host = part("model.root").host
        monkeypatch.setattr(host, "current", lambda: self.front)
        monkeypatch.setattr(host, "open_documents", lambda: [self.front])
        monkeypatch.setattr(host, "must_have_colour", Mock())
        monkeypatch.setattr(part("model.root"), "Insertion", self.insertion)
        root.look()

    def insertion(self, _job: Any, document: Any, above: Any, *more: Any) -> Any:
        flags = {"pending": 0, "is_homeless": False, "is_animating": False}
        self.made.append(Mock(document=document, above=above, record=more[2], **flags))
        return self.made[-1]

    def document(self, name: str, file: str = "") -> Any:
        made = a_document()
        made.id, made.name, made.file = name, name, file
        layers = [a_layer("temple"), a_layer("sky")]
        made.layers, made.source = lambda: layers, lambda *_: layers[0]
        return made

    def offer(self, entry: list[Any]) -> None:
        """The docker has been started anew, and this was written down."""
        self.root._earlier.add(self.part("model.earlier")._entry(entry))
        self.root.look()


def a_layer(name: str) -> Any:
    return SimpleNamespace(id=f"{{{name}}}", name=name, is_mask=False)


def written(job: str, source: str = "{sky}", layers: str = "every") -> Any:
    """What is written down of a job beside its document."""
    made = record(job)
    made.source, made.layers = source, layers
    return made.to_json()


@pytest.fixture
def offered(part: Any) -> Any:
    """What is offered in a document with that file, of an entry as it was written down."""

    def made(entry: Any, file: str = "") -> Any:
        settings, document = part("settings").Settings(), a_document()
        settings.set("jobs", [entry])
        document.file = file
        earlier = part("model.earlier").Earlier(settings, part("model.documents").Documents(Mock()))
        earlier.look(document)
        return earlier.offers

    return made


def entry(file: Path | str, title: str = TITLE) -> list[Any]:
    return ["job", title, str(file), "feather.kra", 600, 414]


def test_they_are_offered_in_the_document_that_they_are_from(offered: Any, tmp_path: Path) -> None:
    file, other = tmp_path / "feather.kra", tmp_path / "other.kra"
    file.touch()
    other.touch()
    (offer,) = offered(entry(file), str(file))
    assert (offer.words, offer.size) == (f"Earlier: {TITLE}", (0, 0)), "whatever has become of its size"
    assert offered(entry(file), str(other)) == ()
    assert offered(entry(file)) == (), "not in one that has no file either"


@pytest.mark.parametrize("file", ["", "/gone/feather.kra"], ids=["never saved", "gone"])
def test_without_its_file_the_offer_says_of_which_picture_it_is(offered: Any, file: str) -> None:
    (offer,) = offered(entry(file), "/a.kra")
    assert offer.words == f"Earlier, in feather.kra (600 × 414 px): {TITLE}"
    assert offer.size == (600, 414)


@pytest.mark.parametrize("damaged", [[], "ab", ["job"], ["job", 5], ["job", TITLE, "", "", "6", 4], None])
def test_what_is_damaged_is_not_offered(offered: Any, damaged: Any) -> None:
    assert offered(damaged) == ()


def test_what_an_earlier_version_has_written_is_offered_anywhere(offered: Any) -> None:
    (offer,) = offered(["job", TITLE])
    assert (offer.words, offer.size) == (f"Earlier: {TITLE}", (0, 0))


@pytest.mark.parametrize("title", ["swirls → „Background“", "swirls → »Background«", TITLE])
def test_a_title_has_the_quotation_marks_of_the_painters_language(
    part: Any, offered: Any, title: str
) -> None:
    assert offered(["job", title])[0].title == TITLE
    part("translation").use(["de"])
    try:
        assert offered(["job", title])[0].words == "Früher: swirls → „Background“"
    finally:
        part("translation").use([])


@pytest.mark.parametrize("title", ["swirls", "", "swirls → ", "swirls → ab"])
def test_titles_of_other_forms_are_shown(part: Any, title: str) -> None:
    assert part("model.titles").translated(title) == title


@pytest.fixture
def scene(part: Any, root: Any, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(part, root, monkeypatch)


def test_frames_are_not_put_into_a_picture_of_another_size(scene: Scene) -> None:
    root, document = scene.root, scene.front
    scene.offer(["b", TITLE, "", "feather.kra", 600, 414])
    document.size = (6000, 1500)
    root.take(root.offers[0])
    assert not root._network.attach.called
    assert root.message.startswith(
        "It was painted for a picture of 600 × 414 px, and this one has 6000 × 1500 px. "
    )
    document.size = (600, 414)
    root.take(root.offers[0])
    assert root.message == "" and root.jobs[-1].style_name == "swirls"


def test_frames_lie_above_the_layer_that_was_painted(scene: Scene) -> None:
    root = scene.root
    scene.offer(["b", TITLE, "", "a.kra", 600, 414, written("b", source="{sky}", layers="newest")])
    root.take(root.offers[0])
    job, insertion = root.jobs[-1], scene.made[-1]
    assert (insertion.above.id, root.message) == ("{sky}", ""), "whatever is active"
    assert (job.layers.value, job.params.strength, job.title) == ("newest", 0.5, "Ü → “b”")
    root._network.attach.assert_called_once_with("b", after=0)
    assert root.documents.history(scene.front).jobs["b"].source == "{sky}" and root.offers == ()


def test_where_that_layer_is_missing_they_lie_above_the_active_one_and_the_docker_says_so(
    scene: Scene,
) -> None:
    root = scene.root
    scene.offer(["b", TITLE, "", "a.kra", 600, 414, written("b", source="{gone}")])
    root.take(root.offers[0])
    assert scene.made[-1].above.id == "{temple}"
    assert root.message == (
        "The layer that was painted is not here: its frames lie above “temple”, the active one."
    )
    assert root.documents.history(scene.front).jobs["b"].source == "{temple}", "to go on from"


def test_of_a_file_without_layers_nothing_is_said_of_its_only_one(scene: Scene) -> None:
    root, layers = scene.root, scene.front.layers()
    layers[0] = a_layer("frame")  # which is active
    ended = record("a", frames={"{frame}": module().FrameRecord(1, 1, 0)})
    root.documents.history(scene.front).jobs["a"] = ended
    scene.offer(["b", TITLE, "", "a.png", 600, 414, written("b", source="{of an earlier opening}")])
    root.take(root.offers[0])
    assert (scene.made[-1].above.id, root.message) == ("{sky}", "")


def test_of_a_job_written_down_by_an_earlier_version_nothing_is_missed(scene: Scene) -> None:
    root = scene.root
    root.options.load({"layers": "newest"})
    scene.offer(["b", TITLE])
    root.take(root.offers[0])
    assert (scene.made[-1].above.id, root.message) == ("{temple}", "")
    assert root.jobs[-1].layers.value == "newest", "the docker's"


@pytest.mark.parametrize(
    ("final", "more"), [(False, "3 frames · not finished yet"), (True, "3 frames")], ids=["running", "done"]
)
def test_an_offer_says_when_it_was_and_what_the_server_has(
    part: Any, scene: Scene, final: bool, more: str
) -> None:
    root = scene.root
    scene.offer(["b", TITLE, "", "", 0, 0, {**written("b"), "begun": 99}])
    assert [offer.words for offer in root.offers] == [f"Earlier: {TITLE} · 99 s after 1970 began"]
    assert "b" in root._network.list_frames.call_args.args[0], "which connects where a server runs"
    kept = [{"sequence": sequence, "final": final and sequence == 3} for sequence in (1, 2, 3)]
    root._handle(part("backend.wire").events.Event("frames", {"job": "b", "frames": kept}))
    assert [offer.words for offer in root.offers] == [f"Earlier: {TITLE} · 99 s after 1970 began · {more}"]


def test_an_offer_that_is_unfinished_is_asked_about_until_it_has_ended(part: Any, scene: Scene) -> None:
    root, event = scene.root, part("backend.wire").events.Event
    timer, asked = Mock(), root._network.list_frames
    root._asking = timer

    def words() -> list[str]:
        return [offer.words for offer in root.offers if offer.job == "b"]

    scene.offer(["b", TITLE])
    root._ask_again()
    assert not timer.start.called, "no server is there"
    root._handle(event("connected", {}))
    kept = [{"sequence": 1, "final": False}]
    root._handle(event("frames", {"job": "b", "frames": kept, "state": "running"}))
    assert words() == [f"Earlier: {TITLE} · 1 frame · not finished yet"] and timer.start.called
    for again in ("meanwhile", "not yet answered"):
        asked.reset_mock(), timer.reset_mock()
        root._ask_again()
        assert timer.start.called
        assert asked.mock_calls == ([call(["b"])] if again == "meanwhile" else [])
    root._handle(event("not_running", {}))
    timer.reset_mock()
    root._ask_again()
    assert not timer.start.called and not asked.called, "until it is there again"
    root._handle(event("connected", {}))
    asked.assert_called_once_with(["b"])
    timer.reset_mock(), asked.reset_mock()
    kept.append({"sequence": 2, "final": True})
    root._handle(event("frames", {"job": "b", "frames": kept, "state": "done"}))
    assert words() == [f"Earlier: {TITLE} · 2 frames"]
    root._ask_again()
    assert not timer.start.called and not asked.called, "it is finished"


def test_what_the_server_does_not_know_any_more_is_not_offered(part: Any, scene: Scene) -> None:
    scene.offer(["b", TITLE])
    unknown = {"job": "b", "code": "unknown_job", "of": "frames"}
    scene.root._handle(part("backend.wire").events.Event("error", unknown))
    assert scene.root.offers == ()


def test_a_document_saved_meanwhile_is_known_by_its_new_file(
    part: Any, root: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = a_document()
    document.file, document.name, document.size = "/b.kra", "b.kra", (60, 41)
    monkeypatch.setattr(part("model.root").host, "open_documents", lambda: [document])
    root.rows.name_documents()
    assert list(root.rows.entry(root.jobs[0]))[:6] == ["a", "Ü → “a”", "/b.kra", "b.kra", 60, 41]
    monkeypatch.setattr(part("model.root").host, "open_documents", list)
    root.rows.name_documents()
    assert root.rows.entry(root.jobs[0]).file == "/b.kra", "also once it is closed"


def running(scene: Scene, **more: Any) -> Any:
    """A job of the document in view, which is closed then; three frames have become layers of it."""
    root, document = scene.root, scene.front
    begun = record("b", **more)
    begun.source = "{sky}"
    root.documents.add(document, begun)
    made = scene.part("model.document_model").job_again(begun, document)
    root.rows.add(made, root._insertion(made, document, Mock(), begun))
    made.handle("state", {"state": "running"})
    made.frames, made.inserted = {1: 10, 2: 20, 3: 30}, (1, 2, 3)
    root.look()
    scene.made[-1].is_homeless = True
    return made


def test_a_job_goes_on_in_its_document_when_that_is_opened_again(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "b.kra"
    file.touch()
    scene.front.file = str(file)
    root, job = scene.root, running(scene, seen=[1, 2, 3], group="{group}")
    scene.front = scene.document("desktop")
    root.look()
    assert job in root.jobs and job.is_homeless and root.offers == ()
    job.note, closed = "The document was closed.", scene.made[-1]
    scene.front = scene.document("again", str(file))
    root.look()
    assert root.jobs[-1] is job and not job.is_homeless and (job.note, job.inserted) == ("", ())
    insertion = root.insertion(job)
    assert (insertion.document.id, insertion.above.id, job.document_id) == ("again", "{sky}", "again")
    assert (insertion.record.group, insertion.record.seen) == ("", []), "it was not saved with any"
    assert closed.close.called and root.rows.latest is None and root.offers == ()
    root._network.attach.assert_called_once_with("b", after=0)


def test_with_the_frames_that_were_saved(scene: Scene) -> None:
    root, job = scene.root, running(scene)
    file = scene.document("again")
    history = scene.part("model.history").History()
    saved = record("b", seen=[1, 3], group="{group}")
    saved.source, saved.frames = "{sky}", {"{one}": scene.part("model.history").FrameRecord(1, 10, 0)}
    history.add(saved)
    file.text = history.to_text(2**16)
    scene.front = file
    root.look()
    insertion = root.insertion(job)
    assert (insertion.document.id, insertion.record.group, job.left_out) == ("again", "{group}", (2,))
    assert insertion.reopen.called, "to show which are layers"
    root._network.attach.assert_called_once_with("b", after=3)
    assert [offer for offer in root.offers if offer.job] == [], "it is followed again"


def test_a_picture_that_is_still_being_sent_is_not_asked_for(scene: Scene) -> None:
    scene.front.file = "/b.kra"
    job = running(scene)
    job.state = scene.part("model.jobs").JobState.SENDING
    scene.front = scene.document("again", "/b.kra")
    scene.root.look()
    assert job.document_id == "again" and not scene.root._network.attach.called


def test_nor_is_the_server_asked_of_it_for_another_document(scene: Scene, part: Any) -> None:
    root, job = scene.root, running(scene)
    job.state = part("model.jobs").JobState.SENDING
    scene.front = scene.document("another")
    root._network.list_frames.reset_mock()
    root.look()
    asked = [each for call in root._network.list_frames.call_args_list for each in call.args[0]]
    assert job.id not in asked, "it would say that it knows no such job, which would then not be offered"


def test_the_frames_of_a_running_job_whose_document_has_no_file_are_offered_at_once(scene: Scene) -> None:
    root, job = scene.root, running(scene)
    scene.front = scene.document("another")
    root.look()
    assert [offer.words for offer in root.offers] == [f"Earlier, in front (600 × 414 px): {job.title}"]
    root.decline(root.offers[0])
    root.look()
    assert root.offers == (), "once"
    root._earlier.add(root.rows.entry(job))
    root.take(root.offers[0])
    assert root.jobs[-1] is job and job.document_id == "another" and root.offers == ()


def test_a_job_that_is_being_cancelled_is_not_taken_up(scene: Scene) -> None:
    scene.front.file = "/b.kra"
    job = running(scene)
    job.wanted = "cancel"
    scene.front = scene.document("again", "/b.kra")
    scene.root.look()
    assert job.document_id == "front" and scene.root.offers == ()


def test_a_job_that_is_followed_again_shows_its_picture_as_it_is_now(part: Any) -> None:
    network = part("backend.network").Network()
    network._client = Mock()
    network._attach("a", 3)
    network._client.attach.assert_called_once_with("a", after=3, previews=True)


def test_no_more_listings_are_asked_for_at_a_time_than_the_server_keeps_waiting(part: Any) -> None:
    module = part("backend.network")
    network, event = module.Network(), module.wire.events.Event
    network._client, network.happened = (client := Mock(welcome=None)), Mock()
    jobs = [f"job-{number}" for number in range(20)]
    network._list_frames(jobs)
    network._fetch("job-1", [4], 0)
    network._fetch("job-1", [5, 4], 0)
    assert not client.frames.called, "nobody listens yet"
    client.welcome = {}
    network._report(event("connected", {}))
    asked = [call.args[0] for call in client.frames.call_args_list]
    assert asked == jobs[:8] and client.frames.call_args_list[1].kwargs == {"fetch": [4, 5]}
    network._report(event("frames", {"job": "job-0", "frames": [], "more": True}))
    assert client.frames.call_count == 8, "that answer is not at its end"
    network._report(event("frames", {"job": "job-0", "frames": []}))
    network._report(event("error", {"job": "job-1", "of": "frames", "code": "unknown_job"}))
    asked = [call.args[0] for call in client.frames.call_args_list]
    assert asked == jobs[:10]
    network._report(event("connected", {}))  # once more: what was asked before is not answered any more
    again = jobs[2:10]
    assert [call.args[0] for call in client.frames.call_args_list] == [*jobs[:10], *again]
    network._leave()
    network._client = Mock(welcome={})
    network._list_next()
    assert not network._client.frames.called, "another server knows none of them"


def test_the_latest_of_earlier_jobs_is_offered_first(scene: Scene) -> None:
    for job in ("a", "b", "c"):
        scene.offer([job, TITLE])
    assert [offer.job for offer in scene.root.offers] == ["c", "b", "a"]


def test_two_kritas_write_down_their_jobs_side_by_side(part: Any) -> None:
    def a_krita() -> Any:
        return part("model.earlier").Earlier(
            part("settings").Settings(), part("model.documents").Documents(Mock())
        )

    def entry(job: str) -> Any:
        return part("model.earlier").Entry(job, TITLE)

    def found() -> list[str]:
        return [entry.job for entry in a_krita()._entries]

    one, other = a_krita(), a_krita()
    one.keep([entry("a")])
    other.keep([entry("b")])
    one.keep([entry("a"), entry("c")])
    assert sorted(found()) == ["a", "b", "c"]
    one.keep([])  # its jobs have ended
    assert found() == ["b"]
    third = a_krita()
    other.keep([])
    third.keep([entry("d")])
    assert found() == ["d"], "what another one has done meanwhile is not written down again"
    one.keep([entry(f"job-{number}") for number in range(12)])
    assert len(found()) == 13, "after a crash each of them is offered"


def test_strokes_on_frames_are_remembered_at_once_and_watched_in_the_next_session(
    root: Any, part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pen, document = root.rows.pen, part("model.root").host.current()
    assert pen.touched.connect.call_args.args == (root.documents.note_painted,)
    assert root._edits.changed.connect.call_args.args == (root.documents.note_painted,)
    made = root.documents.history(document).jobs["a"]
    made.keep("{1}", module().FrameRecord(1, 1, 0))
    write, layers = Mock(), ("{1}", "{1}", "{source}", "{own}")
    monkeypatch.setattr(root.documents, "write", write)
    is_untouched = root.documents.is_untouched
    assert [is_untouched(document, layer) for layer in layers] == [True, True, False, False]
    for layer in layers:
        root.documents.note_painted(document, layer)
    assert made.painted == ["{1}"] and write.call_count == 1
    assert not is_untouched(document, "{1}")
    pen.start.reset_mock()
    root.look()
    assert pen.start.called, "before anybody follows the job"
    made.is_open = False
    pen.start.reset_mock()
    root.look()
    assert not pen.start.called
