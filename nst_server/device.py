"""Which device computes, what it is called, how much memory it has left."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from nst_server.wire import devices

# On any machine, many processors or few: a typical laptop has so many.
_THREADS = 4


class DeviceError(RuntimeError):
    """A device that was asked for cannot be used here; ``hint`` says what to do."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(f"{problem} {hint}")
        self.problem = problem
        self.hint = hint


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``name``: auto (the first GPU that works, else the CPU), cpu, cuda, cuda:N or mps.

    Raises DeviceError if there is no such device here.
    """
    known = devices.parsed(name)
    if known is None:
        raise DeviceError(f"{name!r} is not a device.", f"Choose {devices.CHOICES}.")
    wanted, index = known
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if wanted == "cpu":
        return torch.device("cpu")
    if wanted == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("There is no Apple GPU that PyTorch can use here.", "Choose auto or cpu.")
        return torch.device("mps")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        found = f"only {', '.join(f'cuda:{i}' for i in range(count))}" if count else "no NVIDIA or AMD GPU"
        raise DeviceError(f"PyTorch finds {found} here, not cuda:{index}.", "Choose auto or cpu.")
    return torch.device("cuda", index)


def available_devices() -> list[torch.device]:
    """Every device that can compute here, the one that auto picks first."""
    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    names += ["mps"] if torch.backends.mps.is_available() else []
    return [torch.device(name) for name in [*names, "cpu"]]


def describe(device: torch.device) -> str:
    """A name for people: "NVIDIA GeForce RTX 4070", "CPU, 2 threads"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


def build() -> str:
    """PyTorch's version, which ends in what it is built for: 2.9.1+cu130, 2.9.1+cpu."""
    return str(torch.__version__)


def memory_available(device: torch.device) -> int:
    """Bytes that a job could still take on ``device``."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What the allocator holds without using it can be used again.
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return min(_system_memory(), _container_memory())


def plan(device: torch.device, encoder_digest: str) -> dict[str, Any]:
    """What decides the bits of a result beside parameters, seed and what the memory allowed; JSON values."""
    tensor_cores = device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return {
        "encoder": encoder_digest,
        "device": str(device),
        "hardware": describe(device) if device.type != "cpu" else _processor(),
        "threads": torch.get_num_threads(),
        "precision": "tf32" if tensor_cores else "float32",
        "layout": "channels_last",
        "execution": "eager",
        "torch": torch.__version__,
    }


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within, PyTorch computes on the CPU with ``count`` threads, which decides the last bits of its sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def reproducible(wanted: bool = True) -> Iterator[None]:
    """Within, if ``wanted``, nothing but the kind of hardware decides how PyTorch computes.

    Sums depend on how many threads share them, and some sums on CUDA on which thread comes first. Where
    PyTorch has no other way on CUDA, it takes that one and warns; on the CPU it always has.
    """
    if not wanted:
        yield
        return
    tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    # Nothing here reads what it has not written; filling that with NaN takes time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with threads(_THREADS):
            yield
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.allow_tf32 = tf32


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that a device or the system had no memory left."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def is_taken(error: BaseException) -> bool:
    """Whether ``error`` says that another program has the device to itself (CUDA's exclusive modes)."""
    return isinstance(error, RuntimeError) and "busy or unavailable" in str(error)


def _processor() -> str:
    """The processor's model and the instructions that PyTorch uses of it."""
    model = ""
    if sys.platform == "linux":
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        model = found[1] if found else ""
    return f"{model or platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def _system_memory() -> int:
    if sys.platform == "linux":
        match = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        if match:
            return int(match[1]) * 1024
    if sys.platform == "win32":
        return _windows_memory()
    # No portable count of free memory: half of all of it leaves room for the painter's programs.
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _container_memory() -> int:
    """What a control group (container) leaves; effectively unlimited outside one."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):
        return sys.maxsize
    return int(limit) - used if limit.isdecimal() else sys.maxsize


class _WindowsMemory(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        *(
            (name, ctypes.c_uint64)
            for name in ("total", "free", "page_total", "page_free", "virtual", "virtual_free", "ext")
        ),
    )


def _windows_memory() -> int:
    status = _WindowsMemory()
    status.length = ctypes.sizeof(status)
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return int(status.free)
