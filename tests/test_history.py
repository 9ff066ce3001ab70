"""What a document remembers of its jobs, without Krita."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_records import LIMIT, again, module, record, settings

PLUGIN = Path(__file__).resolve().parent.parent / "krita_plugin"


@pytest.fixture(scope="module", autouse=True)
def plugin_path() -> Iterator[None]:
    sys.path.insert(0, str(PLUGIN))
    yield
    sys.path.remove(str(PLUGIN))
    for name in [name for name in sys.modules if name.split(".")[0] == "nst_krita"]:
        del sys.modules[name]


def test_everything_comes_back_from_the_document() -> None:
    history = module().History()
    job = record(group="{group}")
    job.keep("{layer}", module().FrameRecord(2, 10, 3))
    job.change(3, {"strength": 0.9})
    job.is_open = False
    history.add(job)
    read = again(history)
    assert read.jobs == history.jobs
    assert read.settings == history.settings == settings(0.5, "/“Ü”.png")
    assert read.latest == job


def test_frames_and_their_group_are_known_by_their_ids() -> None:
    history = module().History()
    for job in ("a", "b"):
        history.add(record(job, group=f"{{group {job}}}"))
        history.jobs[job].keep(f"{{layer {job}}}", module().FrameRecord(1, 1, 0))
    assert history.of_layer("{layer a}").id == "a"
    assert history.of_layer("{group b}").id == "b"
    assert history.of_layer("{Background}") is None
    history.add(record("c"))
    history.jobs["c"].keep("", module().FrameRecord(1, 1, 0))
    assert history.of_layer("") is None, "no group yet is no layer"
    assert history.jobs["c"].seen == [1]


def test_an_animation_counts_as_a_group_of_frames() -> None:
    history = module().History()
    history.add(record("a", group="{group}"))
    history.jobs["a"].keep("{layer}", module().FrameRecord(1, 1, 0))
    history.jobs["a"].keep("{animation}", module().FrameRecord(module().ALL_FRAMES, 1, 0))
    history.add(record("b"))
    assert history.groups == ["{group}", "{animation}"], "undone, the animation is a group again"


def test_a_frame_has_the_settings_of_its_revision() -> None:
    job = module().JobRecord("a", "", "", "every", "", settings(0.1, "/x.png", "/y.png"))
    for sequence, revision in ((1, 0), (2, 3), (3, 7)):
        job.keep(f"{{{sequence}}}", module().FrameRecord(sequence, sequence, revision))
    job.change(2, {"strength": 0.2})
    job.change(5, {"style_weights": [1.0, 0.25]})
    found = [job.settings_of(f"{{{sequence}}}") for sequence in (1, 2, 3)]
    assert [one["options"]["strength"] for one in found] == [0.1, 0.2, 0.2]
    assert [one["styles"][1]["weight"] for one in found] == [1.0, 1.0, 0.25]
    assert job.settings_of("") == found[2], "no frame of it: as it was last"
    assert "style_weights" not in found[2]["options"]


def test_a_job_without_settings_leaves_those_of_the_document() -> None:
    history = module().History()
    history.add(record())
    history.add(module().JobRecord("b", "", "", "every", "", {}))
    assert again(history).settings == settings(0.5, "/“Ü”.png")


@pytest.mark.parametrize("limit", [100, 1000, 5000])
def test_it_never_outgrows_its_place(limit: int) -> None:
    history = module().History()
    for number in range(100):
        history.add(record(f"job-{number}"))
    text = history.to_text(limit)
    assert len(text.encode()) <= limit
    kept = list(module().History.from_text(text).jobs)
    assert kept == [f"job-{number}" for number in range(100)][len(history.jobs) - len(kept) :]
    assert len(module().History.from_text(history.to_text(10**6)).jobs) == module().MAX_JOBS


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '{"version": 2}', '{"version": 1, "settings": 5, "jobs": 7}', "[" * 5000],
)
def test_a_damaged_text_is_an_empty_history(damage: str) -> None:
    history = module().History.from_text(damage)
    assert (history.settings, history.jobs) == (None, {})


@pytest.mark.parametrize(
    "damage",
    [
        {"seen": [float("inf")]},
        {"seen": [10**12]},
        {"frames": {"{layer}": [1, 10**12, 0]}},
        {"title": "\ud800"},
        {"id": "\ud800"},
        {"id": "/"},
        {"settings": {"styles": 5}},
        {"settings": {"options": {"strength": float("inf")}, "styles": [], "others": []}},
        {"changes": {"1": {"style_weights": 5}}},
        {"settings": {"styles": [{"path": "/a.png", "region": {"layer": "{id}"}}]}},
    ],
)
def test_what_could_not_be_written_sent_or_used_is_not_read(damage: dict[str, Any]) -> None:
    entries = [{**record().to_json(), **damage}, record("b").to_json()]
    text = json.dumps({"version": 1, "settings": damage.get("settings"), "jobs": entries})
    history = module().History.from_text(text)
    assert list(history.jobs) == ["b"]
    assert history.settings is None


def test_settings_of_a_stranger_have_the_form_of_ours() -> None:
    strange = {"options": {}, "styles": [{"path": 5}, {"path": "/a.png"}], "others": [7, "layer “a”"], "x": 1}
    text = json.dumps(
        {"version": 1, "settings": strange, "jobs": [{**record().to_json(), "settings": strange}]}
    )
    history = module().History.from_text(text)
    ours = {"options": {}, "styles": [{"path": "/a.png"}], "others": ["layer “a”"]}
    assert history.settings == history.jobs["a"].settings_of("") == ours


def test_half_a_character_in_a_name_does_not_keep_a_document_from_remembering() -> None:
    history = module().History()
    history.add(module().JobRecord("a", "\ud800", "", "every", "", {}))
    assert again(history).jobs["a"].title == "?"


def test_changes_that_made_no_layer_do_not_push_other_jobs_out() -> None:
    history = module().History()
    history.add(record("a"))
    history.add(record("b"))
    job = history.jobs["b"]
    for revision in range(1, 4001):
        job.change(revision, {"strength": revision / 4000})
        if revision == 2000:
            job.keep("{layer}", module().FrameRecord(1, 1, revision))
    assert list(again(history).jobs) == ["a", "b"]
    read = again(history).jobs["b"]
    assert read.settings_of("{layer}")["options"]["strength"] == 0.5
    assert read.settings_of("")["options"]["strength"] == 1.0
    job.keep("{late}", module().FrameRecord(2, 2, 3990))
    assert job.settings_of("{late}")["options"]["strength"] == 3990 / 4000


def test_one_damaged_job_does_not_cost_the_others() -> None:
    history = module().History()
    for job in ("a", "b", "c"):
        history.add(record(job))
    value = json.loads(history.to_text(LIMIT))
    value["jobs"][1]["frames"] = {"{layer}": ["x"]}
    value["jobs"].append("what")
    assert list(module().History.from_text(json.dumps(value)).jobs) == ["a", "c"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )
)
def test_no_text_of_a_stranger_raises(value: Any) -> None:
    whole = {"version": 1, "settings": value, "jobs": [value, {**record().to_json(), "changes": value}]}
    for text in (json.dumps(value), json.dumps(whole)):
        assert isinstance(module().History.from_text(text).to_text(LIMIT), str)


def test_what_an_earlier_version_has_written_is_read() -> None:
    written = record().to_json()
    del written["begun"], written["painted"]
    assert module().record_from(written) == record()
    assert module().record_from({**written, "begun": -1}) is None


def test_a_job_in_a_document_without_its_layers_has_its_settings_still() -> None:
    made = record(group="{g}", seen=[1], begun=99)
    made.is_open = False
    made.keep("{layer}", module().FrameRecord(1, 10, 0))
    made.change(2, {"strength": 0.75})
    other = made.anew()
    assert (other.group, other.seen, other.frames, other.is_open, other.begun) == ("", [], {}, True, 99)
    assert other.settings_of("")["options"]["strength"] == 0.75
    other.change(3, {"strength": 1.0})
    assert 3 not in made.changes, "nor does one change the other"
