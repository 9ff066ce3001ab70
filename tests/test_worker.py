"""The real worker behind a real server, on images so small that seconds do."""

import os
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server_process import RawClient, ServerProcess

from nst_server.recolour import recolour
from nst_server.wire.pixels import Pixels, digest_of

#: Shallow layers only: the built-in encoder learns them in a fraction of a second.
SHALLOW = {"content_layers": ["conv1_2"], "style_layers": ["conv1_1"]}
PLENTY = 10**9
#: The worker gives way to everything else that runs on this machine, in seconds.
PATIENCE = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server"), "--device", "cpu") as process:
        client = process.client()
        client.submit("first", iterations=2, **SHALLOW)
        client.expect("done", seconds=120)
        yield process


@pytest.fixture
def client(server: ServerProcess) -> Iterator[RawClient]:
    client = server.client()
    client.send("credit", bytes=PLENTY)
    yield client
    client.close()


@pytest.fixture
def job(server: ServerProcess) -> Iterator[str]:
    job = "job-" + secrets.token_hex(4)
    yield job
    # Whatever a failed test has left running must not hold up the next one.
    if server.process is not None and server.process.poll() is None:
        server.client().send("cancel", job=job)


def finish(client: RawClient, job: str) -> dict[int, bytes]:
    """Wait for ``done`` and all frames; their pixels by sequence."""
    done = client.expect("done", job=job, seconds=PATIENCE)
    while not client.pixels.get((job, done["kept_frames"])):
        assert client.receive(5)
    return {sequence: data for (name, sequence), data in client.pixels.items() if name == job}


def frames(client: RawClient, job: str) -> list[Any]:
    return [m for m in client.log if m.type == "frame" and m["job"] == job]


def test_a_job_from_first_to_last(client: RawClient, job: str) -> None:
    client.submit(job, iterations=6, **SHALLOW)
    pixels = finish(client, job)
    got = frames(client, job)
    assert [m["iteration"] for m in got] == [1, 2, 5, 6]
    assert [m["final"] for m in got] == [False, False, False, True]
    for frame in got:
        assert digest_of(pixels[frame["sequence"]]) == frame["pixels"]["digest"]
        assert (frame["pixels"]["width"], frame["pixels"]["height"]) == (32, 24)
        assert frame["encoder"] == "built-in"
    done = next(m for m in client.log if m.type == "done")
    assert (done["reason"], done["iteration"], done["encoder"]) == ("completed", 6, "built-in")
    assert done["plan"]["device"] == "cpu"
    progress = [m for m in client.log if m.type == "progress"]
    assert set(progress[-1]["losses"]) >= {"content", "style", "total"}
    assert progress[-1]["iteration"] == 6
    prepared = [m["state"] for m in client.log if m.type == "state"]
    assert prepared[-1] == "running"


def test_the_same_seed_gives_the_same_bytes(client: RawClient, job: str) -> None:
    results = []
    for name in (job, job + "x"):
        client.submit(name, iterations=3, frames="none", **SHALLOW)
        results.append(finish(client, name))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("channels", "dtype", "size"),
    [("BGRA", "uint8", 4), ("RGBA", "uint16", 8), ("GRAYA", "uint8", 2), ("GRAY", "float32", 4)],
)
def test_frames_come_in_the_format_of_the_content(
    client: RawClient, job: str, channels: str, dtype: str, size: int
) -> None:
    data = bytes([0 if channels == "GRAY" else 255]) * (32 * 24 * size)
    content = client.image_of(data, 32, 24, x=7, y=-3, channels=channels, dtype=dtype)
    client.submit(job, iterations=1, more={"content": content}, **SHALLOW)
    finish(client, job)
    frame = frames(client, job)[-1]["pixels"]
    assert {k: frame[k] for k in ("channels", "dtype", "x", "y", "bytes")} == {
        k: content[k] for k in ("channels", "dtype", "x", "y", "bytes")
    }


def test_transparency_is_kept_and_the_mask_limits_it(client: RawClient, job: str) -> None:
    alpha = bytes(range(16)) * 16
    content = client.image_of(b"".join(bytes([90, 60, 30, a]) for a in alpha), 16, 16)
    client.submit(job, iterations=1, more={"content": content}, **SHALLOW)
    assert finish(client, job)[1][3::4] == alpha
    mask = client.image_of(bytes([255] * 128 + [0] * 128), 16, 16, channels="MASK")
    client.submit(job + "x", iterations=1, more={"content": content, "mask": mask}, **SHALLOW)
    assert finish(client, job + "x")[1][3::4] == alpha[:128] + bytes(128)


def test_colours_under_transparent_pixels_change_nothing_that_is_seen(client: RawClient, job: str) -> None:
    """Not even through the encoder that learns from the content and its styles."""
    seen = []
    for index, hidden in enumerate(([0, 0, 0, 0], [255, 0, 255, 0])):
        sent = []
        for seed, (width, height) in enumerate(((20, 16), (16, 12))):
            numbers = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
            numbers[..., 3] = 255
            numbers[4:9, 5:11] = hidden
            sent.append(client.image_of(numbers.tobytes(), width, height))
        more = {"content": sent[0], "styles": sent[1:]}
        client.submit(f"{job}-{index}", iterations=2, size=12, strength=0.3, more=more, **SHALLOW)
        frame = np.frombuffer(finish(client, f"{job}-{index}")[2], np.uint8).reshape(16, 20, 4)
        seen.append(frame[frame[..., 3] > 0])
    assert len(seen[0]) == 20 * 16 - 5 * 6
    assert np.array_equal(*seen)


@pytest.mark.parametrize("is_bright", [False, True])
def test_a_smaller_size_loses_nothing_of_the_content_at_strength_0(
    client: RawClient, job: str, is_bright: bool
) -> None:
    numbers = np.random.default_rng(3).uniform(0.2, 1, (24, 32, 4))
    numbers = numbers * [4, 3, 2, 1] if is_bright else numbers * 255
    kind = np.float32 if is_bright else np.uint8
    described = {"dtype": "float32", "colour_space": "linear-srgb"} if is_bright else {}
    data = numbers.astype(kind)
    content = client.image_of(data.tobytes(), 32, 24, **described)
    client.submit(job, iterations=2, size=12, strength=0.0, more={"content": content}, **SHALLOW)
    for frame in finish(client, job).values():
        np.testing.assert_allclose(np.frombuffer(frame, kind).reshape(24, 32, 4), data, atol=1e-3)


def test_a_mask_over_an_opaque_format_leaves_the_content_outside(client: RawClient, job: str) -> None:
    grey = bytes(range(256))
    content = client.image_of(grey, 16, 16, channels="GRAY")
    mask = client.image_of(bytes([255] * 128 + [0] * 128), 16, 16, channels="MASK")
    client.submit(job, iterations=3, frames="none", more={"content": content, "mask": mask}, **SHALLOW)
    final = finish(client, job)[1]
    assert final[128:] == grey[128:]
    assert final[:128] != grey[:128]


def test_each_style_acts_where_its_mask_says(client: RawClient, job: str) -> None:
    """Left one style, right another, between them the content as it was; masks of any kind and size.

    A third could act everywhere, but has no weight.
    """
    noise = [bytes([90 + i % 5, 60 + i % 7, 30 + i % 3, 200 + i % 50]) for i in range(30 * 20)]
    content = client.image_of(b"".join(noise), 30, 20)
    colours = [230, 20, 20, 255], [20, 40, 220, 255], [20, 220, 40, 255]
    styles = [client.image_of(bytes(colour) * 256, 16, 16) for colour in colours]
    left = client.image_of(b"".join(b"\xff\xff" * 10 + bytes(40) for _ in range(20)), 30, 20,
                      channels="MASK", dtype="uint16")  # fmt: skip
    right = client.image_of((bytes(4) + b"\xff\xff") * 4, 6, 4, channels="MASK")
    more = {"content": content, "styles": styles, "style_masks": [left, right, None], "previews": True}
    params = {"strength": 0.9, "frames": "1", "style_weights": [1, 1, 0], **SHALLOW}
    client.submit(job, iterations=8, more=more, **params)
    pixels = finish(client, job)
    for data in (pixels[1], pixels[2]):
        rows = [data[120 * y : 120 * (y + 1)] for y in range(20)]
        assert [row[3::4] for row in rows] == [b"".join(noise)[120 * y :][:120][3::4] for y in range(20)]
        untouched = slice(4 * 10, 4 * 18)
        assert all(row[untouched] == b"".join(noise)[120 * y :][untouched] for y, row in enumerate(rows))
    reds, blues = (sum(row[4 * x + c] for row in rows for x in area) / 200
                   for c, area in ((0, range(10)), (2, range(20, 30))))  # fmt: skip
    assert reds > 150 and blues > 150
    other = {**more, "style_masks": [right, left, None]}
    client.submit(job + "x", iterations=8, more=other, **params)
    assert finish(client, job + "x")[2] != pixels[2]


def test_masks_that_leave_nothing_to_be_painted_are_refused_by_name(client: RawClient, job: str) -> None:
    black = client.image_of(bytes(64), 8, 8, channels="MASK")
    more = {"styles": [client.image(seed=3), client.image(seed=4)], "style_masks": [None, black]}
    client.submit(job, more=more, **SHALLOW)
    failed = client.expect("failed", job=job, seconds=PATIENCE)
    assert (failed["code"], failed["field"]) == ("bad_image", "style_masks[1]")
    assert "no value above 0" in failed["message"]
    content = client.image_of(bytes([90, 60, 30, 255]) * 512, 32, 16)
    above, below = (
        client.image_of(bytes(rows) * 256 + bytes(rest) * 256, 32, 16, channels="MASK")
        for rows, rest in (([255], [0]), ([0], [255]))
    )
    more = {"content": content, "styles": [client.image(seed=3)], "style_masks": [above], "mask": below}
    client.submit(job + "-apart", more=more, **SHALLOW)
    failed = client.expect("failed", job=job + "-apart", seconds=PATIENCE)
    assert (failed["code"], failed["field"]) == ("bad_image", "mask")
    assert "No style acts where" in failed["message"]


def test_a_job_continues_from_a_kept_frame(client: RawClient, job: str) -> None:
    client.submit(job, iterations=2, **SHALLOW)
    finish(client, job)
    more = {"start": {"job": job, "iteration": 2}}
    client.submit(job + "x", iterations=1, more=more, **SHALLOW)
    finish(client, job + "x")


@pytest.mark.parametrize("keep_colours", ["luminance", "histogram"])
@pytest.mark.parametrize("is_bright", [False, True])
def test_a_finished_frame_gets_other_colours_and_is_not_painted_again(
    client: RawClient, job: str, keep_colours: str, is_bright: bool
) -> None:
    content = client.image(seed=1)
    if is_bright:  # up to four times white
        numbers = np.random.default_rng(3).uniform(0, 1, (24, 32, 4)) * [4, 3, 2, 1]
        content = client.image_of(
            numbers.astype("<f4").tobytes(), 32, 24, channels="RGBA", dtype="float32",
            colour_space="linear-srgb",
        )  # fmt: skip
    client.submit(job, iterations=2, more={"content": content}, **SHALLOW)
    painted = finish(client, job)[2]
    more = {"content": content, "start": {"job": job, "iteration": 2}}
    client.submit(job + "x", iterations=0, keep_colours=keep_colours, more=more)
    pixels = finish(client, job + "x")
    wire = Pixels.from_header(content)
    wanted = recolour((wire, painted), (wire, client.blobs[wire.digest]), keep_colours, "ycbcr")
    assert pixels == {1: wanted} and wanted != painted
    frame = frames(client, job + "x")[0]
    assert (frame["iteration"], frame["final"], frame["encoder"]) == (0, True, "")
    done = next(m for m in client.log if m.type == "done" and m["job"] == job + "x")
    assert (done["reason"], done["iteration"], done["encoder"]) == ("completed", 0, "")
    assert not [m for m in client.log if m.type == "progress" and m["job"] == job + "x"]


def test_holes_in_a_frame_that_is_recoloured_stay_and_count_for_nothing(client: RawClient, job: str) -> None:
    """Half of it is erased, the layer beneath is whole, and a style that shows nothing is not looked at."""
    content = client.image_of(bytes([60, 90, 120, 255]) * 256, 16, 16)
    erased = client.image_of((bytes([200, 40, 20, 255]) * 8 + bytes(32)) * 16, 16, 16)
    more = {"content": content, "start": erased, "styles": [client.image_of(bytes(16), 2, 2)]}
    client.submit(job, iterations=0, keep_colours="moments", more=more)
    client.submit(job + "x", iterations=0, keep_colours="luminance", more=more)
    in_palette, in_hues = finish(client, job)[1], finish(client, job + "x")[1]
    row = [*[60, 90, 120, 255] * 8, *[60, 90, 120, 0] * 8]
    assert all(abs(value - wanted) <= 1 for value, wanted in zip(in_palette, row * 16, strict=True))
    assert in_hues[3::4] == bytes([255] * 8 + [0] * 8) * 16


def test_soft_edges_of_a_frame_stay_as_soft_when_it_is_recoloured(client: RawClient, job: str) -> None:
    """A frame has the transparency of content and mask already."""
    content = client.image_of(bytes([60, 90, 120, 200]) * 64, 8, 8)
    mask = client.image_of(bytes([100]) * 64, 8, 8, channels="MASK")
    frame = client.image_of(bytes([200, 40, 20, 78]) * 32 + bytes([200, 40, 20, 30]) * 32, 8, 8)
    more = {"content": content, "mask": mask, "start": frame}
    client.submit(job, iterations=0, keep_colours="moments", more=more)
    assert finish(client, job)[1][3::4] == bytes([78] * 32 + [30] * 32)


def test_below_a_recoloured_picture_an_opaque_content_shows(client: RawClient, job: str) -> None:
    content = client.image_of(bytes([90]) * 64, 8, 8, channels="GRAY")
    start = client.image_of(bytes([250, 20, 20, 255]) * 32 + bytes(4) * 32, 8, 8)
    client.submit(job, iterations=0, keep_colours="luminance", more={"content": content, "start": start})
    made = finish(client, job)[1]
    assert made[32:] == bytes([90]) * 32 and made[:32] != made[32:]


def test_strokes_on_a_layer_of_their_own_are_painted_over_the_earlier_picture(
    client: RawClient, job: str
) -> None:
    params = {"seed": 1, "size": 0, **SHALLOW}
    rows, columns = np.mgrid[:24, :32]
    clouds = np.stack([80 + 4 * rows, 60 + 3 * columns, 90 + 2 * rows, np.full((24, 32), 255)], 2)
    content = client.image_of(clouds.astype(np.uint8).tobytes(), 32, 24)
    client.submit(job, iterations=6, more={"content": content}, **params)
    before = finish(client, job)
    painted = before[max(before)]
    strokes = np.zeros((24, 32, 4), np.uint8)
    strokes[4:8, 4:12] = (255, 255, 0, 255)
    start = client.image_of(strokes.tobytes(), 32, 24)
    more = {"content": content, "start": start, "continues": job}
    client.submit(job + "x", iterations=1, more=more, **params)
    after = finish(client, job + "x")
    frame, whole = (np.frombuffer(data, np.uint8).reshape(24, 32, 4) for data in (after[max(after)], painted))
    apart = np.abs(frame.astype(int) - whole)[..., :3].max(2)
    assert apart[12:, 16:].mean() < 40
    assert apart[4:8, 4:12].mean() > 2 * apart[12:, 16:].mean()


def test_previews_are_small_and_never_kept(client: RawClient, job: str) -> None:
    content = client.image(640, 400)
    more = {"content": content, "previews": True}
    client.submit(job, iterations=3, frames="none", more=more, size=80, coarse_to_fine=False, **SHALLOW)
    finish(client, job)
    previews = [m for m in frames(client, job) if not m["kept"]]
    assert previews
    for preview in previews:
        pixels = Pixels.from_header(preview["pixels"])
        assert (pixels.width, pixels.height, pixels.channels, pixels.dtype) == (256, 160, "RGBA", "uint8")
    final = frames(client, job)[-1]
    assert (final["kept"], final["scale"], final["pixels"]["width"]) == (True, [80, 50], 640)


def test_strength_can_change_while_the_job_runs(client: RawClient, job: str) -> None:
    client.submit(job, iterations=100_000, frames="none", **SHALLOW)
    client.expect("progress", job=job, revision=0, seconds=PATIENCE)
    client.send("update", job=job, revision=1, params={"strength": 1.0})
    client.expect("progress", job=job, revision=1, seconds=PATIENCE)
    client.send("pause", job=job)
    client.expect("state", job=job, state="paused")
    list(client.messages(1.0))
    client.quiet(0.3, "progress")
    client.send("stop", job=job)
    done = client.expect("done", job=job, seconds=PATIENCE)
    assert (done["reason"], done["kept_frames"]) == ("stopped", 1)


def test_cancel_in_the_middle_of_a_large_evaluation(client: RawClient, job: str) -> None:
    client.submit(job, more={"content": client.image(768, 768)}, coarse_to_fine=False, **SHALLOW)
    client.expect("state", job=job, state="running", seconds=PATIENCE)
    time.sleep(0.5)
    began = time.monotonic()
    client.send("cancel", job=job)
    client.expect("state", job=job, state="cancelling")
    assert time.monotonic() - began < 0.6
    client.expect("cancelled", job=job)
    assert time.monotonic() - began < 2.5
    client.quiet(0.3, "frame", "blob")


def test_an_image_that_cannot_be_read_fails_its_job_alone(client: RawClient, job: str) -> None:
    broken = client.image_of(b"\x89PNG\r\n\x1a\nnothing else of a picture", 8, 8, encoding="png")
    client.submit(job, more={"styles": [broken]}, **SHALLOW)
    failed = client.expect("failed", job=job, seconds=PATIENCE)
    assert failed["code"] == "bad_image"
    assert failed["field"].startswith("styles[0].")
    client.submit(job + "x", iterations=1, **SHALLOW)
    finish(client, job + "x")


def test_an_image_that_was_damaged_on_the_disk_is_not_painted_but_asked_for_anew(
    server: ServerProcess, client: RawClient, job: str
) -> None:
    more = {"styles": [client.image(20, 20, seed=77)]}
    client.submit(job, iterations=1, more=more, **SHALLOW)
    finish(client, job)
    digest = more["styles"][0]["digest"]
    (server.data / "blobs" / digest).write_bytes(bytes(len(client.blobs[digest])))
    for other in ("x", "x2"):  # the second finds it gone
        client.submit(job + other, iterations=1, more=more, **SHALLOW)
    for other in ("x", "x2"):
        failed = client.expect("failed", job=job + other, seconds=PATIENCE)
        assert (failed["code"], failed["field"]) == ("bad_image", "styles[0]")
        assert "not those that were sent" in failed["message"]
    client.submit(job + "y", iterations=1, more=more, **SHALLOW)
    assert client.expect("need", job=job + "y", seconds=PATIENCE)["digest"] == digest
    finish(client, job + "y")


def test_transparent_pixels_of_a_style_influence_nothing(client: RawClient, job: str) -> None:
    seen = [bytes([200, 60 + 4 * i % 80, 20, 255]) for i in range(16 * 20)]
    opaque = client.image_of(b"".join(seen), 16, 20)
    rows = [b"".join(seen[16 * y : 16 * y + 16]) + bytes(4 * 16) for y in range(20)]
    half = client.image_of(b"".join(rows), 32, 20)
    holes = client.image_of(b"".join(p if i % 3 else bytes(4) for i, p in enumerate(seen)), 16, 20)
    means = []
    for index, style in enumerate((opaque, half, holes)):
        params = {"start": "style", "fit": "stretch", "strength": 1.0, "frames": "none", **SHALLOW}
        client.submit(f"{job}-{index}", iterations=2, seed=1, more={"styles": [style]}, **params)
        picture = finish(client, f"{job}-{index}")[1]
        means.append([sum(picture[channel::4]) / (32 * 24) for channel in range(3)])
    for mean in means[1:]:
        assert mean == pytest.approx(means[0], abs=6)


def test_a_style_without_anything_to_see_is_refused_in_words(client: RawClient, job: str) -> None:
    client.submit(job, more={"styles": [client.image_of(bytes(4 * 64), 8, 8)]}, **SHALLOW)
    failed = client.expect("failed", job=job, seconds=PATIENCE)
    assert (failed["code"], failed["field"]) == ("bad_image", "styles[0]")
    assert "wholly transparent" in failed["message"]


def test_weights_that_are_not_here_are_said_to_be_missing(client: RawClient, job: str) -> None:
    client.submit(job, encoder="vgg19", iterations=1)
    failed = client.expect("failed", job=job, seconds=PATIENCE)
    assert failed["code"] == "weights"
    assert failed["hint"]


def test_a_worker_killed_in_a_job_leaves_its_frames_and_is_replaced(
    server: ServerProcess, client: RawClient, job: str
) -> None:
    client.submit(job, iterations=100_000, **SHALLOW)
    client.expect("frame", job=job, sequence=2, seconds=PATIENCE)
    os.kill(server.worker_pid(), signal.SIGKILL)
    # Once it may have been an accident.
    client.expect("state", job=job, state="preparing")
    client.expect("state", job=job, state="running", seconds=2 * PATIENCE)
    client.expect("progress", job=job, seconds=2 * PATIENCE)
    os.kill(server.worker_pid(), signal.SIGKILL)
    failed = client.expect("failed", job=job)
    assert failed["code"] == "worker_died"
    assert failed["kept_frames"] >= 2
    more = {"start": {"job": job, "iteration": 2}}
    client.submit(job + "x", iterations=1, more=more, **SHALLOW)
    client.expect("done", job=job + "x", seconds=2 * PATIENCE)


def test_the_worker_gives_way_and_ends_with_a_killed_server(
    server: ServerProcess, client: RawClient, job: str
) -> None:
    """The last test here: the server that they share does not outlive it."""
    stat = Path(f"/proc/{server.worker_pid()}/stat")
    client.submit(job, iterations=100_000, **SHALLOW)
    client.expect("progress", job=job, seconds=PATIENCE)
    assert int(stat.read_text().split()[18]) == os.getpriority(os.PRIO_PROCESS, 0) + 10
    server.stop(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _runs(stat):
        time.sleep(0.05)
    assert not _runs(stat)


def _runs(stat: Path) -> bool:
    try:
        return stat.read_text().split()[2] != "Z"
    except OSError:
        return False
