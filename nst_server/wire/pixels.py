"""What an image on the wire is: its shape, its channels, its numbers, its colours.

Pixels travel apart from this description, as blobs named by their SHA-256 (see docs/protocol.md).
"""

from __future__ import annotations

import builtins
import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any, Mapping

CHANNELS: Mapping[str, int] = {"RGBA": 4, "BGRA": 4, "GRAYA": 2, "GRAY": 1, "MASK": 1}
DTYPES: Mapping[str, int] = {"uint8": 1, "uint16": 2, "float16": 2, "float32": 4}
COLOUR_SPACES = ("srgb", "linear-srgb", "icc")
ENCODINGS = ("raw", "png")
MAX_SIDE = 65_535
MAX_OFFSET = 2**31 - 1

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class InvalidPixels(ValueError):
    """An image description that cannot be used. ``field`` names it, ``hint`` says what to do."""

    def __init__(self, field: str, problem: str, hint: str = "") -> None:
        super().__init__(f"{field}: {problem} {hint}".strip())
        self.field = field
        self.problem = problem
        self.hint = hint


def digest_of(data: bytes) -> str:
    """The name of a blob: its SHA-256 as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def is_digest(value: Any) -> bool:
    """Whether ``value`` has the form of a blob's name."""
    return isinstance(value, str) and _DIGEST.match(value) is not None


@dataclass(frozen=True)
class Pixels:
    """One image: rows top to bottom, channels interleaved, little-endian, straight alpha.

    ``x``, ``y``: where its left upper corner lies in the document, in px. ``bytes``: the blob's size.
    ``channels`` MASK is coverage without colour (0 outside, full inside). Integers span their whole
    range; floats mean 0 to 1, and colours may exceed it. ``colour_space`` "icc" needs ``icc``, the
    digest of a blob that holds the profile. With ``encoding`` "png" the blob is a PNG file, and
    ``channels``, ``dtype`` and ``colour_space`` say how frames made from it are to be sent.
    """

    digest: str
    width: int
    height: int
    bytes: int
    x: int = 0
    y: int = 0
    channels: str = "RGBA"
    dtype: str = "uint8"
    colour_space: str = "srgb"
    icc: str | None = None
    encoding: str = "raw"

    def __post_init__(self) -> None:
        for name, low, high in (
            ("width", 1, MAX_SIDE),
            ("height", 1, MAX_SIDE),
            ("bytes", 1, 2**40),
            ("x", -MAX_OFFSET, MAX_OFFSET),
            ("y", -MAX_OFFSET, MAX_OFFSET),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise InvalidPixels(name, f"{value!r} is not a whole number from {low} to {high}.")
        for name, known in (
            ("channels", tuple(CHANNELS)),
            ("dtype", tuple(DTYPES)),
            ("colour_space", COLOUR_SPACES),
            ("encoding", ENCODINGS),
        ):
            value = getattr(self, name)
            if not isinstance(value, str) or value not in known:
                raise InvalidPixels(name, f"{value!r} is not known.", f"Use one of {', '.join(known)}.")
        if not is_digest(self.digest):
            raise InvalidPixels("digest", "must be a SHA-256 in 64 lower-case hex digits.")
        if (self.icc is not None) != (self.colour_space == "icc") or (
            self.icc is not None and not is_digest(self.icc)
        ):
            raise InvalidPixels(
                "icc", "must be the profile's SHA-256 where colour_space is icc, and absent elsewhere."
            )
        if self.encoding == "raw" and self.bytes != self.raw_bytes:
            raise InvalidPixels(
                "bytes",
                f"{self.bytes} do not fit.",
                f"{self.width}×{self.height} {self.channels} {self.dtype} is {self.raw_bytes} bytes.",
            )

    @property
    def raw_bytes(self) -> int:
        """Size of these pixels without encoding, in bytes."""
        return self.width * self.height * CHANNELS[self.channels] * DTYPES[self.dtype]

    @property
    def has_alpha(self) -> bool:
        """Whether a channel carries opacity."""
        return self.channels in ("RGBA", "BGRA", "GRAYA")

    @property
    def unplaced(self) -> Pixels:
        """This description without its place: equal for the same picture, wherever it lies in a document."""
        return replace(self, x=0, y=0)

    def of(self, data: builtins.bytes, **changes: Any) -> Pixels:
        """This description for other content: digest and size from ``data``, the rest from ``changes``."""
        return replace(self, digest=digest_of(data), bytes=len(data), **changes)

    def to_header(self) -> dict[str, Any]:
        """JSON values; x, y and icc only where they say something."""
        header = {name: getattr(self, name) for name in ("digest", "width", "height", "bytes")}
        header.update({name: getattr(self, name) for name in ("x", "y", "icc") if getattr(self, name)})
        header.update(
            {name: getattr(self, name) for name in ("channels", "dtype", "colour_space", "encoding")}
        )
        return header

    @classmethod
    def from_header(cls, header: Any) -> Pixels:
        """Build from JSON values. Raises InvalidPixels. Unknown fields are ignored."""
        if not isinstance(header, Mapping):
            raise InvalidPixels("pixels", "must be an object.")
        missing = [name for name in ("digest", "width", "height", "bytes") if name not in header]
        if missing:
            raise InvalidPixels(missing[0], "is missing.")
        return cls(**{name: header[name] for name in cls.__dataclass_fields__ if name in header})
