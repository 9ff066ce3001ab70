"""Messages and pixel descriptions: what is sent is what is read, and nothing unreadable passes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nst_server.wire.codec import decode, encode
from nst_server.wire.messages import CHUNK_BYTES, FROM_CLIENT, FROM_SERVER, BadMessage, Message
from nst_server.wire.pixels import InvalidPixels, Pixels, digest_of

DIGEST = "0" * 64
PIXELS = {"digest": DIGEST, "width": 2, "height": 3, "bytes": 24}


def test_round_trip_with_chunk() -> None:
    message = Message("blob", {"digest": DIGEST, "offset": 7}, b"\x00\xff")
    assert decode(encode(message), FROM_CLIENT) == message


def test_unknown_fields_are_ignored() -> None:
    parts = [json.dumps({"type": "pause", "job": "a", "later": 1}).encode()]
    assert decode(parts, FROM_CLIENT)["job"] == "a"


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"{}", b"", b""],
        [b""],
        [b"\xff\xfe"],
        [b"[]"],
        [b"{}"],
        [b'{"type": 3}'],
        [b'{"type": "nonsense"}'],
        [b'{"type": "pause"}'],
        [b'{"type": "pause", "job": "../../etc"}'],
        [b'{"type": "pause", "job": "' + b"a" * 65 + b'"}'],
        [b'{"type": "credit", "bytes": -1}'],
        [b'{"type": "credit", "bytes": true}'],
        [b'{"type": "credit", "bytes": NaN}'],
        [b'{"type": "pause", "job": "a"}', b"chunk"],
        [b'{"type": "blob", "digest": "' + b"0" * 64 + b'", "offset": 0}'],
        [b'{"type": "blob", "digest": "' + b"0" * 64 + b'", "offset": 0}', b"x" * (CHUNK_BYTES + 1)],
        [b'{"type": "hello", "protocol": [1]}'],
        [b'{"type": "hello", "protocol": [1, 0], "client": "\\ud800"}'],
        [b"[" * 60000],
        [b'{"type": "x", "a": "' + b"a" * 70000 + b'"}'],
    ],
)
def test_unreadable_messages_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(BadMessage):
        decode(parts, FROM_CLIENT)


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_random_bytes_never_get_through(parts: list[bytes]) -> None:
    with pytest.raises(BadMessage):
        decode(parts, FROM_SERVER)


def test_submit_names_the_image_at_fault() -> None:
    fields = {"job": "a", "params": {}, "content": PIXELS, "styles": [PIXELS, {**PIXELS, "width": 0}]}
    with pytest.raises(BadMessage, match=r"styles: \[1\] width") as caught:
        decode(encode(Message("submit", fields)), FROM_CLIENT)
    assert caught.value.field == "styles"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"width": 0}, "width"),
        ({"width": 70_000}, "width"),
        ({"height": "3"}, "height"),
        ({"bytes": 23}, "bytes"),
        ({"channels": "RGB"}, "channels"),
        ({"dtype": "uint64"}, "dtype"),
        ({"dtype": []}, "dtype"),
        ({"colour_space": "icc"}, "icc"),
        ({"icc": DIGEST}, "icc"),
        ({"encoding": "webp"}, "encoding"),
        ({"digest": "abc"}, "digest"),
        ({"x": 2**40}, "x"),
    ],
)
def test_bad_pixels_are_named(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidPixels) as caught:
        Pixels.from_header({**PIXELS, **change})
    assert caught.value.field == field


def test_pixels_round_trip_and_describe_other_content() -> None:
    pixels = Pixels.from_header({**PIXELS, "x": -5, "channels": "BGRA"})
    assert Pixels.from_header(pixels.to_header()) == pixels
    other = pixels.of(b"\x01" * 24)
    assert (other.digest, other.x, other.channels) == (digest_of(b"\x01" * 24), -5, "BGRA")
