"""Whether VGG's weights may be downloaded: asked once, when a picture had to do without them."""

from __future__ import annotations

from typing import Any

from ..settings import Settings
from .jobs import Job, JobState
from .properties import Observable, Property
from .words import encoder_name, tr

#: Sizes of torchvision's files in MB (2^20 bytes), as its documentation gives them.
MEGABYTES = {"vgg19": 548, "vgg16": 528}


class Download(Observable):
    """The painter's agreement to download weights, kept in the settings.

    ``offered``: the encoder that the docker asks about, "" while it does not ask.
    """

    offered = Property("")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def allowed(self) -> bool | None:
        """What to submit: True once agreed, else None, which leaves it to the server."""
        return True if self._settings.get("download", str) == "yes" else None

    def answer(self, yes: bool) -> None:
        """What the painter said; not asked again, except where an encoder by name is wanted."""
        self._settings.set("download", "yes" if yes else "no")
        self.offered = ""

    def watch(self, job: Job, event: Any) -> None:
        """Offer the download where the job has to do without the weights, or failed for want of them."""
        wanted = job.params.encoder
        if self.allowed:
            return
        # Not before it has ended: in a low docker its row needs the room.
        if wanted == "auto" and job.encoder == "built-in" and job.has_ended:
            if not self._settings.get("download", str):
                self.offered = "vgg19"
        elif wanted in MEGABYTES and job.state is JobState.FAILED and event.get("code") == "weights":
            self.offered = wanted

    @property
    def words(self) -> str:
        """The question."""
        text = tr("{} paints closer to the style. Download it once ({} MB)?")
        return text.format(encoder_name(self.offered), MEGABYTES.get(self.offered, 0)) if self.offered else ""
