"""Measure in real Krita how long reading a layer and inserting frames hold its GUI thread.

    python tests/real_krita/measure.py [MODEL:DEPTH:SIDE …]

Without arguments 8-bit RGB at 1024 to 8192 px and other colours at 1024 to 4096 px: a quarter of an hour and
up to 10 GB of memory. Prints a table for docs/performance.md; test-output/ keeps all of it as JSON.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from real_krita import run_probe  # noqa: E402

SIDES = (1024, 2048, 4096)
CASES = [
    *(f"RGBA:U8:{side}" for side in (*SIDES, 8192)),
    *(f"{form}:{side}" for form in ("RGBA:U16", "RGBA:F32", "CMYKA:U8") for side in SIDES),
]
COLUMNS = ("first", "later", "in place")


def ours_and_kritas(pairs: list[list[float]]) -> str:
    """Our own milliseconds / those of Krita's calls, each of the worst turn of the event loop."""
    ours = max(whole - inside for whole, inside in pairs)
    return f"{ours:.0f} / {max(inside for _whole, inside in pairs):.0f}"


def row(case: str, measured: dict[str, Any]) -> str:
    cells = [case.replace(":", " "), ours_and_kritas(measured["read"])]
    cells += [f"{ours_and_kritas(measured[name]['turns'])}, {measured[name]['wait']}" for name in COLUMNS]
    cells += [str(measured[name]["wait"]) if name in measured else "" for name in ("file", "small_file")]
    return f"| {' | '.join(cells)} |"


def main(cases: list[str]) -> None:
    result = run_probe(
        HERE / "smoothness_probe.py",
        plugin=HERE.parents[1] / "krita_plugin",
        enable=False,
        env={"NST_TEST_CASES": " ".join(cases)},
        timeout=3600,
    )
    titles = ["", "reading", *COLUMNS, "file layer", "small file layer"]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for case, measured in result["found"].items():
        print(row(case, measured))


if __name__ == "__main__":
    main(sys.argv[1:] or CASES)
