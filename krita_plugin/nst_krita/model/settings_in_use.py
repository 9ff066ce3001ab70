"""The docker's settings as a whole: what a document remembers of them, and taking them up again."""

from __future__ import annotations

from typing import Any, Mapping

from .. import host
from .documents import Documents
from .history import JobRecord
from .options import Options
from .style_list import StyleList
from .words import sentence, tr


class SettingsInUse:
    """Options and styles together, as JSON values: {"options", "styles", "others"}.

    ``others`` are the names of styles that came from Krita and cannot be had again from a file.
    """

    def __init__(self, options: Options, styles: StyleList, documents: Documents) -> None:
        self._options, self._styles, self._documents = options, styles, documents
        self._used = self.now()

    def now(self) -> dict[str, Any]:
        """What the docker shows."""
        others = [style.name for style in self._styles.styles if not style.path]
        return {"options": self._options.to_json(), "styles": self._styles.to_json(), "others": others}

    def mark(self) -> None:
        """A job is made with what the docker shows."""
        self._used = self.now()

    def use(self, settings: Mapping[str, Any]) -> str:
        """Have these settings, with the defaults for all that they do not name.

        Returns what could not be had, in sentences.
        """
        if not settings.get("styles") and not settings.get("others"):
            return tr("The settings of this job are not known.")
        self._options.replace(settings.get("options"))
        problem = self._styles.load(settings.get("styles", ()))
        self.mark()
        others = ", ".join(str(name) for name in settings.get("others", ()))
        hint = tr("Not from a file: {}. Add it again with +.").format(others) if others else ""
        return sentence(problem, hint)

    def meet(self, document: host.Document, busy: bool) -> str:
        """The painter sees ``document`` for the first time: have the settings used last in it.

        They are only offered where the docker shows something that was set and not used yet, or while a
        job may follow the docker (``busy``). Returns what could not be had.
        """
        settings = self._documents.history(document).settings
        if not settings or settings == self.now():
            return ""
        if self._used == self.now() and not busy:
            return self.use(settings)
        self._documents.offer_settings(document)
        return ""

    def use_offered(self, document: host.Document) -> str:
        """Have the settings that are offered for ``document``; returns what could not be had."""
        self._documents.offer_settings(document, offered=False)
        return self.use(self._documents.history(document).settings or {})

    def record_in(self, document: host.Document) -> JobRecord | None:
        """The job that made the active layer; None for a layer that is no frame of ours."""
        try:
            return self._documents.history(document).of_layer(document.source().id)
        except host.HostError:
            return None

    def use_of_layer(self, document: host.Document) -> str:
        """Have the settings that made the active layer; returns what could not be had."""
        record = self.record_in(document)
        if record is None:
            return tr("The active layer is no frame. Choose one that a job has made.")
        return self.use(record.settings_of(document.source().id))
