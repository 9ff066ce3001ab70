"""What the document in view offers: frames that came while it was closed, the settings used last in it."""

from __future__ import annotations

from typing import Callable

from ..model.documents import Offer
from ..model.root import Root
from ..model.words import tr
from ..qt import QtWidgets
from .theme import bind


class OffersView(QtWidgets.QWidget):
    """One line for each offer; takes no room while there is none."""

    def __init__(self, root: Root) -> None:
        super().__init__()
        self._root = root
        self._lines = QtWidgets.QVBoxLayout(self)
        self._lines.setContentsMargins(0, 0, 0, 0)
        self._lines.setSpacing(2)
        bind(self, root.documents, self._show, "offers")

    def _show(self) -> None:
        while self._lines.count():
            line = self._lines.takeAt(0).widget()
            line.hide()
            line.deleteLater()
        for offer in self._root.documents.offers:
            self._lines.addWidget(self._line(offer))
        self.setVisible(bool(self._root.documents.offers))

    def _line(self, offer: Offer) -> QtWidgets.QWidget:
        words = QtWidgets.QLabel(offer.words)
        words.setWordWrap(True)
        take = QtWidgets.QPushButton(offer.verb)
        take.setObjectName("nst_take")
        take.clicked.connect(lambda *_: self._root.take(offer))
        return offer_row(words, take, lambda: self._root.decline(offer))


def offer_row(
    words: QtWidgets.QLabel, take: QtWidgets.QPushButton, decline: Callable[[], None]
) -> QtWidgets.QWidget:
    """What is offered, the button that takes it, and one that calls ``decline``."""
    made = QtWidgets.QWidget()
    dismiss = QtWidgets.QPushButton(tr("Dismiss"))
    dismiss.setToolTip(tr("Do not offer it any more."))
    dismiss.clicked.connect(lambda *_: decline())
    line = QtWidgets.QHBoxLayout(made)
    line.setContentsMargins(0, 0, 0, 0)
    line.addWidget(words, 1)
    line.addWidget(take)
    line.addWidget(dismiss)
    return made
