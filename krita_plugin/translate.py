"""Gathers the plugin's texts for translators, and makes of their work what the plugin reads.

    python -m krita_plugin.translate [LANGUAGE …]

writes ``translations/nst_krita.pot`` (all texts), brings each language's ``.po`` up to date with it, compiles
the ``.mo`` beside it and puts the plugin's name into its .desktop file. A LANGUAGE such as ``fr`` or
``pt_BR``, as Krita writes them, begins a catalogue. Needs Babel, a development dependency.
"""

from __future__ import annotations

import datetime
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from krita_plugin.package import DESKTOP, PLUGIN, is_source

FOLDER = PLUGIN / "translations"
TEMPLATE = FOLDER / "nst_krita.pot"
PRESETS = PLUGIN / "presets" / "presets.json"
#: The functions that translate, and which of their arguments are texts.
KEYWORDS = {"tr": None, "tr_n": (1, 2), "_said": None}
WIDTH = 110
_HEADER = "# Texts of the Neural Style Transfer plugin for Krita; made by: python -m krita_plugin.translate"
# Headers that differ from run to run, or say nothing.
_LEFT_OUT = (
    *("Project-Id-Version", "Report-Msgid-Bugs-To", "POT-Creation-Date", "PO-Revision-Date"),
    *("Last-Translator", "Language-Team", "Generated-By"),
)
_EPOCH = datetime.datetime(1980, 1, 1, tzinfo=datetime.timezone.utc)


def texts() -> Iterator[tuple[str | tuple[str, ...], str]]:
    """(text, or its singular and plural; the file it is from) for each text that a painter reads."""
    for path in sorted(PLUGIN.rglob("*.py")):
        if is_source(path, PLUGIN):
            with path.open("rb") as file:
                for _line, message, _comments, _context in extract("python", file, KEYWORDS):
                    yield message, path.relative_to(PLUGIN).as_posix()
    for preset in json.loads(PRESETS.read_text(encoding="utf-8")):
        yield preset["name"], PRESETS.relative_to(PLUGIN).as_posix()
        yield preset["about"], PRESETS.relative_to(PLUGIN).as_posix()
    for text in _desktop_texts(DESKTOP.read_text(encoding="utf-8")).values():
        yield text, DESKTOP.name


def template() -> Catalog:
    """All texts, without translations."""
    catalog = Catalog(project="nst-krita", header_comment=_HEADER, creation_date=_EPOCH, fuzzy=False)
    for message, file in texts():
        # A per cent sign is no placeholder here: those are in braces.
        catalog.add(message, locations=[(file, 1)]).flags.discard("python-format")
    return catalog


def languages() -> list[str]:
    """Those that have a catalogue."""
    return sorted(path.parent.parent.name for path in FOLDER.glob("*/LC_MESSAGES/nst_krita.po"))


def catalogue_file(language: str) -> Path:
    """Where a translator writes; the compiled one, ``.mo``, lies beside it."""
    return FOLDER / language / "LC_MESSAGES" / "nst_krita.po"


def read(language: str) -> Catalog:
    """The catalogue of a language as it is; an empty one where there is none yet."""
    path = catalogue_file(language)
    if not path.is_file():
        return Catalog(locale=language, creation_date=_EPOCH, fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalog: Catalog) -> bytes:
    """The same as a .mo file: what is untranslated or doubtful is left out, and so stays English."""
    catalog.creation_date = catalog.revision_date = _EPOCH
    made = io.BytesIO()
    write_mo(made, catalog)
    return made.getvalue()


def missing(catalog: Catalog) -> list[str]:
    """The texts that it does not translate, or with doubts ("fuzzy": the English has changed since)."""
    texts = [known for known in catalog if known.id]
    return [str(known.id) for known in texts if known.fuzzy or not all(_strings(known.string or ""))]


def _strings(string: object) -> tuple[str, ...]:
    return tuple(string) if isinstance(string, (tuple, list)) else (str(string),)


def written(catalog: Catalog) -> bytes:
    """The same as a .po file: without what a new run would change, and without line numbers."""
    made = io.BytesIO()
    write_po(made, catalog, width=WIDTH, ignore_obsolete=True, include_lineno=False, sort_by_file=True)
    left_out = tuple(f'"{name}:'.encode() for name in _LEFT_OUT)
    lines = made.getvalue().splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(left_out))


def desktop(text: str, catalogues: dict[str, Catalog]) -> str:
    """The .desktop file with its name and comment in each of these languages, below the English ones."""
    text = re.sub(r"^(Name|Comment)\[.*\n", "", text, flags=re.MULTILINE)
    for key, english in _desktop_texts(text).items():
        lines = [f"{key}={english}"]
        for language, catalog in sorted(catalogues.items()):
            message = catalog.get(english)
            if message is not None and message.string and not message.fuzzy:
                lines.append(f"{key}[{language}]={message.string}")
        text = text.replace(lines[0], "\n".join(lines))
    return text


def _desktop_texts(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(Name|Comment)=(.*)$", text, flags=re.MULTILINE))


def main(begun: list[str]) -> None:
    """Bring everything up to date; ``begun``: languages that are to have a catalogue from now on."""
    everything = template()
    FOLDER.mkdir(exist_ok=True)
    TEMPLATE.write_bytes(written(everything))
    catalogues = {}
    for language in sorted({*languages(), *begun}):
        catalog = catalogues[language] = read(language)
        catalog.update(everything, update_header_comment=True, update_creation_date=False)
        path = catalogue_file(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(catalog))
        path.with_suffix(".mo").write_bytes(compiled(catalog))
        untranslated = missing(catalog)
        print(f"{language}: {len(catalog) - len(untranslated)} of {len(catalog)} texts")
        for text in untranslated:
            print(f"  not yet: {text}")
    text = desktop(DESKTOP.read_text(encoding="utf-8"), catalogues)
    DESKTOP.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
