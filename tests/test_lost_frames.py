"""Kept frames whose files are gone or damaged: every other one arrives, and so does the ending."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from server_process import SCRIPT, RawClient, ServerProcess, connected, new_job, scripted_server

from nst_server.broker.sessions import MAX_REPLIES, Sessions
from nst_server.cli import main, stylize
from nst_server.jobs import Job, Jobs
from nst_server.wire.client import Client
from nst_server.wire.connection import Connection
from nst_server.wire.messages import Message
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels

server = pytest.fixture(scope="module")(scripted_server)
client = pytest.fixture(connected)
job = pytest.fixture(new_job)


def remove(folder: Path) -> None:
    (folder / "frames" / "000002.bin").unlink()


def shorten(folder: Path) -> None:
    (folder / "frames" / "000002.bin").write_bytes(bytes(100))


def break_disk(folder: Path) -> None:
    """The file is there and can be opened, but reading it is an error."""
    remove(folder)
    (folder / "frames" / "000002.bin").symlink_to("/proc/self/mem")


def misname(*names: str) -> Callable[[Path], None]:
    def misnamed(folder: Path) -> None:
        log = folder / "frames.jsonl"
        lines = log.read_text().splitlines(keepends=True)
        for name in names:
            lines[1] = lines[1].replace(f'"{name}"', '"' + "x" * len(name) + '"')
        log.write_text("".join(lines))

    return misnamed


def nest(folder: Path) -> None:
    log = folder / "frames.jsonl"
    first, second, *others = log.read_text().splitlines(keepends=True)
    # As long as before: the server knows where each line begins.
    depth = (len(second) - 8) // 2
    deep = '{"a":' + "[" * depth + "]" * depth
    log.write_text("".join([first, deep.ljust(len(second) - 2) + "}\n", *others]))


DAMAGES = {
    "removed": remove,
    "short": shorten,
    "unreadable": break_disk,
    "without bytes": misname("bytes"),
    "without file": misname("file"),
    "without pixels": misname("pixels"),
    "without digest": misname("digest"),
    "nested": nest,
}


@pytest.fixture(params=DAMAGES)
def damaged(request: Any, server: ServerProcess, client: RawClient, job: str) -> str:
    """A job that has ended, of whose three frames the second is damaged."""
    client.submit(job, iterations=5, more={"kept": False})
    client.expect("done", job=job)
    DAMAGES[request.param](server.data / "jobs" / job)
    return job


def test_a_damaged_frame_is_named_before_the_next_one_comes(client: RawClient, damaged: str) -> None:
    client.send("credit", bytes=10**9)
    client.send("attach", job=damaged)
    lost = client.expect("error", job=damaged)
    assert (lost["of"], lost["code"], lost["sequence"]) == ("frame", "frame_lost", 2)
    assert client.expect("blob", job=damaged)["sequence"] == 3
    frames = [m["sequence"] for m in client.log if m.type == "frame" and m["sequence"] != 2]
    assert frames == [1, 3]


@pytest.mark.parametrize("damaged", ["removed", "without pixels", "nested"], indirect=True)
def test_a_frame_that_is_gone_is_not_listed(client: RawClient, damaged: str) -> None:
    client.send("frames", job=damaged)
    listed = client.expect("frames", job=damaged)["frames"]
    assert [frame["sequence"] for frame in listed] == [1, 3]


@pytest.fixture
def public(server: ServerProcess) -> Iterator[Client]:
    client = Client(lambda: Connection.read(server.file))
    client.wait_connected(10)
    yield client
    client.close()


@pytest.mark.parametrize("damaged", ["removed", "short"], indirect=True)
def test_the_ending_does_not_wait_for_a_lost_frame(public: Client, damaged: str) -> None:
    public.attach(damaged)
    seen = [(e.type, e.get("sequence"), e.get("code")) for e in public.follow(damaged)]
    assert seen[-4:] == [
        ("frame", 1, None),
        ("error", 2, "frame_lost"),
        ("frame", 3, None),
        ("done", None, None),
    ]


@pytest.mark.parametrize("order", [(2, 3), (3, 2)])
@pytest.mark.parametrize("is_first", [True, False])
def test_the_ending_comes_in_whatever_order_a_loss_is_told(order: tuple[int, ...], is_first: bool) -> None:
    client = Client(lambda: Connection("ipc:///nowhere", 1, "1"))
    client.attach("a")
    ending = Message("done", {"job": "a", "kept_frames": 3})
    seen = client._handle(ending) if is_first else []
    for sequence in (1, *order):
        if sequence == 2:
            told = {"of": "frame", "code": "frame_lost", "message": "", "hint": ""}
            seen += client._handle(Message("error", {"job": "a", "sequence": 2, **told}))
        else:
            pixels = {"pixels": Pixels("0" * 64, 1, 1, 4).to_header()}
            seen += client._completed({"job": "a", "sequence": sequence, "kept": True, **pixels}, b"1234")
    seen += [] if is_first else client._handle(ending)
    assert [event.type for event in seen].count("done") == 1
    assert seen[-1].type == "done"
    client.close()


class Emptied:
    """The store of a job whose frames have all been deleted."""

    def frame(self, _job: str, sequence: int) -> Any:
        raise KeyError(sequence)


class Reader:
    """A client's socket that takes everything."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def send_multipart(self, parts: list[bytes], _flags: int) -> None:
        self.told.append(json.loads(parts[1]))


def test_however_many_frames_are_lost_the_session_stays() -> None:
    reader: Any = Reader()
    store: Any = Emptied()
    sessions = Sessions(reader, Jobs(lambda change: None), store)
    session = sessions.open(b"reader", "reader")
    image = Pixels("0" * 64, 1, 1, 4)
    job = Job("a", Params(), image, (image,), kept_frames=2 * MAX_REPLIES, ending=Message("done", {}))
    sessions.give_credit(session, 1)
    sessions.follow(session, job, kept=True, previews=False, after=0)
    while sessions.flush(0.0) == 0.0:
        pass
    assert not session.closed
    lost = [told["sequence"] for told in reader.told if told["type"] == "error"]
    assert lost == list(range(1, 2 * MAX_REPLIES + 1))


# -- from a terminal


@pytest.mark.parametrize("damaged", ["removed"], indirect=True)
def test_attach_writes_the_frames_that_are_left(
    server: ServerProcess, damaged: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    there = ["--connection-file", str(server.file), "--frames-dir", str(tmp_path)]
    assert main(["attach", damaged, *there]) == 0
    assert [file.name for file in sorted(tmp_path.iterdir())] == [
        f"{damaged}-{iteration:04}.png" for iteration in (1, 5)
    ]
    assert "note: Frame 2 is no longer in the data folder." in capfd.readouterr().err


@pytest.mark.parametrize("lost", [2, 3])
def test_stylize_writes_the_final_picture_if_that_is_not_the_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    lost: int,
) -> None:
    """Its frames wait for credit here until one of them has been removed."""
    for name in ("content", "style"):
        Image.new("RGB", (16, 16), (200, 90, 30)).save(tmp_path / f"{name}.png")
    handle = Client._handle

    def handled(self: Client, message: Message) -> Any:
        if message.type == "done":
            (server.data / "jobs" / message["job"] / "frames" / f"{lost:06}.bin").unlink()
            self.receiving = True
        elif message.type == "accepted":
            self.receiving = False
        return handle(self, message)

    monkeypatch.setattr(Client, "_handle", handled)
    monkeypatch.setattr("nst_server.wire.client.WINDOW_BYTES", 4)
    monkeypatch.setattr(stylize, "new_job", lambda _content: "painted")
    output = tmp_path / "out.png"
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        words = ["stylize", str(tmp_path / "content.png"), str(tmp_path / "style.png"), "-o", str(output)]
        more = ["--iterations", "5", "--frames", "series", "--connection-file", str(server.file)]
        status = main([*words, *more])
    told = capfd.readouterr().err
    assert f"note: Frame {lost} is no longer in the data folder." in told
    assert (status == 0) == output.exists() == (lost == 2)
    assert ("The server has lost the final picture." in told) == (lost == 3)
