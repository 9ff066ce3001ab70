"""``nst recolour``: a finished picture in the colours of its content, without painting it again."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from nst_server.cli import EXIT_DONE, outputs, pictures
from nst_server.cli.errors import CliError
from nst_server.cli.options import add_params, params_of, tell_idle


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser(
        "recolour",
        help="give a finished picture its content's colours",
        description="Give PICTURE, a finished frame, the colours of its CONTENT, as --keep-colours would have"
        " while painting: in seconds, without a server. The result has PICTURE's depth and profile.",
    )
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="what has been painted")
    parser.add_argument(
        "--content", type=Path, required=True, metavar="IMAGE", help="what it was painted from"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.png", help="where to write")
    outputs.add_bit_depth(parser, "PICTURE's")
    add_params(parser, ("keep_colours", "luminance_space"), keep_colours="luminance")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit code. Raises CliError."""
    params = params_of(arguments)
    if params.keep_colours == "no":
        raise CliError(
            '--keep-colours: "no" leaves nothing to do.', "Choose luminance, moments or histogram."
        )
    outputs.check_apart("--output", arguments.output, (arguments.picture, arguments.content))
    picture = pictures.read(arguments.picture, "picture")
    content = pictures.read(arguments.content, "content")
    tell_idle(arguments, params, content.size)
    width, height = content.size
    if abs(width * picture.size[1] - height * picture.size[0]) > max(*content.size, *picture.size):
        raise CliError(
            f"{arguments.picture} and {arguments.content} differ in shape.",
            "Name the image that it was painted from.",
        )
    depth = outputs.depth_for(arguments, picture, is_transparent=picture.is_transparent())
    picture = picture.at_least(depth)
    # Imported here, as it loads torch, which nst --help must not wait for.
    from nst_server.recolour import recolour

    profiles = (picture.icc, content.icc)
    data = recolour(picture.wire, content.wire, params.keep_colours, params.luminance_space, profiles)
    outputs.write(arguments.output, replace(picture, pixels=picture.pixels.of(data), data=data), depth)
    print(arguments.output)
    return EXIT_DONE
