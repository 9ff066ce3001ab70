"""Krita's documents; ``Document`` itself stands for "no document" and answers everything harmlessly."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

from krita import Krita

from ..qt import QtCore, QtGui
from ..translation import tr
from .errors import HostError
from .layers import Layer, below, id_of

NO_DOCUMENT = HostError(tr("No document is open."), tr("Open or create one first."))


class Colours(NamedTuple):
    """A colour space as Krita names it, such as RGBA, U8, sRGB-elle-V2-srgbtrc.icc."""

    model: str
    depth: str
    profile: str


class StyleChoice(NamedTuple):
    """Something in Krita that can serve as a style: a layer, or a whole document where ``layer`` is None."""

    document: KritaDocument
    layer: Layer | None

    @property
    def label(self) -> str:
        return self.layer.name if self.layer else self.document.name

    def thumbnail(self, side: int) -> QtGui.QImage:
        """A picture of it, at most ``side`` px wide and high."""
        return self.layer.thumbnail(side) if self.layer else self.document.thumbnail(side)


class Document:
    """No document."""

    id = ""
    name = ""
    file = ""
    is_open = False
    is_in_front = False
    size: tuple[int, int] = (0, 0)
    #: The ids of the layers chosen in Krita's list; none for a document behind others.
    chosen: tuple[str, ...] = ()
    #: The active layer's node; None: there is none.
    active: Any = None

    def source(self, layer_id: str | None = None) -> Layer:
        """The active layer, or the one with that id. Raises HostError."""
        raise NO_DOCUMENT

    def layers(self) -> list[Layer]:
        """All layers, masks and groups, the topmost of the layer list first."""
        return []

    def __bool__(self) -> bool:
        return self.is_open


class KritaDocument(Document):
    """A document in Krita. Two of the same document are equal, and have the same ``id`` in this session."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.id = _id_of(handle)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KritaDocument) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def is_open(self) -> bool:  # type: ignore[override]
        """Whether Krita still has it: nothing else may be asked of a closed document."""
        return any(handle == self.handle for handle in Krita.instance().documents())

    @property
    def is_in_front(self) -> bool:  # type: ignore[override]
        """Whether its view is the active one."""
        return Krita.instance().activeDocument() == self.handle

    @property
    def file(self) -> str:  # type: ignore[override]
        """Where it was saved or opened; empty for a new one."""
        return self.handle.fileName()

    @property
    def name(self) -> str:  # type: ignore[override]
        """Its file's name, else its title, else “Untitled”."""
        file_name = self.file.replace("\\", "/").rsplit("/", 1)[-1]
        return file_name or self.handle.name() or tr("Untitled")

    @property
    def size(self) -> tuple[int, int]:  # type: ignore[override]
        """Width and height in px."""
        return self.handle.width(), self.handle.height()

    @property
    def canvas(self) -> QtCore.QRect:
        return QtCore.QRect(0, 0, *self.size)

    @property
    def colours(self) -> Colours:
        return Colours(self.handle.colorModel(), self.handle.colorDepth(), self.handle.colorProfile())

    @property
    def root(self) -> Any:
        """The root node. Never keep it: flattening the image replaces it."""
        return self.handle.rootNode()

    @property
    def views(self) -> list[Any]:
        """Those of all windows, those behind another tab included."""
        windows = Krita.instance().windows()
        return [view for window in windows for view in window.views() if view.document() == self.handle]

    @property
    def active(self) -> Any | None:  # type: ignore[override]
        """The node that is active where the painter works; None where no view shows the document."""
        # Asked for the active node, Krita 6 runs its event loop; and it tells that of the first view, while
        # each window has an active layer of its own.
        chosen = self._chosen
        if len(chosen) == 1:
            return chosen[0]
        node = self.handle.activeNode()
        return node if not chosen or node in chosen else chosen[0]

    @property
    def chosen(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(id_of(node) for node in self._chosen)

    @property
    def _chosen(self) -> list[Any]:
        window = Krita.instance().activeWindow()
        view = window.activeView() if window is not None else None
        return view.selectedNodes() if view is not None and view.document() == self.handle else []

    @property
    def isolated(self) -> Any | None:
        """The node that alone is seen, by *Isolate Active Layer* or *Isolate Active Group*; None also for a
        document behind others."""
        if not self.is_in_front:
            return None
        if _is_checked("isolate_active_layer"):
            return self.active
        active = self.active if _is_checked("isolate_active_group") else None
        return active.parentNode() if active is not None else None

    def source(self, layer_id: str | None = None) -> Layer:
        if not self.is_open:
            raise HostError(tr("The document has been closed."), tr("Open it again first."))
        if layer_id is not None:
            for layer in self.layers():
                if layer.id == layer_id:
                    return layer
            raise HostError(tr("The layer is no longer there."), tr("Choose another layer."))
        node = self.active
        if node is None:
            raise HostError(tr("No layer is active."), tr("Choose a layer in the Layers docker."))
        return Layer(node)

    def layers(self) -> list[Layer]:
        return [Layer(node) for node in below(self.root)] if self.is_open else []

    def thumbnail(self, side: int) -> QtGui.QImage:
        """A picture of it, at most ``side`` px wide and high."""
        return self.handle.thumbnail(side, side)


def _is_checked(name: str) -> bool:
    action = Krita.instance().action(name)
    return action is not None and action.isChecked()


def current() -> Document:
    """The document whose view is active; the null document where there is none."""
    handle = Krita.instance().activeDocument()
    return KritaDocument(handle) if handle is not None else Document()


def open_documents() -> list[KritaDocument]:
    """All documents that Krita shows, not those that scripts work with for a moment."""
    krita = Krita.instance()
    shown = [view.document() for window in krita.windows() for view in window.views()]
    return [KritaDocument(handle) for handle in krita.documents() if handle in shown]


def styles(document: Document, source: Layer | None = None) -> list[StyleChoice]:
    """What a style picker offers: layers of ``document`` other than ``source``, then other documents."""
    found: list[StyleChoice] = []
    if isinstance(document, KritaDocument):
        others = (layer for layer in document.layers() if layer != source and not layer.is_mask)
        found += [StyleChoice(document, layer) for layer in others]
    return found + [StyleChoice(other, None) for other in open_documents() if other != document]


# Krita's own handles change from call to call; a file name can be missing, and can be that of two documents.
_known: list[tuple[Any, str]] = []


def _id_of(handle: Any) -> str:
    for known, known_id in _known:
        if known == handle:
            return known_id
    still_open = Krita.instance().documents()
    _known[:] = [entry for entry in _known if entry[0] in still_open]
    _known.append((handle, uuid.uuid4().hex))
    return _known[-1][1]


def is_known(document_id: str) -> bool:
    """Whether the document with that id has been seen, and was open when the latest new one was."""
    return any(known_id == document_id for _handle, known_id in _known)
