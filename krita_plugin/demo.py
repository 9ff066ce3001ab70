"""Starting Krita for ``nst demo --krita``: with a profile of its own, so that the painter's is left alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from krita_plugin import install, package, wheels
from krita_plugin.errors import SetupError
from krita_plugin.kritarc import write_entry
from krita_plugin.profiles import Profile, running

DRIVER = Path(__file__).parent / "nst_demo"
FINISHED = "krita-finished"


def start(
    out: Path, content: Image.Image, style: Image.Image, options: Mapping[str, Any]
) -> subprocess.Popen[bytes]:
    """Open ``content`` in Krita, with the plugin set to paint it like ``style`` with ``options``.

    ``options``: parameters by name, as JSON values. Krita's profile lies below ``out``, as does the data
    folder, which NST_DATA_DIR must name already. Raises SetupError where there is no Krita or no display,
    or where a Krita is running.
    """
    krita = _krita()
    profile = out / "krita-profile"
    shutil.rmtree(profile, ignore_errors=True)
    (out / FINISHED).unlink(missing_ok=True)
    settings = Profile("demo", profile / "share" / "krita", profile / "config" / "kritarc")
    this = wheels.this_platform()
    offline = this not in wheels.PLATFORMS
    install.install([settings], package.find_pyzmq([] if offline else [this], offline=offline))
    _add_driver(settings)
    style.save(profile / "style.png")
    # Without the profile of the file, which Krita finds faulty.
    content.save(out / "content.png", icc_profile=None)
    remembered = {"options": dict(options), "styles": [{"path": str(profile / "style.png"), "weight": 1.0}]}
    (Path(os.environ["NST_DATA_DIR"]) / "plugin.json").write_text(json.dumps(remembered), encoding="utf-8")
    environment = {**_outside_of_venv(os.environ), "NST_DEMO_OUT": str(out.absolute())}
    for name in ("config", "share", "cache"):
        variable = "XDG_DATA_HOME" if name == "share" else f"XDG_{name.upper()}_HOME"
        environment[variable] = str((profile / name).absolute())
    with (out / "krita.log").open("wb") as log:
        return subprocess.Popen(
            [krita, "--nosplash", str((out / "content.png").absolute())],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _krita() -> str:
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise SetupError(
            "There is no display for Krita's window.",
            "Run it in a desktop session, or under: "
            "xvfb-run -a -s '-screen 0 1600x1000x24 -noreset' nst demo --krita",
        )
    krita = shutil.which("krita")
    if krita is None:
        raise SetupError("There is no krita on PATH.", "Install Krita, or add its folder to PATH.")
    if running():
        raise SetupError("Krita is running.", "Close it first: the demo needs a Krita of its own.")
    return krita


def _outside_of_venv(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` without the virtual environment that this runs in.

    The Python inside Krita looks for python3 on PATH; finding the one of a virtual environment, it would
    take that for its own home and miss PyQt.
    """
    programs = {Path(sys.executable).parent, Path(sys.prefix) / "bin", Path(sys.prefix) / "Scripts"}
    path = environment.get("PATH", "").split(os.pathsep)
    dropped = {"VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH"}
    rest = {name: value for name, value in environment.items() if name not in dropped}
    return {**rest, "PATH": os.pathsep.join(folder for folder in path if Path(folder) not in programs)}


def _add_driver(profile: Profile) -> None:
    plugins = profile.resources / "pykrita"
    shutil.copytree(DRIVER, plugins / "nst_demo", ignore=shutil.ignore_patterns("__pycache__", "*.desktop"))
    shutil.copy(DRIVER / "nst_demo.desktop", plugins)
    settings = profile.kritarc.read_bytes()
    profile.kritarc.write_bytes(write_entry(settings, install.GROUP, "enable_nst_demo", "true"))
