"""What the plugin keeps in a document's own file, saved and loaded with the image: a text, and masks."""

from __future__ import annotations

from typing import Iterable, Mapping, Sequence

from ..qt import QtCore, to_bytes
from .document import Document, KritaDocument

#: The file inside a .kra; no other format that Krita writes gets it.
KEY = "nst_krita"
DESCRIPTION = "Neural Style Transfer: jobs and settings of this document (JSON)"
#: What a document may be made to carry, in bytes: about thirty jobs.
MAX_BYTES = 64 * 1024
#: A mask has a file of its own, with its name behind this.
MASK_KEY = KEY + "_mask_"
MASK_DESCRIPTION = "Neural Style Transfer: a selection inside which a style has painted"
#: What a document may be made to carry of masks, in bytes: the whole, and one of them.
MAX_MASKS_BYTES = 512 * 1024
MAX_MASK_BYTES = MAX_MASKS_BYTES // 2


def read_annotation(document: Document) -> str:
    """The text, "" where there is none or it cannot be one of ours."""
    return _read(document, KEY, MAX_BYTES).decode("utf-8", "replace")


def write_annotation(document: Document, text: str) -> None:
    """Keep the text with the document: in its file from the next save on. No undo step.

    Raises ValueError above MAX_BYTES.
    """
    data = text.encode("utf-8")
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes are more than a document carries for the plugin.")
    _change(document, {KEY: data}, ())


def read_mask(document: Document, name: str) -> bytes:
    """The mask that is kept under that name, as written; empty where there is none or it is too large."""
    return _read(document, MASK_KEY + name, MAX_MASK_BYTES)


def write_masks(document: Document, masks: Mapping[str, bytes], wanted: Sequence[str]) -> None:
    """Keep ``masks``, by name, with the document; no undo step.

    ``wanted``: names of those that are to stay besides, the most wanted first. Others go, and so do the last
    of these where all together take more than MAX_MASKS_BYTES.
    """
    if not isinstance(document, KritaDocument) or not document.is_open:
        return
    there = {key for key in document.handle.annotationTypes() if key.startswith(MASK_KEY)}
    new: dict[str, bytes] = {}
    room = MAX_MASKS_BYTES
    for name in dict.fromkeys((*masks, *wanted)):
        data = masks.get(name) or read_mask(document, name)
        if 0 < len(data) <= room:
            room -= len(data)
            new[MASK_KEY + name] = data
    added = {key: data for key, data in new.items() if key not in there}
    _change(document, added, there.difference(new))


def _read(document: Document, key: str, limit: int) -> bytes:
    if not isinstance(document, KritaDocument) or not document.is_open:
        return b""
    data = to_bytes(document.handle.annotation(key))
    return data if len(data) <= limit else b""


def _change(document: Document, added: Mapping[str, bytes], removed: Iterable[str]) -> None:
    if not isinstance(document, KritaDocument) or not document.is_open:
        return
    was_modified = document.handle.modified()
    for key, data in added.items():
        description = DESCRIPTION if key == KEY else MASK_DESCRIPTION
        document.handle.setAnnotation(key, description, QtCore.QByteArray(data))
    for key in removed:
        document.handle.removeAnnotation(key)
    # Krita counts an annotation as a change, and would ask whether to save what nobody has painted.
    if not was_modified:
        document.handle.setModified(False)
