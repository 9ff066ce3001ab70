"""The loss of a job as a small curve."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Sequence

from ..model.jobs import Job, Loss
from ..model.words import tr
from ..qt import QtCore, QtGui, QtWidgets
from .theme import bind, quiet_colour

WIDTH, HEIGHT = 72, 16
#: With less there is nothing to be seen, in px.
LOWEST = 8


class LossCurve(QtWidgets.QWidget):
    """The total loss over the iterations, logarithmic. Where a small picture is painted first, then larger
    ones, that of each size reaches from the top to the bottom: they cannot be compared."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        self._is_wanted = True
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Expanding)
        self.give_way(False)
        self.setToolTip(
            tr(
                "<p>How far the picture still is from what was asked (the loss). Falling is good. It begins "
                "anew at each size, as a small picture is painted first.</p>"
            )
        )
        self.setAccessibleName(tr("Loss curve"))
        bind(self, job, self._refresh, "losses")

    def _refresh(self) -> None:
        self.setVisible(self._is_wanted and len(self._job.losses) > 1)
        self.update()

    def want(self, is_wanted: bool) -> None:
        """Whether to be seen, once there is something to see."""
        self._is_wanted = is_wanted
        self._refresh()

    def give_way(self, gives: bool) -> None:
        """Whether to have only the height that others leave."""
        self.setMinimumHeight(0 if gives else HEIGHT)

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(WIDTH, self.minimumHeight())

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        if self.height() < LOWEST:
            return
        right, bottom = self.width() - 3, self.height() - 4
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(QtGui.QPen(quiet_colour(self.palette()), 1.4))
        for part in curves(self._job.losses):
            points = [QtCore.QPointF(1 + right * x, 2 + bottom * y) for x, y in part]
            painter.drawPolyline(QtGui.QPolygonF(points))


def curves(losses: Sequence[Loss]) -> list[list[tuple[float, float]]]:
    """For each size that is painted its points as (x, y) from 0 to 1, y downwards."""
    shown = [loss for loss in losses if loss.total > 0]
    places = [(index / max(1, len(shown) - 1), loss) for index, loss in enumerate(shown)]
    parts = []
    for _, group in groupby(places, key=lambda place: place[1].scale):
        part = [(x, math.log(loss.total)) for x, loss in group]
        high, low = max(y for _, y in part), min(y for _, y in part)
        parts.append([(x, (high - y) / max(high - low, 1e-6)) for x, y in part])
    return parts
