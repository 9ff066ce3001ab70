"""What is under way, always in sight: the jobs' rows, and what is offered or asked."""

from __future__ import annotations

from typing import Any

from ..model.root import Root
from ..model.row_order import ordered
from ..qt import QtCore, QtWidgets
from .download_question import DownloadQuestion
from .fitted_area import FittedArea
from .job_view import JobView
from .offers import OffersView
from .theme import GAP, bind


class WorkArea(FittedArea):
    """Jobs under way stand first, folded ones last; above them a question about all of them, below them what
    is offered. These two come only while the pointer is elsewhere: what it points at stays in its place."""

    def __init__(self, root: Root) -> None:
        inside = QtWidgets.QWidget()
        super().__init__("nst_work", inside)
        self._root = root
        column = QtWidgets.QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        self._rows = QtWidgets.QVBoxLayout()
        self._rows.setSpacing(2)
        # Where the docker is low the rest is out of sight.
        self._question = _around(DownloadQuestion(root.download))
        self._offers = _around(OffersView(root))
        column.addWidget(self._question)
        column.addLayout(self._rows)
        column.addWidget(self._offers)
        column.addStretch(1)
        self._views: dict[Any, JobView] = {}
        bind(self, root.rows, self._show_jobs, "jobs")
        bind(self, root.rows, self._arrange, "viewed")
        bind(self, root.download, self._ask, "offered")
        bind(self, root, self._ask, "offers")

    def _ask(self) -> None:
        asked = {self._question: bool(self._root.download.offered), self._offers: bool(self._root.offers)}
        for part, is_wanted in asked.items():
            if not is_wanted or not self.underMouse():
                part.setVisible(is_wanted)

    def leaveEvent(self, event: QtCore.QEvent) -> None:
        super().leaveEvent(event)
        self._ask()
        for view in self._views.values():
            view.look_around()

    def _show_jobs(self) -> None:
        jobs = self._root.jobs
        for job in [known for known in self._views if known not in jobs]:
            view = self._views.pop(job)
            self._rows.removeWidget(view)
            view.hide()
            view.deleteLater()
        for job in [job for job in jobs if job not in self._views]:
            self._views[job] = JobView(self._root, job, self.underMouse)
            bind(self._views[job], job, self._arrange, "is_folded", "state", "position")
        self._arrange()

    def _arrange(self) -> None:
        """Have the rows in their order; folded ones with their document only."""
        jobs = [job for job in self._root.jobs if job in self._views]
        for index, job in enumerate(ordered(jobs, self._root.rows.viewed)):
            view = self._views[job]
            if self._rows.indexOf(view) != index:
                self._rows.insertWidget(index, view)
            view.setVisible(not job.is_folded or job.document_id == self._root.rows.viewed)
            view.look_around()


def _around(asked: QtWidgets.QWidget) -> QtWidgets.QWidget:
    """What asks shows itself when it has something to ask; this one when it may."""
    around = QtWidgets.QWidget()
    column = QtWidgets.QVBoxLayout(around)
    column.setContentsMargins(0, 0, 0, 0)
    column.addWidget(asked)
    return around
