"""The loss of a job as a small curve."""

from __future__ import annotations

import math

from ..model.jobs import Job
from ..model.words import tr
from ..qt import QtCore, QtGui, QtWidgets
from .theme import bind, quiet_colour

WIDTH, HEIGHT = 72, 16
#: With less there is nothing to be seen, in px.
LOWEST = 8


class LossCurve(QtWidgets.QWidget):
    """The total loss over the iterations, on a logarithmic scale."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Expanding)
        self.give_way(False)
        self.setToolTip(
            tr("<p>How far the picture still is from what was asked (the loss). Falling is good.</p>")
        )
        self.setAccessibleName(tr("Loss curve"))
        bind(self, job, self._refresh, "losses")

    def _refresh(self) -> None:
        self.setVisible(len(self._job.losses) > 1)
        self.update()

    def give_way(self, gives: bool) -> None:
        """Whether to have only the height that others leave."""
        self.setMinimumHeight(0 if gives else HEIGHT)

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(WIDTH, self.minimumHeight())

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        losses = [math.log(loss) for loss in self._job.losses if loss > 0]
        if len(losses) < 2 or self.height() < LOWEST:
            return
        low, high = min(losses), max(losses)
        span = max(high - low, 1e-6)
        right, bottom = self.width() - 3, self.height() - 4
        points = [
            QtCore.QPointF(1 + right * i / (len(losses) - 1), 2 + bottom * (high - loss) / span)
            for i, loss in enumerate(losses)
        ]
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(QtGui.QPen(quiet_colour(self.palette()), 1.4))
        painter.drawPolyline(QtGui.QPolygonF(points))
