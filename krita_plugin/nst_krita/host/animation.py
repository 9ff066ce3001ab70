"""A group of layers becomes one animated layer: each of them a keyframe."""

from __future__ import annotations

from typing import Any, Callable

from krita import Krita

from ..qt import QtCore
from .document import KritaDocument
from .layers import find

TURN_MS = 20
#: How long Krita may take until its action knows of the new active layer, and to convert the group.
READY_TURNS, DONE_TURNS = 100, 3000
SETTLE_TURNS = 15


class Animating(QtCore.QObject):
    """Runs Krita's own *Convert group to animated layer* on a group: one undo step, first layer at time 0.

    The document has to be the active one. Afterwards the layer that was active is so again, unless it was
    in the group. ``on_done(layer_id)`` is called once, later: "" where Krita did not convert it.
    """

    def __init__(self, document: KritaDocument, group: Any, on_done: Callable[[str], None]) -> None:
        super().__init__()
        self._document, self._on_done = document, on_done
        self._group_id: str = group.uniqueId().toString()
        self._parent = group.parentNode()
        self._before = self._siblings()
        self._kept = document.handle.activeNode()
        self._action = Krita.instance().action("convert_group_to_animated")
        self._is_running, self._turns = False, 0
        document.handle.setActiveNode(group)
        QtCore.QTimer.singleShot(TURN_MS, self._turn)

    def _siblings(self) -> dict[str, Any]:
        return {node.uniqueId().toString(): node for node in self._parent.childNodes()}

    def _made(self) -> str:
        come = (known for known in self._siblings().items() if known[0] not in self._before)
        return next((layer_id for layer_id, node in come if node.animated()), "")

    def _turn(self) -> None:
        if not self._document.is_open:
            self._on_done("")
            return
        self._turns += 1
        if not self._is_running and self._is_ready():
            self._is_running, self._turns = True, 0
            self._action.trigger()
        if self._turns > (DONE_TURNS if self._is_running else READY_TURNS):
            self._end("")
        elif self._is_running and find(self._document.root, self._group_id) is None:
            self._end(self._made())
        else:
            QtCore.QTimer.singleShot(TURN_MS, self._turn)

    def _is_ready(self) -> bool:
        # The action is about the active layer of the document in front.
        if not self._document.is_in_front:
            return False
        active = self._document.handle.activeNode()
        is_active = active is not None and active.uniqueId().toString() == self._group_id
        return is_active and self._action is not None and self._action.isEnabled()

    def _end(self, layer_id: str) -> None:
        root = self._document.root
        kept = find(root, self._kept.uniqueId().toString()) if self._kept is not None else None
        self._settle(layer_id, kept or (find(root, layer_id) if layer_id else None), SETTLE_TURNS)

    def _settle(self, layer_id: str, kept: Any | None, turns: int) -> None:
        """Krita makes what it has converted the active layer some turns of its event loop later."""
        is_open = self._document.is_open
        active = self._document.handle.activeNode() if is_open else None
        ours = (self._group_id, layer_id)
        if kept is not None and active is not None and active.uniqueId().toString() in ours:
            self._document.handle.setActiveNode(kept)
        if turns and is_open:
            QtCore.QTimer.singleShot(TURN_MS, lambda: self._settle(layer_id, kept, turns - 1))
            return
        self._on_done(layer_id)
