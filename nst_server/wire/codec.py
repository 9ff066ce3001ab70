"""Messages to ZeroMQ parts and back. Pure: knows no sockets."""

from __future__ import annotations

import json
from typing import Any, Mapping, Sequence

from .messages import HEADER_BYTES, BadMessage, Field, Message, check

#: Lists and objects in one another; no message has half as many. Python ends at about a thousand, and not
#: only where it reads them.
MAX_DEPTH = 32


def encode(message: Message) -> list[bytes]:
    """The parts of a message: a UTF-8 JSON header and, for a blob, its chunk."""
    header = json.dumps({"type": message.type, **message.fields}, ensure_ascii=False, allow_nan=False)
    parts = [header.encode("utf-8")]
    if message.data is not None:
        parts.append(message.data)
    return parts


def decode(parts: Sequence[bytes], table: Mapping[str, Mapping[str, Field]]) -> Message:
    """Read the parts of a message of ``table``'s direction. Raises BadMessage, whatever the bytes are."""
    if not 1 <= len(parts) <= 2:
        raise BadMessage("", f"has {len(parts)} parts.", "Send a JSON header and, for a blob, one chunk.")
    if len(parts[0]) > HEADER_BYTES:
        raise BadMessage("", f"the header has {len(parts[0])} bytes.", f"The limit is {HEADER_BYTES}.")
    try:
        header = json.loads(parts[0].decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadMessage("", "the header is not UTF-8 JSON.", "Send one JSON object.") from error
    if is_too_deep(header):
        hint = f"At most {MAX_DEPTH} lists and objects may lie in one another."
        raise BadMessage("", "the header is nested too deeply.", hint)
    try:
        # JSON can write half of a surrogate pair, which no text that is sent on can hold.
        json.dumps(header, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadMessage("", "the header has half of a surrogate pair.", "Send valid Unicode.") from error
    if not isinstance(header, dict) or not isinstance(header.get("type"), str):
        raise BadMessage("type", "is missing.", 'Send one JSON object with "type".')
    kind = header.pop("type")
    return check(Message(kind, header, parts[1] if len(parts) == 2 else None), table)


def is_too_deep(value: Any, depth: int = MAX_DEPTH) -> bool:
    """Whether lists and objects are nested in more than ``depth`` levels."""
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(is_too_deep(item, depth - 1) for item in inner)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
