"""Between a document and a job: what is sent when it starts, and its frames as layers."""

from __future__ import annotations

from typing import Any, Sequence

from .. import host
from ..backend.network import Network, Request
from .jobs import Job
from .options import Layers, Options
from .styles import StyleList
from .words import encoder_name, tr


class Insertion:
    """The frames of one job on their way into one document.

    Frames are acknowledged to the server when they are layers; those that are not become layers stay
    on the server, and ``fetch`` brings them later.
    """

    def __init__(
        self, job: Job, document: host.KritaDocument, source: host.Layer, pen: host.PenWatch, network: Network
    ) -> None:
        self._job, self._document, self._source = job, document, source
        self._pen, self._network = pen, network
        self._colours = document.colours  # the frames have those of the layer they are made from
        self._inserter: host.FrameInserter | None = None
        self._sizes: dict[int, int] = {}  # sequence → bytes that wait
        self._fetched: set[int] = set()

    @property
    def pending(self) -> int:
        """How many frames wait for the pen to be up."""
        return len(self._sizes)

    def put(self, event: Any) -> None:
        """Take a kept frame of the job."""
        sequence, size = event["sequence"], len(event.data)
        self._job.left_out = tuple(known for known in self._job.left_out if known != sequence)
        is_old = self._inserter is not None and self._inserter.layer_of(sequence) is not None
        if is_old or sequence in self._sizes or self._job.wanted == "cancel":
            self._network.taken(size)
            return
        pixels = event.pixels
        block = host.PixelBlock(
            event.data, pixels.width, pixels.height, pixels.x, pixels.y, pixels.channels, pixels.dtype
        )
        self._sizes[sequence] = size
        if self._inserter is None:
            self._inserter = self._open()
        name = self._job.frame_name(sequence, event["final"])
        # What the painter asked for by name is not subject to the limit on undo steps.
        asked_for = event["final"] or sequence in self._fetched
        self._inserter.put(host.Frame(sequence, name, block, final=asked_for))

    def fetch(self) -> None:
        """Ask the server for the frames that are left out; they are so until they come."""
        wanted = self._job.left_out
        self._fetched.update(wanted)
        self._network.fetch(self._job.id, wanted, after=max(self._job.frames, default=0))

    def show(self, sequence: int) -> None:
        """Make that frame the visible one."""
        if self._inserter is not None:
            self._inserter.show(sequence)

    def set_visible(self, visible: bool) -> None:
        """Show or hide all of them."""
        if self._inserter is not None:
            self._inserter.set_visible(visible)
        self._job.is_shown = visible

    def remove(self) -> None:
        """Take the layers out of the document again, and insert nothing more."""
        if self._inserter is not None:
            self._inserter.remove()
        self._drop_all()
        self._job.inserted = ()

    def close(self) -> None:
        """Insert nothing more; the layers stay."""
        if self._inserter is not None:
            self._inserter.close()
        self._drop_all()

    def _open(self) -> host.FrameInserter:
        return host.FrameInserter(
            self._document,
            self._source,
            f"{self._job.style_name} · {encoder_name(self._job.encoder)}",
            self._pen,
            replace=self._job.layers is Layers.NEWEST,
            colours=self._colours,
            on_inserted=self._on_inserted,
            on_skipped=self._on_skipped,
            on_gone=self._on_gone,
        )

    def _on_inserted(self, sequence: int) -> None:
        self._drop(sequence)
        self._network.tell("ack", self._job.id, sequence)
        self._refresh()

    def _on_skipped(self, sequence: int) -> None:
        self._drop(sequence)
        # In place, older frames are not missed.
        if self._job.layers is Layers.EVERY and self._job.wanted != "cancel":
            self._job.left_out = (*self._job.left_out, sequence)
        self._refresh()

    def _on_gone(self, reason: str) -> None:
        self._job.note = tr("{} The frames are kept on the server.").format(reason)

    def _refresh(self) -> None:
        if self._inserter is not None:
            self._job.inserted = tuple(sorted(self._inserter.inserted))

    def _drop(self, sequence: int) -> None:
        self._network.taken(self._sizes.pop(sequence, 0))

    def _drop_all(self) -> None:
        for sequence in list(self._sizes):
            self._drop(sequence)


def read_job(options: Options, styles: StyleList, document: host.Document) -> tuple[Job, Request, host.Layer]:
    """A job for the active layer of ``document`` with the docker's settings, and what to submit for it.

    Raises HostError where the document cannot serve, InvalidParams where the settings contradict.
    """
    source = document.source()
    params = options.params(styles.weights)
    content = host.read_content(document, source)
    title = f"{styles.name} → “{source.name}”"
    chosen = styles.styles
    job = Job(title, styles.name, params, options["layers"], document.id, source.id, styles=chosen)
    pictures: Sequence[Any] = [style.picture() for style in chosen]
    return job, Request(job.id, params, content.pixels, pictures, content.mask, title), source


def style_choices() -> list[host.StyleChoice]:
    """Layers and documents that can serve as a style now."""
    document = host.current()
    try:
        source = document.source()
    except host.HostError:
        source = None
    return host.styles(document, source)
