"""What a document remembers of its jobs: which there were, with which settings, and their layers. Pure data.

Its form in the document (JSON)::

    {"version": 1, "settings": SETTINGS, "jobs": [JOB, …]}           the oldest job first
    SETTINGS  {"options": …, "styles": [STYLE, …], "others": [names of styles that are no files]}
    STYLE     {"path", "weight", "scale", "region": REGION}        without a region: it paints everywhere
    REGION    {"layer": its id, "name", "colour": where it has this one} or, of a selection,
              {"layer": "", "name": "", "mask": name of the document's annotation that holds it}
    JOB       {"id", "title", "style", "layers", "source", "begun", "open", "group", "settings": SETTINGS,
               "ending": "", "changes": {revision: live parameters}, "seen": [sequences],
               "painted": [layer ids], "frames": {layer id: [sequence, iteration, revision]}}
                                                                       sequence 0: their animation
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any, Mapping, NamedTuple, Sequence

from ..backend import wire
from .options import DEFAULTS, LIVE

VERSION = 1
#: Jobs that a document remembers; the oldest are dropped first.
MAX_JOBS = 30
#: Live changes of a job that made no layer so far: frames of the latest ones may be on their way.
MAX_UNUSED = 32
#: Frames of a job that a document can tell of: all up to the highest are looked through at Insert.
MAX_SEQUENCE = 10_000
#: The server counts from 1; this stands for the animated layer that holds them all.
ALL_FRAMES = 0
#: Endings of jobs that have not come to what they were to paint.
UNFINISHED = (wire.messages.CANCELLED, wire.messages.FAILED)
#: What reading a stranger's JSON raises where it is not what it should be.
_DAMAGED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


class FrameRecord(NamedTuple):
    """A frame that is a layer: its number among the kept ones, its iteration, its parameters' revision."""

    sequence: int
    iteration: int
    revision: int


@dataclass
class JobRecord:
    """One job. ``source``: the id of the layer that it paints. ``seen``: sequences that have been layers.

    ``painted``: ids of frames that the painter has painted on, or changed otherwise.
    ``settings``: as of Start; ``changes``: what the sliders changed since, all of it, by revision.
    ``is_open``: whether frames may still come; ``ending``: "cancelled" or "failed", where that is why not.
    ``begun``: when it was, in seconds since 1970; 0: not known.
    """

    id: str
    title: str
    style_name: str
    layers: str
    source: str
    settings: Mapping[str, Any]
    changes: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    group: str = ""
    frames: dict[str, FrameRecord] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)
    painted: list[str] = field(default_factory=list)
    is_open: bool = True
    begun: int = 0
    ending: str = ""

    def anew(self) -> JobRecord:
        """The same job for a document that has none of its layers."""
        changes = dict(self.changes)
        return replace(
            self, changes=changes, is_open=True, group="", frames={}, seen=[], painted=[], ending=""
        )

    def has_made(self, layer: str) -> bool:
        """Whether that layer is a frame of it, or the group around them."""
        return layer in self.frames or layer == self.group != ""

    def keep(self, layer: str, frame: FrameRecord) -> None:
        """The frame is this layer now; "" where it has none of its own."""
        if layer:
            self.frames[layer] = frame
        if frame.sequence not in self.seen:
            self.seen.append(frame.sequence)

    def change(self, revision: int, values: Mapping[str, Any]) -> None:
        """From that revision on the job has these live parameters."""
        self.changes[revision] = {**self._changes_at(revision), **values}
        used = {self._base(frame.revision) for frame in self.frames.values()}
        for unused in [known for known in sorted(self.changes) if known not in used][:-MAX_UNUSED]:
            del self.changes[unused]

    def learn(self, revision: int, params: Mapping[str, Any]) -> bool:
        """Take over what the server has, ``params`` as it tells them, where that is newer: a crash of Krita
        takes the changes since the document was saved. Whether it was."""
        if revision <= max(self.changes, default=0):
            return False
        # What it does not name has its default.
        self.change(revision, {name: params.get(name, getattr(DEFAULTS, name)) for name in LIVE})
        return True

    def settings_of(self, layer: str) -> dict[str, Any]:
        """The settings that made that layer; those of the latest revision for a layer that is no frame."""
        frame = self.frames.get(layer)
        revision = frame.revision if frame else max(self.changes, default=0)
        options = dict(self.settings.get("options", {}))
        styles = [dict(style) for style in self.settings.get("styles", ())]
        changes = dict(self._changes_at(revision))
        weights = changes.pop("style_weights", ())
        # Shares are known by place, which says nothing where other styles stood between the files.
        if len(weights) == len(styles):
            for style, weight in zip(styles, weights):
                style["weight"] = weight
        return {**self.settings, "options": {**options, **changes}, "styles": styles}

    def _changes_at(self, revision: int) -> Mapping[str, Any]:
        return self.changes.get(self._base(revision), {})

    def _base(self, revision: int) -> int:
        """The latest change up to that revision; 0, which is none, for those of Start."""
        return max((number for number in self.changes if number <= revision), default=0)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "style": self.style_name,
            "layers": self.layers,
            "source": self.source,
            "begun": self.begun,
            "open": self.is_open,
            "ending": self.ending,
            "group": self.group,
            "settings": self.settings,
            "changes": {str(revision): values for revision, values in self.changes.items()},
            "seen": self.seen,
            "painted": self.painted,
            "frames": {layer: list(frame) for layer, frame in self.frames.items()},
        }

    @classmethod
    def from_json(cls, value: Any) -> JobRecord:
        """Raises one of _DAMAGED where it is not one."""
        _must_be_writable(value)
        if not wire.messages.is_job(value["id"]):
            raise ValueError("no job id")
        frames = {layer: _frame(*frame) for layer, frame in value["frames"].items()}
        return cls(
            id=str(value["id"]),
            title=str(value["title"]),
            style_name=str(value["style"]),
            layers=str(value["layers"]),
            source=str(value["source"]),
            settings=_settings(value["settings"]),
            changes={int(revision): _live(values) for revision, values in value["changes"].items()},
            group=str(value["group"]),
            frames=frames,
            seen=[_count(sequence, MAX_SEQUENCE) for sequence in value["seen"]],
            is_open=bool(value["open"]),
            # Earlier versions did not write these.
            painted=[layer for layer in frames if layer in value.get("painted", ())],
            begun=_count(value.get("begun", 0), 2**53),
            ending=ending if (ending := value.get("ending", "")) in UNFINISHED else "",
        )


def record_from(value: Any) -> JobRecord | None:
    """What ``to_json`` has written down; None where it cannot be read."""
    with contextlib.suppress(*_DAMAGED):
        return JobRecord.from_json(value)
    return None


def _must_be_writable(value: Any) -> None:
    """Infinite numbers and lone surrogates can be read from JSON, but neither be written nor sent."""
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")


def _count(value: Any, highest: int) -> int:
    if not isinstance(value, int) or not 0 <= value <= highest:
        raise ValueError(f"{value!r} is no number from 0 to {highest}")
    return value


def _frame(sequence: Any, iteration: Any, revision: Any) -> FrameRecord:
    return FrameRecord(
        _count(sequence, MAX_SEQUENCE),
        _count(iteration, wire.params.MAX_ITERATIONS),
        _count(revision, 2**53),
    )


def _settings(value: Mapping[str, Any]) -> dict[str, Any]:
    """SETTINGS of a stranger, with styles and names that are ones; {} stays so."""
    if not value:
        return {}
    return {
        "options": dict(value.get("options", {})),
        "styles": [_style(style) for style in value.get("styles", ()) if isinstance(style["path"], str)],
        "others": [name for name in value.get("others", ()) if isinstance(name, str)],
    }


def _style(value: Mapping[str, Any]) -> dict[str, Any]:
    style = {name: known for name, known in value.items() if name != "region"}
    region = value.get("region")
    if region:
        style["region"] = {name: str(region[name]) for name in ("layer", "name")}
        for name, form in (("colour", "#[0-9a-f]{6}"), ("mask", "[0-9a-f]{32}")):
            if region.get(name):
                if not re.fullmatch(form, region[name]):
                    raise ValueError(f"{region[name]!r} is no {name}")
                style["region"][name] = region[name]
    return style


def _live(values: Mapping[str, Any]) -> dict[str, Any]:
    weights = values.get("style_weights", ())
    if not isinstance(weights, Sequence):
        raise TypeError("weights are a list")
    return dict(values)


class History:
    """``settings``: those used last in the document, None if there were none. ``jobs``: by id."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] | None = None
        self.jobs: dict[str, JobRecord] = {}

    def add(self, record: JobRecord) -> None:
        """A job was started."""
        self.jobs[record.id] = record
        self.settings = dict(record.settings) or self.settings

    def of_layer(self, layer: str) -> JobRecord | None:
        """The job that made this layer, a frame or the group around them; None for any other."""
        for record in reversed(list(self.jobs.values())):
            if record.has_made(layer):
                return record
        return None

    @property
    def groups(self) -> list[str]:
        """The ids of the groups that hold frames, and of the animations made of them."""
        found = [record.group for record in self.jobs.values() if record.group]
        return found + [
            layer
            for record in self.jobs.values()
            for layer, frame in record.frames.items()
            if frame.sequence == ALL_FRAMES
        ]

    @property
    def latest(self) -> JobRecord | None:
        """The job started last."""
        return next(reversed(list(self.jobs.values())), None)

    @property
    def masks(self) -> list[str]:
        """Names of the selections that are remembered, those of the latest job first."""
        latest_first = [record.settings for record in reversed(list(self.jobs.values()))]
        styles = [style for each in (self.settings or {}, *latest_first) for style in each.get("styles", ())]
        names = (style.get("region", {}).get("mask") for style in styles)
        return list(dict.fromkeys(name for name in names if name))

    def to_text(self, limit: int) -> str:
        """For the document, in at most ``limit`` bytes of UTF-8: its oldest jobs are left out first."""
        jobs = [record.to_json() for record in self.jobs.values()][-MAX_JOBS:]
        settings = self.settings
        while True:
            value = {"version": VERSION, "settings": settings, "jobs": jobs}
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            data = text.encode("utf-8", "replace")  # Krita's names may hold half of a character
            if len(data) <= limit:
                return data.decode("utf-8")
            jobs, settings = (jobs[1:], settings) if jobs else ([], None)

    @classmethod
    def from_text(cls, text: str) -> History:
        """What can be read of it: of a damaged text, or one of a newer plugin, nothing."""
        history = cls()
        try:
            value = json.loads(text)
            if value["version"] != VERSION:
                return history
            settings, jobs = value["settings"], list(value["jobs"])
        except _DAMAGED:
            return history
        with contextlib.suppress(*_DAMAGED):
            _must_be_writable(settings)
            history.settings = _settings(settings) or None
        for entry in jobs:
            record = record_from(entry)
            if record is not None:
                history.jobs[record.id] = record
        return history
