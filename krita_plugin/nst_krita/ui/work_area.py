"""What is under way, always in sight: the jobs' rows, and what is offered or asked."""

from __future__ import annotations

from typing import Any

from ..model.jobs import JobState
from ..model.root import Root
from ..qt import QtWidgets
from .download_question import DownloadQuestion
from .fitted_area import FittedArea
from .job_view import JobView
from .offers import OffersView
from .theme import GAP, bind


class WorkArea(FittedArea):
    """Jobs under way stand first, folded ones last."""

    def __init__(self, root: Root) -> None:
        inside = QtWidgets.QWidget()
        super().__init__("nst_work", inside)
        self._root = root
        column = QtWidgets.QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        self._rows = QtWidgets.QVBoxLayout()
        self._rows.setSpacing(2)
        column.addLayout(self._rows)
        column.addWidget(OffersView(root))
        column.addWidget(DownloadQuestion(root.download))
        column.addStretch(1)
        self._views: dict[Any, JobView] = {}
        bind(self, root.rows, self._show_jobs, "jobs")
        bind(self, root.rows, self._arrange, "viewed")

    def _show_jobs(self) -> None:
        jobs = self._root.jobs
        for job in [known for known in self._views if known not in jobs]:
            view = self._views.pop(job)
            self._rows.removeWidget(view)
            view.hide()
            view.deleteLater()
        for job in [job for job in jobs if job not in self._views]:
            self._views[job] = JobView(self._root, job)
            bind(self._views[job], job, self._arrange, "is_folded", "state")
        self._arrange()

    def _arrange(self) -> None:
        """Those under way first, then those in line, folded ones last and with their document only.

        The latest stands before others.
        """
        jobs = [job for job in self._root.jobs[::-1] if job in self._views]
        wanted = sorted(jobs, key=lambda job: (job.is_folded, job.has_ended, job.state is JobState.QUEUED))
        for index, job in enumerate(wanted):
            view = self._views[job]
            if self._rows.indexOf(view) != index:
                self._rows.insertWidget(index, view)
            view.setVisible(not job.is_folded or job.document_id == self._root.rows.viewed)
