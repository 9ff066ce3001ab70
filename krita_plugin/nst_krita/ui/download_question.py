"""Asks whether weights may be downloaded."""

from __future__ import annotations

from ..model.download import Download
from ..model.words import tr
from .question import Question
from .theme import bind


class DownloadQuestion(Question):
    """What would be downloaded; takes no room while there is nothing to ask."""

    def __init__(self, download: Download) -> None:
        super().__init__()
        self._download = download
        agree = self.answer(
            tr("Download at next Start"),
            tr("The next Start fetches it, showing progress, before it paints."),
            lambda: download.answer(True),
        )
        agree.setObjectName("nst_download")
        self.answer(
            tr("No"),
            tr("Go on with the built-in encoder; Advanced has VGG19 later, too."),
            lambda: download.answer(False),
        )
        bind(self, download, self._show, "offered")

    def _show(self) -> None:
        self.ask(self._download.words)
        self.setVisible(bool(self._download.offered))
