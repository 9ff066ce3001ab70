"""What the docker copies for a report: versions and logs, without names of people and their folders."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest

PLUGIN = Path(__file__).resolve().parent.parent / "krita_plugin"


@pytest.fixture
def diagnostics(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(PLUGIN))
    yield importlib.import_module("nst_krita.model.diagnostics")
    for name in [name for name in sys.modules if name.split(".")[0] == "nst_krita"]:
        del sys.modules[name]


def test_diagnostics_tell_no_names(diagnostics: Any, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(
        "".join(f"line {n}\n" for n in range(100)) + "opened /home/joerg/pictures/a.png for joerg\n"
    )
    text = diagnostics.report({"Krita": "5.2"}, [log, tmp_path / "none.log"], Path("/home/joerg"), "joerg")
    assert text.startswith("Krita: 5.2\n\n--- server.log ---\nline 61\n")
    assert text.endswith("opened …/a.png for USER\n")


@pytest.mark.parametrize(
    ("text", "home", "user", "expected"),
    [
        (r"C:\Users\Ann\AppData", r"C:\Users\Ann", "Ann", r"~\AppData"),
        (r'"C:\\Users\\Ann\\x"', r"C:\Users\Ann", "Ann", r'"~\\x"'),
        ("/home/ann2 and Joann", "/home/ann", "ann", "/home/ann2 and Joann"),
        ("/mnt/ann/data", "/home/ann", "ann", "/mnt/USER/data"),
        ("the server of server", "/home/server", "server", "the server of server"),
    ],
)
def test_names_are_found_however_they_are_written(
    diagnostics: Any, text: str, home: str, user: str, expected: str
) -> None:
    path = (PureWindowsPath if "\\" in home else PurePosixPath)(home)
    assert diagnostics.without_names(text, path, user) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("opened /mnt/clients/Smith & Sons/sketch.kra", "opened …/sketch.kra"),
        ("~/pictures/a.png", "…/a.png"),
        (r"'D:\\Clients\\Smith\\a.png' is damaged", "'…/a.png' is damaged"),
        (r"D:\Clients\Smith\a.png", "…/a.png"),
        ('File "/opt/nst/lib/worker.py", line 7', 'File "…/worker.py", line 7'),
        ("ipc:///run/user/1000/nst/server.sock", "ipc://…/server.sock"),
        ("tcp://192.168.1.7:5555 and https://a.org/models/vgg19.pth", None),
        ("iteration 3/40, and/or 1.5 it/s, /tmp", None),
        ("from /a/b.png to /c/d.png", "from …/b.png to …/d.png"),
    ],
)
def test_paths_are_cut_down_to_file_names(diagnostics: Any, text: str, expected: str | None) -> None:
    assert diagnostics.short_paths(text) == (text if expected is None else expected)
