"""``nst weights``: where VGG's pretrained weights are kept; fetch or import them."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from nst_server import weights
from nst_server.cli.errors import CliError


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser("weights", help="fetch or import VGG's pretrained weights")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("where", help="show the folder, and which weights are in it")
    fetch = actions.add_parser("fetch", help="download the weights that torchvision publishes")
    fetch.add_argument(
        "name",
        nargs="?",
        default=weights.NAMES[0],
        choices=weights.NAMES,
        help="which network (default: %(default)s)",
    )
    importing = actions.add_parser("import", help="take the weights from a file that you have")
    importing.add_argument("file", type=Path, help="a state dict of torchvision's VGG19 or VGG16")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns 0. Raises CliError."""
    try:
        if arguments.action == "where":
            print(weights.where())
            for name in weights.NAMES:
                print(f"{name}: {weights.cached(name) or 'not here'}")
        elif arguments.action == "fetch":
            print(weights.fetch(arguments.name, _Meter(arguments.name)))
        else:
            with warnings.catch_warnings():
                # torch says so of most pickles that are no weights; what is wrong with the file is said next.
                warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
                loaded = weights.load(arguments.file)
            print(weights.keep(loaded))
    except weights.WeightsError as error:
        raise CliError(error.message, error.hint, code=1) from error
    return 0


class _Meter:
    """Bytes done and in all, twice a second on a terminal and every 15 seconds elsewhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._live = sys.stderr.isatty()
        self._shown = -60.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._shown < (0.5 if self._live else 15.0) and done != total:
            return
        self._shown = now
        end = "\n" if not self._live or done == total else "\r"
        of = f" of {total / 1e6:.0f}" if total else ""
        print(f"downloading {self._name}: {done / 1e6:.0f}{of} MB", end=end, file=sys.stderr, flush=True)
