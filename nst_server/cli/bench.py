"""``nst bench``: measurements of the engine that anyone can repeat."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_server.cli import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, pictures
from nst_server.cli.errors import CliError
from nst_server.cli.outputs import check_apart, check_writable
from nst_server.cli.terminal import ERASE_TO_END, duration, in_one_line

if TYPE_CHECKING:
    from nst_server.bench.optimisers import Setting
    from nst_server.bench.robustness import Outcome


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser(
        "bench",
        help="measure how dependable the engine is, and how fast its optimiser",
        description="Measure the engine in this process, on the CPU with one thread. docs/performance.md has "
        "what was found.",
    )
    kinds = parser.add_subparsers(dest="bench", metavar="KIND", required=True)
    _add_robustness(kinds)
    _add_optimisers(kinds)


def _add_robustness(kinds: Any) -> None:
    parser = kinds.add_parser(
        "robustness",
        help="paint random jobs with random options, and look for what is wrong",
        description="Paint small random pictures with random options and live changes. Each must end with a "
        "finite loss, not above that at the start, and no noise; some are painted twice, for the same bits.",
    )
    parser.add_argument("--rounds", type=_count, default=100, metavar="N", help="jobs (default: 100)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of all that is drawn (default: 0)")
    parser.add_argument("--round", type=int, metavar="K", help="only this one, as a failure names it")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="begin there (default: 0)")
    parser.add_argument(
        "--weights", type=Path, metavar="PATH", help="VGG's weights (default: filters at random)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there")


def _add_optimisers(kinds: Any) -> None:
    parser = kinds.add_parser(
        "optimisers",
        help="compare the optimisers: loss by evaluations",
        description="Lower one loss from one start with the engine's optimisers and PyTorch's L-BFGS as the "
        "public tutorials use it, at one scale, and count evaluations.",
    )
    parser.add_argument(
        "--content", type=Path, nargs="+", default=[], metavar="IMAGE", help="(default: the demo's two)"
    )
    parser.add_argument("--style", type=Path, metavar="IMAGE", help="(default: the demo's painting)")
    parser.add_argument("--weights", type=Path, metavar="PATH", help="VGG's (default: built-in encoder)")
    parser.add_argument(
        "--layers",
        choices=("default", "shallow", "middle", "deep"),
        default="default",
        help="the encoder's defaults; conv1_1, conv2_1, conv3_1 with conv2_2 for the content; these and "
        "conv4_1 with conv3_1; or conv1_1 to conv5_1 with conv4_2 (default: default)",
    )
    parser.add_argument(
        "--strength", type=float, nargs="+", default=[0.5, 0.95], metavar="S", help="(default: 0.5 0.95)"
    )
    parser.add_argument("--size", type=_count, default=128, metavar="PX", help="longest side (default: 128)")
    parser.add_argument("--evaluations", type=_count, default=120, metavar="N", help="(default: 120)")
    parser.add_argument(
        "--beside",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="results of earlier --json, shown too",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all losses there")
    parser.add_argument("--out", type=Path, metavar="FILE.png", help="draw the curves")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns 0, 1 if a round failed, 130 if interrupted. Raises CliError."""
    optimises = arguments.bench == "optimisers"
    read = [arguments.weights]
    if optimises:
        read += [*arguments.content, arguments.style, *arguments.beside]
        check_apart("--out", arguments.out, read)
    check_apart("--json", arguments.json, read)
    if arguments.json:
        check_writable("--json", arguments.json)
    # Imported here and below, as torch is slow to load and nst --help must not wait for it.
    from nst_server.device import threads

    # Figures then depend little on what else the machine does.
    with threads(1):
        return _optimisers(arguments) if optimises else _robustness(arguments)


def _robustness(arguments: argparse.Namespace) -> int:
    from nst_server.bench.robustness import report, rounds
    from nst_server.weights import WeightsError

    numbers = range(arguments.first, arguments.first + arguments.rounds)
    if arguments.round is not None:
        numbers = range(arguments.round, arguments.round + 1)
    outcomes: list[Outcome] = []
    began, interrupted = time.monotonic(), False
    try:
        for found in rounds(numbers, arguments.seed, arguments.weights):
            outcomes.append(found)
            _tell(found, outcomes, len(numbers), time.monotonic() - began)
    except KeyboardInterrupt:
        interrupted = True
    except WeightsError as error:
        raise CliError(f"--weights: {error.message}", error.hint) from error
    result = report(outcomes, arguments.seed, time.monotonic() - began, arguments.weights)
    if arguments.json:
        _write(arguments.json, result)
    print(
        f"{result['rounds']} of {len(numbers)} rounds in {duration(result['seconds'])}, "
        f"{result['failed']} failed, {result['painted_again'] + result['resumed']} painted twice"
    )
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if result["failed"] else EXIT_DONE


def _optimisers(arguments: argparse.Namespace) -> int:
    from nst_server.bench import machine, optimisers
    from nst_server.weights import WeightsError
    from nst_server.wire.checks import InvalidParams

    if arguments.out:
        check_writable("--out", arguments.out, (".png", ".svg", ".pdf"))
    results = [result for file in arguments.beside for result in _results(file)]
    began, interrupted = time.monotonic(), False
    try:
        for result in optimisers.measured(_settings(arguments), arguments.evaluations):
            results.append(result)
            print(f"{result['title']}: {sum(result['seconds'].values()):.0f} s", file=sys.stderr)
    except KeyboardInterrupt:
        interrupted = True
    except InvalidParams as error:
        raise CliError(f"--{error}") from error
    except WeightsError as error:
        raise CliError(f"--weights: {error.message}", error.hint) from error
    if not results:
        return EXIT_INTERRUPTED
    if arguments.json:
        seconds = round(time.monotonic() - began, 1)
        record = {"bench": "optimisers", **machine.record(), "seconds": seconds, "results": results}
        _write(arguments.json, record)
    if arguments.out:
        optimisers.draw(results, arguments.out)
    rows = optimisers.table(results)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    return EXIT_INTERRUPTED if interrupted else EXIT_DONE


def _settings(arguments: argparse.Namespace) -> list[Setting]:
    from nst_server.bench.optimisers import Setting
    from nst_server.compare import on_paper
    from nst_server.demo import inputs

    contents = {file.stem: pictures.read(file, "content") for file in arguments.content}
    if not contents:
        contents = {name: pictures.of(inputs.content_photo(name)) for name in inputs.CONTENTS}
    given = arguments.style
    style = pictures.read(given, "style") if given else pictures.of(inputs.style_painting())
    painting = on_paper(*style.wire, style.icc)
    return [
        Setting.of(
            name,
            (on_paper(*content.wire, content.icc), painting),
            arguments.size,
            arguments.layers,
            strength,
            arguments.weights,
        )
        for name, content in contents.items()
        for strength in arguments.strength
    ]


def _results(file: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["results"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CliError(f"--beside: {file} holds no results of nst bench optimisers.") from error
    return list(found)


def _tell(found: Outcome, outcomes: Sequence[Outcome], total: int, seconds: float) -> None:
    """A line for each failure on standard error; on a terminal one that counts, elsewhere every hundred."""
    stream, done = sys.stderr, len(outcomes)
    live = stream.isatty()
    if found.faults:
        stream.write(f"round {found.number}: {in_one_line('; '.join(found.faults))}{ERASE_TO_END * live}\n")
    if live or done % 100 == 0:
        failed = sum(bool(outcome.faults) for outcome in outcomes)
        left = duration(seconds / done * (total - done))
        line = f"{done} of {total} rounds, {failed} failed, {left} left"
        stream.write(f"{line}{ERASE_TO_END}\r" if live else f"{line}\n")
    stream.flush()


def _write(file: Path, result: dict[str, Any]) -> None:
    file.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
