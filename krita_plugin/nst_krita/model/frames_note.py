"""Why frames are not to be seen, or not as they are, and what the painter can do."""

from __future__ import annotations

from typing import Sequence

from .. import host
from ..translation import tr_n
from .words import memory_size, sentence, tr


def waiting_words(inserter: host.FrameInserter, pending: int, is_displaced: bool) -> str:
    """What ``pending`` frames wait for, and of those that have come why they are not as they were to be.

    ``is_displaced``: whether nobody can tell where they belong.
    """
    if inserter.keeps_redo:
        return tr(
            "Frames wait: a new layer would take away what you can redo. Redo it or paint on, or press "
            "Insert."
        )
    if is_displaced:
        return tr(
            "Frames wait: the image was scaled, cropped, turned, mirrored or moved meanwhile. Undo that, "
            "or press Insert to have them where they came before."
        )
    hindrance = inserter.hindrance
    if hindrance.dialog:
        words = tr("Frames wait until Krita's window “{}” is closed. It may lie behind others.")
        return words.format(hindrance.dialog)
    if hindrance.is_tool:
        return tr("Frames wait for a minute of rest: the chosen tool may be at work. Or take another one.")
    return _aside_words(inserter, pending)


def _aside_words(inserter: host.FrameInserter, pending: int) -> str:
    count = len(inserter.inserted)
    if inserter.is_out_of_sight and (count or pending):
        waits = tr("Frames wait.") if pending else ""
        return sentence(
            tr(
                "You see one layer or group alone. To see the frames, right-click in Krita's list of "
                "layers and uncheck Isolate Active Layer, or Isolate Active Group."
            ),
            waits,
        )
    if not count:
        return ""
    if inserter.is_aside:
        return tr_n(
            "{} frame waits hidden, so that you see what you paint. Show it with the eye.",
            "{} frames wait hidden, so that you see what you paint. Show them with the eye.",
            count,
        ).format(count)
    if inserter.is_kept:
        return tr("New frames come in hidden while you paint on one. Click their small pictures to see them.")
    source = inserter.doubled
    words = tr("“{}” shows through its frames, which blend as it does. Hide it to see them alone.")
    return words.format(source) if source else ""


def held_words(sizes: Sequence[int]) -> str:
    """Of frames of so many bytes that there was no room for; "" for none."""
    if not sizes:
        return ""
    return tr_n(
        "{} more frame is kept on the server: it would take {} of Krita's memory.",
        "{} more frames are kept on the server: they would take {} of Krita's memory.",
        len(sizes),
    ).format(len(sizes), memory_size(sum(sizes)))
