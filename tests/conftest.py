"""What the tests have in common: real Krita is never skipped quietly; the plugin's modules without it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_state import part, root
from real_krita.policy import (
    pytest_deselected,
    pytest_runtest_setup,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = [
    "part",
    "pytest_deselected",
    "pytest_runtest_setup",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "root",
]

PLUGIN = Path(__file__).resolve().parent.parent / "krita_plugin"


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The plugin's modules can be imported, new ones for each test, and keep their data in ``tmp_path``."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.setenv("NST_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("NST_CONNECTION_FILE", raising=False)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "nst_krita"]:
        del sys.modules[name]
