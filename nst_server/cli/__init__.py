"""The ``nst`` command: reads arguments, composes the parts, turns errors into a sentence and an exit code."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from nst_server import __version__
from nst_server.cli.errors import CliError
from nst_server.wire.messages import BadMessage

COMMANDS = (
    *("demo", "serve", "stylize", "jobs", "attach", "pause", "resume", "update", "stop", "cancel", "forget"),
    *("krita", "weights", "recolour", "compare", "bench", "doctor"),
)
#: Commands without a module of their own name.
_MODULES = dict.fromkeys(("pause", "resume", "update", "stop", "cancel"), "control")

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
#: From which likeness on, 1 for the same, another word may be meant.
_NEAR = 0.7


class Parser(argparse.ArgumentParser):
    """Says what is wrong in a line, with the option that was meant, and not all options above it."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of the base class; what is not known is an error here, where the subcommand is known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            words = [word.partition("=")[0] for word in unknown if word.startswith("--")]
            self.unknown(" ".join(unknown), words, self._option_string_actions)
        return found, unknown

    def unknown(self, text: str, words: Iterable[str], known: Iterable[str]) -> NoReturn:
        """End as ``error`` does, with what of ``known`` is near to ``words``."""
        # Dashes, which all options share, make none of them nearer.
        names = {name.lstrip("-"): name for name in known if len(name) > 2}
        near = [get_close_matches(word.lstrip("-"), names, 1, _NEAR) for word in words]
        meant = ", ".join(dict.fromkeys(names[name] for found in near for name in found))
        self.error(f"unknown: {text}." + (f" Did you mean {meant}?" if meant else ""))

    def error(self, message: str) -> NoReturn:
        """End with exit code 2 and ``message``."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n{' ' * len(self.prog)}  See {self.prog} --help\n")


def build_parser(names: Sequence[str] = COMMANDS) -> Parser:
    """The parser of these subcommands; the module of each adds its own part."""
    parser = Parser(
        prog="nst",
        description="Neural style transfer for painters: paint a picture in the manner of another one.",
        epilog="First time here? Try: nst demo",
    )
    parser.add_argument("--version", action="version", version=f"nst {__version__}")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something goes wrong")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in dict.fromkeys(map(_module_of, names)):
        importlib.import_module(module).add_parser(commands)
    return parser


def _module_of(command: str) -> str:
    return f"nst_server.cli.{_MODULES.get(command, command)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``nst`` with ``argv``; returns the exit code: 0 done, 1 failed, 2 wrong input, 130 interrupted."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Not every terminal can show every file's name, nor has every name characters.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        print("nst: interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run(argv: Sequence[str]) -> int:
    # The server must answer within a second of its start: it does not load what the others need.
    names = argv[:1] if argv[:1] and argv[0] in COMMANDS else COMMANDS
    parser = build_parser(names)
    if not argv:
        parser.print_help()
        return EXIT_USAGE
    if argv[0] not in COMMANDS and not argv[0].startswith("-"):
        parser.unknown(argv[0], argv[:1], COMMANDS)
    arguments = parser.parse_args(argv)
    try:
        command = importlib.import_module(_module_of(arguments.command))
        return int(command.run(arguments))
    except CliError as error:
        if arguments.debug:
            raise
        print(f"nst: {error}", file=sys.stderr)
        if error.hint:
            print(f"     {error.hint}", file=sys.stderr)
        return error.code
    except BadMessage as error:
        if arguments.debug:
            raise
        print(f"nst: {error}", file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:
        # The reader of our output has gone (nst jobs | head); Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        if arguments.debug:
            raise
        place = f"{error.filename}: " if error.filename else ""
        print(f"nst: {place}{error.strerror or error}.", file=sys.stderr)
        return EXIT_FAILED
