"""Frames of earlier jobs: in which documents they are offered, and which can have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from plugin_state import a_document

TITLE = "swirls → “Background”"


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


def test_frames_are_not_put_into_a_picture_of_another_size(
    part: Any, root: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = part("model.documents").Offer("b", "words", "Fetch", TITLE, (600, 414))
    document, fetched = a_document(), Mock()
    monkeypatch.setattr(root, "_fetch", fetched)
    monkeypatch.setattr(part("model.root").host, "current", lambda: document)
    document.size = (6000, 1500)
    root.take(offer)
    assert not fetched.called
    assert root.message.startswith(
        "It was painted for a picture of 600 × 414 px, and this one has 6000 × 1500 px. "
    )
    document.size = (600, 414)
    root.take(offer)
    assert root.message == "" and fetched.call_args.args[0].style_name == "swirls"


def test_a_document_saved_meanwhile_is_known_by_its_new_file(
    part: Any, root: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = a_document()
    document.file, document.name, document.size = "/b.kra", "b.kra", (60, 41)
    monkeypatch.setattr(part("model.root").host, "open_documents", lambda: [document])
    root.rows.name_documents()
    assert list(root.rows.entry(root.jobs[0])) == ["a", "Ü → “a”", "/b.kra", "b.kra", 60, 41]
    monkeypatch.setattr(part("model.root").host, "open_documents", list)
    root.rows.name_documents()
    assert root.rows.entry(root.jobs[0]).file == "/b.kra", "also once it is closed"
