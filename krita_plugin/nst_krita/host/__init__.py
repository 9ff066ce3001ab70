"""All that touches Krita's documents, layers and pixels. GUI thread only; knows nothing of the network.

document = current()                                  # null document where none is open
content = read_content(document, document.source())   # raises HostError
styles(document, content.layer)                       # what a style picker offers
frames = FrameInserter(document, content.layer, "Starry Night", pen, on_inserted=…)
frames.put(Frame(key, "iteration 10", PixelBlock(…)))
"""

from .active import AfterUndo
from .annotations import MAX_BYTES as MAX_ANNOTATION
from .annotations import MAX_MASK_BYTES, read_annotation, read_mask, write_annotation, write_masks
from .colour import must_have_colour
from .document import (
    Colours,
    Document,
    KritaDocument,
    StyleChoice,
    current,
    is_known,
    open_documents,
    styles,
)
from .edits import EditWatch
from .errors import HostError
from .frame_group import Frame
from .frames import ANIMATED, CLOSED, CONVERTED, DELETED, MAX_STEPS, FrameInserter
from .layers import Layer
from .pen import PenWatch
from .placing import Placing
from .reading import Content, PixelBlock, read_content, read_start, read_style
from .redo import RedoWatch
from .regions import extent, read_alpha, read_colours, read_selection, sample_colours
from .under_way import to_finish

__all__ = [
    "ANIMATED",
    "CLOSED",
    "CONVERTED",
    "DELETED",
    "MAX_ANNOTATION",
    "MAX_MASK_BYTES",
    "MAX_STEPS",
    "AfterUndo",
    "Colours",
    "Content",
    "Document",
    "EditWatch",
    "Frame",
    "FrameInserter",
    "HostError",
    "KritaDocument",
    "Layer",
    "PenWatch",
    "PixelBlock",
    "Placing",
    "RedoWatch",
    "StyleChoice",
    "current",
    "extent",
    "is_known",
    "must_have_colour",
    "open_documents",
    "read_alpha",
    "read_annotation",
    "read_colours",
    "read_content",
    "read_mask",
    "read_selection",
    "read_start",
    "read_style",
    "sample_colours",
    "styles",
    "to_finish",
    "write_annotation",
    "write_masks",
]
