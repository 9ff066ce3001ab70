"""Ctrl-C while a job is followed: what is said where the server does not answer, or has no picture yet."""

from __future__ import annotations

import errno
import signal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nst_server.cli import following
from nst_server.cli.demo import Recorder
from nst_server.cli.errors import CliError
from nst_server.cli.forget import forgotten
from nst_server.cli.pictures import of
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


class Failing:
    """A client whose job fails with so many kept frames."""

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.forgotten: list[str] = []

    def follow(self, job: str, tick: Any) -> Any:
        fields = {"job": job, "code": "worker_died", "message": "It died.", "hint": "Go on."}
        yield Event("failed", {**fields, "kept_frames": self.kept})

    def forget(self, job: str) -> None:
        self.forgotten.append(job)

    def poll(self, seconds: float) -> Any:
        other = Event("error", {"job": "another", "message": "It goes on.", "hint": ""})
        return [other, *(Event("forgotten", {"job": job}) for job in self.forgotten)]


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("kept", [0, 2])
def test_a_job_that_failed_is_forgotten_unless_somebody_can_go_on_from_a_frame(
    kept: int, keeps: bool
) -> None:
    client: Any = Failing(kept)
    notes = Notes()
    with pytest.raises(CliError, match="It died"):
        following.follow(client, "a-job", notes, lambda frame: None, keeps=keeps)
    assert client.forgotten == ([] if kept or keeps else ["a-job"])
    told = ["The server keeps its frames: nst attach a-job --frames-dir DIR"]
    assert notes.texts == (told if kept and not keeps else [])


class Sending:
    """A client whose job goes on after one frame, final or not."""

    def __init__(self, final: bool) -> None:
        self.final = final

    def follow(self, job: str, tick: Any) -> Any:
        yield Event("frame", {"job": job, "sequence": 1, "iteration": 1, "final": self.final})


@pytest.mark.parametrize(
    ("final", "ours", "stays", "told"),
    [
        (False, True, True, ["a-job goes on; end it with: nst cancel a-job"]),
        (True, True, True, ["The server keeps its frames: nst attach a-job --frames-dir DIR"]),
        (False, False, True, []),
        (False, True, False, []),
    ],
)
def test_a_frame_that_cannot_be_written_leaves_a_job_that_is_told_of(
    final: bool, ours: bool, stays: bool, told: list[str]
) -> None:
    def write(frame: Event) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "frame.png")

    client: Any = Sending(final)
    notes = Notes()
    with pytest.raises(OSError, match="No space left"):
        following.follow(client, "a-job", notes, write, ours=ours, stays=stays)
    assert notes.texts == told


def test_an_error_about_another_job_is_no_answer_to_forget() -> None:
    client: Any = Failing(0)
    forgotten(client, "a-job")
    assert client.forgotten == ["a-job"]


@pytest.mark.parametrize(
    ("reason", "coarse"), [("stopped", (1, 2)), ("stopped", (1,)), ("completed", (1, 2))]
)
def test_a_picture_that_was_stopped_at_a_coarse_scale_is_recorded_with_it(
    tmp_path: Path, reason: str, coarse: tuple[int, ...]
) -> None:
    recorder = Recorder(tmp_path, Notes())
    pixels, data = of(Image.new("RGB", (64, 48))).wire
    small, full = (32, 24), (64, 48)
    told: dict[str, Any] = {"job": "a", "losses": {}, "final": False, "pixels": pixels.to_header()}
    # The server leaves progress out where it comes fast: here that of iteration 3 at the coarse scale.
    for iteration in (1, 2):
        told |= {"iteration": iteration, "scale": list(small if iteration in coarse else full)}
        recorder.show(Event("progress", told))
        recorder.keep(Event("frame", told, data))
    told |= {"iteration": 3, "scale": list(full), "final": True}
    recorder.show(Event("progress", told))
    recorder.keep(Event("frame", told, data))
    recorder.show(Event("done", {"job": "a", "reason": reason}))
    is_coarse = reason == "stopped" and 2 in coarse
    assert [native for _, _, native in recorder.frames][-1] == (small if is_coarse else full)
