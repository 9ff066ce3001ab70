"""The layers that hold a job's frames, and the group around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Collection, Mapping

from .colour import colours_of
from .document import Colours, KritaDocument
from .layers import Layer, find, id_of, place_of
from .placing import Placing
from .reading import PixelBlock
from .scratch import scratch_document
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
    """Layers in a group of that name above ``source``; all of it may be undone or deleted any time.

    Between the two lie only groups and animations that ``others`` tells the ids of, made of the same source
    before: what is painted last is seen. ``placing`` tells where on the canvas frames belong; ``painted`` the
    ids of layers that the painter has painted on, or changed otherwise.
    The group blends with what lies beneath as ``source`` does: with its mode and opacity, and clipped if
    that inherits alpha.
    With ``replace`` there is one layer, locked, whose pixels change without undo steps, and another above it
    once the painter has unlocked and painted it; with ``locked`` all
    are. ``group_id`` and ``layers`` (layer id → key) are those of an earlier session, if there was one.
    ``id``: the group's, "" before the first frame. ``steps``: of undo that were taken. What is done here is
    done at once: nobody asks whether the painter is at work.

    Of the frames the newest is visible, until the painter has hidden it: then those that follow stay hidden
    as well, until he shows one. So it is while he paints on a frame that is the active layer. The group is
    shown and hidden by ``show`` and ``set_visible`` alone.
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
        others: Callable[[], Collection[str]],
        placing: Placing,
        painted: Callable[[], Collection[str]],
        group_id: str,
        layers: Mapping[str, Any],
        on_made: Callable[[Any], None],
    ) -> None:
        self._document, self._source_id, self._name, self._colours = document, source.id, name, colours
        self._replace, self._locked, self._on_made = replace, locked, on_made
        self._others, self._placing, self._painted = others, placing, painted
        # Oldest first. A frame that was deleted and fetched has had two layers, and undoing brings each back.
        self._keys: dict[str, Any] = dict(layers)
        self.id, self.steps = group_id, 0
        nodes = self.nodes()
        self._present = self._by_age(nodes)  # when it was looked last
        self._seen = ""  # the frame that was visible then, or before
        self._is_hidden_by_painter = bool(nodes) and not _any_visible(nodes)
        self._is_aside = self._is_stale = self._is_kept = False
        if self.node() is None or (replace and not nodes):
            self.id = ""

    @property
    def is_there(self) -> bool:
        """Whether more frames can go in; not while the painter has undone or deleted it."""
        return bool(self.nodes()) if self._replace else self.node() is not None

    @property
    def takes_in_place(self) -> bool:
        """Whether the next frame takes the place of one that is there."""
        nodes = self.nodes() if self._replace else []
        return bool(nodes) and id_of(nodes[-1]) not in self._painted()

    def node(self) -> Any | None:
        """The group in the document; None while it is not there."""
        if not self.id or not self._document.is_open:
            return None
        return find(self._document.root, self.id)

    def nodes(self) -> list[Any]:
        """The frames' nodes still in the group, the lowest first."""
        return self._frames_in(self.node())

    def _frames_in(self, group: Any | None) -> list[Any]:
        nodes = group.childNodes() if group is not None else []
        return [node for node in nodes if id_of(node) in self._keys]

    @property
    def keys(self) -> list[Any]:
        """The keys of the frames whose layers are in the document now."""
        return list(dict.fromkeys(self._keys[layer_id] for layer_id in self._by_age(self.nodes())))

    @property
    def is_shown(self) -> bool:
        """Whether the group is visible, and one of its frames."""
        group = self.node()
        return group is not None and group.visible() and _any_visible(self._frames_in(group))

    @property
    def is_aside(self) -> bool:
        """Whether it came hidden, and nobody has shown it since."""
        group = self.node()
        return self._is_aside and group is not None and not group.visible()

    @property
    def is_kept(self) -> bool:
        """Whether the newest frame came hidden, as the painter paints on an older one, and is so still."""
        newest = self._newest(self.nodes()) if self._is_kept else None
        return newest is not None and not newest.visible()

    @property
    def is_out_of_sight(self) -> bool:
        """Whether the painter sees another layer alone, now or once the group is there."""
        alone = self._document.isolated if self._document.is_open else None
        if alone is None:
            return False
        its, group = place_of(alone), self.node()
        if group is not None:
            mine = place_of(group)
            return mine[: len(its)] != its[: len(mine)]
        source = self._source()
        around = place_of(source)[:-1] if source is not None else []
        return around[: len(its)] != its

    @property
    def is_displaced(self) -> bool:
        """Whether nobody can tell where on the canvas frames belong now."""
        return self._placing.offset(self._newest(self.nodes())) is None

    def _newest(self, nodes: list[Any]) -> Any | None:
        ages = {layer_id: age for age, layer_id in enumerate(self._keys)}
        return max(nodes, key=lambda node: ages[id_of(node)], default=None)

    @property
    def doubled(self) -> str:
        """The name of the source where it shines through the frames, which blend as it does; else ""."""
        group = self.node()
        if group is None or _is_plain(group):
            return ""
        source = self._source()
        return source.name() if source is not None and source.visible() and not _is_plain(source) else ""

    def _source(self) -> Any | None:
        return find(self._document.root, self._source_id)

    def _beneath(self) -> Any | None:
        """What the group comes directly above; None: it comes to the top."""
        beneath = self._source()
        if beneath is not None:
            others = self._others()
            for node in beneath.parentNode().childNodes()[place_of(beneath)[-1] + 1 :]:
                if id_of(node) not in others:
                    break
                beneath = node
        return beneath

    def would_hide(self, node: Any | None) -> bool:
        """Whether the group is yet to come, and then lies above ``node``."""
        if self.id or node is None:
            return False
        beneath = self._beneath()
        if beneath is None:
            return True
        place = place_of(beneath)
        return place_of(node)[: len(place)] <= place

    @property
    def has_others(self) -> bool:
        """Whether there is more in the group than frames: layers of the painter's, or masks."""
        group = self.node()
        return group is not None and len(group.childNodes()) > len(self.nodes())

    def id_of(self, key: Any) -> str:
        """The id of the layer made for that frame, also while it is undone; empty if there was none."""
        return next((layer_id for layer_id, known in reversed(list(self._keys.items())) if known == key), "")

    def layer_of(self, key: Any) -> Layer | None:
        """The layer that holds that frame; None if it is not in the document."""
        return next((Layer(node) for node in self.nodes() if self._keys[id_of(node)] == key), None)

    def has(self, node: Any) -> bool:
        """Whether that is the group or a layer of a frame."""
        return id_of(node) == self.id or id_of(node) in self._keys

    def add(self, frame: Frame, aside: bool = False) -> bool:
        """Make the frame the visible layer; false where that is not possible any more.

        ``aside``: where it is the first, the group comes hidden. Krita runs its event loop meanwhile.
        """
        if not self.id:
            return self._begin(frame, aside)
        self.look(may_show=True)
        return self._refill(frame) if self.takes_in_place else self._append(frame)

    def remove(self) -> None:
        """Take the group out of the document, as one undo step; but nothing that the painter has painted.

        With layers or masks of his in it, or a frame that he has painted on, it stays: the other frames go,
        each a step.
        """
        group, nodes, painted = self.node(), self.nodes(), self._painted()
        others = [node for node in nodes if id_of(node) not in painted and not node.childNodes()]
        if group is not None and (self.has_others or len(others) < len(nodes)):
            for node in others:
                node.remove()
        elif group is not None:
            group.remove()

    def show(self, layer_id: str) -> None:
        """Make that layer the only visible one, and the group visible. No undo step."""
        group = self.node()
        if group is not None:
            self._is_aside = False
            group.setVisible(True)
            self._reveal(layer_id)

    def set_visible(self, visible: bool) -> None:
        """Show the group, and the newest frame where all are hidden, or hide the group. No undo step."""
        group = self.node()
        if group is None:
            return
        nodes = self._frames_in(group)
        if visible and nodes and not _any_visible(nodes):
            self.show(self._by_age(nodes)[-1])
        elif group.visible() != visible:
            group.setVisible(visible)
            self._is_aside = self._is_stale = False
            self._document.handle.refreshProjection()

    def look(self, may_show: bool) -> tuple[Any, ...]:
        """What the painter can have changed: the frames that are there, and what is visible of them.

        ``may_show``: after he undid the visible frame, or redid one, the newest is made visible.
        """
        group = self.node()
        nodes = self._frames_in(group)
        if may_show:
            self._follow(nodes)
            if self._is_stale:
                self._draw()
        frames = [(id_of(node), node.visible()) for node in nodes]
        is_visible = group is not None and group.visible()
        self._is_aside = self._is_aside and not is_visible
        is_displaced = self._placing.offset(self._newest(nodes)) is None
        return frames, is_visible, self.is_out_of_sight, self.doubled, is_displaced, self.is_kept

    def _follow(self, nodes: list[Any]) -> None:
        present, visible = self._by_age(nodes), [id_of(node) for node in nodes if node.visible()]
        is_lost = not visible and self._seen not in present
        has_come = bool(present) and present[-1] not in self._present
        self._present = present
        if present and (is_lost or has_come) and not self._is_hidden_by_painter:
            self._reveal(present[-1])
        elif visible:
            self._seen, self._is_hidden_by_painter = visible[-1], False
        elif present:
            self._is_hidden_by_painter = True

    def _reveal(self, layer_id: str) -> None:
        """Make that layer the only visible one in the group."""
        for node in self.nodes():
            node.setVisible(id_of(node) == layer_id)
        self._seen, self._is_hidden_by_painter, self._is_kept = layer_id, False, False
        self._draw()

    def _draw(self) -> None:
        """Have the canvas drawn anew: now, or once the group is to be seen on it."""
        group = self.node()
        self._is_stale = group is None or not Layer(group).is_shown
        if not self._is_stale:
            self._document.handle.refreshProjection()

    def _by_age(self, nodes: list[Any]) -> list[str]:
        """The ids of these frames, the one that was added first first."""
        there = {id_of(node) for node in nodes}
        return [layer_id for layer_id in self._keys if layer_id in there]

    def _filled(self, maker: Any, frame: Frame) -> Any:
        """A new layer, not yet in the document: pixels set before that need no undo step of their own."""
        node = maker.createNode(frame.name, "paintlayer")
        write_pixels(node, frame.pixels)
        self._placing.put(node)
        node.setLocked(self._locked or (self._replace and not frame.final))
        self._keys[id_of(node)] = frame.key
        return node

    def _begin(self, frame: Frame, aside: bool) -> bool:
        """Add the group with the frame already in it; false if the document went meanwhile."""
        document = self._document
        # Adding to a group is an undo step of the document that made the group, even while the group is
        # nowhere. One without a view takes that step; the user's document then gets both layers in one.
        scratch = scratch_document(document.colours)
        try:
            group = scratch.createGroupLayer(self._name)
            group.setVisible(not aside)
            group.addChildNode(self._filled(scratch, frame), None)
            if not document.is_open:
                return False
            self.id, self._is_aside = id_of(group), aside
            self._on_made(frame.key)
            source, beneath = self._source(), self._beneath()
            if source is not None:
                _blend_alike(group, source)
            (beneath.parentNode() if beneath is not None else document.root).addChildNode(group, beneath)
        finally:
            scratch.close()
        self._has_added()
        return True

    def _append(self, frame: Frame) -> bool:
        group, nodes = self.node(), self.nodes()
        if group is None:
            return False
        lower = [node for node in nodes if self._keys[id_of(node)] < frame.key]
        node = self._filled(self._document.handle, frame)
        active = self._document.active
        self._is_kept = (
            active is not None and self.has(active) and id_of(active) in self._painted() and active.visible()
        )
        # Hidden first, so that the update that comes with the new layer shows this as well.
        for hidden in [node] if self._is_hidden_by_painter or self._is_kept else nodes:
            hidden.setVisible(False)
        self._on_made(frame.key)
        # One that was fetched later lies where it belongs. Below all others Krita's scripting puts none: then
        # it is the second.
        group.addChildNode(node, (lower or nodes[:1] or [None])[-1])
        self._has_added()
        return True

    def _has_added(self) -> None:
        self.steps += 1
        self._present = [*self._present, next(reversed(list(self._keys)))]
        if not self._is_hidden_by_painter and not self._is_kept:
            self._seen = self._present[-1]

    def _refill(self, frame: Frame) -> bool:
        node = self.nodes()[-1]
        if colours_of(node) != self._colours:  # the painter has converted this layer
            return False
        write_pixels(node, frame.pixels, self._placing.latest)
        self._placing.rewritten(node)
        node.setName(frame.name)
        # A stroke on it would be lost with the next frame, and undoing that stroke would spoil the pixels.
        node.setLocked(self._locked or not frame.final)
        self._keys[id_of(node)] = frame.key
        if node.visible():
            self._draw()
        self._document.handle.setModified(True)
        return True


def _blend_alike(node: Any, other: Any) -> None:
    node.setBlendingMode(other.blendingMode())
    node.setOpacity(other.opacity())
    node.setInheritAlpha(other.inheritAlpha())


def _is_plain(node: Any) -> bool:
    """Whether it hides what lies beneath."""
    return node.blendingMode() == "normal" and node.opacity() == 255


def _any_visible(nodes: list[Any]) -> bool:
    return any(node.visible() for node in nodes)
