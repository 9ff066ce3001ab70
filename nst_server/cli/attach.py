"""``nst attach``: follow a job of any client, and fetch its frames."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from nst_server.cli import EXIT_INTERRUPTED, outputs
from nst_server.cli.following import follow
from nst_server.cli.jobs import JOB_HELP, named
from nst_server.cli.pictures import Picture
from nst_server.cli.server import add_connection, running
from nst_server.cli.terminal import Progress, counted
from nst_server.wire.events import Event


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

    def keep(frame: Event) -> None:
        if folder:
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
    if unknown:
        print("note: the frames are in a profile that only the job's own client has; assign it to them.")
    print(f"{job}: {done['reason']} after {counted(done['iteration'], 'iteration')}")
    if done["kept_frames"] and not folder:
        print(f"Its frames, while the server keeps it: nst attach {job} --frames-dir DIR", file=sys.stderr)
    return 0
