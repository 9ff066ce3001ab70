"""Installing into a painter's Krita: found everywhere, all or nothing, and taken out without a trace."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server_process import ServerProcess

from krita_plugin import install, package, profiles, wheels
from krita_plugin.errors import SetupError
from krita_plugin.kritarc import read_entry, remove_entry, write_entry
from krita_plugin.profiles import Profile, find_profiles
from krita_plugin.replacing import Replacing
from nst_server.cli import krita, main
from nst_server.cli.errors import CliError
from nst_server.wire.connection import data_dir
from nst_server.wire.launch import installed_command

KRITARC = b"""ResourceDirectory=
AuthorName=J\xc3\xb6rg

[Hello][World]
key=C:\\\\\\\\x=y

[python]
enable_hello=true

[theme]
Theme=Krita dark
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of one's own in which Krita was started once; no Krita runs."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "NST_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(profiles, "PROC", tmp_path / "no-proc")
    monkeypatch.setattr(install, "running", list)
    (tmp_path / ".local/share/krita").mkdir(parents=True)
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config/kritarc").write_bytes(KRITARC)
    return tmp_path


@pytest.fixture
def pyzmq() -> package.Pyzmq:
    return package.Pyzmq(wheels.installed())


def tree(root: Path) -> dict[str, bytes | None]:
    """Every file and folder below ``root``, with its contents."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


def nst_krita(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    krita.add_parser(parser.add_subparsers())
    return krita.run(parser.parse_args(["krita", *arguments]))


# --- kritarc ---

lines = st.sampled_from(
    [b"[python]", b"[theme]", b"", b"# note", b"enable_hello=true", b"key = a=b", b"[python][$i]"]
)
files = st.builds(
    lambda ls, end: end.join([*ls, b""]), st.lists(lines, max_size=8), st.sampled_from([b"\n", b"\r\n"])
)


@given(files)
def test_enabling_is_undone_to_the_byte(before: bytes) -> None:
    after = write_entry(before, "python", "enable_nst_krita", "true")
    assert read_entry(after, "python", "enable_nst_krita") == "true"
    assert write_entry(after, "python", "enable_nst_krita", "true") == after
    undone = remove_entry(after, "python", "enable_nst_krita")
    # A group that was there without entries goes as well: KConfig never writes one, and it means nothing.
    headers = (b"[python]", b"[python][$i]", b"")
    assert [x for x in undone.splitlines() if x not in headers] == [
        x for x in before.splitlines() if x not in headers
    ]
    if read_entry(before, "python", "enable_hello") or b"[python]" not in before:
        assert undone == before


def test_every_other_byte_of_kritarc_is_kept() -> None:
    after = write_entry(KRITARC, "python", "enable_nst_krita", "true")
    assert after == KRITARC.replace(b"[python]\n", b"[python]\nenable_nst_krita=true\n")
    assert write_entry(after, "python", "enable_nst_krita", "false") == after.replace(
        b"krita=true", b"krita=false"
    )


def test_kritarc_of_windows_keeps_its_line_ends() -> None:
    after = write_entry(b"[theme]\r\nTheme=Krita dark\r\n", "python", "enable_nst_krita", "true")
    assert after == b"[theme]\r\nTheme=Krita dark\r\n\r\n[python]\r\nenable_nst_krita=true\r\n"


# --- finding Krita ---


def test_profiles_of_each_system(tmp_path: Path) -> None:
    windows = {"APPDATA": str(tmp_path / "Roaming"), "LOCALAPPDATA": str(tmp_path / "Local")}
    store = tmp_path / "Local/Packages/1234Krita_abc/LocalCache"
    store.mkdir(parents=True)
    assert profiles.candidates("win32", windows, tmp_path) == [
        Profile("Krita", tmp_path / "Roaming/krita", tmp_path / "Local/kritarc"),
        Profile("Microsoft Store", store / "Roaming/krita", store / "Local/kritarc"),
    ]
    library = tmp_path / "Library"
    assert profiles.candidates("darwin", {}, tmp_path) == [
        Profile("Krita", library / "Application Support/krita", library / "Preferences/kritarc")
    ]
    box = tmp_path / ".var/app/org.kde.krita"
    assert profiles.candidates("linux", {}, tmp_path) == [
        Profile("Krita", tmp_path / ".local/share/krita", tmp_path / ".config/kritarc"),
        Profile("Flatpak", box / "data/krita", box / "config/kritarc"),
    ]
    moved = {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert profiles.candidates("linux", moved, tmp_path)[0] == Profile(
        "Krita", tmp_path / "data/krita", tmp_path / "config/kritarc"
    )


def test_resource_folder_chosen_in_krita_is_honoured(tmp_path: Path) -> None:
    chosen = tmp_path / "elsewhere"
    chosen.mkdir()
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config/kritarc").write_text(f"ResourceDirectory={chosen}\n[python]\n")
    [profile] = find_profiles(system="linux", environment={}, home=tmp_path)
    assert profile.resources == chosen


def test_krita_never_started_gets_the_ordinary_folder_and_no_krita_is_an_error(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path / "bin")}
    with pytest.raises(SetupError, match="No Krita was found") as caught:
        find_profiles(system="linux", environment=environment, home=tmp_path)
    assert "--resources DIR" in caught.value.hint
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/krita").touch(mode=0o755)
    [profile] = find_profiles(system="linux", environment=environment, home=tmp_path)
    assert profile.resources == tmp_path / ".local/share/krita"


def fake_process(proc: Path, pid: int, name: str, home: Path) -> None:
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "comm").write_text(f"{name}\n")
    (proc / str(pid) / "environ").write_bytes(b"LANG=C\0HOME=" + os.fsencode(home) + b"\0")


def test_running_krita_is_seen_on_linux(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    fake_process(proc, 41, "krita", tmp_path)
    fake_process(proc, 42, "kritarunner", tmp_path)
    fake_process(proc, 43, "krita", tmp_path / "another home")
    assert profiles.running("linux", {"HOME": str(tmp_path)}, proc) == [41]


@pytest.mark.parametrize(
    ("system", "output", "expected"),
    [
        ("win32", '"krita.exe","4242","Console","1","300,000 K"\r\n', [4242]),
        ("win32", "INFO: No tasks are running which match the specified criteria.\r\n", []),
        ("darwin", "  7 /Applications/krita.app/Contents/MacOS/krita\n 8 /bin/zsh\n", [7]),
    ],
)
def test_running_krita_is_seen_elsewhere(
    system: str, output: str, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "_output", lambda command: output)
    assert profiles.running(system) == expected


# --- all or nothing ---


def test_replacing_puts_everything_back_if_one_step_fails(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/old").write_text("old")
    (tmp_path / "file").write_text("old")
    before = tree(tmp_path)
    with pytest.raises(OSError, match="No such file"), Replacing() as replacing:
        replacing.tree(tmp_path / "folder", {"a/new": b"new"})
        replacing.delete(tmp_path / "file")
        replacing.write(tmp_path / "added", b"new")
        (tmp_path / ".added.new").unlink()
    assert tree(tmp_path) == before
    with pytest.raises(KeyError), Replacing() as replacing:
        replacing.write(tmp_path / "file", b"new")
        raise KeyError
    assert tree(tmp_path) == before


def test_replacing_recovers_from_being_killed_between_two_renames(tmp_path: Path) -> None:
    (tmp_path / ".file.old").write_text("old")
    (tmp_path / ".file.new").write_text("half")
    with pytest.raises(KeyError), Replacing() as replacing:
        replacing.write(tmp_path / "file", b"new")
        raise KeyError
    assert tree(tmp_path) == {"file": b"old"}


def test_replacing_keeps_permissions_and_links(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles"
    real.write_text("old")
    real.chmod(0o600)
    (tmp_path / "kritarc").symlink_to(real)
    with Replacing() as replacing:
        replacing.write(tmp_path / "kritarc", b"new")
    assert (tmp_path / "kritarc").is_symlink()
    assert (real.read_bytes(), real.stat().st_mode & 0o777) == (b"new", 0o600)


# --- the whole ---


def test_install_then_uninstall_leaves_no_trace(home: Path, pyzmq: package.Pyzmq) -> None:
    (home / ".var/app/org.kde.krita/data/krita").mkdir(parents=True)
    before = tree(home)
    lines = install.install(find_profiles(), pyzmq)

    for resources in (home / ".local/share/krita", home / ".var/app/org.kde.krita/data/krita"):
        plugin = resources / "pykrita/nst_krita"
        for name, data in package.plugin_files(pyzmq).items():
            if name != "build.json":
                assert (plugin / name).read_bytes() == data
        assert (resources / "pykrita/nst_krita.desktop").read_bytes() == package.DESKTOP.read_bytes()
        assert (resources / "actions/nst_krita.action").read_bytes() == package.ACTION.read_bytes()
        assert any(str(plugin) in line for line in lines)
    for kritarc in (home / ".config/kritarc", home / ".var/app/org.kde.krita/config/kritarc"):
        assert read_entry(kritarc.read_bytes(), "python", "enable_nst_krita") == "true"
    assert installed_command() == [sys.executable, "-m", "nst_server", "serve", "--no-download"]
    assert json.loads((data_dir() / "installed.json").read_text())["data_dir"] == str(data_dir())

    removed = install.uninstall([])
    assert len(removed) == len(lines)
    assert tree(home) == before


def test_install_over_an_older_version_replaces_it_and_remembers_the_beginning(
    home: Path, pyzmq: package.Pyzmq
) -> None:
    kritarc = home / ".config/kritarc"
    disabled = write_entry(KRITARC, "python", "enable_nst_krita", "false")
    kritarc.write_bytes(disabled)
    install.install(find_profiles(), pyzmq)
    stale = home / ".local/share/krita/pykrita/nst_krita/removed_in_this_version.py"
    stale.write_text("")
    once = {name: data for name, data in tree(home).items() if name != str(stale.relative_to(home))}
    lines = install.install(find_profiles(), pyzmq)
    assert not any("kritarc" in line for line in lines), "nothing to change there the second time"
    assert tree(home).keys() == once.keys()
    install.uninstall([])
    assert kritarc.read_bytes() == disabled


def test_failed_install_leaves_the_old_one(
    home: Path, pyzmq: package.Pyzmq, monkeypatch: pytest.MonkeyPatch
) -> None:
    install.install(find_profiles(), pyzmq)
    before = tree(home)
    monkeypatch.setattr(package, "DESKTOP", home / "missing")
    with pytest.raises(FileNotFoundError):
        install.install(find_profiles(), pyzmq)
    assert tree(home) == before


def test_uninstall_says_what_else_it_removes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["krita", "uninstall", "--help"])
    assert "the server that the docker installed" in " ".join(capsys.readouterr().out.split())


def test_uninstall_keeps_what_others_put_there_since(home: Path, pyzmq: package.Pyzmq) -> None:
    install.install(find_profiles(), pyzmq)
    other = home / ".local/share/krita/pykrita/other.desktop"
    other.write_text("[Desktop Entry]")
    weights = data_dir() / "weights.bin"
    weights.write_bytes(b"weights")
    with (home / ".config/kritarc").open("ab") as file:
        file.write(b"\n[new]\nkey=1\n")
    install.uninstall([])
    assert other.exists()
    assert weights.exists()
    assert (home / ".config/kritarc").read_bytes() == KRITARC + b"\n[new]\nkey=1\n"


def test_purge_also_removes_the_data_folder(
    home: Path, pyzmq: package.Pyzmq, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(home)
    install.install(find_profiles(), pyzmq)
    (data_dir() / "jobs").mkdir()
    (data_dir() / "jobs/frame").write_bytes(b"frame")
    monkeypatch.setattr(install, "holder", lambda _: 4242)
    with pytest.raises(SetupError, match="server is running"):
        install.uninstall([], purge=True)
    monkeypatch.setattr(install, "holder", lambda _: None)
    monkeypatch.setenv("NST_DATA_DIR", str(home))
    with pytest.raises(SetupError, match="NST_DATA_DIR"):
        install.uninstall([], purge=True)
    monkeypatch.delenv("NST_DATA_DIR")
    assert (data_dir() / "jobs/frame").exists()
    install.uninstall([], purge=True)
    assert tree(home) == before


def test_uninstall_takes_out_what_kritas_importer_put_in(home: Path) -> None:
    pykrita = home / ".local/share/krita/pykrita"
    (pykrita / "nst_krita").mkdir(parents=True)
    (pykrita / "nst_krita.desktop").touch()
    (home / ".config/kritarc").write_bytes(write_entry(KRITARC, "python", "enable_nst_krita", "true"))
    assert len(install.uninstall(find_profiles())) == 3
    assert list(pykrita.iterdir()) == []
    assert (home / ".config/kritarc").read_bytes() == KRITARC


def test_running_krita_is_refused_before_anything_is_touched(
    home: Path, pyzmq: package.Pyzmq, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(home)
    monkeypatch.setattr(install, "running", lambda: [4242])
    with pytest.raises(SetupError, match=r"Krita runs .*4242") as caught:
        install.install(find_profiles(), pyzmq)
    assert "Quit Krita" in caught.value.hint
    with pytest.raises(SetupError, match=r"Krita runs .*4242"):
        install.uninstall(find_profiles())
    assert tree(home) == before


def test_linked_plugin_is_the_source_tree_with_pyzmq_of_its_own(home: Path, pyzmq: package.Pyzmq) -> None:
    sources = tree(package.PLUGIN).keys()
    install.install(find_profiles(), pyzmq, link=True)
    plugin = home / ".local/share/krita/pykrita/nst_krita"
    assert (plugin / "vendor.py").resolve() == package.PLUGIN / "vendor.py"
    assert (plugin / "_wire").resolve() == package.WIRE
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import vendor; vendor.activate(); import zmq;"
        "print(zmq.__file__)"
    )
    command = [sys.executable, "-B", "-c", code, str(plugin)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert Path(output.strip()).is_relative_to(plugin / "_vendor")
    install.install(find_profiles(), pyzmq)
    assert not (plugin / "vendor.py").is_symlink()
    install.install(find_profiles(), pyzmq, link=True)
    install.uninstall([])
    assert not plugin.exists()
    assert {name for name in tree(package.PLUGIN) if "__pycache__" not in name} >= {
        name for name in sources if "__pycache__" not in name
    }, "removing links left the sources alone"


def test_python_without_the_server_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = home / "python"
    # What lies in the home or the current folder is not installed.
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    (home / "nst_server/wire").mkdir(parents=True)
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(SetupError, match="Krita could not start the server"):
        install.server_command()


def test_command_line_installs_tells_and_removes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(home)
    assert nst_krita("install", "--offline") == 0
    out = capsys.readouterr().out
    assert f"changed {home}/.config/kritarc ([python] enable_nst_krita=true)" in out
    assert "only these Kritas are served" in out
    assert "Now start Krita" in out
    assert nst_krita("uninstall") == 0
    assert f"removed {home}/.local/share/krita/pykrita/nst_krita\n" in capsys.readouterr().out
    assert tree(home) == before
    assert nst_krita("uninstall") == 0
    assert "nothing was changed" in capsys.readouterr().out


def test_uninstalling_says_that_a_server_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ServerProcess(home, data=data_dir()) as server:
        assert server.process is not None
        assert nst_krita("install", "--offline") == 0
        for _ in ("installed", "not installed any more"):
            capsys.readouterr()
            assert nst_krita("uninstall") == 0
            still = f"The server (pid {server.process.pid}) still runs; end it with: nst serve --stop"
            assert still in capsys.readouterr().out.splitlines()
    assert nst_krita("uninstall") == 0
    assert "still runs" not in capsys.readouterr().out


def test_command_line_takes_a_folder_and_packs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given_folder, settings = home / "portable", home / "portablerc"
    arguments = ("--resources", str(given_folder), "--kritarc", str(settings))
    assert nst_krita("install", "--offline", *arguments) == 0
    assert (given_folder / "pykrita/nst_krita/__init__.py").is_file()
    assert settings.read_bytes() == b"[python]\nenable_nst_krita=true\n"
    assert nst_krita("uninstall", *arguments) == 0
    assert not given_folder.exists()
    assert not settings.exists()
    assert nst_krita("package", "--offline", "-o", str(home / "out/plugin.zip")) == 0
    assert f"wrote {home}/out/plugin.zip" in capsys.readouterr().out
    assert (home / "out/plugin.zip").is_file()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("", "--output: no file is named"),
        ("plugin.txt", "plugin.txt' does not end in .zip"),
        ("folder.zip", "folder.zip is there and is not a file"),
        ("device.zip", "device.zip is there and is not a file"),
        ("file/plugin.zip", "--output: .*file/plugin.zip cannot be written"),
    ],
)
def test_only_a_zip_that_can_be_written_is_packed(home: Path, output: str, words: str) -> None:
    home.joinpath("folder.zip").mkdir()
    home.joinpath("device.zip").symlink_to("/dev/full")
    home.joinpath("file").touch()
    with pytest.raises(CliError, match=words):
        nst_krita("package", "--offline", "-o", str(home / output) if output else "")
    assert home.joinpath("device.zip").is_symlink()


def test_command_line_turns_errors_into_a_sentence_and_a_hint(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CliError, match="--resources"):
        nst_krita("install", "--kritarc", "x")
    (home / ".local/share/krita").rmdir()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CliError, match="No Krita was found") as caught:
        nst_krita("install", "--offline")
    assert caught.value.code == 2
    assert "--resources DIR" in caught.value.hint
