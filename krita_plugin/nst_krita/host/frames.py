"""Frames of a job as layers of a document, without getting in the painter's way."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Callable, Collection, Mapping

from ..qt import QtCore
from ..translation import tr
from .active import ActiveLayer
from .animation import REFUSED, Animating, hindrance
from .colour import pixel_bytes
from .conversion import Conversion
from .document import Colours, KritaDocument
from .errors import HostError
from .frame_group import Frame, FrameGroup
from .layers import Layer, find
from .pen import Hindrance, PenWatch
from .placing import Placing
from .redo import RedoWatch
from .under_way import is_free

MAX_STEPS = 20
POLL_MS = 200
# Looking costs a walk over all layers: with nothing to insert for so many turns it is done less often.
IDLE_TURNS, IDLE_MS = 50, 1000
SETTLE_TURNS = 4

CLOSED = tr("The document was closed.")
CONVERTED = tr("The document's colours have changed.")
DELETED = tr("The group with the frames was undone or deleted.")
ANIMATED = tr("The frames are an animation now, from time 0 on.")

#: So often a painter may come between Krita and the animation.
ANIMATION_TRIES = 3


def _ignore(*_values: Any) -> None:
    pass


class FrameInserter(QtCore.QObject):
    """Puts the frames of one job into a group above the layer that they were made from.

    ``put`` only queues. Frames go in one at a time, once the pen has been up for a second, no layer is seen
    alone without them (Krita would show each for a moment), ``placing`` tells where they belong, and no step
    of undo takes away what ``redo`` has seen the painter undo. Each is one such step (the first one together
    with the group), at most ``max_steps`` with the final one, which always goes in, and as many as take
    ``max_bytes`` with it (0: any number). ``replace``, ``locked``, ``others``, ``placing``, ``painted``,
    ``group_id`` and ``layers`` are FrameGroup's: frames go on into an earlier session's group if the document
    still has it.
    The active layer stays the painter's, and of the frames only the newest is visible, unless he hid it.
    Where he has made a stroke since ``begun`` (by time.monotonic; None: now) and the active layer would be
    covered, the group comes in hidden.
    Frames are converted to ``colours``, by default those that the document has now. A document that was
    closed or has other colours by then, or a group that the painter undid or deleted, gets no more frames;
    when the painter redoes the group, or undoes the conversion, later frames go in again. So it is with
    the animated layer that ``animate`` makes of the group.

    Callbacks, called in the GUI thread: ``on_made(key)`` just before the layer that ``id_of`` then tells is
    added to the document; and after the fact:
    ``on_inserted(key)``; ``on_skipped(key)``: not put into the document, for the cap on steps, or because a
    newer one replaced it, or because group or document are gone; ``on_held(key, size)``: nor this one, for
    the cap on bytes, of which it would take so many; ``on_changed()``: frames were undone, redone, deleted,
    hidden or shown, or something was painted in the document; ``on_gone(reason)``: once each time, and with
    "" when frames can go in again; ``on_animated(layer_id, problem)``: one of the two is "".
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
        max_bytes: int = 0,
        begun: float | None = None,
        redo: RedoWatch | None = None,
        placing: Placing | None = None,
        painted: Callable[[], Collection[str]] = tuple,
        others: Callable[[], Collection[str]] = tuple,
        colours: Colours | None = None,
        locked: bool = False,
        group_id: str = "",
        layers: Mapping[str, Any] | None = None,
        on_made: Callable[[Any], None] = _ignore,
        on_inserted: Callable[[Any], None] = _ignore,
        on_skipped: Callable[[Any], None] = _ignore,
        on_held: Callable[[Any, int], None] = _ignore,
        on_changed: Callable[[], None] = _ignore,
        on_gone: Callable[[str], None] = _ignore,
        on_animated: Callable[[str, str], None] = _ignore,
    ) -> None:
        super().__init__()
        self._document, self._pen = document, pen
        self._replace, self._max_steps, self._max_bytes = replace, max_steps, max_bytes
        self._begun = time.monotonic() if begun is None else begun
        self._redo = redo or RedoWatch(document)
        self._colours = colours or document.colours
        self._group = FrameGroup(
            document,
            source,
            group_name,
            self._colours,
            replace=replace,
            locked=locked,
            others=others,
            placing=placing or Placing(document, source.id),
            painted=painted,
            group_id=group_id,
            layers=layers or {},
            on_made=on_made,
        )
        self._on_inserted, self._on_skipped, self._on_gone = on_inserted, on_skipped, on_gone
        self._on_held, self._on_changed, self._on_animated = on_held, on_changed, on_animated
        self._queue: deque[Frame] = deque()
        self._coming: tuple[Frame, Conversion] | None = None
        self._idle_turns = 0
        self._busy = self._polling = self._removing = self._told_gone = self._closed = False
        self._tries_left = 0  # to make the animation that is wanted
        self._animating: Animating | None = None
        self._animated_id = ""
        self._looks, self._looked = self._look(may_show=False), time.monotonic()
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
    def is_shown(self) -> bool:
        """Whether a frame is visible in its group, or their animation is."""
        animated = self._animated_layer()
        return self._group.is_shown or (animated is not None and animated.visible())

    @property
    def is_aside(self) -> bool:
        """Whether the group came hidden, as the painter was painting beneath it, and is so still."""
        return self._group.is_aside

    @property
    def is_kept(self) -> bool:
        """Whether the newest frame came hidden, as the painter paints on an older one, and is so still."""
        return self._group.is_kept

    @property
    def is_out_of_sight(self) -> bool:
        """Whether the painter sees a layer or group alone without these: frames wait until he does not."""
        return self._group.is_out_of_sight

    @property
    def doubled(self) -> str:
        """The name of the source where it shines through the frames, which blend as it does; else ""."""
        return self._group.doubled

    @property
    def keeps_redo(self) -> bool:
        """Whether frames, or their animation, wait, as they would take away what the painter can redo."""
        waits = self._tries_left > 0 or (self.pending > 0 and not self._group.takes_in_place)
        return waits and self._redo.is_at_stake

    @property
    def hindrance(self) -> Hindrance:
        """What frames have been waiting for though the painter does nothing."""
        return self._pen.hindrance() if self.pending else Hindrance()

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
        self.look_soon()

    def look_soon(self) -> None:
        """The document's layers may be others now."""
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
        self.look_soon()

    def leave_layers(self) -> None:
        """Let the frames be layers, if they have not begun to become an animation."""
        self._tries_left = 0

    def set_visible(self, visible: bool) -> None:
        """Show the frames, at least the newest, or hide the group. No undo step."""
        self._group.set_visible(visible)

    def remove(self) -> None:
        """Drop what waits, take the group, or its animation, out of the document, and close. What the painter
        has painted in the group stays, with it."""
        self._drop_waiting()
        self._removing = self._busy
        if self._busy:  # Krita is just adding a layer
            return
        self.close()  # first: Krita runs its event loop while it removes a layer
        animated = self._animated_layer()
        self._group.remove() if animated is None else animated.remove()

    def close(self) -> None:
        """Insert nothing more; frames that still wait are skipped. The layers stay."""
        self._closed, self._tries_left = True, 0
        self._timer.stop()
        for key in self._drop_waiting():
            self._on_skipped(key)

    # Inside.

    def _poll(self) -> None:
        # Krita runs its event loop while it adds a layer, Krita 6 in other calls too, and this timer goes on
        # in there.
        if self._busy or self._polling:
            return
        self._polling = True
        try:
            self._turn()
        finally:
            self._polling = False

    def _turn(self) -> None:
        self._idle_turns = 0 if self.pending else self._idle_turns + 1
        self._timer.setInterval(POLL_MS if self._idle_turns < IDLE_TURNS else IDLE_MS)
        reason = self.gone
        if reason is not None:
            self._skip_all(reason)
            return
        if self._told_gone:
            self._told_gone = False
            self._on_gone("")
        is_calm = self._pen.is_calm()
        self._redo.look()
        waits = self.keeps_redo or (self.pending > 0 and self._group.is_displaced) or any(self.hindrance)
        if self._coming is None or waits:
            looks = self._look(may_show=is_calm and self._coming is None)
            has_painted = is_calm and self._pen.has_painted(self._document, self._looked)
            if has_painted:
                self._looked = time.monotonic()
            if looks != self._looks or has_painted:
                self._looks = looks
                self._on_changed()
        if not is_calm or self._group.is_out_of_sight or waits:
            return
        if self.pending:
            self._pen.start()
            self._advance()
        elif self._tries_left:
            self._animate()

    def _look(self, may_show: bool) -> tuple[Any, ...]:
        return (*self._group.look(may_show), self.keeps_redo, self.hindrance)

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
        if not is_free(self._document) or self._coming is None:
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
            outdated = self._replace and (self._queue or any(frame.key < key for key in self._group.keys))
            # In place there is one step in all, and the last of the others is kept for the final frame.
            is_capped = not self._replace and not frame.final
            if outdated or (is_capped and self._group.steps >= self._max_steps - 1):
                self._on_skipped(frame.key)
            elif is_capped and self._has_no_room_for(frame):
                self._on_held(frame.key, self._size_of(frame))
            else:
                return frame
        return None

    def _has_no_room_for(self, frame: Frame) -> bool:
        count = len(self._group.keys) + 2  # with this one, and one to come for the final frame
        return 0 < self._max_bytes < count * self._size_of(frame)

    def _size_of(self, frame: Frame) -> int:
        """Bytes that it takes as a layer: all frames of a job are of the same size."""
        return frame.pixels.width * frame.pixels.height * pixel_bytes(self._colours)

    def _insert(self, frame: Frame) -> None:
        active = None
        self._busy = True
        try:
            kept = self._document.active
            active = ActiveLayer(self._document, kept, self._group.has, self._pen)
            has_painted = self._pen.has_painted(self._document, self._begun)
            done = self._group.add(frame, aside=has_painted and self._group.would_hide(kept))
        except BaseException:
            if active is not None:
                active.let_go()
            self._busy = False
            self._on_skipped(frame.key)
            raise
        active.let_go_after(SETTLE_TURNS, lambda: self._settled(frame.key, done))

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
        problem = hindrance(self._group)
        if problem:
            self._tries_left = 0
            self._on_animated("", problem)
            return
        if not is_free(self._document):
            return
        self._tries_left -= 1
        self._busy = True
        self._animating = Animating(self._document, group, self._pen, self._animated)

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
