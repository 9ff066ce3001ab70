"""The vendored pyzmq: found, chosen and loaded by every Python that a Krita may bring."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from krita_plugin import package, wheels

LINUX = [".cpython-310-x86_64-linux-gnu.so", ".abi3.so", ".so"]
WINDOWS = [".cp310-win_amd64.pyd", ".pyd"]

ROUND_TRIP = """
import importlib, pathlib, sys, types
root = pathlib.Path(sys.argv[1])
plugin = types.ModuleType("nst_krita")  # not its __init__, which wants Krita
plugin.__path__ = [str(root / "nst_krita")]
sys.modules["nst_krita"] = plugin
vendor = importlib.import_module("nst_krita.vendor")
try:
    folder = vendor.activate()
except vendor.NoPyzmq as error:
    sys.exit(str(error))
import zmq
assert pathlib.Path(zmq.__file__).parent.parent == folder, zmq.__file__
assert zmq.has("curve") and zmq.has("ipc"), "libzmq lacks a transport"
context = zmq.Context()
router, dealer = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
router.linger = dealer.linger = 0
dealer.connect("tcp://127.0.0.1:%d" % router.bind_to_random_port("tcp://127.0.0.1"))
dealer.send_multipart([b"hello", bytes(3000000)])
assert router.poll(10000)
client, header, chunk = router.recv_multipart()
router.send_multipart([client, header, b"%d" % len(chunk)])
assert dealer.poll(10000)
assert dealer.recv_multipart() == [b"hello", b"3000000"]
context.destroy()
for path in sorted((root / "nst_krita" / "_wire").glob("*.py")):
    if path.stem != "__init__":
        importlib.import_module("nst_krita._wire." + path.stem)
print("pyzmq", zmq.pyzmq_version())
"""


@pytest.fixture(scope="module")
def vendor() -> ModuleType:
    """vendor.py by itself, as it is inside Krita, without the rest of the plugin."""
    spec = importlib.util.spec_from_file_location("vendor_under_test", package.PLUGIN / "vendor.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_platform_is_named_alike_by_packager_and_plugin(vendor: ModuleType) -> None:
    assert vendor.platform_name() == wheels.this_platform()


@pytest.mark.parametrize("suffixes", [LINUX, WINDOWS])
def test_stable_abi_only_for_pythons_it_was_built_for(vendor: ModuleType, suffixes: list[str]) -> None:
    assert vendor.extension_names((3, 10), suffixes) == ["_zmq" + suffixes[0]]
    assert vendor.extension_names((3, 12), suffixes) == ["_zmq" + suffix for suffix in suffixes]


def test_chooses_by_platform_and_python(vendor: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "pyzmq-27.1.0-win-amd64/zmq/backend/cython").mkdir(parents=True)
    (tmp_path / "pyzmq-27.1.0-win-amd64/zmq/backend/cython/_zmq.cp38-win_amd64.pyd").touch()
    (tmp_path / "pyzmq-27.3.0-win-amd64/zmq/backend/cython").mkdir(parents=True)
    (tmp_path / "pyzmq-27.3.0-win-amd64/zmq/backend/cython/_zmq.pyd").touch()

    def chosen(version: tuple[int, int], tag: str, platform: str = "win-amd64") -> str | None:
        names = vendor.extension_names(version, [f".{tag}-win_amd64.pyd", ".pyd"])
        folder = vendor.choose(tmp_path, platform, names)
        return None if folder is None else str(folder.name)

    assert chosen((3, 8), "cp38") == "pyzmq-27.1.0-win-amd64"
    assert chosen((3, 13), "cp313") == "pyzmq-27.3.0-win-amd64"
    assert chosen((3, 10), "cp310") is None
    assert chosen((3, 13), "cp313", "linux-x86_64") is None


def test_no_pyzmq_is_said_in_a_sentence(
    vendor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "zmq", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(vendor.NoPyzmq) as caught:
        vendor.activate(tmp_path)
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]} on {wheels.this_platform()}" in str(
        caught.value
    )
    assert "nst krita install" in str(caught.value)


def test_installed_pyzmq_serves_where_none_is_vendored(
    vendor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "zmq", raising=False)
    before = list(sys.path)
    assert vendor.activate(tmp_path) is None
    assert sys.path == before


def test_pyzmq_that_another_plugin_has_loaded_is_kept(
    vendor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zmq", ModuleType("zmq"))
    assert vendor.activate(tmp_path) is None


def test_on_windows_it_is_loaded_from_a_copy(
    vendor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "vendor" / "pyzmq-27.3.0-win-amd64"
    extension = folder / "zmq" / "backend" / "cython" / "_zmq.pyd"
    extension.parent.mkdir(parents=True)
    extension.write_bytes(b"library")
    monkeypatch.delitem(sys.modules, "zmq", raising=False)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(vendor, "platform_name", lambda: "win-amd64")
    monkeypatch.setattr(vendor, "extension_names", lambda version: ["_zmq.pyd"])
    monkeypatch.setattr(sys, "path", list(sys.path))

    copy = vendor.activate(folder.parent)
    assert copy.parent == tmp_path / "local" / "nst-krita" / "pyzmq"
    assert (copy / "zmq" / "backend" / "cython" / "_zmq.pyd").read_bytes() == b"library"
    assert sys.path[0] == str(copy)
    assert vendor.activate(folder.parent) == copy, "the second start makes no second copy"

    extension.write_bytes(b"another library")
    assert vendor.activate(folder.parent) not in (copy, None), "a new version gets a copy of its own"


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left"), shutil.Error([("from", "to", "No space left"), ("", "", "")])]
)
def test_a_copy_that_cannot_be_made_is_said_in_a_sentence(
    vendor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    (tmp_path / "vendor" / "pyzmq-27.3.0-win-amd64").mkdir(parents=True)
    monkeypatch.delitem(sys.modules, "zmq", raising=False)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(vendor, "choose", lambda *_: tmp_path / "vendor" / "pyzmq-27.3.0-win-amd64")
    monkeypatch.setattr(sys, "path", list(sys.path))

    def copytree(_: str, target: str, **__: object) -> None:
        Path(target).mkdir(parents=True)
        raise error

    monkeypatch.setattr(shutil, "copytree", copytree)
    copies = tmp_path / "local" / "nst-krita" / "pyzmq"
    with pytest.raises(vendor.NoPyzmq) as caught:
        vendor.activate(tmp_path)
    assert str(caught.value).startswith(f"pyzmq cannot be copied to {copies} (No space left). Make room")
    assert list(copies.iterdir()) == [], "half a copy takes no room"


def test_two_kritas_copying_at_once_share_one_copy(
    vendor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pyzmq-27.3.0-win-amd64"
    folder.mkdir()
    (folder / "library.pyd").write_bytes(b"library")
    copytree = shutil.copytree

    def overtaken(source: str, target: str, **options: object) -> str:
        winner = Path(target).with_suffix("")
        if not winner.exists():
            copytree(source, winner)
        return str(copytree(source, target))

    monkeypatch.setattr(shutil, "copytree", overtaken)
    copy = vendor.copy_once(folder, tmp_path / "copies")
    assert [path.name for path in (tmp_path / "copies").iterdir()] == [copy.name]


def interpreters() -> list[str]:
    """A CPython of each version from 3.8 that this machine has, the one that runs the tests among them."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    for path in sorted(Path("~/.pyenv/versions").expanduser().glob("3.*/bin/python")):
        version = ".".join(path.parents[1].name.split(".")[:2])
        if int(version.split(".")[1]) >= 8:
            found.setdefault(version, str(path))
    for minor in range(8, 16):
        on_path = None if f"3.{minor}" in found else shutil.which(f"python3.{minor}")
        # A version manager's shim is on PATH for versions that cannot be started.
        if on_path and subprocess.run([on_path, "-c", ""], capture_output=True, check=False).returncode == 0:
            found.setdefault(f"3.{minor}", on_path)
    return [f"{version} {path}" for version, path in sorted(found.items(), key=lambda item: int(item[0][2:]))]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The plugin for this platform as it lies in Krita, and the Pythons that its pyzmq serves."""
    root = tmp_path_factory.mktemp("unpacked")
    pyzmq = package.find_pyzmq([wheels.this_platform()])
    archive = root / "plugin.zip"
    package.write_zip(package.plugin_files(pyzmq), archive)
    shutil.unpack_archive(archive, root)
    return root, wheels.served(pyzmq.files)[wheels.this_platform()]


@pytest.mark.parametrize("interpreter", interpreters(), ids=lambda text: text.split()[0])
def test_round_trip_in_every_python(interpreter: str, unpacked: tuple[Path, list[str]]) -> None:
    """Loads the vendored pyzmq and every module of the protocol, and moves 3 MB from DEALER to ROUTER.

    Where the wheels could not be fetched few Pythons are served, and the others must say so.
    """
    root, served = unpacked
    version, executable = interpreter.split(maxsplit=1)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [executable, "-I", "-S", "-B", "-W", "error", "-c", ROUND_TRIP, str(root)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    minor = int(version.split(".")[1])
    if version in served or (minor >= 12 and "3.12 and later" in served):
        assert result.returncode == 0, result.stderr
        assert re.fullmatch(r"pyzmq \d+\.\d+\.\d+\n", result.stdout)
    else:
        assert result.stderr.startswith(f"This copy of the plugin has no pyzmq for Python {version} on")
