"""One layer of a document, and finding layers again."""

from __future__ import annotations

from typing import Any, Iterator

from krita import Krita

from ..qt import QtCore, QtGui


class Layer:
    """A layer, mask or group; valid as long as its document is open. Two of the same layer are equal."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.id = id_of(node)
        self.name: str = node.name()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layer) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def kind(self) -> str:
        """Krita's name of its type, such as paintlayer or grouplayer."""
        return self.node.type()

    @property
    def is_group(self) -> bool:
        return self.kind == "grouplayer"

    @property
    def is_mask(self) -> bool:
        return self.kind.endswith("mask")

    @property
    def is_shown(self) -> bool:
        """Whether it and all groups around it are visible."""
        node = self.node
        while node is not None:
            if not node.visible():
                return False
            node = node.parentNode()
        return True

    @property
    def bounds(self) -> QtCore.QRect:
        """Where it has content, in px of the document; may exceed the canvas."""
        return self.node.bounds()

    def thumbnail(self, side: int) -> QtGui.QImage:
        """A picture of it on its whole canvas, at most ``side`` px wide and high."""
        # Krita draws the canvas into whatever size it is told.
        width, height = _canvas_of(self.node)
        longest = max(width, height)
        return self.node.thumbnail(*(max(1, round(side * length / longest)) for length in (width, height)))


def _canvas_of(node: Any) -> tuple[int, int]:
    """Width and height in px of the image that has the node; 1, 1 where none has it."""
    while node.parentNode() is not None:
        node = node.parentNode()
    roots = ((known.rootNode(), known) for known in Krita.instance().documents())
    found = next((known for root, known in roots if root == node), None)
    return (found.width(), found.height()) if found is not None else (1, 1)


def id_of(node: Any) -> str:
    """What names the node for as long as its document exists, in its file as well."""
    return node.uniqueId().toString()


def below(node: Any) -> Iterator[Any]:
    """All nodes under ``node``, the topmost of the layer list first."""
    for child in reversed(node.childNodes()):
        yield child
        yield from below(child)


def find(root: Any, layer_id: str) -> Any | None:
    """The node with that id under ``root``; None where it has been deleted, undone or flattened."""
    # Krita 5.1's nodeByUniqueID() returns an object without the methods of a node.
    for node in below(root):
        if id_of(node) == layer_id:
            return node
    return None


def place_of(node: Any) -> list[int]:
    """Where it is in the stack, from the root down: of two layers the lower one has the smaller numbers."""
    parent = node.parentNode()
    if parent is None:
        return []
    ids = [child.uniqueId() for child in parent.childNodes()]
    return [*place_of(parent), ids.index(node.uniqueId())]
