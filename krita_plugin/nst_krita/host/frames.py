"""Frames of a job as layers of a document, without getting in the painter's way."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Mapping

from ..qt import QtCore
from .active import hold_active
from .animation import Animating
from .conversion import Conversion
from .document import Colours, KritaDocument
from .errors import HostError
from .frame_group import Frame, FrameGroup
from .layers import Layer, find
from .pen import PenWatch

MAX_STEPS = 20
POLL_MS = 200
# Looking costs a walk over all layers: with nothing to insert for so many turns it is done less often.
IDLE_TURNS, IDLE_MS = 50, 1000
SETTLE_TURNS = 4

CLOSED = "The document was closed."
CONVERTED = "The document's colours have changed."
DELETED = "The group with the frames was undone or deleted."
ANIMATED = "The frames are an animation now, from time 0 on."

SINGLE = "An animation takes two frames or more."
OTHERS = "The group with the frames holds other layers or masks. Move them out of it for an animation."
LOCKED = "The group with the frames, or one around it, is locked. Unlock it for an animation."
REFUSED = "Krita did not make an animation of the frames."
#: So often a painter may come between Krita and the animation.
ANIMATION_TRIES = 3


def _ignore(*_values: Any) -> None:
    pass


class FrameInserter(QtCore.QObject):
    """Puts the frames of one job into a group directly above the layer that they were made from.

    ``put`` only queues. Frames go in one at a time, once the pen has been up for a second, each as one
    undo step (the first one together with the group), at most ``max_steps`` and one for a final frame.
    With ``replace`` there is one layer, locked, whose pixels change without undo steps; with ``locked`` all
    frames are. ``group_id`` and ``layers`` (key → layer id) are those of an earlier session: frames go on
    into that group if the document still has it.
    The active layer stays the painter's, and of the frames only the newest is visible.
    Frames are converted to ``colours``, by default those that the document has now. A document that was
    closed or has other colours by then, or a group that the painter undid or deleted, gets no more frames;
    when the painter redoes the group, or undoes the conversion, later frames go in again. So it is with
    the animated layer that ``animate`` makes of the group.

    Four callbacks, called in the GUI thread after the fact:
    ``on_inserted(key)``; ``on_skipped(key)``: not put into the document, for the cap, or because a newer
    one replaced it, or because group or document are gone; ``on_gone(reason)``: once each time, and with ""
    when frames can go in again; ``on_animated(layer_id, problem)``: one of the two is "".
    """

    def __init__(
        self,
        document: KritaDocument,
        source: Layer,
        group_name: str,
        pen: PenWatch,
        *,
        replace: bool = False,
        max_steps: int = MAX_STEPS,
        colours: Colours | None = None,
        locked: bool = False,
        group_id: str = "",
        layers: Mapping[Any, str] | None = None,
        on_inserted: Callable[[Any], None] = _ignore,
        on_skipped: Callable[[Any], None] = _ignore,
        on_gone: Callable[[str], None] = _ignore,
        on_animated: Callable[[str, str], None] = _ignore,
    ) -> None:
        super().__init__()
        self._document, self._pen = document, pen
        self._replace, self._max_steps = replace, max_steps
        self._colours = colours or document.colours
        self._group = FrameGroup(
            document,
            source,
            group_name,
            self._colours,
            replace=replace,
            locked=locked,
            group_id=group_id,
            layers=layers or {},
        )
        self._on_inserted, self._on_skipped, self._on_gone = on_inserted, on_skipped, on_gone
        self._on_animated = on_animated
        self._queue: deque[Frame] = deque()
        self._coming: tuple[Frame, Conversion] | None = None
        self._idle_turns = 0
        self._busy = self._removing = self._told_gone = self._closed = False
        self._tries_left = 0  # to make the animation that is wanted
        self._animating: Animating | None = None
        self._animated_id = ""
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)
        pen.start()
        self._timer.start()

    # What the caller may ask and do; GUI thread only.

    @property
    def pending(self) -> int:
        """How many frames wait."""
        return len(self._queue) + (self._coming is not None)

    @property
    def is_animating(self) -> bool:
        """Whether ``animate`` has been asked for, and has not happened yet."""
        return self._tries_left > 0 or self._animating is not None

    @property
    def group_id(self) -> str:
        """The id of the group; empty before the first frame."""
        return self._group.id

    @property
    def inserted(self) -> list[Any]:
        """The keys of the frames whose layers are in the document now."""
        return self._group.keys

    @property
    def gone(self) -> str | None:
        """Why frames can no longer be inserted, in one sentence; None if they can."""
        if not self._document.is_open:
            return CLOSED
        if self._document.colours != self._colours:
            return CONVERTED
        if not self._group.id or self._group.is_there:
            return None
        return ANIMATED if self._animated_layer() is not None else DELETED

    def id_of(self, key: Any) -> str:
        """The id of the layer made for that frame, also while it is undone; empty if there was none."""
        return self._group.id_of(key)

    def layer_of(self, key: Any) -> Layer | None:
        """The layer that holds that frame; None if it is not in the document."""
        return self._group.layer_of(key)

    def put(self, frame: Frame) -> None:
        """Queue a frame; after ``close`` it is skipped at once.

        Raises ValueError where its data is not as long as its size says.
        """
        # Krita would say nothing and leave the layer empty.
        if len(frame.pixels.data) != frame.pixels.raw_bytes:
            raise ValueError(f"frame {frame.name} has {len(frame.pixels.data)} bytes.")
        if self._closed:
            self._on_skipped(frame.key)
            return
        self._queue.append(frame)
        self._idle_turns = 0
        self._timer.setInterval(POLL_MS)

    def show(self, key: Any) -> bool:
        """Make that frame the only visible one; false if it is not in the document. No undo step."""
        layer = self.layer_of(key)
        if layer is not None:
            self._group.show(layer.id)
        return layer is not None

    def animate(self) -> None:
        """Make one animated layer of the group, with a keyframe for each frame, as one undo step.

        It happens once nothing waits, the pen is up and the document is in front.
        """
        self._tries_left = ANIMATION_TRIES
        self._idle_turns = 0
        self._timer.setInterval(POLL_MS)

    def leave_layers(self) -> None:
        """Let the frames be layers, if they have not begun to become an animation."""
        self._tries_left = 0

    def set_visible(self, visible: bool) -> None:
        """Show or hide the whole group. No undo step."""
        self._group.set_visible(visible)

    def remove(self) -> None:
        """Drop what waits and take the group, or its animation, out of the document, as one undo step; and
        close."""
        self._drop_waiting()
        self._removing = self._busy
        if self._busy:  # Krita is just adding a layer
            return
        self.close()  # first: Krita runs its event loop while it removes a layer
        node = self._group.node() or self._animated_layer()
        if node is not None:
            node.remove()

    def close(self) -> None:
        """Insert nothing more; frames that still wait are skipped. The layers stay."""
        self._closed, self._tries_left = True, 0
        self._timer.stop()
        for key in self._drop_waiting():
            self._on_skipped(key)

    # Inside.

    def _poll(self) -> None:
        # Krita runs its event loop while it adds a layer, and this timer goes on in there.
        if self._busy:
            return
        self._idle_turns = 0 if self.pending else self._idle_turns + 1
        self._timer.setInterval(POLL_MS if self._idle_turns < IDLE_TURNS else IDLE_MS)
        reason = self.gone
        if reason is not None:
            self._skip_all(reason)
            return
        if self._told_gone:
            self._told_gone = False
            self._on_gone("")
        if not self.pending:
            if self._pen.is_calm():
                self._group.follow_undo()
                if self._tries_left:
                    self._animate()
        elif self._pen.is_calm():
            self._pen.start()
            self._advance()

    def _skip_all(self, reason: str) -> None:
        self._tries_left = 0
        if not self._told_gone:
            self._told_gone = True
            self._on_gone(reason)
        for key in self._drop_waiting():
            self._on_skipped(key)
        if reason == CLOSED:
            self.close()

    def _drop_waiting(self) -> list[Any]:
        """The keys of the frames that were to come, which do not come any more."""
        keys = [frame.key for frame in self._queue]
        self._queue.clear()
        if self._coming is not None:
            frame, conversion = self._coming
            keys.insert(0, frame.key)
            self._coming = None
            if not self._busy:
                conversion.close()
        return keys

    def _advance(self) -> None:
        """Go on converting the next frame, or insert it."""
        if self._coming is None:
            frame = self._next_frame()
            if frame is None:
                return
            self._coming = frame, Conversion(frame.pixels, self._colours)
        frame, conversion = self._coming
        if not conversion.is_done:
            self._convert(frame, conversion)
            # Everything is asked anew before the next step: the painter may have begun a stroke.
            self._timer.setInterval(0)
            return
        self._coming = None
        self._insert(Frame(frame.key, frame.name, conversion.block, frame.final))

    def _convert(self, frame: Frame, conversion: Conversion) -> None:
        problem, has_failed, self._busy = "", True, True
        try:
            conversion.step()
            has_failed = False
        except HostError as error:
            problem = str(error)
        finally:
            is_dropped = self._coming is None  # meanwhile: Krita has run its event loop
            if has_failed or is_dropped:
                self._coming = None
                conversion.close()
            self._busy = False
            if has_failed and not is_dropped:
                self._on_skipped(frame.key)
            if self._removing:
                self.remove()
        if problem and not is_dropped:
            self._on_gone(problem)

    def _next_frame(self) -> Frame | None:
        while self._queue:
            frame = self._queue.popleft()
            outdated = self._replace and self._queue
            # In place there is one step in all, and the last of the others is kept for the final frame.
            over = not self._replace and not frame.final and self._group.steps >= self._max_steps - 1
            if not outdated and not over:
                return frame
            self._on_skipped(frame.key)
        return None

    def _insert(self, frame: Frame) -> None:
        self._busy = True
        try:
            kept = self._document.handle.activeNode()
            done = self._group.add(frame)
        except BaseException:
            self._busy = False
            self._on_skipped(frame.key)
            raise
        hold_active(
            self._document, kept, self._group.has, SETTLE_TURNS, lambda: self._settled(frame.key, done)
        )

    def _settled(self, key: Any, done: bool) -> None:
        self._busy = False
        removing = self._removing
        if removing:
            self.remove()
        # Closed meanwhile, the document had it all the same.
        (self._on_inserted if done and not removing else self._on_skipped)(key)

    def _animate(self) -> None:
        group = self._group.node()
        if group is None or not self._document.is_in_front:
            return
        problem = self._why_no_animation(group)
        if problem:
            self._tries_left = 0
            self._on_animated("", problem)
            return
        self._tries_left -= 1
        self._busy = True
        self._animating = Animating(self._document, group, self._pen, self._animated)

    def _why_no_animation(self, group: Any) -> str:
        if len(self._group.nodes()) < 2:
            return SINGLE
        if self._group.has_others:
            return OTHERS
        node = group
        while node is not None and not node.locked():
            node = node.parentNode()
        return LOCKED if node is not None else ""

    def _animated(self, layer_id: str, was_tried: bool) -> None:
        self._animating, self._animated_id, self._busy = None, layer_id, False
        if layer_id or was_tried or not self._tries_left:
            self._tries_left = 0
            self._on_animated(layer_id, "" if layer_id else REFUSED)
        if self._removing:
            self.remove()

    def _animated_layer(self) -> Any | None:
        if not self._animated_id or not self._document.is_open:
            return None
        return find(self._document.root, self._animated_id)
