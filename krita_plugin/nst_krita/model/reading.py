"""Start: what a job is made from is read out of the document in front, while the painter goes on."""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple, Tuple

from .. import host
from ..backend.network import Request
from .document_model import Origin, active_layer, continuation, read_job, read_recolouring, record_of
from .documents import Documents
from .download import Download
from .history import JobRecord
from .jobs import Job
from .options import Options
from .properties import Observable, Property
from .settings_in_use import SettingsInUse
from .style_list import StyleList
from .words import tr


class Begun(NamedTuple):
    """A job that can be submitted with ``request``; its frames go above the layer ``above``."""

    document: host.KritaDocument
    above: host.Layer
    job: Job
    request: Request
    record: JobRecord


#: What has been read, and what then takes the job's id and returns the settings that it was made with.
_Read = Callable[[Any], Tuple[Origin, Tuple[Job, Request], Callable[[str], Dict[str, Any]]]]


class Reading(Observable):
    """Reads for a job, with the docker's settings as they are when the reading begins.

    Meanwhile the painter's events come in: he may move sliders, take styles away, look at another document
    or close this one. ``is_reading``: until then nothing else is to be begun. What begins a job raises
    HostError, BadImage and InvalidParams.
    """

    is_reading = Property(False)

    def __init__(
        self,
        options: Options,
        styles: StyleList,
        in_use: SettingsInUse,
        documents: Documents,
        download: Download,
    ) -> None:
        self._options, self._styles, self._in_use = options, styles, in_use
        self._documents, self._download = documents, download
        self._is_closed = False

    def anew(self) -> Begun:
        """Of the active layer."""
        return self._paint(lambda document: active_layer(document, self._documents.history(document)))

    def onward(self) -> Begun:
        """Of the active layer, as it has been painted over."""
        return self._paint(self._continuation)

    def recolouring(self) -> Begun:
        """Of the active layer, a finished frame, which gets the docker's colours."""

        def read(document: Any) -> Any:
            origin = self._continuation(document)
            settings_of = self._in_use.hold_recolouring(document)
            return origin, read_recolouring(self._options, document, origin), settings_of

        return self._begin(read)

    def close(self) -> None:
        """Krita quits: what is being read is not wanted any more."""
        self._is_closed = True

    def _continuation(self, document: host.Document) -> Origin:
        return continuation(document, self._documents.history(document))

    def _paint(self, origin_in: Callable[[host.Document], Origin]) -> Begun:
        if not self._styles.styles:
            raise host.HostError(tr("There is no style yet."), tr("Choose one first: press +."))

        def read(document: Any) -> Any:
            origin, settings_of = origin_in(document), self._in_use.hold()
            made = read_job(self._options, self._styles, document, origin, self._download.allowed)
            return origin, made, settings_of

        return self._begin(read)

    def _begin(self, read: _Read) -> Begun:
        document: Any = host.current()
        self.is_reading = True
        try:
            origin, (job, request), settings_of = read(document)
        finally:
            self.is_reading = False
        if self._is_closed or not document.is_open:
            raise host.HostError(tr("The document has been closed."), tr("Open it again first."))
        return Begun(document, origin.above, job, request, record_of(job, settings_of(job.id)))
