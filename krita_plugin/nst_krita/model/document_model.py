"""Between a document and a job: what is sent when it starts, and its frames as layers."""

from __future__ import annotations

from typing import Any, Callable, Mapping, NamedTuple, Sequence

from .. import host
from ..backend.network import Network, Request
from .history import ALL_FRAMES, FrameRecord, History, JobRecord
from .jobs import Job
from .options import DEFAULTS, OF_COLOURS, FrameSchedule, Layers, Options, Params
from .style_list import StyleList
from .words import encoder_name, sentence, tr

#: What the painter can do where frames can no longer be inserted.
_WAYS_BACK = {
    host.CLOSED: tr("Open it again to insert them."),
    host.CONVERTED: tr("Undo that to insert them."),
    host.DELETED: tr("Redo it, or press Insert, to have them in the document."),
    host.ANIMATED: tr("Undo that to have them as layers."),
}
#: Frames of an animation that go in: each is a step of undo until they are one, and Krita keeps only so many.
ANIMATION_STEPS = 100


class Insertion:
    """The frames of one job on their way into one document.

    Frames are acknowledged to the server when they are layers; those that are not become layers stay
    on the server, and ``fetch`` brings them later.
    """

    def __init__(
        self,
        job: Job,
        document: host.KritaDocument,
        above: host.Layer,
        pen: host.PenWatch,
        network: Network,
        record: JobRecord,
        write: Callable[[], None],
    ) -> None:
        self._job, self.document, self._above = job, document, above
        self.record = record
        self._pen, self._network = pen, network
        self._write = write
        self._colours = document.colours  # the frames have those of the layer they are made from
        self._inserter: host.FrameInserter | None = None
        self._sizes: dict[int, int] = {}  # sequence → bytes that wait
        self._fetched: set[int] = set()
        self._revisions: dict[int, int] = {}  # sequence → of the parameters that made it
        self._final: int | None = None  # its sequence, once it has come

    @property
    def is_homeless(self) -> bool:
        """Whether its document has been closed."""
        return not self.document.is_open

    @property
    def pending(self) -> int:
        """How many frames wait for the pen to be up."""
        return len(self._sizes)

    @property
    def is_animating(self) -> bool:
        """Whether the frames wait to become an animation."""
        return self._inserter is not None and self._inserter.is_animating

    def put(self, event: Any) -> None:
        """Take a kept frame of the job."""
        sequence, size = event["sequence"], len(event.data)
        self._job.left_out = tuple(known for known in self._job.left_out if known != sequence)
        is_old = sequence in self.record.seen and sequence not in self._fetched
        if is_old or sequence in self._sizes or self._job.wanted == "cancel":
            self._network.taken(size)
            return
        pixels = event.pixels
        block = host.PixelBlock(
            event.data,
            pixels.width,
            pixels.height,
            pixels.x,
            pixels.y,
            pixels.channels,
            pixels.dtype,
            pixels.colour_space,
            icc_digest=pixels.icc,
        )
        self._sizes[sequence] = size
        self._revisions[sequence] = event["revision"]
        if event["final"]:
            self._final = sequence
        if self._inserter is None:
            self._inserter = self._open()
        name = self._job.frame_name(sequence, event["final"])
        # What the painter asked for by name is not subject to the limit on undo steps.
        asked_for = event["final"] or sequence in self._fetched
        self._inserter.put(host.Frame(sequence, name, block, final=asked_for))

    def fetch(self, which: Sequence[int] | None = None) -> None:
        """Ask the server for these of the frames that are left out, or all; they are so until they come."""
        wanted = tuple(known for known in self._job.left_out if which is None or known in which)
        if not wanted:
            return
        if self._inserter is not None and self._inserter.gone in (host.DELETED, host.ANIMATED):
            # The painter asks for them: they get a new group, the old one may come back by itself.
            self._inserter.close()
            self._inserter, self.record.group, self._job.note = None, "", ""
        self._fetched.update(wanted)
        self._network.fetch(self._job.id, wanted, after=max(self._job.frames, default=0))

    def show(self, sequence: int) -> None:
        """Make that frame the visible one."""
        if self._inserter is not None:
            self._inserter.show(sequence)

    def animate(self) -> None:
        """Make the frames keyframes of one animated layer, in place of their group."""
        if self._inserter is None:
            self._inserter = self._open()
        reason = self._inserter.gone
        if reason:
            self._on_gone(reason)
            return
        if not self.document.is_in_front:
            self._job.note = tr("The frames become an animation when their document is in front.")
        self._inserter.animate()

    def leave_layers(self) -> None:
        """Let the frames be layers after all."""
        if self._inserter is not None:
            self._inserter.leave_layers()
        self._job.note = tr("The frames stay layers.")

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
            self.document,
            self._above,
            " · ".join(filter(None, (self._job.style_name, encoder_name(self._job.encoder)))),
            self._pen,
            replace=self._job.layers is Layers.NEWEST,
            max_steps=ANIMATION_STEPS if self._job.layers is Layers.ANIMATION else host.MAX_STEPS,
            colours=self._colours,
            locked=self._job.locks,
            group_id=self.record.group,
            layers={
                frame.sequence: layer
                for layer, frame in self.record.frames.items()
                if frame.sequence != ALL_FRAMES
            },
            on_inserted=self._on_inserted,
            on_skipped=self._on_skipped,
            on_gone=self._on_gone,
            on_animated=self._on_animated,
        )

    def _on_inserted(self, sequence: int) -> None:
        self._drop(sequence)
        self._fetched.discard(sequence)
        self._network.tell("ack", self._job.id, sequence)
        self._keep(sequence)
        self._refresh()
        is_complete = sequence == self._final and len(self._job.inserted) > 1
        if is_complete and self._job.layers is Layers.ANIMATION:
            self.animate()

    def _on_skipped(self, sequence: int) -> None:
        self._drop(sequence)
        # In place, older frames are not missed.
        is_missed = self._job.layers.has_all or self.is_homeless
        if is_missed and self._job.wanted != "cancel":
            self._job.left_out = (*self._job.left_out, sequence)
        self._refresh()

    def _keep(self, sequence: int) -> None:
        if self._inserter is None:
            return
        layer_id, self.record.group = self._inserter.id_of(sequence), self._inserter.group_id
        iteration, revision = self._job.frames.get(sequence, 0), self._revisions.pop(sequence, 0)
        self.record.keep(layer_id, FrameRecord(sequence, iteration, revision))
        self._write()

    def _on_gone(self, reason: str) -> None:
        where = tr("The frames are kept on the server.") if reason not in ("", host.ANIMATED) else ""
        self._job.note = sentence(reason, where, _WAYS_BACK.get(reason, ""))
        self._refresh()

    def _on_animated(self, layer_id: str, problem: str) -> None:
        if problem:
            self._job.note = problem
            return
        revision = max((frame.revision for frame in self.record.frames.values()), default=0)
        self.record.keep(layer_id, FrameRecord(ALL_FRAMES, self._job.iteration, revision))
        self._write()

    def _refresh(self) -> None:
        if self._inserter is not None:
            self._job.inserted = tuple(sorted(self._inserter.inserted))

    def _drop(self, sequence: int) -> None:
        self._network.taken(self._sizes.pop(sequence, 0))

    def _drop_all(self) -> None:
        for sequence in list(self._sizes):
            self._drop(sequence)


class Origin(NamedTuple):
    """What a job is made from: the layer to paint, the one to start from, the one that frames go above."""

    content: host.Layer
    start: host.Layer | None
    above: host.Layer


def active_layer(document: host.Document) -> Origin:
    """The active layer, painted anew. Raises HostError."""
    source = document.source()
    return Origin(source, None, source)


def continuation(document: host.Document, history: History) -> Origin:
    """The active layer as it has been painted over, on its way to what its job painted. Raises HostError."""
    start = document.source()
    made_by = history.of_layer(start.id)
    record = made_by or history.latest
    if record is None:
        raise host.HostError(
            tr("Nothing has been painted in this document yet, so there is nothing to continue."),
            tr("Press Start on the layer that shall be painted."),
        )
    try:
        content = document.source(record.source)
    except host.HostError:
        raise host.HostError(
            tr("The layer that “{}” was made from is gone.").format(start.name),
            tr("Undo its deletion, or make the layer that shall be painted active and press Start."),
        ) from None
    if made_by is None and content == start:
        raise host.HostError(
            tr("“{}” is what is painted, not a picture made from it.").format(start.name),
            tr("Make a frame, or a layer painted over it, active; or press Start to begin anew."),
        )
    group = next((layer for layer in document.layers() if layer.id == record.group), None)
    is_inside = made_by is not None and group is not None
    return Origin(content, start, group if is_inside and group is not None else start)


def read_job(
    options: Options, styles: StyleList, document: host.Document, origin: Origin, download: bool | None
) -> tuple[Job, Request]:
    """A job in ``document`` with the docker's settings, and what to submit for it.

    ``download``: whether the server may fetch weights. Raises HostError where the document cannot serve,
    InvalidParams where the settings contradict.
    """
    params = options.params(styles.weights, styles.scales)
    content = host.read_content(document, origin.content)
    start = host.read_start(document, origin.start, content.pixels) if origin.start is not None else None
    title = f"{styles.name} → “{(origin.start or origin.content).name}”"
    chosen = styles.styles
    job = Job(title, styles.name, params, options["layers"], document.id, origin.content.id, styles=chosen)
    job.locks = options["lock_frames"]
    pictures: Sequence[Any] = [style.picture() for style in chosen]
    regions = [
        style.region.mask(document, content.pixels) if style.region is not None else None for style in chosen
    ]
    request = Request(job.id, params, content.pixels, pictures, content.mask, title, download, regions, start)
    return job, request


def read_recolouring(options: Options, document: host.Document, origin: Origin) -> tuple[Job, Request]:
    """A job that gives ``origin.start`` the docker's colours without painting, and what to submit for it.

    Raises HostError where the document or these colours cannot serve.
    """
    if options["keep_colours"] == "no":
        raise host.HostError(
            tr("A finished picture has the colours of its style already."),
            tr("Choose other Colours, then give them to it."),
        )
    colours = {name: options[name] for name in OF_COLOURS}
    params = Params(iterations=0, frames=FrameSchedule(series=False), **colours)
    content = host.read_content(document, origin.content)
    start = host.read_start(document, origin.start or origin.content, content.pixels)
    title = tr("recoloured → “{}”").format((origin.start or origin.content).name)
    job = Job(title, tr("recoloured"), params, Layers.EVERY, document.id, origin.content.id)
    job.locks = options["lock_frames"]
    # A job has a style; nothing is painted in this one, and the content is there anyway.
    return job, Request(job.id, params, content.pixels, [content.pixels], content.mask, title, start=start)


def record_of(job: Job, settings: Mapping[str, Any]) -> JobRecord:
    """What the document is to remember of a job that has just been started with these settings."""
    return JobRecord(job.id, job.title, job.style_name, job.layers.value, job.layer_id, settings)


def job_again(record: JobRecord, document: host.Document) -> Job:
    """The job of which ``document`` remembers ``record``, to follow it once more."""
    options = Options()
    options.load(record.settings.get("options"))
    try:
        params, layers = options.params(()), Layers(record.layers)
    except ValueError:  # of another version of the plugin
        params, layers = DEFAULTS, Layers.EVERY
    job = Job(record.title, record.style_name, params, layers, document.id, record.source, record.id)
    job.locks = options["lock_frames"]
    job.frames = {
        frame.sequence: frame.iteration for frame in record.frames.values() if frame.sequence != ALL_FRAMES
    }
    if layers.has_all:
        came = range(1, max(record.seen, default=0))
        job.left_out = tuple(sorted(set(came).difference(record.seen)))
    return job


def style_choices() -> list[host.StyleChoice]:
    """Layers and documents that can serve as a style now."""
    document = host.current()
    try:
        source = document.source()
    except host.HostError:
        source = None
    return host.styles(document, source)


def dragged_layer() -> host.StyleChoice:
    """The layer that is being dragged out of Krita's list of layers. Raises HostError for a mask."""
    document = host.current()
    # What is dragged is named by an address in memory alone, but Krita makes it the active layer first.
    layer = document.source()
    if layer.is_mask or not isinstance(document, host.KritaDocument):
        raise host.HostError(tr("A mask cannot be a style."), tr("Drag the layer that it belongs to."))
    return host.StyleChoice(document, layer)


def region_layers() -> list[host.Layer]:
    """Layers of the present document whose paint can say where a style acts."""
    return [layer for layer in host.current().layers() if not layer.is_mask]
