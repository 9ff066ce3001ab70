"""What the next picture will take, and a way to have it sooner where that is long."""

from __future__ import annotations

from ..model.root import Root
from ..model.words import tr
from ..qt import QtCore, QtWidgets
from .plain import PlainLabel
from .theme import GAP, bind, colour_text, quiet_colour, warning_colour


class ExpectationView(QtWidgets.QWidget):
    """A line, which wraps where the docker is narrow; with the advice to begin with a draft, a button."""

    def __init__(self, root: Root) -> None:
        super().__init__()
        self._root = root
        self._words = PlainLabel(wraps=True)
        self._words.setToolTip(
            tr(
                "<p>Time as at your last jobs on this device, known after the first; "
                "memory while it is painted.</p>"
            )
        )
        self._advice = PlainLabel(wraps=True)
        self._draft = QtWidgets.QPushButton(tr("Begin with a draft"))
        self._draft.setObjectName("nst_draft")
        self._draft.setToolTip(tr("Set Quality to draft: small and soon done; the result is enlarged."))
        self._draft.clicked.connect(lambda *_: root.options.spend("draft"))
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP // 2)
        for widget in (self._words, self._advice, self._draft):
            column.addWidget(widget)
        for observable in (root.connection, root.options, root.forecast):
            bind(self, observable, self.refresh)
        bind(self, root.rows, self.refresh, "viewed")

    def refresh(self) -> None:
        """Look at the document in view again."""
        expected = self._root.expectation
        self._words.setText(expected.words)
        self._advice.setText(expected.advice)
        self._words.setVisible(bool(expected.words))
        for widget in (self._advice, self._draft):
            widget.setVisible(bool(expected.advice))
        colour_text(self._words, quiet_colour(self.palette()))
        colour_text(self._advice, warning_colour(self.palette()))

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.PaletteChange and hasattr(self, "_draft"):
            self.refresh()
