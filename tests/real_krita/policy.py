"""Tests marked ``krita`` need a real Krita. Without one they are skipped, and the run ends by saying so.

With ``NST_REQUIRE_KRITA=1`` nothing may be missing: a Krita test that cannot run fails, and so does a run
that deselected one.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from typing import Any

import pytest

from real_krita.harness import missing

COMMAND = "NST_REQUIRE_KRITA=1 python -m pytest -m krita"

_not_run: dict[str, str] = {}  # test → why


def required() -> bool:
    return os.environ.get("NST_REQUIRE_KRITA") == "1"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("krita") is None:
        return
    problem = missing()
    if problem and required():
        pytest.fail(f"Krita tests are required, but {problem}.", pytrace=False)
    if problem:
        _not_run[item.nodeid] = problem
        pytest.skip(problem)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    _not_run.update({i.nodeid: "deselected" for i in items if i.get_closest_marker("krita")})


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    of_several = getattr(session.config, "workeroutput", None)
    if of_several is not None:
        of_several["krita_not_run"] = _not_run
    elif _not_run and required() and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what one of several processes (pytest-xdist) has not run."""
    _not_run.update(getattr(node, "workeroutput", {}).get("krita_not_run", {}))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Print after everything else, so that it is the last thing read."""
    yield
    if not _not_run:
        return
    failed = required()
    word = "FAILED" if failed else "NOT TESTED"
    terminalreporter.write_sep(
        "=", f"{word}: {len(_not_run)} tests in real Krita", red=failed, yellow=not failed
    )
    for reason in sorted(set(_not_run.values())):
        count = sum(1 for other in _not_run.values() if other == reason)
        terminalreporter.write_line(f"{count} × {reason}")
    terminalreporter.write_line(f"Run them: {COMMAND}")
