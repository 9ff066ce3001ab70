"""The painter's language: every text goes through ``tr``, and the catalogues are those of the sources."""

from __future__ import annotations

import ast
import gettext
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from types import SimpleNamespace
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from plugin_parts import part

from krita_plugin import package, translate

RUN = "run: python -m krita_plugin.translate"
#: What widgets and errors are given for people to read.
SHOWN_BY = {
    *("setText", "setToolTip", "setWindowTitle", "setAccessibleName", "setAccessibleDescription", "setTitle"),
    *("setInformativeText", "setSpecialValueText", "setPlaceholderText", "setStatusTip", "addAction"),
    *("addMenu", "submenu", "addButton", "addItem", "addItems", "addRow", "addTab", "QLabel", "QPushButton"),
    *(
        "QCheckBox",
        "QAction",
        "QMenu",
        "ElidedLabel",
        "Slider",
        "Question",
        "answer",
        "Offer",
        "fail",
        "lose",
    ),
    *("HostError", "BadImage", "SetupFailed", "StillNeeded", "Untold", "NoConnection", "NoPyzmq", "sentence"),
}
#: Words in a row that no painter reads: what other programs say or are told, names of others, reports of
#: problems, which are in English for those who get them.
NOT_FOR_PAINTERS = {
    *("No space left", "os error 28", "os error 112", "invalid peer certificate", "HTTP status"),
    *("Failed to fetch", "Failed to download", "computes on ", "Krita (before a restart)", "closed eye"),
    *("sRGB built-in", "sRGB IEC61966-2.1"),
    "High Dynamic Range UHDTV Wide Color Gamut Display (Rec. 2020) - SMPTE ST 2084 PQ EOTF",
}
#: Constants and functions with such texts: code to run, descriptions inside a .kra, the report to copy.
UNREAD = {"TRIAL", "DESCRIPTION", "MASK_DESCRIPTION", "diagnostics"}
PROSE = re.compile(r"[^\W\d_]{2,}[,.:;]? [^\W\d_]{2,}")
MARKUP = re.compile(r"<[^>]*>?")


def modules() -> list[Path]:
    found = package.PLUGIN.rglob("*.py")
    return [path for path in sorted(found) if package.is_source(path, package.PLUGIN)]


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def bypassing(tree: ast.AST, is_shown: bool = False) -> Iterator[ast.Constant]:
    """Literals that a painter may read as they stand; ``is_shown``: below a call that shows its arguments."""
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        text = MARKUP.sub("", tree.value)
        is_text = PROSE.search(text) or (is_shown and re.search(r"[^\W\d_]{2,}", text))
        if is_text and tree.value not in NOT_FOR_PAINTERS:
            yield tree
        return
    if is_unread(tree):
        return
    if isinstance(tree, ast.Call):
        # "…".format(name) is shown as its surroundings are; what other functions are given is theirs.
        yield from bypassing(tree.func, is_shown)
        for argument in (*tree.args, *tree.keywords):
            yield from bypassing(argument, name_of(tree) in SHOWN_BY)
        return
    if isinstance(tree, (ast.FunctionDef, ast.Lambda, ast.Subscript)):
        is_shown = False
    for child in ast.iter_child_nodes(tree):
        is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if not is_docstring:
            yield from bypassing(child, is_shown)


def is_unread(tree: ast.AST) -> bool:
    """Whether nothing below it is for painters, or it is translated."""
    if isinstance(tree, ast.Call):
        return name_of(tree) in translate.KEYWORDS
    if isinstance(tree, ast.Raise) and isinstance(tree.exc, ast.Call):
        return name_of(tree.exc) in ("ValueError", "TypeError")  # for programmers
    if isinstance(tree, ast.Assign):
        return ast.unparse(tree.targets[0]) in UNREAD
    return isinstance(tree, ast.FunctionDef) and tree.name in UNREAD


def test_no_text_bypasses_tr() -> None:
    wrong = []
    for path in modules():
        name = path.relative_to(package.PLUGIN).as_posix()
        found = bypassing(ast.parse(path.read_text(encoding="utf-8")))
        wrong += [f"{name}:{literal.lineno}: {literal.value!r}" for literal in found]
    assert not wrong, "put these into tr(…)"


@pytest.mark.parametrize(
    "source",
    [
        'label.setText("Start")',
        'label.setText("Start {}".format(number))',
        'button.setToolTip(f"{name} is hidden.")',
        'raise HostError("Gone.", tr("Undo."))',
        'WORDS = "Nothing is there"',
        'words = tr("yes") if good else "not at all"',
    ],
)
def test_a_text_that_bypasses_tr_is_found(source: str) -> None:
    assert list(bypassing(ast.parse(source)))


def test_tr_is_given_literals() -> None:
    """What it is given in another way no translator would ever see."""
    wrong = []
    for path in modules():
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and name_of(call) in translate.KEYWORDS:
                texts = call.args[:2] if name_of(call) == "tr_n" else call.args
                if not all(isinstance(text, ast.Constant) for text in texts):
                    wrong.append(f"{path.relative_to(package.PLUGIN).as_posix()}: {ast.unparse(call)}")
    # The texts of presets.json, which are gathered from there.
    assert wrong == [
        *("model/presets.py: tr(name)", "model/presets.py: tr(about)"),
        "model/server_words.py: tr(template)",  # one of its own
    ]


def keys(catalog: Catalog) -> set[Any]:
    return {message.id for message in catalog if message.id}


def given_to_tr(tree: ast.AST) -> Iterator[Any]:
    """The literals that ``tr`` and ``tr_n`` are given, in whatever they stand."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and name_of(call) in translate.KEYWORDS:
            texts = call.args[:2] if name_of(call) == "tr_n" else call.args
            literals = tuple(text.value for text in texts if isinstance(text, ast.Constant))
            if literals:
                yield literals if len(literals) > 1 else literals[0]


def test_a_text_inside_an_f_string_is_seen() -> None:
    source = "f\"{name or tr('A file')}: {tr_n('one', '{}', count)}\""
    assert set(given_to_tr(ast.parse(source))) == {"A file", ("one", "{}")}


def test_the_template_has_all_texts() -> None:
    with translate.TEMPLATE.open("rb") as file:
        known = keys(read_po(file))
    assert known == keys(translate.template()), RUN
    for path in modules():
        # Babel, which gathers them, sees nothing inside an f-string before Python 3.12.
        unknown = set(given_to_tr(ast.parse(path.read_text(encoding="utf-8")))) - known
        assert not unknown, f"{path.name}: take them out of the f-string"


@pytest.fixture(params=translate.languages())
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def catalog(language: str) -> Catalog:
    return translate.read(language)


def test_there_are_catalogues() -> None:
    assert "de" in translate.languages()


def test_a_catalogue_has_all_texts(catalog: Catalog) -> None:
    assert keys(catalog) == keys(translate.template()), RUN


def test_german_lacks_nothing() -> None:
    texts = {message.id: message for message in translate.read("de") if message.id}
    assert [key for key, message in texts.items() if message.fuzzy or not "".join(message.string)] == []


def entries(data: bytes | Path, folder: Path) -> dict[Any, str]:
    """The texts of a .mo file; its header, which tells of the program that wrote it, aside."""
    path = data if isinstance(data, Path) else folder / "compiled.mo"
    if isinstance(data, bytes):
        path.write_bytes(data)
    with path.open("rb") as file:
        found: dict[Any, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {key: text for key, text in found.items() if key}


def test_what_krita_reads_is_what_the_translator_wrote(
    language: str, catalog: Catalog, tmp_path: Path
) -> None:
    made = entries(translate.compiled(catalog), tmp_path)
    assert made
    assert entries(translate.catalogue_file(language).with_suffix(".mo"), tmp_path) == made, RUN


def translations(message: Message) -> list[tuple[str, str]]:
    """(English, translation) of each form; none where there is no translation, or one in doubt."""
    if message.fuzzy:
        return []
    strings = message.string if isinstance(message.string, tuple) else (message.string,)
    english = message.id if isinstance(message.id, (tuple, list)) else (message.id,)
    return [(english[min(form, len(english) - 1)], text) for form, text in enumerate(strings) if text]


def placeholders(text: str) -> list[str]:
    fields = [field for _before, field, _form, _conversion in Formatter().parse(text) if field is not None]
    numbered = [field or str(place) for place, field in enumerate(fields)]
    return sorted(numbered)


def test_translations_have_the_placeholders_and_the_markup(catalog: Catalog) -> None:
    for message in catalog:
        for english, text in translations(message) if message.id else ():
            assert placeholders(text) == placeholders(english), english
            assert MARKUP.findall(text) == MARKUP.findall(english), english
            assert text.count("→") == english.count("→"), "titles of jobs are read by their arrow"
            spaces = english[: len(english) - len(english.lstrip())], english[len(english.rstrip()) :]
            assert spaces == (text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]), english


def test_german_uses_its_own_quotation_marks() -> None:
    for message in translate.read("de"):
        for _english, text in translations(message) if message.id else ():
            assert "”" not in text
            assert text.count("„") == text.count("“"), text


def test_kritas_list_of_plugins_is_translated() -> None:
    catalogues = {language: translate.read(language) for language in translate.languages()}
    text = package.DESKTOP.read_text(encoding="utf-8")
    assert translate.desktop(text, catalogues) == text, RUN
    assert "Name[de]=Neuronale" in text


def test_the_zip_has_what_krita_reads() -> None:
    files = package.plugin_files(package.Pyzmq({}))
    for language in translate.languages():
        assert f"translations/{language}/LC_MESSAGES/nst_krita.mo" in files
    assert not [name for name in files if name.endswith((".po", ".pot"))]


@pytest.fixture
def translation(plugin: None) -> Any:
    return part("translation")


@pytest.mark.parametrize(
    ("languages", "said"),
    [
        (["de"], "Schließen"),
        (["de-AT", "de", "de-Latn-AT"], "Schließen"),
        (["tlh", "de-DE"], "Schließen"),
        (["en-GB", "en", "de-DE"], "Close"),
        (["tlh"], "Close"),
        (["C"], "Close"),
        ([], "Close"),
    ],
)
def test_the_first_language_that_there_is_counts(translation: Any, languages: list[str], said: str) -> None:
    translation.use(languages)
    assert translation.tr("Close") == said


def test_without_being_told_it_is_english(translation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    assert translation.tr("Close") == "Close"


def test_one_and_several(translation: Any) -> None:
    texts = ("waiting behind {} job", "waiting behind {} jobs")
    assert [translation.tr_n(*texts, count) for count in (1, 2)] == list(texts)
    translation.use(["de"])
    assert [translation.tr_n(*texts, count) for count in (1, 2)] == [
        "wartet auf {} Auftrag",
        "wartet auf {} Aufträge",
    ]


ENCODED_STRANGELY = b"Content-Type: text/plain; charset=nonsense\n"
STRANGE_CATALOGUE = struct.pack(
    "<7I2I2I", 0x950412DE, 0, 1, 28, 36, 0, 0, 0, 44, len(ENCODED_STRANGELY), 45
)  # fmt: skip


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"no catalogue",
        b"\xde\x12\x04\x95" + b"\xff" * 40,
        STRANGE_CATALOGUE + b"\0" + ENCODED_STRANGELY + b"\0",
    ],
)
def test_a_damaged_catalogue_means_english(
    translation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bytes
) -> None:
    file = tmp_path / "de/LC_MESSAGES/nst_krita.mo"
    file.parent.mkdir(parents=True)
    file.write_bytes(damaged)
    monkeypatch.setattr(translation, "FOLDER", tmp_path)
    translation.use(["de"])
    assert translation.tr("Close") == "Close"


def test_tables_of_texts_are_in_the_language_that_was_told_before(translation: Any) -> None:
    translation.use(["de"])
    assert part("model.words").encoder_name("built-in") == "eingebauter Encoder"
    assert part("model.presets").built_in()[0].name == "Ausgewogen"


def test_a_setting_is_parted_from_what_is_wrong_with_it(translation: Any) -> None:
    translation.use(["de"])
    told = part("model.words").refusal("params.coarse_to_fine", "must be true or false.", "")
    assert told == "Vom Groben zum Feinen: must be true or false."


@pytest.mark.parametrize("language", ["tlh", "de"])
def test_units_are_translated(translation: Any, monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    """A catalogue that changes them changes what is read."""
    translation.use([language])
    words, setup = part("model.words"), part("model.server_setup")
    assert words.amount(3 * 2**20, 9 * 2**20, "bytes") == ("3 of 9 MB" if language == "tlh" else "3 von 9 MB")
    assert words.amount(3, 9, "") == ("3 of 9" if language == "tlh" else "3 von 9")
    disk = SimpleNamespace(free=40 * 2**30)
    monkeypatch.setattr(setup.shutil, "disk_usage", lambda _folder: disk)
    monkeypatch.setattr(words, "tr", lambda text: text.replace("GB", "Go"))
    assert setup._free() == "40.0 Go"


def test_numbers_have_the_painters_decimal_point(translation: Any) -> None:
    words = part("model.words")
    assert words.memory_size(1.5 * 2**30) == "1.5 GB"
    translation.use(["de"], ",")
    assert words.memory_size(1.5 * 2**30) == "1,5 GB"


@pytest.mark.parametrize("language", translate.languages())
def test_words_that_are_read_back_are_understood(translation: Any, language: str) -> None:
    translation.use([language])
    words = part("model.frame_words")
    for schedule in ("series", "every:10", "none", "every:7", "1,2,40", "series+every:25"):
        written = words.words_of(str(part("model.options").FrameSchedule.parse(schedule)))
        assert words.schedule_of(written) == words.schedule_of(schedule)
