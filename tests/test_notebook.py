"""docs/walkthrough.ipynb runs from top to bottom, with a real server in a data folder of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from PIL import Image

from nst_server.wire.connection import Connection, NoConnection

NOTEBOOK = Path(__file__).parent.parent / "docs" / "walkthrough.ipynb"


class ThisPython(AsyncKernelManager):
    """Starts the kernel with the Python of the tests, whatever kernels the machine has registered."""

    @property
    def kernel_spec(self) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python")


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private data folder; the server that the notebook started there is ended afterwards."""
    folder = tmp_path / "data"
    monkeypatch.setenv("NST_DATA_DIR", str(folder))
    monkeypatch.delenv("NST_CONNECTION_FILE", raising=False)
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    yield folder
    end_server(folder / "run" / "server.json")


def end_server(file: Path) -> None:
    try:
        pid = Connection.read(file).pid
    except NoConnection:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while file.exists():
        assert time.monotonic() < deadline, "the server did not end"
        time.sleep(0.05)


def read() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_is_committed_without_outputs() -> None:
    for cell in read().cells:
        assert not cell.get("outputs"), f"{cell.id} has outputs: clear them before you commit"
        assert cell.get("execution_count") is None, f"{cell.id} has been run: clear all outputs"


def test_has_the_steps_that_it_promises() -> None:
    texts = [cell.source for cell in read().cells if cell.cell_type == "markdown"]
    steps = [text.partition(".")[0] for text in texts if text.startswith("## ") and text[3].isdigit()]
    assert steps == [f"## {number}" for number in range(1, 6)]
    assert "in five steps" in texts[0]


@pytest.mark.timeout(600)  # a minute where nothing else computes
def test_runs_from_top_to_bottom(tmp_path: Path, data_folder: Path) -> None:
    notebook = read()
    client = NotebookClient(notebook, timeout=240, kernel_manager_class=ThisPython)
    asyncio.run(execute(client, tmp_path))
    printed = "".join(
        o.text for c in notebook.cells for o in c.get("outputs", ()) if o.output_type == "stream"
    )
    assert "completed after 40 iterations" in printed
    assert "nan" not in printed
    saved = sorted((tmp_path / "out" / "walkthrough").glob("iteration-*.png"))
    assert [path.stem for path in saved] == [f"iteration-{n:04d}" for n in (1, 5, 10, 20, 40)]
    first, last = (Image.open(path) for path in (saved[0], saved[-1]))
    assert first.size == last.size
    assert first.tobytes() != last.tobytes()
    assert list((data_folder / "jobs").iterdir()) == [], "the notebook forgets its job"


async def execute(client: NotebookClient, folder: Path) -> None:
    await client.async_execute(cwd=str(folder))
