"""The worker's loop: one job after the other, whatever becomes of each."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from nst_server import device as devices
from nst_server import weights
from nst_server.engine.control import Cancelled
from nst_server.engine.encoders import choose_encoder
from nst_server.engine.images import Picture
from nst_server.engine.memory import give_back
from nst_server.engine.vgg import Encoder
from nst_server.wire.messages import Message
from nst_server.wire.params import ENCODERS
from nst_server.wire.pixels import Pixels
from nst_server.worker.failures import failure
from nst_server.worker.job import Run
from nst_server.worker.link import Link
from nst_server.worker.memory import Memory
from nst_server.worker.reins import Leaving, Preparing, Reins, Released


class Worker:
    """A device, and of the job before what the next one often needs again: encoder and memory."""

    def __init__(self, link: Link, device: torch.device, weights_path: Path | None, fetch: bool) -> None:
        self._link = link
        self._device = device
        self._weights = weights_path
        self._fetch = fetch
        self._encoder: tuple[Any, Encoder] | None = None
        self._memory = Memory()

    def serve(self) -> bool:
        """Do jobs until told to leave. False if a job has left the device unusable. Raises ServerGone."""
        name = devices.describe(self._device)
        described = {"id": str(self._device), "name": name}
        self._link.send("ready", device=described, encoders=self._encoders())
        usable = True
        while usable:
            command = self._link.receive(0.5)
            if command is not None and command.type == "leave":
                return True
            if command is not None and command.type == "run":
                usable = self._do(command)
                if usable:
                    give_back(self._device)
        return False

    def _encoders(self) -> list[str]:
        """Encoders that a job can have here, as far as that can be told without trying."""
        if self._fetch:
            return list(ENCODERS)
        own = weights.load(self._weights).name if self._weights else ""
        return [
            name
            for name in ENCODERS
            if name in ("auto", "built-in", own) or (not own and weights.cached(name) is not None)
        ]

    def _do(self, task: Message) -> bool:
        """One job, from its task to its ending. Returns whether the device can be used afterwards."""
        job = task["job"]
        try:
            ending = Run(self._link, task, self._device, self._choose, self._memory).ending()
        except Cancelled:
            self._link.send("cancelled", job=job)
        except Released:
            self._link.send("released", job=job)
        except Leaving:
            self._link.leaving = True
        except Exception as error:  # one job must not end the others
            failed = failure(error)
            if failed["code"] == "internal":
                traceback.print_exc()
            # After an error inside CUDA every later call fails; a fresh process does not.
            leaving = failed["code"] == "internal" and self._device.type != "cpu"
            # Said at once: the server must not hand the next job to a process that is about to end.
            self._link.send("failed", job=job, leaving=leaving, **failed)
            self._relieve(failed["code"])
            return not leaving
        else:
            self._link.send("done", job=job, **ending)
        return True

    def _relieve(self, code: str) -> None:
        if code == "out_of_memory":
            self._encoder = None
            self._memory = Memory()

    def _choose(self, reins: Reins, pictures: Sequence[Picture], pixels: Sequence[Pixels]) -> Encoder:
        """The encoder of a job: the one before where it would be the same.

        ``pictures``: the content, then the styles; ``pixels``: what they were read from, where the same bytes
        may mean another picture.
        """
        params = reins.params
        fetch = self._fetch if reins.download is None else reins.download
        network = (params.encoder, params.pooling)
        learnt = (
            *network,
            params.seed,
            params.deterministic,
            fetch,
            *pixels,
            tuple(params.content_layers.items()),
            tuple(params.style_layers.items()),
        )
        known = self._encoder
        if known is not None and known[0] == network:
            return known[1]
        before = known[1] if known is not None and known[0] == learnt else None
        # Another one is of no use now, and is not to lie in the memory beside the next.
        self._encoder = known = None
        encoder = choose_encoder(
            params,
            pictures[0].rgb,
            [style.rgb for style in pictures[1:]],
            alphas=[picture.alpha for picture in pictures],
            weights_path=self._weights,
            device=self._device,
            report=Preparing(self._link, reins.job),
            check=reins.check_unbegun,
            note=reins.notes.append,
            fetch=fetch,
            learnt=before,
        )
        self._encoder = (learnt if encoder.name == "built-in" else network, encoder)
        return encoder
