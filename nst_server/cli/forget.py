"""``nst forget``: let the server delete ended jobs with their frames."""

from __future__ import annotations

import argparse
from typing import Any

from nst_server.cli.jobs import answer, listing, refused, whole
from nst_server.cli.server import add_connection, running
from nst_server.wire.client import Client
from nst_server.wire.events import Event
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
        jobs = [whole(client, job) for job in arguments.jobs]
        if arguments.ended:
            jobs = [job["job"] for job in listing(client)[1] if job["state"] in ENDINGS]
            if not jobs:
                print("no ended jobs")
        for job in dict.fromkeys(jobs):
            forgotten(client, job)
            print(f"{job}: forgotten")
    return 0


def forgotten(client: Client, job: str) -> None:
    """Have the server delete an ended job. Raises CliError where it does not."""

    def is_it(event: Event) -> bool:
        # An error about an id that is none does not repeat it.
        return (event.type == "error" and event.job in (job, "")) or (
            event.type == "forgotten" and event.job == job
        )

    client.forget(job)
    said = answer(client, is_it)
    if said.type == "error":
        raise refused(said)
