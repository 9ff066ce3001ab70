"""A job's images in the worker, as its task names their files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nst_server.engine import images
from nst_server.engine.pyramid import fit_image
from nst_server.engine.regions import Regions
from nst_server.wire.messages import Message
from nst_server.wire.pixels import Pixels, digest_of
from nst_server.wire.scales import Size
from nst_server.worker.failures import BadImage


class Inputs:
    """The images of ``task``. Reading one raises BadImage, OSError, and what ``check`` raises before it."""

    def __init__(self, task: Message, check: Callable[[], None]) -> None:
        self._task = task
        self._check = check

    def content(self) -> images.Picture:
        """What is painted."""
        return self._picture("content", self._task["content"])

    def profile(self) -> bytes | None:
        """The ICC profile of the content, None where its colour space is named."""
        return _profile(self._task["content"])

    def start(self) -> images.Picture | None:
        """The image to begin with."""
        return self._picture("start", self._task["start"]) if self._task["start"] else None

    def styles(self) -> list[images.Picture]:
        """The styles, each cut to what is to be seen of it."""
        return [self._style(f"styles[{index}]", image) for index, image in enumerate(self._task["styles"])]

    def mask(self) -> Tensor | None:
        """Where frames are to be seen [h, w] in [0, 1]."""
        return self._coverage("mask", self._task["mask"]) if self._task["mask"] else None

    def must_be_seen(self, content: images.Picture, mask: Tensor | None) -> None:
        """Raises BadImage where nothing of what is painted would be."""
        if content.alpha is not None and not bool((content.alpha > 0).any()):
            problem = "The content is wholly transparent."
            raise BadImage("content", images.ImageError("", problem, "Choose one with colours in it."))
        if mask is not None and not bool((mask if content.alpha is None else mask * content.alpha).any()):
            problem = "It lets nothing of the content be seen."
            raise BadImage("mask", images.ImageError("", problem, "Select a part that shows something."))

    def regions(self, size: Size, fit: str) -> Regions | None:
        """Where each style acts, brought to ``size`` as ``fit`` says; None: everywhere."""
        masks: list[Tensor | None] = []
        for index, image in enumerate(self._task["style_masks"]):
            if image is None:
                masks.append(None)
                continue
            field = f"style_masks[{index}]"
            mask = self._coverage(field, image)[None]
            mask = fit_image(mask, size, fit, torch.zeros(1, size[1], size[0]))[0]
            if not bool((mask > 0).any()):
                problem = "The mask has no value above 0 where the content lies."
                raise BadImage(field, images.ImageError("", problem, "Paint it where the style acts."))
            masks.append(mask)
        found = Regions.of(masks, size) if masks else None
        shown = self.mask()
        if found is not None and shown is not None and not bool((shown * found.coverage).any()):
            problem = "No style acts where it lets frames be seen."
            raise BadImage("mask", images.ImageError("", problem, "Let it and a style's mask overlap."))
        return found

    def _picture(self, field: str, image: Mapping[str, Any]) -> images.Picture:
        self._check()
        try:
            pixels = Pixels.from_header(image["pixels"])
            data = _bytes_of(image["file"], pixels.digest)
            return images.from_blob(pixels, data, _profile(image))
        except images.ImageError as error:
            raise BadImage(field, error) from error

    def _style(self, field: str, image: Mapping[str, Any]) -> images.Picture:
        style = self._picture(field, image).inside
        if style is None:
            problem = "The style is wholly transparent."
            raise BadImage(field, images.ImageError("", problem, "Choose one with colours in it."))
        return style

    def _coverage(self, field: str, image: Mapping[str, Any]) -> Tensor:
        try:
            pixels = Pixels.from_header(image["pixels"])
            return images.mask_from_blob(pixels, _bytes_of(image["file"], pixels.digest))
        except images.ImageError as error:
            raise BadImage(field, error) from error


def _bytes_of(file: str, digest: str) -> bytes:
    """A blob. Raises ImageError, with the file removed, where it is not what was sent, and OSError."""
    path = Path(file)
    # Another job with the same image may have found out first.
    data = path.read_bytes() if path.exists() else b""
    if digest_of(data) != digest:
        # Else the next job would not be asked for it.
        path.unlink(missing_ok=True)
        problem = "Its bytes on the disk are not those that were sent, perhaps after a power failure."
        raise images.ImageError("", problem, "Start the job again: the image is sent anew.")
    return data


def _profile(image: Mapping[str, Any]) -> bytes | None:
    return _bytes_of(image["profile"], image["pixels"]["icc"]) if image["profile"] else None
