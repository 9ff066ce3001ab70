"""What a run yields, again and again: where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from nst_server.engine.state import State
from nst_server.wire.params import Params
from nst_server.wire.scales import Size


@dataclass(frozen=True)
class Step:
    """One accepted step of the optimiser.

    iteration: counted from 1 over all scales, of ``total``, which may change; evaluations: spent so far.
    scale: width and height of ``image`` [3, h, w], float32 in [0, 1], detached, on the computing device.
    losses: content, style, tv, total. seconds_left: None while unknown. final: the last step; its image is
    the best one at the full size, its iteration may repeat that of the step before. memory: bytes that an
    evaluation takes at this scale, as estimated. note: something that the painter should know, or None.
    params: those that the image was made with. state: what goes on from here, free to take. whole: returns
    the image at the content's size, with fine detail of the content as far as the strength lets it through;
    to be called before the next step is taken.
    """

    iteration: int
    total: int
    evaluations: int
    scale: Size
    losses: Mapping[str, float]
    seconds_left: float | None
    image: Tensor
    params: Params
    state: State
    whole: Callable[[], Tensor]
    memory: int = 0
    final: bool = False
    note: str | None = None
