"""Rows of jobs: which the docker keeps, with which document, and which job the sliders move."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from job_records import LIMIT, module, record
from plugin_state import a_document

FINISHED = {"iteration": 9, "seconds": 1.0, "reason": "completed", "notes": [], "encoder": "vgg19"}


def begun(part: Any, root: Any, name: str, document: str = "document", styles: tuple[Any, ...] = ()) -> Any:
    """A job that has been accepted in that document."""
    job = part("model.jobs").Job(
        name,
        name,
        root.options.params(root.styles.weights_of(styles)),
        part("model.options").Layers.EVERY,
        document,
        "layer",
        name,
        styles,
    )
    insertion = Mock(pending=0, is_homeless=False, is_animating=False, record=record(name))
    root.rows.add(job, insertion)
    job.handle("state", {"state": "running"})
    return job


def two_documents(part: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Brings the document of that id into view."""
    host, documents = part("host"), {name: a_document() for name in ("document", "other")}
    for name, document in documents.items():
        document.id, document.name = name, f"{name}.kra"
    monkeypatch.setattr(host, "open_documents", lambda: list(documents.values()))

    def view(root: Any, name: str) -> None:
        monkeypatch.setattr(host, "current", lambda: documents[name])
        root.look()

    return view


def test_ended_jobs_keep_their_frames_at_hand_in_a_folded_row(part: Any, root: Any) -> None:
    first = root.jobs[0]
    first.left_out = ()
    first.handle("done", FINISHED)
    assert not first.is_folded, "until the next one starts all of it is shown"
    second = begun(part, root, "second")
    assert root.jobs == (first, second) and first.is_folded and not second.is_folded
    root.insertion(first).rest.assert_called_once_with()
    root.rows.unfold(first)
    root.insertion(first).reopen.assert_called_once_with()
    assert not first.is_folded


def test_a_document_keeps_so_many_ended_rows(part: Any, root: Any) -> None:
    most = part("model.job_rows").MAX_ENDED
    for number in range(most + 3):
        begun(part, root, f"job {number}").handle("done", FINISHED)
    begun(part, root, "the last")
    assert [job.id for job in root.jobs if job.has_ended] == [f"job {n}" for n in range(3, most + 3)]
    assert "a" in [job.id for job in root.jobs], "one that has not ended is never put away"


def test_a_row_with_frames_on_their_way_is_not_folded(part: Any, root: Any) -> None:
    job = root.jobs[0]
    root.insertion(job).pending = 1
    job.handle("done", FINISHED)
    begun(part, root, "second")
    assert not job.is_folded and root.insertion(job).rest.call_count == 0


def test_rows_name_their_document_where_there_is_more_than_one(
    part: Any, root: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = begun(part, root, "second", "other")
    root.rows.name_documents()
    assert [job.document_name for job in root.jobs] == ["", ""]
    view = two_documents(part, monkeypatch)
    view(root, "document")
    assert (root.jobs[0].document_name, other.document_name) == ("document.kra", "other.kra")
    monkeypatch.setattr(part("host"), "open_documents", lambda: [a_document()])
    root.rows.name_documents()
    assert (root.jobs[0].document_name, other.document_name) == ("", "other.kra"), "one that was closed"


def test_the_sliders_are_those_of_the_job_of_the_document_in_view(
    part: Any, root: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, style = two_documents(part, monkeypatch), part("model.style_list").Style()
    root.styles.add(style)
    view(root, "document")
    root.options["strength"] = 0.25
    here = begun(part, root, "here", styles=(style,))
    view(root, "other")
    assert root.rows.latest is None, "none here: nothing is moved"
    assert root.options["strength"] == 0.25
    root.options["strength"] = 0.75
    root._live._send()
    assert here.params.strength == 0.25
    there = begun(part, root, "there", "other", (style,))
    view(root, "document")
    assert root.options["strength"] == 0.25, "what its job has"
    root.options["tv"] = 0.5
    root._live._send()
    assert (here.params.strength, here.params.tv, there.params.tv) == (0.25, 0.5, 0.0)
    view(root, "other")
    assert (root.options["strength"], root.options["tv"]) == (0.75, 0.0), "what the docker had there"


def test_what_was_moved_last_reaches_the_job_before_the_painter_leaves(
    part: Any, root: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, style = two_documents(part, monkeypatch), part("model.style_list").Style()
    root.styles.add(style)
    view(root, "document")
    job = begun(part, root, "here", styles=(style,))
    root.options["strength"] = 0.9
    root._live._timer.isActive.return_value = True
    view(root, "other")
    assert job.params.strength == 0.9


def test_a_live_change_is_in_the_document_at_once(part: Any, root: Any) -> None:
    job, document = root.jobs[0], root.documents._known["document"][0]
    job.styles, job.state = (part("model.style_list").Style(),), part("model.jobs").JobState.RUNNING
    root.styles.add(job.styles[0])
    root.options["strength"] = 0.76
    root._live._send()
    saved = module().History.from_text(document.text).jobs["a"]
    assert saved.settings_of("")["options"]["strength"] == 0.76, "before any frame of it has come"


def test_live_changes_that_a_crash_took_are_learnt_from_the_server(part: Any, root: Any) -> None:
    document = root.documents._known["document"][0]

    def settings_after(revision: int, **params: Any) -> Any:
        fields = {"job": "a", "state": "paused", "revision": revision, "kept_frames": 0, "params": params}
        root._handle(part("backend.wire").events.Event("accepted", fields))
        return module().History.from_text(document.text).jobs["a"].settings_of("")

    assert settings_after(0)["options"] == {"strength": 0.5}
    learnt = settings_after(3, strength=0.76, style_weights=[0.25], iterations=40)
    assert (learnt["options"]["strength"], learnt["styles"][0]["weight"]) == (0.76, 0.25)
    assert "iterations" not in learnt["options"], "which nobody can have changed"
    assert settings_after(3, strength=0.9)["options"]["strength"] == 0.76, "known"


def test_a_row_is_not_put_away_while_frames_wait_for_the_painter(part: Any, root: Any) -> None:
    job = root.jobs[0]
    root.insertion(job).pending = 1
    root.dismiss(job)
    assert root.jobs == (job,)
    assert job.note == "Frames wait until you have finished what you are doing on the canvas."


@pytest.mark.parametrize(
    ("iteration", "words"), [(0, "recoloured earlier"), (1, "1 iteration, painted earlier")]
)
def test_a_job_of_an_earlier_session_tells_what_it_did(part: Any, iteration: int, words: str) -> None:
    saved = record("saved")
    saved.keep("{layer}", module().FrameRecord(1, iteration, 0))
    assert part("model.document_model").ended_again(saved, a_document()).words == words


@pytest.mark.parametrize("ending", ["done", "cancelled", "failed"])
def test_a_job_of_an_earlier_session_has_ended_as_it_had(part: Any, root: Any, ending: str) -> None:
    document, job = part("model.root").host.current(), root.jobs[0]
    job.left_out = ()
    told = {"message": "", "hint": "", "field": "", **FINISHED}
    root._handle(part("backend.wire").events.Event(ending, {"job": job.id, **told}))
    saved = module().History.from_text(document.text).jobs[job.id]
    assert not saved.is_open
    assert part("model.document_model").ended_again(saved, document).state.value == ending


@pytest.mark.parametrize(
    ("is_open", "group", "rows"), [(False, "{g}", 1), (True, "{g}", 0), (False, "{x}", 0)]
)
def test_a_reopened_document_has_rows_for_what_it_still_holds(
    part: Any, root: Any, monkeypatch: pytest.MonkeyPatch, is_open: bool, group: str, rows: int
) -> None:
    saved = record("saved", group=group)
    saved.is_open = is_open
    saved.keep("{layer}", module().FrameRecord(3, 20, 0))
    history = module().History()
    history.add(saved)
    layers = [SimpleNamespace(id=name) for name in ("{g}", "{layer}", "{source}")]
    document = SimpleNamespace(
        id="reopened", name="b", file="", is_open=True, text=history.to_text(LIMIT), layers=lambda: layers
    )
    monkeypatch.setattr(part("host"), "current", lambda: document)
    root.look()
    found = [job for job in root.jobs if job.id == "saved"]
    assert len(found) == rows
    for job in found:
        assert job.has_ended and job.is_folded and job.words == "20 iterations, painted earlier"
    made = {layer.id for layer in layers if root.has_made(layer)}
    assert made == {"{layer}", group} - {"{x}"}, "what menus of the painter's layers leave out"
    root.look()
    assert len([job for job in root.jobs if job.id == "saved"]) == rows, "once"


def in_state(part: Any, root: Any, name: str, document: str, state: str, position: int = 0) -> Any:
    """A job of that name that the server says to be in that state."""
    job = begun(part, root, name, document)
    if state == "done":
        job.handle("done", FINISHED)
    else:
        job.handle("state", {"state": state, "position": position})
    return job


def test_rows_stand_in_the_order_of_the_queue_and_those_of_the_document_in_view_first(
    part: Any, root: Any
) -> None:
    order, jobs = part("model.row_order"), []
    jobs.append(in_state(part, root, "ended here", "document", "done"))
    jobs.append(in_state(part, root, "folded here", "document", "done"))
    jobs.append(in_state(part, root, "ended there", "other", "done"))
    jobs.append(in_state(part, root, "running there", "other", "running"))
    jobs.append(in_state(part, root, "next", "document", "queued", 0))
    jobs.append(in_state(part, root, "behind it", "document", "queued", 1))
    jobs[0].is_folded = jobs[2].is_folded = False
    jobs[1].is_folded = True
    here = ["next", "behind it", "running there", "ended here", "folded here", "ended there"]
    assert [job.id for job in order.ordered(jobs, "document")] == here
    there = ["running there", "next", "behind it", "ended there", "ended here", "folded here"]
    assert [job.id for job in order.ordered(jobs, "other")] == there
    jobs[4].handle("state", {"state": "running"})
    jobs[5].handle("state", {"state": "queued", "position": 0})
    assert [job.id for job in order.ordered(jobs, "document")][:2] == ["next", "behind it"]


def test_what_has_ended_here_stands_above_what_is_paused_elsewhere(part: Any, root: Any) -> None:
    states = {"ended here": "done", "folded here": "done", "ended there": "done", "paused there": "paused"}
    jobs = [in_state(part, root, name, name.split()[1], state) for name, state in states.items()]
    jobs[0].is_folded, jobs[1].is_folded = False, True
    order = part("model.row_order").ordered
    assert [job.id for job in order(jobs, "here")] == [
        "ended here",
        "paused there",
        "folded here",
        "ended there",
    ]
    assert order(jobs, "there")[0].id == "paused there"


def test_a_job_waits_in_line_behind_those_at_work_but_not_behind_a_paused_one(part: Any, root: Any) -> None:
    order = part("model.row_order")
    first = in_state(part, root, "first", "document", "running")
    after = in_state(part, root, "next", "document", "queued", 0)
    last = in_state(part, root, "last", "document", "queued", 1)
    jobs = (first, after, last)
    assert [order.is_in_line(job, jobs) for job in jobs] == [False, True, True]
    first.handle("state", {"state": "paused", "position": 0})
    assert not any(order.is_in_line(job, jobs) for job in jobs), "which makes room"
    first.iteration, first.total = 25, 100
    after.handle("state", {"state": "running"})
    first.handle("state", {"state": "queued", "position": 0})
    assert [order.is_in_line(job, jobs) for job in jobs] == [False, False, True], "it has been begun"
    assert (first.words, first.fraction) == ("next in line", 0.25)


def test_a_job_that_is_stopped_says_so_until_it_has_ended(root: Any) -> None:
    job = root.jobs[0]
    for state in ("preparing", "running"):
        job.wanted = ""
        job.handle("state", {"state": state})
        root.stop(job)
        assert job.words == "being stopped"
        job.handle("state", {"state": state})
        assert job.words == "being stopped"
    job.handle("progress", {"iteration": 25, "total": 100, "losses": {}, "seconds_left": 9})
    assert (job.words, job.fraction) == ("being stopped", 0.25)
    job.handle("done", {**FINISHED, "reason": "stopped"})
    assert job.words.startswith("stopped at iteration")


def test_a_job_that_is_cancelled_says_so_until_it_has_ended(root: Any) -> None:
    job = root.jobs[0]
    job.handle("state", {"state": "running"})
    root.cancel(job)
    job.handle("progress", {"iteration": 25, "total": 100, "losses": {}, "seconds_left": 9})
    job.handle("state", {"state": "running"})
    assert job.words == "cancelling"


def test_a_lost_job_whose_frames_wait_keeps_its_row(root: Any, part: Any) -> None:
    job, document = root.jobs[0], a_document()
    job.lose("The server is gone.")
    root.insertion(job).pending, root.insertion(job).is_homeless = 2, False
    root._returning._bring(root.documents.history(document).jobs["a"], document, Mock())
    assert root.jobs == (job,) and job.note.startswith("Frames wait")


def test_rows_say_that_the_server_is_being_started(root: Any, part: Any) -> None:
    def tell(kind: str, **fields: Any) -> list[str]:
        root._handle(part("backend.wire").events.Event(kind, fields))
        return [job.words for job in root.jobs]

    (asked,) = words = [job.words for job in root.jobs]
    assert asked == "asking the server for it"
    assert tell("starting") == ["starting server"]
    second = part("model.document_model").job_again(record("b"), a_document())
    root.rows.add(second, Mock(pending=0, is_homeless=False, is_animating=False, record=record("b")))
    assert [job.words for job in root.jobs] == ["starting server"] * 2
    assert tell("connected") == words * 2
    root.jobs[0].handle("state", {"state": "running"})
    second.wanted = second.words = "cancel"
    assert tell("starting") == ["starting server", "cancel"]
    assert tell("unreachable", reason="The server stopped.") == ["The server stopped.", "cancel"]


def test_what_the_server_notes_is_told_apart(root: Any) -> None:
    job, notes = root.jobs[0], ["painted at 128 px, and enlarged to 640", "began again after an interruption"]
    job.handle("done", {**FINISHED, "notes": notes})
    assert job.note == " · ".join(notes)


def test_a_job_that_was_lost_is_offered_once_a_server_answers_again(root: Any, part: Any) -> None:
    def tell(kind: str, **fields: Any) -> None:
        root._handle(part("backend.wire").events.Event(kind, {"job": "", **fields}))

    root.jobs[0].left_out = ()
    tell("unreachable", reason="The server's program is gone.")
    assert root.jobs[0].is_lost and not root.offers
    tell("connected", devices=[])
    tell("frames", job="a", state="running", frames=[{"sequence": 3, "final": False}])
    assert [offer.job for offer in root.offers] == ["a"] and root.offers[0].is_unfinished


def test_a_paused_job_that_is_stopped_says_so_while_others_have_its_device(root: Any) -> None:
    job = root.jobs[0]
    job.iteration, job.total = 25, 100
    job.handle("state", {"state": "paused", "position": 0})
    assert job.words == "paused at iteration 25 of 100"
    root.stop(job)
    assert job.words == "being stopped"
    job.handle("state", {"state": "paused", "position": 1})
    assert (job.words, job.fraction) == ("being stopped", 0.25)


def test_the_losses_go_on_where_a_server_goes_on_that_was_ended(root: Any) -> None:
    job = root.jobs[0]

    def painted(*iterations: int) -> None:
        for iteration in iterations:
            losses = {"total": 100 / iteration}
            job.handle("progress", {"iteration": iteration, "total": 9, "losses": losses, "scale": [48, 32]})

    painted(1, 2, 3, 4)
    job.handle("accepted", {"state": "running", "revision": 0, "iteration": 2})
    painted(3)
    assert [tuple(loss) for loss in job.losses[1:]] == [(2, 50.0, (48, 32)), (3, 100 / 3, (48, 32))]
    painted(4, 4)
    assert [loss.iteration for loss in job.losses] == [1, 2, 3, 4]


def test_the_settings_of_a_row_bring_the_preset_that_they_are_of(root: Any) -> None:
    presets = {preset.name: preset for preset in root.presets.built_in}
    root.choose_preset(presets["Gentle wash"])
    remembered = root.insertion(root.jobs[0]).record
    remembered.settings = {"options": root.options.to_json(), "others": ["“sky”"]}
    root.choose_preset(presets["Bold strokes"])
    root.use_settings_of(root.jobs[0])
    assert (root.presets.current.name, root.presets.is_changed) == ("Gentle wash", False)
