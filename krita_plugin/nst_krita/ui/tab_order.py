"""The order in which Tab goes through the docker: as one reads it."""

from __future__ import annotations

from typing import Any, Iterator

from ..qt import QtCore, QtWidgets


def chain(panel: QtWidgets.QWidget) -> list[QtWidgets.QWidget]:
    """Let Tab go through all that ``panel`` has, hidden or not, from top to bottom and from left to right,
    and what has the focus; returns it in that order.

    Qt puts what is made later at the end of the window's chain: a job's buttons came after the canvas.
    """
    tab = QtCore.Qt.FocusPolicy.TabFocus
    stops = [part for part in _parts(panel) if part.focusPolicy() & tab or part.hasFocus()]
    for before, after in zip(stops, stops[1:]):
        QtWidgets.QWidget.setTabOrder(before, after)
    return stops


def _parts(widget: QtWidgets.QWidget) -> Iterator[QtWidgets.QWidget]:
    """All in the widget's layout, each before its own parts."""
    inside = widget.widget() if isinstance(widget, QtWidgets.QScrollArea) else widget
    if inside is not None and inside.layout() is not None:
        for part in _widgets(inside.layout()):
            yield part
            yield from _parts(part)


def _widgets(layout: QtWidgets.QLayout) -> Iterator[QtWidgets.QWidget]:
    for item in _items(layout):
        if item.widget() is not None:
            yield item.widget()
        elif item.layout() is not None:
            yield from _widgets(item.layout())


def _items(layout: QtWidgets.QLayout) -> Iterator[Any]:
    if isinstance(layout, QtWidgets.QFormLayout):  # which counts them as they came, not as they stand
        role = QtWidgets.QFormLayout.ItemRole
        roles = role.LabelRole, role.FieldRole, role.SpanningRole
        stand = (layout.itemAt(row, each) for row in range(layout.rowCount()) for each in roles)
        yield from filter(None, stand)
        return
    yield from (layout.itemAt(index) for index in range(layout.count()))
