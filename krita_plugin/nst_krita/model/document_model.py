"""Between a document and a job: what is sent when it starts, and what becomes of it later."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from .. import host
from ..backend.network import Request
from ..translation import tr_n
from .history import ALL_FRAMES, History, JobRecord
from .jobs import Job, JobState
from .options import DEFAULTS, OF_COLOURS, FrameSchedule, Layers, Options, Params
from .regions import masks_of
from .style_list import StyleList
from .titles import label_of, title_of, translated
from .words import tr


class Origin(NamedTuple):
    """What a job is made from: the layer to paint, the one to start from, the one that frames go above.

    continues: the job that the layer to start from is of. is_frame: the content is one of ours, which the
    docker may have hidden while another is gone on with.
    """

    content: host.Layer
    start: host.Layer | None
    above: host.Layer
    continues: str | None = None
    is_frame: bool = False


def active_layer(document: host.Document, history: History) -> Origin:
    """The active layer, painted anew. Raises HostError."""
    source = document.source()
    return Origin(source, None, _around(document, history.of_layer(source.id)) or source)


def _is_frame(layer: host.Layer, history: History) -> bool:
    made_by = history.of_layer(layer.id)
    return made_by is not None and layer.id in made_by.frames


def _around(document: host.Document, made_by: JobRecord | None) -> host.Layer | None:
    """The group that a job's frames are in, so that those made from one do not come in between."""
    if made_by is None:
        return None
    return next((layer for layer in document.layers() if layer.id == made_by.group), None)


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
    above = _around(document, made_by) or start
    return Origin(content, start, above, record.id, _is_frame(content, history))


def read_job(
    options: Options, styles: StyleList, document: host.KritaDocument, origin: Origin, download: bool | None
) -> tuple[Job, Request]:
    """A job in ``document`` with the docker's settings, and what to submit for it.

    They are taken before anything is read: the painter may change them meanwhile.
    ``download``: whether the server may fetch weights. Raises HostError where the document cannot serve,
    InvalidParams where the settings contradict.
    """
    params, chosen = options.params(styles.weights, styles.scales), styles.styles
    regions = [style.region for style in chosen]
    title = title_of(styles.name, (origin.start or origin.content).name)
    label = label_of(title, document.name)
    job = Job(title, styles.name, params, options["layers"], document.id, origin.content.id, styles=chosen)
    job.locks, job.room = options["lock_frames"], options["frame_memory"] * 2**20
    content = host.read_content(document, origin.content, may_be_hidden=origin.is_frame)
    start = host.read_start(document, origin.start, content.pixels) if origin.start is not None else None
    pictures: Sequence[Any] = [style.picture() for style in chosen]
    masks = masks_of(regions, document, content.pixels)
    request = Request(job.id, params, content.pixels, pictures, content.mask, label, download, masks, start)
    return job, replace(request, continues=origin.continues)


def read_recolouring(options: Options, document: host.KritaDocument, origin: Origin) -> tuple[Job, Request]:
    """A job that gives ``origin.start`` the docker's colours without painting, and what to submit for it.

    They are taken before anything is read. Raises HostError where the document or these colours cannot serve.
    """
    if options["keep_colours"] == "no":
        raise host.HostError(
            tr("A finished picture has the colours of its style already."),
            tr("Choose other Colours, then give them to it."),
        )
    colours = {name: options[name] for name in OF_COLOURS}
    params = Params(iterations=0, frames=FrameSchedule(series=False), **colours)
    title = title_of(tr("recoloured"), (origin.start or origin.content).name)
    label = label_of(title, document.name)
    job = Job(title, tr("recoloured"), params, Layers.EVERY, document.id, origin.content.id)
    job.locks, job.room = options["lock_frames"], options["frame_memory"] * 2**20
    content = host.read_content(document, origin.content, may_be_hidden=origin.is_frame)
    start = host.read_start(document, origin.start or origin.content, content.pixels)
    # A job has a style; nothing is painted in this one, and the content is there anyway.
    return job, Request(job.id, params, content.pixels, [content.pixels], content.mask, label, start=start)


def record_of(job: Job, settings: Mapping[str, Any]) -> JobRecord:
    """What the document is to remember of a job that has just been started with these settings."""
    texts = job.id, job.title, job.style_name, job.layers.value, job.layer_id
    return JobRecord(*texts, settings, begun=int(time.time()))


def job_again(record: JobRecord, document: host.Document) -> Job:
    """The job of which ``document`` remembers ``record``, to follow it once more."""
    options = Options()
    options.load(record.settings.get("options"))
    try:
        params, layers = options.params(()), Layers(record.layers)
    except ValueError:  # of another version of the plugin
        params, layers = DEFAULTS, Layers.EVERY
    title = translated(record.title)
    job = Job(title, record.style_name, params, layers, document.id, record.source, record.id)
    job.locks, job.room = options["lock_frames"], options["frame_memory"] * 2**20
    job.words = tr("asking the server for it")
    job.frames = {
        frame.sequence: frame.iteration for frame in record.frames.values() if frame.sequence != ALL_FRAMES
    }
    job.left_out = passed_over(record, layers)
    return job


def passed_over(record: JobRecord, layers: Layers) -> tuple[int, ...]:
    """Sequences that have never been layers, of those before the latest that has; in place none is missed."""
    came = range(1, max(record.seen, default=0)) if layers.has_all else ()
    return tuple(sorted(set(came).difference(record.seen)))


def ended_again(record: JobRecord, document: host.Document) -> Job:
    """The job that ``document`` remembers as complete, to have its frames at hand once more."""
    job = job_again(record, document)
    job.left_out = ()
    job.iteration = max(job.frames.values(), default=0)
    job.words = _painted_earlier(job.iteration)
    job.state, job.is_folded = JobState(record.ending) if record.ending else JobState.DONE, True
    return job


def _painted_earlier(iterations: int) -> str:
    if not iterations:
        return tr("recoloured earlier")
    words = tr_n("{} iteration, painted earlier", "{} iterations, painted earlier", iterations)
    return words.format(iterations)


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


def painters_layers(layers: Iterable[host.Layer], history: History) -> list[host.Layer]:
    """Those that are neither masks nor made by us."""
    return [layer for layer in layers if not (layer.is_mask or history.of_layer(layer.id))]


def region_layers() -> list[host.Layer]:
    """Layers of the present document whose paint can say where a style acts."""
    return [layer for layer in host.current().layers() if not layer.is_mask]
