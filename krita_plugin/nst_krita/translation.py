"""Texts in the painter's language; plain Python.

Every text for the painter is a literal inside ``tr`` or ``tr_n``: that is where ``krita_plugin.translate``
finds it. Tables of texts are made when their module is imported, so ``use`` comes before all of them.
"""

from __future__ import annotations

import gettext
import struct
from pathlib import Path
from typing import Iterable

FOLDER = Path(__file__).parent / "translations"
DOMAIN = "nst_krita"

_in_use: list[gettext.NullTranslations] = [gettext.NullTranslations()]
_point = ["."]


def use(languages: Iterable[str], point: str = ".") -> None:
    """Translate into the first of these that there is a catalogue for, else leave everything in English.

    ``languages``: the painter's, the favourite first, as Qt names them: "de", "pt-BR". ``point``: what they
    write between a number and its decimals.
    """
    _point[0] = point
    wanted = []
    for language in languages:
        if language.split("-")[0] in ("en", "C"):  # what the texts are written in; no other is wanted more
            break
        wanted.append(language.replace("-", "_"))
    try:
        _in_use[0] = gettext.translation(DOMAIN, str(FOLDER), wanted, fallback=True)
    except (OSError, ValueError, LookupError, struct.error):  # a damaged catalogue; better than no docker
        _in_use[0] = gettext.NullTranslations()


def tr(text: str) -> str:
    """``text`` as the painter reads it."""
    return _in_use[0].gettext(text)


def decimal(number: str) -> str:
    """A number, as Python writes it, with the painter's decimal point."""
    return number.replace(".", _point[0])


def tr_n(one: str, several: str, count: int) -> str:
    """The one of both that goes with ``count``, as the painter reads it; languages can have more forms."""
    return _in_use[0].ngettext(one, several, count)
