"""Reading and changing single entries of kritarc, leaving every other byte as it is.

KConfig's INI dialect: a header ``[group]``, lines ``key=value`` below it, entries of the default group above
the first header. configparser would rewrite the whole file: lower-case its keys, drop its comments and
choke on KDE's escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEADER = re.compile(rb"\[(.*?)\](?:\[\$i\])?\s*$")


def _lines(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Each line with the group that it is in and the key that it sets, both b"" where there is none."""
    group = b""
    for line in data.splitlines(keepends=True):
        header = _HEADER.match(line)
        if header:
            group = header.group(1)
            yield line, group, b""
        else:
            yield line, group, line.split(b"=", 1)[0].strip() if b"=" in line else b""


def read_entry(data: bytes, group: str, key: str) -> str | None:
    """The value of ``key`` in ``group`` ("" is the default group), None where it is not set."""
    value = None
    for line, in_group, in_key in _lines(data):
        if (in_group, in_key) == (group.encode(), key.encode()):
            value = line.split(b"=", 1)[1].strip().decode("utf-8", "replace")
    return value


def write_entry(data: bytes, group: str, key: str, value: str) -> bytes:
    """``data`` with ``key=value`` in ``group``; entry and group are added where they are missing."""
    ending = b"\r\n" if b"\r\n" in data else b"\n"
    entry = f"{key}={value}".encode()
    wanted = (group.encode(), key.encode())
    if read_entry(data, group, key) is not None:
        return b"".join(
            entry + line[len(line.rstrip(b"\r\n")) :] if (in_group, in_key) == wanted else line
            for line, in_group, in_key in _lines(data)
        )
    result, added = b"", False
    for line, in_group, in_key in _lines(data):
        result += line
        if not added and in_group == wanted[0] and not in_key and _HEADER.match(line):
            result += (b"" if line.endswith(b"\n") else ending) + entry + ending
            added = True
    if added:
        return result
    if result and not result.endswith(b"\n"):
        result += ending
    return result + (ending if result else b"") + b"[" + wanted[0] + b"]" + ending + entry + ending


def remove_entry(data: bytes, group: str, key: str) -> bytes:
    """``data`` without ``key`` in ``group``, and without the group if nothing else was in it."""
    wanted = (group.encode(), key.encode())
    if read_entry(data, group, key) is None:
        return data
    kept = [(line, in_group) for line, in_group, in_key in _lines(data) if (in_group, in_key) != wanted]
    if any(in_group == wanted[0] and line.strip() and not _HEADER.match(line) for line, in_group in kept):
        return b"".join(line for line, _ in kept)
    first = next(index for index, (_, in_group) in enumerate(kept) if in_group == wanted[0])
    result = [line for line, in_group in kept[:first]]
    if result and not result[-1].strip():
        result.pop()
    return b"".join(result + [line for line, in_group in kept[first:] if in_group != wanted[0]])
