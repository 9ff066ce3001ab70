"""The layers that hold a job's frames, and the group around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from krita import Krita

from .colour import colours_of
from .document import Colours, KritaDocument
from .layers import Layer, find
from .reading import PixelBlock
from .writing import write_pixels


@dataclass(frozen=True)
class Frame:
    """One frame: ``key`` is the caller's number for it, ``name`` the layer's, ``final`` is never left out.

    Numbers rise from frame to frame. ``pixels``: as the server sent them.
    """

    key: Any
    name: str
    pixels: PixelBlock
    final: bool = False


class FrameGroup:
    """Layers in a group of that name, directly above ``source``; all of it may be undone or deleted any time.

    With ``replace`` there is one layer, locked, whose pixels change without undo steps; with ``locked`` all
    are. ``group_id`` and ``layers`` (key → layer id) are those of an earlier session, if there was one.
    ``id``: the group's, "" before the first frame. ``steps``: of undo that were taken. What is done here is
    done at once: nobody asks whether the painter is at work.
    """

    def __init__(
        self,
        document: KritaDocument,
        source: Layer,
        name: str,
        colours: Colours,
        *,
        replace: bool,
        locked: bool,
        group_id: str,
        layers: Mapping[Any, str],
    ) -> None:
        self._document, self._source_id, self._name, self._colours = document, source.id, name, colours
        self._replace, self._locked = replace, locked
        self._layers: dict[Any, str] = dict(layers)  # key → id of its layer, oldest first
        self.id, self.steps = group_id, 0
        present = self._present()
        self._newest = present[-1] if present else ""
        if self.node() is None or (replace and not present):
            self.id = ""

    @property
    def is_there(self) -> bool:
        """Whether more frames can go in; not while the painter has undone or deleted it."""
        return bool(self.nodes()) if self._replace else self.node() is not None

    def node(self) -> Any | None:
        """The group in the document; None while it is not there."""
        if not self.id or not self._document.is_open:
            return None
        return find(self._document.root, self.id)

    def nodes(self) -> list[Any]:
        """The frames' nodes still in the group, the lowest first."""
        group = self.node()
        known = set(self._layers.values())
        nodes = group.childNodes() if group is not None else []
        return [node for node in nodes if node.uniqueId().toString() in known]

    @property
    def keys(self) -> list[Any]:
        """The keys of the frames whose layers are in the document now."""
        present = self._present()
        return [key for key, layer_id in self._layers.items() if layer_id in present]

    @property
    def has_others(self) -> bool:
        """Whether there is more in the group than frames: layers of the painter's, or masks."""
        group = self.node()
        return group is not None and len(group.childNodes()) > len(self.nodes())

    def id_of(self, key: Any) -> str:
        """The id of the layer made for that frame, also while it is undone; empty if there was none."""
        return self._layers.get(key, "")

    def layer_of(self, key: Any) -> Layer | None:
        """The layer that holds that frame; None if it is not in the document."""
        for node in self.nodes():
            if node.uniqueId().toString() == self._layers.get(key):
                return Layer(node)
        return None

    def has(self, node: Any) -> bool:
        """Whether that is the group or a layer of a frame."""
        node_id = node.uniqueId().toString()
        return node_id == self.id or node_id in self._layers.values()

    def add(self, frame: Frame) -> bool:
        """Make the frame the visible layer; false where that is not possible any more.

        Krita runs its event loop meanwhile.
        """
        if not self.id:
            return self._begin(frame)
        return self._refill(frame) if self._replace else self._append(frame)

    def show(self, layer_id: str) -> None:
        """Make that layer the only visible one. No undo step."""
        for node in self.nodes():
            node.setVisible(node.uniqueId().toString() == layer_id)
        self._document.handle.refreshProjection()

    def set_visible(self, visible: bool) -> None:
        """Show or hide the whole group. No undo step."""
        group = self.node()
        if group is not None and group.visible() != visible:
            group.setVisible(visible)
            self._document.handle.refreshProjection()

    def follow_undo(self) -> None:
        """After an undo or redo of a frame, let the newest that is there be the visible one."""
        present = self._present()
        if present and present[-1] != self._newest:
            self._newest = present[-1]
            self.show(self._newest)

    def _present(self) -> list[str]:
        """The ids of the frames' layers in the group, the one that was added first first."""
        there = {node.uniqueId().toString() for node in self.nodes()}
        return [layer_id for layer_id in self._layers.values() if layer_id in there]

    def _filled(self, maker: Any, frame: Frame) -> Any:
        """A new layer, not yet in the document: pixels set before that need no undo step of their own."""
        node = maker.createNode(frame.name, "paintlayer")
        write_pixels(node, frame.pixels)
        node.setLocked(self._locked or (self._replace and not frame.final))
        self._layers.pop(frame.key, None)  # added anew, it is the newest
        self._layers[frame.key] = node.uniqueId().toString()
        return node

    def _begin(self, frame: Frame) -> bool:
        """Add the group with the frame already in it; false if the document went meanwhile."""
        document = self._document
        # Adding to a group is an undo step of the document that made the group, even while the group is
        # nowhere. One without a view takes that step; the user's document then gets both layers in one.
        scratch = Krita.instance().createDocument(1, 1, "", *document.colours, 72.0)
        try:
            group = scratch.createGroupLayer(self._name)
            group.addChildNode(self._filled(scratch, frame), None)
            if not document.is_open:
                return False
            self.id = group.uniqueId().toString()
            root = document.root
            source = find(root, self._source_id)
            (source.parentNode() if source is not None else root).addChildNode(group, source)
        finally:
            scratch.close()
        self._has_added(frame)
        return True

    def _append(self, frame: Frame) -> bool:
        group, nodes = self.node(), self.nodes()
        if group is None:
            return False
        keys = {layer_id: key for key, layer_id in self._layers.items()}
        lower = [node for node in nodes if keys[node.uniqueId().toString()] < frame.key]
        node = self._filled(self._document.handle, frame)
        # Hidden first, so that the update that comes with the new layer shows this as well.
        for older in nodes:
            older.setVisible(False)
        # One that was fetched later lies where it belongs. Below all others Krita's scripting puts none.
        group.addChildNode(node, lower[-1] if lower else None)
        self._has_added(frame)
        return True

    def _has_added(self, frame: Frame) -> None:
        self.steps += 1
        self._newest = self._layers[frame.key]

    def _refill(self, frame: Frame) -> bool:
        node = self.nodes()[-1]
        if colours_of(node) != self._colours:  # the painter has converted this layer
            return False
        write_pixels(node, frame.pixels)
        node.setName(frame.name)
        # A stroke on it would be lost with the next frame, and undoing that stroke would spoil the pixels.
        node.setLocked(self._locked or not frame.final)
        self._layers = {frame.key: node.uniqueId().toString()}
        self._document.handle.refreshProjection()
        self._document.handle.setModified(True)
        return True
