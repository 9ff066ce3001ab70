"""Presets, quality, styles and masks: what the docker's settings are, without Krita and Qt."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from plugin_parts import part

pytestmark = pytest.mark.usefixtures("plugin")

PLUGIN = Path(__file__).resolve().parent.parent / "krita_plugin"


def style(path: str) -> Any:
    made = part("model.style_list").Style()
    made.path = made.name = path
    return made


def open_file(path: str) -> tuple[Any, str]:
    return (None, f"“{path}” is not there.") if path.startswith("gone") else (style(path), "")


def a_list(*paths: str) -> Any:
    styles = part("model.style_list").StyleList(open_file)
    for path in paths:
        styles.add(style(path))
    return styles


class Desk:
    """Settings, options, styles and presets as the docker has them."""

    def __init__(self, *paths: str) -> None:
        self.settings = part("settings").Settings()
        self.options, self.styles = part("model.options").Options(), a_list(*paths)
        self.presets = part("model.presets").Presets(self.settings, self.options, self.styles)

    def preset(self, name: str) -> Any:
        return next(preset for preset in self.presets.all if preset.name == name)


# Presets.


def test_presets_that_another_krita_saves_are_kept_and_offered() -> None:
    one, other = Desk("a.png"), Desk("b.png")
    one.presets.save("of one")
    other.presets.save("of the other")
    assert [preset.name for preset in other.presets.saved] == ["of one", "of the other"]
    assert other.presets.save("of one"), "there is one already"
    one.presets.rename(one.preset("of one"), "renamed")
    other.presets.delete(other.preset("of the other"))
    one.presets.look()
    assert [preset.name for preset in one.presets.saved] == ["renamed"]


def test_built_in_presets_are_jobs_that_the_server_takes_each_with_its_picture() -> None:
    desk = Desk()
    names = [preset.name for preset in desk.presets.built_in]
    assert len(names) == len(set(names)) >= 5
    looks = []
    for preset in desk.presets.built_in:
        desk.presets.choose(preset)
        header = desk.options.params(()).to_header()
        for name, value in preset.values.items():
            assert header[name] == value, "every value differs from the default, and is kept"
        looks.append(json.dumps(header, sort_keys=True))
        assert preset.about.endswith(".")
        with Image.open(preset.picture) as picture:
            assert picture.size == (128, 128)
        desk.options.spend("full")
    assert len(set(looks)) == len(looks), "two presets paint the same"


def test_a_preset_sets_the_look_and_leaves_the_rest_alone() -> None:
    desk = Desk("a.png", "b.png")
    desk.options["seed"], desk.options["iterations"], desk.options["tv"] = 7, 123, 9.0
    desk.presets.choose(desk.preset("Bold strokes"))
    assert desk.options["style_scale"] == 2.0
    assert desk.options["tv"] == 0.0, "part of the look, so back to its default"
    assert (desk.options["seed"], desk.options["iterations"]) == (7, 123)
    assert len(desk.styles.styles) == 2
    desk.presets.choose(desk.preset("Quick sketch"))
    assert desk.options.quality == "draft"


def test_changed_is_told_and_taken_back() -> None:
    desk = Desk()
    heard = []
    desk.presets.choose(desk.preset("Fine detail"))
    desk.presets.observe(lambda: heard.append(desk.presets.is_changed), "is_changed")
    desk.options["strength"] = 0.9
    desk.options["strength"] = 0.5
    desk.options["seed"] = 3
    assert heard == [False, True, False]


def test_a_saved_preset_has_settings_and_styles_and_is_there_next_time() -> None:
    desk = Desk("a.png", "b.png")
    desk.options["strength"], desk.options["size"] = 0.8, 700
    desk.styles.styles[1].weight, desk.styles.styles[1].scale = 0.25, 2.0
    assert desk.presets.save("  Mine ") == ""
    assert desk.presets.chosen == "Mine"
    desk.styles.styles[0].weight = 0.5
    assert desk.presets.is_changed

    again = Desk("c.png")
    assert again.presets.current.name == "Mine"
    assert again.presets.choose(again.preset("Mine")) == ""
    assert not again.presets.is_changed
    assert (again.options["strength"], again.options["size"]) == (0.8, 700)
    assert [known.path for known in again.styles.styles] == ["a.png", "b.png"]
    assert (again.styles.weights, again.styles.scales) == ((1.0, 0.25), (1.0, 2.0))


@pytest.mark.parametrize(
    ("styles", "is_changed"),
    [
        ([("a.png", 2 / 3, 1.0), ("b.png", 1 / 3, 2.0)], False),
        ([("a.png", 1.0, 1.0), ("b.png", 0.503, 2.0)], False),
        ([("a.png", 1.0, 1.0), ("b.png", 0.53, 2.0)], True),
        ([("a.png", 1.0, 1.0), ("b.png", 0.5, 1.0)], True),
        ([("b.png", 0.5, 2.0), ("a.png", 1.0, 1.0)], True),
        ([("a.png", 1.0, 1.0)], True),
        ([("a.png", 0.0, 1.0), ("b.png", 0.0, 2.0)], True),
    ],
)
def test_shares_of_a_preset_count_as_the_painter_reads_them(
    styles: list[tuple[str, float, float]], is_changed: bool
) -> None:
    desk = Desk("a.png", "b.png")
    desk.styles.styles[1].weight, desk.styles.styles[1].scale = 0.5, 2.0
    desk.presets.save("Mine")
    desk.styles.load([{"path": path, "weight": weight, "scale": scale} for path, weight, scale in styles])
    assert desk.presets.is_changed == is_changed


def test_what_one_style_alone_had_beside_others_is_no_change_of_a_preset() -> None:
    desk = Desk("a.png")
    desk.presets.save("Mine")
    desk.styles.styles[0].weight, desk.styles.styles[0].scale = 0.25, 2.0
    assert not desk.presets.is_changed
    desk.styles.load([{"path": "b.png"}])
    assert desk.presets.is_changed


def test_settings_of_an_earlier_job_bring_the_preset_that_they_are_of() -> None:
    desk = Desk("a.png")
    desk.presets.choose(desk.preset("Gentle wash"))
    wash = desk.options.to_json()
    desk.presets.choose(desk.preset("Bold strokes"))
    desk.options.replace(wash)
    assert desk.presets.is_changed
    desk.presets.recognise()
    assert (desk.presets.current.name, desk.presets.is_changed) == ("Gentle wash", False)
    assert Desk().presets.current.name == "Gentle wash", "in the next session too"
    desk.options.replace({**wash, "strength": 0.99})
    desk.presets.recognise()
    assert (desk.presets.current.name, desk.presets.is_changed) == ("Gentle wash", True), "of none"
    desk.options.replace({"size": 512, "iterations": 100})
    desk.presets.recognise()
    assert desk.presets.current.name == "Quick sketch", "of which Balanced says less"
    desk.presets.choose(desk.preset("Balanced"))
    desk.presets.recognise()
    assert desk.presets.current.name == "Balanced", "which they are of as well"
    desk.presets.save("Mine")
    desk.presets.delete(desk.preset("Mine"))
    desk.presets.recognise()
    assert desk.presets.current is None, "none was chosen"


def test_regions_belong_to_the_picture_and_not_to_a_preset() -> None:
    desk = Desk("a.png", "b.png")
    here = desk.styles.styles[1].region = SimpleNamespace(document_id="document")
    assert desk.presets.save("Mine") == "Saved, except where each style paints: that belongs to this picture."
    assert desk.presets.chosen == "Mine" and not desk.presets.is_changed
    assert desk.presets.choose(desk.preset("Mine"), "document") == ""
    assert [known.region for known in desk.styles.styles] == [None, here], "they paint on where they did"
    desk.presets.choose(desk.preset("Mine"), "other")
    assert [known.region for known in desk.styles.styles] == [None, None], "a part of another document"
    again = Desk("b.png")
    again.presets.choose(again.preset("Mine"))
    assert [known.region for known in again.styles.styles] == [None, None]


def test_a_style_that_is_gone_is_named_and_the_others_are_there() -> None:
    desk = Desk("gone.png", "b.png")
    desk.presets.save("Mine")
    problem = desk.presets.choose(desk.preset("Mine"))
    assert "gone.png" in problem
    assert [known.path for known in desk.styles.styles] == ["b.png"]


def test_presets_are_renamed_and_deleted_and_names_stay_unique() -> None:
    desk = Desk()
    desk.presets.save("One")
    desk.presets.save("Two")
    assert "already" in desk.presets.rename(desk.preset("Two"), "One")
    assert "already" in desk.presets.rename(desk.preset("Two"), "Balanced")
    assert desk.presets.rename(desk.preset("Two"), "Three") == ""
    assert desk.presets.chosen == "Three"
    assert "comes with the plugin" in desk.presets.save("Balanced")
    assert "needs a name" in desk.presets.save(" ")
    assert "already" in desk.presets.save("One"), "another one is not written over"
    assert desk.presets.save("Three") == "", "the chosen one is"
    desk.presets.delete(desk.preset("Three"))
    assert desk.presets.chosen == ""
    assert [preset.name for preset in Desk().presets.saved] == ["One"]


def test_the_chosen_preset_stays_chosen_in_another_language(monkeypatch: pytest.MonkeyPatch) -> None:
    def german(words: str) -> str:
        return {"Balanced": "Ausgewogen", "Fine detail": "Feinheiten"}.get(words, words)

    desk = Desk()
    desk.presets.choose(desk.preset("Fine detail"))
    with monkeypatch.context() as in_german:
        in_german.setattr(part("model.presets"), "tr", german)
        assert Desk().presets.current.name == "Feinheiten"
        for earlier in ("Balanced", "Ausgewogen"):  # names, as earlier versions remembered them
            desk.settings.set("preset", earlier)
            assert Desk().presets.current.name == "Ausgewogen"
        here = Desk()
        assert here.presets.save("Balanced") == "", "in German that name is free"
        assert here.presets.chosen == Desk().presets.current.id == "Balanced"
    assert Desk().presets.current in Desk().presets.saved
    desk.settings.set("preset", "gone")
    assert Desk().presets.current is None


def test_damaged_presets_of_the_settings_file_do_no_harm() -> None:
    settings = part("settings").Settings()
    good = {"name": "Good", "values": {"strength": 0.2, "iterations": "many", "seed": 4}, "styles": [1]}
    settings.set("presets", [3, {"name": 1}, {"name": "x", "values": [], "styles": []}, good])
    presets = Desk().presets
    assert [preset.name for preset in presets.saved] == ["Good"]
    assert presets.saved[0].options()["strength"] == 0.2
    assert "seed" not in presets.saved[0].options()
    assert presets.saved[0].styles == []


# Quality.


def test_quality_stands_for_size_and_iterations() -> None:
    options = part("model.options")
    desk = Desk()
    assert desk.options.quality == "full", "the protocol's defaults"
    for name, (size, iterations) in options.QUALITIES.items():
        desk.options.spend(name)
        assert (desk.options["size"], desk.options["iterations"]) == (size, iterations)
        assert desk.options.quality == name
    desk.options["iterations"] = 77
    assert desk.options.quality == ""


# Styles.


def test_one_style_has_neither_share_nor_size_of_its_own() -> None:
    styles = a_list("a")
    styles.styles[0].scale = 2.0
    assert (styles.weights, styles.scales) == ((), ())
    styles.add(style("b"))
    assert (styles.weights, styles.scales) == ((1.0, 1.0), (2.0, 1.0))
    styles.styles[0].scale = 1.0
    assert styles.scales == ()


def test_styles_move_within_the_list() -> None:
    styles = a_list("a", "b", "c")
    a, b, c = styles.styles
    styles.move(a, 1)
    assert styles.styles == (b, a, c)
    styles.move(c, 0)
    assert styles.styles == (c, b, a)
    styles.move(c, 99)
    assert styles.styles == (b, a, c)
    styles.move(a, -5)
    assert styles.styles == (a, b, c)


def test_observers_of_the_list_hear_of_its_styles_settings_until_they_leave_it() -> None:
    styles = a_list("a", "b")
    heard = []
    styles.observe(lambda: heard.append(1), "details")
    known = styles.styles[0]
    known.weight, known.scale, known.region = 0.5, 2.0, "somewhere"
    assert len(heard) == 4
    styles.remove(known)
    known.weight = 0.1
    assert len(heard) == 4


@pytest.mark.parametrize(
    "entry",
    [None, 5, {}, {"path": "a", "weight": "x"}, {"path": "a", "weight": None}, ["path"]],
)
def test_damaged_entries_of_a_style_list_are_left_out(entry: Any) -> None:
    styles = a_list()
    assert styles.load([entry, {"path": "b", "weight": 7, "scale": 100}]) == ""
    assert [(known.path, known.weight, known.scale) for known in styles.styles] == [("b", 1.0, 4.0)]


# Masks.


@pytest.mark.parametrize(
    ("want", "expected"),
    [
        ((0, 0, 2, 2), [1, 2, 3, 4]),
        ((-1, -1, 3, 2), [0, 0, 0, 0, 1, 2]),
        ((1, 1, 3, 2), [4, 0, 0, 0, 0, 0]),
        ((-1, 0, 4, 1), [0, 1, 2, 0]),
        ((5, 5, 2, 1), [0, 0]),
        ((0, 7, 1, 1), [0]),
    ],
)
def test_a_mask_is_cut_to_what_is_painted(want: tuple[int, ...], expected: list[int]) -> None:
    masks = part("model.masks")
    have = masks.Rect(0, 0, 2, 2)
    assert list(masks.cut(bytes([1, 2, 3, 4]), have, masks.Rect(*want))) == expected


@pytest.mark.parametrize("saved", [5, None])
def test_styles_that_cannot_be_loaded_leave_the_painters(saved: Any) -> None:
    styles = a_list("/a.png")
    with pytest.raises(TypeError):
        styles.load(saved)
    assert [known.path for known in styles.styles] == ["/a.png"]


def test_a_weight_beyond_all_numbers_costs_that_style_alone() -> None:
    styles = a_list()
    assert styles.load([{"path": "/a.png", "weight": 10**400}, {"path": "/b.png"}]) == ""
    assert [known.path for known in styles.styles] == ["/b.png"]


# Shares, and which iterations are kept.


def test_shares_make_one_and_the_others_keep_their_proportion() -> None:
    styles = a_list("/a.png", "/b.png", "/c.png")
    first, second, third = styles.styles
    assert [round(styles.share(style), 2) for style in styles.styles] == [0.33, 0.33, 0.33]
    styles.give_share(first, 0.6)
    styles.give_share(second, 0.3)
    assert [styles.share(s) for s in styles.styles] == pytest.approx([0.525, 0.3, 0.175])
    assert max(styles.weights) == 1.0, "as the settings and the server have always had them"
    styles.give_share(third, 1.0)
    assert [styles.share(s) for s in styles.styles] == [0, 0, 1]
    styles.give_share(third, 0.5)
    assert [styles.share(s) for s in styles.styles] == [0.25, 0.25, 0.5]


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("series", "1, 2, 5, 10, 20, 50 …"),
        ("every:10", "every 10 iterations"),
        ("every:7", "every 7 iterations"),
        ("none", "the result alone"),
        ("1,2,40", "1, 2, 40"),
        ("series+every:3+7", "1, 2, 5, 10, 20, 50 … + every 3 iterations + 7"),
    ],
)
def test_the_frames_that_are_kept_are_told_in_words_and_read_from_them(schedule: str, words: str) -> None:
    kept = part("model.frame_words")
    assert kept.words_of(schedule) == words
    assert kept.schedule_of(words) == kept.schedule_of(schedule) == schedule
    with pytest.raises(ValueError):
        kept.schedule_of("sometimes")
