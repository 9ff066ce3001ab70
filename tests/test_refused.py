"""What the docker says of what went wrong: in whose name, and how long."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest


@pytest.fixture
def refused(root: Any, part: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The docker has just said why Start was refused; what looks whether that is still so."""
    clock = Mock()
    monkeypatch.setattr(
        part("model.refused"), "timer", lambda _ms, look: setattr(clock, "look", look) or clock
    )
    root._why_not = part("model.refused").Refused(root._say, lambda: root.message)

    def read() -> Any:
        raise part("host").HostError("No layer is active.", "")

    root._begin(read)
    clock.look()
    assert root.message == "No layer is active." and clock.start.call_count == 2, "it goes on looking"
    return clock


@pytest.mark.parametrize("cause", ["layer", "style", "option"])
def test_why_start_was_refused_is_said_until_what_it_is_about_changes(
    root: Any, part: Any, refused: Any, cause: str
) -> None:
    if cause == "layer":
        part("model.root").host.current().chosen = ("{layer}",)
        refused.look()
    elif cause == "style":
        root.styles.add(part("model.style_list").Style())
    else:
        root.options["strength"] = 0.125
    assert root.message == ""


def test_what_is_said_since_stays(root: Any, part: Any, refused: Any) -> None:
    root.message = "“a” is hidden."
    root.options["strength"] = 0.125
    assert root.message == "“a” is hidden."
    part("model.root").host.current().chosen = ("{layer}",)
    refused.look()
    assert root.message == "“a” is hidden."


@pytest.fixture
def server(part: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The choice of the server, of which another one did not answer; ``message`` is what the docker says."""
    model = part("model.server")
    for name in ("timer", "ServerSetup", "GuiThread"):
        monkeypatch.setattr(model, name, Mock())
    model.ServerSetup.return_value.busy = False
    told = SimpleNamespace(message="", connection=part("model.connection").Connection())
    (tmp_path / "studio.json").write_text(
        json.dumps({"endpoint": "ipc:///tmp/studio", "pid": 1, "version": "1"})
    )
    told.server = model.Server(
        part("settings").Settings(),
        Mock(),
        told.connection,
        lambda: False,
        lambda words: setattr(told, "message", words),
        lambda: told.message,
    )
    told.settle = model.timer.call_args.args[1]
    told.server.choose(str(tmp_path / "studio.json"))
    told.connection.handle(
        part("backend.wire").events.Event("unreachable", {"reason": "It does not answer."})
    )
    return told


def test_what_was_said_of_one_server_is_not_said_of_the_next(server: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    server.server.choose(str(tmp_path / "bad.json"))
    assert "“bad.json”" in server.message and server.connection.problem
    server.server.choose(str(tmp_path / "studio.json"))
    assert (server.message, server.connection.problem) == ("", "")
    server.message, server.connection.problem = "“bad.json” is no connection file", "It does not answer."
    server.server.use_local()
    assert (server.message, server.connection.problem) == ("", "")
    assert server.connection.words == "server starts when it is needed"


def test_that_something_was_copied_is_said_for_a_moment(server: Any) -> None:
    server.server.tell_copied()
    assert server.message == "Copied to the clipboard."
    server.settle()
    assert server.message == ""
    server.message = "“a” is hidden."
    server.settle()
    assert server.message == "“a” is hidden."


def test_a_style_of_a_closed_document_is_named_with_it(part: Any) -> None:
    document = SimpleNamespace(name="sketch.kra", is_open=True)
    layer = SimpleNamespace(document=document, layer=object(), label="washes")
    whole = SimpleNamespace(document=document, layer=None, label="sketch.kra")
    styles = [part("model.styles").KritaStyle(choice) for choice in (layer, whole)]
    document.is_open = document.name = None  # type: ignore[assignment]
    said = []
    for style in styles:
        with pytest.raises(part("host").HostError) as error:
            style.picture()
        said.append(str(error.value))
    assert said[0].startswith("The style “washes” is a layer of “sketch.kra”, which has been closed. Open it")
    assert said[1].startswith("The style “sketch.kra” is a document that has been closed. Open it")


def test_only_picture_files_that_qt_reads_are_offered(part: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    styles = part("model.styles")
    reader = Mock(return_value=Mock(**{"canRead.return_value": False, "errorString.return_value": ""}))
    reader.supportedImageFormats.return_value = [b"gif", b"jpeg", b"jpg", b"png", b"svg"]
    monkeypatch.setattr(styles, "QtGui", SimpleNamespace(QImageReader=reader))
    assert styles.file_patterns() == "*.png *.jpg *.jpeg *.gif"
    _, why = styles.open_style(__file__)
    assert why.endswith(
        "Choose a picture file (PNG, JPEG, GIF), or open it in Krita and choose the document."
    )


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("styles[1]", "layer “washes”: The style is wholly transparent."),
        ("style_masks[0]", "The region of style swirls: The style is wholly transparent."),
        ("styles[7]", "Style 8: The style is wholly transparent."),
    ],
)
def test_a_style_that_is_refused_is_named_as_its_row_is(part: Any, field: str, said: str) -> None:
    options = part("model.options")
    styles = [SimpleNamespace(name=name) for name in ("swirls", "layer “washes”")]
    job = part("model.jobs").Job(
        "title", "swirls", options.DEFAULTS, options.Layers.EVERY, "document", "layer", styles=styles
    )
    job.handle(
        "failed", {"message": f"{field}: The style is wholly transparent.", "hint": "", "field": field}
    )
    assert job.words == said


@pytest.mark.parametrize(
    ("field", "subject"),
    [
        ("content", "The layer"),
        ("mask", "The selection"),
        ("start", "The layer to start from"),
        ("styles", "b.png"),
        ("style_masks", "The region of style b.png"),
    ],
)
def test_a_picture_that_cannot_be_sent_is_named(part: Any, field: str, subject: str) -> None:
    network, words = part("backend.network"), part("model.words")

    def block(width: int = 2) -> Any:
        described = {"width": width, "height": 2, "channels": "RGBA", "dtype": "uint8"}
        return SimpleNamespace(data=bytes(16), icc=None, description=described)

    pictures = {"content": block(), "styles": [block(), block()], "style_masks": [None, block()]}
    broken = block(width=0)
    pictures[field] = [*pictures[field][:1], broken] if field.startswith("style") else broken
    thread = network.Network()
    thread._connect, thread.happened = Mock(), Mock()
    thread._submit(network.Request("a", None, **pictures))
    assert not thread._connect.called
    (event,) = thread.happened.emit.call_args.args
    assert event.type == "rejected"
    told = words.refusal(event["field"], event["message"], event["hint"], ["a.png", "b.png"])
    assert told.startswith(f"{subject}: ")
