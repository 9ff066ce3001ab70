"""Checkpoints on disk: whole or not at all, read again to the bit, refused where they are broken."""

import errno
import shutil
import weakref
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch

from nst_server.engine.control import Cancelled
from nst_server.engine.state import Parts, State
from nst_server.wire.params import Params
from nst_server.worker import checkpoint as module
from nst_server.worker.checkpoint import Checkpoint, Keeper, Unreadable, read, write
from nst_server.worker.job import Run


def state(iteration: int = 7) -> State:
    generator = torch.Generator().manual_seed(iteration)
    image = torch.rand(3, 5, 8, generator=generator)
    image[0, 0, 0] = 1e-45  # the smallest number that there is
    return State(
        iteration=iteration,
        evaluations=iteration + 2,
        size=(8, 5),
        asked=20,
        left=13,
        queue=((16, 10, 10),),
        full=(16, 10),
        tile=4096,
        params=Params(strength=0.1 + 0.2, style_weights=(1.0, 1 / 3)),
        said=("a note",),
        seconds_per_pixel=1e-7 / 3,
        optimiser=Parts({"pairs": 0, "here.total": 0.1 + 0.7}, {"image": image}),
        previous=torch.rand(3, 3, 4, generator=generator),
    )


def kept(iteration: int = 7) -> Checkpoint:
    return Checkpoint("job", state(iteration), 3, ("a note",), 12.5, {"threads": 2, "encoder": "0" * 64})


def same(a: Checkpoint, b: Checkpoint) -> bool:
    ours, theirs = a.state.parts(), b.state.parts()
    return (
        (a.sequence, a.notes, a.seconds, a.plan) == (b.sequence, b.notes, b.seconds, b.plan)
        and ours.values == theirs.values
        and ours.tensors.keys() == theirs.tensors.keys()
        and all(np.array_equal(t, theirs.tensors[n], equal_nan=True) for n, t in ours.tensors.items())
    )


def test_what_is_written_is_read_again_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    assert write(path, kept()) == path.stat().st_size
    assert same(read(path), kept())
    # Any program that knows NumPy's format can look into it, without unpickling anything.
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays["optimiser.image"].shape == (3, 5, 8)


def test_a_write_that_is_broken_off_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    write(path, kept(1))
    calls = iter(range(3))

    def check() -> None:
        if next(calls) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        write(path, kept(2), check)
    assert read(path).state.iteration == 1
    assert list(tmp_path.iterdir()) == [path]


def test_every_flipped_byte_and_every_cut_is_noticed_or_harmless(tmp_path: Path) -> None:
    path, broken = tmp_path / "checkpoint.npz", tmp_path / "broken.npz"
    size = write(path, kept())
    data = path.read_bytes()
    directory = data.index(b"PK\1\2")
    flips = [(place, 0x55) for place in range(0, size, 41)]
    # Its flags may ask for a password or for another compression, its lengths swallow an array.
    flips += [(place, 1 << bit) for place in range(directory, size) for bit in (0, 6)]
    for place, flip in flips:
        for wrong in (data[:place], data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :]):
            broken.write_bytes(wrong)
            try:
                found = read(broken)
            except Unreadable:
                continue
            # Dates and padding of the archive are nobody's business.
            assert same(found, kept())
    with pytest.raises(Unreadable):
        read(tmp_path / "nothing.npz")


def test_another_version_and_pickles_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.npz"
    monkeypatch.setattr(module, "VERSION", 2)
    write(path, kept())
    monkeypatch.undo()
    with pytest.raises(Unreadable, match="version 2, not 1"):
        read(path)
    with zipfile.ZipFile(path, "w") as archive, archive.open("checkpoint.npy", "w") as member:
        np.lib.format.write_array(member, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(Unreadable):
        read(path)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_checkpoints_cost_little_time_and_wear_no_disk(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(path: Path, checkpoint: Checkpoint, check: object) -> int:
        clock[0] += cost["seconds"]
        return int(cost["bytes"])

    cost: dict[str, float] = {}
    monkeypatch.setattr(module, "write", slow)
    for took, size, wait in ((0.1, 1e6, 30), (2.0, 1e6, 100), (0.5, 290e6, 145)):
        cost.update(seconds=took, bytes=size)
        keeper = Keeper(tmp_path / "checkpoint.npz", 0)
        assert not keeper.is_due
        clock[0] += 30
        assert keeper.is_due
        began = clock[0]
        assert keeper.keep(kept())
        clock[0] = began + wait - 1
        assert not keeper.is_due
        clock[0] = began + wait
        assert keeper.is_due


def test_the_same_state_is_written_once(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "checkpoint.npz", 0)
    checkpoint = kept()
    assert [keeper.keep(checkpoint), keeper.keep(checkpoint), keeper.keep(kept(8))] == [True, False, True]
    # It does not keep the images of a state that everybody else has let go of.
    of_a_step = kept(9)
    keeper.keep(of_a_step)
    image = weakref.ref(of_a_step.state.image)
    del of_a_step
    assert image() is None


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        free: int = 10**6

    path = tmp_path / "checkpoint.npz"
    Keeper(path, 0).keep(kept(1))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage())
    with pytest.raises(OSError) as caught:
        Keeper(path, 10**6).keep(kept(2))
    assert caught.value.errno == errno.ENOSPC
    assert read(path).state.iteration == 1


def test_a_job_without_room_for_its_checkpoint_goes_on_and_says_so_once(tmp_path: Path) -> None:
    run = Run.__new__(Run)
    run._latest, run._keeper = kept(), Keeper(tmp_path / "checkpoint.npz", 10**18)
    run._reins = SimpleNamespace(notes=[])
    run._save()
    run._save()
    assert run._reins.notes == ["its progress could not be saved on the disk: No space left on device"]
    assert not list(tmp_path.iterdir())
