"""What uv says while it installs the server: how far it is, and why it failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_parts import part

pytestmark = pytest.mark.usefixtures("plugin")

PLUGIN = Path(__file__).resolve().parent.parent / "krita_plugin"

#: As uv 0.13 wrote it when there was no network.
NO_NETWORK = """\
Using Python 3.11.7 environment at: env
error: Request failed after 3 retries in 6.8s
  cause: Failed to fetch: https://download.pytorch.org/whl/cpu/torch/
  cause: error sending request for url (https://download.pytorch.org/whl/cpu/torch/)
  cause: client error (Connect)
  cause: dns error""".splitlines()
NO_PYTHON = """\
error: Request failed after 3 retries in 8.1s
  cause: Failed to download `https://github.com/astral-sh/python-build-standalone/releases/x.tar.gz`
  cause: dns error""".splitlines()
NO_VERSION = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of torch, we can conclude that your requirements are unsatisfiable.\
""".splitlines()


def test_progress_is_read_from_what_uv_says() -> None:
    uv_output = part("backend.uv_output")
    reading = uv_output.Reading("downloading")
    assert reading.progress.stage == "resolving"
    for line in ("Resolved 3 packages in 1s", "Downloading torch (500.0MiB)", "Downloading scipy (500.0KiB)"):
        reading.hear(line)
    total = 500 * 2**20 + 500 * 2**10
    assert reading.progress == uv_output.Progress("downloading", 0.0, total)
    reading.hear(" Downloaded scipy")
    reading.arrived(unpacked=190 * 2**20)
    assert reading.progress.done == pytest.approx(500 * 2**10 + 100 * 2**20)
    reading.arrived(unpacked=5000 * 2**20)
    assert reading.under_way and reading.progress.done < total
    nearly = reading.progress.done
    reading.arrived(unpacked=0)
    assert reading.progress.done == nearly
    reading.hear(" Downloaded torch")
    assert not reading.under_way and reading.progress.done == total
    reading.hear("Prepared 3 packages in 9s")
    assert reading.progress == uv_output.Progress("installing")


def test_a_python_that_is_fetched_counts_as_the_python() -> None:
    reading = part("backend.uv_output").Reading("python")
    reading.hear("Downloading cpython-3.14.1-linux-x86_64-gnu (download) (32.0MiB)")
    assert (reading.progress.stage, reading.progress.total) == ("python", 32 * 2**20)


def test_reasons_are_sentences() -> None:
    uv_output = part("backend.uv_output")
    assert uv_output.host_of(NO_NETWORK) == "download.pytorch.org"
    assert uv_output.reason_of(NO_PYTHON) == "github.com cannot be reached. Is this computer online?"
    assert uv_output.reason_of(NO_VERSION).startswith(
        "No solution found when resolving dependencies: Because"
    )
    assert uv_output.host_of(NO_VERSION) == ""
    full = ["error: Failed to install", "  cause: No space left on device (os error 28)"]
    assert uv_output.reason_of(full) == "The disk is full."
    untrusted = [NO_NETWORK[2], "  cause: invalid peer certificate: UnknownIssuer"]
    assert uv_output.reason_of(untrusted).startswith("The certificate of download.pytorch.org is not trusted")
    assert uv_output.reason_of([]) == "uv ended without a word."
