"""``nst jobs``: what the server is doing."""

from __future__ import annotations

import argparse
from typing import Any

from nst_server.cli.errors import CliError
from nst_server.cli.server import add_connection, running

ANSWER_SECONDS = 5.0


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser("jobs", help="list the jobs of the running server")
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit code."""
    with running(arguments, "nst jobs") as client:
        client.status()
        status = next((e for e in client.poll(ANSWER_SECONDS) if e.type == "status"), None)
    if status is None:
        raise CliError("The server did not answer.", "See its log, or start it again.", code=1)
    devices = ", ".join(device["name"] or device["id"] for device in status["devices"])
    print(f"server {status['server']}, pid {status['pid']}, on {devices}")
    if not status["jobs"]:
        print("no jobs")
    for job in status["jobs"]:
        place = f" (behind {job['position']})" if job["state"] == "queued" and job["position"] else ""
        print(
            f"{job['job']:34} {job['state'] + place:20} {job['iteration']:>5}/{job['total']:<5}"
            f" {job['kept_frames']:>3} frames  {job['title']}"
        )
    return 0
