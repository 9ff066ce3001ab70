"""Keeping the painter's layer the active one while Krita makes others active."""

from __future__ import annotations

from typing import Any, Callable

from krita import Krita

from ..qt import QtCore, QtWidgets
from .document import KritaDocument
from .layers import find, id_of
from .pen import PenWatch, docker

SETTLE_MS = 10
#: So long Krita may take after a step of undo until it makes another layer active.
UNDO_TURNS = 30
#: Layers that are remembered, should the last of them be undone with ours.
MAX_CHOSEN = 10
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
        self._kept_id = id_of(kept) if kept is not None else ""
        self._others = _in_other_windows(document) if kept is not None else []
        self._pressed = pen.pressed
        # Of a lambda Qt keeps what it needs alive.
        self._guard = lambda: self._put_back()  # noqa: PLW0108
        self._pressed.connect(self._guard)

    def let_go(self) -> None:
        """Have done with it at once."""
        self._pressed.disconnect(self._guard)
        self._kept, self._others = None, []

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
        is_other = active is not None and active != self._kept and self._is_ours(active)
        if is_other and find(self._document.root, self._kept_id) is not None:
            self._document.handle.setActiveNode(self._kept)
        for view, layers, kept in self._others:
            chosen = view.selectedNodes()
            if kept.isValid() and chosen and self._is_ours(chosen[0]):
                layers.setCurrentIndex(QtCore.QModelIndex(kept))
        return True


class AfterUndo(QtCore.QObject):
    """Makes the painter's layer the active one again where he has undone or redone one that ``is_ours``.

    Krita makes a layer that comes back the active one, and its neighbour where the active one goes. It stays
    so where the painter himself had chosen a layer of ours; but none at all is never left active. GUI thread
    only.
    """

    def __init__(
        self,
        document: KritaDocument,
        is_ours: Callable[[str], bool],
        pen: PenWatch,
        on_step: Callable[[], None],
    ) -> None:
        """``is_ours``: of a layer's id. ``on_step`` is called after each undo and redo in that document."""
        super().__init__()
        self._on_step = on_step
        self._document, self._pen = document, pen
        self._is_ours: Callable[[Any], bool] = lambda node: is_ours(id_of(node))
        # The ids of layers not ours that were active, the latest last. Not the layers: one that outlives its
        # document takes Krita with it.
        self._chosen: list[str] = []
        self._is_guarding = self._has_more = False
        self._has_stopped = False
        for name in ("edit_undo", "edit_redo"):
            action = Krita.instance().action(name)
            if action is not None:
                action.triggered.connect(self._stepped)
        pen.pressed.connect(self._look)
        self._look()

    def put_back(self) -> None:
        """Do the same where layers of ours have just been taken away."""
        self._stepped()

    def stop(self) -> None:
        """Look after the active layer no longer."""
        # Nothing is disconnected: the actions may be those of a window that was closed, and are gone then.
        self._has_stopped = True
        self._chosen.clear()

    def _look(self) -> None:
        # What is behind others gets no other active layer; and asked for that, Krita 6 runs its event loop.
        is_seen = self._document.is_open and self._document.is_in_front and not self._has_stopped
        active = self._document.active if is_seen else None
        if active is not None and not self._is_ours(active):
            layer_id = id_of(active)
            self._chosen = [*(known for known in self._chosen if known != layer_id), layer_id][-MAX_CHOSEN:]

    def _stepped(self, *_: Any) -> None:
        if self._has_stopped or not self._document.is_open or not self._document.is_in_front:
            return
        self._on_step()
        self._has_more = self._is_guarding
        if not self._is_guarding:
            # Krita has done the step, but makes another layer active only later.
            self._look()
            active = self._document.active
            self._guard(None if active is not None and self._is_ours(active) else self._last_chosen())

    def _guard(self, kept: Any | None) -> None:
        self._is_guarding, self._has_more = True, False
        guard = ActiveLayer(self._document, kept, self._is_ours, self._pen)
        guard.let_go_after(UNDO_TURNS, lambda: self._settled(kept))

    def _settled(self, kept: Any | None) -> None:
        self._is_guarding = False
        if not self._document.is_open or not self._document.is_in_front:
            return
        active, last = self._document.active, self._last_chosen()
        if last is not None and (active is None or (kept is not None and self._is_ours(active))):
            self._document.handle.setActiveNode(last)
        if self._has_more:
            self._guard(kept)

    def _last_chosen(self) -> Any | None:
        """The latest of the layers that were active which is in the document."""
        root = self._document.root
        found = (find(root, layer_id) for layer_id in reversed(self._chosen))
        return next((node for node in found if node is not None), None)


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
