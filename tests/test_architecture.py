"""The arrows of docs/architecture.md: imports point one way, and each library stays in its place."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nst_server.wire.pixels import CHANNELS, DTYPES

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 450

#: What each part of the server may import of the project (itself always).
SERVER = {
    "__init__": set(),
    "__main__": {"cli"},
    "wire": set(),
    "jobs": {"wire"},
    "durable": set(),
    "frame_log": {"durable"},
    "store": {"durable", "frame_log", "jobs", "wire"},
    "broker": {"jobs", "store", "executors", "wire"},
    "executors": {"jobs", "wire"},
    "demo": {"wire"},
    "weights": {"wire"},
    "device": {"wire"},
    "engine": {"weights", "device", "raster", "wire"},
    "worker": {"engine", "weights", "device", "durable", "wire"},
    "raster": {"wire"},
    "compare": {"engine", "weights", "wire"},
    "bench": {"engine", "weights", "device", "wire"},
    "recolour": {"engine", "wire"},
    "cli": {
        *("broker", "executors", "store", "jobs", "demo", "weights", "device", "wire"),
        *("compare", "recolour", "bench", "raster", "krita_plugin"),
    },
}
#: The same for the plugin.
PLUGIN = {
    "__init__": {"extension", "vendor", "translation", "qt"},
    "extension": {"ui", "model", "backend", "host", "settings", "translation", "qt"},
    "ui": {"model", "settings", "translation", "qt"},
    "model": {"host", "backend", "settings", "translation", "qt"},
    "host": {"translation", "qt"},
    "backend": {"translation", "qt"},
    "settings": {"backend"},
    "vendor": set(),
    "translation": set(),
    "qt": set(),
}
#: Where a library may be imported; everything else must do without it.
LIBRARIES = {
    "torch": {"engine", "weights", "device", "worker", "compare", "recolour", "bench"},
    "torchvision": {"engine", "weights"},
    "zmq": {"wire", "broker", "executors", "worker"},
    "matplotlib": {"demo", "bench"},
    "sklearn": {"demo"},
}


def _parts(folder: Path) -> list[tuple[str, Path]]:
    """(part, file) of every module below ``folder``: the part is the first name below it."""
    files = [f for f in sorted(folder.rglob("*.py")) if not {"_wire", "_vendor"} & set(f.parts)]
    return [(f.relative_to(folder).parts[0].removesuffix(".py"), f) for f in files]


def _imports(path: Path, package: tuple[str, ...]) -> set[str]:
    """Absolute names of everything that the module imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def _targets(path: Path, root: Path, top: str) -> set[str]:
    """Parts of ``top`` that the module imports."""
    package = (top, *path.relative_to(root).parent.parts)
    own: set[str] = set()
    for name in _imports(path, package):
        pieces = name.split(".")
        if pieces[0] == top:
            is_part = len(pieces) > 1 and (
                (root / pieces[1]).is_dir() or (root / f"{pieces[1]}.py").is_file()
            )
            own.add(pieces[1] if is_part else "__init__")
        elif pieces[0] == "krita_plugin":
            own.add("krita_plugin")
    return own


@pytest.mark.parametrize(
    ("folder", "top", "allowed"),
    [(ROOT / "nst_server", "nst_server", SERVER), (ROOT / "krita_plugin/nst_krita", "nst_krita", PLUGIN)],
    ids=["server", "plugin"],
)
def test_imports_point_down(folder: Path, top: str, allowed: dict[str, set[str]]) -> None:
    wrong = []
    parts = _parts(folder)
    assert {part for part, _ in parts} == set(allowed), "a part is missing here or in the table"
    for part, path in parts:
        for target in _targets(path, folder, top) - {part}:
            # "__init__" holds the version, which every part may tell.
            if target not in allowed[part] | {"__init__"}:
                wrong.append(f"{path.relative_to(ROOT)} imports {target}")
    assert not wrong


def test_libraries_stay_in_their_place() -> None:
    wrong = []
    for part, path in _parts(ROOT / "nst_server"):
        package = ("nst_server", *path.relative_to(ROOT / "nst_server").parent.parts)
        for library in {name.split(".")[0] for name in _imports(path, package)}:
            misplaced = library in LIBRARIES and part not in LIBRARIES[library]
            foreign = part == "wire" and library not in {"zmq", "nst_server", *sys.stdlib_module_names}
            if misplaced or foreign:
                wrong.append(f"{path.relative_to(ROOT)} imports {library}")
    assert not wrong


def test_broker_knows_executors_by_their_interface_alone() -> None:
    for part, path in _parts(ROOT / "nst_server"):
        if part == "broker":
            assert "nst_server.executors.local" not in path.read_text(encoding="utf-8")


def test_krita_and_qt_stay_in_their_place() -> None:
    wrong = []
    plugin = ROOT / "krita_plugin/nst_krita"
    for part, path in _parts(plugin):
        for name in _imports(path, ()):
            library = name.split(".")[0]
            if (
                library == "krita"
                and part not in {"host", "__init__", "extension"}
                and path.name != "docker.py"
            ):
                wrong.append(f"{path.relative_to(ROOT)} imports krita")
            if library in {"PyQt5", "PyQt6"} and part != "qt":
                wrong.append(f"{path.relative_to(ROOT)} imports {library}")
            if library == "zmq" and part != "vendor":
                wrong.append(f"{path.relative_to(ROOT)} imports zmq")
    assert not wrong


def test_every_text_of_the_docker_is_shown_as_it_is() -> None:
    """Qt takes what looks like HTML for it: labels and message boxes are made where that is switched off."""
    folder = ROOT / "krita_plugin/nst_krita/ui"
    made = {
        path.name
        for path in folder.glob("*.py")
        if re.search(r"\b(QLabel|QMessageBox)\(", path.read_text(encoding="utf-8"))
    }
    assert made == {"plain.py"}


def test_the_plugin_counts_bytes_of_pixels_as_the_wire_does() -> None:
    """``host/`` imports nothing of the protocol, so it has tables of its own."""
    names = ("_CHANNELS", "_BYTES", "FORMATS")
    tables: dict[str, dict[Any, Any]] = {}
    for path in (ROOT / "krita_plugin/nst_krita/host").glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in names:
                tables[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
    assert tables["_CHANNELS"].items() <= CHANNELS.items()
    assert tables["_BYTES"].items() <= DTYPES.items()
    for channels, dtype in [*tables["FORMATS"].values(), ("MASK", "uint8")]:
        assert channels in tables["_CHANNELS"]
        assert dtype in tables["_BYTES"]


def test_command_line_starts_without_heavy_libraries() -> None:
    """``nst --help`` and the broker must not wait for torch."""
    code = (
        "import sys; from nst_server.cli import build_parser; build_parser();"
        "print(*{'torch', 'numpy', 'matplotlib', 'sklearn'} & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""


def test_files_stay_small() -> None:
    folders = [ROOT / name for name in ("nst_server", "krita_plugin", "tests")]
    files = [f for folder in folders for f in folder.rglob("*.py") if "_vendor" not in f.parts]
    long = {
        str(f.relative_to(ROOT)): n
        for f in files
        if (n := len(f.read_text("utf-8").splitlines())) > MAX_LINES
    }
    assert not long
    assert not [f for f in files if f.stem == "utils"]


def test_project_speaks_of_itself_alone() -> None:
    """No lock file, no registry host: what is committed must build anywhere."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not [name for name in tracked if name.endswith(".lock")]


def test_options_of_pytest_are_told_in_one_place() -> None:
    assert [f.name for f in (ROOT / ".ci").iterdir() if "addopts" in f.read_text("utf-8")] == []
