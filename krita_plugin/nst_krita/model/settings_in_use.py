"""The docker's settings as a whole: what a document remembers of them, and taking them up again."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from .. import host
from ..settings import Settings
from .documents import Documents
from .history import JobRecord
from .options import OF_COLOURS, Options
from .regions import SelectedRegion, region_again
from .style_list import StyleList
from .styles import file_name, is_own_file
from .words import sentence, tr

#: Jobs started here that are remembered: a document that tells of one of them is the painter's own.
MAX_STARTED = 200


class SettingsInUse:
    """Options and styles together, as JSON values: {"options", "styles", "others"}.

    ``others`` are the names of styles that came from Krita and cannot be had again from a file. Of a style
    that does not paint everywhere ``region`` says where.
    """

    def __init__(
        self,
        settings: Settings,
        options: Options,
        styles: StyleList,
        documents: Documents,
        on_taken: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_taken``: called once settings of an earlier job have been taken over."""
        self._settings, self._options, self._styles = settings, options, styles
        self._documents, self._on_taken = documents, on_taken
        self._used = self.now()

    def now(self) -> dict[str, Any]:
        """What the docker shows."""
        others = [style.name for style in self._styles.styles if not style.path]
        files = [style for style in self._styles.styles if style.path]
        styles = [
            entry if style.region is None else {**entry, "region": style.region.to_json()}
            for style, entry in zip(files, self._styles.to_json())
        ]
        return {"options": self._options.to_json(), "styles": styles, "others": others}

    def hold(self) -> Callable[[str], dict[str, Any]]:
        """Take what the docker shows now for a job that begins once its layers have been read.

        What is returned is called with the job's id then, and returns the job's settings.
        """
        shown, regions = self.now(), [style.region for style in self._styles.styles if style.path]

        def start(job: str) -> dict[str, Any]:
            self._used = shown
            self._remember(job)
            self._keep_masks(regions)
            return shown

        return start

    def _keep_masks(self, regions: Sequence[Any]) -> None:
        selected = [known for known in regions if isinstance(known, SelectedRegion) and known.name]
        if selected:
            self._documents.keep_masks(selected[0].document, {known.name: known.packed for known in selected})

    def _remember(self, job: str) -> None:
        self._settings.set("started", [*self._settings.get("started", list), job][-MAX_STARTED:])

    def hold_recolouring(self, document: host.Document) -> Callable[[str], dict[str, Any]]:
        """The same for a job that gives the active layer of ``document`` the docker's colours.

        Its settings are the layer's in these; the docker's own where it is no frame.
        """
        record = self.record_in(document)
        shown = record.settings_of(document.source().id) if record is not None else {}
        if shown.get("styles") or shown.get("others"):
            colours = {name: self._options[name] for name in OF_COLOURS}
            shown = {**shown, "options": {**shown.get("options", {}), **colours}}
        else:
            shown = self.now()

        def start(job: str) -> dict[str, Any]:
            self._remember(job)
            return shown

        return start

    def use(self, settings: Mapping[str, Any], document: host.Document) -> str:
        """Have these settings of ``document``, with the defaults for all that they do not name.

        Returns what could not be had, in sentences.
        """
        if not settings.get("styles") and not settings.get("others"):
            return tr("The settings of this job are not known.")
        self._options.replace(settings.get("options"))
        styles = settings.get("styles", ())
        problem = self._styles.load([style for style in styles if is_own_file(style["path"])])
        lost = self._have_regions(styles, document)
        self._used = self.now()
        self._on_taken()
        foreign = [file_name(style["path"]) for style in styles if not is_own_file(style["path"])]
        return sentence(
            problem,
            *lost,
            _to_add_again(
                foreign, tr("“{}” is not a file of this computer."), tr("Not files of this computer: {}.")
            ),
            _to_add_again(
                settings.get("others", ()), tr("The style {} came from Krita."), tr("Styles from Krita: {}.")
            ),
        )

    def _have_regions(self, styles: Sequence[Mapping[str, Any]], document: host.Document) -> list[str]:
        """Let the styles of the list paint where ``styles`` say; returns what could not be had."""
        remembered = {style["path"]: style["region"] for style in styles if "region" in style}
        problems = []
        for style in self._styles.styles:
            style.region = None
            if style.path in remembered:
                style.region, problem = region_again(document, remembered[style.path], style.name)
                problems.append(problem)
        return problems

    def meet(self, document: host.Document, busy: bool) -> str:
        """The painter sees ``document`` for the first time: have the settings used last in it.

        They are only offered where the docker shows something that was set and not used yet, or that no
        document brings back; while a job may follow the docker (``busy``); and in a document of somebody
        else, whose styles are not opened unasked. Returns what could not be had.
        """
        history = self._documents.history(document)
        settings = history.settings
        if not settings:
            return ""
        lost = self._follow_regions(settings.get("styles", ()), document)
        if settings == self.now():
            return sentence(*lost)
        started = self._settings.get("started", list)
        is_own = any(job in started for job in history.jobs)
        if is_own and self._can_be_had_again and self._used == self.now() and not busy:
            return self.use(settings, document)
        self._documents.offer_settings(document)
        return sentence(*lost)

    def _follow_regions(self, styles: Sequence[Mapping[str, Any]], document: host.Document) -> list[str]:
        """Have the regions of a document that was closed in ``document``, if this remembers the same: it is
        that one, opened again. Returns what could not be had."""
        remembered = {style["path"]: style.get("region") for style in styles}
        problems = []
        for style in self._styles.styles:
            region = style.region
            if region is None or host.is_known(region.document_id):
                continue
            if remembered.get(style.path) == region.to_json():
                style.region, problem = region_again(document, region.to_json(), style.name)
                problems.append(problem)
        return problems

    @property
    def _can_be_had_again(self) -> bool:
        """Whether a document brings back all that the docker shows."""
        regions = [style.region for style in self._styles.styles if style.region is not None]
        return all(style.path for style in self._styles.styles) and all(
            any(region.to_json().values()) for region in regions
        )

    def use_offered(self, document: host.Document) -> str:
        """Have the settings that are offered for ``document``; returns what could not be had."""
        self._documents.offer_settings(document, offered=False)
        return self.use(self._documents.history(document).settings or {}, document)

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
        return self.use(record.settings_of(document.source().id), document)


def _to_add_again(names: Sequence[str], one: str, several: str) -> str:
    if not names:
        return ""
    if len(names) == 1:
        return sentence(one.format(names[0]), tr("Add it again with +."))
    return sentence(several.format(", ".join(names)), tr("Add them again with +."))
