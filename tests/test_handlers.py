"""No message ends the server, whatever it brings about."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from server_process import RawClient, ServerProcess, connected, new_job, scripted_server

from nst_server.broker.answers import unreadable
from nst_server.broker.handlers import Handlers
from nst_server.broker.sessions import Sessions
from nst_server.jobs import Jobs
from nst_server.wire.codec import decode, encode
from nst_server.wire.messages import FROM_CLIENT, PROTOCOL_VERSION, BadMessage, Message

server = pytest.fixture(scope="module")(scripted_server)
client = pytest.fixture(connected)
job = pytest.fixture(new_job)

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


def test_null_stands_for_what_is_left_out(server: ServerProcess, client: RawClient, job: str) -> None:
    more = dict.fromkeys(("title", "kept", "previews", "mask", "start", "continues", "download"))
    client.send("credit", bytes=10**9)
    client.submit(job, iterations=5, more=more)
    client.expect("done", job=job)
    client.expect("frame", job=job, final=True)
    client.send("status")
    assert client.expect("status")["jobs"][0]["title"] == ""
    other = server.client()
    other.send("credit", bytes=10**9)
    other.send("attach", job=job, after=None, kept=None, previews=None)
    other.expect("frame", job=job, final=True)


def test_a_fault_in_what_waits_for_a_client_costs_its_session_alone() -> None:
    class Socket:
        def send_multipart(self, parts: list[bytes], _flags: int) -> None:
            sent.append(parts[0])

    sent: list[bytes] = []
    broken: Any = Socket()
    sessions = Sessions(broken, Jobs(lambda change: None), broken)
    for name in (b"one", b"two"):
        session = sessions.open(name, "")
        sessions.send(session, Message("status", {"fault": object()} if name == b"one" else {}))
    sessions.flush(0.0)
    assert sent == [b"two"]
    assert sessions.get(b"one") is None
    assert sessions.get(b"two") is not None
