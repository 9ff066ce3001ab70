"""Asks what shall become of running jobs when Krita is about to quit."""

from __future__ import annotations

from typing import Any, Callable

from ..model.jobs import quit_words
from ..model.root import Root
from ..model.words import tr
from ..qt import QtCore, QtGui, QtWidgets
from .plain import message_box

#: Krita's class of main windows: Krita quits with the last of them.
MAIN_WINDOW = "KisMainWindow"


class QuitQuestion(QtCore.QObject):
    """Stands between the painter and the last main window's end while a job is unfinished.

    Krita tells plugins of its end when nothing can hold it any more; a window can still refuse to close,
    before any document has been closed. *Quit* has asked whether to save by then, and what was not to be
    saved is unsaved still where Krita goes on.
    """

    def __init__(self, root: Root, restore_unsaved: Callable[[], None]) -> None:
        super().__init__()
        self._root = root
        self._is_asking = False
        self._restore_unsaved = restore_unsaved

    def watch(self) -> None:
        """Take in all main windows that there are now."""
        for window in _main_windows():
            window.removeEventFilter(self)
            window.installEventFilter(self)

    def eventFilter(self, window: QtCore.QObject, event: QtCore.QEvent) -> bool:
        if event.type() != QtCore.QEvent.Type.Close:
            return False
        if not self._is_asking:
            # An earlier answer does not hold where Krita's question whether to save kept it from quitting.
            self._root.stops_at_quit = False
        if not self._is_the_end(window):
            return False
        if self._is_asking:
            event.ignore()
            return True
        if not self._ask(window):
            self._restore_unsaved()
            event.ignore()
            return True
        return False

    def _is_the_end(self, window: Any) -> bool:
        # A session that ends waits for nobody.
        if not self._root.unfinished or QtGui.QGuiApplication.instance().isSavingSession():
            return False
        return not any(other is not window and other.isVisible() for other in _main_windows())

    def _ask(self, window: Any) -> bool:
        """Whether Krita may quit; and then what becomes of the jobs."""
        words = quit_words(self._root.unfinished)
        box = message_box(window, "nst_quit", words.text, words.more)
        roles = QtWidgets.QMessageBox.ButtonRole
        on = box.addButton(words.on, roles.AcceptRole)
        on.setObjectName("nst_quit_on")
        stay = box.addButton(tr("Do not quit"), roles.RejectRole)
        stay.setObjectName("nst_quit_stay")
        stop = box.addButton(words.stop, roles.DestructiveRole) if words.stop else None
        if stop is not None:
            stop.setObjectName("nst_quit_stop")
        box.setDefaultButton(on)
        box.setEscapeButton(stay)
        self._is_asking = True
        try:
            box.exec()
        finally:
            self._is_asking = False
        chosen = box.clickedButton()
        self._root.stops_at_quit = chosen is not None and chosen is stop
        return chosen is not None and chosen is not stay


def _main_windows() -> list[Any]:
    windows = QtWidgets.QApplication.topLevelWidgets()
    return [window for window in windows if window.metaObject().className() == MAIN_WINDOW]
