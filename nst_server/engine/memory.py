"""How much memory an evaluation takes, how large a picture it suffices for, and how it is given back."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Collection

import torch
from torch import Tensor

from nst_server import device as devices
from nst_server.engine.vgg import Encoder

_PROBE = 64  # px; large enough for borders and workspaces not to weigh, small enough to take milliseconds
# Of the free memory; the rest is for frames on their way out and for what the estimate leaves out.
_SHARE = 0.75
# What lies unused in the heap meanwhile, in largest maps: within a job the worker hands no block back, and
# one does not fit where another lay. Three to seven were measured; none with all blocks handed back at once,
# which takes half as long again.
_GAPS = 7


def bytes_per_pixel(encoder: Encoder, layers: Collection[str], device: torch.device) -> float:
    """Bytes that one loss and gradient takes for each pixel of the image, measured on a small one.

    What autograd keeps for the backward pass, the two largest maps once more (a gradient, and the one that
    it is computed from), and the optimiser's images; with glibc what its heap cannot use besides.
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
    largest = 2 + (_GAPS if device.type == "cpu" and sys.platform == "linux" else 0)
    return (sum(sizes) + largest * max(sizes, default=0) + asked + optimiser) / _PROBE**2


def affordable_pixels(each: float, device: torch.device) -> int:
    """How many pixels of ``each`` bytes the memory that is free now on ``device`` can hold, at least one."""
    return max(1, int(_SHARE * devices.memory_available(device) / each))


def give_back(device: torch.device) -> None:
    """Let other programs have the memory that this process holds without using it.

    On ``device`` what PyTorch keeps for later; in the system what glibc does, which the server tells to keep
    what a job takes again at once. Other C libraries keep little.
    """
    gc.collect()  # what a failure has left in circles through its traceback
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
