"""Checkpoints: a running job on disk, so that another process can go on with it.

A checkpoint is an uncompressed .npz: an array for each tensor, and ``checkpoint``, all else as JSON in bytes.
Nothing in it is pickled. Every member has a CRC-32, and the file appears whole or not at all.
"""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import time
import weakref
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nst_server import durable
from nst_server.engine.state import Parts, State

VERSION = 1
#: The least time between two checkpoints in s, and what they may cost: of the time of the job, and in bytes
#: per second on average. L-BFGS has 280 MB at 1024 × 1024 px; disks wear.
CHECKPOINT_SECONDS = 30.0
TIME_SHARE = 0.02
BYTES_PER_SECOND = 2e6
_HEADER = "checkpoint"
#: What a damaged archive raises: flags that ask for a password or another compression are RuntimeErrors.
_DAMAGES = (
    *(OSError, ValueError, LookupError, TypeError, ArithmeticError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


class Unreadable(Exception):
    """A checkpoint that cannot be gone on from; the message says why."""


@dataclass(frozen=True)
class Checkpoint:
    """What the engine needs, and the job around it.

    job: its id. sequence: of the last kept frame. notes: for ``done``, so far. seconds: that the job has
    taken. plan: as ``device.plan`` had it.
    """

    job: str
    state: State
    sequence: int
    notes: tuple[str, ...]
    seconds: float
    plan: Mapping[str, Any]


def write(path: Path, checkpoint: Checkpoint, check: Callable[[], None] = lambda: None) -> int:
    """Write ``checkpoint``; returns its bytes. Raises OSError, and what ``check`` raises between arrays.

    Whatever is raised, an earlier checkpoint stays.
    """
    parts = checkpoint.state.parts()
    values = {
        "version": VERSION,
        "job": checkpoint.job,
        "sequence": checkpoint.sequence,
        "notes": list(checkpoint.notes),
        "seconds": checkpoint.seconds,
        "plan": dict(checkpoint.plan),
        "state": dict(parts.values),
        "tensors": sorted(parts.tensors),
    }
    temporary = path.with_suffix(".part")
    try:
        with temporary.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                text = torch.frombuffer(bytearray(json.dumps(values).encode()), dtype=torch.uint8)
                for name, tensor in ((_HEADER, text), *parts.tensors.items()):
                    check()
                    array = tensor.detach().cpu().contiguous().numpy()
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, array, allow_pickle=False)
            file.flush()
            check()
            os.fsync(file.fileno())
            size = file.tell()
        durable.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return size


def read(path: Path) -> Checkpoint:
    """The checkpoint at ``path``. Raises Unreadable."""
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise Unreadable("it is compressed, and could be of any size")
            # Whole members first: their checksums hold before their headers say how much memory to take.
            arrays = {
                name.removesuffix(".npy"): np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
                for name in archive.namelist()
            }
        values = json.loads(arrays.pop(_HEADER).tobytes())
        if values["version"] != VERSION:
            raise Unreadable(f"it is of version {values['version']}, not {VERSION}")
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if sorted(tensors) != values["tensors"]:
            raise Unreadable("some of its parts are missing")
        return Checkpoint(
            str(values["job"]),
            State.of(Parts(values["state"], tensors)),
            int(values["sequence"]),
            tuple(map(str, values["notes"])),
            float(values["seconds"]),
            dict(values["plan"]),
        )
    except _DAMAGES as error:
        raise Unreadable(str(error)) from error


class Keeper:
    """Keeps the checkpoint of one job at ``path``; leaves ``min_free`` bytes of the disk free."""

    def __init__(self, path: Path, min_free: int) -> None:
        self._path = path
        self._min_free = min_free
        self._due = time.monotonic() + CHECKPOINT_SECONDS
        # Weak: the optimiser has let go of most of its images since.
        self._kept: weakref.ref[State] | None = None

    @property
    def is_due(self) -> bool:
        """Whether it is time for another one."""
        return time.monotonic() >= self._due

    def keep(self, checkpoint: Checkpoint, check: Callable[[], None] = lambda: None) -> bool:
        """Write it, unless the last one was of the same state. False if it is that already.

        Raises OSError, and what ``check`` raises.
        """
        if self._kept is not None and checkpoint.state is self._kept():
            return False
        began = time.monotonic()
        size = 0
        try:
            tensors = checkpoint.state.parts().tensors.values()
            if shutil.disk_usage(self._path.parent).free < self._min_free + sum(t.nbytes for t in tensors):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            size = write(self._path, checkpoint, check)
        finally:
            took = time.monotonic() - began
            self._due = began + max(CHECKPOINT_SECONDS, took / TIME_SHARE, size / BYTES_PER_SECOND)
        self._kept = weakref.ref(checkpoint.state)
        return True
