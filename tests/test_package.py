"""The zip that Krita imports: what is in it, what it is pinned to, and that Krita's importer takes it."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

import nst_server
from krita_plugin import package, server_wheel, wheels
from krita_plugin.errors import SetupError
from nst_server.wire.launch import module_command

IMPORTER = Path("/usr/share/krita/pykrita/plugin_importer/plugin_importer.py")
DIGEST = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")


@pytest.fixture(scope="module")
def pyzmq() -> package.Pyzmq:
    """pyzmq for every platform; without a network the installed one, as ``nst krita package`` does."""
    return package.find_pyzmq(wheels.PLATFORMS)


@pytest.fixture(scope="module")
def archive(pyzmq: package.Pyzmq, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zip") / "nst_krita.zip"
    package.write_zip(package.plugin_files(pyzmq), path)
    return path


def test_every_krita_python_is_served_or_the_note_says_why(pyzmq: package.Pyzmq) -> None:
    served = wheels.served(pyzmq.files)
    if pyzmq.note:
        assert list(served) == [wheels.this_platform()]
        assert "only these Kritas are served" in pyzmq.note
    else:
        everything = ["3.8", "3.9", "3.10", "3.11", "3.12 and later"]
        assert served == dict.fromkeys(wheels.PLATFORMS, everything)


def test_without_network_the_installed_pyzmq_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 2, "", "error: Request failed after 3 retries\n  cause: dns")

    monkeypatch.setattr(wheels, "find_uv", lambda: ["uv"])
    monkeypatch.setattr(subprocess, "run", unreachable)
    pyzmq = package.find_pyzmq(["linux-x86_64", "win-amd64"])
    assert "Request failed after 3 retries" in pyzmq.note
    assert pyzmq.files == wheels.installed()
    assert list(wheels.served(pyzmq.files)) == [wheels.this_platform()]


def test_a_wheel_that_is_not_the_pinned_one_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def tampered(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "error: Failed\n  cause: Hash mismatch for `pyzmq`")

    monkeypatch.setattr(wheels, "find_uv", lambda: ["uv"])
    monkeypatch.setattr(subprocess, "run", tampered)
    with pytest.raises(SetupError, match="is not the file that was pinned") as caught:
        package.find_pyzmq(["linux-x86_64"])
    assert not isinstance(caught.value, wheels.Unreachable)


def test_uv_is_asked_for_each_wheel_by_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def fetch(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 2, "", "offline")

    monkeypatch.setattr(wheels, "find_uv", lambda: ["uv"])
    monkeypatch.setattr(subprocess, "run", fetch)
    with pytest.raises(wheels.Unreachable, match="offline"):
        wheels.download(["win-amd64"])
    assert {command[command.index("--python-version") + 1] for command in commands} <= set(wheels.PYTHONS)
    for command in commands:
        assert {"--require-hashes", "--no-deps", str(wheels.REQUIREMENTS)} <= set(command)
        assert command[command.index("--only-binary") + 1] == ":all:"


def test_uv_is_found_beside_python_in_the_tree_or_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    in_tree, beside = tmp_path / ".uv" / "bin" / "uv", python.with_name("uv")
    on_path = tmp_path / "path" / "uv"
    for path in (in_tree, beside, on_path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(on_path.parent))
    for expected in (beside, in_tree, on_path):
        assert wheels.find_uv(python, tmp_path) == [str(expected)]
        expected.unlink()
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(SetupError, match="uv, which fetches the plugin's pyzmq, was not found") as caught:
        wheels.find_uv(python, tmp_path)
    assert "--offline" in caught.value.hint
    python.write_text("#!/bin/sh\nexit 0\n")
    assert wheels.find_uv(python, tmp_path) == module_command("uv", str(python))


def test_pins_cover_every_wheel_once() -> None:
    text = wheels.REQUIREMENTS.read_text(encoding="utf-8")
    digests = DIGEST.findall(text)
    assert len(set(digests)) == len(digests) == len(wheels.PLATFORMS) * len(wheels.PYTHONS)
    assert "://" not in text, "which index serves the wheels is the user's choice"


def test_wheels_that_disagree_are_not_mixed() -> None:
    files = {"_vendor/a/zmq/x.py": b"one"}
    with pytest.raises(SetupError, match="Two wheels of one pyzmq release disagree"):
        wheels._merge(files, {"_vendor/a/zmq/x.py": b"two"})


def test_zip_has_an_entry_for_each_folder(archive: Path) -> None:
    names = zipfile.ZipFile(archive).namelist()
    folders = {name for name in names if name.endswith("/")}
    assert "nst_krita/" in folders
    assert folders == {
        f"{parent.as_posix()}/" for name in names for parent in Path(name).parents if parent.parts
    }
    assert names == sorted(set(names))


def test_zip_holds_plugin_protocol_licences_and_nothing_unused(archive: Path, pyzmq: package.Pyzmq) -> None:
    names = {name for name in zipfile.ZipFile(archive).namelist() if not name.endswith("/")}
    sources = {
        f"nst_krita/{path.relative_to(package.PLUGIN).as_posix()}"
        for path in package.PLUGIN.rglob("*.py")
        if path.relative_to(package.PLUGIN).parts[0] not in package.GENERATED
    }
    protocol = {f"nst_krita/_wire/{path.name}" for path in package.WIRE.glob("*.py")}
    assert sources | protocol <= names
    assert {"nst_krita.desktop", "nst_krita.action", "nst_krita/Manual.html"} <= names
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name or name.endswith(".pyi")]
    for release in {name.split("/")[1] for name in pyzmq.files if name.startswith("licences/")}:
        for licence in ("LICENSE.md", "LICENSE.zeromq.txt", "LICENSE.libsodium.txt"):
            assert f"nst_krita/licences/{release}/{licence}" in names
    assert b"GNU GENERAL PUBLIC LICENSE" in zipfile.ZipFile(archive).read("nst_krita/LICENSE")


def test_same_sources_make_the_same_zip(tmp_path: Path) -> None:
    files = package.plugin_files(package.Pyzmq(wheels.installed()))
    package.write_zip(files, tmp_path / "one.zip")
    package.write_zip(dict(reversed(files.items())), tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_build_is_recorded(archive: Path) -> None:
    build = json.loads(zipfile.ZipFile(archive).read("nst_krita/build.json"))
    assert build["version"] == nst_server.__version__
    assert build["pythons"]
    if (package.HERE.parent / ".git").exists():
        assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", build["commit"])


def test_failure_leaves_the_old_zip(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "plugin.zip"
    output.write_bytes(b"older")
    with pytest.raises(TypeError):
        package.write_zip({"broken": None}, output)  # type: ignore[dict-item]
    assert [path.name for path in tmp_path.iterdir()] == ["plugin.zip"]
    assert output.read_bytes() == b"older"


def test_action_and_desktop_name_the_plugin_as_krita_wants() -> None:
    desktop = ConfigParser()
    desktop.read_string(package.DESKTOP.read_text(encoding="utf-8"))
    entry = desktop["Desktop Entry"]
    assert entry["ServiceTypes"] == "Krita/PythonPlugin"
    assert entry["X-KDE-Library"] == package.PLUGIN.name
    assert (package.PLUGIN / entry["X-Krita-Manual"]).is_file()
    actions = ElementTree.fromstring(package.ACTION.read_bytes()).iter("Action")
    assert [action.get("name") for action in actions] == ["nst_krita", "nst_start", "nst_continue"]


@pytest.mark.skipif(not IMPORTER.is_file(), reason="Krita's plugin importer is not here: apt install krita")
def test_kritas_own_importer_takes_it_twice(archive: Path, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("plugin_importer", IMPORTER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    asked = []

    def confirm(plugin: dict[str, str]) -> bool:
        asked.append(plugin["name"])
        return True

    for _ in range(2):
        importer = module.PluginImporter(str(archive), str(tmp_path), confirm)
        [plugin] = importer.import_all()
        importer.archive.close()
        assert (plugin["name"], plugin["ui_name"]) == ("nst_krita", "Neural Style Transfer")
        assert plugin["action"] == "nst_krita.action"
    assert len(asked) == 1, "the second time it replaces the first"
    with zipfile.ZipFile(archive) as zipped:
        for name in zipped.namelist():
            if not name.endswith("/"):
                folder = "actions" if name.endswith(".action") else "pykrita"
                assert (tmp_path / folder / name).read_bytes() == zipped.read(name)
    assert not list((tmp_path / "pykrita").rglob("*.action")), "Krita would find the actions twice"


def test_uv_is_pinned_for_every_platform() -> None:
    text = wheels.UV_REQUIREMENTS.read_text(encoding="utf-8")
    assert len(set(DIGEST.findall(text))) == len(wheels.PLATFORMS)
    assert "://" not in text, "which index serves it is the user's choice"


def test_uv_and_its_licences_are_taken_from_its_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpack(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert {"--require-hashes", "--no-deps", str(wheels.UV_REQUIREMENTS)} <= set(command)
        target = Path(command[command.index("--target") + 1])
        for name in ("bin/uv.exe", "bin/uvx.exe", "uv/__init__.py", "uv-1.2.dist-info/licenses/LICENSE-MIT"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_text(name)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(wheels, "find_uv", lambda: ["uv"])
    monkeypatch.setattr(subprocess, "run", unpack)
    files = wheels.download_uv("win-amd64")
    assert set(files) == {"_server/uv-1.2/uv.exe", "licences/uv-1.2/LICENSE-MIT"}


def test_what_a_packing_left_in_the_sources_is_packed_into_neither(
    pyzmq: package.Pyzmq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "krita_plugin" / "nst_krita"
    made = ("_wire/client.py", "_server/nst_krita-0.0.1.whl", "build.json", "host/__pycache__/x.pyc")
    leftovers = (*made, ".hypothesis/constants/12ab", "host/.cache/x", "host/.frames.py.swp")
    for name in ("__init__.py", "host/frames.py", *leftovers):
        (plugin / name).parent.mkdir(parents=True, exist_ok=True)
        (plugin / name).write_text("left")
    monkeypatch.setattr(package, "PLUGIN", plugin)
    monkeypatch.setattr(server_wheel, "PACKAGES", (plugin.parent,))
    _, data = server_wheel.server_wheel()
    (tmp_path / "wheel.zip").write_bytes(data)
    names = zipfile.ZipFile(tmp_path / "wheel.zip").namelist()
    assert {name for name in names if name.startswith("krita_plugin/")} == {
        "krita_plugin/nst_krita/__init__.py",
        "krita_plugin/nst_krita/host/frames.py",
    }
    files = package.plugin_files(pyzmq)
    assert b"left" not in (files["_wire/client.py"], files["build.json"])
    assert "_server/nst_krita-0.0.1.whl" not in files and "host/frames.py" in files
    assert not {".hypothesis/constants/12ab", "host/.cache/x", "host/.frames.py.swp"} & files.keys()


def test_the_wheel_is_the_same_each_time_and_can_be_installed(tmp_path: Path) -> None:
    name, data = server_wheel.server_wheel()
    assert (name, data) == server_wheel.server_wheel()
    (tmp_path / name).write_bytes(data)
    subprocess.run(
        [*wheels.find_uv(), "venv", "-q", "--python", sys.executable, tmp_path / "env"], check=True
    )
    python = next(path for path in (tmp_path / "env").glob("*/python*") if path.stem == "python")
    words = [
        *wheels.find_uv(),
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--offline",
        "--python",
        python,
        tmp_path / name,
    ]
    subprocess.run(words, check=True)
    code = (
        "import importlib.metadata as m, nst_server, krita_plugin, pathlib;"
        "d = m.distribution('nst-krita');"
        "print(nst_server.__version__, d.version, any(p.name == 'LICENSE' for p in d.files),"
        "(pathlib.Path(krita_plugin.__file__).parent / 'pyzmq.txt').is_file(),"
        "any('torch' in r for r in d.requires), [e.name for e in d.entry_points])"
    )
    said = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split(maxsplit=5) == [
        nst_server.__version__,
        nst_server.__version__,
        "True",
        "True",
        "True",
        "['nst']\n",
    ]


def test_stale_metadata_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nst_server.__version__", "0.0.1")
    with pytest.raises(server_wheel.SetupError, match=r"but the sources are 0\.0\.1"):
        server_wheel.server_wheel()
