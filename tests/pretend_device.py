"""A GPU that is not there: tensors that are on the CPU and say they are not, and a list of what GPUs refuse.

Most machines that run these tests have no GPU, and on a CPU nothing shows that an image was left where it
was loaded, or that numbers are of a kind that Apple's GPUs lack. On a painter's machine that ends the job.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_CPU = torch.device("cpu")
#: Whose lines are not what a finding is about.
_NOT_OURS = (str(Path(torch.__file__).parent), __file__)
_DOUBLE = (torch.float64, torch.complex128)
# What reads or writes across devices.
_CROSSING = ("to", "copy_")
# Where a CPU tensor without dimensions does not pass for a number, as it does beside others of a device.
_JOINING = ("cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack")


class PretendDevice(TorchFunctionMode):
    """Within, PyTorch seems to have the ``device`` ("cuda", "mps"); ``findings`` are what it would refuse.

    Each tells a line and what it did, one of four: an operation on tensors of two devices; float64 on MPS; a
    generator of the CPU for a tensor of the device; NumPy's view of one. All goes on after a finding, on the
    CPU, so that one run finds all. Not found is what else a device lacks, and what the backward pass of an
    ``autograd.Function`` does: PyTorch shows nobody the inside of a backward pass.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        # As tensors tell it: with an index, also where they were sent to a device without one.
        self.device = torch.device(device, 0)
        self.findings: list[str] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        # PyTorch leaves the mode for as long as this runs.
        name, kwargs = _name(func), dict(kwargs or {})
        given = list(_leaves([args, kwargs]))
        tensors = [each for each in given if isinstance(each, Tensor)]
        if name == "device":
            return self.device if is_there(args[0]) else func(*args)
        if name in ("is_cpu", "is_cuda", "is_mps"):
            return name == f"is_{self.device.type if is_there(args[0]) else 'cpu'}"
        destination = self._destination(name, args, kwargs)
        there = any(map(is_there, tensors)) if destination is None else destination
        if there and name in ("numpy", "__array__"):
            self._find("NumPy cannot read it", name)
        if there and any(isinstance(each, torch.Generator) for each in given):
            self._find("a generator of the CPU", name)
        result = func(*_computable(name, args), **_named_computable(kwargs))
        if name not in _CROSSING and _is_mixed(name, args, tensors, result):
            self._find("tensors of two devices", name)
        if isinstance(result, Iterator):
            rows = list(result)
            self._mark(rows, tensors, there, name)
            return iter(rows)
        if name in ("to", "cpu") and result is args[0] and is_there(result) != there:
            result = result.clone()  # what comes to another device is another tensor
        self._mark(result, tensors, there, name)
        return result

    def _destination(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool | None:
        """Whether the result is to be on the device; None: nothing is said, it is where the arguments are."""
        if name == "cpu":
            return False
        named = [*args[1:], kwargs.get("other")] if name == "to" else []
        for where in [*named, kwargs.get("device")]:
            if isinstance(where, Tensor):
                return is_there(where)
            if isinstance(where, (str, torch.device)):
                return torch.device(where).type == self.device.type
        return None

    def _mark(self, result: Any, tensors: Sequence[Tensor], there: bool, name: str) -> None:
        """Let new tensors of ``result`` say where they are; ones changed in place are where they were."""
        if not there:
            return
        for each in _leaves(result):
            if isinstance(each, Tensor) and not any(each is tensor for tensor in tensors):
                # A mark, and no subclass: gradients and views are then what they are without.
                each.is_there = True
                if each.dtype in _DOUBLE and self.device.type == "mps":
                    self._find("float64 on MPS", name)

    def _find(self, what: str, name: str) -> None:
        frame = next(f for f in reversed(traceback.extract_stack()) if not f.filename.startswith(_NOT_OURS))
        finding = f"{Path(frame.filename).name}:{frame.lineno}: {what} ({name}): {frame.line}"
        if finding not in self.findings:
            self.findings.append(finding)


def is_there(tensor: Tensor) -> bool:
    """Whether ``tensor`` says that it is on the device."""
    return getattr(tensor, "is_there", False)


def _name(func: Callable[..., Any]) -> str:
    name = getattr(func, "__name__", "")
    # An attribute of a tensor comes as the function that reads it.
    return getattr(func.__self__, "__name__", name) if name == "__get__" else name


def _leaves(value: Any) -> Iterator[Any]:
    """What ``value`` consists of, in the containers that PyTorch's functions take and give."""
    if isinstance(value, (tuple, list)):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, dict):
        yield from _leaves(list(value.values()))
    else:
        yield value


def _computable(name: str, args: Sequence[Any]) -> Sequence[Any]:
    """The same arguments on what there really is."""
    return (
        [_CPU if isinstance(each, (str, torch.device)) else each for each in args] if name == "to" else args
    )


def _named_computable(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _CPU if key == "device" and value is not None else value for key, value in kwargs.items()}


def _is_mixed(name: str, args: Sequence[Any], tensors: Sequence[Tensor], result: Any) -> bool:
    """Whether PyTorch refuses the operation on ``tensors`` for where they are."""
    if not any(map(is_there, tensors)):
        return False
    if name == "__getitem__" and is_there(args[0]):
        return False  # an index may be on the CPU
    if name == "__setitem__" and not any(isinstance(each, Tensor) for each in _leaves(args[1])):
        return False  # without tensors for an index it is a copy
    if name in ("__setitem__", "index_put_") and is_there(args[0]):
        tensors = [each for each in _leaves(args[2:]) if isinstance(each, Tensor)]
    here = [tensor for tensor in tensors if not is_there(tensor)]
    return any(tensor.dim() or name in _JOINING or tensor is result for tensor in here)
