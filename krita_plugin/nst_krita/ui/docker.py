"""The docker itself: Krita's shell around the panel."""

from __future__ import annotations

from typing import Any

from krita import DockWidget

from ..model.root import Root
from ..model.words import tr
from .panel import Panel


class NstDocker(DockWidget):
    """Neural Style Transfer; each window of Krita has one, all show the same state."""

    def __init__(self, root: Root) -> None:
        super().__init__()
        self.setWindowTitle(tr("Neural Style Transfer"))
        self.setWidget(Panel(root))

    def canvasChanged(self, _canvas: Any) -> None:
        """Krita asks for this; the panel looks at the document only when Start is pressed."""
