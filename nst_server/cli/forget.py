"""``nst forget``: let the server delete ended jobs with their frames."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import Any

from nst_server.cli.errors import CliError
from nst_server.cli.jobs import ANSWER_SECONDS, listing
from nst_server.cli.server import add_connection, running
from nst_server.wire.client import Client
from nst_server.wire.messages import ENDINGS


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser("forget", help="delete ended jobs and their frames on the server")
    which = parser.add_mutually_exclusive_group(required=True)
    # argparse takes positionals into such a group only where they may be left out.
    # What is deleted is gone: a beginning could mean another job than it did the last time.
    which.add_argument("jobs", nargs="*", default=[], metavar="JOB", help="whole ids, as in `nst jobs`")
    which.add_argument("--ended", action="store_true", help="all jobs that have ended")
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit code."""
    with running(arguments, "nst forget") as client:
        jobs = arguments.jobs
        if arguments.ended:
            jobs = [job["job"] for job in listing(client)[1] if job["state"] in ENDINGS]
            if not jobs:
                print("no ended jobs")
        for job in _forgotten(client, jobs):
            print(f"{job}: forgotten")
    return 0


def _forgotten(client: Client, jobs: Sequence[str]) -> Iterator[str]:
    """Forget one job after the other; yields each when it is gone. Raises CliError."""
    for job in dict.fromkeys(jobs):
        client.forget(job)
        deadline = time.monotonic() + ANSWER_SECONDS
        gone = False
        while not gone:
            if time.monotonic() > deadline:
                raise CliError("The server did not answer.", "See its log, or start it again.", code=1)
            for event in client.poll(0.2):
                if event.type == "error":
                    raise CliError(event["message"], event["hint"], code=1)
                gone = gone or (event.type == "forgotten" and event["job"] == job)
        yield job
