"""What the painter has undone and could redo, which the next step of undo would take away."""

from __future__ import annotations

from krita import Krita

from .document import Document


class RedoWatch:
    """Whether the painter has undone something in ``document`` since this was made, and could still redo it.

    What could be redone already is given up: he knew that layers would come. Krita tells it of the document
    in front alone, so that of another what it was then counts. GUI thread only.
    """

    # Krita's action is always enabled. Its text names what would be redone: nothing, where it is shortest.
    _nothing: str | None = None

    def __init__(self, document: Document) -> None:
        self._document = document
        self._words = self._given_up = ""
        self.look()
        self.give_up()

    def look(self) -> None:
        """See what can be redone now; to be called often."""
        action = Krita.instance().action("edit_redo") if self._document.is_in_front else None
        if action is None:
            return
        self._words = action.text()
        known = RedoWatch._nothing
        RedoWatch._nothing = self._words if known is None else min(known, self._words, key=len)
        if self._words == RedoWatch._nothing:
            self._given_up = ""

    @property
    def is_at_stake(self) -> bool:
        """Whether a step of undo would take something away that was not given up."""
        return self._words not in (self._given_up, RedoWatch._nothing)

    def give_up(self) -> None:
        """The painter does without what he could redo now."""
        self._given_up = self._words
