"""The message types of the protocol: one table, read by validation and by the test of docs/protocol.md."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from .params import MAX_STYLES
from .pixels import InvalidPixels, Pixels, is_digest

#: Major: what an older side cannot read any more. Minor: additions that it may ignore.
PROTOCOL_VERSION = (1, 2)

#: Largest chunk in a ``blob``, in bytes. A cancel waits behind one chunk at most.
CHUNK_BYTES = 1024 * 1024
#: Largest header, in bytes: one of 16 styles with masks and all layers weighted takes 20 KiB.
HEADER_BYTES = 64 * 1024
#: Longest text, in characters.
TEXT_LENGTH = 2000

QUEUED, PREPARING, RUNNING, PAUSED, CANCELLING = "queued", "preparing", "running", "paused", "cancelling"
DONE, CANCELLED, FAILED = "done", "cancelled", "failed"
ENDINGS = (DONE, CANCELLED, FAILED)

_JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


class BadMessage(ValueError):
    """A message that cannot be read. ``field`` names the culprit ("" for the message as a whole)."""

    def __init__(self, field_name: str, problem: str, hint: str = "") -> None:
        super().__init__(f"{field_name}: {problem} {hint}".strip(" :"))
        self.field = field_name
        self.problem = problem
        self.hint = hint


@dataclass(frozen=True)
class Message:
    """One message: its type, its fields as JSON values, and as ``data`` the chunk that a ``blob`` carries."""

    type: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    data: bytes | None = None

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The field's value, or ``default`` when the sender left it out, or sent null."""
        value = self.fields.get(name)
        return default if value is None else value


@dataclass(frozen=True)
class Field:
    """What one header field must be. ``kind``: see ``_CHECKS``."""

    kind: str
    required: bool = True


def _required(kind: str) -> Field:
    return Field(kind)


def _optional(kind: str) -> Field:
    return Field(kind, required=False)


_JOB_ONLY = {"job": _required("job")}
_FOLLOW = {"kept": _optional("bool"), "previews": _optional("bool")}

FROM_CLIENT: Mapping[str, Mapping[str, Field]] = {
    "hello": {"protocol": _required("version"), "client": _optional("text")},
    "submit": {
        "job": _required("job"),
        "params": _required("object"),
        "content": _required("pixels"),
        "styles": _required("styles"),
        "style_masks": _optional("masks"),
        "mask": _optional("pixels"),
        "start": _optional("start"),
        "continues": _optional("job"),
        "title": _optional("text"),
        "download": _optional("bool"),
        **_FOLLOW,
    },
    "blob": {"digest": _required("digest"), "offset": _required("count")},
    "update": {"job": _required("job"), "revision": _required("count"), "params": _required("object")},
    "pause": _JOB_ONLY,
    "resume": _JOB_ONLY,
    "stop": _JOB_ONLY,
    "cancel": _JOB_ONLY,
    "credit": {"bytes": _required("count")},
    "ack": {"job": _required("job"), "sequence": _required("count")},
    "status": {},
    "attach": {"job": _required("job"), "after": _optional("count"), **_FOLLOW},
    "frames": {"job": _required("job"), "fetch": _optional("counts")},
    "forget": _JOB_ONLY,
    "bye": {},
}

_FRAME = {
    "job": _required("job"),
    "sequence": _required("count"),
    "iteration": _required("count"),
    "kept": _required("bool"),
    "final": _required("bool"),
    "revision": _required("count"),
    "scale": _required("counts"),
    "encoder": _required("text"),
    "pixels": _required("pixels"),
}

FROM_SERVER: Mapping[str, Mapping[str, Field]] = {
    "welcome": {
        "protocol": _required("version"),
        "server": _required("text"),
        "devices": _required("list"),
        "encoders": _required("list"),
        "limits": _required("object"),
    },
    "need": {
        "job": _required("job"),
        "digest": _required("digest"),
        "offset": _required("count"),
        "bytes": _required("count"),
    },
    "accepted": {
        "job": _required("job"),
        "state": _required("text"),
        "position": _required("count"),
        "revision": _required("count"),
        "kept_frames": _required("count"),
        "params": _required("object"),
        "title": _optional("text"),
        "iteration": _optional("count"),
    },
    "rejected": {
        "job": _required("job"),
        "field": _required("text"),
        "message": _required("text"),
        "hint": _required("text"),
    },
    "blob": {
        "job": _required("job"),
        "sequence": _required("count"),
        "digest": _required("digest"),
        "offset": _required("count"),
    },
    "state": {
        "job": _required("job"),
        "state": _required("text"),
        "position": _optional("count"),
        "what": _optional("text"),
        "done": _optional("number"),
        "total": _optional("number"),
        "unit": _optional("text"),
        "device": _optional("text"),
        "encoder": _optional("text"),
    },
    "progress": {
        "job": _required("job"),
        "iteration": _required("count"),
        "total": _required("count"),
        "evaluations": _required("count"),
        "scale": _required("counts"),
        "losses": _required("object"),
        "seconds_left": _optional("number"),
        "revision": _required("count"),
        "note": _optional("text"),
    },
    "frame": _FRAME,
    "frames": {
        "job": _required("job"),
        "frames": _required("list"),
        "state": _optional("text"),
        "more": _optional("bool"),
    },
    "done": {
        "job": _required("job"),
        "reason": _required("text"),
        "iteration": _required("count"),
        "kept_frames": _required("count"),
        "seconds": _required("number"),
        "memory": _optional("count"),
        "encoder": _required("text"),
        "device": _required("text"),
        "plan": _required("object"),
        "notes": _required("list"),
    },
    "cancelled": {"job": _required("job"), "kept_frames": _required("count")},
    "failed": {
        "job": _required("job"),
        "code": _required("text"),
        "message": _required("text"),
        "hint": _required("text"),
        "kept_frames": _required("count"),
    },
    "forgotten": _JOB_ONLY,
    "status": {
        "server": _required("text"),
        "pid": _required("count"),
        "uptime": _required("number"),
        "devices": _required("list"),
        "jobs": _required("list"),
        "more": _optional("bool"),
    },
    "error": {
        "of": _required("text"),
        "code": _required("text"),
        "field": _required("text"),
        "message": _required("text"),
        "hint": _required("text"),
        "job": _optional("text"),
        "sequence": _optional("count"),
    },
}


def check(message: Message, table: Mapping[str, Mapping[str, Field]]) -> Message:
    """The message itself if its fields fit ``table``; unknown fields are left alone. Raises BadMessage."""
    if message.type not in table:
        raise BadMessage(
            "type", f"{message.type[:40]!r} is not a message type.", f"The types are {', '.join(table)}."
        )
    for name, spec in table[message.type].items():
        if message.fields.get(name) is None:
            if spec.required:
                raise BadMessage(
                    name, f"is missing from {message.type!r}.", "docs/protocol.md lists the fields."
                )
            continue
        problem = _CHECKS[spec.kind](message.fields[name])
        if problem:
            raise BadMessage(name, problem)
    if (message.data is not None) != (message.type == "blob"):
        raise BadMessage(
            "", f"{message.type!r} comes {'with' if message.type == 'blob' else 'without'} a second part."
        )
    if message.data is not None and len(message.data) > CHUNK_BYTES:
        raise BadMessage(
            "", f"the chunk has {len(message.data)} bytes.", f"The limit is {CHUNK_BYTES}: send several."
        )
    return message


def clipped(text: str) -> str:
    """As much of ``text`` as a message can say: names of files and of layers may be anything."""
    return text[:TEXT_LENGTH].encode("utf-8", "replace").decode("utf-8")


def is_job(value: Any) -> bool:
    """Whether ``value`` is a job id: 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit."""
    return isinstance(value, str) and _JOB.match(value) is not None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _pixels_problem(value: Any) -> str:
    try:
        Pixels.from_header(value)
    except InvalidPixels as error:
        return str(error)
    return ""


def _styles_problem(value: Any) -> str:
    if not _is_sequence(value) or not 1 <= len(value) <= MAX_STYLES:
        return f"must be a list of 1 to {MAX_STYLES} images."
    for index, style in enumerate(value):
        problem = _pixels_problem(style)
        if problem:
            return f"[{index}] {problem}"
    return ""


def _masks_problem(value: Any) -> str:
    if not _is_sequence(value) or not 1 <= len(value) <= MAX_STYLES:
        return "must be a list of one mask, or null, for each style."
    for index, mask in enumerate(value):
        problem = "" if mask is None else _pixels_problem(mask)
        if problem:
            return f"[{index}] {problem}"
    return ""


def _start_problem(value: Any) -> str:
    if isinstance(value, Mapping) and "job" in value:
        if is_job(value["job"]) and _is_count(value.get("iteration")):
            return ""
        return "must name a job and one of its kept iterations."
    return _pixels_problem(value)


def _version_problem(value: Any) -> str:
    if _is_sequence(value) and len(value) == 2 and all(_is_count(v) for v in value):
        return ""
    return "must be [major, minor]."


_CHECKS: Mapping[str, Any] = {
    "job": lambda v: (
        "" if is_job(v) else "must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit."
    ),
    "digest": lambda v: "" if is_digest(v) else "must be a SHA-256 in 64 lower-case hex digits.",
    "text": lambda v: (
        ""
        if isinstance(v, str) and len(v) <= TEXT_LENGTH
        else f"must be a text of at most {TEXT_LENGTH} characters."
    ),
    "bool": lambda v: "" if isinstance(v, bool) else "must be true or false.",
    "count": lambda v: "" if _is_count(v) else "must be a whole number from 0.",
    "counts": lambda v: (
        "" if _is_sequence(v) and all(map(_is_count, v)) else "must be a list of whole numbers."
    ),
    "number": lambda v: "" if _is_number(v) else "must be a finite number.",
    "object": lambda v: "" if isinstance(v, Mapping) else "must be an object.",
    "list": lambda v: "" if _is_sequence(v) else "must be a list.",
    "version": _version_problem,
    "pixels": _pixels_problem,
    "styles": _styles_problem,
    "masks": _masks_problem,
    "start": _start_problem,
}
