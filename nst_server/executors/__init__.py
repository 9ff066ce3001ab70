"""Where jobs are computed. The broker sees only this interface: it does not know what computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import zmq

from nst_server.wire.messages import Message


class Executor(ABC):
    """One job at a time on one device. Only the broker's thread calls; every method returns at once.

    What becomes of the job comes as reports, with the job's id in the field ``job``: "preparing" (what,
    done, total, unit), "running" (device, encoder), "progress" and "frame" as on the wire (a kept frame
    names its pixels' "file"), "preview" (a frame with its pixels as chunk), and exactly one of "done",
    "cancelled", "failed", "released", "starved" (the system ended what computed it for want of memory).
    "saved": the task's "checkpoint" is written. A job that was released or starved, or failed with the code
    "worker_died", may be run again, here or elsewhere.
    """

    @property
    @abstractmethod
    def device(self) -> Mapping[str, Any]:
        """``id`` and ``name`` of the device; the name is "" until it is known."""

    @property
    @abstractmethod
    def encoders(self) -> Sequence[str]:
        """Encoders that can be used, by their names in the parameters; empty until they are known."""

    @property
    @abstractmethod
    def free(self) -> bool:
        """Whether it takes a job now."""

    @abstractmethod
    def socket(self) -> zmq.Socket[bytes] | None:
        """Readable when reports have arrived; may change between calls."""

    @abstractmethod
    def run(self, job: str, task: Mapping[str, Any]) -> None:
        """Compute a job. ``task``: parameters, and images with the files that hold them."""

    @abstractmethod
    def tell(self, job: str, command: str, **fields: Any) -> None:
        """Steer the job: "update" (revision, params), "pause", "resume", "stop", "previews" (wanted).

        And "release": a paused job is "released" once it stands still and its checkpoint is written, unless
        it is resumed or stopped before. Where that cannot be written it keeps the device.
        """

    @abstractmethod
    def cancel(self, job: str) -> None:
        """End the job; "cancelled" is reported once the device is free, within 2 s."""

    @abstractmethod
    def reports(self, now: float) -> Iterator[Message]:
        """What has happened since the last call. ``now``: monotonic seconds."""

    @abstractmethod
    def leave(self) -> None:
        """Write down where the job is, report that, and end what computes; take no more jobs."""

    @property
    @abstractmethod
    def has_left(self) -> bool:
        """Whether ``leave`` has come to its end."""

    @abstractmethod
    def close(self) -> None:
        """Stop computing and let go of everything."""
