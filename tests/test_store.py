"""What the server keeps on disk."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nst_server import store as store_module
from nst_server.broker.answers import summary
from nst_server.broker.endpoint import Endpoint
from nst_server.broker.server import Broker
from nst_server.jobs import MAX_BEGINNINGS, Job, Jobs
from nst_server.store import KEEP_SECONDS, MIN_FREE, DiskFull, Part, Store
from nst_server.wire.connection import private_dir
from nst_server.wire.messages import Message
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels, digest_of

DATA = bytes(range(16))
PIXELS = Pixels(digest_of(DATA), 2, 2, 16)


def put(store: Store, data: bytes) -> str:
    part = store.begin_blob(digest_of(data))
    part.write(data)
    part.finish(store.blob_path(digest_of(data)))
    return digest_of(data)


def make(name: str = "a", **params: Any) -> Job:
    request = {"params": params, "content": PIXELS.to_header(), "styles": [PIXELS.to_header()]}
    return Job(name, Params(**params), PIXELS, (PIXELS,), request=request, title="t", created=1.0)


def frame(store: Store, job: Job, sequence: int, iteration: int) -> dict[str, Any]:
    name = f"{sequence}.bin"
    data = bytes([sequence]) * 16
    (store.frames_folder(job.id) / name).write_bytes(data)
    return {
        "sequence": sequence,
        "iteration": iteration,
        "pixels": PIXELS.of(data).to_header(),
        "file": name,
    }


def tidy(store: Store) -> None:
    while store.tidy():
        pass


def with_frames(root: Path, ended: bool = True) -> tuple[Store, Jobs, Job]:
    store = Store(root)
    jobs = Jobs(store.record)
    put(store, DATA)
    job = make(strength=0.25)
    jobs.accept(job)
    jobs.begin(job, {})
    jobs.keep(job, frame(store, job, 1, 5))
    jobs.keep(job, frame(store, job, 2, 10))
    jobs.update(job, 3, Params(strength=0.75))
    if ended:
        jobs.end(job, Message("done", {"reason": "completed"}))
    return store, jobs, job


def test_an_ended_job_is_known_again(tmp_path: Path) -> None:
    with_frames(tmp_path)
    (again,) = Store(tmp_path).load()
    assert (again.id, again.kept_frames, again.revision, again.title) == ("a", 2, 3, "t")
    assert again.params.strength == 0.75
    assert again.request["params"] == {"strength": 0.25}
    assert again.ending == Message("done", {"reason": "completed", "job": "a", "kept_frames": 2})


@pytest.mark.parametrize("kind", ["cancelled", "failed"])
def test_how_far_a_job_without_a_picture_came_is_known_again(tmp_path: Path, kind: str) -> None:
    _, jobs, job = with_frames(tmp_path, ended=False)
    jobs.end(job, Message(kind, {}))
    assert summary(job)["iteration"] == 10
    (again,) = Store(tmp_path).load()
    assert (again.state, summary(again)["iteration"]) == (kind, 10), "of the latest frame"
    (tmp_path / "jobs/a/frames.jsonl").unlink()
    assert [summary(job)["iteration"] for job in Store(tmp_path).load()] == [0]


def test_the_masks_of_styles_are_known_again_and_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    data = bytes(4)
    mask = Pixels(put(store, data), 2, 2, 4, channels="MASK")
    plain = make()
    request = {**plain.request, "styles": [PIXELS.to_header()] * 2, "style_masks": [None, mask.to_header()]}
    job = Job("a", Params(), PIXELS, (PIXELS, PIXELS), (None, mask), request=request, created=1.0)
    assert job.images["style_masks[1]"] == mask and "style_masks[0]" not in job.images
    Jobs(store.record).accept(job)
    store = Store(tmp_path)
    (again,) = store.load()
    assert again.style_masks == (None, mask)
    tidy(store)
    assert store.blob_path(mask.digest).read_bytes() == data


def revived(root: Path) -> tuple[Store, Jobs, Job]:
    """The one job there in the server's next life."""
    store = Store(root)
    jobs = Jobs(store.record)
    for job in store.load():
        jobs.restore(job)
    (job,) = jobs
    return store, jobs, job


def test_an_unfinished_job_goes_on_and_keeps_its_frames(tmp_path: Path) -> None:
    _, jobs, job = with_frames(tmp_path, ended=False)
    jobs.acknowledge(job, 2)
    jobs.pause(job, True)
    store, jobs, job = revived(tmp_path)
    assert (job.state, job.kept_frames, job.acknowledged, job.revision) == ("paused", 2, 2, 3)
    assert (job.is_again, job.saved, jobs.unfinished, jobs.next()) == (True, False, 1, None)
    assert summary(job)["iteration"] == 10, "of the latest frame, until it has gone on"
    jobs.pause(job, False)
    assert jobs.next() is job
    jobs.begin(job, {})
    jobs.keep(job, frame(store, job, 3, 20))
    assert [store.frame("a", s)["iteration"] for s in (1, 2, 3)] == [5, 10, 20]


def test_a_job_that_had_not_begun_waits_as_before_in_the_old_order(tmp_path: Path) -> None:
    store = Store(tmp_path)
    jobs = Jobs(store.record)
    put(store, DATA)
    for created, name in ((3.0, "a"), (1.0, "c"), (2.0, "b")):
        job = make(name)
        job.created = created
        jobs.accept(job)
    again = Store(tmp_path).load()
    assert [(job.id, job.is_again) for job in again] == [("c", False), ("b", False), ("a", False)]


def test_a_job_that_was_begun_twice_in_vain_has_failed(tmp_path: Path) -> None:
    with_frames(tmp_path, ended=False)
    _, jobs, job = revived(tmp_path)
    jobs.begin(job, {})
    _, jobs, job = revived(tmp_path)
    assert job.ending is not None and jobs.unfinished == 0
    assert (job.state, job.ending["code"], job.kept_frames) == ("failed", "interrupted", 2)
    assert "last kept frame" in job.ending["hint"]
    assert revived(tmp_path)[2].ending == job.ending


def test_a_checkpoint_makes_up_for_the_beginnings_before_and_goes_with_the_job(tmp_path: Path) -> None:
    store, jobs, job = with_frames(tmp_path, ended=False)
    store.checkpoint_path("a").write_bytes(b"how far it is")
    jobs.progress(job, {"iteration": 17, "total": 300})
    jobs.save(job)
    for _ in range(MAX_BEGINNINGS - 1):
        store, jobs, job = revived(tmp_path)
        assert (job.state, job.saved, job.iteration) == ("queued", True, 17)
        jobs.begin(job, {})
    jobs.end(job, Message("done", {"reason": "completed"}))
    assert not store.checkpoint_path("a").exists()


def test_a_server_that_is_told_to_end_blames_no_job(tmp_path: Path) -> None:
    _, jobs, job = with_frames(tmp_path, ended=False)
    for _ in range(2 * MAX_BEGINNINGS):
        jobs.spare(job)
        _, jobs, job = revived(tmp_path)
        assert job.is_again
        jobs.begin(job, {})
    assert job.ending is None


def test_what_was_told_to_end_ends(tmp_path: Path) -> None:
    _, jobs, job = with_frames(tmp_path, ended=False)
    jobs.stop(job)
    jobs.pause(job, True)
    _, jobs, job = revived(tmp_path)
    assert job.stopping and jobs.next() is job
    jobs.begin(job, {})
    jobs.cancel(job)
    job = revived(tmp_path)[2]
    assert (job.state, job.kept_frames) == ("cancelled", 2)


def test_a_job_whose_images_are_gone_has_failed(tmp_path: Path) -> None:
    store, _, _ = with_frames(tmp_path, ended=False)
    store.blob_path(PIXELS.digest).unlink()
    assert revived(tmp_path)[2].state == "failed"


def test_a_torn_line_costs_only_its_own_frame(tmp_path: Path) -> None:
    with_frames(tmp_path, ended=False)
    with (tmp_path / "jobs/a/frames.jsonl").open("ab") as file:
        file.write(b'{"sequence": 3, "itera')
    store, jobs, job = revived(tmp_path)
    assert job.kept_frames == 2
    with pytest.raises(KeyError):
        store.frame("a", 3)
    jobs.keep(job, frame(store, job, 3, 20))
    assert Store(tmp_path).frame("a", 3)["iteration"] == 20


def test_a_job_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    with_frames(tmp_path)
    (tmp_path / "jobs/a/job.json").write_text("{")
    store = Store(tmp_path)
    assert store.load() == []
    tidy(store)
    assert (tmp_path / "jobs/a/frames/1.bin").exists()
    Jobs(store.record).accept(make())
    assert [job.id for job in Store(tmp_path).load()] == ["a"]
    assert not (tmp_path / "jobs/a/frames/1.bin").exists()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("job.json", '"created": 1.0', '"created": "yesterday"'),
        ("job.json", '"created": 1.0', '"created": NaN'),
        ("job.json", '"created": 1.0', '"created": 1e999'),
        ("job.json", '"revision": 3', '"revision": [3]'),
        ("job.json", "{", "[" * 100_000),
        ("end.json", '"kept_frames": 2', '"kept_frames": "some"'),
    ],
)
def test_a_job_that_was_edited_badly_holds_up_no_other(tmp_path: Path, name: str, old: str, new: str) -> None:
    with_frames(tmp_path)
    whole = shutil.copytree(tmp_path / "jobs" / "a", tmp_path / "jobs" / "b")
    file = tmp_path / "jobs" / "a" / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    (again,) = Store(tmp_path).load()
    assert again.id == whole.name


def test_an_ending_finds_room_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, jobs, job = with_frames(tmp_path, ended=False)
    store.checkpoint_path("a").write_bytes(bytes(1000))
    write = store_module._write_json

    def full(path: Path, values: Any) -> None:
        if store.checkpoint_path("a").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, values)

    monkeypatch.setattr(store_module, "_write_json", full)
    jobs.end(job, Message("cancelled"))
    (again,) = Store(tmp_path).load()
    assert again.state == "cancelled"


def test_what_else_lies_in_the_folders_holds_up_no_job(tmp_path: Path) -> None:
    with_frames(tmp_path)
    (tmp_path / "jobs" / "file").write_text("")
    (tmp_path / "jobs" / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "blobs" / "folder.part").mkdir()
    assert [job.id for job in Store(tmp_path).load()] == ["a"]


def test_a_title_of_another_kind_is_taken_as_text(tmp_path: Path) -> None:
    with_frames(tmp_path)
    file = tmp_path / "jobs" / "a" / "job.json"
    file.write_text(file.read_text().replace('"title": "t"', '"title": 5'))
    (again,) = Store(tmp_path).load()
    assert again.title == "5"


def test_a_job_that_cannot_be_read_goes_with_time(tmp_path: Path) -> None:
    with_frames(tmp_path)
    (tmp_path / "jobs/a/job.json").write_text("{")
    old = time.time() - KEEP_SECONDS - 60
    os.utime(tmp_path / "jobs/a", (old, old))
    store = Store(tmp_path)
    assert store.load() == []
    tidy(store)
    assert not any((tmp_path / "jobs").iterdir())


def test_old_jobs_go_with_their_images(tmp_path: Path) -> None:
    with_frames(tmp_path)
    old = time.time() - KEEP_SECONDS - 60
    os.utime(tmp_path / "jobs/a/end.json", (old, old))
    store = Store(tmp_path)
    assert store.load() == []
    tidy(store)
    assert not any((tmp_path / "jobs").iterdir())
    assert not any((tmp_path / "blobs").iterdir())


def test_an_ending_that_a_full_disk_did_not_take_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the job would be painted again, by the next server."""
    with_frames(tmp_path, ended=False)
    endpoint = Endpoint(private_dir(tmp_path / "run"))
    broker = Broker(endpoint, Store(tmp_path), [], worker_domain=b"")
    write, is_full = store_module._write_json, True

    def may_be_full(path: Path, values: Any) -> None:
        if is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, values)

    monkeypatch.setattr(store_module, "_write_json", may_be_full)

    def ready() -> None:
        nonlocal is_full
        job = broker._jobs.get("a")
        assert job is not None
        broker._jobs.cancel(job)
        broker._write_endings()
        assert not (tmp_path / "jobs/a/end.json").exists()
        for name in ("b", "c"):
            is_full = False
            other = make(name)
            broker._jobs.accept(other)
            is_full = True
            broker._jobs.cancel(other)
        broker._jobs.forget(other)
        shutil.rmtree(tmp_path / "jobs/b")
        is_full = False
        broker._unwritten = dict(sorted(broker._unwritten.items(), reverse=True))
        broker._turn(0.0)
        assert (tmp_path / "jobs/a/end.json").exists(), "as soon as there is room"
        assert list(broker._unwritten) == ["b"], "which holds up none, and what was forgotten is not written"
        broker.stop()

    broker.run(ready)
    endpoint.close()
    (again,) = Store(tmp_path).load()
    assert again.state == "cancelled"


def test_old_jobs_go_while_the_server_runs(tmp_path: Path) -> None:
    with_frames(tmp_path)
    endpoint = Endpoint(private_dir(tmp_path / "run"))
    broker = Broker(endpoint, Store(tmp_path), [], worker_domain=b"")

    def ready() -> None:
        broker.purge()
        assert (tmp_path / "jobs/a").exists()
        old = time.time() - KEEP_SECONDS - 60
        os.utime(tmp_path / "jobs/a/end.json", (old, old))
        broker.purge()
        broker.stop()

    broker.run(ready)
    endpoint.close()
    assert not (tmp_path / "jobs/a").exists()


def test_forgetting_removes_what_no_other_job_needs(tmp_path: Path) -> None:
    store, jobs, job = with_frames(tmp_path)
    other = make("b")
    jobs.accept(other)
    jobs.forget(job)
    assert not (tmp_path / "jobs/a").exists()
    tidy(store)
    assert store.has_blob(PIXELS.digest, 16)
    jobs.cancel(other)
    jobs.forget(other)
    tidy(store)
    assert not store.has_blob(PIXELS.digest, 16)
    assert not any((tmp_path / "jobs").iterdir())


def test_half_received_images_do_not_outlive_the_server(tmp_path: Path) -> None:
    part = Store(tmp_path).begin_blob("0" * 64)
    part.write(b"half")
    Store(tmp_path).load()
    assert not any((tmp_path / "blobs").iterdir())
    part.drop()


def test_a_half_received_image_that_cannot_be_removed_raises_nothing(tmp_path: Path) -> None:
    part = Store(tmp_path).begin_blob("0" * 64)
    part.path.mkdir()
    part.drop()
    part = Part(Path("/dev/full"))
    part.write(b"half")
    part.path = tmp_path
    part.drop()


def test_a_blob_of_another_size_is_not_the_blob(tmp_path: Path) -> None:
    store = Store(tmp_path)
    digest = put(store, DATA)
    assert store.has_blob(digest, 16)
    assert store.has_blob(digest, None)
    assert not store.has_blob(digest, 17)
    assert not store.has_blob("0" * 64, None)


def test_a_kept_frame_becomes_a_start_image(tmp_path: Path) -> None:
    store, _, job = with_frames(tmp_path)
    pixels = store.adopt(job, 10)
    assert pixels is not None
    assert store.blob_path(pixels.digest).read_bytes() == bytes([2]) * 16
    assert store.adopt(job, 7) is None


def test_the_data_folder_is_private(tmp_path: Path) -> None:
    Store(tmp_path / "data")
    assert [p.stat().st_mode & 0o777 for p in (tmp_path / "data", tmp_path / "data/jobs")] == [0o700, 0o700]


def test_a_full_disk_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        total: int = 10**12
        used: int = 0
        free: int = MIN_FREE + 1000

    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda path: Usage())
    store = Store(tmp_path)
    store.check_space(1000)
    with pytest.raises(DiskFull, match=r"Only 500 MB are free in .*, and 501 MB are needed\."):
        store.check_space(1_000_000)
