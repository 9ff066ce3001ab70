"""What the painter reads when something fails: each failure as the server, its worker or the launcher tells
it, through the docker's own objects. Every text names what happened, and what to do next."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import shutil
import sys
import time
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from plugin_parts import part
from server_process import SCRIPT, ServerProcess

from nst_server import weights
from nst_server.broker import dispatch, submission, uploads
from nst_server.engine import images
from nst_server.engine.encoders import choose_encoder
from nst_server.engine.stylize import Diverged
from nst_server.executors import local
from nst_server.jobs import MAX_BEGINNINGS, Jobs
from nst_server.store import DiskFull, Store
from nst_server.wire import launch
from nst_server.wire.connection import NoConnection
from nst_server.wire.messages import FROM_SERVER, Message, check
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels, digest_of
from nst_server.worker.failures import BadImage, failure

pytestmark = pytest.mark.usefixtures("plugin")

PLUGIN = Path(__file__).resolve().parent.parent / "krita_plugin"


def new_job() -> Any:
    params = part("backend.wire").params.Params()
    return part("model.jobs").Job("a → b", "a", params, part("model.options").Layers.EVERY, "doc", "layer")


def told(kind: str, fields: Mapping[str, Any]) -> str:
    """What the docker shows of a job after that message, which has to be one of the protocol."""
    job = new_job()
    fields = {"job": job.id, "kept_frames": 0, **fields}
    check(Message(kind, fields), FROM_SERVER)
    job.handle(kind, fields)
    assert job.has_ended
    return str(job.words)


def unreachable(error: NoConnection) -> str:
    """What the docker shows where the network thread gives up: at the server's line and at each job."""
    event = part("backend.wire").events.Event("unreachable", {"reason": str(error)})
    connection, job = part("model.connection").Connection(), new_job()
    connection.handle(event)
    job.fail(event.get("reason", ""))
    assert connection.words.startswith("no ")
    assert job.words == connection.problem
    return str(job.words)


def pixels(side: int = 8, data: bytes = b"", **more: Any) -> Pixels:
    data = data or bytes(side * side * 4)
    return Pixels(digest_of(data), side, side, len(data), **more)


def broken(error: Exception) -> str:
    """What comes of an exception in the worker, by way of the dispatcher's and the protocol's limits."""
    return told("failed", failure(error))


# The server cannot be had.


def test_server_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoConnection) as caught:
        launch.ensure_server(launch.installed_command)
    assert unreachable(caught.value) == "The server is not installed for Krita. Run: nst krita install"


def test_server_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/installed.json").write_text(json.dumps({"command": ["/nowhere/python"]}))
    with pytest.raises(NoConnection) as caught:
        launch.installed_command()
    assert unreachable(caught.value) == "The server's program /nowhere/python is gone. Run: nst krita install"


def test_server_that_does_not_start() -> None:
    command = [sys.executable, "-c", "raise SystemExit('nst: the disk is on fire')"]
    with pytest.raises(NoConnection) as caught:
        launch.ensure_server(command)
    words = unreachable(caught.value)
    assert "stopped while starting: nst: the disk is on fire" in words
    assert "start.log" in words


def test_a_server_starts_for_an_account_without_a_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "none"))
    process = launch.start_server([sys.executable, "-c", "print('begun')"], tmp_path / "logs/start.log")
    assert process.wait(30) == 0
    assert (tmp_path / "logs/start.log").read_text().strip() == "begun"


def test_wrong_version(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        for theirs, side in ((0, "client"), (99, "server")):
            client = server.client(hello=False)
            client.send("hello", protocol=[theirs, 0], client="Krita")
            error = client.expect("error", of="hello")
            # As the network thread hands it on.
            words = unreachable(NoConnection(f"{error['message']} {error['hint']}"))
            assert f"protocol {theirs}" in words
            assert f"Update the {side}" in words


def test_network_gone() -> None:
    connection = part("model.connection").Connection()
    connection.handle(part("backend.wire").events.Event("disconnected", {"reason": "silence"}))
    assert connection.words == "connection lost, trying again"
    assert connection.problem.startswith("Jobs go on as soon as it answers.")
    assert connection.problem.endswith("choose Restart server in the menu ⚙.")


def test_server_ended_during_the_job(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        client = server.client()
        client.submit("a", iterations=1000, seed=1, frames="1")
        client.expect("progress", job="a")
        for _ in range(MAX_BEGINNINGS):
            server.stop(9)
            server.start()
            again = server.client()
            again.send("attach", job="a")
            again.expect("accepted", job="a")
            time.sleep(0.3)
        words = told("failed", {**again.expect("failed").fields})
    assert words.startswith("The server ended while this job was unfinished. Start")


# The device.


@pytest.mark.parametrize(
    ("error", "happened", "advice"),
    [
        (
            torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
            "not enough memory",
            "smaller",
        ),
        (MemoryError(), "not enough memory", "close other programs"),
        (
            RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable"),
            "GPU is in use by another program",
            "Close that program",
        ),
        (Diverged(), "fell apart", "lower strength"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is too full", "Free some space"),
        (ZeroDivisionError("division by zero"), "wrong inside the server: division", "report it"),
    ],
)
def test_worker_fails(error: Exception, happened: str, advice: str) -> None:
    words = broken(error)
    assert happened in words
    assert advice in words


def test_worker_dies_or_does_not_start() -> None:
    words = told(
        "failed", local._failed("a", "it was ended by signal 9, perhaps for want of memory", True).fields
    )
    assert "want of memory" in words
    assert "smaller size" in words
    assert "kept frame" not in words
    assert "last kept frame" in local._failed("a", "it was ended", True, has_frames=True)["hint"]
    words = told("failed", local._failed("a", "ImportError: libtorch is not here", False).fields)
    assert "cannot start: ImportError: libtorch is not here" in words
    assert "Run: nst doctor" in words


# Weights.


def weights_error(**options: Any) -> weights.WeightsError:
    with pytest.raises(weights.WeightsError) as caught:
        choose_encoder(
            Params(encoder="vgg19"),
            torch.zeros(3, 8, 8),
            [],
            weights_path=options.pop("weights_path", None),
            device=torch.device("cpu"),
            fetch=options.pop("fetch", False),
            **options,
        )
    return caught.value


def test_weights_missing() -> None:
    words = broken(weights_error())
    assert "weights of vgg19 are not on this machine" in words
    assert "choose the encoder built-in" in words


def test_weights_damaged(tmp_path: Path) -> None:
    file = tmp_path / "vgg19.pth"
    file.write_bytes(b"not a file of weights")
    words = broken(weights_error(weights_path=file))
    assert str(file) in words
    assert words.count(".") > 1, "and what to do"


def test_weights_not_to_be_downloaded() -> None:
    words = broken(weights_error(fetch=True, url="http://127.0.0.1:9/vgg19.pth"))
    assert "cannot be downloaded" in words
    assert "Try again later" in words


# Pictures.


def rejected(**fields: Any) -> str:
    """What comes of a submission that the server refuses."""
    message = {"job": "a", "params": {}, "content": pixels().to_header(), "styles": [pixels().to_header()]}
    message.update(fields)
    with pytest.raises(submission.Rejected) as caught:
        request = submission.request_of(Message("submit", message))
        store: Any = None
        submission.job_of(Message("submit", message), request, "Krita", Jobs(lambda change: None), store)
    error = caught.value
    return told("rejected", {"field": error.field, "message": str(error), "hint": error.hint})


def test_canvas_too_large() -> None:
    side = 20_000
    large = Pixels("0" * 64, side, side, 4 * side * side).to_header()
    words = rejected(content=large)
    assert words.startswith("The layer: 20000×20000 pixels are too many.")
    assert "scale the image down" in words
    assert rejected(styles=[pixels().to_header(), large]).startswith("Style 2: 20000×20000 pixels")


def test_settings_that_cannot_be() -> None:
    assert rejected(params={"strength": 7}).startswith("Strength: 7 is out of range. Give a number")
    assert rejected(params={"coarse_to_fine": 7}).startswith("Coarse to fine: must be true or false")
    for setting, words in (
        ({"tv": 101}, "Smoothness: 101 is out of range."),
        ({"style_scale": 9}, "Stroke size: 9 is out of range."),
        ({"keep_colours": "all"}, "Colours: 'all' is not a choice."),
        ({"style_weights": [-1]}, "The shares of the styles: -1 is out of range."),
        ({"style_weights": [0]}, "The shares of the styles: all are 0."),
    ):
        assert rejected(params=setting).startswith(words), "as the docker calls them"


@pytest.mark.parametrize("field", ["content", "styles[0]"])
def test_picture_unreadable(field: str) -> None:
    data = b"this is no PNG"
    with pytest.raises(images.ImageError) as caught:
        images.from_blob(pixels(data=data, encoding="png"), data, None)
    words = broken(BadImage(field, caught.value))
    assert words.startswith("The layer: " if field == "content" else "Style 1: ")
    assert field not in words, "the painter knows no fields"
    assert words.count(".") > 1, "and what to do"


# The disk.

_Usage = namedtuple("_Usage", "total used free")


def test_disk_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = Store(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: _Usage(10**9, 10**9, 5 * 10**6))
    with pytest.raises(DiskFull) as caught:
        store.check_space()
    words = told("rejected", {"field": "job", "message": str(caught.value), "hint": uploads.FREE_SPACE})
    assert "Only 5 MB are free" in words
    assert "Free some space" in words
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    message, hint = uploads._disk_words(error)
    words = told("rejected", {"field": "content", "message": message, "hint": hint})
    assert words.startswith("The layer: The image cannot be written to disk")
    assert "Free some space" in words
    words = told("failed", dispatch._DISK_FULL)
    assert "could not be written to disk" in words
    assert "Free some space" in words


# What Krita's side says by itself.


def refusals() -> list[Any]:
    """Every HostError and BadImage that the plugin makes, as (where, message, hint)."""
    found = []
    for file in sorted((PLUGIN / "nst_krita").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = getattr(
                getattr(node, "func", None), "id", getattr(getattr(node, "func", None), "attr", "")
            )
            if isinstance(node, ast.Call) and name in ("HostError", "BadImage"):
                found.append(pytest.param(node, id=f"{file.name}:{node.lineno}"))
    return found


@pytest.mark.parametrize("call", refusals())
def test_refusals_have_a_reason_and_a_way_out(call: ast.Call) -> None:
    """Empty layer, everything selected away, unreadable file: the texts as they stand in the code."""
    assert len(call.args) == 2
    for text in map(_text, call.args):
        if text is not None:
            assert text[:1].isupper() or text[:1] in "“{"
            assert text.rstrip("”").endswith((".", "…", "}"))


def _text(node: ast.expr) -> str | None:
    """The literal text of an expression, with {} for what is filled in; None where it is computed."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
    if isinstance(node, ast.Call) and node.args:  # tr("…"), tr("…").format(…)
        inner = node.func.value if isinstance(node.func, ast.Attribute) else node.args[0]
        return _text(inner)
    return None


def test_refusals_are_found() -> None:
    words = [_text(call.values[0].args[0]) or "" for call in refusals()]
    for expected in ("is empty.", "The selection holds nothing of", "cannot be read as a picture"):
        assert any(expected in text for text in words), expected


# In the painter's language.


def test_what_the_server_says_is_still_what_the_plugin_knows() -> None:
    """Each text that the plugin translates stands in the server's code, with anything for its {}."""
    spoken = []
    for path in (PLUGIN.parent / "nst_server").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                spoken.append(re.escape(node.value))
            elif isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "" for part in node.values]
                if any(len(str(words).split()) > 1 for words in parts) or parts[0] == "downloading ":
                    spoken.append(".*".join(re.escape(str(words)) for words in parts))
    pattern = re.compile("|".join(spoken))
    unknown = [text for text in part("model.server_words").SAID if not pattern.fullmatch(text)]
    assert unknown == []


def test_what_the_server_says_is_told_in_the_painters_language() -> None:
    told_in = part("model.server_words").told
    translation = part("translation")
    memory, died = "There is not enough memory for this job.", "The process that computes died: {x} and {}."
    assert (told_in(memory), told_in(died), told_in("What?")) == (memory, died, "What?")
    slow = "The server did not answer within 20 s: it wrote nothing (log: /a. b/start.log)"
    assert told_in(slow) == f"{slow}. Choose Restart server in the menu ⚙, or Copy diagnostics."
    for reason in ("nothing is known of job f00d", "job f00d painted otherwise"):
        words = told_in(f"{reason}: it went on from the picture alone")
        assert words.endswith(", so painting began afresh from its picture.") and "f00d" not in words
        assert words[0].isupper()
    translation.use(["de"])
    try:
        assert told_in(memory) != memory and told_in(memory).endswith(".")
        assert "{x} and {}" in told_in(died) and told_in(died) != died
        assert told_in("What?") == "What?"
        notes = [f"worked at {side} of 512 px: not enough memory for more" for side in (256, 128)]
        assert told_in("; ".join(notes)) == " · ".join(map(told_in, notes)), "each note by itself"
        assert told_in(f"{notes[0]}; What?") == f"{notes[0]}; What?"
        torn = "The process that computes died: one; two\nthree."
        assert told_in(torn).endswith(": one; two\nthree.") and told_in(torn) != torn
        refused = rejected(params={"style_weights": [0]})
        assert "all are 0" not in refused and "Give at least" not in refused
        failed = broken(weights_error(fetch=True, url="http://127.0.0.1:9/vgg19.pth"))
        assert "http://127.0.0.1:9/vgg19.pth lässt" in failed and "Try again" not in failed
        reason = "http://a/b.pth cannot be downloaded: the connection broke. It was removed; fetch it again."
        version = "The client speaks protocol 9, this server 1. Update the server (this server is version 2)."
        assert "Zu aktualisieren ist der Server" in told_in(version) and "protocol" not in told_in(version)
        connection, missing = part("model.connection").Connection(), "The server is not installed for Krita."
        reason = {"reason": f"{missing} Run: nst krita install"}
        connection.handle(part("backend.wire").events.Event("unreachable", reason))
        assert connection.problem.startswith("Der Server ist für Krita nicht installiert.")
        note = told_in(f"VGG19 could not be had, the built-in encoder took its place: {reason}")
        assert "VGG19" in note and not any(word in note for word in ("cannot", "broke", "fetch"))
        job = new_job()
        job.handle(
            "state", {"state": "preparing", "what": "downloading VGG19", "done": 2**20, "total": 2**21}
        )
        assert "downloading" not in job.words and "VGG19" in job.words
    finally:
        translation.use([])
