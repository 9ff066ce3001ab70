"""What a client is told: the server's messages, and how the connection fares."""

from __future__ import annotations

from .messages import Message
from .pixels import Pixels


class Event(Message):
    """What happened: a server message, or news of the connection, such as "connected" and "disconnected".

    ``frame`` events come once the frame is complete: ``data`` holds its pixels, ``pixels`` what they are.
    """

    @property
    def job(self) -> str:
        """The job it is about, "" for none."""
        return str(self.fields.get("job", ""))

    @property
    def pixels(self) -> Pixels:
        """What the bytes of a ``frame`` event are."""
        return Pixels.from_header(self.fields["pixels"])
