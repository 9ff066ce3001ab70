"""The client that docs/protocol.md shows works as it stands, with nothing but pyzmq."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from server_process import ServerProcess

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/protocol.md"


def test_the_documented_client(tmp_path: Path) -> None:
    code = (
        DOCUMENT.read_text(encoding="utf-8")
        .split("## A complete client")[1]
        .split("```python\n")[1]
        .split("```")[0]
    )
    script = tmp_path / "client.py"

    def run(text: str) -> list[str]:
        script.write_text(text, encoding="utf-8")
        # -I: nothing of this project can be imported by accident.
        ended = subprocess.run(
            [sys.executable, "-I", str(script), str(server.file)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.splitlines()

    with ServerProcess(tmp_path) as server:
        lines = run(code)
        refused = run(code.replace('"iterations": 10', '"stages": 10'))
    # Before or after the last frame, which waits for credit as ``done`` does not.
    assert any(line.startswith("done") for line in lines)
    assert any(line.startswith("iteration 10 of 10") for line in lines)
    assert any("iteration 10, by the encoder built-in" in line for line in lines)
    assert refused[0].startswith("rejected params.stages is not a parameter.")
