"""Why Start was refused: how long the docker says so."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest


@pytest.fixture
def refused(root: Any, part: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The docker has just said why Start was refused; what looks whether that is still so."""
    clock = Mock()
    monkeypatch.setattr(
        part("model.refused"), "timer", lambda _ms, look: setattr(clock, "look", look) or clock
    )
    root._why_not = part("model.refused").Refused(root._say, lambda: root.message)

    def read() -> Any:
        raise part("host").HostError("No layer is active.", "")

    root._begin(read)
    clock.look()
    assert root.message == "No layer is active." and clock.start.call_count == 2, "it goes on looking"
    return clock


@pytest.mark.parametrize("cause", ["layer", "style", "option"])
def test_why_start_was_refused_is_said_until_what_it_is_about_changes(
    root: Any, part: Any, refused: Any, cause: str
) -> None:
    if cause == "layer":
        part("model.root").host.current().chosen = ("{layer}",)
        refused.look()
    elif cause == "style":
        root.styles.add(part("model.style_list").Style())
    else:
        root.options["strength"] = 0.125
    assert root.message == ""


def test_what_is_said_since_stays(root: Any, part: Any, refused: Any) -> None:
    root.message = "“a” is hidden."
    root.options["strength"] = 0.125
    assert root.message == "“a” is hidden."
    part("model.root").host.current().chosen = ("{layer}",)
    refused.look()
    assert root.message == "“a” is hidden."
