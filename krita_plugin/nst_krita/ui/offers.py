"""What can be had for the document in view: frames that came while it was closed, or its settings again."""

from __future__ import annotations

from ..model.documents import Offer
from ..model.root import Root
from ..model.words import tr
from ..qt import QtWidgets
from .question import Question
from .theme import GAP, bind


class OffersView(QtWidgets.QWidget):
    """A question for each offer; takes no room while there is none."""

    def __init__(self, root: Root) -> None:
        super().__init__()
        self._root = root
        self._questions = QtWidgets.QVBoxLayout(self)
        self._questions.setContentsMargins(0, 0, 0, 0)
        self._questions.setSpacing(GAP)
        self._shown: dict[Offer, Question] = {}  # without their words
        bind(self, root, self._show, "offers")

    def _show(self) -> None:
        offers = {offer._replace(words=""): offer for offer in self._root.offers}
        for gone in [known for known in self._shown if known not in offers]:
            question = self._shown.pop(gone)
            self._questions.removeWidget(question)
            question.hide()
            question.deleteLater()
        for index, (key, offer) in enumerate(offers.items()):
            if key not in self._shown:
                self._shown[key] = self._question(offer)
            self._shown[key].ask(offer.words)
            if self._questions.indexOf(self._shown[key]) != index:
                self._questions.insertWidget(index, self._shown[key])
        self.setVisible(bool(offers))

    def _question(self, offer: Offer) -> Question:
        made = Question()
        take = made.answer(offer.verb, offer.hint, lambda: self._root.take(offer))
        take.setObjectName("nst_take")
        if offer.is_unfinished:
            # Without a row nothing else could, and it keeps others waiting.
            what = tr("End it with its best picture, which is offered then. Without one yet it is cancelled.")
            made.answer(tr("Stop it"), what, lambda: self._root.stop_offered(offer))
        else:
            made.answer(tr("Dismiss"), tr("Do not offer it any more."), lambda: self._root.decline(offer))
        return made
