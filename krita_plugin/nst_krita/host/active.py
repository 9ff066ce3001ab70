"""Keeping the painter's layer the active one while Krita makes others active."""

from __future__ import annotations

from typing import Any, Callable

from ..qt import QtCore
from .document import KritaDocument

TURN_MS = 10


def hold_active(
    document: KritaDocument, kept: Any, is_ours: Callable[[Any], bool], turns: int, then: Callable[[], None]
) -> None:
    """Make ``kept`` the active layer again whenever ``is_ours`` says so of another; then call ``then``.

    Krita makes a new layer the active one up to a few turns of its event loop later: ``turns`` of TURN_MS. It
    is over at once where the document is closed; with ``kept`` None it is only waited for.
    """
    is_open = document.is_open
    active = document.handle.activeNode() if is_open and kept is not None else None
    if active is not None and active != kept and is_ours(active):
        document.handle.setActiveNode(kept)
    if is_open and turns:
        QtCore.QTimer.singleShot(TURN_MS, lambda: hold_active(document, kept, is_ours, turns - 1, then))
        return
    then()
