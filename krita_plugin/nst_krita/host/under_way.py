"""What Krita has under way in a document, asked without bringing it to an end.

Before it adds a layer, and in ``waitForDone()``, Krita ends all that tools and filters have begun: it applies
a filter whose window is open, or a transformation that the painter is still at; and while it is drawing it
shows a window in which nothing can be done.
"""

from __future__ import annotations

from typing import Iterator

from ..qt import QtWidgets
from ..translation import tr
from .document import KritaDocument
from .pen import chosen_tools, tool_options
from .unfinished import MOVE, TRANSFORM

# Until then drawing is the likeliest reason.
DRAWING_SECONDS = 1.0


def is_free(document: KritaDocument) -> bool:
    """Whether a layer can be added without ending more than the painter would expect.

    With the tools that have something under way all the time the watch on the pen knows more.
    """
    if is_idle(document):
        return True
    return not _has_filter_open() and not chosen_tools().isdisjoint((MOVE, TRANSFORM))


def to_finish(document: KritaDocument, waited: float) -> str | None:
    """What has to come to its end before the document's pixels are what the painter sees; None if nothing.

    In words for him, "" for what passes by itself. ``waited``: for how many seconds this has been asked.
    """
    if is_idle(document):
        return None
    if _has_filter_open():
        return tr("Press OK or Cancel in the filter's window: the job then starts by itself.")
    tools = chosen_tools()
    if TRANSFORM in tools:  # it has the layer under way as soon as it is chosen
        begun = tr("Finish the transformation (Return) or cancel it (Escape): the job then starts by itself.")
        return begun if _has_transformed() else None
    if waited < DRAWING_SECONDS:
        return ""
    if MOVE in tools:  # which ends a movement only with the next thing that is done; its pixels are moved
        return None
    return tr("Krita is still at work on the picture: the job starts by itself after that.")


def is_idle(document: KritaDocument) -> bool:
    """Whether Krita has nothing under way in it at all. Asked, it draws a preview anew."""
    is_idle = document.handle.tryBarrierLock()
    if is_idle:
        document.handle.unlock()
    return is_idle


def _has_filter_open() -> bool:
    return any(
        window.isVisible() and window.metaObject().className() == "KisDlgFilter"
        for window in QtWidgets.QApplication.topLevelWidgets()
    )


def _has_transformed() -> bool:
    """Whether the transform tool offers to apply something; true where its options cannot be seen."""
    apply = QtWidgets.QDialogButtonBox.StandardButton.Apply
    buttons = [box.button(apply) for options in tool_options() for box in _button_boxes(options)]
    return any(button.isEnabled() for button in buttons) or not buttons


def _button_boxes(options: QtWidgets.QWidget) -> Iterator[QtWidgets.QDialogButtonBox]:
    for box in options.findChildren(QtWidgets.QDialogButtonBox):
        if box.button(QtWidgets.QDialogButtonBox.StandardButton.Apply) is not None:
            yield box
