"""``nst cancel``: end a job, from any terminal."""

from __future__ import annotations

import argparse
from typing import Any

from nst_server.cli.errors import CliError
from nst_server.cli.server import add_connection, running
from nst_server.wire.messages import ENDINGS

#: The server promises an ending within 2 s.
CANCEL_SECONDS = 10.0


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser("cancel", help="end a job")
    parser.add_argument("job", metavar="JOB", help="its id, as `nst jobs` lists it")
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit code."""
    with running(arguments, "nst cancel") as client:
        client.attach(arguments.job, kept=False)
        client.cancel(arguments.job)
        for event in client.follow(arguments.job, silence=CANCEL_SECONDS):
            if event.type == "error":
                raise CliError(event["message"], event["hint"], code=1)
            if event.type in ENDINGS:
                print(f"{arguments.job}: {event.type}")
    return 0
