"""The states of jobs, and the queue. Knows neither sockets nor files nor torch.

Whatever happens to a job goes through ``Jobs``, and each change comes out as one ``Change``, in order:
the store writes it down, the sessions tell the clients. A job moves

    queued → preparing → running → done | cancelled | failed

and may be paused or cancelling on top of that. It is queued once more where what computed it has ended, or
where others have its device while it is paused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nst_server.wire.messages import (
    CANCELLED,
    CANCELLING,
    PAUSED,
    PREPARING,
    QUEUED,
    RUNNING,
    Message,
)
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels

ACCEPTED, STATE, UPDATED, PROGRESS = "accepted", "state", "updated", "progress"
FRAME, PREVIEW, ACKNOWLEDGED, ENDED, FORGOTTEN = "frame", "preview", "acknowledged", "ended", "forgotten"


#: How often a job is begun without getting as far as a checkpoint: it may be what ends the process, or the
#: machine.
MAX_BEGINNINGS = 2
#: How often it goes on at half the side meanwhile, ended for want of memory.
MAX_STARVED = 4


@dataclass(eq=False)
class Job:
    """One job. Only ``Jobs`` changes it."""

    id: str
    params: Params
    content: Pixels
    styles: tuple[Pixels, ...]
    #: Where each style acts, None for everywhere; empty: all everywhere.
    style_masks: tuple[Pixels | None, ...] = ()
    mask: Pixels | None = None
    start: Pixels | None = None
    #: The job of which ``start`` is a frame, where the picture is to go on as that would have.
    continues: str | None = None
    #: The submission as the client sent it: a second one with this id must be equal to it.
    request: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    client: str = ""
    created: float = 0.0

    stage: str = QUEUED
    paused: bool = False
    cancelling: bool = False
    #: Whether it shall end with its best picture.
    stopping: bool = False
    #: Whether what computed it has ended since its last checkpoint.
    interrupted: bool = False
    #: How often it was begun since its last checkpoint.
    beginnings: int = 0
    #: How often what computed it was ended for want of memory since its last checkpoint.
    starved: int = 0
    #: Whether it has a checkpoint, and with it a picture.
    saved: bool = False
    position: int = 0
    revision: int = 0
    #: What a ``state`` message says beyond the state: what, done, total, unit; device, encoder.
    detail: Mapping[str, Any] = field(default_factory=dict)
    progress: Mapping[str, Any] | None = None
    preview: tuple[Mapping[str, Any], bytes] | None = None
    kept_frames: int = 0
    #: That of the latest kept frame.
    kept_iteration: int = 0
    #: That of its checkpoint.
    saved_iteration: int = 0
    acknowledged: int = 0
    ending: Message | None = None

    @property
    def state(self) -> str:
        """One of the states of the protocol, or the type of the terminal message."""
        if self.ending is not None:
            return self.ending.type
        if self.cancelling:
            return CANCELLING
        return self.stage if self.is_ready else PAUSED

    @property
    def is_ready(self) -> bool:
        """Whether it takes the next free device, if it is in the queue."""
        return self.stopping or not self.paused

    @property
    def iteration(self) -> int:
        """How far it has got. In a new life of the server: as far as is known from the disk."""
        known = {**(self.progress or {}), **(self.ending.fields if self.ending else {})}
        return int(known.get("iteration", max(self.kept_iteration, self.saved_iteration)))

    @property
    def is_again(self) -> bool:
        """Whether it was begun before: in another process, or another life of the server."""
        return self.saved or self.beginnings > 0 or self.starved > 0 or self.kept_frames > 0

    @property
    def images(self) -> dict[str, Pixels]:
        """Every image of the job by the field of the submission that names it."""
        named = {"content": self.content, "mask": self.mask, "start": self.start}
        named.update({f"styles[{index}]": style for index, style in enumerate(self.styles)})
        named.update({f"style_masks[{index}]": mask for index, mask in enumerate(self.style_masks)})
        return {name: pixels for name, pixels in named.items() if pixels is not None}

    def state_message(self) -> Message:
        """The ``state`` message that says where the job is now."""
        fields: dict[str, Any] = {"job": self.id, "state": self.state}
        if self.stage == QUEUED:
            fields["position"] = self.position
        return Message("state", {**fields, **self.detail})


@dataclass(frozen=True)
class Change:
    """Something that happened to a job: one of the kinds above. ``fields`` are JSON values."""

    kind: str
    job: Job
    fields: Mapping[str, Any] = field(default_factory=dict)


class Jobs:
    """All known jobs and the first-in-first-out queue of those that wait for a device."""

    def __init__(self, listener: Callable[[Change], None]) -> None:
        self._listener = listener
        self._jobs: dict[str, Job] = {}
        self._waiting: list[Job] = []
        self._unfinished = 0

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def get(self, job: str) -> Job | None:
        """The job of this id, unfinished or ended."""
        return self._jobs.get(job)

    @property
    def unfinished(self) -> int:
        """How many jobs have not ended."""
        return self._unfinished

    @property
    def has_ready(self) -> bool:
        """Whether a job waits for nothing but a device."""
        return self.next() is not None

    def restore(self, job: Job) -> None:
        """Add a job of an earlier life of the server, the oldest first. Nothing is announced.

        What had not ended waits for a device.
        """
        self._jobs[job.id] = job
        if job.ending is None:
            job.interrupted = True
            self._enqueue(job)

    def accept(self, job: Job) -> None:
        """Put a new job at the end of the queue."""
        self._jobs[job.id] = job
        self._enqueue(job)
        try:
            self._tell(ACCEPTED, job)
        except OSError:
            # It could not be written down, so it was never accepted.
            del self._jobs[job.id]
            self._waiting.remove(job)
            self._unfinished -= 1
            raise

    def next(self) -> Job | None:
        """The job that a free device should take, or None."""
        return next((job for job in self._waiting if job.is_ready), None)

    def begin(self, job: Job, detail: Mapping[str, Any]) -> None:
        """A device has taken the job."""
        self._leave_queue(job)
        job.stage = PREPARING
        job.detail = detail
        job.beginnings += 1
        self._tell(UPDATED, job)
        self._tell(STATE, job)

    def save(self, job: Job) -> None:
        """The device has written a checkpoint."""
        if self._silent(job):
            return
        job.saved = True
        job.interrupted = False
        job.saved_iteration = job.iteration
        job.beginnings = job.starved = 0
        self._tell(UPDATED, job)

    def spare(self, job: Job) -> None:
        """It was ended for others, or with the server: that it did not get far is not its fault."""
        job.beginnings = 0
        self._tell(UPDATED, job)

    def queue_again(self, job: Job) -> bool:
        """What computed the job has ended: let it wait for another device, before all others.

        False where it has been begun often enough.
        """
        if self._silent(job) or job.beginnings >= MAX_BEGINNINGS:
            return False
        job.interrupted = True
        self._put_first(job)
        return True

    def starve(self, job: Job) -> bool:
        """What computed the job was ended for want of memory: let it go on smaller, before all others.

        A paused one, which takes little, stays as it is. So does one that paints nothing, or that may not
        depend on the memory: it is just queued again. False where it was starved, or begun, often enough.
        """
        can_shrink = job.params.iterations and not job.params.deterministic
        if can_shrink and not self._silent(job):
            if job.is_ready:
                if job.starved >= MAX_STARVED:
                    return False
                job.starved += 1
            self.spare(job)
        return self.queue_again(job)

    def release(self, job: Job) -> bool:
        """A paused job has left its device to others. Let it wait, before all others once it is resumed.

        False where it is being cancelled.
        """
        if self._silent(job):
            return False
        self.spare(job)
        self._put_first(job)
        return True

    def prepare(self, job: Job, detail: Mapping[str, Any]) -> None:
        """What the device is doing before the first iteration: what, done, total, unit."""
        if self._silent(job) or job.stage != PREPARING:
            return
        job.detail = detail
        self._tell(STATE, job)

    def run(self, job: Job, detail: Mapping[str, Any]) -> None:
        """The first iteration is being computed; ``detail`` names device and encoder."""
        if self._silent(job):
            return
        job.stage = RUNNING
        job.detail = detail
        self._tell(STATE, job)

    def progress(self, job: Job, fields: Mapping[str, Any]) -> None:
        """An iteration is complete."""
        if self._silent(job):
            return
        job.progress = fields
        self._tell(PROGRESS, job, fields)

    def keep(self, job: Job, frame: Mapping[str, Any]) -> None:
        """A kept frame is on disk. Frames come in sequence; any other is ignored."""
        if self._silent(job) or frame.get("sequence") != job.kept_frames + 1:
            return
        # Told first: a frame that cannot be written down is not kept.
        self._tell(FRAME, job, frame)
        job.kept_frames += 1
        job.kept_iteration = int(frame["iteration"])

    def show(self, job: Job, frame: Mapping[str, Any], pixels: bytes) -> None:
        """A preview has been made; it replaces the one before."""
        if self._silent(job):
            return
        job.preview = (frame, pixels)
        self._tell(PREVIEW, job)

    def update(self, job: Job, revision: int, params: Params) -> bool:
        """Take over live parameters. False when they are older than those the job has."""
        if revision <= job.revision:
            return False
        job.revision = revision
        job.params = params
        self._tell(UPDATED, job)
        return True

    def pause(self, job: Job, paused: bool) -> bool:
        """Pause or resume a job; a waiting one keeps its place. False where that changes nothing."""
        if self._silent(job) or job.paused == paused:
            return False
        job.paused = paused
        self._tell(UPDATED, job)
        self._tell(STATE, job)
        self._number_behind(job)
        return True

    def stop(self, job: Job) -> None:
        """The job shall end with its best picture so far."""
        if not self._silent(job) and not job.stopping:
            job.stopping = True
            self._tell(UPDATED, job)
            if job in self._waiting:
                self._number(self._waiting.index(job))

    def cancel(self, job: Job) -> None:
        """A waiting job ends here; any other is cancelling until the device is free."""
        if self._silent(job):
            return
        job.cancelling = True
        job.detail = {}
        job.preview = None
        if job.stage != QUEUED:
            self._tell(UPDATED, job)
        self._tell(STATE, job)
        if job.stage == QUEUED:
            self.end(job, Message(CANCELLED))

    def end(self, job: Job, ending: Message) -> None:
        """The terminal message, exactly one. Whatever a device says of a cancelled job, it was cancelled."""
        if job.ending is not None:
            return
        if job.cancelling:
            ending = Message(CANCELLED)
        self._leave_queue(job)
        self._unfinished -= 1
        fields = {**ending.fields, "job": job.id, "kept_frames": job.kept_frames}
        job.ending = Message(ending.type, fields)
        job.preview = None
        self._tell(ENDED, job, {"type": ending.type, **fields})

    def acknowledge(self, job: Job, sequence: int) -> None:
        """A client has all kept frames up to ``sequence``."""
        if job.acknowledged < sequence <= job.kept_frames:
            job.acknowledged = sequence
            self._tell(ACKNOWLEDGED, job, {"sequence": sequence})

    def forget(self, job: Job) -> None:
        """Drop an ended job."""
        del self._jobs[job.id]
        self._tell(FORGOTTEN, job)

    def _silent(self, job: Job) -> bool:
        """Whether nothing but the ending may be heard of the job any more."""
        return job.cancelling or job.ending is not None

    def _enqueue(self, job: Job) -> None:
        job.position = self._ready_before(len(self._waiting))
        self._waiting.append(job)
        self._unfinished += 1

    def _put_first(self, job: Job) -> None:
        job.stage = QUEUED
        job.detail = {}
        self._waiting.insert(0, job)
        self._number(0)

    def _leave_queue(self, job: Job) -> None:
        if job not in self._waiting:
            return
        index = self._waiting.index(job)
        del self._waiting[index]
        self._number(index)

    def _number(self, start: int) -> None:
        """Tell the jobs from this place on where they stand now."""
        ahead = self._ready_before(start)
        for other in self._waiting[start:]:
            other.position = ahead
            ahead += other.is_ready
            self._tell(STATE, other)

    def _number_behind(self, job: Job) -> None:
        if job in self._waiting:
            self._number(self._waiting.index(job) + 1)

    def _ready_before(self, place: int) -> int:
        """How many jobs are begun before the one at that place of the queue."""
        if not place:
            return 0
        before = self._waiting[place - 1]
        return before.position + before.is_ready

    def _tell(self, kind: str, job: Job, fields: Mapping[str, Any] | None = None) -> None:
        # A job can be updated and paused before it is accepted; what it is then says everything.
        if job.id in self._jobs or kind == FORGOTTEN:
            self._listener(Change(kind, job, fields or {}))
