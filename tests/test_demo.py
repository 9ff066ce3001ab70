"""What ``nst demo`` leaves, and says of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from server_process import ServerProcess

from nst_server.cli import demo, main
from nst_server.demo import pictures


def test_demo_leaves_what_the_readme_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    captions: list[str] = []

    def contact_sheet(*arguments: Any) -> Image.Image:
        captions.append(arguments[-1])
        return pictures.contact_sheet(*arguments)

    monkeypatch.setattr(demo, "contact_sheet", contact_sheet)
    run = ["demo", "--out", str(out), "--size", "48", "--iterations", "5", "--encoder", "built-in"]
    with ServerProcess(tmp_path / "server") as server:
        monkeypatch.setenv("NST_DATA_DIR", str(server.data))
        assert main(run) == 0
    assert [f.name for f in sorted((out / "frames").iterdir())] == [
        f"iteration-000{i}.png" for i in (1, 2, 5)
    ]
    for name in ("final.png", "contact-sheet.png", "loss.png"):
        with Image.open(out / name) as picture:
            assert min(picture.size) > 100
    printed = capsys.readouterr().out
    assert "encoder built-in" in printed
    assert printed.startswith("china (content.png) like style.png, 5 iterations")
    assert f"3 frames in {captions[0].split(', ')[-1]} (first after" in printed


@pytest.mark.skipif(sys.platform != "linux", reason="there is a display everywhere else")
def test_without_a_display_nothing_is_made_and_nothing_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("NST_DATA_DIR", "NST_WEIGHTS_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "data"))  # the demo sets them: undone afterwards
    run = ["demo", "--krita", "--out", str(tmp_path / "demo")]
    assert main(run) == 1
    assert "There is no display" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
    earlier = tmp_path / "demo" / "frames" / "iteration-0001.png"
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    assert main(run) == 1
    assert earlier.exists()
