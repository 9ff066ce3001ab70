"""The server installed from Krita: by a real uv, into a folder of the test, from small wheels."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import standin
from plugin_parts import part

from krita_plugin import install, package, wheels
from nst_server.wire.connection import Connection
from nst_server.wire.launch import installed_command

pytestmark = pytest.mark.usefixtures("plugin")

PLUGIN = Path(__file__).resolve().parent.parent / "krita_plugin"
UV = Path(wheels.find_uv()[0])
ROOM = shutil.disk_usage(PLUGIN)._replace(free=2**40)


@pytest.fixture(autouse=True)
def no_settings_of_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "NST_SERVER_WHEEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def room_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in needs next to nothing, and the machine of the tests may have less than PyTorch needs."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: ROOM)


def new_installation(wheel: Path, **options: Any) -> Any:
    return part("backend.installation").Installation(wheel, UV, **options)


def left_behind(tmp_path: Path) -> list[str]:
    """What an attempt has left, other than uv itself, the lock and whole downloads."""
    names = {path.name for path in (tmp_path / "data").iterdir()} - {"logs"}
    names |= {path.name for path in (tmp_path / "data/server").iterdir()} - {"server"}
    return sorted(names - {"server", "lock", "cache", UV.name})


# --- installing ---


def test_install_writes_the_command_last_and_leaves_nothing_else(tmp_path: Path) -> None:
    data, heard = tmp_path / "data", []
    old = data / "server" / "env-old"
    old.mkdir(parents=True)
    (data / "installed.json").write_text('{"command": ["gone"], "profiles": [1]}')
    retired = []
    work = new_installation(standin.server_wheel(tmp_path), retire=lambda *_: retired.append(old.exists()))
    assert work.run(heard.append) == "a stand-in"
    record = json.loads((data / "installed.json").read_text())
    assert record["command"] == installed_command()
    assert record["version"] == "9.9.9" and record["profiles"] == [1]
    said = subprocess.check_output(record["command"][:3], text=True, cwd=tmp_path)
    assert said == "the stand-in\n"
    assert retired == [False]
    assert [path.name for path in (data / "server").glob("env-*")] == [Path(record["environment"]).name]
    assert not (data / "server" / "cache").exists()
    stages = [progress.stage for progress in heard]
    assert sorted(set(stages), key=stages.index) == ["python", "resolving", "installing", "trying"]
    assert "pip install" in (data / "logs" / "install.log").read_text()


def test_update_makes_a_copy_and_switches_last(tmp_path: Path) -> None:
    installation, running = part("backend.installation"), part("backend.running")
    new_installation(standin.server_wheel(tmp_path)).run(lambda _: None)
    old = installation.own_environment()
    library = next(old.rglob("site-packages")) / "large_library.py"
    library.write_text("")
    number = library.stat().st_ino
    seen: list[Any] = []

    def retire(*_: Any) -> None:
        seen.append(installation.is_switching())
        with pytest.raises(running.wire.connection.NoConnection, match="is being updated"):
            running.command()

    new = standin.server_wheel(tmp_path, "10.0.0", device=standin.SERVER["nst_server/device.py"] + "# new\n")
    work = new_installation(new, update=old, retire=retire)
    work.run(lambda _: seen.append((old / "pyvenv.cfg").exists() and not installation.is_switching()))
    assert len(seen) > 3 and all(seen)
    env = installation.own_environment()
    assert env != old and not old.exists() and running.command()[0].startswith(str(env))
    assert installation.installed()["version"] == "10.0.0"
    assert "# new" in next(env.rglob("nst_server/device.py")).read_text()
    assert next(env.rglob("large_library.py")).stat().st_ino == number


@pytest.mark.parametrize("fails_at", ["uv", "trial", "retire"])
def test_an_update_that_fails_leaves_the_server_that_works(tmp_path: Path, fails_at: str) -> None:
    installation, running = part("backend.installation"), part("backend.running")
    new_installation(standin.server_wheel(tmp_path)).run(lambda _: None)
    old, record = installation.own_environment(), installation.installed()
    files = {path: path.read_bytes() for path in old.rglob("nst_server/*.py")}

    def retire(*_: Any) -> None:
        raise running.StillNeeded("It does not end.")

    changed = {"trial": {"device": "raise ImportError('no such library')\n"}}.get(fails_at, {})
    new = standin.server_wheel(tmp_path, "10.0.0", **changed)
    if fails_at == "uv":
        new.write_bytes(b"no wheel")
    options = {"retire": retire} if fails_at == "retire" else {}
    with pytest.raises((installation.SetupFailed, running.StillNeeded)):
        new_installation(new, update=old, **options).run(lambda _: None)
    assert installation.installed() == record
    assert files and {path: path.read_bytes() for path in old.rglob("nst_server/*.py")} == files
    assert list((tmp_path / "data" / "server").glob("env-*")) == [old]


def test_the_installer_of_the_terminal_leaves_the_environment_to_the_running_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = part("backend.installation")
    new_installation(standin.server_wheel(tmp_path)).run(lambda _: None)
    old = installation.own_environment()
    monkeypatch.setattr(install, "running", list)
    install.install([], package.Pyzmq(wheels.installed()))
    assert installation.installed()["command"] == install.server_command()
    seen: list[bool] = []
    work = new_installation(standin.server_wheel(tmp_path), retire=lambda *_: seen.append(old.is_dir()))
    work.run(lambda _: None)
    assert (seen, old.exists()) == ([True], False)


def test_an_environment_is_known_by_another_way_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = part("backend.installation")
    new_installation(standin.server_wheel(tmp_path)).run(lambda _: None)
    (tmp_path / "home").symlink_to(tmp_path / "data")
    monkeypatch.setenv("NST_DATA_DIR", str(tmp_path / "home"))
    update = installation.own_environment()
    new_installation(standin.server_wheel(tmp_path, "10.0.0"), update=update).run(lambda _: None)
    assert installation.installed()["version"] == "10.0.0"


def test_an_index_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    work = new_installation(standin.server_wheel(tmp_path, needs=["nothing-like-it"]))
    with pytest.raises(part("backend.installation").SetupFailed) as caught:
        work.run(lambda _: None)
    assert str(caught.value) == "127.0.0.1 cannot be reached. Is this computer online?"
    assert left_behind(tmp_path) == []


def test_cancel_ends_uv_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installation = part("backend.installation")
    with standin.index(tmp_path / "silent") as address:
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        work = new_installation(standin.server_wheel(tmp_path, needs=["nothing-like-it"]))
        resolving = threading.Event()
        ended: list[float] = []

        def run() -> None:
            with pytest.raises(installation.Cancelled):
                work.run(lambda progress: resolving.set() if progress.stage == "resolving" else None)
            ended.append(time.monotonic())

        thread = threading.Thread(target=run)
        thread.start()
        assert resolving.wait(20)
        time.sleep(0.5)  # uv has sent its question by now
        began = time.monotonic()
        work.cancelled.set()
        thread.join(20)
    assert ended and ended[0] - began < 2
    assert left_behind(tmp_path) == []
    assert uv_processes(tmp_path) == []


def uv_processes(folder: Path) -> list[str]:
    """The command lines of uv that name ``folder``; known on Linux only."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(process.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return [line for line in found if str(folder) in line and "pip install" in line]


def test_too_little_room_is_said_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = part("backend.installation")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: ROOM._replace(free=2 * 2**30))
    wheel = standin.server_wheel(tmp_path)
    with pytest.raises(installation.SetupFailed, match=r"has 2\.0 GB left, and 6\.5 GB are needed"):
        new_installation(wheel).run(lambda _: None)
    assert left_behind(tmp_path) == []
    assert new_installation(wheel, cpu_only=True).run(lambda _: None) == "a stand-in"


@pytest.mark.skipif(sys.platform == "darwin", reason="one build of PyTorch serves every Mac")
def test_without_pytorchs_own_host_the_package_index_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = standin.wheel(tmp_path / "simple" / "torch", "torch", "9.0", {"torch.py": ""})
    page = f'<a href="{torch.name}">{torch.name}</a>'
    (torch.parent / "index.html").write_text(page)
    with standin.index(tmp_path) as address:
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        for name in ("HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        work = new_installation(standin.server_wheel(tmp_path, needs=["torch"]), cpu_only=True)
        seen: list[str] = []
        work.run(lambda _: seen.append(work.note))
    assert "download.pytorch.org cannot be reached" in seen[-1], "while it is at it"
    assert ("about 6 GB" in work.note) is (sys.platform == "linux")
    assert list((tmp_path / "data" / "server").rglob("site-packages/torch.py"))


def test_what_does_not_run_is_not_switched_to(tmp_path: Path) -> None:
    wheel = standin.server_wheel(tmp_path, device="raise ImportError('no such library')\n")
    with pytest.raises(part("backend.installation").SetupFailed, match=r"does not run: .*no such library"):
        new_installation(wheel).run(lambda _: None)
    assert left_behind(tmp_path) == []


def test_two_kritas_do_not_install_at_once(tmp_path: Path) -> None:
    installation = part("backend.installation")
    installation.server_folder().mkdir(parents=True)
    wheel = standin.server_wheel(tmp_path)
    with (
        installation._only_one("lock"),
        pytest.raises(installation.SetupFailed, match="Another Krita is installing"),
    ):
        new_installation(wheel).run(lambda _: None)
    assert new_installation(wheel).run(lambda _: None) == "a stand-in"


def test_uv_sees_nothing_of_kritas_python(tmp_path: Path) -> None:
    given = {
        "PATH": os.pathsep.join(["/opt/krita/usr/bin", "/usr/bin"]),
        "APPDIR": "/opt/krita",
        "LD_LIBRARY_PATH": "/opt/krita/usr/lib",
        "PYTHONPATH": "/opt/krita/python",
        "PYTHONHOME": "/opt/krita/python",
        "UV_DEFAULT_INDEX": "a mirror",
    }
    seen = part("backend.uv_process").environment(tmp_path, given)
    assert seen["PATH"] == "/usr/bin"
    assert not {"PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH"} & set(seen)
    assert seen["UV_DEFAULT_INDEX"] == "a mirror"
    assert seen["UV_CACHE_DIR"] == str(tmp_path / "cache")


@pytest.mark.parametrize("has_them", [True, False])
def test_the_systems_certificates_are_used_where_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_them: bool
) -> None:
    process, file = part("backend.uv_process"), tmp_path / "certificates.crt"
    monkeypatch.setattr(process.sys, "platform", "linux")
    monkeypatch.setattr(process, "LINUX_CERTIFICATES", (str(file),))
    if has_them:
        file.touch()
    assert ("UV_SYSTEM_CERTS" in process.environment(tmp_path, {})) == has_them


# --- the page ---


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The model of the page, where nothing is installed and the zip has brought version 9.9.9."""
    # uv and Python are there, nst is not.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / UV.name).symlink_to(UV)
    python = Path(sys.base_prefix) / "bin"
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, (tmp_path / "bin", python))))
    monkeypatch.setenv("NST_SERVER_WHEEL", str(standin.server_wheel(tmp_path)))
    return part("model.server_setup").ServerSetup(lambda call: call(), retire=lambda *_, **__: None)


def wait_until_idle(setup: Any) -> None:
    for thread in threading.enumerate():
        if thread.name == "nst-installation":
            thread.join(30)
    assert not setup.busy, setup.words


def test_the_page_asks_to_install_and_ends_with_a_server(setup: Any) -> None:
    need = part("model.server_setup").Need
    assert setup.need is need.INSTALL and setup.can_install
    assert "about 6 GB" in setup.question and "free" in setup.question
    setup.cpu_only = True
    assert "about 6 GB" not in setup.question
    seen: list[tuple[float, str]] = []
    setup.observe(lambda: seen.append((setup.fraction, setup.words)), "words")
    setup.install()
    wait_until_idle(setup)
    assert (setup.problem, setup.need) == ("", need.NOTHING)
    assert setup.words == "Installed. It computes on: a stand-in."
    assert [share for share, _ in seen] == sorted(share for share, _ in seen)
    assert {"looking for a Python", "finding out what is needed", "installing"} <= {
        words for _, words in seen
    }


def test_the_page_says_why_it_failed_and_can_be_cancelled(
    setup: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = part("model.server_setup").Need
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("NST_SERVER_WHEEL", str(standin.server_wheel(tmp_path, needs=["nothing-like-it"])))
    setup.install()
    wait_until_idle(setup)
    assert setup.problem == "127.0.0.1 cannot be reached. Is this computer online?"
    assert setup.need is need.INSTALL
    setup.install()
    setup.cancel()
    wait_until_idle(setup)
    assert setup.problem == "" and setup.words.startswith("Cancelled.")


def test_quitting_ends_uv(setup: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with standin.index(tmp_path / "silent") as address:
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        monkeypatch.setenv("NST_SERVER_WHEEL", str(standin.server_wheel(tmp_path, needs=["nothing-like-it"])))
        setup.install()
        deadline = time.monotonic() + 20
        while not uv_processes(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        began = time.monotonic()
        setup.close()
        assert time.monotonic() - began < 1.6
        # Even what has been killed ends only when it gets a turn.
        while uv_processes(tmp_path) and time.monotonic() - began < 10:
            time.sleep(0.05)
        assert uv_processes(tmp_path) == []


def test_another_version_is_offered_as_an_update(
    setup: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = part("model.server_setup").Need
    setup.install()
    wait_until_idle(setup)
    monkeypatch.setenv("NST_SERVER_WHEEL", str(standin.server_wheel(tmp_path, "10.0.0")))
    setup.look()
    assert setup.need is need.UPDATE
    assert "9.9.9" in setup.question and "10.0.0" in setup.question
    before = part("backend.installation").own_environment()
    setup.install()
    wait_until_idle(setup)
    assert setup.need is need.NOTHING
    assert part("backend.installation").installed()["version"] == "10.0.0"
    assert part("backend.installation").own_environment() != before


def test_a_server_that_tells_nothing_is_ended_at_the_second_press(
    setup: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, said = part("backend.running"), []

    def retire(*_: Any, anyway: bool) -> None:
        said.append(anyway)
        if not anyway:
            raise running.Untold("It does not tell.")

    setup._retire = retire
    setup.install()
    wait_until_idle(setup)
    assert (setup.problem, setup.may_lose_jobs) == ("It does not tell.", True)
    setup.install()
    wait_until_idle(setup)
    assert (setup.problem, setup.may_lose_jobs) == ("", False)
    assert said == [False, True]


def test_the_file_of_a_server_that_is_gone_is_no_server(setup: Any, tmp_path: Path) -> None:
    need = part("model.server_setup").Need
    file = tmp_path / "data" / "run" / "server.json"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "ipc"))
        server.listen()
        for endpoint, expected in ((tmp_path / "gone", need.INSTALL), (tmp_path / "ipc", need.NOTHING)):
            Connection(f"ipc://{endpoint}").write(file)
            setup.look()
            assert setup.need is expected
    file.write_text("{")
    setup.look()
    assert setup.need is need.INSTALL


def test_a_server_from_a_terminal_is_not_changed(setup: Any, tmp_path: Path) -> None:
    program = tmp_path / "bin" / UV.name  # any program that exists
    record = {"command": [str(program), "serve"], "version": "9.9.8"}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "installed.json").write_text(json.dumps(record))
    setup.look()
    assert setup.need is part("model.server_setup").Need.UPDATE
    assert "9.9.8" in setup.question and "stays" in setup.question
    setup.install()
    wait_until_idle(setup)
    assert part("backend.installation").own_environment().is_dir()
    assert program.exists()


def test_an_older_server_that_still_runs_is_offered_a_restart(setup: Any) -> None:
    need = part("model.server_setup").Need
    setup.install()
    wait_until_idle(setup)
    setup.version = "9.9.9"
    setup.look(running_version="9.9.9")
    assert setup.need is need.NOTHING
    setup.look(running_version="9.9.8")
    assert setup.need is need.RESTART
    setup.look(refused=True)
    assert setup.need is need.RESTART
    setup.is_remote = True
    setup.look(refused=True)
    assert setup.need is need.NOTHING


def test_what_the_installation_notes_is_told_at_once(setup: Any) -> None:
    setup._installation = Mock(note="No host.", cancelled=Mock(is_set=lambda: False))
    setup._show(part("backend.uv_output").Progress("installing"))
    assert setup.words == "installing. No host."
    setup._installation = None


def test_words_of_a_download() -> None:
    progress = part("backend.uv_output").Progress("downloading", 1200 * 2**20, 2973 * 2**20)
    words = part("model.server_setup").stage_words(progress)
    assert words == "downloading: about 1200 of 2973 MB"
