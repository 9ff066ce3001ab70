"""``nst pause``, ``resume``, ``stop``, ``cancel`` and ``update``: steering a job, from any terminal."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from nst_server.cli.errors import CliError
from nst_server.cli.jobs import JOB_HELP, WHOLE, named, refused, whole
from nst_server.cli.options import add_changes, given_in, option_of, unusable
from nst_server.cli.server import add_connection, running
from nst_server.cli.terminal import counted
from nst_server.wire.checks import InvalidParams
from nst_server.wire.client import Client
from nst_server.wire.events import Event
from nst_server.wire.messages import CANCELLED, CANCELLING, DONE, ENDINGS, FAILED, QUEUED
from nst_server.wire.params import DEFAULTS, FIELDS

ANSWER_SECONDS = 5.0
#: Each loses to another program's only if that comes within a few milliseconds.
UPDATES = 5
#: The server promises the ending of a cancelled job within 2 s.
CANCEL_SECONDS = 10.0
#: One that ends with its picture, and has not done so by then, may have to wait for others.
WAIT_SECONDS = 1.0

_HELP = {
    "pause": "hold a job after its present iteration, over a restart of the server too",
    "resume": "let a paused job go on",
    "stop": "end a job with its best picture so far as the final frame",
    "cancel": "end a job without a picture; the frames that it has kept stay",
    "update": "change a job while it runs: strength, shares of the styles, colours and the like",
}
_ENDING = ("stop", "cancel")


def add_parser(commands: Any) -> None:
    """Add the subcommands to ``commands``."""
    for name, text in _HELP.items():
        parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        parser.add_argument("job", metavar="JOB", help=WHOLE if name in _ENDING else JOB_HELP)
        if name == "update":
            add_changes(parser)
        add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit code."""
    command = arguments.command
    changes = _changes(arguments) if command == "update" else {}
    with running(arguments, f"nst {command}") as client:
        # What it ends is over: a beginning could mean another job than it did the last time.
        job = (whole if command in _ENDING else named)(client, arguments.job)
        if command == "update":
            told = _update(client, job, changes)
        elif command in _ENDING:
            told = _end(client, job, command)
        else:
            told = _hold(client, job, command)
    print(f"{job}: {told}")
    return 0


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """The live parameters that are given. Raises CliError, also for those that cannot change."""
    changes = given_in(arguments)
    if not changes:
        raise CliError("There is nothing to change.", "Give an option, such as --strength 0.7.")
    live = [name for name, meta in FIELDS.items() if meta.get("live")]
    for name in changes:
        if name not in live:
            hint = f"These can: {', '.join(map(option_of, live))}."
            raise CliError(f"{option_of(name)}: cannot change while the job runs.", hint)
    try:
        DEFAULTS.updated(changes)
    except InvalidParams as error:
        raise unusable(error) from error
    return changes


def _hold(client: Client, job: str, command: str) -> str:
    """Pause or resume; returns the state that the job is in then."""
    getattr(client, command)(job)
    answer = _answer(client, job, "state")
    if answer["state"] == CANCELLING:
        raise CliError(f"{job} is being cancelled.", code=1)
    return str(answer["state"])


def _end(client: Client, job: str, command: str) -> str:
    """Stop or cancel; returns what became of the job."""
    client.attach(job, kept=False)
    state = _answer(client, job, "accepted")["state"]
    if state in ENDINGS:
        raise CliError(f"{job} has ended already: {state}.", code=1)
    getattr(client, command)(job)
    told_at = time.monotonic()

    def tell_waiting() -> None:
        # Not at once: one without a picture is queued when it is told, and ends without a device.
        nonlocal told_at
        if state == QUEUED and time.monotonic() - told_at > WAIT_SECONDS:
            print(f"{job} ends with its picture as soon as a device is free.", file=sys.stderr)
            told_at = math.inf

    for event in client.follow(job, silence=CANCEL_SECONDS, tick=tell_waiting):
        state = event.get("state", state)
        if event.type in (FAILED, "error"):
            raise refused(event)
        if event.type == DONE:
            # One that was cancelled can have been done just before.
            return f"{event['reason']} after {counted(event['iteration'], 'iteration')}"
        if event.type == CANCELLED:
            return CANCELLED
    raise CliError(f"The server did not say what became of {job}.", "See `nst jobs`.", code=1)


def _update(client: Client, job: str, changes: Mapping[str, Any]) -> str:
    """Change live parameters; returns what they are now."""
    wanted = DEFAULTS.updated(changes).to_header()
    client.attach(job, kept=False)
    now = _answer(client, job, "accepted")
    for _ in range(UPDATES):
        client.update(job, now["revision"] + 1, **changes)
        # A change that is taken has no answer of its own; answers come in order.
        client.attach(job, kept=False)
        now = _answer(client, job, "accepted")
        if now["state"] in ENDINGS:
            hint = "Start a new one that goes on from it."
            raise CliError(f"{job} has ended: {now['state']}.", hint, code=1)
        # One that comes second with the same revision is ignored.
        if all(now["params"].get(name) == wanted.get(name) for name in changes):
            return ", ".join(f"{name.replace('_', '-')} {_text(value)}" for name, value in changes.items())
    raise CliError("Somebody else changed the job at the same time.", "Try again.", code=1)


def _text(value: Any) -> str:
    return (",".join(map(str, value)) or "equal") if isinstance(value, tuple) else str(value)


def _about(error: Event) -> str:
    """What an error is about, where its sentence does not name it."""
    field = str(error["field"])
    if field.startswith("params."):
        return f"{option_of(field.removeprefix('params.'))}: "
    return "JOB: " if field == "job" and error["code"] == "bad_message" else ""


def _answer(client: Client, job: str, awaited: str) -> Event:
    """The next message of that type about the job. Raises CliError for another answer, or none."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        for event in client.poll(0.2):
            if event.type == "error":
                raise refused(event, _about(event))
            if event.job != job:
                continue
            if event.type == awaited:
                return event
            if event.type in ENDINGS and awaited != "accepted":
                raise CliError(f"{job} has ended: {event.type}.", code=1)
    hint = "See its log. A job whose images are still on their way obeys when they are there."
    raise CliError("The server did not answer.", hint, code=1)
