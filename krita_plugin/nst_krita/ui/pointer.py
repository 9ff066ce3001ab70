"""Where the pointer is."""

from __future__ import annotations

from ..qt import QtGui, QtWidgets


def is_over(widget: QtWidgets.QWidget) -> bool:
    """Whether the pointer is over ``widget``, and what is there can be clicked.

    ``underMouse()`` says so as well where a menu or a dialog was closed elsewhere: then Qt tells of no
    leaving. Nor does it say so where a menu was left for the widget.
    """
    if QtGui.QGuiApplication.platformName().startswith("wayland"):  # which tells nobody where a window lies
        return widget.underMouse()
    is_asked = QtWidgets.QApplication.activeModalWidget() is not None
    at = widget.mapFromGlobal(QtGui.QCursor.pos())
    return widget.isVisible() and not is_asked and widget.rect().contains(at)
