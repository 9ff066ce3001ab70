"""From a ``submit`` message to a job, or to the field that is wrong with it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nst_server.jobs import Job, Jobs
from nst_server.store import Store
from nst_server.wire.checks import InvalidParams
from nst_server.wire.messages import Message
from nst_server.wire.params import Params
from nst_server.wire.pixels import InvalidPixels, Pixels
from nst_server.wire.scales import check_usable

#: The most pixels of one image: 16384 × 16384.
MAX_PIXELS = 2**28
#: What Windows takes for a device, whatever follows a dot.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class Rejected(Exception):
    """A submission that cannot be taken. ``field`` names what is wrong, ``hint`` says what to do."""

    def __init__(self, field: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.hint = hint


def check_name(name: str, others: Iterable[str]) -> None:
    """Raise Rejected for a new job id whose folder another of ``others`` would share on some system."""
    if name.endswith(".") or _DEVICES.fullmatch(name):
        raise Rejected("job", f"{name} cannot be the name of a folder on Windows.", "Choose another id.")
    same = next((other for other in others if other.casefold() == name.casefold()), None)
    if same is not None:
        problem = f"{name} differs from the id of another job, {same}, in upper and lower case alone."
        raise Rejected("job", problem, "Choose a new id for every job.")


def request_of(message: Message) -> dict[str, Any]:
    """What defines the job, in one form whatever was left to defaults. Raises Rejected."""
    request: dict[str, Any] = {
        "params": _params(message["params"]).to_header(),
        "content": _pixels("content", message["content"]).to_header(),
        "styles": [
            _pixels(f"styles[{index}]", style).to_header() for index, style in enumerate(message["styles"])
        ],
    }
    if message.get("download") is not None:
        request["download"] = message["download"]
    masks = message.get("style_masks") or []
    if len(masks) not in (0, len(message["styles"])):
        raise Rejected(
            "style_masks",
            f"There are {len(masks)} masks for {len(message['styles'])} styles.",
            "Give one, or null, for each style.",
        )
    if any(mask is not None for mask in masks):
        request["style_masks"] = [
            None if mask is None else _pixels(f"style_masks[{index}]", mask).to_header()
            for index, mask in enumerate(masks)
        ]
    if message.get("mask") is not None:
        request["mask"] = _pixels("mask", message["mask"]).to_header()
    start = message.get("start")
    if message.get("continues") is not None:
        if start is None:
            raise Rejected("continues", "There is no picture to go on from.", "Send it as start.")
        if start.get("job", message["continues"]) != message["continues"]:
            problem = f"The start is a frame of {start['job']}, not of {message['continues']}."
            raise Rejected("continues", problem, "Leave it out, or name that job.")
        request["continues"] = message["continues"]
    if start is not None:
        from_job = "job" in start
        request["start"] = (
            {"job": start["job"], "iteration": start["iteration"]}
            if from_job
            else _pixels("start", start).to_header()
        )
    return request


def job_of(message: Message, request: Mapping[str, Any], client: str, jobs: Jobs, store: Store) -> Job:
    """A job that can be queued once its images are here. Raises Rejected."""
    params = Params.from_header(request["params"])
    styles = tuple(Pixels.from_header(style) for style in request["styles"])
    style_masks = tuple(
        None if mask is None else Pixels.from_header(mask) for mask in request.get("style_masks", ())
    )
    start = _start(request, jobs, store)
    if start is not None and "image" not in params.start_shares:
        params = replace(params, start="image")
    elif start is None and "image" in params.start_shares:
        raise Rejected("start", "There is no image to start from.", "Send one, or choose another start.")
    if not params.iterations and start is None:
        raise Rejected(
            "start",
            "0 iterations only give a finished picture other colours.",
            "Send that picture, or give at least 1 iteration.",
        )
    if not params.iterations and params.start != "image":
        raise Rejected(
            "params.start", "0 iterations take no blend.", "Begin with the finished picture alone."
        )
    content = Pixels.from_header(request["content"])
    try:
        check_usable(params, (content.width, content.height), len(styles))
    except InvalidParams as error:
        raise Rejected(f"params.{error.field}", error.problem, error.hint) from error
    job = Job(
        id=message["job"],
        params=params,
        content=content,
        styles=styles,
        style_masks=style_masks,
        mask=Pixels.from_header(request["mask"]) if "mask" in request else None,
        start=start,
        continues=_continued(request, jobs, styles, style_masks) if params.start == "image" else None,
        request=request,
        title=message.get("title", ""),
        client=client,
        created=time.time(),
    )
    for name, pixels in job.images.items():
        _check_image(name, pixels)
    _check_mask(job)
    return job


def culprit(fields: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Field, problem and hint of the first image of a submission that is described wrongly."""
    images = [(name, fields.get(name)) for name in ("content", "mask", "start")]
    for many in ("styles", "style_masks"):
        if isinstance(fields.get(many), list):
            images += [(f"{many}[{index}]", image) for index, image in enumerate(fields[many])]
    for name, image in images:
        if image is not None and not (name == "start" and isinstance(image, Mapping) and "job" in image):
            try:
                Pixels.from_header(image)
            except InvalidPixels as error:
                return f"{name}.{error.field}", error.problem, error.hint
    return None


def _params(header: Any) -> Params:
    try:
        return Params.from_header(header)
    except InvalidParams as error:
        raise Rejected(f"params.{error.field}", error.problem, error.hint) from error


def _pixels(name: str, header: Any) -> Pixels:
    try:
        return Pixels.from_header(header)
    except InvalidPixels as error:
        raise Rejected(f"{name}.{error.field}", error.problem, error.hint) from error


def _start(request: Mapping[str, Any], jobs: Jobs, store: Store) -> Pixels | None:
    start = request.get("start")
    if start is None:
        return None
    if "job" not in start:
        return Pixels.from_header(start)
    job = jobs.get(start["job"])
    if job is None:
        raise Rejected("start.job", f"There is no job {start['job']}.", "Send the image itself.")
    try:
        pixels = store.adopt(job, start["iteration"])
    except (OSError, KeyError, ValueError) as error:
        raise Rejected(
            "start.job", f"Its frame cannot be read: {error}.", "Send the image itself."
        ) from error
    if pixels is None:
        raise Rejected(
            "start.iteration",
            f"Iteration {start['iteration']} of {job.id} is not kept.",
            'Ask "frames" which are.',
        )
    return pixels


def _continued(
    request: Mapping[str, Any],
    jobs: Jobs,
    styles: Sequence[Pixels],
    style_masks: Sequence[Pixels | None],
) -> str | None:
    """The job that is gone on with; None for one that painted in another manner.

    One that is not known any more is trusted to be what it is called; one that only recoloured has none.
    """
    name = request.get("continues") or request.get("start", {}).get("job")
    job = None if name is None else jobs.get(name)
    same = (
        job is None
        or not job.params.iterations
        or _unplaced(job.styles, job.style_masks) == _unplaced(styles, style_masks)
    )
    return name if same else None


def _unplaced(*lists: Sequence[Pixels | None]) -> list[list[Pixels | None]]:
    return [[pixels and pixels.unplaced for pixels in images] for images in lists]


def _check_image(name: str, pixels: Pixels) -> None:
    if pixels.width * pixels.height > MAX_PIXELS:
        raise Rejected(
            f"{name}.width",
            f"{pixels.width}×{pixels.height} pixels are too many.",
            f"The limit is {MAX_PIXELS} pixels; scale the image down.",
        )
    # A PNG of noise is a little larger than its pixels; metadata is not worth more than a megabyte.
    if pixels.bytes > pixels.raw_bytes + pixels.raw_bytes // 8 + 2**20:
        raise Rejected(
            f"{name}.bytes",
            f"{pixels.bytes} bytes are too many for {pixels.width}×{pixels.height} pixels.",
            "Remove metadata, or send raw pixels.",
        )
    if (pixels.channels == "MASK") != name.startswith(("mask", "style_masks")):
        raise Rejected(
            f"{name}.channels",
            f"{pixels.channels} is not possible here.",
            "Send colours for images, MASK for masks.",
        )


def _check_mask(job: Job) -> None:
    if job.mask is None:
        return
    for name in ("width", "height", "x", "y"):
        mask, content = getattr(job.mask, name), getattr(job.content, name)
        if mask != content:
            raise Rejected(
                f"mask.{name}",
                f"The mask's {name} is {mask}, the content's {content}.",
                "Send a mask that covers exactly the content.",
            )
