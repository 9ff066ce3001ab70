"""No message ends the server, whatever it brings about."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from nst_server.broker.answers import unreadable
from nst_server.broker.handlers import Handlers
from nst_server.jobs import Jobs
from nst_server.wire.codec import decode, encode
from nst_server.wire.messages import FROM_CLIENT, PROTOCOL_VERSION, BadMessage, Message

PIXELS = {"digest": "0" * 64, "width": 2, "height": 3, "bytes": 24}
SUBMIT = {"type": "submit", "job": "j", "params": {}, "content": PIXELS, "styles": [PIXELS]}


@pytest.mark.parametrize("name", ["later", "params", "content", "mask", "start"])
def test_what_is_nested_too_deeply_is_refused_and_answered(name: str) -> None:
    header = json.dumps({**SUBMIT, name: {**PIXELS, "width": "deep"}})
    # Python ends at about a thousand levels; at a single one of them it has read the header, but cannot
    # say what is wrong with it.
    for depth in (40, 300, *range(800, 1000), 5000, 15_000):
        parts = [header.replace('"deep"', "[" * depth + "]" * depth).encode()]
        with pytest.raises(BadMessage, match=r"nested too deeply|not UTF-8 JSON") as refused:
            decode(parts, FROM_CLIENT)
        answer = unreadable(parts, refused.value)
        assert (answer.type, answer.get("job")) in [("rejected", "j"), ("error", None)]
        assert answer["message"] == refused.value.problem


def test_a_fault_of_the_server_is_answered() -> None:
    answers: list[Message] = []
    sessions: Any = SimpleNamespace(
        get=lambda identity: None,
        open=lambda identity, client: None,
        reply=lambda identity, message: answers.append(message),
    )
    broken: Any = SimpleNamespace()
    handlers = Handlers(Jobs(lambda change: None), broken, sessions, broken)
    handlers.receive(b"x", encode(Message("hello", {"protocol": list(PROTOCOL_VERSION)})))
    assert [(answer["of"], answer["code"]) for answer in answers] == [("hello", "internal")]
