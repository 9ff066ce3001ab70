"""``nst stylize``: paint one image in the manner of others, from the terminal."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nst_server.cli import EXIT_DONE, EXIT_INTERRUPTED, outputs, pictures
from nst_server.cli.errors import CliError
from nst_server.cli.following import KEEPS, follow, forget
from nst_server.cli.jobs import KEPT, named
from nst_server.cli.options import add_params, must_be_usable, params_of, tell_idle
from nst_server.cli.server import add_connection, add_server, for_call, is_private
from nst_server.cli.terminal import Progress, counted
from nst_server.wire.client import Image
from nst_server.wire.events import Event
from nst_server.wire.params import MAX_STYLES, Params
from nst_server.wire.starts import EXAMPLE, STARTS


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser(
        "stylize",
        help="paint CONTENT in the manner of STYLE",
        description="Paint CONTENT in the manner of STYLE: by the running server, or one started for it."
        " Ctrl-C stops and keeps the best picture so far; a second one discards it."
        " `nst pause JOB` in another terminal holds it.",
    )
    parser.add_argument("content", type=Path, metavar="CONTENT", help="the image to paint")
    parser.add_argument("styles", type=Path, nargs="+", metavar="STYLE", help="the image(s) to learn from")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.png", help="where to write")
    outputs.add_bit_depth(parser, "the content's")
    parser.add_argument(
        "--mask",
        type=Path,
        metavar="MASK.png",
        help="paint only where this image is white and opaque; the rest is transparent",
    )
    parser.add_argument(
        "--style-masks",
        metavar="FILE,…",
        help="where each style acts: an image file for each in order, white and opaque where it does, "
        "black or transparent where not, grey between; nothing or - for everywhere (--style-masks=-,b.png)",
    )
    parser.add_argument(
        "--continues",
        metavar="JOB",
        help="the job that painted the image of --start, painted over since or not: go on as it would have; "
        "its id, or the beginning of it",
    )
    parser.add_argument(
        "--keep-job",
        action="store_true",
        help=f"leave the job with the server for `nst attach`, until `nst forget` or for {KEPT}; else it is "
        "forgotten when its picture is written, or where there will be none and no frame is kept",
    )
    outputs.add_frames_dir(parser, "the kept frames (--frames series, if not told otherwise)")
    add_params(parser, frames="none")
    add_server(parser)
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit code."""
    if arguments.frames_dir and not hasattr(arguments, "frames"):
        arguments.frames = "series"
    params, start = _params_and_start(arguments)
    _check(arguments, params, start)
    content = pictures.read(arguments.content, "content")
    must_be_usable(params, content.size, len(arguments.styles))
    styles = [pictures.read(path, "style") for path in arguments.styles]
    text = arguments.style_masks
    style_masks = [] if text is None else _style_masks(text, len(styles))
    mask = pictures.read_mask(arguments.mask, "mask", content.size) if arguments.mask else None
    start_image = pictures.read(start, "start") if start else None
    depth = outputs.depth_for(arguments, content, is_transparent=mask is not None or content.is_transparent())
    content = content.at_least(depth)
    if arguments.frames_dir:
        outputs.make_folder("--frames-dir", arguments.frames_dir)

    final: list[pictures.Picture] = []

    def keep(frame: Event) -> None:
        picture = pictures.Picture(frame.pixels, frame.data or b"", content.profile)
        if arguments.frames_dir:
            outputs.write_frame(arguments.frames_dir, frame, picture)
        if frame["final"]:
            final.append(picture)

    job = new_job(arguments.content)
    print(f"job {job}", file=sys.stderr)
    tell_idle(arguments, params, content.size)
    has_frames = _tell_of_frames(arguments, params)
    with for_call(arguments, "nst stylize") as client:
        client.submit(
            job,
            params,
            content.wire,
            [style.wire for style in styles],
            style_masks=style_masks,
            mask=mask,
            start=start_image.wire if start_image else None,
            continues=arguments.continues and named(client, arguments.continues, any_state=True),
            profiles=pictures.profiles(content, *styles, start_image),
            title=arguments.content.name,
        )
        # Of a private server nothing is left anyhow.
        private = is_private(arguments)
        keeps = arguments.keep_job or private
        done, interrupted = follow(client, job, Progress(), keep, keeps=keeps, stays=not private)
        # Not before the end: the job may still be cancelled, and the picture of an earlier run stays then.
        _write(arguments.output, final, depth, None if private else job)
        if not arguments.keep_job:
            forget(client, job)
    _tell_notes(done, params)
    count = counted(done["iteration"], "iteration")
    stopped = f"stopped after {count}; " if done["reason"] == "stopped" else ""
    encoder = done["encoder"] or "recoloured"
    print(f"{arguments.output} ({stopped}{encoder} on {done['device']}, {done['seconds']:.0f} s)")
    if arguments.keep_job and has_frames and not arguments.frames_dir:
        print(f"The server keeps the frames: nst attach {job} --frames-dir DIR", file=sys.stderr)
    if interrupted:
        print(f"Go on with it: {_go_on(arguments, job)}", file=sys.stderr)
    return EXIT_INTERRUPTED if interrupted else EXIT_DONE


def _check(arguments: argparse.Namespace, params: Params, start: Path | None) -> None:
    """Raise CliError for what is refused whatever the images are.

    The output must not take the place of what is read; that of --start it may.
    """
    if not params.iterations and params.start != "image":
        problem = "--iterations: 0 only give a finished picture other colours."
        raise CliError(problem, "Name it alone with --start FILE, or use nst recolour.")
    if arguments.continues and not start:
        raise CliError("--continues: there is no picture to go on from.", "Name it with --start.")
    if arguments.keep_job and (arguments.device or arguments.weights):
        problem = "--keep-job: the server that --device or --weights starts ends with the call."
        raise CliError(problem, "Leave one out, or start a server of its own: nst serve --device …")
    if len(arguments.styles) > MAX_STYLES:
        raise CliError(f"STYLE: {len(arguments.styles)} images are named.", f"Name 1 to {MAX_STYLES}.")
    masks = [Path(name.strip()) for name in (arguments.style_masks or "").split(",") if name.strip()]
    read = (arguments.content, *arguments.styles, arguments.mask, *masks, arguments.weights)
    outputs.check_apart("--output", arguments.output, read)


def _write(file: Path, final: Sequence[pictures.Picture], depth: int, job: str | None) -> None:
    """Write the final picture. Raises CliError where none has come, and OSError.

    ``job``: of which the picture can be fetched then, None where it goes with the call.
    """
    if not final:
        hint = "Its log says why. Paint it again."
        raise CliError("The server has lost the final picture.", hint, code=1)
    try:
        outputs.write(file, final[0], depth)
    except OSError:
        if job:
            print(KEEPS.format(job), file=sys.stderr)
        raise


def _go_on(arguments: argparse.Namespace, job: str) -> str:
    """The options that go on from the output, and how long they do."""
    start = f"--start {arguments.output}"
    if is_private(arguments):
        return start  # nobody knows the job any more
    # What a forgotten job has learnt is remembered by the process that has painted it, until its next job.
    limit = "" if arguments.keep_job else ", at once (later only with --keep-job)"
    return f"{start} --continues {job}{limit}"


def _tell_notes(done: Event, params: Params) -> None:
    """What the server has noted, and what to do about it."""
    for note in done["notes"]:
        print(f"note: {note}")
        if note.startswith("nothing is known of job "):
            print("      For the next time: a job is kept with --keep-job.")
        elif " painted otherwise: " in note:
            print("      With its pictures, --size and options (but --strength) it goes on as that job.")
    # Where a download was tried, a note says why it failed.
    has_reason = any("built-in encoder" in note for note in done["notes"])
    if params.encoder == "auto" and done["encoder"] == "built-in" and not has_reason:
        print("note: the built-in encoder painted: VGG19 is not there, and this server does not download it.")
        print("      To get it: nst weights fetch vgg19")


def _tell_of_frames(arguments: argparse.Namespace, params: Params) -> bool:
    """Whether frames are asked for; says so on standard error where nobody will have them."""
    if str(params.frames) == "none":
        return False
    if not any(map(params.frames.keeps, range(1, params.iterations + 1))):
        problem = f"--frames {params.frames} names none of {counted(params.iterations, 'iteration')}"
        print(f"note: {problem}: only the last is kept.", file=sys.stderr)
    elif beyond := [n for n in params.frames.at if n > params.iterations]:
        names = ", ".join(map(str, beyond))
        count = counted(params.iterations, "iteration")
        print(f"note: --frames: of {count} none is {names}.", file=sys.stderr)
    if not (arguments.frames_dir or arguments.keep_job):
        or_kept = "" if arguments.device or arguments.weights else ", or --keep-job"
        hint = f"To have them: --frames-dir DIR{or_kept}."
        print(f"note: the frames will be forgotten with the job. {hint}", file=sys.stderr)
    return True


def new_job(content: Path) -> str:
    """A fresh job id that still tells which image it is about."""
    stem = "".join(c for c in content.stem if c.isascii() and c.isalnum())[:24]
    return f"{stem or 'job'}-{secrets.token_hex(4)}"


def _style_masks(text: str, styles: int) -> list[Image | None]:
    """A mask, or None, for each style from the text of ``--style-masks``. Raises CliError."""
    if not text.strip():
        raise CliError("--style-masks: no file is named.", "Name one for each style, or - for everywhere.")
    names = [name.strip() for name in text.split(",")]
    if len(names) != styles:
        raise CliError(
            f"--style-masks: {len(names)} given, {styles} needed: one for each style.",
            "Give the files in the order of the styles, or - for a style that acts everywhere.",
        )
    return [None if name in ("", "-") else pictures.read_mask(Path(name), "style mask") for name in names]


def _params_and_start(arguments: argparse.Namespace) -> tuple[Params, Path | None]:
    """The parameters, and the image that ``--start`` names where it is none of the known words.

    A file may also take part in a blend: content:0.5+sketch.png:0.5.
    """
    start = getattr(arguments, "start", None)
    if start is None:
        return params_of(arguments), None
    if start not in STARTS and _is_file(start):
        return params_of(arguments, start="image"), Path(start)
    parts = [part.partition(":") for part in start.split("+")]
    files = [name.strip() for name, _, _ in parts if name.strip() not in STARTS[:-1]]
    if not files:
        return params_of(arguments), None
    if not all(files):
        raise CliError(f"--start: {start!r} names nothing in a place.", f"Write a file, or {EXAMPLE}.")
    if len(files) > 1:
        raise CliError(
            f"--start: {' and '.join(files)} are files.", f"Name one, and any of {', '.join(STARTS[:-1])}."
        )
    known = "+".join(
        ("image" if name.strip() == files[0] else name) + colon + ratio for name, colon, ratio in parts
    )
    params = params_of(arguments, start=known)
    # With a ratio of 0 it takes no part.
    if "image" not in params.start_shares:
        return params, None
    if not os.path.exists(files[0]):  # noqa: PTH110 Path.exists raises for what is too long for a name
        hint = f"Choose one of {', '.join(STARTS[:-1])}, name an image file, or blend some: {EXAMPLE}."
        raise CliError(f"--start: {files[0]} is not there, nor is it a choice.", hint)
    return params, Path(files[0])


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # longer than any name of a file can be
        return False
