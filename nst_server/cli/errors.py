"""The one error that the command line shows without a traceback."""

from __future__ import annotations


class CliError(Exception):
    """A sentence for the user, what to do about it, and the exit code (2: wrong input, 1: it failed)."""

    def __init__(self, message: str, hint: str = "", code: int = 2) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code
