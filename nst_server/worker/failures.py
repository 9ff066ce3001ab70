"""What went wrong with a job, in words for the painter."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any

from nst_server import device as devices
from nst_server import weights
from nst_server.engine import images
from nst_server.engine.optimisers import Diverged

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


class BadImage(Exception):
    """An image that cannot be used; ``field`` of the submission names it."""

    def __init__(self, field: str, error: images.ImageError) -> None:
        self.field = f"{field}.{error.field}" if error.field else field
        super().__init__(f"{self.field}: {error.problem}")
        self.hint = error.hint


#: Failures that have a name: whether it is that one, then code, message and hint.
_KNOWN: Sequence[tuple[Callable[[Exception], bool], str, str, str]] = (
    (
        devices.is_out_of_memory,
        "out_of_memory",
        "There is not enough memory for this job.",
        "Choose a smaller size, or close other programs.",
    ),
    (
        devices.is_taken,
        "device_busy",
        "The GPU is in use by another program that does not share it.",
        "Close that program and start again, or use the processor: nst serve --device cpu",
    ),
    (
        lambda error: isinstance(error, Diverged),
        "diverged",
        "The picture fell apart: its loss is not a number.",
        "Choose a lower strength, or another optimiser.",
    ),
    (
        lambda error: isinstance(error, OSError) and error.errno in _FULL,
        "disk_full",
        "The disk is too full for the frames of this job.",
        "Free some space, then start it again, or go on from its last frame if it has one.",
    ),
)


def failure(error: Exception) -> dict[str, Any]:
    """Code, message and hint for the painter."""
    if isinstance(error, BadImage):
        return _failure("bad_image", str(error), error.hint, field=error.field)
    if isinstance(error, weights.WeightsError):
        return _failure("weights", error.message, error.hint)
    for is_it, code, message, hint in _KNOWN:
        if is_it(error):
            return _failure(code, message, hint)
    return _failure(
        "internal",
        f"Something went wrong inside the server: {error or type(error).__name__}",
        "Please report it with worker.log from the server's logs folder.",
    )


def _failure(code: str, message: str, hint: str, **more: str) -> dict[str, Any]:
    return {"code": code, "message": message, "hint": hint, **more}
