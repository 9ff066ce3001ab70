"""Who follows a job that somebody else forgets, cancels or stops hears of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from server_process import RawClient, ServerProcess, connected, new_job, scripted_server

from nst_server.wire.client import Client
from nst_server.wire.connection import Connection

server = pytest.fixture(scope="module")(scripted_server)
client = pytest.fixture(connected)
job = pytest.fixture(new_job)


@pytest.fixture
def slow(server: ServerProcess) -> Iterator[Client]:
    """A client that takes no frames for now."""
    follower = Client(lambda: Connection.read(server.file), name="slow")
    follower.receiving = False
    follower.wait_connected(10)
    yield follower
    follower.close()


def test_all_followers_are_told_once(server: ServerProcess, client: RawClient, job: str) -> None:
    client.submit(job, iterations=5)
    client.expect("done", job=job)
    other = server.client()
    other.send("forget", job=job)
    client.expect("forgotten", job=job)
    other.expect("forgotten", job=job)
    other.quiet(0.1, "forgotten")


def test_a_client_that_still_lacks_frames_gets_the_ending(slow: Client, client: RawClient, job: str) -> None:
    client.submit(job, iterations=5)
    client.expect("done", job=job)
    slow.attach(job)
    deadline = time.monotonic() + 10
    while not any(event.type == "accepted" for event in slow.poll(0.1)):
        assert time.monotonic() < deadline
    client.send("forget", job=job)
    client.expect("forgotten", job=job)
    slow.receiving = True
    began = time.monotonic()

    def tick() -> None:
        assert time.monotonic() < began + 10, "no ending"

    assert list(slow.follow(job, tick=tick))[-1].type == "done"


@pytest.mark.parametrize(("command", "ending"), [("cancel", "cancelled"), ("stop", "done")])
def test_who_ends_a_job_of_another_client_hears_how(
    server: ServerProcess, client: RawClient, job: str, command: str, ending: str
) -> None:
    client.send("credit", bytes=10**9)
    client.submit(job, iterations=200)
    client.expect("frame", job=job)
    other = server.client()
    other.send("credit", bytes=10**9)
    other.send(command, job=job)
    other.expect(ending, job=job)
    assert not any(message.type == "frame" for message in other.log)
