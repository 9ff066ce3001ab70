"""What the tests have in common: real Krita is never skipped quietly."""

from real_krita.policy import (
    pytest_deselected,
    pytest_runtest_setup,
    pytest_sessionfinish,
    pytest_terminal_summary,
)

__all__ = ["pytest_deselected", "pytest_runtest_setup", "pytest_sessionfinish", "pytest_terminal_summary"]
