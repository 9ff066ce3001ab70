"""What the server keeps on disk: images by digest, jobs, their kept frames and how they ended.

    blobs/<digest>               an uploaded image or profile, named by its SHA-256
    jobs/<job>/job.json          what was asked for; rewritten when live parameters change
    jobs/<job>/frames.jsonl      one line for each kept frame, in sequence
    jobs/<job>/frames/…          the pixels of those frames
    jobs/<job>/checkpoint.npz    where the worker goes on after an interruption; gone when the job has ended
    jobs/<job>/checkpoint.before of a job paused before its first picture: where the one before it ended
    jobs/<job>/learnt.npz        its last picture, for jobs that go on from a frame of it
    jobs/<job>/end.json          the terminal message

What is in a job's folder holds even if the machine stops (see ``durable``). Images are not waited for until
they are on the disk, which can take seconds; whoever reads them compares their SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from nst_server import durable
from nst_server.frame_log import FrameLog
from nst_server.jobs import (
    ACCEPTED,
    ACKNOWLEDGED,
    ENDED,
    FORGOTTEN,
    FRAME,
    MAX_BEGINNINGS,
    UPDATED,
    Change,
    Job,
)
from nst_server.wire.connection import private_dir
from nst_server.wire.messages import CANCELLED, ENDINGS, FAILED, Message, is_job
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels

log = logging.getLogger(__name__)

#: Below this much free space nothing new is taken, in bytes: the system and Krita need some too.
MIN_FREE = 500 * 10**6
#: Jobs that ended longer ago are removed, in seconds; so are folders of jobs that cannot be read.
KEEP_SECONDS = 14 * 24 * 3600
_TRASH = ".trash"
#: Of a job, what JSON holds as it is.
_AS_THEY_ARE = (
    *("continues", "title", "client", "created", "revision", "acknowledged", "paused", "cancelling"),
    *("stopping", "beginnings", "starved", "saved_iteration"),
)
#: What the files of a job raise where they are damaged, missing, or somebody has edited them. Any other
#: OSError proves nothing: the disk may be read the next time.
DAMAGED = (
    *(FileNotFoundError, NotADirectoryError, IsADirectoryError),
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError),
)


class DiskFull(Exception):
    """Too little space is left; the message is a sentence for the painter."""


class Part:
    """A blob that is arriving. Chunks come in order; the running SHA-256 knows when it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self._hash = hashlib.sha256()
        self._file: IO[bytes] | None = None

    def write(self, chunk: bytes) -> None:
        """Append a chunk. Raises OSError."""
        if self._file is None:
            # Opened late: of many submissions, few receive at the same time.
            self._file = self.path.open("wb")
        self._file.write(chunk)
        self._hash.update(chunk)
        self.offset += len(chunk)

    @property
    def digest(self) -> str:
        """The SHA-256 of what is here, 64 hex digits."""
        return self._hash.hexdigest()

    def finish(self, path: Path) -> None:
        """The blob is whole: give it its name. Raises OSError."""
        self._close()
        self.path.replace(path)

    def drop(self) -> None:
        """Throw away what has arrived; what cannot be removed goes at the server's next start."""
        with contextlib.suppress(OSError):
            self._close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Store:
    """The data folder. Blobs live as long as somebody holds them: a job, or a submission in the making."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._jobs = root / "jobs"
        self._held: Counter[str] = Counter()
        self._frames = FrameLog(self._jobs)
        self._trash: deque[Path] = deque()
        for folder in (root, self._blobs, self._jobs):
            # Each may be a link, to another disk for instance.
            private_dir(folder.resolve())

    # -- jobs

    def load(self) -> list[Job]:
        """The jobs of earlier lives, the oldest first. Those that had not ended can go on.

        Except where one was begun again and again, or its images are gone: that is failed, "interrupted".
        """
        jobs = []
        all_read = True
        for folder in sorted(self._jobs.iterdir()):
            if not is_job(folder.name):
                self._trash.append(folder)
                continue
            try:
                job = self._load(folder)
            except DAMAGED as error:
                log.warning("job %s cannot be read: %s", folder.name, error)
                if _is_older(folder):
                    self._trash.append(folder)
            except OSError as error:
                log.error("job %s cannot be read at the moment and is left alone: %s", folder.name, error)
                all_read = False
            else:
                if self.is_old(job.id):
                    self._trash.append(folder)
                else:
                    self.hold(job)
                    jobs.append(job)
        for path in self._blobs.iterdir():
            if path.suffix == ".part" and path.is_file():
                path.unlink()
            elif all_read:
                # Otherwise one that could not be read may need any of them.
                self._trash.append(path)
        return sorted(jobs, key=lambda job: job.created)

    def is_old(self, job: str) -> bool:
        """Whether the job ended so long ago that it can go."""
        return _is_older(self._jobs / job / "end.json")

    def _load(self, folder: Path) -> Job:
        values = _read_json(folder / "job.json")
        request = values["request"]
        job = Job(
            id=folder.name,
            params=Params.from_header(values["params"]),
            content=Pixels.from_header(request["content"]),
            styles=tuple(Pixels.from_header(style) for style in request["styles"]),
            style_masks=tuple(map(_pixels, request.get("style_masks", ()))),
            mask=_pixels(request.get("mask")),
            start=_pixels(values.get("start")),
            continues=values.get("continues"),
            request=request,
            title=str(values["title"]),
            client=str(values["client"]),
            created=float(values["created"]),
            revision=int(values["revision"]),
            acknowledged=int(values["acknowledged"]),
            paused=bool(values.get("paused", False)),
            cancelling=bool(values.get("cancelling", False)),
            stopping=bool(values.get("stopping", False)),
            beginnings=int(values.get("beginnings", 0)),
            starved=int(values.get("starved", 0)),
            saved_iteration=int(values.get("saved_iteration", 0)),
        )
        try:
            fields = _read_json(folder / "end.json")
        except FileNotFoundError:
            self._revive(job, folder)
            return job
        kind = fields.pop("type")
        if kind not in ENDINGS:
            raise ValueError(f"{kind!r} is not an ending")
        job.kept_frames = int(fields["kept_frames"])
        job.ending = Message(kind, fields)
        if "iteration" not in fields:
            job.kept_iteration = self._kept_iteration(job)
        return job

    def _revive(self, job: Job, folder: Path) -> None:
        """Make a job that has not ended ready to go on; end it where it cannot."""
        job.kept_frames = self._frames.mend(job.id)
        job.kept_iteration = self._kept_iteration(job)
        job.acknowledged = min(job.acknowledged, job.kept_frames)
        job.saved = self.checkpoint_path(job.id).exists()
        if not job.saved:
            job.saved_iteration = 0
        if job.cancelling:
            job.ending = Message(CANCELLED, {"job": job.id, "kept_frames": job.kept_frames})
        elif job.beginnings >= MAX_BEGINNINGS or not self._has_images(job):
            job.ending = Message(FAILED, _interrupted(job))
        if job.ending is not None:
            _write_json(folder / "end.json", {"type": job.ending.type, **job.ending.fields})
            self._drop_checkpoint(job.id)

    def _kept_iteration(self, job: Job) -> int:
        """That of its latest kept frame; a damaged record costs the job nothing else."""
        with contextlib.suppress(OSError, *DAMAGED):
            return int(self.frame(job.id, job.kept_frames)["iteration"])
        return 0

    def _has_images(self, job: Job) -> bool:
        images = job.images.values()
        profiles = all(self._blob_size(image.icc) > 0 for image in images if image.icc)
        return profiles and all(self._blob_size(image.digest) == image.bytes for image in images)

    def record(self, change: Change) -> None:
        """Write a change down. Raises OSError."""
        job = change.job
        folder = self._jobs / job.id
        if change.kind == ACCEPTED:
            # What can lie there is an earlier submission of this job that could not be read.
            self._discard(folder)
            self._frames.forget(job.id)
            try:
                (folder / "frames").mkdir(parents=True)
                self._write_job(job)
                durable.sync_folder(self._jobs)
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            self.hold(job)
        elif change.kind in (UPDATED, ACKNOWLEDGED):
            self._write_job(job)
        elif change.kind == FRAME:
            self._frames.append(job.id, change.fields)
        elif change.kind == ENDED:
            try:
                _write_json(folder / "end.json", dict(change.fields))
            except OSError:
                # Its room is enough on a full disk. Unwritten, the job would be painted again.
                self._drop_checkpoint(job.id)
                _write_json(folder / "end.json", dict(change.fields))
            self._drop_checkpoint(job.id)
        elif change.kind == FORGOTTEN:
            self._frames.forget(job.id)
            self.release(job)
            self._discard(folder)

    def _write_job(self, job: Job) -> None:
        values = {
            "request": job.request,
            "params": job.params.to_header(),
            "start": job.start.to_header() if job.start else None,
            **{name: getattr(job, name) for name in _AS_THEY_ARE},
        }
        _write_json(self._jobs / job.id / "job.json", values)

    # -- kept frames

    def frames_folder(self, job: str) -> Path:
        """Where the pixels of a job's kept frames go."""
        return self._jobs / job / "frames"

    def checkpoint_path(self, job: str) -> Path:
        """Where the worker writes down how far it is."""
        return self._jobs / job / "checkpoint.npz"

    def learnt_path(self, job: str) -> Path:
        """Where the worker writes down where the job has ended."""
        return self._jobs / job / "learnt.npz"

    def _drop_checkpoint(self, job: str) -> None:
        path = self.checkpoint_path(job)
        for suffix in (".npz", ".part", ".before"):
            path.with_suffix(suffix).unlink(missing_ok=True)

    def frame(self, job: str, sequence: int) -> dict[str, Any]:
        """The record of a kept frame: its header, and "file", the name of its pixels.

        Raises KeyError where there is none, OSError and ValueError where it cannot be read.
        """
        return self._frames.record(job, sequence)

    def frame_path(self, job: str, record: Mapping[str, Any]) -> Path:
        """The file with the pixels of a kept frame."""
        return self.frames_folder(job) / str(record["file"])

    def adopt(self, job: Job, iteration: int) -> Pixels | None:
        """A kept frame as a blob that another job can start from; None if it is not there."""
        for sequence in range(job.kept_frames, 0, -1):
            record = self.frame(job.id, sequence)
            if record["iteration"] != iteration:
                continue
            pixels = Pixels.from_header(record["pixels"])
            path = self.blob_path(pixels.digest)
            if not self.has_blob(pixels.digest, pixels.bytes):
                source = self.frame_path(job.id, record)
                if not source.exists():
                    return None
                try:
                    os.link(source, path)
                except OSError:
                    shutil.copyfile(source, path)
            return pixels
        return None

    # -- blobs

    def blob_path(self, digest: str) -> Path:
        """Where the blob of this digest is, or will be."""
        return self._blobs / digest

    def has_blob(self, digest: str, size: int | None) -> bool:
        """Whether the blob is here whole; ``size`` in bytes, None if it is not known."""
        try:
            found = self._blob_size(digest)
        except OSError:
            return False
        return found > 0 if size is None else found == size

    def _blob_size(self, digest: str) -> int:
        """Its bytes, 0 where it is not there. Raises OSError where that cannot be told."""
        try:
            return self.blob_path(digest).stat().st_size
        except FileNotFoundError:
            return 0

    def begin_blob(self, digest: str) -> Part:
        """Start to receive a blob."""
        return Part(self._blobs / f"{digest}.part")

    def hold(self, job: Job) -> None:
        """Keep the images of ``job`` until ``release``."""
        self._held.update(digests(job))

    def release(self, job: Job) -> None:
        """The opposite of ``hold``; images that nobody holds any more are removed."""
        for digest in digests(job):
            self._held[digest] -= 1
            if self._held[digest] <= 0:
                del self._held[digest]
                self._trash.append(self.blob_path(digest))

    # -- space

    def check_space(self, more: int = 0) -> None:
        """Raise DiskFull unless ``more`` bytes fit and ``MIN_FREE`` stay free."""
        free = shutil.disk_usage(self.root).free
        if free - more < MIN_FREE:
            raise DiskFull(
                f"Only {free // 10**6} MB are free in {self.root}, "
                f"and {(MIN_FREE + more) // 10**6} MB are needed."
            )

    def tidy(self) -> bool:
        """Delete one file that is no longer needed. False when there is none."""
        while self._trash:
            path = self._trash[0]
            try:
                if path.parent == self._blobs:
                    self._trash.popleft()
                    if path.name in self._held:
                        continue
                    path.unlink(missing_ok=True)
                    return True
                if path.is_symlink() or not path.is_dir():
                    # What a link leads to is somebody else's.
                    self._trash.popleft()
                    path.unlink(missing_ok=True)
                    return True
                inner = next((p for p in path.rglob("*") if p.is_symlink() or not p.is_dir()), None)
                if inner is not None:
                    inner.unlink()
                    return True
                self._trash.popleft()
                shutil.rmtree(path)
            except OSError as error:
                log.warning("%s cannot be deleted: %s", path, error)
                if self._trash and self._trash[0] == path:
                    self._trash.popleft()
        return False

    def _discard(self, folder: Path) -> None:
        """Take a folder out of sight at once; ``tidy`` deletes its files one by one."""
        bin_ = self._jobs / f"{_TRASH}-{folder.name}-{time.time_ns()}"
        try:
            folder.rename(bin_)
        except FileNotFoundError:
            return
        self._trash.append(bin_)


def digests(job: Job) -> set[str]:
    """Every blob that the job needs."""
    images = job.images.values()
    return {image.digest for image in images} | {image.icc for image in images if image.icc}


def _pixels(header: Any) -> Pixels | None:
    return None if header is None else Pixels.from_header(header)


def _interrupted(job: Job) -> dict[str, Any]:
    return {
        "job": job.id,
        "code": "interrupted",
        "message": "The server ended while this job was unfinished.",
        "hint": "Start a new job that continues from its last kept frame."
        if job.kept_frames
        else "Start it again.",
        "kept_frames": job.kept_frames,
    }


def _read_json(path: Path) -> Any:
    """Raises OSError and ValueError, also for numbers that no message can say."""
    values = json.loads(path.read_text("utf-8"))
    json.dumps(values, allow_nan=False)
    return values


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    durable.write_whole(path, json.dumps(values).encode())


def _is_older(path: Path) -> bool:
    """Whether it was last changed longer ago than jobs are kept; False where that cannot be told."""
    try:
        return path.lstat().st_mtime < time.time() - KEEP_SECONDS
    except OSError:
        return False
