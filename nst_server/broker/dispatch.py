"""Between the queue and the executors: jobs to free devices, commands to the job's device, reports back."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import zmq

from nst_server.broker.sessions import Sessions
from nst_server.executors import Executor
from nst_server.jobs import Job, Jobs
from nst_server.store import DAMAGED, MIN_FREE, Store
from nst_server.wire.messages import FAILED, Message, clipped
from nst_server.wire.params import ENCODERS
from nst_server.wire.pixels import Pixels

log = logging.getLogger(__name__)

_STARTING = {"what": "starting"}
_DISK_FULL = {
    "code": "disk_full",
    "message": "A frame could not be written to disk.",
    "hint": "Free some space, then start it again, or go on from its last frame if it has one.",
}
_NO_MEMORY = {
    "code": "out_of_memory",
    "message": "There is not enough memory for this job.",
    "hint": "Choose a smaller size, or close other programs.",
}
_UNUSABLE = {
    "code": "internal",
    "message": "What the server has of this job cannot be used.",
    "hint": "Start it again; the server's log says more.",
}
#: Reports after which the device is free.
_LAST = frozenset({"done", "cancelled", "failed", "released", "starved"})


@dataclass
class _Work:
    """What an executor has: a job, which may have ended or been forgotten meanwhile."""

    job: Job
    #: Whether it was told that previews are wanted.
    previews: bool
    #: Whether it was told to release its device.
    releasing: bool = False


class Dispatcher:
    """Hands jobs to executors and turns their reports into changes of jobs."""

    def __init__(self, jobs: Jobs, store: Store, sessions: Sessions, executors: Sequence[Executor]) -> None:
        self._jobs = jobs
        self._store = store
        self._sessions = sessions
        self._executors = executors
        self._at_work: dict[Executor, _Work] = {}
        self._leaving = False

    @property
    def devices(self) -> list[Mapping[str, Any]]:
        """Id and name of each device."""
        return [executor.device for executor in self._executors]

    @property
    def encoders(self) -> list[str]:
        """What may be asked for: all, until an executor has said what it can use."""
        known = next((executor.encoders for executor in self._executors if executor.encoders), ENCODERS)
        return list(known)

    def sockets(self) -> list[zmq.Socket[bytes]]:
        """Those that are readable when an executor has something to report."""
        return [s for s in (executor.socket() for executor in self._executors) if s is not None]

    def assign(self) -> None:
        """Give waiting jobs to free devices, and let paused ones make room for those that are left."""
        for executor in self._executors:
            while executor.free and not self._leaving:
                job = self._jobs.next()
                if job is None:
                    return
                try:
                    task = self._task(job)
                except Exception:  # whatever it is, it must not take the other jobs along
                    log.exception("%s cannot be begun", job.id)
                    self._jobs.end(job, Message(FAILED, _UNUSABLE))
                    continue
                self._at_work[executor] = _Work(job, task["previews"])
                self._jobs.begin(job, _STARTING)
                executor.run(job.id, task)
                break
        if not self._leaving:
            self._make_room()

    def tell(self, job: Job, command: str, **fields: Any) -> None:
        """Steer a job, if a device has it."""
        for executor, work in self._at_work.items():
            if work.job is job:
                if command in ("pause", "resume"):
                    work.releasing = False
                executor.tell(job.id, command, **fields)

    def cancel(self, job: Job) -> None:
        """Make the job's device stop computing it."""
        for executor, work in self._at_work.items():
            if work.job is job:
                executor.cancel(job.id)

    def work(self, now: float) -> None:
        """Take the reports of all executors, then give them what waits."""
        for executor in self._executors:
            for report in executor.reports(now):
                work = self._at_work.get(executor)
                if work is None or report.get("job", "") != work.job.id:
                    continue
                if report.type in _LAST:
                    del self._at_work[executor]
                job = work.job
                # Another one may have its id by now.
                if self._jobs.get(job.id) is not job:
                    continue
                try:
                    self._take(job, report)
                except OSError as error:
                    log.error("frame of %s: %s", job.id, error)
                    self._jobs.end(job, Message(FAILED, _DISK_FULL))
                    executor.cancel(job.id)
                except (KeyError, TypeError, ValueError):
                    log.exception("a report of the worker cannot be used")
        self._tell_previews()
        self.assign()

    def leave(self) -> None:
        """Let all executors write down where their jobs are; from here on none is given a job."""
        self._leaving = True
        for work in self._at_work.values():
            if work.job.ending is None:
                self._jobs.spare(work.job)
        for executor in self._executors:
            executor.leave()

    @property
    def has_left(self) -> bool:
        """Whether all of them are done with it."""
        return all(executor.has_left for executor in self._executors)

    def close(self) -> None:
        """Stop all executors."""
        for executor in self._executors:
            executor.close()

    def _make_room(self) -> None:
        """All that are paused are asked where one would do: that one may not be able to leave its device."""
        if not self._jobs.has_ready:
            return
        for executor, work in self._at_work.items():
            if not work.job.is_ready and not work.releasing:
                work.releasing = True
                executor.tell(work.job.id, "release")

    def _tell_previews(self) -> None:
        """Those whom nobody sees cost time."""
        for executor, work in self._at_work.items():
            wanted = self._sessions.wants_previews(work.job.id)
            if wanted is not work.previews:
                work.previews = wanted
                executor.tell(work.job.id, "previews", wanted=wanted)

    def _take(self, job: Job, report: Message) -> None:
        kind, fields = report.type, report.fields
        if kind == "preparing":
            self._jobs.prepare(job, _without(fields, "job"))
        elif kind == "running":
            self._jobs.run(job, _without(fields, "job"))
        elif kind == "progress":
            self._jobs.progress(job, fields)
        elif kind == "frame":
            self._jobs.keep(job, fields)
        elif kind == "preview":
            self._jobs.show(job, fields, report.data or b"")
        elif kind == "saved":
            self._jobs.save(job)
        elif kind in _LAST:
            if kind == "released" and self._jobs.release(job):
                log.info("%s is paused and leaves its device to others", job.id)
                return
            if kind == "starved":
                if self._jobs.starve(job):
                    log.warning("%s waits for another process, as memory was short", job.id)
                    return
                kind, fields = FAILED, _NO_MEMORY
            if fields.get("code") == "worker_died" and self._jobs.queue_again(job):
                log.warning("%s waits for another process", job.id)
                return
            texts = {k: clipped(str(fields[k])) for k in ("message", "hint") if k in fields}
            self._jobs.end(job, Message(kind, {**fields, **texts}))
        else:
            log.warning("the worker reports %r, which is not known", kind)

    def _task(self, job: Job) -> dict[str, Any]:
        before = None if job.continues is None else self._jobs.get(job.continues)
        return {
            "params": job.params.to_header(),
            "revision": job.revision,
            "paused": job.paused,
            "release": False,
            "previews": self._sessions.wants_previews(job.id),
            "content": self._image(job.content),
            "styles": [self._image(style) for style in job.styles],
            "style_masks": [self._image(mask) for mask in job.style_masks],
            "mask": self._image(job.mask),
            "start": self._image(job.start),
            "continues": job.continues,
            "continues_recoloured": before is not None and not before.params.iterations,
            "download": job.request.get("download"),
            "folder": str(self._store.frames_folder(job.id)),
            "min_free": MIN_FREE,
            "checkpoint": str(self._store.checkpoint_path(job.id)),
            "learnt": str(self._store.learnt_path(job.id)),
            "learnt_before": job.continues and str(self._store.learnt_path(job.continues)),
            "again": job.is_again,
            "interrupted": job.interrupted,
            "starved": job.starved,
            "stop": job.stopping,
            "kept_frames": job.kept_frames,
            "last_kept": self._last_kept(job),
        }

    def _last_kept(self, job: Job) -> dict[str, Any] | None:
        """The record of the last kept frame; None where there is none, or it cannot be read."""
        try:
            record = self._store.frame(job.id, job.kept_frames)
            told = {"final": bool(record["final"]), "iteration": int(record["iteration"])}
            return {**record, **told, "encoder": str(record["encoder"])}
        except (OSError, *DAMAGED):
            return None

    def _image(self, pixels: Pixels | None) -> dict[str, Any] | None:
        if pixels is None:
            return None
        profile = str(self._store.blob_path(pixels.icc)) if pixels.icc else None
        return {
            "pixels": pixels.to_header(),
            "file": str(self._store.blob_path(pixels.digest)),
            "profile": profile,
        }


def _without(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}
