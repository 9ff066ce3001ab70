"""docs/protocol.md says what the code does: messages, fields, parameters, limits."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from server_process import ServerProcess

from nst_server.wire import params
from nst_server.wire.messages import (
    CHUNK_BYTES,
    FROM_CLIENT,
    FROM_SERVER,
    HEADER_BYTES,
    PROTOCOL_VERSION,
    Field,
)

TEXT = (Path(__file__).resolve().parent.parent / "docs/protocol.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    return TEXT.split(f"\n{title}\n", 1)[1].split("\n#", 1)[0]


def _rows(section: str) -> list[list[str]]:
    """Cells of the table rows whose first cell is in backticks."""
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize(
    ("title", "table"), [("### From the client", FROM_CLIENT), ("### From the server", FROM_SERVER)]
)
def test_message_tables(title: str, table: dict[str, dict[str, Field]]) -> None:
    documented = {}
    for name, fields, *_ in _rows(_section(title)):
        found = re.findall(r"`(\w+)`(\*?) (\w+)", fields)
        documented[name.strip("`")] = {field: (kind, star == "") for field, star, kind in found}
        assert ("chunk" in fields) == (name == "`blob`")
    assert documented == {
        name: {field: (spec.kind, spec.required) for field, spec in fields.items()}
        for name, fields in table.items()
    }


def test_parameter_table() -> None:
    rows = {row[0].split("`")[1]: row for row in _rows(_section("## Parameters"))}
    assert list(rows) == list(params.FIELDS)
    for name, (cell, default, _, text) in rows.items():
        value = getattr(params.DEFAULTS, name)
        plain = str(value) if name == "frames" else value
        assert json.loads(default.strip("`")) == (list(plain) if isinstance(plain, tuple) else plain)
        assert text == params.FIELDS[name]["help"]
        assert ("(live)" in cell) == bool(params.FIELDS[name].get("live"))


def test_limits_are_those_of_the_server(tmp_path: Path) -> None:
    documented = {row[0].strip("`"): int(row[1]) for row in _rows(TEXT.split("`welcome.limits` tells", 1)[1])}
    with ServerProcess(tmp_path) as server:
        assert server.client().welcome["limits"] == documented


def test_numbers_in_the_text() -> None:
    text = " ".join(TEXT.split())
    assert f"version **{PROTOCOL_VERSION[0]}.{PROTOCOL_VERSION[1]}**" in text
    assert f"({CHUNK_BYTES:,} bytes)" in text
    assert f"at most {HEADER_BYTES // 1024} KiB" in text
