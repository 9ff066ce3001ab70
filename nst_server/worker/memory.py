"""What jobs have learnt, for those that go on from a frame of theirs."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nst_server.engine.state import State
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels
from nst_server.worker.checkpoint import Checkpoint, Keeper, Unreadable, read

#: More than this is not kept while nobody may come for it, in bytes: the curvature of L-BFGS fits up to
#: 1400 × 1400 px. The picture that the content loss held to is a tenth of it and is kept in any case.
_MOST_BYTES = 2**29
#: What may differ where two losses are nearly the same: live weights, and the way to the picture.
_FREE = (
    *("strength", "style_weights", "tv", "iterations", "scale_iterations", "frames", "start", "fit"),
    *("coarse_to_fine", "scale_step", "learning_rate", "averaging", "seed", "deterministic", "encoder"),
)

Loss = tuple[Mapping[str, Any], str, tuple[Pixels | None, ...]]


def loss_of(params: Params, encoder: str, images: Sequence[Pixels | None]) -> Loss:
    """What makes the loss of a job, to be compared: parameters, digest of the encoder, images."""
    header = {name: value for name, value in params.to_header().items() if name not in _FREE}
    return header, encoder, tuple(image and image.unplaced for image in images)


class OtherLoss(Exception):
    """What is known of an earlier job is of no use: it made another loss small."""


def _lasting(state: State) -> State:
    """What is worth a file of a state: its pictures and the preconditioner."""
    return replace(state.afresh(), curvature=state.curvature)


class Memory:
    """The last state of the last job; of any other its pictures and the preconditioner, from a file."""

    def __init__(self) -> None:
        self._kept: tuple[str, Loss, State] | None = None

    def keep(self, job: str, loss: Loss, state: State, file: Path, min_free: int) -> None:
        """Remember the last ``state`` of ``job``, and write the most of it to ``file``.

        Not where less than ``min_free`` bytes of the disk would be free: only this is lost then.
        """
        tensors = state.optimiser.tensors
        is_large = sum(tensor.nbytes for tensor in tensors.values()) > _MOST_BYTES
        # What is let go is not copied from a GPU first, and the rest only once.
        kept = (_lasting(state) if is_large else state).on("cpu")
        self._kept = job, loss, kept
        with contextlib.suppress(OSError):
            write_last(file, min_free, job, loss, _lasting(kept))

    def take(self, job: str | None, loss: Loss, *files: Path) -> State | None:
        """The last state of ``job``, from one of ``files`` where it is not remembered; None if none has it.

        What is remembered is forgotten from here on, whoever's it is. Raises OtherLoss.
        """
        kept, self._kept = self._kept, None
        if job is None:
            return None
        if kept is not None and kept[0] == job:
            _, its, state = kept
            is_same = its == loss
        else:
            found = next((found for found in map(_read, files) if found and found.job == job), None)
            if found is None:
                return None
            state, is_same = found.state, found.plan.get("loss") == _digest(loss)
        if not is_same:
            raise OtherLoss
        return state


def write_last(
    file: Path,
    min_free: int,
    job: str,
    loss: Loss,
    state: State,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Write the last ``state`` of ``job`` for ``Memory.take``. Raises OSError, and what ``check`` raises."""
    Keeper(file, min_free).keep(Checkpoint(job, state, 0, (), 0.0, {"loss": _digest(loss)}), check)


def _read(file: Path) -> Checkpoint | None:
    try:
        return read(file)
    except Unreadable:
        return None


def _digest(loss: Loss) -> str:
    header, encoder, images = loss
    described = [header, encoder, [image and image.to_header() for image in images]]
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
