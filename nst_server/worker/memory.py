"""What the last job has learnt, for one that goes on from a frame of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nst_server.engine.state import State
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels

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


class Memory:
    """The last state of the last job. Knows nothing where there was none."""

    def __init__(self) -> None:
        self._kept: tuple[str, Loss, State] | None = None

    def keep(self, job: str, loss: Loss, state: State) -> None:
        """Remember the last ``state`` of ``job``."""
        tensors = state.optimiser.tensors
        if sum(tensor.nbytes for tensor in tensors.values()) > _MOST_BYTES:
            state = replace(state.afresh(), curvature=state.curvature)
        self._kept = job, loss, state.on("cpu")

    def take(self, job: str | None, loss: Loss) -> State | None:
        """The last state of ``job``, if it is remembered and its loss is this one; forgotten from here on."""
        kept, self._kept = self._kept, None
        return kept[2] if kept is not None and kept[:2] == (job, loss) else None
