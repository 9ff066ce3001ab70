"""``nst attach``: follow a job of any client, and fetch its frames."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from nst_server.cli import EXIT_INTERRUPTED, outputs
from nst_server.cli.following import Cancelled, follow
from nst_server.cli.jobs import JOB_HELP, answer, named, refused
from nst_server.cli.pictures import Picture
from nst_server.cli.server import add_connection, running
from nst_server.cli.terminal import Progress, counted
from nst_server.wire.client import Client
from nst_server.wire.events import Event

#: A server that is not to be reached for so long is not waited for.
LOST_SECONDS = 60.0


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser("attach", help="follow a job, from any terminal")
    parser.add_argument("job", metavar="JOB", help=JOB_HELP)
    outputs.add_frames_dir(parser, "its kept frames")
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit code."""
    folder = arguments.frames_dir
    if folder:
        outputs.make_folder("--frames-dir", folder)

    unknown: set[str] = set()
    written: set[int] = set()

    def keep(frame: Event) -> None:
        if folder:
            written.add(frame["sequence"])
            unknown.update(filter(None, [frame.pixels.icc]))
            outputs.write_frame(folder, frame, Picture(frame.pixels, frame.data or b""))

    with running(arguments, "nst attach") as client:
        job = named(client, arguments.job)
        client.attach(job, kept=folder is not None)
        try:
            done, _ = follow(client, job, Progress(), keep, ours=False)
        except KeyboardInterrupt:
            print(f"{job} goes on; follow it again with: nst attach {job}")
            return EXIT_INTERRUPTED
        except Cancelled as error:
            frames = _kept(client, job)
            if frames and not folder:
                error.hint = f"Its frames, while the server keeps it: nst attach {job} --frames-dir DIR"
            elif frames:
                _fetch(client, job, frames - written, keep)
                error.hint = f"Its frames are in {folder}: {len(written)}."
            raise
    if unknown:
        print("note: the frames are in a profile that only the job's own client has; assign it to them.")
    print(f"{job}: {done['reason']} after {counted(done['iteration'], 'iteration')}")
    if done["kept_frames"] and not folder:
        print(f"Its frames, while the server keeps it: nst attach {job} --frames-dir DIR", file=sys.stderr)
    return 0


def _kept(client: Client, job: str) -> set[int]:
    """The sequences of the frames that the server keeps of the job; none where it has forgotten it."""
    found: set[int] = set()

    def is_last(event: Event) -> bool:
        if event.type == "frames" and event.job == job:
            found.update(frame["sequence"] for frame in event["frames"])
        return event.job == job and (
            event.type == "error" or (event.type == "frames" and not event.get("more"))
        )

    client.frames(job)
    answer(client, is_last)
    return found


def _fetch(client: Client, job: str, frames: set[int], keep: Callable[[Event], None]) -> None:
    """Have these frames of a cancelled job sent, which come to nobody unasked. Raises CliError."""
    left = set(frames)
    client.frames(job, sorted(left))
    while left:
        for event in client.poll(0.5):
            if event.type == "disconnected":
                client.wait_connected(LOST_SECONDS)
                client.frames(job, sorted(left))
            elif event.job == job and event.type == "frame":
                keep(event)
                left.discard(event["sequence"])
            elif event.job == job and event.get("code") == "frame_lost":
                print(f"note: {event['message']}", file=sys.stderr)
                left.discard(event["sequence"])
            elif event.job == job and event.type == "error":
                raise refused(event)
