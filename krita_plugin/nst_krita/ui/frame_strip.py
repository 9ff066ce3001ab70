"""A job's kept frames in small: those that are layers, and those that the server has yet to send."""

from __future__ import annotations

from ..model.jobs import Job
from ..model.options import Layers
from ..model.root import Root
from ..model.words import sentence, tr
from ..qt import QtCore, QtWidgets
from ..translation import tr_n
from .film_strip import Cell, FilmStrip
from .theme import GAP, bind
from .unhurried import Unhurried

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
        self._insert = QtWidgets.QPushButton()
        self._insert.setObjectName("nst_insert")
        self._insert.clicked.connect(self._insert_all)
        self._unhurried = Unhurried(self._insert)
        # Beside the film, so that nothing moves up or down when the button comes.
        line = QtWidgets.QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GAP)
        line.addWidget(self._film, 1)
        line.addWidget(self._insert)
        self._keeps_room = False
        bind(self, job, self._refresh, "inserted", "left_out", "keeps_redo")
        bind(self, job, self._film.renew, "looks")
        bind(self, job, lambda: self.setEnabled(not job.is_homeless), "is_homeless")

    def _refresh(self) -> None:
        job = self._job
        inserted = set(job.inserted)
        self._sequences = sorted(inserted | set(job.left_out))
        came, lost = inserted - self._were_inserted, self._were_inserted - inserted
        self._were_inserted = inserted
        # The one that came last is the one that is visible in the document, unless he paints on another.
        if came and not (self._shown in inserted and self._root.insertion(job).newest_is_hidden):
            self._shown = max(came)
        elif self._shown in lost and inserted:  # undone: Krita shows the newest of the others
            self._shown = max(inserted)
        if self._shown not in self._sequences and self._sequences:
            self._shown = self._sequences[-1]
        cells = [Cell(key, str(job.frames.get(key, "")), key in inserted) for key in self._sequences]
        count = len(cells)
        self._film.show_cells(cells, self._sequences.index(self._shown) if cells else 0)
        self._name()
        self._film.setVisible(count > 1)
        self._offer(beside=count > 1)
        self._show_or_hide()

    def _offer(self, beside: bool) -> None:
        """Have the button for the frames that are no layers, ``beside`` the film or alone."""
        job = self._job
        # In place, one layer comes of all that wait.
        waiting = min(1, job.keeps_redo) if job.layers is Layers.NEWEST else job.keeps_redo
        count = len(job.left_out) + waiting
        if job.left_out:
            words = tr("Insert {} more").format(count)
        else:
            words = tr_n("Insert {} that waits", "Insert {} that wait", count).format(count)
        each = tr("Each of them becomes a layer, and one more step of undo.") if job.left_out else ""
        undone = tr("What you have undone can then no longer be redone.") if waiting else ""
        self._insert.setText(_in_two_lines(words) if beside else words)
        self._insert.setAccessibleName(words)
        self._insert.setToolTip(sentence(each, undone))
        if count and self._insert.isHidden():
            self._unhurried.begin()
        self._insert.setVisible(count > 0)

    def _insert_all(self) -> None:
        insertion = self._root.insertion(self._job)
        if self._job.left_out:
            insertion.fetch()  # and what waits
        else:
            insertion.insert_now()

    def keep_room(self, keeps: bool, is_low: bool) -> None:
        """Whether to be as high as it will be, before there is anything to show; and in a low docker."""
        job = self._job
        self._film.be_low(is_low)
        film = job.layers.has_all and job.params.iterations
        room = (self._film if film else self._insert).sizeHint().height()
        self._keeps_room = keeps
        self.setMinimumHeight(room if keeps else 0)
        self._show_or_hide()

    def _show_or_hide(self) -> None:
        is_empty = self._film.isHidden() and self._insert.isHidden()
        self.setVisible(self._keeps_room or not is_empty)

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


def _in_two_lines(words: str) -> str:
    """Broken at the space nearest to the middle."""
    spaces = [index for index, letter in enumerate(words) if letter == " "]
    middle = min(spaces, key=lambda index: abs(2 * index - len(words)), default=0)
    return f"{words[:middle]}\n{words[middle + 1 :]}" if middle else words
