"""When what a tool of several steps has begun is over."""

from __future__ import annotations

from typing import Any

import pytest

POLYGON, CROP, TRANSFORM, TEXT = {"KisToolPolygon"}, {"KisToolCrop"}, {"KisToolTransform"}, {"SvgTextTool"}
BRUSH = {"KritaShape/KisToolBrush"}
CORNERS = ((0, 0), (100, 0), (100, 100))


@pytest.fixture
def action(part: Any) -> Any:
    return part("host.unfinished").Unfinished()


def begin(action: Any, tools: set[str]) -> None:
    for second, corner in enumerate(CORNERS):
        action.press(tools, corner, float(second), "Undo")


def test_nothing_is_begun_with_a_brush(action: Any) -> None:
    begin(action, BRUSH)
    assert not action.is_under_way(BRUSH, "Undo")


@pytest.mark.parametrize("tools", [POLYGON, CROP, TRANSFORM])
def test_an_action_is_under_way_until_it_is_confirmed(action: Any, tools: set[str]) -> None:
    begin(action, tools)
    assert action.is_under_way(tools, "Undo")
    action.end()
    assert not action.is_under_way(tools, "Undo")


def test_it_ends_with_another_tool_and_with_what_krita_would_undo(action: Any) -> None:
    begin(action, POLYGON)
    assert not action.is_under_way(BRUSH, "Undo")
    assert not action.is_under_way(POLYGON, "Undo"), "the polygon is gone when its tool is chosen again"
    begin(action, POLYGON)
    assert not action.is_under_way(POLYGON, "Undo Draw Polygon")


def test_a_double_click_ends_a_polygon_but_no_transformation(action: Any) -> None:
    for tools, is_under_way in ((POLYGON, False), (CROP, False), (TRANSFORM, True)):
        begin(action, tools)
        action.press(tools, (50, 50), 10.0, "Undo")
        action.press(tools, (52, 50), 10.2, "Undo")
        assert action.is_under_way(tools, "Undo") is is_under_way


def test_two_clicks_in_a_hurry_are_no_double_click(action: Any) -> None:
    begin(action, POLYGON)
    action.press(POLYGON, (50, 50), 10.0, "Undo")
    action.press(POLYGON, (70, 50), 10.2, "Undo")
    assert action.is_under_way(POLYGON, "Undo")


def test_a_click_on_the_first_point_closes_a_polygon(action: Any) -> None:
    action.press(POLYGON, (0, 0), 0.0, "Undo")
    action.press(POLYGON, (8, 0), 1.0, "Undo")
    assert action.is_under_way(POLYGON, "Undo"), "two points are no polygon"
    action.press(POLYGON, (100, 0), 2.0, "Undo")
    action.press(POLYGON, (6, 4), 3.0, "Undo")
    assert not action.is_under_way(POLYGON, "Undo")
    begin(action, CROP)
    action.press(CROP, (0, 0), 10.0, "Undo")
    assert action.is_under_way(CROP, "Undo")


def test_numbers_in_the_options_begin_a_crop_but_no_polygon(action: Any) -> None:
    for tools, is_under_way in ((CROP, True), (TRANSFORM, True), (POLYGON, False)):
        action.change_options(tools, "Undo")
        assert action.is_under_way(tools, "Undo") is is_under_way
