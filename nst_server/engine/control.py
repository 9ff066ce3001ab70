"""What steers a running job from outside."""

from __future__ import annotations

from nst_server.wire.params import Params


class Cancelled(Exception):
    """Raised by ``Control.check`` to leave a computation at once."""


class Control:
    """The reins of a running job. ``params`` may be replaced (live fields only) and ``stop`` set at any time.

    ``check`` is called between the layers of every evaluation; a subclass raises Cancelled there.
    """

    def __init__(self, params: Params) -> None:
        self.params = params
        self.stop = False

    def check(self) -> None:
        """Do nothing, or raise Cancelled."""
