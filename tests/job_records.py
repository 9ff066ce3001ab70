"""What documents remember, for tests: the module that reads and writes it, and records of jobs."""

from __future__ import annotations

from typing import Any

from plugin_parts import part

LIMIT = 64 * 1024


def module() -> Any:
    """The plugin's module ``model.history``."""
    return part("model.history")


def settings(strength: float, *paths: str) -> dict[str, Any]:
    styles = [{"path": path, "weight": 1.0, "scale": 1.0} for path in paths]
    return {"options": {"strength": strength}, "styles": styles, "others": []}


def record(job: str = "a", **more: Any) -> Any:
    made = settings(0.5, "/“Ü”.png")
    return module().JobRecord(job, f"Ü → “{job}”", "Ü", "every", "{source}", made, **more)


def again(history: Any) -> Any:
    return module().History.from_text(history.to_text(LIMIT))
