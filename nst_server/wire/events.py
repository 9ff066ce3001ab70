"""What a client is told: the server's messages, and how the connection fares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from .pixels import Pixels


@dataclass(frozen=True)
class Event:
    """What happened: a server message, or news of the connection, such as "connected" and "disconnected".

    ``frame`` events come once the frame is complete: ``data`` holds its pixels, ``pixels`` what they are.
    """

    type: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    data: bytes | None = None

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The field's value, or ``default`` where the server left it out."""
        return self.fields.get(name, default)

    @property
    def job(self) -> str:
        """The job it is about, "" for none."""
        return str(self.fields.get("job", ""))

    @property
    def pixels(self) -> Pixels:
        """What the bytes of a ``frame`` event are."""
        return Pixels.from_header(self.fields["pixels"])
