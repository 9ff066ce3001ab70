"""What the plugin keeps in a document's own file: one text, which Krita saves and loads with the image."""

from __future__ import annotations

from ..qt import QtCore, to_bytes
from .document import Document, KritaDocument

#: The file inside a .kra; no other format that Krita writes gets it.
KEY = "nst_krita"
DESCRIPTION = "Neural Style Transfer: jobs and settings of this document (JSON)"
#: What a document may be made to carry, in bytes: about thirty jobs.
MAX_BYTES = 64 * 1024


def read_annotation(document: Document) -> str:
    """The text, "" where there is none or it cannot be one of ours."""
    if not isinstance(document, KritaDocument) or not document.is_open:
        return ""
    data = to_bytes(document.handle.annotation(KEY))
    return data.decode("utf-8", "replace") if len(data) <= MAX_BYTES else ""


def write_annotation(document: Document, text: str) -> None:
    """Keep the text with the document: in its file from the next save on. No undo step.

    Raises ValueError above MAX_BYTES.
    """
    data = text.encode("utf-8")
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes are more than a document carries for the plugin.")
    if not isinstance(document, KritaDocument) or not document.is_open:
        return
    was_modified = document.handle.modified()
    document.handle.setAnnotation(KEY, DESCRIPTION, QtCore.QByteArray(data))
    # Krita counts an annotation as a change, and would ask whether to save what nobody has painted.
    if not was_modified:
        document.handle.setModified(False)
