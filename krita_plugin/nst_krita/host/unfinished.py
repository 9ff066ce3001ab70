"""Tools that work in several steps, and whether the painter is between two of them; plain Python.

Krita ends whatever a tool has begun when a layer is added: it draws the half of a polygon, and crops the
image to a rectangle that is still being dragged about.
"""

from __future__ import annotations

from typing import Collection, Tuple

# Ended by Return, Escape or a double click, and these by a click on the point that they began with as well.
CLOSED_BY_CLICK = frozenset(
    (
        "KisToolPath",
        "KisToolPolygon",
        "KisToolPolyline",
        "KisToolSelectPath",
        "KisToolSelectPolygonal",
        "KisToolSelectMagnetic",
    )
)
TRANSFORM = "KisToolTransform"
# Drags follow each other as one step of undo, which is made with the next other thing that is done.
MOVE = "KritaTransform/KisToolMove"
# Numbers in the tool's options are a part of what is done.
WITH_OPTIONS = frozenset(("KisToolCrop", TRANSFORM))
IN_STEPS = CLOSED_BY_CLICK | WITH_OPTIONS
# Krita tells nobody whether a text is being written; and of a transformation that has been begun but not
# used yet, adding a layer leaves handles that do not react to the next drag.
RESTING = frozenset(("SvgTextTool", TRANSFORM))
REST_SECONDS = 60.0

# Krita takes a click for one on the first point so far away from it, in px of the screen.
CLOSE_PX = 10
# What Qt takes for a double click: so far apart in px, so soon in seconds.
DOUBLE_PX, DOUBLE_SECONDS = 5, 0.4

Place = Tuple[int, int]


class Unfinished:
    """What has been begun with a tool of several steps and has not come to its end.

    ``tools``: names of the chosen tools, of one in each window. ``undo``: what Krita would undo next, in
    its words: once that has changed, what was begun has ended. Seconds are those of any one clock.
    """

    def __init__(self) -> None:
        self._tool = self._undo = ""
        self._first: Place = (0, 0)
        self._latest: Place = (0, 0)
        self._pressed_at = float("-inf")
        self._clicks = 0

    def press(self, tools: Collection[str], place: Place, now: float, undo: str) -> None:
        """The painter has pressed on the canvas, in px of the screen."""
        tool = next((name for name in tools if name in IN_STEPS), "")
        if not self.is_under_way(tools, undo):
            self._tool, self._undo, self._first, self._clicks = tool, undo, place, 0
        is_double = now - self._pressed_at < DOUBLE_SECONDS and _are_near(place, self._latest, DOUBLE_PX)
        is_closed = self._clicks > 1 and _are_near(place, self._first, CLOSE_PX)
        if (is_double and tool != TRANSFORM) or (is_closed and tool in CLOSED_BY_CLICK):
            self.end()
        self._clicks += 1
        self._latest, self._pressed_at = place, now

    def change_options(self, tools: Collection[str], undo: str) -> None:
        """The painter has pressed among the options of the tool."""
        tool = next((name for name in tools if name in WITH_OPTIONS), "")
        if tool and not self.is_under_way(tools, undo):
            self._tool, self._undo, self._clicks = tool, undo, 0

    def end(self) -> None:
        """The painter has confirmed or cancelled it."""
        self._tool = ""

    def is_under_way(self, tools: Collection[str], undo: str) -> bool:
        """Whether something is."""
        if self._tool not in tools or undo != self._undo:
            self._tool = ""
        return bool(self._tool)


def _are_near(one: Place, other: Place, distance: int) -> bool:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1])) <= distance
