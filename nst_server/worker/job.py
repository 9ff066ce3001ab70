"""One job in the worker: its pictures in; its progress, previews and kept frames out."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nst_server import device as devices
from nst_server import durable
from nst_server.engine import images
from nst_server.engine.luminance import luminance
from nst_server.engine.memory import give_back
from nst_server.engine.objective import style_shares, used_layers
from nst_server.engine.palette import recoloured
from nst_server.engine.pyramid import fill_transparent, resize, resize_map
from nst_server.engine.regions import Regions
from nst_server.engine.state import State
from nst_server.engine.step import Step
from nst_server.engine.stylize import stylize
from nst_server.engine.vgg import Encoder
from nst_server.wire.messages import Message
from nst_server.wire.params import Params
from nst_server.wire.pixels import CHANNELS, Pixels
from nst_server.wire.scales import fit_longest
from nst_server.worker import checkpoint as checkpoints
from nst_server.worker.checkpoint import Checkpoint, Keeper, Unreadable
from nst_server.worker.inputs import Inputs
from nst_server.worker.link import Link
from nst_server.worker.memory import Loss, Memory, OtherLoss, loss_of, write_last
from nst_server.worker.reins import Leaving, Preparing, Reins

#: Longest side of a preview in px: its pixels fit into one message. And the least time between two, in s.
PREVIEW_SIDE = 256
PREVIEW_SECONDS = 0.5
#: Longest side of a style below which it has no strokes, in px.
TOO_SMALL = 8
#: Less than any alpha or mask but 0, to divide by.
TINY = 1e-6
#: Beside the checkpoint: where the job ended that is gone on with, once paused before the first picture.
PUT_BY = ".before"
#: In place of an encoder's name where nothing is painted.
NO_ENCODER = ""


class Run:
    """One job: its pictures in, its progress, previews and kept frames out."""

    def __init__(
        self,
        link: Link,
        task: Message,
        device: torch.device,
        choose: Callable[..., Encoder],
        memory: Memory,
    ) -> None:
        self._link = link
        self._device = device
        self._choose = choose
        self._memory = memory
        self._job: str = task["job"]
        self._folder = Path(task["folder"])
        self._min_free: int = task["min_free"]
        self._task = task
        self._reins = Reins(link, task)
        self._content = Pixels.from_header(task["content"]["pixels"])
        self._profile: bytes | None = None
        self._picture: images.Picture
        self._mask: Tensor | None = None
        self._regions: Regions | None = None
        self._shares: tuple[float, ...] = ()
        #: Regions and content at the size of a preview.
        self._small: tuple[Regions, Tensor] | None = None
        self._sequence = 0
        #: A note that the next progress tells which has none of its own.
        self._unsaid = ""
        self._preview_at = 0.0
        self._began = time.monotonic()
        self._file = Path(task["checkpoint"])
        self._keeper = Keeper(self._file, self._min_free)
        self._plan: dict[str, Any] = {}
        #: Where the job stands, once it has a picture.
        self._latest: Checkpoint | None = None
        #: Before that: writes down where the job that is gone on with has ended.
        self._put_by: Callable[[Callable[[], None]], None] | None = None

    def ending(self) -> dict[str, Any]:
        """Do the job; returns the fields of ``done``.

        Raises Cancelled, Leaving, Released, what ``failure`` knows.
        """
        with devices.reproducible(self._reins.params.deterministic):
            try:
                return self._painted()
            except Leaving:
                self._save()
                raise

    def _painted(self) -> dict[str, Any]:
        Preparing(self._link, self._job)("reading the images", 0, 0, "")
        inputs = Inputs(self._task, self._reins.check)
        content = self._picture = inputs.content()
        self._profile, start, self._mask = inputs.profile(), inputs.start(), inputs.mask()
        self._regions = inputs.regions((self._content.width, self._content.height), self._reins.params.fit)
        if start is not None and not self._reins.params.iterations:
            return self._recoloured(start)
        inputs.must_be_seen(content, self._mask)
        styles = inputs.styles()
        for index, style in enumerate(styles, 1):
            if max(style.rgb.shape[1:]) < TOO_SMALL:
                self._note(f"style {index} is smaller than {TOO_SMALL} px: it has colours, but no strokes")
        described = [image["pixels"] for image in (self._task["content"], *self._task["styles"])]
        pixels = [Pixels.from_header(header).unplaced for header in described]
        encoder = self._choose(self._reins, [content, *styles], pixels)
        device = devices.describe(self._device)
        content_layers, style_layers = used_layers(encoder, self._reins.params)
        self._plan = {
            **devices.plan(self._device, encoder.digest),
            "content_layers": content_layers,
            "style_layers": style_layers,
        }
        resume = self._resumed(encoder) if self._task["again"] else None
        continues = self._task["continues"]
        # What was resumed has it.
        earlier = self._before(continues if resume is None else None, encoder)
        if idle := set(self._reins.params.style_layer_losses).difference(style_layers):
            self._note(f"{min(idle)} is not among the style layers: its style loss changes nothing")
        self._link.send("running", job=self._job, device=device, encoder=encoder.name)
        steps = stylize(
            content.rgb,
            [style.rgb for style in styles],
            encoder,
            self._reins.params,
            start=None if start is None else start.rgb,
            start_alpha=None if start is None else self._paint_of(start, earlier),
            influence=content.alpha,
            regions=self._regions,
            style_alphas=[style.alpha for style in styles],
            device=self._device,
            control=self._reins,
            resume=resume,
            continues=continues is not None,
            earlier=earlier,
            starved=self._task["starved"],
        )
        # What a state has learnt takes up to 512 MB: only the run keeps it, for as long as it needs it.
        del resume, earlier
        last = None
        for step in self._paced(steps):
            last = self._last_kept() if step.final and self._reins.stop else None
            if last is None:
                self._show(step, encoder.name)
                self._stand_at(step)
        self._plan = {**self._plan, "size": list(step.state.full), "style_tile": step.state.tile}
        if last is not None:
            # What has been learnt is of another picture.
            return self._done("stopped", device, last["encoder"], last["iteration"], step.memory)
        learnt = Path(self._task["learnt"]), self._min_free
        # Colours that came after the last step are in its picture, and not in what has been learnt.
        self._memory.keep(self._job, self._loss(encoder, step.state.params), step.state, *learnt)
        reason = "stopped" if self._reins.stop else "completed"
        return self._done(reason, device, encoder.name, step.iteration, step.memory)

    def _before(self, job: str | None, encoder: Encoder) -> State | None:
        """Where the job that is gone on with has ended; says so where that is of no use."""
        reason, loss = f"nothing is known of job {job}", self._loss(encoder, self._reins.params)
        put_by = self._file.with_suffix(PUT_BY)
        try:
            earlier = self._memory.take(job, loss, put_by, Path(self._task["learnt_before"] or ""))
        except OtherLoss:
            earlier, reason = None, f"job {job} painted otherwise"
        # One that only recoloured has nothing that could be missed.
        if job is not None and earlier is None and not self._task["continues_recoloured"]:
            self._note(f"{reason}: it went on from the picture alone")
        if job is not None and earlier is not None:
            self._put_by = partial(write_last, put_by, self._min_free, job, loss, earlier)
        return earlier

    def _note(self, note: str) -> None:
        if note in self._reins.notes:
            # It was said before an interruption.
            return
        self._unsaid = "; ".join(filter(None, (self._unsaid, note)))
        self._reins.notes.append(note)

    def _loss(self, encoder: Encoder, params: Params) -> Loss:
        """What this job makes small with ``params``."""
        task = self._task
        images = [task["content"], task["mask"], *task["styles"], *task["style_masks"]]
        described = [None if image is None else Pixels.from_header(image["pixels"]) for image in images]
        return loss_of(params, encoder.digest, described)

    def _paint_of(self, start: images.Picture, earlier: State | None) -> Tensor | None:
        """How far ``start`` shows what is painted [h, w]; None: everywhere."""
        if start.rgb.shape != self._picture.rgb.shape:
            return start.alpha
        paint, most, mask = start.alpha, self._picture.alpha, self._mask
        if self._content.has_alpha and mask is not None:
            most = mask if most is None else most * mask
        elif earlier is not None and mask is not None:
            # Outside it a frame without transparency shows the content.
            return (mask > 0).float() if paint is None else paint * (mask > 0)
        if paint is None or most is None:
            return paint
        # A frame is as transparent itself as the content and the mask; where they leave nothing to be seen,
        # it is told from what is seen beside it.
        share = (paint / most.clamp_min(TINY)).clamp_max(1)
        return fill_transparent(share[None].expand(3, -1, -1), most)[0]

    def _recoloured(self, painted: images.Picture) -> dict[str, Any]:
        """A finished picture in the content's colours: one frame, the final one; no encoder."""
        device = devices.describe(self._device)
        self._link.send("running", job=self._job, device=device, encoder=NO_ENCODER)
        self._reins.wait()
        params, revision, content = self._reins.params, self._reins.revision, self._picture
        size = (self._content.width, self._content.height)
        filled = content.filled
        painted = painted.fitted(size, params.fit, filled)
        self._reins.check()
        colours = params.keep_colours, params.luminance_space
        made = recoloured(painted.rgb, filled, *colours, painted.alpha, content.alpha)
        cover = torch.ones(content.rgb.shape[1:])
        if self._regions is not None:
            self._shares = style_shares(params, len(self._regions.masks))
            cover = self._regions.acting(self._shares).coverage
        if self._mask is not None and not self._content.has_alpha:
            cover = cover * self._mask
        common = {"job": self._job, "iteration": 0, "scale": list(size), "revision": revision}
        told = {**common, "encoder": NO_ENCODER, "final": True}
        onto = content
        if painted.alpha is not None and self._content.has_alpha:
            # As transparent as that picture, which may have been so by the very mask.
            most = painted.alpha if self._mask is None else painted.alpha / self._mask.clamp_min(TINY)
            onto = replace(
                content, alpha=most.clamp_max(1) if content.alpha is None else most.minimum(content.alpha)
            )
        elif painted.alpha is not None:
            cover = cover * painted.alpha
            made = torch.lerp(content.rgb, made, painted.alpha)
        # Brightness beyond white and colours beyond sRGB are those of the painted picture.
        self._keep(made, told, painted.over(onto, cover))
        self._plan = {**devices.plan(self._device, NO_ENCODER), "size": list(size)}
        # However it was stopped meanwhile: nothing of it is missing.
        return self._done("completed", device, NO_ENCODER)

    def _done(
        self, reason: str, device: str, encoder: str, iteration: int = 0, memory: int = 0
    ) -> dict[str, Any]:
        """The fields of ``done``."""
        return {
            "reason": reason,
            "iteration": iteration,
            "seconds": round(time.monotonic() - self._began, 3),
            "memory": memory,
            "encoder": encoder,
            "device": device,
            "plan": self._plan,
            "notes": self._reins.notes,
        }

    def _paced(self, steps: Iterator[Step]) -> Iterator[Step]:
        """The steps; none while paused."""
        step: Step | None = None
        while step is None or not step.final:
            self._reins.wait(self._rest)
            self._put_by = None
            step = next(steps, None)
            if step is None:
                return
            yield step

    def _show(self, step: Step, encoder: str) -> None:
        self._shares = style_shares(step.state.params, len(self._task["styles"]))
        if step.note:
            self._reins.notes.append(step.note)
        common: dict[str, Any] = {
            "job": self._job,
            "iteration": step.iteration,
            "scale": list(step.scale),
            "revision": self._reins.revision_of(step.params),
        }
        self._link.send(
            "progress",
            **common,
            total=step.total,
            evaluations=step.evaluations,
            losses=dict(step.losses),
            seconds_left=step.seconds_left,
            note=step.note or self._unsaid,
        )
        if not step.note:
            self._unsaid = ""
        common.update(encoder=encoder, final=step.final)
        if step.final or self._reins.params.frames.keeps(step.iteration):
            self._keep(step.whole(), common)
        elif self._reins.previews and time.monotonic() >= self._preview_at:
            self._preview_at = time.monotonic() + PREVIEW_SECONDS
            self._preview(step.image, common)

    def _resumed(self, encoder: Encoder) -> State | None:
        """Where an earlier process left the job; None to begin again."""
        try:
            kept = checkpoints.read(self._file)
            if kept.job != self._job:
                raise Unreadable(f"it is that of job {kept.job}")
        except Unreadable as error:
            reason = f": its checkpoint cannot be read, {error}" if self._file.exists() else ""
            self._note(f"began again after an interruption{reason}")
            return None
        state = kept.state
        self._reins.notes[:] = kept.notes
        if self._task["interrupted"]:
            self._note(f"went on from iteration {state.iteration} after an interruption")
        # The server may not have heard of the very last frame.
        self._sequence = min(kept.sequence, self._task["kept_frames"])
        self._began -= kept.seconds
        changed = [name for name, value in self._plan.items() if kept.plan.get(name) != value]
        if "encoder" in changed:
            self._note(f"the encoder is another one now: {encoder.name}")
            return state.afresh()
        if "content_layers" in changed or "style_layers" in changed:
            self._note("the layers of the losses are others now")
            return state.afresh()
        if changed:
            self._note(f"the last digits may differ, as this has changed: {', '.join(changed)}")
        return state

    def _last_kept(self) -> Mapping[str, Any] | None:
        """The last frame that an earlier process kept, the final one now; None where this one is as far."""
        last: Mapping[str, Any] | None = self._task["last_kept"]
        kept: int = self._task["kept_frames"]
        if last is None or self._sequence >= kept:
            return None
        if not last["final"]:
            self._link.send("frame", **{**last, "sequence": kept + 1, "final": True})
        return last

    def _stand_at(self, step: Step) -> None:
        """A step has been told; go on from here if this process ends."""
        if step.final:
            return
        self._latest = Checkpoint(
            self._job,
            step.state,
            self._sequence,
            tuple(self._reins.notes),
            time.monotonic() - self._began,
            self._plan,
        )
        if self._keeper.is_due:
            self._save(self._reins.check)

    def _rest(self) -> bool:
        """Write down where the paused job stands, and leave others what memory it does not need meanwhile."""
        # Nobody knows for how long.
        is_saved = self._save(self._reins.check)
        give_back(self._device)
        return is_saved

    def _save(self, check: Callable[[], None] = lambda: None) -> bool:
        """Write down where the job stands. False where that cannot be written, which is only noted."""
        try:
            # Where there is neither, what there is to go on from is on the disk.
            if self._latest is None and self._put_by is not None:
                self._put_by(check)
            elif self._latest is not None and self._keeper.keep(self._latest, check):
                self._link.send("saved", job=self._job)
        except OSError as error:
            note = f"its progress could not be saved on the disk: {error.strerror}"
            if note not in self._reins.notes:
                self._reins.notes.append(note)
            return False
        return True

    def _keep(self, image: Tensor, common: Mapping[str, Any], onto: images.Picture | None = None) -> None:
        """Write ``image``, of the content's size, as a frame, with what else ``onto`` (the content) has."""
        kept = self._task["kept_frames"]
        if common["final"]:
            self._sequence = max(self._sequence, kept)
        last = self._task["last_kept"]
        by_earlier_process = last and last["final"] if common["final"] else self._sequence < kept
        if by_earlier_process:
            # Clients may have it.
            self._sequence += 1
            return
        painted = image.to("cpu")
        untouched = None
        if self._regions is not None:
            regions = self._regions.acting(self._shares)
            painted = regions.composed(self._picture.rgb, painted)
            untouched = regions.coverage == 0, Path(self._task["content"]["file"]).read_bytes()
        if self._mask is not None and not self._content.has_alpha:
            # No transparency to hide behind: outside the mask lies the content itself.
            painted = torch.lerp(self._picture.rgb, painted, self._mask)
        self._reins.check()
        pixels, data = images.to_blob(
            (onto or self._picture).painted(painted), self._content, self._profile, self._mask, untouched
        )
        self._reins.check()
        self._folder.mkdir(exist_ok=True)
        if shutil.disk_usage(self._folder).free < self._min_free + len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._sequence += 1
        name = f"{self._sequence:06d}.bin"
        durable.write_whole(self._folder / name, data)
        self._link.send(
            "frame", **common, sequence=self._sequence, kept=True, pixels=pixels.to_header(), file=name
        )

    def _preview(self, image: Tensor, common: Mapping[str, Any]) -> None:
        width, height = self._content.width, self._content.height
        size = fit_longest((width, height), min(PREVIEW_SIDE, max(width, height)))
        alpha = own = self._picture.alpha
        if self._mask is not None:
            alpha = self._mask if alpha is None else alpha * self._mask
        weight = None if own is None else resize_map(own, *image.shape[1:]).to(image.device)
        painted = resize(image, size, weight).to("cpu")
        if self._regions is not None:
            if self._small is None:
                self._small = self._regions.at(size), resize(self._picture.filled, size, own)
            painted = self._small[0].acting(self._shares).composed(self._small[1], painted)
        if CHANNELS[self._content.channels] < 3:
            painted = luminance(painted, "lab").expand(3, -1, -1)
        small = images.Picture(painted, None if alpha is None else resize_map(alpha, size[1], size[0]))
        pixels, data = images.to_blob(small, Pixels("0" * 64, *size, bytes=size[0] * size[1] * 4))
        self._link.send("preview", data, **common, sequence=0, kept=False, pixels=pixels.to_header())
