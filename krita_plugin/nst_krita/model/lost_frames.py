"""Frames of a job that did not come from the server although they were to. Plain data."""

from __future__ import annotations

from typing import Collection

from ..translation import tr_n
from .words import sentence, tr


class LostFrames:
    """Which frames the server could not read, or a lost connection took, by their sequences.

    Either may pass: such a frame is asked for once more by itself, and again whenever a server answers that
    did not. ``due``: those for which that is still to be done; ``asked``: those for which there is no answer
    yet; ``left``: those for which it was in vain, so that the painter has to ask.
    """

    def __init__(self) -> None:
        self.due: set[int] = set()
        self.asked: set[int] = set()
        self.left: set[int] = set()

    @property
    def may_come(self) -> bool:
        """Whether there are some that may still come by themselves."""
        return bool(self.due or self.asked)

    def lose(self, sequence: int) -> bool:
        """It has not come. Whether it is to be asked for once more by itself."""
        is_due = sequence not in self.asked | self.left
        self.come(sequence)
        (self.due if is_due else self.left).add(sequence)
        return is_due

    def ask(self, sequences: Collection[int]) -> None:
        """The server is being asked for these."""
        asked = self.due.intersection(sequences)
        self.due -= asked
        self.asked |= asked

    def come(self, sequence: int) -> None:
        """It is no longer lost."""
        for known in (self.due, self.asked, self.left):
            known.discard(sequence)

    def renew(self) -> None:
        """A server answers that did not: it may have all of them."""
        self.due |= self.left
        self.left.clear()

    def words(self, left_out: Collection[int], final: int) -> str:
        """What is missing of these, and how to have it. ``final``: the last frame of the job, 0 where that is
        not known."""
        missing = self.left.intersection(left_out)
        count = len(missing - {final})
        others = tr_n(
            "{} frame did not come from the server. Press Insert to ask for it once more.",
            "{} frames did not come from the server. Press Insert to ask for them once more.",
            count,
        )
        last = tr("The final frame did not come from the server. Press Insert to ask for it once more.")
        return sentence(others.format(count) if count else "", last if final in missing else "")
