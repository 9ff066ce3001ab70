"""Offers of jobs that have not ended: what they say, and how these are stopped."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock, call

import pytest
from job_records import record
from plugin_state import a_document

OTHER = ["b", "starry → “sky”"]


def told(part: Any, documents: Any, kind: str, job: str, **fields: Any) -> None:
    documents.handle(part("backend.wire").events.Event(kind, {"job": job, **fields}))


def frames(*finals: bool) -> list[dict[str, Any]]:
    return [{"sequence": sequence, "final": final} for sequence, final in enumerate(finals, 1)]


@pytest.fixture
def network() -> Any:
    return Mock()


@pytest.fixture
def documents(part: Any, network: Any) -> Any:
    """A document is in view that remembers the open job "a"."""
    made = part("model.documents").Documents(network)
    made.look(a_document(record()), (), ["b"])
    return made


@pytest.fixture
def earlier(part: Any, documents: Any) -> Any:
    """The job "b" of an earlier session, which no document remembers."""
    settings = part("settings").Settings()
    settings.set("jobs", [OTHER])
    made = part("model.earlier").Earlier(settings, documents)
    made.look(a_document())
    return made


@pytest.mark.parametrize(
    ("state", "alone", "more", "can_be_stopped"),
    [
        ("running", "Ü → “a” is still being painted.", " · not finished yet", True),
        ("paused", "Ü → “a” is paused.", " · paused", True),
        ("queued", "Ü → “a” is waiting to be painted.", " · not finished yet", True),
        ("failed", "Ü → “a” has failed.", "", False),
        ("", "Ü → “a” is still being painted.", "", False),
    ],
)
def test_an_offer_says_what_the_server_does_with_the_job(
    part: Any, documents: Any, earlier: Any, state: str, alone: str, more: str, can_be_stopped: bool
) -> None:
    known = {"state": state} if state else {}  # earlier versions do not tell
    told(part, documents, "frames", "a", frames=[], **known)
    [offer] = documents.offers
    assert (offer.words, offer.is_unfinished) == (alone, can_be_stopped)
    documents.look(a_document(record()), ())
    told(part, documents, "frames", "a", frames=frames(False, False), **known)
    [offer] = documents.offers
    assert offer.words == f"2 frames of Ü → “a” came meanwhile{more}"
    assert offer.is_unfinished == can_be_stopped
    told(part, documents, "frames", "b", frames=frames(False), **known)
    [offer] = earlier.offers
    unsaid = "" if state else " · not finished yet"  # it has no final frame
    assert offer.words == f"Earlier: {OTHER[1]} · 1 frame{more or unsaid}"
    assert offer.is_unfinished == can_be_stopped


def test_a_job_that_nobody_follows_can_be_stopped_and_its_picture_is_offered_then(
    part: Any, documents: Any, earlier: Any, network: Any
) -> None:
    told(part, documents, "frames", "b", frames=frames(False), state="running")
    network.reset_mock()
    documents.stop("b")
    assert network.mock_calls == [call.stop_unseen("b")]
    [offer] = earlier.offers
    assert offer.words.endswith(" · 1 frame · being stopped") and not offer.is_unfinished
    told(part, documents, "state", "b", state="running")
    assert earlier.offers == (offer,)
    told(part, documents, "done", "b", reason="stopped")
    network.list_frames.assert_called_once_with(["b"])
    told(part, documents, "frames", "b", frames=frames(False, True), state="done")
    [offer] = earlier.offers
    assert offer.words.endswith(" · 2 frames") and not offer.is_unfinished


def test_one_that_had_no_picture_is_offered_no_longer(part: Any, documents: Any, earlier: Any) -> None:
    for job in ("a", "b"):
        told(part, documents, "frames", job, frames=[], state="queued")
        documents.stop(job)
        told(part, documents, "cancelled", job, kept_frames=0)
        told(part, documents, "frames", job, frames=[], state="cancelled")
    assert documents.offers == earlier.offers == ()
    assert not documents.history(a_document()).jobs["a"].is_open


def test_a_server_that_is_gone_has_stopped_nothing(part: Any, documents: Any, earlier: Any) -> None:
    told(part, documents, "frames", "b", frames=frames(False), state="paused")
    documents.stop("b")
    told(part, documents, "disconnected", "")
    assert earlier.offers[0].is_unfinished


def test_a_job_with_a_row_is_stopped_there(root: Any, part: Any) -> None:
    offer = part("model.documents").Offer
    root.documents.offers = (offer("a", "", "", ""), offer("b", "", "", "", is_unfinished=True))
    assert [each.is_unfinished for each in root.offers] == [False, True]
    root.documents.offers = (offer("a", "", "", "", is_unfinished=True),)
    assert [each.is_unfinished for each in root.offers] == [False], "a has one"
    root.documents.stop = Mock()
    root.stop_offered(offer("b", "", "", ""))
    root.documents.stop.assert_called_once_with("b")
