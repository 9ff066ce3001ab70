"""Ctrl-C while a job is followed: what is said where the server does not answer, or has no picture yet."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from nst_server.cli import following
from nst_server.wire.events import Event


class Silent:
    """A client whose server says nothing more; the user presses Ctrl-C ``presses`` times."""

    def __init__(self, presses: int) -> None:
        self.presses = presses
        self.welcome: Any = {}
        self.said: list[str] = []

    def follow(self, job: str, tick: Any) -> Any:
        yield Event("state", {"job": job, "state": "preparing"})
        for _ in range(self.presses):
            signal.raise_signal(signal.SIGINT)
        while True:
            tick()
            if self.said == ["stop"]:
                yield Event("cancelled", {"job": job, "kept_frames": 0})

    def stop(self, job: str) -> None:
        self.said.append("stop")

    def cancel(self, job: str) -> None:
        self.said.append("cancel")


class Notes:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def show(self, event: Event) -> None: ...

    def note(self, text: str) -> None:
        self.texts.append(text)

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("presses", "said", "told"),
    [
        (1, "stop", "Stopping; there is no picture yet."),
        (3, "cancel", "a-job goes on; end it with: nst cancel a-job"),
    ],
)
def test_an_interruption_says_what_becomes_of_the_job(
    monkeypatch: pytest.MonkeyPatch, presses: int, said: str, told: str
) -> None:
    monkeypatch.setattr(following, "LEAVE_SECONDS", 0.05)
    client: Any = Silent(presses)
    notes = Notes()
    with pytest.raises(KeyboardInterrupt):
        following.follow(client, "a-job", notes, lambda frame: None)
    assert client.said == [said]
    assert notes.texts == [told]
