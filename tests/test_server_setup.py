"""The server installed from Krita: by a real uv, into a folder of the test, from small wheels."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import standin
from server_process import SCRIPT, ServerProcess

from krita_plugin import wheels
from nst_server.wire.launch import installed_command, running_server

PLUGIN = Path(__file__).resolve().parent.parent / "krita_plugin"
UV = Path(wheels.find_uv()[0])

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


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.setenv("NST_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "NST_CONNECTION_FILE", "NST_SERVER_WHEEL"):
        monkeypatch.delenv(name, raising=False)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "nst_krita"]:
        del sys.modules[name]


def part(name: str) -> Any:
    return importlib.import_module(f"nst_krita.{name}")


def new_installation(wheel: Path, **options: Any) -> Any:
    return part("backend.installation").Installation(wheel, UV, **options)


def left_behind(tmp_path: Path) -> list[str]:
    """What an attempt has left, other than uv itself, the lock and whole downloads."""
    names = {path.name for path in (tmp_path / "data").iterdir()} - {"logs"}
    names |= {path.name for path in (tmp_path / "data/server").iterdir()} - {"server"}
    return sorted(names - {"server", "lock", "cache", UV.name})


# --- what uv says ---


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


def test_update_changes_the_environment_in_place(tmp_path: Path) -> None:
    installation = part("backend.installation")
    new_installation(standin.server_wheel(tmp_path)).run(lambda _: None)
    env = installation.own_environment()
    order: list[str] = []
    new = standin.server_wheel(tmp_path, "10.0.0", device=standin.SERVER["nst_server/device.py"] + "# new\n")
    work = new_installation(new, update=env, retire=lambda *_: order.append("server ended"))
    work.run(lambda progress: order.append(progress.stage))
    assert order[0] == "server ended"
    assert installation.own_environment() == env
    assert installation.installed()["version"] == "10.0.0"
    assert "# new" in next(env.rglob("nst_server/device.py")).read_text()


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
    usage = installation.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(installation.shutil, "disk_usage", lambda _: usage._replace(free=2 * 2**30))
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
        work.run(lambda _: None)
    assert "download.pytorch.org cannot be reached" in work.note
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
        installation._only_one(),
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
    return part("model.server_setup").ServerSetup(lambda call: call(), retire=lambda *_: None)


def wait_until_idle(setup: Any) -> None:
    deadline = time.monotonic() + 30
    while setup.busy:
        assert time.monotonic() < deadline, setup.words
        time.sleep(0.02)


def test_the_page_asks_to_install_and_ends_with_a_server(setup: Any) -> None:
    need = part("model.server_setup").Need
    assert setup.need is need.INSTALL and setup.can_install
    assert "6 GB" in setup.question and "free" in setup.question
    setup.cpu_only = True
    assert "6 GB" not in setup.question
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
    assert part("backend.installation").own_environment() == before


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


def test_words_of_a_download() -> None:
    progress = part("backend.uv_output").Progress("downloading", 1200 * 2**20, 2973 * 2**20)
    words = part("model.server_setup").stage_words(progress)
    assert words == "downloading: about 1200 of 2973 MB"


# --- the server that runs ---


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path, worker=SCRIPT, data=tmp_path / "data") as process:
        yield process


def test_a_server_without_jobs_is_ended(server: ServerProcess) -> None:
    running = part("backend.running")
    assert running.unfinished_jobs() == 0
    running.retire(threading.Event(), lambda _: None)
    assert server.process is not None and server.process.wait(10) == 0
    assert running.unfinished_jobs() is None
    running.retire(threading.Event(), lambda _: None)  # nothing to end is no error


def test_a_server_at_work_is_waited_for(server: ServerProcess) -> None:
    running, cancelled, heard = part("backend.running"), threading.Event(), []
    client = server.client()
    client.submit("at-work", iterations=100000)
    client.expect("accepted")

    def hear(progress: Any) -> None:
        heard.append((progress.stage, progress.done))
        cancelled.set()

    with pytest.raises(running.Cancelled):
        running.retire(cancelled, hear)
    assert heard == [("waiting", 1)]
    assert running_server() is not None
