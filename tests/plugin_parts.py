"""The plugin's modules outside of Krita, for tests of the parts that need neither it nor Qt."""

from __future__ import annotations

import importlib
from typing import Any


def part(name: str) -> Any:
    """The plugin's module of that name, such as "model.jobs". For tests that use the fixture ``plugin``."""
    return importlib.import_module(f"nst_krita.{name}")
