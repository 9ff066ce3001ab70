"""The public client against a real server process: jobs, frames, live changes, reconnection."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
from server_process import SCRIPT, ServerProcess

from nst_server.wire.client import WINDOW_BYTES, Client, Image, KeptFrame
from nst_server.wire.connection import Connection, NoConnection
from nst_server.wire.messages import BadMessage
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels, digest_of

FAST = {"encoder": "built-in", "size": 32}


def picture(width: int, height: int, seed: int = 0) -> Image:
    data = random.Random(seed).randbytes(width * height * 4)
    return Pixels(digest_of(data), width, height, len(data)), data


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        yield process


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    client = Client(lambda: Connection.read(server.file), name="test")
    client.wait_connected(10)
    yield client
    client.close()


def test_a_job_from_submit_to_done(client: Client) -> None:
    content = picture(37, 51)
    client.submit(
        "whole", Params(iterations=6, frames="1,2", **FAST), content, [picture(20, 30, 1)], previews=True
    )  # type: ignore[arg-type]
    events = list(client.follow("whole"))
    kept = [e for e in events if e.type == "frame" and e["kept"]]
    assert [(e["sequence"], e["iteration"], e["final"]) for e in kept] == [
        (1, 1, False),
        (2, 2, False),
        (3, 6, True),
    ]
    for frame in kept:
        assert (frame.pixels.width, frame.pixels.height, frame.pixels.channels) == (37, 51, "RGBA")
        assert digest_of(frame.data or b"") == frame.pixels.digest
    assert events[-1].type == "done"
    assert events[-1]["kept_frames"] == 3
    assert any(e.type == "progress" and e["losses"]["total"] > 0 for e in events)


def test_frames_larger_than_the_window_arrive_whole(client: Client) -> None:
    side = int((WINDOW_BYTES / 4) ** 0.5) + 100
    client.submit("large", Params(iterations=1, **FAST), picture(side, side), [picture(20, 20)])  # type: ignore[arg-type]
    frames = [e for e in client.follow("large") if e.type == "frame"]
    assert len(frames[-1].data or b"") == side * side * 4 > WINDOW_BYTES


def test_frames_can_be_held_back_and_fetched_again(client: Client) -> None:
    client.submit(
        "held", Params(iterations=3, frames="every:1", **FAST), picture(24, 24), [picture(20, 20)], kept=False
    )  # type: ignore[arg-type]
    assert [e.type for e in client.follow("held") if e.type in ("frame", "done")] == ["done"]
    client.frames("held", fetch=[2])
    frame = next(e for _ in range(50) for e in client.poll(0.2) if e.type == "frame")
    assert (frame["sequence"], frame["iteration"]) == (2, 2)


def test_a_job_that_was_forgotten_too_early_is_followed_all_the_same(client: Client) -> None:
    client.submit("early", Params(iterations=40, frames="none", **FAST), picture(24, 24), [picture(20, 20)])  # type: ignore[arg-type]
    next(event for event in client.follow("early") if event.type == "accepted")
    client.forget("early")
    events = list(client.follow("early"))
    assert "not_ended" in [event.get("code") for event in events]
    assert [event.type for event in events if event.type in ("frame", "done")] == ["frame", "done"]


def test_a_second_client_attaches_and_a_third_job_continues(server: ServerProcess, client: Client) -> None:
    client.submit("shared", Params(iterations=4, frames="2", **FAST), picture(24, 24), [picture(20, 20)])  # type: ignore[arg-type]
    other = Client(lambda: Connection.read(server.file), name="other")
    assert list(client.follow("shared"))[-1].type == "done"
    other.wait_connected(10)
    other.attach("shared", after=1)
    frames = [e["sequence"] for e in other.follow("shared") if e.type == "frame"]
    assert frames == [2]
    other.submit(
        "onward",
        Params(iterations=2, **FAST),
        picture(24, 24),
        [picture(20, 20)],
        start=KeptFrame("shared", 2),
    )  # type: ignore[arg-type]
    assert list(other.follow("onward"))[-1].type == "done"
    other.close()


def test_live_changes_pause_and_stop(client: Client) -> None:
    params = Params(iterations=100_000, frames="none", coarse_to_fine=False, **FAST)  # type: ignore[arg-type]
    client.submit("live", params, picture(32, 32), [picture(20, 20)])
    seen: list[str] = []
    for event in client.follow("live"):
        if event.type == "state":
            seen.append(event["state"])
            if event["state"] == "paused":
                client.resume("live")
        elif event.type == "progress" and event["revision"] == 0 and "updated" not in seen:
            seen.append("updated")
            client.update("live", 1, strength=0.9)
        elif event.type == "progress" and event["revision"] == 1 and "paused" not in seen:
            client.pause("live")
        elif event.type == "progress" and "paused" in seen and seen[-1] == "running":
            client.stop("live")
            seen.append("stopped")
    assert event.type == "done"
    assert event["reason"] == "stopped"


def test_masks_of_styles_change_the_picture_where_they_are(client: Client) -> None:
    width, height = 36, 24
    content, styles = picture(width, height), [picture(20, 30, 1), picture(30, 20, 2)]
    data = bytes(255 if x < 12 else 0 for _ in range(height) for x in range(width))
    left = Pixels(digest_of(data), width, height, len(data), channels="MASK"), data
    params = Params(iterations=2, frames="none", style_scales=(1.0, 0.5), **FAST)  # type: ignore[arg-type]
    client.submit("regions", params, content, styles, style_masks=[left, left])
    (final,) = [event.data for event in client.follow("regions") if event.type == "frame"]
    assert final is not None
    for y in range(height):
        row, own = (pixels[4 * width * y : 4 * width * (y + 1)] for pixels in (final, content[1]))
        assert row[48:] == own[48:]
        assert row[:48] != own[:48]


def test_rejection_names_the_field(client: Client) -> None:
    client.submit("wrong", Params(style_weights=(1.0, 2.0)), picture(8, 8), [picture(8, 8)])
    ending = list(client.follow("wrong"))[-1]
    assert (ending.type, ending["field"]) == ("rejected", "params.style_weights")
    assert ending["hint"]
    client.submit("small", Params(style_layers={"conv3_1@2": 1.0}), picture(8, 8), [picture(8, 8)])
    ending = list(client.follow("small"))[-1]
    assert (ending.type, ending["field"]) == ("rejected", "params.style_layers")


@pytest.mark.parametrize("is_connected", [True, False])
def test_a_message_that_no_server_would_take_is_refused_at_once(
    client: Client, tmp_path: Path, is_connected: bool
) -> None:
    if not is_connected:
        client = Client(lambda: Connection.read(tmp_path / "none"))
    frames = ",".join(map(str, range(1, 20_000)))
    with pytest.raises(BadMessage, match=r"'submit' has 10\d{4} bytes.* The limit is 65536"):
        client.submit("long", Params(iterations=30_000, frames=frames), picture(24, 24), [picture(20, 20)])  # type: ignore[arg-type]
    if is_connected:
        # It is as if that had not been tried.
        client.submit("long", Params(iterations=1, **FAST), picture(24, 24), [picture(20, 20)])  # type: ignore[arg-type]
        assert [e.type for e in client.follow("long")][-1] == "done"
    else:
        client.close()


def test_no_server_is_said_in_words(tmp_path: Path) -> None:
    client = Client(lambda: Connection.read(tmp_path / "server.json"))
    with pytest.raises(NoConnection, match="No server is running"):
        client.wait_connected(0.3)
    client.close()


@pytest.mark.parametrize(
    "change",
    [
        *({"endpoint": "http://x"}, {"endpoint": 1}, {"endpoint": "ipc:///\ud800"}),
        *({"pid": "1"}, {"pid": -1}, {"pid": 2**70}, {"pid": 1.5}, {"pid": True}, {"version": 1}),
        *({"server_key": 5}, {"server_key": "short"}, {"server_key": "k" * 40}),
    ],
)
def test_a_file_that_is_none_of_a_server_is_said_to_be_so(tmp_path: Path, change: dict[str, object]) -> None:
    file = tmp_path / "server.json"
    Connection("ipc:///somewhere", 1, "1").write(file)
    assert Connection.read(file).endpoint == "ipc:///somewhere"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(NoConnection, match="is not a connection file"):
        Connection.read(file)


def test_a_client_finds_a_server_that_was_started_again(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        client = Client(lambda: Connection.read(server.file))
        client.wait_connected(10)
        client.submit("before", Params(iterations=2, **FAST), picture(16, 16), [picture(16, 16)])  # type: ignore[arg-type]
        assert list(client.follow("before"))[-1].type == "done"
        server.stop()
        server.start()
        client.attach("before")
        events = list(client.follow("before", silence=60))
        assert [e.type for e in events if e.type in ("frame", "done")][-1] == "done"
        client.close()


@pytest.mark.parametrize("bind", [[], ["--bind", "tcp://127.0.0.1:*"]], ids=["ipc", "tcp"])
def test_a_killed_server_is_noticed_at_once_and_the_next_one_found(tmp_path: Path, bind: list[str]) -> None:
    with ServerProcess(tmp_path, *bind, worker=SCRIPT) as server:
        client = Client(lambda: Connection.read(server.file))
        client.wait_connected(10)
        client.submit("running", Params(iterations=100_000), picture(16, 16), [picture(16, 16)])
        assert any(event.type == "progress" for _ in range(50) for event in client.poll(0.2))
        server.stop(signal.SIGKILL)
        killed = time.monotonic()
        while not any(event.type == "disconnected" for event in client.poll(0.1)):
            assert time.monotonic() - killed < 2
        server.start()
        # The job goes on, and so does whoever follows it.
        kinds = [
            event.type
            for event in takewhile(lambda event: event.type != "progress", client.follow("running"))
        ]
        assert "connected" in kinds and "failed" not in kinds
        client.close()


def test_what_came_before_the_server_ended_is_told_first(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        client = Client(lambda: Connection.read(server.file))
        client.wait_connected(10)
        client.submit("last", Params(iterations=1), picture(16, 16), [picture(16, 16)])
        follower = server.client()
        assert any(event.type == "accepted" for _ in range(50) for event in client.poll(0.2))
        follower.send("attach", job="last")
        follower.expect("done")
        server.stop()
        events = [event.type for _ in range(10) for event in client.poll(0.1)]
        assert events.index("done") < events.index("disconnected")
        client.close()


def test_reconnections_leave_nothing_open(server: ServerProcess) -> None:
    def settled(files: int) -> bool:
        # ZeroMQ closes files in a thread of its own.
        return any(open_files() <= files or time.sleep(0.02) for _ in range(100))

    before = open_files()
    client = Client(lambda: Connection.read(server.file))
    client.wait_connected(10)
    connected = open_files()
    for _ in range(5):
        client._lose("for the test")
        client._retry_at = 0.0
        client.wait_connected(10)
    assert settled(connected)
    client.close()
    assert settled(before)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
