"""Where styles paint: regions of colours, and selections that a document keeps; with stand-ins for Krita."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from job_records import again, module

RED, BLUE = (0, 0, 255, 255), (255, 0, 0, 255)
SIZE = (32, 16)


def quarters(*pixels: tuple[int, ...]) -> bytes:
    """Four stripes of these pixels beside each other."""
    return b"".join(bytes(pixel) * (SIZE[0] // 4) for pixel in pixels) * SIZE[1]


class Desk:
    """A document of SIZE, its left half red and its right half blue, and styles in a list."""

    def __init__(self, part: Any, monkeypatch: pytest.MonkeyPatch, paths: str = "ab") -> None:
        host, self.part = part("host"), part
        self.kept: dict[str, bytes] = {}
        self.wanted: list[list[str]] = []
        layers = {
            "map": SimpleNamespace(id="map", name="map"),
            "bare": SimpleNamespace(id="bare", name="bare"),
        }

        def source(layer_id: str) -> Any:
            if layer_id not in layers:
                raise host.HostError("gone", "")
            return layers[layer_id]

        self.layers = layers
        self.document = SimpleNamespace(id="document", size=SIZE, is_open=True, text="", source=source)
        self.selection = host.PixelBlock(bytes([7, 0, 255]), 3, 1, 1, 1, channels="MASK")
        self.content = host.PixelBlock(b"", *SIZE)
        self.pixels = quarters(RED, RED, BLUE, BLUE)
        self.read_colours = Mock(side_effect=lambda *_: host.PixelBlock(self.pixels, *SIZE))
        monkeypatch.setattr(host, "read_selection", lambda _document: self.selection)
        monkeypatch.setattr(host, "read_mask", lambda _document, name: self.kept.get(name, b""))
        monkeypatch.setattr(host, "write_masks", self.write)
        monkeypatch.setattr(host, "read_colours", self.read_colours)
        monkeypatch.setattr(host, "sample_colours", self.sample)
        self.regions = part("model.regions")
        self.styles = part("model.style_list").StyleList(self.open)
        self.styles.load([{"path": f"/{name}.png"} for name in paths])
        self.documents = part("model.documents").Documents(Mock())
        self.in_use = part("model.settings_in_use").SettingsInUse(
            part("settings").Settings(), part("model.options").Options(), self.styles, self.documents
        )

    def sample(self, _document: Any, layer: Any) -> Any:
        block = self.part("host").PixelBlock
        return block(self.pixels, *SIZE) if layer.id == "map" else block(b"", 0, 0)

    def open(self, path: str) -> tuple[Any, str]:
        made = self.part("model.style_list").Style()
        made.path = made.name = path
        return made, ""

    def write(self, _document: Any, masks: dict[str, bytes], wanted: list[str]) -> None:
        self.kept.update(masks)
        self.wanted.append(list(wanted))

    def masks(self) -> list[Any]:
        """The styles' regions as the network's thread has them."""
        found = [style.region for style in self.styles.styles]
        made = self.regions.masks_of(found, self.document, self.content)
        return [mask() if callable(mask) else mask for mask in made]

    def start(self, job: str = "a") -> dict[str, Any]:
        """Start a job; returns its settings as the document brings them back."""
        history = self.documents.history(self.document)
        record = self.part("model.history").JobRecord(job, "", "", "every", "", self.in_use.hold()(job))
        history.add(record)
        settings = again(history).settings
        assert isinstance(settings, dict)
        return settings


@pytest.fixture
def desk(part: Any, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(part, monkeypatch)


def test_each_style_gets_a_colour_of_the_layer(desk: Desk) -> None:
    desk.pixels = quarters(RED, BLUE, BLUE, BLUE)
    assert desk.regions.divided(desk.document, desk.layers["map"], desk.styles.styles) == ""
    first = desk.styles.styles[0]
    assert first.region.words == "where “map” has the colour of the swatch"
    assert first.region.colour == "#0000ff"
    masks = desk.masks()
    assert [list(mask.data[::8]) for mask in masks] == [[0, 255, 255, 255] * 16, [255, 0, 0, 0] * 16]
    assert {(mask.channels, mask.width, mask.height) for mask in masks} == {("MASK", *SIZE)}
    assert desk.read_colours.call_count == 1, "the layer is read once for all of them"


@pytest.mark.parametrize(
    ("paths", "words"), [("a", "smallest areas have none"), ("abc", "paint where they did")]
)
def test_what_does_not_come_out_even_is_said(part: Any, monkeypatch: Any, paths: str, words: str) -> None:
    desk = Desk(part, monkeypatch, paths)
    assert words in desk.regions.divided(desk.document, desk.layers["map"], desk.styles.styles)
    assert [style.region is None for style in desk.styles.styles] == [False, False, True][: len(paths)]
    assert "“bare” has no flat colours on it." in desk.regions.divided(
        desk.document, desk.layers["bare"], desk.styles.styles
    )


def test_a_layer_that_cannot_be_read_says_only_why(desk: Desk, part: Any, monkeypatch: Any) -> None:
    error = part("host").HostError("“map” is hidden.", "Show it.")
    monkeypatch.setattr(part("host"), "sample_colours", Mock(side_effect=error))
    assert desk.regions.divided(desk.document, desk.layers["map"], desk.styles.styles) == (
        "“map” is hidden. Show it."
    )
    monkeypatch.undo()
    desk.pixels = bytes(4 * SIZE[0] * SIZE[1])
    monkeypatch.setattr(part("host"), "sample_colours", desk.sample)
    words = desk.regions.divided(desk.document, desk.layers["map"], desk.styles.styles)
    assert words == "“map” has no flat colours on it. Paint one for each style."


def test_a_colour_that_is_gone_is_named_before_the_job(desk: Desk, part: Any) -> None:
    style = desk.styles.styles[0]
    style.region = desk.regions.ColourRegion(desk.document, desk.layers["map"], "#00ff00")
    with pytest.raises(part("host").HostError, match="“map” has no paint in the colour #00ff00 where"):
        desk.masks()
    desk.pixels = bytes(4 * SIZE[0] * SIZE[1])
    style.region = desk.regions.ColourRegion(desk.document, desk.layers["bare"], "#ff0000")
    with pytest.raises(part("host").HostError, match="“bare” has no paint in the colour"):
        desk.masks()
    style.region = desk.regions.ColourRegion(SimpleNamespace(id="other"), desk.layers["map"], "#ff0000")
    with pytest.raises(part("host").HostError, match="another document"):
        desk.masks()


def test_regions_come_back_from_the_document(desk: Desk) -> None:
    first, second = desk.styles.styles
    first.region = desk.regions.ColourRegion(desk.document, desk.layers["map"], "#ff0000")
    second.region = desk.regions.SelectedRegion(desk.document)
    before = [mask.data for mask in desk.masks()]
    remembered = desk.start()
    assert desk.in_use._can_be_had_again
    first.region = second.region = None
    assert desk.in_use.use(remembered, desk.document) == ""
    assert [mask.data for mask in desk.masks()] == before
    assert [style.region.words for style in desk.styles.styles] == [
        "where “map” has the colour of the swatch",
        "inside what was selected",
    ]
    assert desk.in_use.now() == remembered, "a further job finds the same mask"
    assert len(desk.kept) == 1


@pytest.mark.parametrize("damage", ["gone", "changed", "cropped"])
def test_a_selection_that_cannot_be_had_says_so(desk: Desk, damage: str) -> None:
    desk.styles.styles[0].region = desk.regions.SelectedRegion(desk.document)
    remembered = desk.start()
    (name,) = desk.kept
    if damage == "gone":
        desk.kept.clear()
    elif damage == "changed":
        desk.kept[name] = desk.kept[name][:-1] + b"?"
    else:
        desk.document.size = (3, 16)
    words = desk.in_use.use(remembered, desk.document)
    assert words.startswith("“/a.png” painted only inside a selection, which is not remembered. Select that")
    assert desk.styles.styles[0].region is None


def test_an_intricate_selection_is_refused_in_words(desk: Desk, part: Any, monkeypatch: Any) -> None:
    assert desk.regions.SelectedRegion(desk.document).note == ""
    monkeypatch.setattr(part("host"), "MAX_MASK_BYTES", 20)
    region = desk.regions.SelectedRegion(desk.document)
    assert region.note.startswith(
        "This selection is too intricate to be remembered with the document. Fill it"
    )
    desk.styles.styles[0].region = region
    assert desk.start()["styles"][0]["region"] == {"layer": "", "name": ""}
    assert desk.kept == {} and not desk.in_use._can_be_had_again


def test_selections_of_earlier_jobs_stay_wanted_the_latest_first(desk: Desk, part: Any) -> None:
    names = []
    for number in (1, 2, 3):
        desk.selection = part("host").PixelBlock(bytes([number] * 3), 3, 1, channels="MASK")
        desk.styles.styles[0].region = desk.regions.SelectedRegion(desk.document)
        names.append(desk.start(str(number))["styles"][0]["region"]["mask"])
    assert desk.wanted == [[], names[:1], names[1::-1]]
    assert again(desk.documents.history(desk.document)).masks == names[::-1]


@pytest.mark.parametrize(
    "region",
    [{"colour": "red"}, {"colour": "#FF00001"}, {"mask": "../x"}, {"mask": 5}, {"colour": ["#ff0000"]}],
)
def test_a_region_of_a_stranger_has_the_form_of_ours(part: Any, region: dict[str, Any]) -> None:
    style = {"path": "/a.png", "region": {"layer": "", "name": "", **region}}
    settings = {"options": {}, "styles": [style], "others": []}
    text = {"version": 1, "settings": settings, "jobs": []}
    assert module().History.from_text(json.dumps(text)).settings is None
    del style["region"]
    assert module().History.from_text(json.dumps(text)).settings == settings


@pytest.fixture
def handle(part: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A document's annotations as Krita has them."""
    kept: dict[str, bytes] = {"nst_krita": b"{}", "nst_krita_mask_old": b"o" * 10, "exif": b"x"}
    made = Mock(kept=kept)
    made.modified.return_value = False
    made.annotationTypes.side_effect = lambda: list(kept)
    made.annotation.side_effect = lambda key: kept.get(key, b"")
    made.setAnnotation.side_effect = lambda key, _description, data: kept.update({key: data})
    made.removeAnnotation.side_effect = kept.pop
    annotations = part("host.annotations")
    monkeypatch.setattr(annotations, "KritaDocument", SimpleNamespace)
    monkeypatch.setattr(annotations.QtCore, "QByteArray", bytes, raising=False)
    monkeypatch.setattr(annotations, "MAX_MASKS_BYTES", 30)
    monkeypatch.setattr(annotations, "MAX_MASK_BYTES", 20)
    return made


def kept_masks(handle: Any) -> dict[str, int]:
    prefix = "nst_krita_mask_"
    return {key[len(prefix) :]: len(data) for key, data in handle.kept.items() if key.startswith(prefix)}


def test_masks_that_no_job_names_go_and_so_do_the_oldest_beyond_the_limit(part: Any, handle: Any) -> None:
    annotations, document = part("host.annotations"), SimpleNamespace(is_open=True, handle=handle)
    annotations.write_masks(document, {"a": b"a" * 10}, ["old"])
    assert kept_masks(handle) == {"a": 10, "old": 10}
    annotations.write_masks(document, {"b": b"b" * 15, "a": b"a" * 10}, ["old", "gone"])
    assert kept_masks(handle) == {"a": 10, "b": 15}
    assert annotations.read_mask(document, "b") == b"b" * 15
    annotations.write_masks(document, {"c": b"c"}, ["b"])
    assert kept_masks(handle) == {"b": 15, "c": 1}
    assert handle.kept["exif"] == b"x" and handle.kept["nst_krita"] == b"{}"
    assert [call.args for call in handle.setModified.call_args_list] == [(False,)] * 3
    handle.kept["nst_krita_mask_large"] = b"x" * 21
    assert annotations.read_mask(document, "large") == annotations.read_mask(document, "none") == b""


@pytest.mark.parametrize("changed", [False, True])
def test_a_document_opened_again_has_the_regions_that_styles_paint(
    part: Any, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    desk = Desk(part, monkeypatch)
    first, second = desk.styles.styles
    first.region = desk.regions.LayerRegion(desk.document, desk.layers["map"])
    history = module().History()
    history.settings = desk.in_use.now()
    if changed:  # since the job
        second.weight = 3
    kept = desk.in_use.now()

    def opened(name: str) -> Any:
        values = {**vars(desk.document), "id": name, "text": history.to_text(10**6)}
        document = SimpleNamespace(**values)
        desk.documents.look(document, ())
        assert desk.in_use.meet(document, False) == ""
        return first.region

    region = opened("again")
    assert region.document_id == "again" and region.words == "where “map” has paint"
    assert second.region is None and desk.in_use.now() == kept
    monkeypatch.setattr(part("model.settings_in_use").host, "is_known", lambda name: name == "again")
    assert opened("a copy") is region, "whose document is still open"
