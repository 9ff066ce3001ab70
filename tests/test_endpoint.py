"""A server's socket takes the place of nothing that is there."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from nst_server.broker.endpoint import Endpoint, EndpointError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ipc is tcp there")


def test_a_file_at_the_place_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("all of it")
    with pytest.raises(EndpointError, match=r"is there already, and is no socket. Give a path that is free"):
        Endpoint(tmp_path, f"ipc://{file}")
    assert file.read_text() == "all of it"


@pytest.mark.parametrize("path", ["", "folder"])
def test_a_folder_is_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(EndpointError, match=r"is no socket"):
        Endpoint(tmp_path, f"ipc://{path}")


def test_a_socket_that_is_in_use_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "other.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(EndpointError, match=r"is in use"):
            Endpoint(tmp_path, f"ipc://{path}")
        assert path.is_socket()
    endpoint = Endpoint(tmp_path, f"ipc://{path}")  # left by one that is gone
    endpoint.close()
    assert not path.exists()


def test_a_relative_path_is_found_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    endpoint = Endpoint(tmp_path, "ipc://here")
    assert endpoint.connection.endpoint == f"ipc://{tmp_path / 'here'}"
    endpoint.close()


def test_a_path_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match=r"is too long for a socket. Give a path of at most \d+ bytes"):
        Endpoint(tmp_path, f"ipc:///tmp/{'long' * 40}")
