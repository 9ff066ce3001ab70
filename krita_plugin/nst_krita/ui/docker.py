"""The docker itself: Krita's shell around the panel."""

from __future__ import annotations

from typing import Any

from krita import DockWidget

from ..model.root import Root
from ..model.words import tr
from ..qt import QtCore
from .panel import Panel


class NstDocker(DockWidget):
    """Neural Style Transfer; each window of Krita has one, all show the same state."""

    def __init__(self, root: Root) -> None:
        super().__init__()
        self.setWindowTitle(tr("Neural Style Transfer"))
        self.setWidget(Panel(root))
        self._root = root

    def canvasChanged(self, _canvas: Any) -> None:
        """Krita comes to another document, or closes one."""
        # Krita itself does not know the new one yet.
        QtCore.QTimer.singleShot(0, self._root.look)
