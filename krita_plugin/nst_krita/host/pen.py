"""When the painter's hand is off the canvas, so that a layer may be added without getting in the way."""

from __future__ import annotations

import time
from typing import Any, Callable, NamedTuple

from krita import Krita

from ..qt import QtCore, QtGui, QtWidgets, Signal
from .document import Document, current, is_known
from .layers import id_of
from .unfinished import IN_STEPS, REST_SECONDS, RESTING, Unfinished

CALM_SECONDS = 1.0
# Without any event of the pen for so long its release was lost, with a window that closed for instance.
LOST_SECONDS = 30.0
# What has kept frames back for so long may have been forgotten: a dialog behind a window, for instance.
FORGOTTEN_SECONDS = 5.0

_Type = QtCore.QEvent.Type
_PRESSES = (_Type.MouseButtonPress, _Type.MouseButtonDblClick, _Type.TabletPress, _Type.TouchBegin)
_RELEASES = (_Type.MouseButtonRelease, _Type.TabletRelease, _Type.TouchEnd, _Type.TouchCancel)
_MOVES = (_Type.TabletMove, _Type.MouseMove, _Type.TouchUpdate)
_ENDS = (QtCore.Qt.Key.Key_Return, QtCore.Qt.Key.Key_Enter, QtCore.Qt.Key.Key_Escape)
# Krita's widgets that take strokes, and its docker with the options of the tool.
_CANVASES = ("KisOpenGLCanvas2", "KisQPainterCanvas")
_OPTIONS = "sharedtooldocker"
# Tools that leave the pixels as they are: what is dragged with them is no stroke that a frame could hide.
_SELECTING = "KisToolSelect"
_LOOKING = frozenset(
    (
        *("PanTool", "ZoomTool", "KisAssistantTool", "ToolReferenceImages"),
        *("KritaSelected/KisToolColorSampler", "KritaShape/KisToolMeasure"),
    )
)


class Hindrance(NamedTuple):
    """What keeps frames back though the painter does nothing: the title of a dialog, or the chosen tool."""

    dialog: str = ""
    is_tool: bool = False


class PenWatch(QtCore.QObject):
    """Watches pen, mouse and fingers on Krita's windows from ``start`` to ``stop``; GUI thread only.

    ``clock``: tells seconds.
    """

    #: Something has been pressed, and Krita is yet to hear of it.
    pressed = Signal()
    #: A stroke begins on a layer: its Document and the layer's id.
    touched = Signal(object, str)
    #: Something is done that is no stroke but may change the active layer; Krita is yet to hear of it.
    acting = Signal()

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._watches = self._down = self._begins_stroke = self._moves_canvas = False
        self._unfinished = Unfinished()
        self._tools: frozenset[str] = frozenset()
        self._chosen_at = float("-inf")  # when these tools were first seen
        self._last = float("-inf")
        self._dialog: Any = None
        self._dialog_since = float("-inf")
        self._painted: dict[str, float] = {}  # id of a document → when a stroke on its canvas began

    def start(self) -> None:
        """Watch all windows that there are now, and those that come as soon as they have the focus."""
        self._take_in()
        if not self._watches:
            self._watches = True
            QtWidgets.QApplication.instance().focusWindowChanged.connect(self._take_in)

    def stop(self) -> None:
        if self._watches:
            self._watches = False
            QtWidgets.QApplication.instance().focusWindowChanged.disconnect(self._take_in)
        for window in QtGui.QGuiApplication.allWindows():
            window.removeEventFilter(self)
        # How what is under way now comes to its end is not seen.
        self._down = self._begins_stroke = self._moves_canvas = False
        self._unfinished.end()

    def _take_in(self, _focused: QtGui.QWindow | None = None) -> None:
        self._moves_canvas = False  # another window, or another program, has heard of the key's release
        # A window hears of tens of events where the application hears of thousands, before any widget
        # and before Krita's own filters on the canvas can swallow them.
        for window in QtGui.QGuiApplication.allWindows():
            window.installEventFilter(self)

    def eventFilter(self, _watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        kind = event.type()
        if kind in _PRESSES:
            self._down, self._last = True, self._clock()
            self.pressed.emit()
            self._note_press(event)
        elif kind in _RELEASES:
            self._down, self._last = False, self._clock()
            self._note_stroke()  # a dab, or a fill
        elif kind == _Type.ShortcutOverride:  # of a shortcut no window hears more, except that it is let go
            self.acting.emit()
        elif kind in (_Type.KeyPress, _Type.KeyRelease):
            self._note_key(event, kind == _Type.KeyPress)
        elif self._down and kind in _MOVES:
            self._last = self._clock()
            self._note_stroke()
        return False

    def has_painted(self, document: Document, since: float) -> bool:
        """Whether a stroke on the document's canvas has begun since then, by time.monotonic."""
        return self._painted.get(document.id, float("-inf")) > since

    def is_calm(self) -> bool:
        """Whether no stroke, dialog or menu is going on, and none was a second ago, and nothing else that
        Krita would end if a layer were added."""
        now = self._clock()
        quiet = now - self._last
        if quiet < (LOST_SECONDS if self._down else CALM_SECONDS):
            return False
        application = QtWidgets.QApplication
        if application.activeModalWidget() or application.activePopupWidget():
            return False
        if application.mouseButtons() != QtCore.Qt.MouseButton.NoButton:
            return False
        tools = chosen_tools()
        if tools != self._tools:
            self._tools, self._chosen_at = tools, now
        rests = tools.isdisjoint(RESTING) or self._rested(now) >= REST_SECONDS
        return rests and not self._unfinished.is_under_way(tools, _undo_words())

    def hindrance(self) -> Hindrance:
        """What has kept this from being calm for some seconds, where the painter may not know of it."""
        dialog, now = QtWidgets.QApplication.activeModalWidget(), self._clock()
        if dialog is not self._dialog:
            self._dialog, self._dialog_since = dialog, now
        if dialog is not None and now - self._dialog_since >= FORGOTTEN_SECONDS:
            return Hindrance(dialog=dialog.windowTitle() or "Krita")
        is_used = self._tools.isdisjoint(RESTING) or self._down
        return Hindrance(is_tool=not is_used and FORGOTTEN_SECONDS <= self._rested(now) < REST_SECONDS)

    def _rested(self, now: float) -> float:
        """For how many seconds neither the pen nor another tool has been taken."""
        return min(now - self._last, now - self._chosen_at)

    def _note_press(self, press: QtCore.QEvent) -> None:
        widget = _pressed_widget(press)
        is_on_canvas = _is_canvas(widget) and not self._moves_canvas
        tools = chosen_tools()
        self._begins_stroke = is_on_canvas and (not tools or any(map(_paints, tools)))
        if not self._begins_stroke:
            self.acting.emit()
        if tools.isdisjoint(IN_STEPS):
            return
        if is_on_canvas:
            place = _place(press)
            self._unfinished.press(tools, (place.x(), place.y()), self._last, _undo_words())
        elif _is_among_options(widget):
            self._unfinished.change_options(tools, _undo_words())

    def _note_stroke(self) -> None:
        if not self._begins_stroke:
            return
        self._begins_stroke = False
        document = current()  # by now the one that was touched
        if document.id not in self._painted:
            self._painted = {name: at for name, at in self._painted.items() if is_known(name)}
        self._painted[document.id] = self._last
        active = document.active
        if active is not None and not active.locked():
            self.touched.emit(document, id_of(active))

    def _note_key(self, key: QtGui.QKeyEvent, is_down: bool) -> None:
        self._last = self._clock()
        if key.key() == QtCore.Qt.Key.Key_Space:
            self._moves_canvas = is_down
        elif is_down and key.key() in _ENDS and _is_canvas(QtWidgets.QApplication.focusWidget()):
            self._unfinished.end()


def _paints(tool: str) -> bool:
    return tool not in _LOOKING and not tool.startswith(_SELECTING)


def _pressed_widget(press: QtCore.QEvent) -> QtWidgets.QWidget | None:
    # Fingers, other buttons and keys held down move the canvas, sample colours or size the brush.
    is_plain = (
        isinstance(press, (QtGui.QMouseEvent, QtGui.QTabletEvent))
        and press.button() == QtCore.Qt.MouseButton.LeftButton
        and press.modifiers() == QtCore.Qt.KeyboardModifier.NoModifier
    )
    return QtWidgets.QApplication.widgetAt(_place(press)) if is_plain else None


def _place(press: QtCore.QEvent) -> QtCore.QPoint:
    return press.globalPosition().toPoint() if hasattr(press, "globalPosition") else press.globalPos()


def _is_canvas(widget: QtWidgets.QWidget | None) -> bool:
    return widget is not None and widget.metaObject().className() in _CANVASES


def _is_among_options(widget: QtWidgets.QWidget | None) -> bool:
    while widget is not None and widget.objectName() != _OPTIONS:
        widget = widget.parentWidget()
    return widget is not None


def chosen_tools() -> frozenset[str]:
    """Krita's names of the chosen tools, of one in each window."""
    buttons = (button for box in _dockers("ToolBox") for button in box.findChildren(QtWidgets.QToolButton))
    return frozenset(button.objectName() for button in buttons if button.isChecked())


def tool_options() -> list[QtWidgets.QWidget]:
    """Of each window the docker with the options of its tool."""
    return _dockers(_OPTIONS)


def docker(window: Any, name: str) -> QtWidgets.QWidget | None:
    """Krita's docker of that object name in one of its windows."""
    # Searching the whole window takes 60 ms.
    here = QtCore.Qt.FindChildOption.FindDirectChildrenOnly
    return window.qwindow().findChild(QtWidgets.QDockWidget, name, here)


def _dockers(name: str) -> list[QtWidgets.QWidget]:
    found = (docker(window, name) for window in Krita.instance().windows())
    return [one for one in found if one is not None]


def _undo_words() -> str:
    action = Krita.instance().action("edit_undo")
    return action.text() if action is not None else ""
