"""Frames of a job as layers of a document, without getting in the painter's way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from krita import Krita

from ..qt import QtCore
from .colour import colours_of
from .conversion import Conversion
from .document import Colours, KritaDocument
from .errors import HostError
from .layers import Layer, find
from .pen import PenWatch
from .reading import PixelBlock

MAX_STEPS = 20
POLL_MS = 200
# Looking costs a walk over all layers: with nothing to insert for so many turns it is done less often.
IDLE_TURNS, IDLE_MS = 50, 1000
# Krita makes a new layer the active one up to a few turns of its event loop later.
SETTLE_TURNS = 4
SETTLE_MS = 10
# Two of Krita's tiles: a strip that begins on their border is written without reading them.
STRIP_ROWS = 128

CLOSED = "The document was closed."
CONVERTED = "The document's colours have changed."
DELETED = "The group with the frames was undone or deleted."


@dataclass(frozen=True)
class Frame:
    """One frame: ``key`` is the caller's name for it, ``name`` the layer's, ``final`` is never left out.

    ``pixels``: as the server sent them.
    """

    key: Any
    name: str
    pixels: PixelBlock
    final: bool = False


def _ignore(_value: Any) -> None:
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
    when the painter redoes the group, or undoes the conversion, later frames go in again.

    Three callbacks, called in the GUI thread after the fact:
    ``on_inserted(key)``; ``on_skipped(key)``: not put into the document, for the cap, or because a newer
    one replaced it, or because group or document are gone; ``on_gone(reason)``: once each time.
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
    ) -> None:
        super().__init__()
        self._document, self._source_id, self._group_name, self._pen = document, source.id, group_name, pen
        self._replace, self._max_steps, self._locked = replace, max_steps, locked
        self._colours = colours or document.colours
        self._on_inserted, self._on_skipped, self._on_gone = on_inserted, on_skipped, on_gone
        self._queue: deque[Frame] = deque()
        self._coming: tuple[Frame, Conversion] | None = None
        self._group_id: str | None = group_id or None
        self._layers: dict[Any, str] = dict(layers or {})  # key → id of its layer, oldest first
        nodes = self._frame_nodes()
        self._newest: str | None = nodes[-1].uniqueId().toString() if nodes else None
        if self._group() is None or (replace and not nodes):
            self._group_id = None
        self._steps = self._idle_turns = 0
        self._busy = self._removing = self._told_gone = self._closed = False
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
    def group_id(self) -> str:
        """The id of the group; empty before the first frame."""
        return self._group_id or ""

    @property
    def inserted(self) -> list[Any]:
        """The keys of the frames whose layers are in the document now."""
        present = {node.uniqueId().toString() for node in self._frame_nodes()}
        return [key for key, layer_id in self._layers.items() if layer_id in present]

    @property
    def gone(self) -> str | None:
        """Why frames can no longer be inserted, in one sentence; None if they can."""
        if not self._document.is_open:
            return CLOSED
        if self._document.colours != self._colours:
            return CONVERTED
        if self._group_id is None:
            return None
        there = self._frame_nodes() if self._replace else self._group() is not None
        return None if there else DELETED

    def id_of(self, key: Any) -> str:
        """The id of the layer made for that frame, also while it is undone; empty if there was none."""
        return self._layers.get(key, "")

    def layer_of(self, key: Any) -> Layer | None:
        """The layer that holds that frame; None if it is not in the document."""
        for node in self._frame_nodes():
            if node.uniqueId().toString() == self._layers.get(key):
                return Layer(node)
        return None

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
            self._show_only(layer.id)
        return layer is not None

    def set_visible(self, visible: bool) -> None:
        """Show or hide the whole group. No undo step."""
        group = self._group()
        if group is not None and group.visible() != visible:
            group.setVisible(visible)
            self._document.handle.refreshProjection()

    def remove(self) -> None:
        """Drop what waits and take the group out of the document, as one undo step; and close."""
        self._drop_waiting()
        self._removing = self._busy
        if self._busy:  # Krita is just adding a layer
            return
        self.close()  # first: Krita runs its event loop while it removes a layer
        group = self._group()
        if group is not None:
            group.remove()

    def close(self) -> None:
        """Insert nothing more; frames that still wait are skipped. The layers stay."""
        self._closed = True
        self._timer.stop()
        for key in self._drop_waiting():
            self._on_skipped(key)

    # Inside.

    def _group(self) -> Any | None:
        if self._group_id is None or not self._document.is_open:
            return None
        return find(self._document.root, self._group_id)

    def _frame_nodes(self) -> list[Any]:
        """The frames' nodes still in the group, the lowest first."""
        group = self._group()
        known = set(self._layers.values())
        nodes = group.childNodes() if group is not None else []
        return [node for node in nodes if node.uniqueId().toString() in known]

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
        self._told_gone = False
        if not self.pending:
            self._follow_undo()
        elif self._pen.is_calm():
            self._pen.start()
            self._advance()

    def _skip_all(self, reason: str) -> None:
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
            over = not self._replace and not frame.final and self._steps >= self._max_steps - 1
            if not outdated and not over:
                return frame
            self._on_skipped(frame.key)
        return None

    def _insert(self, frame: Frame) -> None:
        self._busy = True
        try:
            kept = self._document.handle.activeNode()
            nodes = self._frame_nodes()
            if self._group_id is None:
                done = self._add_group(frame)
            elif self._replace:
                done = self._refill(nodes[-1], frame)
            else:
                done = self._add(frame, nodes)
        except BaseException:
            self._busy = False
            self._on_skipped(frame.key)
            raise
        self._settle(frame.key, done, kept, SETTLE_TURNS)

    def _settle(self, key: Any, done: bool, kept: Any, turns: int) -> None:
        """Keep the painter's layer the active one until Krita has stopped activating ours."""
        is_open = self._document.is_open
        if is_open and kept is not None:
            active = self._document.handle.activeNode()
            if active is not None and active != kept and self._is_ours(active):
                self._document.handle.setActiveNode(kept)
        if is_open and turns:
            QtCore.QTimer.singleShot(SETTLE_MS, lambda: self._settle(key, done, kept, turns - 1))
            return
        self._busy = False
        removing = self._removing
        if removing:
            self.remove()
        # Closed meanwhile, the document had it all the same.
        (self._on_inserted if done and not removing else self._on_skipped)(key)

    def _is_ours(self, node: Any) -> bool:
        node_id = node.uniqueId().toString()
        return node_id == self._group_id or node_id in self._layers.values()

    def _filled(self, maker: Any, frame: Frame) -> Any:
        """A new layer, not yet in the document: pixels set before that need no undo step of their own."""
        node = maker.createNode(frame.name, "paintlayer")
        _write(node, frame.pixels)
        node.setLocked(self._locked or (self._replace and not frame.final))
        self._layers[frame.key] = node.uniqueId().toString()
        return node

    def _add_group(self, frame: Frame) -> bool:
        """Add the group with the frame already in it; false if the document went meanwhile."""
        document = self._document
        # Adding to a group is an undo step of the document that made the group, even while the group is
        # nowhere. One without a view takes that step; the user's document then gets both layers in one.
        scratch = Krita.instance().createDocument(1, 1, "", *document.colours, 72.0)
        try:
            group = scratch.createGroupLayer(self._group_name)
            group.addChildNode(self._filled(scratch, frame), None)
            if not document.is_open:
                return False
            self._group_id = group.uniqueId().toString()
            root = document.root
            source = find(root, self._source_id)
            (source.parentNode() if source is not None else root).addChildNode(group, source)
        finally:
            scratch.close()
        self._steps += 1
        self._newest = self._layers[frame.key]
        return True

    def _add(self, frame: Frame, nodes: list[Any]) -> bool:
        group = self._group()
        if group is None:
            return False
        node = self._filled(self._document.handle, frame)
        # Hidden first, so that the update that comes with the new layer shows this as well.
        for older in nodes:
            older.setVisible(False)
        group.addChildNode(node, nodes[-1] if nodes else None)
        self._steps += 1
        self._newest = self._layers[frame.key]
        return True

    def _refill(self, node: Any, frame: Frame) -> bool:
        if colours_of(node) != self._colours:  # the painter has converted this layer
            return False
        _write(node, frame.pixels)
        node.setName(frame.name)
        # A stroke on it would be lost with the next frame, and undoing that stroke would spoil the pixels.
        node.setLocked(self._locked or not frame.final)
        self._layers = {frame.key: node.uniqueId().toString()}
        self._document.handle.refreshProjection()
        self._document.handle.setModified(True)
        return True

    def _follow_undo(self) -> None:
        """After an undo or redo of a frame, let the newest that is there be the visible one."""
        nodes = self._frame_nodes()
        newest = nodes[-1].uniqueId().toString() if nodes else None
        if newest is not None and newest != self._newest and self._pen.is_calm():
            self._newest = newest
            self._show_only(newest)

    def _show_only(self, layer_id: str) -> None:
        for node in self._frame_nodes():
            node.setVisible(node.uniqueId().toString() == layer_id)
        self._document.handle.refreshProjection()


def _write(node: Any, pixels: PixelBlock) -> None:
    # Strip by strip: for the whole, Qt would take fresh memory, which costs more than the copying itself.
    data, stride = memoryview(pixels.data), len(pixels.data) // pixels.height
    for row in range(0, pixels.height, STRIP_ROWS):
        rows = min(STRIP_ROWS, pixels.height - row)
        strip = bytes(data[row * stride : (row + rows) * stride])
        node.setPixelData(strip, pixels.x, pixels.y + row, pixels.width, rows)
