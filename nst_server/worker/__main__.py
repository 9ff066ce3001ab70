"""The worker's process, which the server starts: ``python -m nst_server.worker [OPTIONS] ENDPOINT``."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the process; returns its exit status."""
    parser = argparse.ArgumentParser(prog="nst_server.worker")
    parser.add_argument("endpoint")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--no-download", action="store_true")
    arguments = parser.parse_args(argv)
    # Bound first: PyTorch takes seconds to import, and the server may end meanwhile.
    _bind_to_server()
    from nst_server import device as devices
    from nst_server.worker.link import Link
    from nst_server.worker.loop import Worker

    try:
        device = devices.choose_device(arguments.device)
    except devices.DeviceError as error:
        # The server takes the second line for what to do.
        print(f"{error.problem}\nhint: {error.hint}", file=sys.stderr)
        return 1
    link = Link(arguments.endpoint)
    # A system that shuts down tells every process at once; what is being painted is kept first.
    signal.signal(signal.SIGTERM, lambda *_: setattr(link, "leaving", True))
    if Worker(link, device, arguments.weights, not arguments.no_download).serve():
        return 0
    print("An error has left the device unusable; a new process takes over", file=sys.stderr)
    return 1


def _bind_to_server() -> None:
    """End with the server, give way to the painter's programs, and be the first to go when memory ends."""
    # Ctrl-C in the server's terminal reaches this process too; the server says what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        # PR_SET_PDEATHSIG: the signal when the parent's thread ends; the server has only one.
        ctypes.CDLL(None).prctl(1, 9)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("500")
    if hasattr(os, "nice"):
        os.nice(10)


if __name__ == "__main__":
    raise SystemExit(main())
