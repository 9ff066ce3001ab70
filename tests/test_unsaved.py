"""Frames that Krita's crash would take: what is written down for it, and what is offered afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from job_records import module, record
from plugin_state import a_document

DONE = {"job": "a", "iteration": 9, "seconds": 1.0, "reason": "completed", "notes": [], "encoder": "vgg19"}


@pytest.fixture
def ended(part: Any, root: Any) -> Any:
    """The plugin's state: its job has ended, and its frames are layers of a document with a file."""
    document = root.documents._known["document"][0]
    document.file = "/a.kra"
    root.rows.name_documents()
    root.jobs[0].left_out = ()
    root.insertion(root.jobs[0]).record.keep("{frame}", module().FrameRecord(1, 9, 0))
    root._handle(part("backend.wire").events.Event("done", DONE))
    return root


def written_down(root: Any) -> list[list[Any]]:
    return [entry[:4] for entry in root.settings.get("jobs", list)]


def test_what_has_been_painted_is_written_down_until_its_document_is_saved(ended: Any) -> None:
    assert written_down(ended) == [["a", "Ü → “a”", "/a.kra", "a.kra"]]
    ended.saved("/b.kra")
    assert written_down(ended) != [], "another document"
    ended.saved("/a.kra")
    assert written_down(ended) == []
    ended.look()
    assert written_down(ended) == []


def test_a_document_that_gets_its_file_only_now_is_meant_too(ended: Any) -> None:
    document = ended.insertion(ended.jobs[0]).document
    document.file = "/c.kra"
    ended.saved("/c.kra")
    assert written_down(ended) == []


def test_frames_that_are_still_to_become_layers_are_not_saved(ended: Any) -> None:
    insertion = ended.insertion(ended.jobs[0])
    insertion.pending, insertion.document.file = 1, "/c.kra"
    ended.saved("/c.kra")
    insertion.pending = 0
    assert [file for _job, _title, file, _name in written_down(ended)] == ["/c.kra"], "where they are offered"
    ended.look()
    assert len(written_down(ended)) == 1


def test_a_file_without_layers_saves_no_frames(ended: Any) -> None:
    document = ended.insertion(ended.jobs[0]).document
    document.file = "/a.PNG"
    ended.saved("/a.PNG")
    assert [file for _job, _title, file, _name in written_down(ended)] == ["/a.PNG"]
    document.file = "/a.kra"
    ended.saved("/a.kra")
    assert written_down(ended) == []


@pytest.mark.parametrize("row", ["there", "put away"])
@pytest.mark.parametrize("leaves", ["closes the document", "saves another", "quits", "quits, all closed"])
def test_who_was_not_asked_as_the_file_has_no_layers_is_offered_them(
    ended: Any, part: Any, monkeypatch: pytest.MonkeyPatch, leaves: str, row: str
) -> None:
    insertion = ended.insertion(ended.jobs[0])
    insertion.document.file = "/a.png"
    ended.saved("/a.png")
    if row == "put away":
        ended.dismiss(ended.jobs[0])
    insertion.is_homeless = leaves != "quits"  # nobody has looked since it was closed
    if leaves.startswith("quits"):
        ended.close()
    else:
        if leaves == "saves another":
            ended.saved("/b.kra")
        again = a_document()
        again.id, again.file = "again", "/a.png"
        monkeypatch.setattr(part("host"), "current", lambda: again)
        ended.look()
        ended.look()
        assert ended.jobs == () and [offer.job for offer in ended.offers] == ["a"]
    assert [file for _job, _title, file, _name in written_down(ended)] == ["/a.png"]


def test_the_file_is_known_of_a_job_whose_row_was_put_away_before(ended: Any) -> None:
    document = ended.insertion(ended.jobs[0]).document
    ended.dismiss(ended.jobs[0])
    document.file, document.name = "/late.png", "late.png"
    ended.saved("/late.png")
    assert written_down(ended) == [["a", "Ü → “a”", "/late.png", "late.png"]]


def test_a_row_that_is_put_away_saves_nothing(ended: Any) -> None:
    ended.dismiss(ended.jobs[0])
    ended.look()
    assert ended.jobs == () and len(written_down(ended)) == 1


def test_who_quits_has_been_asked_whether_to_save(ended: Any) -> None:
    ended.close()
    assert written_down(ended) == []


def test_who_closes_the_document_too(ended: Any) -> None:
    ended.insertion(ended.jobs[0]).is_homeless = True
    ended.look()
    assert written_down(ended) == []


@pytest.mark.parametrize("wanted", ["cancel", "nothing made"])
def test_where_nothing_was_made_nothing_is_written_down(part: Any, root: Any, wanted: str) -> None:
    root.jobs[0].left_out = ()
    root.jobs[0].wanted = wanted
    if wanted == "cancel":
        root.insertion(root.jobs[0]).record.seen.append(1)
    root._handle(part("backend.wire").events.Event("done", DONE))
    assert written_down(root) == []


@pytest.mark.parametrize(
    ("saved", "offers"), [("before Start", 1), ("during the job", 0), ("after its last frame", 0)]
)
def test_after_the_crash_it_is_offered_where_the_file_does_not_know_it(
    part: Any, tmp_path: Path, saved: str, offers: int
) -> None:
    file, settings = tmp_path / "a.kra", part("settings").Settings()
    file.touch()
    settings.set("jobs", [["a", "Ü → “a”", str(file), "a.kra", 600, 414, record().to_json()]])
    documents = part("model.documents").Documents(Mock())
    earlier = part("model.earlier").Earlier(settings, documents)
    remembered = record(seen=[1, 2], is_open=saved == "during the job")
    document = a_document(*([] if saved == "before Start" else [remembered]))
    document.file = str(file)
    earlier.look(document)
    documents.look(document, (), [offer.job for offer in earlier.offers])
    kept = [{"sequence": sequence, "final": sequence == 3} for sequence in (1, 2, 3)]
    documents.handle(part("backend.wire").events.Event("frames", {"job": "a", "frames": kept}))
    assert len(earlier.offers) == offers
    of_document = ["1 frame of Ü → “a” came meanwhile"] if saved == "during the job" else []
    assert [offer.words for offer in documents.offers] == of_document
