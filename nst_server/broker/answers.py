"""Messages that answer: errors, rejections, listings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nst_server.broker.submission import culprit
from nst_server.jobs import Job
from nst_server.wire.codec import is_too_deep
from nst_server.wire.messages import (
    FROM_CLIENT,
    FROM_SERVER,
    HEADER_BYTES,
    QUEUED,
    BadMessage,
    Message,
    check,
    clipped,
    is_job,
)

#: A listing longer than this continues in the next message, in bytes: headers have a limit.
_PAGE_BYTES = HEADER_BYTES // 2


def unreadable(parts: Sequence[bytes], problem: BadMessage) -> Message:
    """The answer to a message that cannot be read: ``rejected`` where it can be told which job it was."""
    header = _lenient(parts)
    kind, job = header.get("type"), header.get("job")
    of = Message(str(kind) if kind in FROM_CLIENT else "", {"job": job} if is_job(job) else {})
    if kind == "submit" and isinstance(job, str) and is_job(job):
        found = None if is_too_deep(header) else culprit(header)
        field, message, hint = found or (problem.field, problem.problem, problem.hint)
        return rejection(job, field, message, hint)
    return error_about(of, "bad_message", problem.field, problem.problem, problem.hint)


def rejection(job: str, field: str, message: str, hint: str) -> Message:
    """``rejected``, its texts within the protocol's limit."""
    return Message("rejected", {"job": job, **_clipped(field=field, message=message, hint=hint)})


def error_about(of: Message, code: str, field: str, message: str, hint: str) -> Message:
    """``error`` about the message ``of``, its texts within the protocol's limit."""
    fields = {"of": of.type, "code": code, **_clipped(field=field, message=message, hint=hint)}
    return Message("error", {**fields, "job": of["job"]} if "job" in of.fields else fields)


def frame_of(record: Mapping[str, Any]) -> Message:
    """``frame`` with what was written down of a kept frame. Raises ``store.DAMAGED``."""
    fields = dict(record)
    del fields["file"]
    return check(Message("frame", fields), FROM_SERVER)


def frame_lost(job: str, sequence: int) -> Message:
    """``error`` that says of a kept frame that it will not come."""
    text = f"Frame {sequence} is no longer in the data folder."
    hint = "Its file was removed or cannot be read; see the server's log."
    about = error_about(Message("frame", {"job": job}), "frame_lost", "sequence", text, hint)
    return Message(about.type, {**about.fields, "sequence": sequence})


def _clipped(**texts: str) -> dict[str, str]:
    return {name: clipped(text) for name, text in texts.items()}


def _lenient(parts: Sequence[bytes]) -> Mapping[str, Any]:
    """The header of a message that was refused, as far as it can be read."""
    try:
        header = json.loads(parts[0]) if parts and len(parts[0]) <= HEADER_BYTES else {}
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) and isinstance(header.get("type"), str) else {}


def pages(kind: str, fixed: Mapping[str, Any], name: str, items: Iterable[Any]) -> Iterator[Message]:
    """A listing in messages that fit; all but the last say that there is ``more``."""
    page: list[Any] = []
    size = 0
    for item in items:
        length = len(json.dumps(item))
        if page and size + length > _PAGE_BYTES:
            yield Message(kind, {**fixed, name: page, "more": True})
            page, size = [], 0
        page.append(item)
        size += length
    yield Message(kind, {**fixed, name: page})


def summary(job: Job) -> dict[str, Any]:
    """One job as ``status`` lists it."""
    progress = job.progress or {}
    return {
        "job": job.id,
        "title": job.title[:200],
        "state": job.state,
        "position": job.position if job.stage == QUEUED else 0,
        "iteration": job.iteration,
        # One that stopped early took its end for the total; what was asked for is known after a restart, too.
        "total": job.params.iterations if job.ending else progress.get("total", job.params.iterations),
        "kept_frames": job.kept_frames,
        "client": job.client[:200],
        "created": job.created,
    }
