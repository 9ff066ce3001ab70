"""The time and memory that a job will take, from what this painter's earlier ones took on that device."""

from __future__ import annotations

import os
import time
from typing import Any, Mapping, NamedTuple

from ..settings import Settings
from .connection import Connection, Link
from .jobs import Job, JobState
from .options import Options
from .properties import Observable
from .words import duration, memory_size, sentence, tr

#: Measurements that are kept, the latest last.
MAX_MEASURED = 24
#: Fewer iterations, from the first progress to the last, say nothing of how long many take.
FEWEST = 20
#: A job so many times larger or smaller than any measured one gets no figure: small ones do not fill a
#: device, and large ones may not fit into it.
FARTHEST = 8.0
#: Before anything has been measured: what the engine's estimates for its encoders with their own layers come
#: to on a processor (4,608 to 4,772 bytes). A GPU takes less.
BYTES_PER_PIXEL = 4800
#: From this longest side on a processor takes so long that one should know before, in px.
LONG_ON_CPU = 1500
#: A server that had been started before shows nothing of how long starting takes, and a job on the same
#: images nothing of how long learning does: of a longer wait so much is still expected after a shorter one.
FADING = 0.8
#: Of a measurement, what is waited for besides the iterations, in s; earlier versions have not measured all.
WAITS = ("startup", "preparing", "beginning")
#: What a server says of a job until the process that computes has taken it up.
_STARTING = "starting"


class _Run(NamedTuple):
    """A job that runs: since when, how long it was prepared (s; 0.0: not known), how far its first progress
    and its latest one were and when they came; its largest scale in pixels."""

    began: float
    prepared: float = 0.0
    first: tuple[int, float] | None = None
    latest: tuple[int, float] = (0, 0.0)
    pixels: int = 0

    def follow(self, iteration: int, pixels: int) -> _Run:
        """The same after that progress, which comes now."""
        now = iteration, time.monotonic()
        return self._replace(first=self.first or now, latest=now, pixels=max(self.pixels, pixels))

    @property
    def pace(self) -> tuple[float, float] | None:
        """Seconds for each iteration, and those that came before the first one; None: too short to tell."""
        if self.first is None or self.latest[0] - self.first[0] < FEWEST:
            return None
        iteration, now = self.latest
        seconds = (now - self.first[1]) / (iteration - self.first[0])
        return seconds, max(0.0, now - self.began - iteration * seconds)


class _Preparation(NamedTuple):
    """A job that is being prepared: since when, and since when by the process that computes."""

    accepted: float
    taken_up: float | None = None


class Expectation(NamedTuple):
    """What the next job takes, in words, and what had better be done first; "" for nothing to say."""

    words: str
    advice: str = ""


class Forecast(Observable):
    """Watches jobs and tells what the next one will take. Observers of ``measured`` hear of a new one.

    A measurement: device, encoder, whether coarse to fine, pixels, seconds for each iteration, bytes; seconds
    from running to the first iteration; seconds that reading the images and learning the encoder took; and
    seconds that the first job after the server's start waited to run, these included.
    """

    def __init__(self, settings: Settings, options: Options, connection: Connection) -> None:
        self._settings, self._options, self._connection = settings, options, connection
        self._running: dict[str, _Run] = {}
        self._prepared: dict[str, _Preparation] = {}
        self._startup = 0.0  # of the process that computes now, as it was measured
        self._is_warm = False  # whether that process is there
        connection.observe(self._follow, "link")

    def _follow(self) -> None:
        if self._connection.link is not Link.CONNECTED:
            self._is_warm, self._startup = False, 0.0
            self._prepared.clear()

    def watch(self, job: Job, event: Any) -> None:
        """Measure ``job``, which has just followed ``event``."""
        prepared = self._watch_preparation(job, event)
        if event.type == "state" and job.state is not JobState.RUNNING:
            self._running.pop(job.id, None)  # paused, or begun anew: that time is not the pace of another
        elif event.type == "state" and job.state is JobState.RUNNING and not job.iteration:
            self._running.setdefault(job.id, _Run(time.monotonic(), prepared))
        elif event.type == "progress" and job.id in self._running:
            width, height = event["scale"]
            run = self._running[job.id]
            self._running[job.id] = run.follow(event["iteration"], width * height)
        elif event.type == "done" and job.id in self._running:
            run = self._running.pop(job.id)
            # Stopped, it has made too little of its larger scales.
            is_typical = event["reason"] == "completed" or not job.params.coarse_to_fine
            if is_typical and run.pace and event.get("memory"):
                self._keep(job, event, run, *run.pace)

    def _watch_preparation(self, job: Job, event: Any) -> float:
        """How long it took (s) to prepare the job, if that has just ended and was seen from its beginning."""
        now, known = time.monotonic(), self._prepared.get(job.id)
        if job.state is JobState.PREPARING and not event.get("unit"):  # with it a download, never again
            known = known or _Preparation(now)
            if known.taken_up is None and (event.get("what") or _STARTING) != _STARTING:
                known = known._replace(taken_up=now)
            self._prepared[job.id] = known
            return 0.0
        self._prepared.pop(job.id, None)
        if job.state is not JobState.RUNNING:
            return 0.0
        if not self._is_warm and known is not None:
            self._startup = max(now - known.accepted, FADING * self._usual("startup"))
        self._is_warm = True
        return now - known.taken_up if known is not None and known.taken_up else 0.0

    def of(self, width: int, height: int) -> tuple[float, float] | None:
        """Seconds and bytes for a job on a content of so many px; None without a measurement that fits."""
        if not width or not height:
            return None
        pixels = self._pixels(width, height)
        fitting = [known for known in self._measured() if self._fits(known)]
        near = [known for known in fitting if 1 / FARTHEST <= known["pixels"] / pixels <= FARTHEST]
        if not near:
            return None
        nearest = min(near[::-1], key=lambda known: abs(known["pixels"] - pixels))  # of equals the newest
        share = pixels / nearest["pixels"]
        seconds = nearest["beginning"] + self._options["iterations"] * nearest["seconds"]
        return seconds * share, nearest["memory"] * share

    def expect(self, width: int, height: int) -> Expectation:
        """The same in words for the docker; before the first job on a device, the memory alone."""
        if not width or not height:
            return Expectation("")
        expected = self.of(width, height)
        if expected is not None:
            seconds, memory = expected
            prepared = self._usual("preparing", self._encoder)
            seconds += prepared if self._is_warm else max(prepared, self._usual("startup"))
            words = tr("{} · about {}").format(memory_size(memory), duration(seconds))
        else:
            memory = BYTES_PER_PIXEL * self._pixels(width, height)
            words = tr("up to {} · time not known yet").format(memory_size(memory))
        if not self._device.lower().startswith("cpu"):
            return Expectation(words)
        is_long = self._side(width, height) > LONG_ON_CPU
        long = tr("That takes long on a processor.") if is_long else ""
        is_too_large = not self._connection.remote and 0 < _machine_memory() < memory
        smaller = tr("There is less memory, so it is painted smaller, then enlarged.") if is_too_large else ""
        return Expectation(words, sentence(long, smaller))

    def _side(self, width: int, height: int) -> float:
        """The longest side that is painted, in px."""
        return min(max(width, height), self._options["size"] or float("inf"))

    def _pixels(self, width: int, height: int) -> float:
        return width * height * (self._side(width, height) / max(width, height)) ** 2

    @property
    def _device(self) -> str:
        """The one in use, or that of the latest job; "" while none is known."""
        return self._connection.device or next((known["device"] for known in self._measured()[::-1]), "")

    @property
    def _encoder(self) -> str:
        """The one that the next job is expected to get; "" while none is known."""
        chosen: str = self._options["encoder"]
        latest = (known["encoder"] for known in self._measured()[::-1])
        return next(latest, "") if chosen == "auto" else chosen

    def _usual(self, wait: str, encoder: str = "") -> float:
        """Seconds of that ``wait`` on the device, as last measured (with ``encoder``); 0.0: not known."""
        known = (each for each in self._measured()[::-1] if each["device"] == self._device)
        return next((each[wait] for each in known if encoder in ("", each["encoder"])), 0.0)

    def _fits(self, known: Mapping[str, Any]) -> bool:
        return bool(
            known["device"] == self._device
            and known["encoder"] == self._encoder
            and known["coarse_to_fine"] == self._options["coarse_to_fine"]
        )

    def _keep(self, job: Job, event: Any, run: _Run, seconds: float, beginning: float) -> None:
        usual = self._usual("preparing", event["encoder"])
        made = {
            "device": event["device"],
            "encoder": event["encoder"],
            "coarse_to_fine": job.params.coarse_to_fine,
            "pixels": run.pixels,
            "seconds": seconds,
            "beginning": beginning,
            "memory": event["memory"],
            "preparing": max(run.prepared, FADING * usual) if run.prepared else usual,
            "startup": self._startup or self._usual("startup"),
        }
        self._settings.set("speeds", [*self._measured(), made][-MAX_MEASURED:])
        self.notify("measured")

    def _measured(self) -> list[dict[str, Any]]:
        # Those of earlier versions say nothing of these.
        known = self._settings.get("speeds", list)
        return [{**dict.fromkeys(WAITS, 0.0), **each} for each in known if _is_measurement(each)]


def _is_measurement(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("coarse_to_fine"), bool):
        return False
    numbers = [value.get("pixels"), value.get("seconds"), value.get("memory")]
    are_numbers = all(isinstance(number, (int, float)) and number > 0 for number in numbers)
    for wait in (value.get(name, 0.0) for name in WAITS):
        if not isinstance(wait, (int, float)) or wait < 0:
            return False
    return are_numbers and all(isinstance(value.get(name), str) for name in ("device", "encoder"))


def _machine_memory() -> int:
    """Bytes of memory that this computer has; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows, among others
        return 0
