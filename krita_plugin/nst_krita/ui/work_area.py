"""What is under way, always in sight: the jobs' rows, and what is offered or asked."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..model.jobs import Job, JobState
from ..model.root import Root
from ..model.row_order import ordered
from ..qt import QtCore, QtWidgets
from .download_question import DownloadQuestion
from .fitted_area import FittedArea
from .job_view import JobView
from .offers import OffersView
from .pointer import is_over
from .theme import GAP, bind

#: How long it takes at the most, in ms, until a row that has come or changed has its place and height.
SETTLED_MS = 100
#: While something waits for the pointer to go elsewhere it is looked for again after so many ms: Qt does not
#: tell of it where a dialog or a menu was open meanwhile.
LOOK_AGAIN_MS = 500


class WorkArea(FittedArea):
    """Jobs under way stand first, folded ones last; above them a question about all of them, below them what
    is offered. These two come only while the pointer is elsewhere: what it points at stays in its place.
    While it is, a row whose job has begun or failed is brought into sight."""

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
        self._is_low = False
        self._news: Job | None = None
        self._settled = QtCore.QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLED_MS)
        self._settled.timeout.connect(self._show_news)
        self._waiting = QtCore.QTimer(self)
        self._waiting.setSingleShot(True)
        self._waiting.setInterval(LOOK_AGAIN_MS)
        self._waiting.timeout.connect(self._look_around)
        bind(self, root.rows, self._show_jobs, "jobs")
        bind(self, root.rows, self._arrange, "viewed")
        bind(self, root.download, self._ask, "offered")
        bind(self, root, self._ask, "offers")

    def be_low(self, is_low: bool) -> None:
        """Whether the docker is so low that the rows have to do with less."""
        if is_low is not self._is_low:
            self._is_low = is_low
            for view in self._views.values():
                view.be_low(is_low)

    def _ask(self) -> None:
        asked = {self._question: bool(self._root.download.offered), self._offers: bool(self._root.offers)}
        for part, is_wanted in asked.items():
            if not is_wanted or not self._is_pointed_at():
                part.setVisible(is_wanted)

    def leaveEvent(self, event: QtCore.QEvent) -> None:
        super().leaveEvent(event)
        self._look_around()

    def _look_around(self) -> None:
        self._ask()
        for view in self._views.values():
            view.look_around()

    def _is_pointed_at(self) -> bool:
        """Whether the pointer is there, so that something waits until it is not."""
        is_there = is_over(self)
        if is_there and not self._waiting.isActive():
            self._waiting.start()
        return is_there

    def _show_jobs(self) -> None:
        jobs = self._root.jobs
        for job in [known for known in self._views if known not in jobs]:
            view = self._views.pop(job)
            self._rows.removeWidget(view)
            view.hide()
            view.deleteLater()
        for job in [job for job in jobs if job not in self._views]:
            self._views[job] = JobView(self._root, job, self._is_pointed_at)
            self._views[job].be_low(self._is_low)
            bind(self._views[job], job, self._arrange, "is_folded", "state", "position")
            bind(self._views[job], job, partial(self._look_for_news, job), "state")
        self._arrange()

    def _look_for_news(self, job: Job) -> None:
        if job.state in (JobState.SENDING, JobState.FAILED) and not job.is_folded:
            self._news = job
            self._settled.start()

    def _show_news(self) -> None:
        view = self._views.get(self._news)
        if view is None or view.isHidden() or is_over(self):
            return
        bar = self.verticalScrollBar()
        if not bar.value() <= view.y() <= bar.value() + self.viewport().height() - view.height():
            bar.setValue(view.y())

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
