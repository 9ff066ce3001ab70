"""Krita tests that cannot run say so at the end of the run, or fail it where Krita is required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def run(tmp_path: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The host tests with a PATH that has no Krita on it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NST_")}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_krita_host.py", *options]
    environment = {**kept, "PATH": str(tmp_path), **variables}
    return subprocess.run(words, cwd=TESTS, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("processes", ["0", "2"])
def test_skipped_tests_are_told_last(tmp_path: Path, processes: str) -> None:
    done = run(tmp_path, "-n", processes)
    assert done.returncode == 0
    last = done.stdout[done.stdout.index("NOT TESTED") :]
    assert "apt-get install krita xvfb xdotool" in last
    assert "Run them: NST_REQUIRE_KRITA=1 python -m pytest -m krita" in last
    assert "SKIPPED" not in last


def test_required_tests_fail_without_krita(tmp_path: Path) -> None:
    done = run(tmp_path, "-n", "0", "-x", NST_REQUIRE_KRITA="1")
    assert done.returncode == 1
    assert "Krita tests are required, but krita and Xvfb and xdotool not installed" in done.stdout


@pytest.mark.parametrize("processes", ["0", "2"])
def test_required_tests_may_not_be_deselected(tmp_path: Path, processes: str) -> None:
    without = ("-n", processes, "-m", "not krita", "test_params.py")
    assert run(tmp_path, *without).returncode == 0
    done = run(tmp_path, *without, NST_REQUIRE_KRITA="1")
    assert done.returncode == 1
    assert "× deselected" in done.stdout[done.stdout.index("FAILED: ") :]
