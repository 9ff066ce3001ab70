"""The time and memory that a job will take, from what this painter's earlier ones took on that device."""

from __future__ import annotations

import time
from typing import Any, Mapping

from ..settings import Settings
from .connection import Connection
from .jobs import Job, JobState
from .options import Options
from .properties import Observable
from .words import duration, memory_size, tr

#: Measurements that are kept, the latest last.
MAX_MEASURED = 24
#: A job so many times larger or smaller than any measured one gets no figure: small ones do not fill a
#: device, and large ones may not fit into it.
FARTHEST = 8.0


class Forecast(Observable):
    """Watches jobs and tells what the next one will take. Observers of ``measured`` hear of a new one.

    A measurement: device, encoder, whether coarse to fine, pixels, seconds for each iteration, bytes.
    """

    def __init__(self, settings: Settings, options: Options, connection: Connection) -> None:
        self._settings, self._options, self._connection = settings, options, connection
        self._running: dict[str, tuple[float, int]] = {}  # job → since when, largest scale in pixels

    def watch(self, job: Job, event: Any) -> None:
        """Measure ``job``, which has just followed ``event``."""
        if job.state is JobState.PAUSED:
            self._running.pop(job.id, None)
        elif event.type == "state" and job.state is JobState.RUNNING and not job.iteration:
            self._running.setdefault(job.id, (time.monotonic(), 0))
        elif event.type == "progress" and job.id in self._running:
            began, pixels = self._running[job.id]
            width, height = event["scale"]
            self._running[job.id] = began, max(pixels, width * height)
        elif event.type == "done" and job.id in self._running:
            began, pixels = self._running.pop(job.id)
            if event["reason"] == "completed" and pixels and event.get("memory"):
                self._keep(job, event, pixels, (time.monotonic() - began) / event["iteration"])

    def of(self, width: int, height: int) -> tuple[float, float] | None:
        """Seconds and bytes for a job on a content of so many px; None without a measurement that fits."""
        options, size = self._options, max(width, height)
        if not size:
            return None
        shrink = min(1.0, (options["size"] or size) / size)
        pixels = width * height * shrink**2
        fitting = [known for known in self._measured() if self._fits(known)]
        near = [known for known in fitting if 1 / FARTHEST <= known["pixels"] / pixels <= FARTHEST]
        if not near:
            return None
        nearest = min(near, key=lambda known: abs(known["pixels"] - pixels))
        share = pixels / nearest["pixels"]
        return options["iterations"] * nearest["seconds"] * share, nearest["memory"] * share

    def words(self, width: int, height: int) -> str:
        """The same as a line for the docker, "" while nothing is known."""
        expected = self.of(width, height)
        if expected is None:
            return ""
        seconds, memory = expected
        return tr("about {}, {}").format(duration(seconds), memory_size(memory))

    def _fits(self, known: Mapping[str, Any]) -> bool:
        latest = self._measured()[-1]
        encoder = self._options["encoder"]
        return bool(
            known["device"] == (self._connection.device or latest["device"])
            and known["encoder"] == (latest["encoder"] if encoder == "auto" else encoder)
            and known["coarse_to_fine"] == self._options["coarse_to_fine"]
        )

    def _keep(self, job: Job, event: Any, pixels: int, seconds: float) -> None:
        made = {
            "device": event["device"],
            "encoder": event["encoder"],
            "coarse_to_fine": job.params.coarse_to_fine,
            "pixels": pixels,
            "seconds": seconds,
            "memory": event["memory"],
        }
        self._settings.set("speeds", [*self._measured(), made][-MAX_MEASURED:])
        self.notify("measured")

    def _measured(self) -> list[dict[str, Any]]:
        return [known for known in self._settings.get("speeds", list) if _is_measurement(known)]


def _is_measurement(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("coarse_to_fine"), bool):
        return False
    numbers = [value.get("pixels"), value.get("seconds"), value.get("memory")]
    are_numbers = all(isinstance(number, (int, float)) and number > 0 for number in numbers)
    return are_numbers and all(isinstance(value.get(name), str) for name in ("device", "encoder"))
