"""Images that arrive slowly: what is asked for again, and when a submission is given up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nst_server import store as store_module
from nst_server.broker import uploads
from nst_server.broker.sessions import Session
from nst_server.broker.uploads import EXPIRE_SECONDS, Pending, Unexpected, Uploads
from nst_server.jobs import Job
from nst_server.store import Store
from nst_server.wire.messages import Message
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels, digest_of

CHUNK_BYTES = 1024


def image(number: int, chunks: int) -> tuple[Pixels, bytes]:
    data = bytes([number]) * (chunks * CHUNK_BYTES)
    return Pixels(digest_of(data), 16, 16 * chunks, len(data)), data


class Scene:
    """Uploads, and clients whose lines take so many seconds for a chunk."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.needs: dict[Session, list[Message]] = {}
        self.ended: dict[str, str] = {}
        self.chunks = 0
        self.data: dict[str, bytes] = {}
        sessions: Any = self
        self.uploads = Uploads(Store(folder), sessions, self._complete, self._refuse)

    def send(self, session: Session, message: Message) -> None:
        self.needs[session].append(message)

    def _complete(self, pending: Pending) -> None:
        self.ended[pending.job.id] = "accepted"

    def _refuse(self, pending: Pending, _field: str, message: str, _hint: str) -> None:
        self.ended[pending.job.id] = message

    def client(self) -> Session:
        session = Session(b"", "")
        self.needs[session] = []
        return session

    def submit(self, session: Session, job: str, *images: tuple[Pixels, bytes]) -> Pending:
        self.data.update((pixels.digest, data) for pixels, data in images)
        first, *others = (pixels for pixels, _ in images)
        pending = Pending(Job(job, Params(), first, tuple(others)), session, True, False)
        self.uploads.add(pending, self.now)
        return pending

    def run(self, session: Session, seconds: float, until: Callable[[], Any] = lambda: False) -> None:
        """Answer the needs one by one, the oldest first, each in so many seconds; the server ticks."""
        while self.needs[session] and not until():
            need = self.needs[session].pop(0)
            self.wait(seconds)
            start = need["offset"]
            chunk = self.data[need["digest"]][start : start + need["bytes"]]
            self.chunks += 1
            try:
                self.uploads.receive(session, need["digest"], start, chunk, self.now)
            except Unexpected:
                self.uploads.ask(session)

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 1.0)
            self.uploads.tick(self.now)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(store_module, "MIN_FREE", 0)
    monkeypatch.setattr(uploads, "CHUNK_BYTES", CHUNK_BYTES)
    return Scene(tmp_path)


@pytest.mark.parametrize("seconds", [9, 11, 60])
def test_over_a_slow_line_images_take_their_time_one_after_the_other(scene: Scene, seconds: float) -> None:
    session = scene.client()
    scene.submit(session, "large", image(1, 70), image(2, 1))
    scene.run(session, seconds)
    assert scene.now > EXPIRE_SECONDS
    assert scene.ended == {"large": "accepted"}
    assert scene.chunks < 1.25 * 71, "what is asked for twice is sent twice"


def test_what_never_comes_is_given_up(scene: Scene) -> None:
    session = scene.client()
    scene.submit(session, "silent", image(1, 1))
    scene.wait(EXPIRE_SECONDS)
    assert not scene.ended
    scene.wait(1)
    assert scene.ended == {"silent": "The image did not arrive."}


def test_who_sends_nothing_is_given_up_alone(scene: Scene) -> None:
    silent, slow = scene.client(), scene.client()
    scene.submit(slow, "slow", image(1, 70), image(2, 1))
    scene.submit(silent, "silent", image(2, 1), image(3, 1))
    scene.run(slow, 11)
    assert scene.ended == {"silent": "The image did not arrive.", "slow": "accepted"}


def test_a_new_connection_has_the_whole_time_again(scene: Scene) -> None:
    before, after = scene.client(), scene.client()
    pending = scene.submit(before, "moved", image(1, 70), image(2, 1))
    scene.run(before, 11, lambda: scene.now > EXPIRE_SECONDS)
    scene.uploads.renew(pending, after, scene.now)
    scene.wait(30)
    scene.run(after, 11)
    assert scene.ended == {"moved": "accepted"}


def test_who_mixes_the_chunks_up_comes_to_an_end(scene: Scene) -> None:
    session = scene.client()
    scene.submit(session, "mixed", image(1, 8))
    while not scene.ended and scene.now < 2 * EXPIRE_SECONDS:
        scene.run(session, 1, lambda: not scene.needs[session][0]["offset"])
        del scene.needs[session][:1]
        scene.wait(1)
    assert scene.ended == {"mixed": "The image did not arrive."}
