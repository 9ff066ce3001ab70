"""Krita killed while it installs the server: what is there works or is not used; the next try mends it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import standin
from plugin_parts import part
from test_server_setup import left_behind, new_installation, no_settings_of_uv, room_on_the_disk

pytestmark = pytest.mark.usefixtures("plugin", no_settings_of_uv.__name__, room_on_the_disk.__name__)

#: Runs one installation, and kills its own process at a place: before or after a function of the module
#: "backend.installation", or halfway through one that copies, replaces or removes.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from plugin_parts import part
installation = part("backend.installation")
from test_server_setup import ROOM, new_installation
shutil.disk_usage = lambda _: ROOM
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
place, when = sys.argv[3].split()

def killing(whole):
    def function(*given, **options):
        if when == "before":
            kill()
        if when == "halfway" and place == "copyfile":
            Path(given[1]).write_bytes(b"half")
            kill()
        if when == "halfway" and place == "rmtree":
            next(Path(given[0]).rglob("*.py")).unlink()
            kill()
        result = whole(*given, **options)
        kill()
    return function

if place == "_sweep":
    sweep = installation._sweep
    installation._sweep = lambda keep: (killing(sweep) if keep and keep != before else sweep)(keep)
elif place == "replace":
    rename = Path.replace
    Path.replace = lambda path, to: kill() if "installed" in path.name else rename(path, to)
elif place == "rmtree":
    remove = shutil.rmtree
    shutil.rmtree = lambda path, **more: (killing(remove) if Path(path) == before else remove)(path, **more)
else:
    owner = shutil if place == "copyfile" else installation.Installation
    setattr(owner, place, killing(getattr(owner, place)))
before = installation.own_environment()
new_installation(Path(sys.argv[4]), update=before).run(lambda _: None)
"""
PLACES = (
    *("copyfile halfway", "_make_environment before", "_make_environment after", "_install_wheel before"),
    *(
        "_install_wheel after",
        "_try before",
        "_try after",
        "_record before",
        "replace before",
        "_record after",
    ),
)


def killed(tmp_path: Path, place: str, wheel: Path) -> None:
    folders = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "krita_plugin")]
    run = subprocess.run(
        [sys.executable, "-c", KILLED, *folders, place, str(wheel)], capture_output=True, check=False
    )
    assert run.returncode == -9, run.stderr.decode()


def runs(tmp_path: Path) -> bool:
    """Whether the server that is written down can be started."""
    record = json.loads((tmp_path / "data" / "installed.json").read_text())
    said = subprocess.check_output(record["command"][:3], text=True, cwd=tmp_path)
    return said == "the stand-in\n"


@pytest.mark.parametrize("place", PLACES)
def test_a_first_installation(tmp_path: Path, place: str) -> None:
    installation = part("backend.installation")
    wheel = standin.server_wheel(tmp_path)
    killed(tmp_path, place, wheel)
    assert bool(installation.installed()) == (place == "_record after")
    new_installation(wheel).run(lambda _: None)
    assert runs(tmp_path)
    assert set(left_behind(tmp_path)) - {"switch"} == {"installed.json", installation.own_environment().name}


@pytest.mark.parametrize("place", ["_copy_environment after", *PLACES[3:], "_sweep before", "rmtree halfway"])
def test_an_update(tmp_path: Path, place: str) -> None:
    installation = part("backend.installation")
    new_installation(standin.server_wheel(tmp_path)).run(lambda _: None)
    wheel = standin.server_wheel(tmp_path, "10.0.0")
    killed(tmp_path, place, wheel)
    switched = place in ("_record after", "_sweep before", "rmtree halfway")
    assert installation.installed()["version"] == ("10.0.0" if switched else "9.9.9")
    assert runs(tmp_path)
    new_installation(wheel, update=installation.own_environment()).run(lambda _: None)
    assert installation.installed()["version"] == "10.0.0" and runs(tmp_path)
    assert set(left_behind(tmp_path)) - {"switch"} == {"installed.json", installation.own_environment().name}


def test_an_environment_that_has_been_damaged_is_not_updated_but_made_anew(tmp_path: Path) -> None:
    installation = part("backend.installation")
    new_installation(standin.server_wheel(tmp_path)).run(lambda _: None)
    damaged = installation.own_environment()
    (next(damaged.rglob("site-packages")) / "sitecustomize.py").write_text("raise SystemExit('damaged')")
    new_installation(standin.server_wheel(tmp_path, "10.0.0"), update=damaged).run(lambda _: None)
    assert installation.installed()["version"] == "10.0.0" and runs(tmp_path)
    assert not damaged.exists()
