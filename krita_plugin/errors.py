"""What packing and installing tell the user when they cannot go on."""

from __future__ import annotations


class SetupError(Exception):
    """A sentence that names what is wrong, and a hint that says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
