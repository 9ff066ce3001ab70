"""Which encoder a job gets: VGG where its weights are or can be had, else the built-in one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from nst_server import weights
from nst_server.engine.builtin import build_encoder
from nst_server.engine.vgg import Encoder, default_layers, nothing
from nst_server.wire.params import Params

Report = Callable[[str, int, int, str], None]

_TRY_AGAIN = 600.0  # s after a failed download before "auto" tries another, so that not every job waits

#: When the weights of a network could not be had, by time.monotonic(), and what jobs are told of it.
_failed: dict[str, tuple[float, str]] = {}


def choose_encoder(
    params: Params,
    content: Tensor,
    styles: Sequence[Tensor],
    *,
    alphas: Sequence[Tensor | None] = (),
    weights_path: Path | None = None,
    device: torch.device | str = "cpu",
    report: Report = lambda what, done, total, unit: None,
    check: Callable[[], None] = nothing,
    note: Callable[[str], None] = lambda text: None,
    fetch: bool = True,
    url: str | None = None,
    learnt: Encoder | None = None,
) -> Encoder:
    """The encoder for ``params.encoder``, on ``device``.

    "auto" takes the first of: ``weights_path``, a kept VGG19, a downloaded VGG19 if ``fetch`` allows, the
    built-in encoder. "vgg19" and "vgg16" are those or a WeightsError. ``content`` and ``styles``,
    [3, H, W] or [1, 3, H, W], sRGB in [0, 1], with ``alphas``: what the built-in encoder learns from.

    ``report`` gets what is done, how far, of how much (0: not known), and the unit. ``check`` is called
    often; what it raises ends the work. ``note`` hears why "auto" does without VGG19, where that was tried,
    for this job or lately for another.
    ``url`` replaces torchvision's address. ``learnt``: what the built-in encoder would be, if that is known.
    Raises WeightsError.
    """
    wanted = params.encoder
    found = None
    if wanted != "built-in":
        found = _weights(wanted, weights_path, report, check, note, fetch, url)
    if found is None and learnt is not None:
        return learnt
    if found is None:
        layers = {
            *(params.content_layers or default_layers("built-in").content),
            *(params.style_layers or default_layers("built-in").style),
        }
        report("learning the built-in encoder", 0, 0, "")
        encoder = build_encoder(
            content,
            styles,
            alphas=alphas,
            layers=layers,
            pooling=params.pooling,
            seed=params.seed,
            check=check,
        )
    else:
        encoder = Encoder(found.name, found.state, pooling=params.pooling)
    return encoder.to(device)


def _weights(
    wanted: str,
    path: Path | None,
    report: Report,
    check: Callable[[], None],
    note: Callable[[str], None],
    fetch: bool,
    url: str | None,
) -> weights.Weights | None:
    """The weights of ``wanted``; None where "auto" has to do without."""
    name = "vgg19" if wanted == "auto" else wanted
    if path is not None:
        found = weights.load(path)
        if wanted not in ("auto", found.name):
            raise weights.WeightsError(
                f"{path} holds {found.name}, and {wanted} is asked for.",
                f"Ask for {found.name}, or give other weights.",
            )
        return found
    file = weights.cached(name)
    if file is None and not fetch:
        if wanted == "auto":
            return None
        raise weights.WeightsError(
            f"The weights of {name} are not on this machine.",
            f"Run: nst weights fetch {name}, or choose the encoder built-in.",
        )
    if file is None and wanted == "auto" and name in _failed:
        failed_at, reason = _failed[name]
        if time.monotonic() - failed_at < _TRY_AGAIN:
            note(reason)
            return None
    try:
        if file is None:
            what = f"downloading {name.upper()}"
            report(what, 0, 0, "bytes")
            file = weights.fetch(
                name, lambda done, total: report(what, done, total, "bytes"), url=url, check=check
            )
        return weights.load(file)
    except weights.WeightsError as error:
        reason = f"{name.upper()} could not be had, the built-in encoder took its place: {error}"
        _failed[name] = time.monotonic(), reason
        if wanted != "auto":
            raise
        note(reason)
        return None
