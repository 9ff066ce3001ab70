"""What the data folder withstands: a disk that cannot be read for a moment, a full one, a power failure."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from test_store import DATA, PIXELS, frame, make, put, tidy, with_frames

from nst_server.jobs import Jobs
from nst_server.store import Store


def failing(monkeypatch: pytest.MonkeyPatch, method: str, name: str) -> None:
    """Let ``Path.method`` fail as a disk does that cannot be read now, for files of that name."""
    whole = getattr(Path, method)

    def fail(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return whole(path, *arguments, **options)

    monkeypatch.setattr(Path, method, fail)


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("file", ["job.json", "end.json", "frames.jsonl", PIXELS.digest])
def test_a_disk_that_cannot_be_read_for_a_moment_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, ended: bool
) -> None:
    with_frames(tmp_path, ended)
    os.utime(tmp_path / "jobs" / "a", (0, 0))
    with monkeypatch.context() as moment:
        for method in ("open", "read_text", "stat", "exists"):
            failing(moment, method, file)
        store = Store(tmp_path)
        store.load()
        tidy(store)
    (again,) = Store(tmp_path).load()
    assert (again.id, again.kept_frames, again.state) == ("a", 2, "done" if ended else "queued")
    assert Store(tmp_path).frame("a", 2)["iteration"] == 10
    assert Store(tmp_path).blob_path(PIXELS.digest).read_bytes() == DATA


def test_frames_that_cannot_be_read_for_a_moment_are_there_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_frames(tmp_path)
    store = Store(tmp_path)
    store.load()
    with monkeypatch.context() as moment:
        failing(moment, "open", "frames.jsonl")
        with pytest.raises(OSError, match="Input/output"):
            store.frame("a", 1)
    assert store.frame("a", 1)["iteration"] == 5


def test_what_a_link_leads_to_is_not_deleted(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    (pictures / "inner").mkdir(parents=True)
    (pictures / "inner" / "one.png").write_bytes(DATA)
    Store(tmp_path / "data")
    for name in ("old", "no job", "inner"):
        link = tmp_path / "data" / "jobs" / name
        if name == "inner":
            link = tmp_path / "data" / "jobs" / ".trash-x" / name
            link.parent.mkdir()
        link.symlink_to(pictures, target_is_directory=True)
        os.utime(link, (0, 0), follow_symlinks=False)
    store = Store(tmp_path / "data")
    assert store.load() == []
    tidy(store)
    assert (pictures / "inner" / "one.png").read_bytes() == DATA
    assert list((tmp_path / "data" / "jobs").iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to know what was flushed")
def test_what_is_told_to_clients_holds_if_the_machine_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    whole = os.fsync

    def fsync(handle: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{handle}").readlink().relative_to(tmp_path)))
        whole(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    store = Store(tmp_path)
    jobs = Jobs(store.record)
    put(store, DATA)
    job = make()
    jobs.accept(job)
    # The folder after the file: the name of a file is not part of it.
    assert [name for name in flushed if not name.endswith(".part")] == ["jobs/a", "jobs"]
    assert flushed[0] == "jobs/a/job.part"
    flushed.clear()
    jobs.keep(job, frame(store, job, 1, 5))
    jobs.keep(job, frame(store, job, 2, 10))
    assert flushed == ["jobs/a/frames.jsonl", "jobs/a", "jobs/a/frames.jsonl"]


def test_a_record_that_found_no_room_leaves_the_log_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, jobs, job = with_frames(tmp_path, ended=False)
    log = tmp_path / "jobs" / "a" / "frames.jsonl"
    before = log.read_bytes()

    def fail(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            jobs.keep(job, frame(store, job, 3, 20))
    assert log.read_bytes() == before
    jobs.keep(job, frame(store, job, 3, 20))
    assert store.frame("a", 3)["iteration"] == 20
