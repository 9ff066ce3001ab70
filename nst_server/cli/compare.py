"""``nst compare``: how near painted pictures are to their style and to their content, in figures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_server.cli import pictures
from nst_server.cli.errors import CliError
from nst_server.cli.outputs import check_apart, check_writable

if TYPE_CHECKING:
    from nst_server.compare import Measure

_WIDEST = 24  # characters of a column's heading


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser(
        "compare",
        help="measure pictures against their content and style",
        description="Measure how far PICTUREs are from their style and their content, side by side. No "
        "figure says which is the better picture; docs/quality.md explains what each is good for. A PICTURE "
        "is measured over the content where it is transparent; content and style lie on white paper.",
    )
    parser.add_argument("pictures", type=Path, nargs="+", metavar="PICTURE", help="what has been painted")
    parser.add_argument(
        "--content", type=Path, required=True, metavar="IMAGE", help="what they were painted from"
    )
    parser.add_argument(
        "--style", type=Path, required=True, metavar="IMAGE", help="what they were to look like"
    )
    parser.add_argument(
        "--weights", type=Path, metavar="PATH", help="VGG's weights: compares Gram matrices too"
    )
    parser.add_argument(
        "--grid", type=int, metavar="PX", help="look for seams every PX only (default: on every line)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns 0. Raises CliError."""
    names: list[Path] = arguments.pictures
    read = (*names, arguments.content, arguments.style, arguments.weights)
    check_apart("--json", arguments.json, read)
    if arguments.json:
        check_writable("--json", arguments.json)
    # Imported here and below, as they load much that nst --help must not wait for.
    from nst_server.cli.image_files import tell

    content = pictures.read(arguments.content, "content")
    style = pictures.read(arguments.style, "style")
    painted = [pictures.read(name, "picture") for name in names]
    for name, picture in zip(names, painted, strict=True):
        if picture.size != content.size:
            raise CliError(
                f"{name} is {_size(picture)}, the content {arguments.content} is {_size(content)}.",
                "Bring them to one size first: what scaling does to fine strokes would be measured too.",
            )
        if _is_seen_through(picture, content):
            tell("picture", name, "is measured over the content where it is transparent")
    from nst_server import compare
    from nst_server.weights import WeightsError

    try:
        rows = compare.measures(
            [compare.over((*image.wire, image.icc), (*content.wire, content.icc)) for image in painted],
            compare.on_paper(*content.wire, content.icc),
            compare.on_paper(*style.wire, style.icc),
            encoder=compare.vgg(arguments.weights) if arguments.weights else None,
            grid=arguments.grid,
        )
    except WeightsError as error:
        raise CliError(f"--weights: {error.message}", error.hint) from error
    except compare.Unmeasurable as error:
        raise CliError(str(error), error.hint) from error
    if arguments.json:
        arguments.json.write_text(_json(arguments, rows) + "\n", encoding="utf-8")
    print(table(["content", *headings(names)], rows))
    return 0


def headings(names: Sequence[Path]) -> list[str]:
    """The file's name for each column, with its folder where two are alike; long ones lose their start."""
    short = [name.name for name in names]
    whole = [str(name) if short.count(name.name) > 1 else name.name for name in names]
    return [text if len(text) <= _WIDEST else "…" + text[1 - _WIDEST :] for text in whole]


def table(columns: Sequence[str], rows: Sequence[Measure]) -> str:
    """The rows in aligned columns, each group under what it means and which way is better."""
    from nst_server.compare import GROUPS

    first = max(len(row.name) for row in rows) + 2
    widths = [max(len(column), 6) for column in columns]
    lines = [" " * first + "".join(f"  {c:>{w}}" for c, w in zip(columns, widths, strict=True))]
    for name, group in GROUPS.items():
        own = [row for row in rows if row.group == name]
        if own:
            lines.append(f"{name}: {group.meaning}; {group.better} is better")
        for row in own:
            cells = "".join(
                f"  {value:{w}.{group.places}f}" for value, w in zip(row.values, widths, strict=True)
            )
            lines.append(f"  {row.name:<{first - 2}}{cells}")
    return "\n".join(lines)


def _json(arguments: argparse.Namespace, rows: Sequence[Measure]) -> str:
    """The figures with all that they depend on."""
    from nst_server.compare import GROUPS

    found = {
        "content": str(arguments.content),
        "style": str(arguments.style),
        "weights": arguments.weights and str(arguments.weights),
        "pictures": [str(name) for name in arguments.pictures],
        "measures": [
            {
                "group": row.group,
                "name": row.name,
                "meaning": GROUPS[row.group].meaning,
                "better": GROUPS[row.group].better,
                "content": row.values[0],
                "pictures": row.values[1:],
            }
            for row in rows
        ],
    }
    return json.dumps(found, indent=2, ensure_ascii=False)


def _is_seen_through(picture: pictures.Picture, content: pictures.Picture) -> bool:
    """Whether ``picture`` is more transparent somewhere than ``content`` of the same size."""
    own, theirs = (pictures.in_depth(image.numbers()[..., -1], 8) for image in (picture, content))
    return bool((own < theirs).any())


def _size(picture: pictures.Picture) -> str:
    return "{}×{} px".format(*picture.size)
