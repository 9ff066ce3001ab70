"""``nst jobs``: what the server is doing."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

from nst_server.cli.errors import CliError
from nst_server.cli.options import in_options
from nst_server.cli.server import NoServer, add_connection, running
from nst_server.cli.terminal import in_one_line
from nst_server.store import KEEP_SECONDS
from nst_server.wire.client import Client
from nst_server.wire.events import Event
from nst_server.wire.messages import ENDINGS, is_job

ANSWER_SECONDS = 5.0
JOB_HELP = (
    "its id, as `nst jobs` lists it, or as much of its beginning as no other job shares; "
    "of several that share it, the only one that has not ended"
)
WHOLE = "its whole id, as `nst jobs` lists it"
#: How long jobs stay after their end.
KEPT = f"{KEEP_SECONDS // (24 * 3600)} days"
#: Of those that an ambiguous id could mean.
_NAMED = 8


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser("jobs", help="list the jobs of the running server")
    parser.add_argument(
        "--json",
        action="store_true",
        help="as one JSON document for scripts, with the fields of `status` in docs/protocol.md; without "
        "a server `server` is null",
    )
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit code."""
    try:
        with running(arguments, "nst jobs") as client:
            status, jobs = listing(client)
    except NoServer as error:
        # That is an answer to what the server is doing.
        print(json.dumps({"server": None, "jobs": []}) if arguments.json else f"{error} {error.hint}")
        return 0
    if arguments.json:
        print(json.dumps({**status.fields, "jobs": jobs}, indent=2))
        return 0
    devices = ", ".join(device["name"] or device["id"] for device in status["devices"])
    print(f"server {status['server']}, pid {status['pid']}, on {devices}")
    if not jobs:
        print("no jobs")
    for job in jobs:
        place = f" (behind {job['position']})" if job["state"] == "queued" and job["position"] else ""
        print(
            f"{job['job']:34} {job['state'] + place:20} {job['iteration']:>5}/{job['total']:<5}"
            f" {job['kept_frames']:>3} {'frame' if job['kept_frames'] == 1 else 'frames':6}"
            f"  {in_one_line(job['title'])}"
        )
    ended = sum(job["state"] in ENDINGS for job in jobs)
    if ended:
        print(f"ended: {ended}; they go {KEPT} after their end, or with: nst forget --ended")
    return 0


def listing(client: Client) -> tuple[Event, list[Any]]:
    """The server's status and all of its jobs, which may come in several messages."""
    client.status()
    jobs: list[Any] = []

    def is_last(event: Event) -> bool:
        if event.type == "status":
            jobs.extend(event["jobs"])
        return event.type == "status" and not event.get("more")

    return answer(client, is_last), jobs


def named(client: Client, text: str, *, any_state: bool = False) -> str:
    """The id of the job that ``text`` names: whole, or as much of its beginning as no other job shares.

    Of several the only one that has not ended is meant, except where ``any_state`` could be. What no id
    begins with is returned as it is, for the server to say so. Raises CliError where several are left.
    """
    found = _begun_by(client, text)
    unfinished = [job for job in found if job["state"] not in ENDINGS]
    if len(unfinished) == 1 and not any_state:
        found = unfinished
    ids = [str(job["job"]) for job in found]
    if len(ids) > 1:
        raise CliError(f"{text} could be {_listed(ids)}.", "Write more of the id, or all of it.")
    return ids[0] if ids else text


def whole(client: Client, text: str) -> str:
    """``text``, where it is to be a whole id. Raises CliError where ids of jobs only begin with it.

    What no id begins with is returned as it is, for the server to say so.
    """
    ids = [str(job["job"]) for job in _begun_by(client, text)]
    if ids:
        problem = f"{text} is only the beginning of {_listed(ids)}."
        raise CliError(problem, "What ends or deletes a job wants its whole id.")
    return text


def refused(error: Event, about: str = "") -> CliError:
    """What is said of a request that the server has refused; ``about``: of which option, and a colon."""
    more = " `nst jobs` lists those that there are." if error.get("code") == "unknown_job" else ""
    return CliError(about + in_options(error["message"]), in_options(error["hint"]) + more, code=1)


def _begun_by(client: Client, text: str) -> list[Any]:
    """The jobs whose ids ``text`` begins; none where it is the whole id of one."""
    # An empty text is a script's variable that is not set.
    if not text or _is_known(client, text):
        return []
    return [job for job in listing(client)[1] if job["job"].startswith(text)]


def _listed(ids: list[str]) -> str:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"{', '.join(ids[:_NAMED])}{more}"


def _is_known(client: Client, text: str) -> bool:
    """Whether that is the whole id of a job."""
    if not is_job(text):
        return False
    client.frames(text)
    said = answer(client, lambda event: event.type in ("frames", "error") and event.job == text)
    return said.type == "frames"


def answer(client: Client, is_it: Callable[[Event], bool]) -> Event:
    """The next event that it is. Raises CliError where none comes in time."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        for event in client.poll(0.2):
            if is_it(event):
                return event
    raise CliError("The server did not answer.", "See its log, or start it again.", code=1)
