"""What nothing would be seen of is refused in words, what has no strokes is said; grey stays grey."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from server_process import RawClient, ServerProcess, connected, new_job

SHALLOW = {"content_layers": ["conv1_2"], "style_layers": ["conv1_1"], "iterations": 3, "encoder": "built-in"}
PATIENCE = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server"), "--device", "cpu") as process:
        yield process


client = pytest.fixture(connected)
job = pytest.fixture(new_job)


def left_half(inside: bytes, outside: bytes) -> bytes:
    return (inside * 16 + outside * 16) * 24


def test_a_content_that_is_transparent_is_refused(client: RawClient, job: str) -> None:
    content = client.image_of(bytes([90, 60, 30, 0]) * 32 * 24, 32, 24)
    client.submit(job, more={"content": content}, **SHALLOW)
    failed = client.expect("failed", job=job, seconds=PATIENCE)
    assert (failed["code"], failed["field"]) == ("bad_image", "content")
    assert "wholly transparent" in failed["message"]


@pytest.mark.parametrize("has_alpha", [True, False])
def test_a_mask_beside_all_that_there_is_to_see_is_refused(
    client: RawClient, job: str, has_alpha: bool
) -> None:
    content = client.image_of(left_half(b"abc\xff", b"abc\0"), 32, 24) if has_alpha else client.image(seed=1)
    mask = left_half(b"\0", b"\x80") if has_alpha else bytes(32 * 24)
    more = {"content": content, "mask": client.image_of(mask, 32, 24, channels="MASK")}
    client.submit(job, more=more, **SHALLOW)
    failed = client.expect("failed", job=job, seconds=PATIENCE)
    assert (failed["code"], failed["field"]) == ("bad_image", "mask")
    assert "lets nothing of the content be seen" in failed["message"]


def test_a_style_of_one_pixel_is_said_to_have_no_strokes(client: RawClient, job: str) -> None:
    styles = [client.image(20, 20, seed=2), client.image_of(bytes([200, 0, 0, 255]), 1, 1)]
    client.submit(job, more={"styles": styles}, **SHALLOW)
    note = "style 2 is smaller than 8 px: it has colours, but no strokes"
    client.expect("progress", job=job, note=note, seconds=PATIENCE)
    assert client.expect("done", job=job, seconds=PATIENCE)["notes"][0] == note


def test_the_preview_of_a_grey_content_is_grey(client: RawClient, job: str) -> None:
    grey = client.image_of(bytes(range(256)) * 6, 32, 24, channels="GRAYA")
    client.send("credit", bytes=10**9)
    colourful = {**SHALLOW, "iterations": 5}
    client.submit(job, more={"content": grey, "previews": True}, frames="none", **colourful)
    client.expect("done", job=job, seconds=PATIENCE)
    while not client.pixels.get((job, 1)):
        assert client.receive(5)
    preview = client.pixels[job, 0]
    assert preview[0::4] == preview[1::4] == preview[2::4]
    assert len(set(preview[0::4])) > 4
