"""The protocol against a real server process; a scripted worker keeps the computing short."""

import json
import random
import secrets
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server_process import RawClient, ServerProcess, connected, new_job, scripted_server

from nst_server.wire.messages import CHUNK_BYTES, FROM_CLIENT, HEADER_BYTES, PROTOCOL_VERSION, Message
from nst_server.wire.pixels import digest_of

HANG = 1

server = pytest.fixture(scope="module")(scripted_server)
client = pytest.fixture(connected)


def types(log: list[Message], job: str, *kinds: str) -> list[str]:
    return [m.type for m in log if m.get("job") == job and m.type in kinds]


# -- hello


def test_welcome_says_what_there_is(client: RawClient) -> None:
    assert client.welcome["protocol"] == list(PROTOCOL_VERSION)
    assert client.welcome["limits"]["chunk_bytes"] == CHUNK_BYTES
    assert client.welcome["devices"][0]["id"] == "auto"


def test_another_major_version_is_told_which_side_to_update(server: ServerProcess) -> None:
    client = server.client(hello=False)
    for major, side in ((PROTOCOL_VERSION[0] + 1, "the server"), (0, "the client")):
        client.send("hello", protocol=[major, 0])
        error = client.expect("error", code="version")
        assert side in error["hint"]
    client.send("hello", protocol=[PROTOCOL_VERSION[0], 999])
    client.expect("welcome")


def test_everything_but_hello_waits_for_hello(server: ServerProcess) -> None:
    client = server.client(hello=False)
    client.send("status")
    assert client.expect("error")["code"] == "hello_first"
    client.send("hello", protocol=list(PROTOCOL_VERSION))
    client.expect("welcome")


# -- unreadable messages


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ([b"\xff\xfe"], ""),
        ([b"[1]"], "type"),
        ([b'{"type": "nonsense"}'], "type"),
        ([b'{"type": "cancel"}'], "job"),
        ([b'{"type": "cancel", "job": "../etc"}'], "job"),
        ([b'{"type": "credit", "bytes": -1}'], "bytes"),
        ([b'{"type": "credit", "bytes": NaN}'], ""),
        ([b'{"type": "status"}', b"chunk"], ""),
        ([b'{"type": "hello", "protocol": [1, 0], "client": "\\ud800"}'], ""),
        ([b" " * (HEADER_BYTES + 1)], ""),
        ([b"[" * 5000], ""),
        ([b'{"type": "status", "x": ' + b"[" * 900 + b"]" * 900 + b"}"], ""),
        ([b"{}", b"", b""], ""),
    ],
)
def test_unreadable_messages_are_answered(client: RawClient, parts: list[bytes], field: str) -> None:
    client.raw(*parts)
    error = client.expect("error", code="bad_message")
    assert error["field"] == field
    assert error["message"]


def test_a_message_above_the_limit_costs_only_its_connection(server: ServerProcess) -> None:
    client, other = server.client(), server.client()
    client.raw(b"x" * (CHUNK_BYTES + HEADER_BYTES + 1))
    other.send("status")
    other.expect("status")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = sorted({name for spec in FROM_CLIENT.values() for name in spec})
_HEADERS = st.builds(
    lambda kind, fields: json.dumps({**fields, "type": kind}).encode(),
    st.sampled_from([*FROM_CLIENT, "x"]),
    st.dictionaries(st.sampled_from(_FIELDS), _VALUES | st.just("job-1") | st.just("a" * 64), max_size=6),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.binary(max_size=40), min_size=1, max_size=3) | st.tuples(_HEADERS))
def test_any_bytes_leave_the_server_answering(client: RawClient, parts: list[bytes]) -> None:
    client.raw(*parts)
    client.send("hello", protocol=list(PROTOCOL_VERSION))
    client.expect("welcome", seconds=5)


# -- uploads


def test_images_are_pulled_in_chunks_a_few_at_a_time(client: RawClient) -> None:
    content = client.image(1280, 1260, seed=secrets.randbits(30))
    digest = content["digest"]
    data = client.blobs.pop(digest)
    job = new_job()
    client.submit(job, more={"content": content})
    asked = [m["offset"] for m in client.messages(0.3) if m.type == "need" and m["digest"] == digest]
    assert asked == [0, CHUNK_BYTES, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES]
    client.blobs[digest] = data
    for offset in asked:
        client.send("blob", data[offset : offset + CHUNK_BYTES], digest=digest, offset=offset)
    client.expect("accepted", job=job)
    client.send("cancel", job=job)
    client.expect("cancelled", job=job)


def test_known_images_are_not_asked_for_again(client: RawClient) -> None:
    first, second = new_job(), new_job()
    client.submit(first, iterations=1)
    client.expect("accepted", job=first)
    client.log.clear()
    client.submit(second, iterations=1)
    client.expect("accepted", job=second)
    assert "need" not in [m.type for m in client.log]


def test_bytes_of_another_digest_are_refused(client: RawClient) -> None:
    job = new_job()
    wrong = client.image(seed=secrets.randbits(30))
    client.blobs[wrong["digest"]] = bytes(wrong["bytes"])
    client.submit(job, more={"styles": [client.image(seed=5), wrong]})
    rejected = client.expect("rejected", job=job)
    assert rejected["field"] == "styles[1]"
    client.send("status")
    client.expect("status")


def test_two_clients_wait_for_one_image(server: ServerProcess, client: RawClient) -> None:
    other = server.client()
    style = client.image(seed=secrets.randbits(30))
    data = client.blobs.pop(style["digest"])
    first, second = new_job(), new_job()
    client.submit(first, iterations=1, more={"styles": [style]})
    client.expect("need", digest=style["digest"])
    other.blobs[style["digest"]] = data
    other.submit(second, iterations=1, more={"styles": [style]})
    other.expect("accepted", job=second)
    client.expect("accepted", job=first)


def test_wrong_bytes_of_one_client_do_not_reject_the_other(server: ServerProcess, client: RawClient) -> None:
    other = server.client()
    style = client.image(seed=secrets.randbits(30))
    good, bad = new_job(), new_job()
    data = client.blobs.pop(style["digest"])
    client.submit(good, iterations=1, more={"styles": [style]})
    client.expect("need", digest=style["digest"])
    other.blobs[style["digest"]] = bytes(len(data))
    other.submit(bad, iterations=1, more={"styles": [style]})
    other.expect("rejected", job=bad)
    client.blobs[style["digest"]] = data
    client.expect("accepted", job=good)


def test_the_upload_goes_on_from_another_connection(server: ServerProcess) -> None:
    gone, back = server.client(), server.client()
    style = gone.image(seed=secrets.randbits(30))
    back.blobs[style["digest"]] = gone.blobs.pop(style["digest"])
    job = new_job()
    gone.submit(job, iterations=1, more={"styles": [style]})
    gone.expect("need", digest=style["digest"])
    gone.close()
    back.submit(job, iterations=1, more={"styles": [style]})
    back.expect("accepted", job=job)


def test_chunks_that_nobody_asked_for(client: RawClient) -> None:
    client.send("blob", b"1234", digest="b" * 64, offset=0)
    assert client.expect("error")["code"] == "unexpected_blob"
    style = client.image(seed=secrets.randbits(30))
    data = client.blobs.pop(style["digest"])
    job = new_job()
    client.submit(job, iterations=1, more={"styles": [style]})
    client.expect("need", digest=style["digest"])
    client.send("blob", data, digest=style["digest"], offset=4)
    assert client.expect("error")["code"] == "unexpected_blob"
    client.send("blob", data, digest=style["digest"], offset=0)
    client.expect("accepted", job=job)


def test_chunks_in_another_order_are_asked_for_again(client: RawClient) -> None:
    style = client.image(1280, 1260, seed=secrets.randbits(30))
    digest, job = style["digest"], new_job()
    data = client.blobs.pop(digest)
    client.submit(job, iterations=1, more={"styles": [style]})
    needs = [client.expect("need", digest=digest)["offset"] for _ in range(4)]
    for offset in reversed(needs):
        client.send("blob", data[offset : offset + CHUNK_BYTES], digest=digest, offset=offset)
    assert client.expect("error")["code"] == "unexpected_blob"
    client.blobs[digest] = data
    client.log.clear()
    client.expect("accepted", seconds=5, job=job)
    assert "error" not in [message.type for message in client.log]


def test_the_slower_of_two_clients_with_one_image_is_not_blamed(
    server: ServerProcess, client: RawClient
) -> None:
    slow, job, late = server.client(), new_job(), new_job()
    style = slow.image(seed=secrets.randbits(30))
    data = slow.blobs.pop(style["digest"])
    slow.submit(late, iterations=1, more={"styles": [style]})
    need = slow.expect("need", digest=style["digest"])
    client.blobs[style["digest"]] = data
    client.submit(job, iterations=1, more={"styles": [style]})
    client.expect("accepted", job=job)
    slow.expect("accepted", job=late)
    slow.send("blob", data, digest=style["digest"], offset=need["offset"])
    slow.quiet(0.3, "error")
    slow.send("blob", data, digest=style["digest"], offset=need["offset"])
    assert slow.expect("error")["code"] == "unexpected_blob"


def test_a_chunk_of_a_wrong_length_is_asked_for_once_more(client: RawClient) -> None:
    style = client.image(1280, 1260, seed=secrets.randbits(30))
    digest, job = style["digest"], new_job()
    data = client.blobs.pop(digest)
    client.submit(job, iterations=1, more={"styles": [style]})
    needs = [client.expect("need", digest=digest)["offset"] for _ in range(4)]
    client.send("blob", data[: CHUNK_BYTES - 1], digest=digest, offset=0)
    for offset in needs[1:]:
        client.send("blob", data[offset : offset + CHUNK_BYTES], digest=digest, offset=offset)
    error = client.expect("error", code="wrong_length")
    assert all(str(length) in error["message"] for length in (CHUNK_BYTES - 1, CHUNK_BYTES))
    client.blobs[digest] = data
    client.log.clear()
    client.expect("accepted", job=job)
    assert "error" not in [message.type for message in client.log]
    again = [message["offset"] for message in client.log if message.type == "need"]
    assert again == list(range(0, len(data), CHUNK_BYTES))


def test_only_who_sends_wrong_lengths_again_and_again_is_refused(
    server: ServerProcess, client: RawClient
) -> None:
    other = server.client()
    style = client.image(seed=secrets.randbits(30))
    data, good, bad = client.blobs.pop(style["digest"]), new_job(), new_job()
    client.submit(good, iterations=1, more={"styles": [style]})
    client.expect("need", digest=style["digest"])
    other.submit(bad, iterations=1, more={"styles": [style]})
    for answer in ("error", "error", "error", "rejected"):
        need = other.expect("need", digest=style["digest"])
        other.send("blob", data[:-1], digest=need["digest"], offset=need["offset"])
        rejected = other.expect(answer)
    assert rejected["job"] == bad
    assert rejected["field"] == "styles[0]"
    assert str(len(data)) in rejected["message"]
    client.blobs[style["digest"]] = data
    client.expect("accepted", job=good)


def test_profiles_are_uploaded_like_images(client: RawClient) -> None:
    profile = random.Random(secrets.randbits(30)).randbytes(CHUNK_BYTES + 100)
    client.blobs[digest_of(profile)] = profile
    content = client.image(seed=1, colour_space="icc", icc=digest_of(profile))
    job = new_job()
    client.submit(job, iterations=1, more={"content": content})
    client.expect("accepted", job=job)
    needs = [m for m in client.log if m.type == "need" and m["digest"] == digest_of(profile)]
    assert [m["offset"] for m in needs] == [0, CHUNK_BYTES]


@pytest.mark.parametrize("command", ["cancel", "stop"])
def test_a_job_whose_images_are_arriving_can_be_ended(client: RawClient, command: str) -> None:
    style = client.image(seed=secrets.randbits(30))
    client.blobs.clear()
    job = new_job()
    client.send("submit", job=job, params={}, content=style, styles=[style])
    client.expect("need", job=job)
    client.send(command, job=job)
    client.expect("cancelled", job=job)
    client.send("attach", job=job)
    assert client.expect("error")["code"] == "unknown_job"


def test_a_strength_of_0_is_not_raised_where_no_style_layer_looks_at_the_whole_picture(
    client: RawClient,
) -> None:
    job = new_job()
    client.submit(job, iterations=1000, strength=0.0, style_layers={"conv3_1@2": 1.0})
    client.expect("accepted", job=job)
    client.send("update", job=job, revision=1, params={"strength": 0.5})
    error = client.expect("error", job=job)
    assert (error["code"], error["field"]) == ("bad_update", "params.style_layers")
    client.send("update", job=job, revision=2, params={"tv": 0.5})
    client.send("attach", job=job)
    assert client.expect("accepted", job=job)["revision"] == 2
    client.send("cancel", job=job)
    client.expect("cancelled", job=job)


def test_a_job_whose_images_are_arriving_can_be_steered(client: RawClient) -> None:
    style = client.image(seed=secrets.randbits(30))
    data = client.blobs.pop(style["digest"])
    job = new_job()
    client.submit(job, iterations=2, more={"styles": [style]})
    need = client.expect("need", digest=style["digest"])
    client.send("update", job=job, revision=1, params={"strength": 2})
    assert client.expect("error", job=job)["code"] == "bad_update"
    client.send("update", job=job, revision=2, params={"strength": 0.75})
    client.send("pause", job=job)
    client.send("blob", data, digest=style["digest"], offset=need["offset"])
    accepted = client.expect("accepted", job=job)
    assert (accepted["revision"], accepted["params"]["strength"]) == (2, 0.75)
    assert accepted["state"] == "paused"
    client.quiet(0.2, "progress")
    client.send("resume", job=job)
    assert client.expect("progress", job=job)["revision"] == 2
    client.expect("done", job=job)


# -- what is refused


@pytest.mark.parametrize(
    ("field", "more", "params"),
    [
        ("styles[1].width", {"styles": ["ok", {"width": 0}]}, {}),
        ("content.bytes", {"content": {"bytes": 5}}, {}),
        ("content.width", {"content": {"width": 60_000, "height": 60_000, "bytes": 14_400_000_000}}, {}),
        ("content.bytes", {"content": {"encoding": "png", "bytes": 2**30}}, {}),
        ("content.channels", {"content": {"channels": "MASK", "bytes": 768}}, {}),
        ("mask.channels", {"mask": {}}, {}),
        ("mask.width", {"mask": {"channels": "MASK", "width": 31, "bytes": 31 * 24}}, {}),
        ("mask.x", {"mask": {"channels": "MASK", "x": 1, "bytes": 768}}, {}),
        ("style_masks", {"style_masks": [None, None]}, {}),
        ("style_masks", {"style_masks": "ok"}, {}),
        ("style_masks[0].channels", {"style_masks": ["ok"]}, {}),
        ("style_masks[0].bytes", {"style_masks": [{"channels": "MASK", "bytes": 5}]}, {}),
        ("start", {}, {"start": "image"}),
        ("start", {}, {"start": "content:0.5+image:0.5"}),
        ("start.job", {"start": {"job": "nowhere", "iteration": 1}}, {}),
        ("start", {}, {"iterations": 0, "keep_colours": "luminance"}),
        (
            "params.start",
            {"start": "ok"},
            {"iterations": 0, "keep_colours": "moments", "start": "noise+image"},
        ),
        ("params.keep_colours", {"start": "ok"}, {"iterations": 0}),
        ("params.strength", {}, {"strength": 2}),
        ("params.strenth", {}, {"strenth": 0.5}),
        ("params.style_weights", {}, {"style_weights": [1, 2]}),
        ("params.style_scales", {}, {"style_scales": [1, 2]}),
        ("styles", {"styles": []}, {}),
    ],
)
def test_a_refusal_names_the_field(client: RawClient, field: str, more: Any, params: Any) -> None:
    def build(value: Any) -> Any:
        if isinstance(value, list):
            return [build(v) for v in value]
        if value is None:
            return None
        if value == "ok":
            return client.image()
        return value if "job" in value else {**client.image(), **value}

    job = new_job()
    client.submit(job, more={name: build(value) for name, value in more.items()}, **params)
    rejected = client.expect("rejected", job=job)
    assert rejected["field"] == field
    assert rejected["message"].endswith(".")


def test_the_same_submission_attaches_and_another_one_is_refused(client: RawClient) -> None:
    job = new_job()
    client.submit(job, iterations=40)
    client.expect("accepted", job=job)
    client.expect("state", job=job, state="running")
    client.submit(job, iterations=40)
    assert client.expect("accepted", job=job)["state"] == "running"
    client.submit(job, iterations=41)
    assert client.expect("rejected", job=job)["field"] == "job"
    client.send("cancel", job=job)
    client.expect("cancelled", job=job)


@pytest.mark.parametrize("name", ["{}.", "con", "NUL.{}", "com1.x", "lpt9"])
def test_an_id_that_no_folder_can_have_everywhere_is_refused(client: RawClient, name: str) -> None:
    name = name.format(new_job())
    client.submit(name)
    rejected = client.expect("rejected", job=name)
    assert (rejected["field"], rejected["hint"]) == ("job", "Choose another id.")


def test_an_id_that_differs_in_upper_and_lower_case_alone_is_refused(client: RawClient) -> None:
    known, arriving = new_job(), new_job()
    client.submit(known, iterations=1)
    client.expect("done", job=known)
    lacking = {**client.image(), "digest": secrets.token_hex(32)}
    client.submit(arriving, more={"content": lacking})
    for job in (known, arriving):
        client.submit(job.title())
        assert job in client.expect("rejected", job=job.title())["message"]
    client.submit(known, iterations=1)
    client.expect("done", job=known)


def test_one_client_cannot_fill_the_queue(server: ServerProcess, client: RawClient) -> None:
    limit = client.welcome["limits"]["jobs_per_client"]
    jobs = [new_job() for _ in range(limit)]
    client.submit(jobs[0], seed=HANG)
    client.expect("state", state="running")
    for job in jobs[1:]:
        client.submit(job)
    client.expect("accepted", job=jobs[-1])
    client.submit("one-more")
    assert str(limit) in client.expect("rejected", job="one-more")["hint"]
    other = server.client()
    other.send("status")
    listed: list[Any] = []
    while True:
        page = other.expect("status")
        listed += page["jobs"]
        if not page.get("more"):
            break
    assert set(jobs) <= {job["job"] for job in listed}
    began = time.monotonic()
    for job in reversed(jobs):
        client.send("cancel", job=job)
    waiting = set(jobs)
    while waiting and time.monotonic() - began < 5:
        waiting.discard(client.expect("cancelled")["job"])
    assert not waiting
