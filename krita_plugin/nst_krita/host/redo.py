"""What the painter has undone and could redo, which the next step of undo would take away."""

from __future__ import annotations

from typing import Any

from krita import Krita

from ..qt import QtCore
from .document import Document


class RedoWatch(QtCore.QObject):
    """Whether the painter has undone something in ``document`` since this was made, and could still redo it.

    What could be redone already is given up: he knew that layers would come. Krita tells it of the document
    in front alone, so that of another what it was then counts. GUI thread only.
    """

    # Krita's action is always enabled. Its text names what would be redone: nothing, where it is shortest.
    _nothing: str | None = None

    def __init__(self, document: Document) -> None:
        super().__init__()
        self._document = document
        self._words = self._given_up = ""
        self.give_up()
        undo, redo = (Krita.instance().action(name) for name in ("edit_undo", "edit_redo"))
        if undo is not None and redo is not None:
            undo.triggered.connect(self._undone)
            redo.changed.connect(self.look)

    @classmethod
    def learn(cls) -> str:
        """What would be redone now, in Krita's words; to be called early, while that is nothing."""
        action: Any = Krita.instance().action("edit_redo")
        words: str = action.text() if action is not None else ""
        if words:
            cls._nothing = words if cls._nothing is None else min(cls._nothing, words, key=len)
        return words

    def look(self) -> None:
        """See what can be redone now; to be called often, as an action may be another window's."""
        if not self._document.is_in_front:
            return
        self._words = self.learn()
        if self._words == self._nothing:
            self._given_up = self._words

    def _undone(self, *_: Any) -> None:
        # One more stroke undone leaves the text as it was.
        if self._document.is_in_front:
            self._given_up = ""
            self.look()

    @property
    def is_at_stake(self) -> bool:
        """Whether a step of undo would take something away that was not given up."""
        return self._words not in (self._given_up, self._nothing)

    def give_up(self) -> None:
        """The painter does without what he could redo now."""
        self.look()
        self._given_up = self._words
