"""All that touches Krita's documents, layers and pixels. GUI thread only; knows nothing of the network.

document = current()                                  # null document where none is open
content = read_content(document, document.source())   # raises HostError
styles(document, content.layer)                       # what a style picker offers
frames = FrameInserter(document, content.layer, "Starry Night", pen, on_inserted=…)
frames.put(Frame(key, "iteration 10", PixelBlock(…)))
"""

from .document import Colours, Document, KritaDocument, StyleChoice, current, open_documents, styles
from .errors import HostError
from .frames import Frame, FrameInserter
from .layers import Layer
from .pen import PenWatch
from .reading import Content, PixelBlock, must_hold_frames, read_content, read_style

__all__ = [
    "Colours",
    "Content",
    "Document",
    "Frame",
    "FrameInserter",
    "HostError",
    "KritaDocument",
    "Layer",
    "PenWatch",
    "PixelBlock",
    "StyleChoice",
    "current",
    "must_hold_frames",
    "open_documents",
    "read_content",
    "read_style",
    "styles",
]
