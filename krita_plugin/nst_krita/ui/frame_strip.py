"""A job's kept frames in small: those that are layers, and those that the server has yet to send."""

from __future__ import annotations

from ..model.jobs import Job
from ..model.root import Root
from ..model.words import tr
from ..qt import QtCore, QtWidgets
from ..translation import tr_n
from .film_strip import Cell, FilmStrip
from .theme import bind

#: How long the choice has to rest on a frame before that is fetched.
SETTLED_MS = 400


class FrameStrip(QtWidgets.QWidget):
    """Shows any of them in place; one that is no layer becomes one when it is chosen."""

    def __init__(self, root: Root, job: Job) -> None:
        super().__init__()
        self._root, self._job = root, job
        self._sequences: list[int] = []
        self._were_inserted: set[int] = set()
        self._shown = 0
        # A frame that is no layer becomes one: not every one that the hand passes.
        self._settled = QtCore.QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLED_MS)
        self._settled.timeout.connect(self._fetch_shown)
        self._film = FilmStrip(lambda sequence, side: root.insertion(job).thumbnail(sequence, side))
        self._film.setObjectName("nst_scrub")
        self._film.setAccessibleName(tr("Frame shown"))
        self._film.setToolTip(
            tr(
                "<p>Shows the picture as it was at that iteration. One with an arrow is not a layer yet: it "
                "is fetched and becomes one.</p>"
            )
        )
        self._film.picked.connect(self._scrub)
        self._fetch = QtWidgets.QPushButton()
        self._fetch.setToolTip(tr("Each of them becomes a layer, and one more step of undo."))
        self._fetch.clicked.connect(lambda: root.insertion(job).fetch())
        self._insert = QtWidgets.QPushButton()
        self._insert.setObjectName("nst_insert_now")
        self._insert.setToolTip(tr("What you have undone can then no longer be redone."))
        self._insert.clicked.connect(lambda: root.insertion(job).insert_now())
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self._film)
        column.addWidget(self._fetch)
        column.addWidget(self._insert)
        bind(self, job, self._refresh, "inserted", "left_out", "keeps_redo")
        bind(self, job, self._film.renew, "looks")

    def _refresh(self) -> None:
        job = self._job
        inserted = set(job.inserted)
        self._sequences = sorted(inserted | set(job.left_out))
        came, lost = inserted - self._were_inserted, self._were_inserted - inserted
        self._were_inserted = inserted
        # The one that came last is the one that is visible in the document.
        if came:
            self._shown = max(came)
        elif self._shown in lost and inserted:  # undone: Krita shows the newest of the others
            self._shown = max(inserted)
        if self._shown not in self._sequences and self._sequences:
            self._shown = self._sequences[-1]
        cells = [Cell(key, str(job.frames.get(key, "")), key in inserted) for key in self._sequences]
        count = len(cells)
        self._film.show_cells(cells, self._sequences.index(self._shown) if cells else 0)
        self._name()
        left_out = len(job.left_out)
        self._fetch.setText(tr("Insert {} more").format(left_out))
        self._fetch.setVisible(left_out > 0)
        self._film.setVisible(count > 1)
        self._insert.setText(
            tr_n("Insert {} that waits", "Insert {} that wait", job.keeps_redo).format(job.keeps_redo)
        )
        self._insert.setVisible(job.keeps_redo > 0)
        self.setVisible(count > 1 or left_out > 0 or job.keeps_redo > 0)

    def _scrub(self, index: int) -> None:
        self._shown = self._sequences[index]
        self._name()
        if self._shown in self._job.inserted:
            self._settled.stop()
            self._root.insertion(self._job).show(self._shown)
        else:
            self._settled.start()

    def _fetch_shown(self) -> None:
        if self._shown in self._job.left_out:
            self._root.insertion(self._job).fetch([self._shown])

    def _name(self) -> None:
        words = tr("iteration {}").format(self._job.frames.get(self._shown, ""))
        if self._shown in self._job.left_out:
            words = tr("{}, not a layer yet").format(words)
        self._film.setAccessibleDescription(words)
