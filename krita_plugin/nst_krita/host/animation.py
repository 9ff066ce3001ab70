"""A group of layers becomes one animated layer: each of them a keyframe."""

from __future__ import annotations

from typing import Any, Callable

from krita import Krita

from ..qt import QtCore
from ..translation import tr
from .active import ActiveLayer
from .document import KritaDocument
from .frame_group import FrameGroup
from .layers import find, id_of
from .pen import PenWatch

SINGLE = tr("An animation takes two frames or more.")
OTHERS = tr("The group with the frames holds other layers or masks. Move them out of it for an animation.")
LOCKED = tr("The group with the frames, or one around it, is locked. Unlock it for an animation.")
REFUSED = tr("Krita did not make an animation of the frames.")

ACTION = "convert_group_to_animated"
LOOK_MS = 20
#: How long Krita may take until its action knows of the new active layer, and to convert the group.
READY_TURNS, DONE_TURNS = 100, 3000
SETTLE_TURNS = 30


def hindrance(frames: FrameGroup) -> str:
    """Why no animation can be made of these, in a sentence; "" if it can."""
    if len(frames.nodes()) < 2:
        return SINGLE
    if frames.has_others:
        return OTHERS
    node = frames.node()
    while node is not None and not node.locked():
        node = node.parentNode()
    return LOCKED if node is not None else ""


class Animating(QtCore.QObject):
    """Runs Krita's own *Convert group to animated layer* on a group: one undo step, first layer at time 0.

    Afterwards the layer that was active is so again, unless it was in the group. The new layer has the
    group's opacity and blending mode, is hidden if that was, and locked if all in it were.
    ``on_done(layer_id, was_tried)`` is called once, later: "" where Krita did not convert it, and False where
    it could not even be asked, as the painter was at work or looked at another document.
    """

    def __init__(
        self, document: KritaDocument, group: Any, pen: PenWatch, on_done: Callable[[str, bool], None]
    ) -> None:
        super().__init__()
        self._document, self._pen, self._on_done = document, pen, on_done
        self._group_id: str = id_of(group)
        self._parent = group.parentNode()
        self._before = self._siblings()
        is_locked = all(node.locked() for node in group.childNodes())
        self._look = group.opacity(), group.blendingMode(), group.visible(), is_locked
        self._is_clipped = group.inheritAlpha()
        self._kept = document.active
        self._is_running, self._turns = False, 0
        document.handle.setActiveNode(group)
        self._wait()

    def _siblings(self) -> dict[str, Any]:
        return {id_of(node): node for node in self._parent.childNodes()}

    def _wait(self) -> None:
        # Qt would not keep this alive for a method of its own; the lambda does, whoever else lets it go.
        QtCore.QTimer.singleShot(LOOK_MS, lambda: self._turn())  # noqa: PLW0108

    def _turn(self) -> None:
        if not self._document.is_open:
            self._on_done("", True)
            return
        self._turns += 1
        if not self._is_running and self._is_ready():
            self._is_running, self._turns = True, 0
            Krita.instance().action(ACTION).trigger()
        if self._turns > (DONE_TURNS if self._is_running else READY_TURNS):
            self._end("")
        elif self._is_running and find(self._document.root, self._group_id) is None:
            self._end(self._made())
        else:
            self._wait()

    def _is_ready(self) -> bool:
        # The action is about the active layer of the document in front.
        if not self._document.is_in_front or not self._pen.is_calm():
            return False
        active, action = self._document.active, Krita.instance().action(ACTION)
        is_active = active is not None and id_of(active) == self._group_id
        return is_active and action is not None and action.isEnabled()

    def _made(self) -> str:
        """The id of the animated layer; it gets the looks of the group."""
        come = (known for known in self._siblings().items() if known[0] not in self._before)
        layer_id, node = next((known for known in come if known[1].animated()), ("", None))
        if node is not None:
            opacity, blending_mode, is_visible, is_locked = self._look
            node.setOpacity(opacity)
            node.setInheritAlpha(self._is_clipped)
            if not is_visible:
                node.setVisible(False)
                self._document.handle.refreshProjection()
            if blending_mode != node.blendingMode():  # to Krita a step of undo, as nothing else here is
                node.setBlendingMode(blending_mode)
            node.setLocked(is_locked)
        return layer_id

    def _end(self, layer_id: str) -> None:
        root = self._document.root
        kept = find(root, id_of(self._kept)) if self._kept is not None else None
        kept = kept or (find(root, layer_id) if layer_id else None)
        ours = (self._group_id, layer_id)
        active = ActiveLayer(self._document, kept, lambda node: id_of(node) in ours, self._pen)
        active.let_go_after(SETTLE_TURNS, lambda: self._on_done(layer_id, self._is_running))
