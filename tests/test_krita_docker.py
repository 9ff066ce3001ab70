"""The docker's settings in a real Krita: nothing cut off, all of it named, reachable and draggable."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import packed_plugin
import pytest
from PIL import ImageOps
from real_krita import Profile, Result, run_probe

from nst_server.demo import inputs

HERE = Path(__file__).parent
pytestmark = [pytest.mark.krita, pytest.mark.timeout(600)]

SIZE = (320, 214)
LOOKS = (
    "idle",
    "styles",
    "region",
    "colour_region",
    "job",
    "jobs",
    "unfolded",
    "low",
    "lowest",
    "lean",
    "slim",
    "stacked_310",
    "stacked_200",
    "other",
    "steady_every",
    "steady_newest",
    "steady_usual",
    "steady_low",
    "ended_every",
    "ended_newest",
    "ended_usual",
    "ended_low",
    "low_running",
    "low_enlarged",
    "noted_1",
    "noted_2",
    "noted_4",
    "failed",
    "question",
    "in_line",
    "advice",
    "own_262",
    "own_218",
    "advanced_dark",
    "narrow_dark",
    "advanced_bright",
    "narrow_bright",
    "tight",
)
#: Names of the pictures that serve as styles, the third as long as people make them.
NAMES = ("swirls", "mirrored swirls", "a study of swirls after the night sky, third version, varnished")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin as it is packed, in a folder."""
    return packed_plugin.unpack(tmp_path_factory.mktemp("plugin"))


def probed(plugin: Path, folder: Path, per_cent: int, language: str = "") -> Result:
    """What the probe found where Qt draws everything at that many per cent, in that language of Krita's."""
    # Named so that each has its own folder of screenshots.
    probe = folder / f"docker_{language or per_cent}_probe.py"
    shutil.copy(HERE / "real_krita/docker_probe.py", probe)
    with Profile() as profile:
        inputs.content_photo().resize(SIZE).save(profile.outside / "content.png", icc_profile=None)
        style = inputs.style_painting().convert("RGB").resize((240, 180))
        pictures = (style, ImageOps.mirror(style), ImageOps.invert(style))
        environment = {
            "QT_SCALE_FACTOR": str(per_cent / 100),
            "NST_TEST_CONTENT": str(profile.inside / "content.png"),
        }
        if language:
            environment["NST_TEST_LANGUAGE"] = language
            # As Settings ▸ Switch Application Language writes it.
            chosen = f"[Language]\nkrita=@ByteArray({language})\n"
            (profile.outside / "home/.config/klanguageoverridesrc").write_text(chosen)
        for number, (name, picture) in enumerate(zip(NAMES, pictures, strict=True)):
            picture.save(profile.outside / f"{name}.png")
            environment[f"NST_TEST_STYLE_{number}"] = str(profile.inside / f"{name}.png")
        data = profile.outside / "home/.local/share/nst-krita"
        data.mkdir(parents=True)
        # The docker of somebody who has a server; none is started here. "true" is on every machine's PATH.
        (data / "installed.json").write_text(json.dumps({"command": ["true"]}))
        return run_probe(probe, plugin=plugin, env=environment, profile=profile)


@pytest.fixture(scope="module")
def usual(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return probed(plugin, tmp_path_factory.mktemp("probe"), 100)


@pytest.fixture(scope="module")
def enlarged(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return probed(plugin, tmp_path_factory.mktemp("probe"), 150)


@pytest.fixture(params=["usual", "enlarged"])
def docker(request: pytest.FixtureRequest) -> Result:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_is_cut_off_nameless_or_out_of_the_keyboards_reach(docker: Result, look: str) -> None:
    assert docker["faults_" + look] == []


def test_rows_move_and_go_by_keyboard(docker: Result) -> None:
    assert docker["order"] == list(NAMES)
    assert docker["moved"] == [NAMES[1], NAMES[0], NAMES[2]]
    assert docker["moved_back"] == list(NAMES)
    assert docker["deleted"] == list(NAMES[:2])


def test_a_rows_keys_go_to_the_row_that_was_clicked_and_spare_the_painting(usual: Result) -> None:
    order, moved, *deleted = usual["clicked_row"]
    assert moved == [order[1], order[0], order[2]]
    assert deleted == [moved[:2], moved[:1], [], []]
    assert usual["clicked_row_spares_the_layer"]


def test_tab_goes_through_the_docker_as_one_reads_it(docker: Result) -> None:
    tabs = docker["tabs"]
    assert tabs[0] == "nst_presets" and tabs[-1] == "nst_start"
    order = ("nst_add_style", "nst_field_strength", "nst_advanced", "nst_cancel", "nst_pause", "nst_scrub")
    places = [tabs.index(name) for name in order]
    assert places == sorted(places)
    assert docker["tabs_to_rows"], "also to that which was added last"
    # Beside each other some begin a few px higher.
    assert max(docker["tabs_go_up_by"]) < 10


def test_a_key_pressed_twice_does_nothing_else(docker: Result) -> None:
    cancelled = ["cancel", True, True, True, True, True, ["before"]]
    stopped = ["stop", True, True, True]
    assert docker["pressed_twice"] == [*cancelled, *stopped], "and the focus stays in the docker"
    assert docker["row_is_folded"], "another row's button"
    assert docker["taken_twice"] == [True, "a", True, "nst_take", "b", True, True], (
        "what is offered besides is left alone, and Tab goes on there"
    )


def test_a_row_that_failed_says_so_and_takes_little_room(docker: Result) -> None:
    title, (running, pointed_at, left) = docker["failed"]
    assert title.endswith("“Background”"), "the words below say that it has failed"
    assert pointed_at == running, "nothing moves under the hand"
    assert left < running - 50


def test_a_selection_and_a_layers_paint_are_regions(docker: Result) -> None:
    assert "Nothing is selected" in docker["without_selection"]
    assert docker["message"] == ""
    assert docker["mask"] == [100, 60, 80, 50, 80 * 50, "MASK"]
    assert "washes" in docker["layer_region"]
    assert docker["layer_mask"] == [5, 7, 20, 5, [128]]
    name, told = docker["colour_region"]
    assert name.endswith(" · only on this colour"), "which the picture shows; what is longer would be cut"
    assert told == "Paints only where “washes” has the colour of the swatch (#0a141e)."


def test_what_went_well_is_no_warning(docker: Result) -> None:
    assert docker["told"][0].startswith("Saved, except") and docker["told"][1] == "A preset needs a name."
    usual, saved, refused = docker["told_in"]
    assert saved == usual != refused


def test_rows_and_layers_are_dragged(usual: Result) -> None:
    assert usual["dragged"] == [NAMES[1], NAMES[2], NAMES[0]]
    assert "washes" in usual["layer_dropped"]


def test_a_picture_file_is_dropped_onto_the_styles(usual: Result) -> None:
    assert usual["file_dropped"] == [True, ""]


def test_the_painters_presets_are_kept_by_the_gallery(docker: Result) -> None:
    assert docker["presets"] == [
        [["Mine"], "Mine", 0.25],
        [["Ours & co"], "Ours & co", 0.25],
        [["Ours & co"], "Ours & co (changed)", 0.75],
        [["Ours & co"], "Ours & co", 0.75],
        [["Ours & co"], "Balanced", 0.5],
        [["Ours & co"], "Ours & co", 0.75],
        [["Ours & co"], "Ours & co", 0.75],
        [[], "Presets", 0.75],
    ]
    asked = ["Delete the preset “Ours & co”?", "The settings in the docker stay as they are."]
    assert docker["deletion_asked"] == [asked, asked], "once it was kept"
    assert docker["preset_entry"] == "Delete “Ours && co”…", "a single & would mark a shortcut"
    assert docker["message_after_deletion"] == ""
    title, suggested, width = docker["name_asked"]
    assert (title, suggested) == ("Rename the preset", "Mine")
    assert width > 320, "the title can be read"


def test_the_gallery_offers_presets_and_saving(usual: Result) -> None:
    assert len(usual["menu_presets"]) > 5
    assert any("Save" in entry for entry in usual["menu_presets"])
    columns, is_higher = usual["menu_columns"]
    assert columns == 1 and is_higher, "than the screen: it scrolls"


def test_the_scrubber_runs_over_all_kept_frames(docker: Result) -> None:
    scrub = docker["scrub"]
    assert scrub["range"] == [0, 4] and scrub["newest"] == 4
    assert scrub["shown"][:1] == [2], "those that are layers are shown at once"
    assert scrub["fetched"] == [[4]], "of the others, the one that the hand rests on is fetched"
    assert scrub["stays"] == 3, "the fetched frame is the one that is visible"
    assert scrub["painted_on"] == 3, "a new frame came hidden"
    assert scrub["follows"] == 6, "a new frame is visible, so the scrubber goes there"
    assert scrub["by_key"] == 0
    assert scrub["names"] == [
        ["Frame shown", "iteration 20"],
        ["Frame shown", "iteration 5, not a layer yet"],
    ]
    small, large = scrub["curves"]
    ends = [[part[0][1], part[-1][1]] for part in (small, large)]
    assert ends == [[0.0, 1.0], [0.0, 1.0]], "each size by itself"
    assert [x for x, _ in (*small, *large)] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert docker["pictures"] == [1, 2, 5], "of frames that are layers, once"
    assert docker["mark_of_more"] == [True, True], "it can be seen on any picture"
    assert scrub["renewed"] == [[1, 5], [1, 2, 5]], "each once, after what could not be had as well"


def test_start_cannot_be_pressed_while_a_layer_is_read(docker: Result) -> None:
    reading, after = docker["reading"]
    assert reading == [False, False, "Reading the layer", False]
    assert after == [True, True, "Start", True], "the focus is where it was"
    assert docker["start_pressed"] == [False, True], "nor by the second half of a double click"


def test_the_wheel_scrolls_past_settings_that_have_the_focus(docker: Result) -> None:
    assert docker["wheel"] == {name: [True, True] for name in ("strength", "quality", "layers")}


@pytest.mark.parametrize(
    ("tool", "step"),
    [
        ("KisToolPath", "Draw Bezier Curve"),
        ("KisToolPolygon", "Draw Polygon"),
        ("KisToolSelectMagnetic", "Magnetic Selection"),
        ("KisToolCrop", "Crop Image"),
    ],
)
def test_start_ends_nothing_that_a_tool_has_begun(usual: Result, tool: str, step: str) -> None:
    assert usual["starting"][tool] == [[], True, step], "it is read, and what was begun can be finished"


def test_start_waits_for_a_transformation_that_has_been_begun(usual: Result) -> None:
    found = usual["starting"]["transform"]
    assert found["chosen"] == [[], True]
    is_waiting, button, words, requests = found["begun"]
    assert (is_waiting, button, requests) == (True, "Don't start", 0)
    assert words.startswith("Finish the transformation (Return) or cancel it (Escape)")
    assert found["given up"] == [False, "Start", "", 0]
    assert found["finished"] == [["Transform"], True, ""], "it has started by itself, with what came of it"


def test_a_moved_layer_is_read_as_it_lies(usual: Result) -> None:
    assert usual["starting"]["move"] == [[], True, "Move"]


def test_neither_start_nor_a_frame_closes_a_filters_window(usual: Result) -> None:
    found = usual["starting"]["filter"]
    (is_waiting, _, words, requests), inserted, is_open, undo = found["open"]
    assert is_waiting and words.startswith("Press OK or Cancel in the filter's window")
    assert (requests, inserted, is_open, undo) == (0, [], True, [])
    assert found["closed"] == [True, [1], ["Add Layer"]]


def test_running_jobs_stay_in_sight_and_ended_ones_fold(docker: Result) -> None:
    rows = docker["rows"]
    assert rows["folded"] == [True, False, False]
    assert rows["unfolded"] == [False, 1], "its frames are looked up again"
    open_title, folded_title, begun = rows["titles"]
    assert folded_title == f"{open_title} · {begun}", "one of an earlier session: when it began"
    assert rows["larger"], "the preview, when it is clicked"
    assert rows["in_sight"], "also in a low docker"
    assert rows["of_another_document"] == 1


def test_a_row_is_framed_wherever_it_lies_between_the_screens_pixels(docker: Result) -> None:
    assert docker["without_edge"] == []


def test_in_a_low_docker_one_sees_what_a_job_is_doing(docker: Result) -> None:
    assert docker["stack"]["310"] == [True, True], "of three dockers above each other"
    assert docker["stack"]["200"][0], "on an enlarged screen"


def test_a_row_that_comes_or_fails_is_brought_into_sight(docker: Result) -> None:
    brought, scrolled = docker["news"][::2], docker["news"][1::2]
    assert brought == [True] * 4
    assert scrolled == [False] * 3, "the docker is too low for all of it"


def test_a_row_that_is_dismissed_by_key_scrolls_nothing(docker: Result) -> None:
    before, after, most = docker["scrolled_by_dismissing"]
    assert after == min(before, most)


def test_start_stays_in_its_place(docker: Result) -> None:
    assert len(set(docker["start_at"])) == 1


def test_a_click_meant_for_what_was_there_before_presses_nothing_else(docker: Result) -> None:
    assert docker["stack"]["hasty"] == [False, True], "an offer that has just come"
    assert docker["rows"]["cross"] == [False, True], "cancels a job, and dismisses one that has ended"


def test_what_waits_for_the_pointer_to_leave_comes_where_qt_does_not_tell(docker: Result) -> None:
    assert docker["left_unnoticed"] == [False, True]


@pytest.mark.parametrize("kind", ["every", "newest", "usual", "low"])
def test_a_rows_buttons_stay_in_their_place(docker: Result, kind: str) -> None:
    found = docker["steady"][kind]
    assert all(place == found["places"][0] for place in found["places"]), found["places"]
    assert found["end"] == found["places"][0][0]
    (cross, cancels), (tick, dismisses) = found["cross"], found["tick"]
    assert cross != tick and cancels != dismisses
    assert found["asked"] == [False, True], "only while the pointer is elsewhere"
    with_pointer, without = found["heights"]
    assert without < with_pointer, "what has ended needs less room"
    title, folded, begun = found["folded"]
    assert folded == f"{title} · {begun}", "as it is called when the document is opened again"


def test_in_a_low_docker_one_sees_a_job_and_what_moves_it(docker: Result) -> None:
    low = docker["low"]
    seen = low["seen"]
    assert all(seen["whole"].values()), seen["whole"]
    preparing, running = seen["heights"]
    assert abs(running - preparing) <= 2, "nothing moves under the hand"
    assert seen["named"] == [False, True], "the document, where it is not the one in view"
    little, large = seen["enlarged"]
    assert large > 1.5 * little
    assert low["pointed_at"] == low["focused"] == [0], "the settings stay as they are under the hand"
    assert low["added"], "a style that has just come"


def test_a_long_note_leaves_the_stages_of_a_low_docker_in_sight(docker: Result) -> None:
    folded, unfolded, again, roomy = docker["noted"]
    whole = docker["note"]
    length, is_all, are_seen, tip, name = folded
    assert 20 < length < 60 and not is_all
    assert are_seen, "the stages, and the note's line"
    assert whole in tip and name == whole
    assert again == folded
    assert unfolded[1] and roomy[1:3] == [True, True]


def test_unfolding_advanced_settings_moves_nothing_sideways(docker: Result) -> None:
    narrow, wide = docker["unfolding"][:2], docker["unfolding"][2:]
    assert narrow[0] == narrow[1] and wide[0] == wide[1]


def test_an_ended_job_that_has_no_preview_shows_no_empty_room(docker: Result) -> None:
    fetched, _, _, is_curve_seen = docker["without_pictures"]
    assert fetched < 20, "its frames are in sight"
    assert not is_curve_seen, "of one that is cancelled nothing is left"


def test_rows_stand_as_in_the_queue_and_say_what_they_wait_for(docker: Result) -> None:
    assert docker["in_line"][1:] == [["next in line", True], ["waiting behind 1 job", True]]


def test_one_button_inserts_what_is_left_out_and_what_waits(docker: Result) -> None:
    assert docker["steady"]["every"]["insert"][:2] == ["Insert 6\nthat wait", "Insert\n8 more"]
    assert docker["steady"]["newest"]["insert"][0] == "Insert 1 that waits", (
        "in place one layer comes of them"
    )


def test_the_question_can_be_answered_in_a_low_docker(docker: Result) -> None:
    assert docker["answers"] == [True, True]


def test_what_the_painter_set_by_hand_is_told_as_a_quality(docker: Result) -> None:
    assert docker["own_quality"] == ["256 px, 1 iteration", "256 px, 150 iterations"]


def luminance(colour: list[int]) -> float:
    """Relative, as WCAG 2 defines it."""
    linear = [v / 3294.6 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["dark", "bright"])
def test_starts_text_can_be_read(docker: Result, theme: str) -> None:
    drawn = docker["start_" + theme]
    ground = [luminance(colour) for colour in drawn["ground"]]
    text = max(map(luminance, drawn["text"]))
    assert (text + 0.05) / (max(ground) + 0.05) >= 4.5


def test_a_large_picture_on_a_processor_is_one_click_from_a_draft(docker: Result) -> None:
    assert docker["advice"] == [True, "draft", False]


def test_texts_that_look_like_markup_are_shown_as_they_are(usual: Result) -> None:
    assert usual["markup"] == [True, True, "5 & 6"]


@pytest.fixture(scope="module")
def german(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return probed(plugin, tmp_path_factory.mktemp("probe"), 100, "de")


def test_it_speaks_the_language_that_krita_was_switched_to(german: Result) -> None:
    assert german["title"] == "Neuronale Stilübertragung"
    assert german["actions"] == [
        "Neuronale Stilübertragung …",
        "Neuronale Stilübertragung: Start",
        "Neuronale Stilübertragung: Von der aktiven Ebene aus weitermalen",
    ]
    assert german["tip"] == "Die aktive Ebene oder ihren ausgewählten Teil in diesen Stilen malen."
    assert german["unit"] == " px"


@pytest.mark.parametrize("look", ["idle", "styles", "job", "advanced", "narrow", "slim"])
def test_nothing_is_cut_off_in_german(german: Result, look: str) -> None:
    assert german["faults_" + look] == []


def test_float_alpha_is_read(usual: Result) -> None:
    assert usual["alphas"] == {depth: [0, 128, 255] for depth in ("U8", "U16", "F16", "F32")}
