"""The zip in a Krita without a server: the docker installs, updates and describes it, with small wheels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import standin
from PIL import Image
from real_krita import Profile, Result, run_probe

from krita_plugin import package, server_wheel, wheels

HERE = Path(__file__).parent
pytestmark = [pytest.mark.krita, pytest.mark.timeout(600)]

#: A device whose trial would be seen if Krita waited for it.
SLOW = f"import time; time.sleep(4)\n{standin.SERVER['nst_server/device.py']}"


@pytest.fixture(scope="module")
def result() -> Iterator[Result]:
    """One Krita imports the zip, the next one, in the same profile, installs the stand-in of the server."""
    this = wheels.this_platform()
    with Profile() as profile:
        files = package.plugin_files(package.find_pyzmq([this]), server_wheel.server_files(this))
        package.write_zip(files, profile.outside / "nst_krita.zip")
        made = {
            "NST_TEST_WHEEL": standin.server_wheel(profile.outside / "wheels", device=SLOW),
            "NST_TEST_NEWER": standin.server_wheel(profile.outside / "wheels", "10.0.0"),
            "NST_TEST_BROKEN": standin.server_wheel(profile.outside / "broken", needs=["nothing-like-it"]),
        }
        environment = {
            "NST_TEST_ZIP": str(profile.inside / "nst_krita.zip"),
            "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple/",
            "UV_HTTP_RETRIES": "0",
            **{name: str(profile.inside / path.relative_to(profile.outside)) for name, path in made.items()},
        }
        run_probe(HERE / "real_krita/import_probe.py", env=environment, profile=profile)
        yield run_probe(HERE / "real_krita/setup_probe.py", env=environment, profile=profile, timeout=300)


def test_the_docker_shows_itself_once(result: Result) -> None:
    assert result["shown"] == [False, True, False]


def test_without_a_server_the_page_says_what_will_be_installed(result: Result) -> None:
    assert result["page"] and result["can_install"]
    assert not result["start_enabled"]
    assert result["line"] == "server not installed"
    for words in ("not installed yet", "~/.local/share/nst-krita/server", "6 GB", "free"):
        assert words in result["question"]
    assert result["low"] == [True, False], "in a low docker it is the button that is seen"
    assert result["line_busy"] == "installing the server"


def test_what_is_not_installed_cannot_be_restarted(result: Result) -> None:
    missing, installed = result["restart"]
    assert missing == [False, "server not installed", "install"] and result["restart_tips"]
    assert installed == [True, "Restart server", "nothing"], "by somebody at a terminal, meanwhile"


def test_a_failure_is_one_sentence_and_the_log_can_be_copied(result: Result) -> None:
    assert result["problem"] == "127.0.0.1 cannot be reached. Is this computer online?"
    assert "--- install.log ---" in result["copied"]
    assert "Failed to fetch" in result["copied"]


def test_install_ends_with_the_recorded_command(result: Result) -> None:
    record = result["record"]
    assert record["version"] == "9.9.9"
    assert record["command"][1:] == ["-m", "nst_server", "serve", "--no-download"]
    assert record["command"][0].startswith(record["environment"])
    assert result["outcome"] == "Installed. It computes on: a stand-in."
    assert result["start_enabled_after"]
    assert not result["page_after"]


def test_krita_goes_on_meanwhile(result: Result) -> None:
    assert result["longest_wait_ms"] < 2000, "the trial of the stand-in alone takes longer"


def test_a_newer_zip_offers_the_update(result: Result) -> None:
    assert "9.9.9" in result["update"] and "10.0.0" in result["update"]
    assert (result["updated"], result["need"]) == ("10.0.0", "nothing")


def test_the_button_says_what_it_does(result: Result) -> None:
    assert result["button"] == ["Update the server", "End it anyway", "Update the server"]


def test_thumbnails_follow_their_files(result: Result) -> None:
    assert result["thumbnails"] == [[0, 0], [8, 4], [4, 8], [4, 8]]


def test_a_menu_keeps_no_submenus_of_earlier(result: Result) -> None:
    assert result["submenus"] == 1


def test_diagnostics_have_versions_and_no_names(result: Result) -> None:
    text = result["diagnostics"]
    assert result["told"] == "Copied to the clipboard."
    assert result["told_in"] == result["plain"] != result["warned_in"], "it is no warning"
    krita = result.versions["krita"].split("-")[0].split(" ")[0]
    for words in (
        f"Krita: {krita}",
        f"Python: {result.versions['python']}",
        "pyzmq: ",
        "server installed: 10.0.0",
    ):
        assert words in text
    assert "/home/.local" not in text
    assert "Restart server" in result["menu"] and "Use another server…" in result["menu"]


def test_another_server_is_remembered_and_named(result: Result) -> None:
    assert result["remote"] == "remote server 10.0.0.5"
    assert result["kept"]
    assert "Choose the server.json" in result["no_connection_file"]
    assert result["still_remote"] == result["remote"]
    assert result["local"] == "server starts when it is needed"


def test_quitting_does_not_hang(result: Result) -> None:
    assert result["closing_seconds"] < 2


def test_the_screenshots_show_something(result: Result) -> None:
    for name in ("page", "failed", "busy", "installed", "update", "menu", "docker_page"):
        path = next(p for p in result.screenshots if Path(p).stem == name)
        with Image.open(path) as picture:
            assert len(picture.convert("RGB").resize((200, 130)).getcolors(26_000) or range(999)) > 100
