"""What the painter is told when Krita or a document cannot do what was asked."""

from __future__ import annotations


class HostError(Exception):
    """``message``: what is wrong, ``hint``: what to do; one sentence each, "" where one says both."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint
