"""Why something could not be begun, told no longer than it is about what the painter has before him."""

from __future__ import annotations

from typing import Callable

from .. import host
from .live import timer

LOOK_MS = 300


class Refused:
    """Tells why, until the painter has chosen another layer or changed the settings or the styles.

    ``say`` tells it, "" for nothing; ``said`` is what the docker says now.
    """

    def __init__(self, say: Callable[[str], None], said: Callable[[], str]) -> None:
        self._say, self._said = say, said
        self._words: str = ""
        self._chosen: tuple[str, ...] = ()
        self._timer = timer(LOOK_MS, self._look)

    def tell(self, words: str) -> None:
        """Say so."""
        self._words, self._chosen = words, host.current().chosen
        self._say(words)
        self._timer.start()

    def settle(self) -> None:
        """What it was about may be otherwise now."""
        self._timer.stop()
        if self._words and self._said() == self._words:
            self._say("")
        self._words = ""

    def _look(self) -> None:
        # Krita tells nobody that another layer has been chosen.
        if host.current().chosen != self._chosen or self._said() != self._words:
            self.settle()
        elif self._words:
            self._timer.start()
