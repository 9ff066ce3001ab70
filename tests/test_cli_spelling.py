"""What the command line says of a word that it does not know: which one was meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import pytest

from nst_server.cli import COMMANDS, build_parser, main


def commands_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in nested:
        for command in action.choices.values():
            yield from commands_of(command)
    if not nested:
        yield parser


def test_an_american_spelling_is_answered_with_the_british_one(capsys: pytest.CaptureFixture[str]) -> None:
    seen = set()
    for command in commands_of(build_parser()):
        needed = [(action.option_strings or [""])[0] for action in command._actions if action.required]
        values = [word for option in needed for word in (option, "x") if word]
        for option in command._option_string_actions:
            american = re.sub(r"is(?=e\b|er|ation)", "iz", option.replace("our", "or"))
            if american == option or not option.startswith("--"):
                continue
            seen.add(option)
            with pytest.raises(SystemExit):
                main([*command.prog.split()[1:], *values, f"{american}=x"])
            assert capsys.readouterr().err.startswith(
                f"{command.prog}: unknown: {american}=x. Did you mean {option}?\n"
            )
    assert seen >= {"--keep-colours", "--optimiser", "--normalise-gradients", "--no-normalise-gradients"}


def test_a_misspelt_command_is_answered_with_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    for given, meant in (
        ("stylise", " Did you mean stylize?"),
        ("recolor", " Did you mean recolour?"),
        ("x", ""),
    ):
        with pytest.raises(SystemExit) as ended:
            main([given])
        told = f"nst: unknown: {given}.{meant}\n     See nst --help\n"
        assert (ended.value.code, capsys.readouterr().err) == (2, told)


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    text = capsys.readouterr().out
    assert "First time here? Try: nst demo" in text
    assert all(command in text for command in COMMANDS)


def test_a_value_is_not_taken_for_a_misspelt_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["update", "job", "--keep-colors", "luminance"])
    assert "Did you mean --keep-colours?\n" in capsys.readouterr().err
