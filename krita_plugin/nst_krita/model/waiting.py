"""Start, while what the painter has begun on the canvas is not over yet."""

from __future__ import annotations

import time
from typing import Any, Callable, Iterable

from .. import host
from .live import timer
from .properties import Observable, Property
from .words import tr

LOOK_MS = 100


class Waiting(Observable):
    """Does something as soon as Krita has nothing under way.

    ``is_waiting``: for the painter, who has been told for what. Krita's own drawing is over in a moment, and
    what is pressed meanwhile a double click, no change of mind.
    ``say``: tells the painter what it waits for, "" when it does no more.
    """

    is_waiting = Property(False)

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._timer = say, timer(LOOK_MS, self._look)
        self._said = ""

    def do(self, documents: Iterable[Any], then: Callable[[], None]) -> None:
        """Call ``then`` once nothing is under way in these documents, of which the first is in front; at once
        where that is so already. Given up when the painter looks at another document."""
        self._documents, self._then, self._since = list(documents), then, time.monotonic()
        self._look()

    def give_up(self, why: str = "") -> None:
        """Do it no more."""
        self._timer.stop()
        self.is_waiting = False
        self._said = ""
        self._say(why)

    def _look(self) -> None:
        front, *_ = self._documents
        if host.current().id != front.id:
            self.give_up(tr("Not started, as you went to another document."))
            return
        waited = time.monotonic() - self._since
        still_open = (document for document in self._documents if document.is_open)
        wanted = (host.to_finish(document, waited) for document in still_open)
        words = next((words for words in wanted if words is not None), None)
        if words is None:
            self.give_up()
            self._then()
            return
        self.is_waiting = bool(words)
        if words != self._said:  # or what else is told meanwhile would be gone at once
            self._said = words
            self._say(words)
        self._timer.start()
