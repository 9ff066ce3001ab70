"""How much memory an evaluation takes."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from nst_server.engine.vgg import Encoder

_PROBE = 64  # px; large enough for borders and workspaces not to weigh, small enough to take milliseconds


def bytes_per_pixel(encoder: Encoder, layers: Collection[str], device: torch.device) -> float:
    """Bytes that one loss and gradient takes for each pixel of the image, measured on a small one.

    What autograd keeps for the backward pass, the two largest maps once more (a gradient, and the one that
    it is computed from), and the optimiser's images.
    """
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.requires_grad or not tensor.is_floating_point():  # the latter: places of max pooling
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor.detach()  # itself would be a circle through autograd, which nothing ever frees

    image = torch.zeros(1, 3, _PROBE, _PROBE, device=device, requires_grad=True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        features = encoder.features(image, layers)
    sizes = sorted(kept.values())
    asked = sum(map.nbytes for map in features.values())  # gradients of the losses
    optimiser = 3 * 4 * _PROBE**2 * 40  # ten pairs, their masked copies, direction, preconditioner
    return (sum(sizes) + 2 * max(sizes, default=0) + asked + optimiser) / _PROBE**2
