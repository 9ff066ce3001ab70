"""Keeping the painter's layer the active one while Krita makes others active."""

from __future__ import annotations

from typing import Any, Callable

from krita import Krita

from ..qt import QtCore, QtWidgets
from .document import KritaDocument
from .pen import PenWatch, docker

SETTLE_MS = 10
#: Krita's docker with the list of layers.
_LAYERS = "KisLayerBox"


class ActiveLayer:
    """Makes ``kept`` the active layer again whenever ``is_ours`` says so of another, until it is let go.

    Krita makes a new layer the active one up to a few turns of its event loop later; a stroke that begins
    before that lands on ``kept`` all the same. With ``kept`` None it is only waited for. Other windows that
    show the document keep the active layers that they have.
    """

    def __init__(
        self, document: KritaDocument, kept: Any, is_ours: Callable[[Any], bool], pen: PenWatch
    ) -> None:
        self._document, self._kept, self._is_ours = document, kept, is_ours
        self._others = _in_other_windows(document) if kept is not None else []
        self._pressed = pen.pressed
        # Of a lambda Qt keeps what it needs alive.
        self._guard = lambda: self._put_back()  # noqa: PLW0108
        self._pressed.connect(self._guard)

    def let_go(self) -> None:
        """Have done with it at once."""
        self._pressed.disconnect(self._guard)

    def let_go_after(self, turns: int, then: Callable[[], None]) -> None:
        """Have done after so many turns of SETTLE_MS, or where the document is closed; then call ``then``."""
        if self._put_back() and turns:
            QtCore.QTimer.singleShot(SETTLE_MS, lambda: self.let_go_after(turns - 1, then))
            return
        self.let_go()
        then()

    def _put_back(self) -> bool:
        """False where the document has been closed."""
        if not self._document.is_open:
            return False
        active = self._document.active if self._kept is not None else None
        if active is not None and active != self._kept and self._is_ours(active):
            self._document.handle.setActiveNode(self._kept)
        for view, layers, kept in self._others:
            chosen = view.selectedNodes()
            if kept.isValid() and chosen and self._is_ours(chosen[0]):
                layers.setCurrentIndex(QtCore.QModelIndex(kept))
        return True


def _in_other_windows(document: KritaDocument) -> list[tuple[Any, QtWidgets.QTreeView, Any]]:
    """The view, the list of layers, and what is active in it, of each but the one that the painter is in."""
    here, found = Krita.instance().activeWindow(), []
    for window in Krita.instance().windows() if len(document.views) > 1 else ():
        if window.qwindow() is here.qwindow() or window.activeView().document() != document.handle:
            continue
        box = docker(window, _LAYERS)
        layers = box.findChild(QtWidgets.QTreeView) if box is not None else None
        if layers is not None:  # Krita's scripting sets the active layer of the window in front alone
            found.append((window.activeView(), layers, QtCore.QPersistentModelIndex(layers.currentIndex())))
    return found
