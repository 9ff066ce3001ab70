"""The real worker fetches VGG19 for the jobs that agree to it, from a server on this machine."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from server_process import ServerProcess

SHALLOW = {"content_layers": ["conv1_2"], "style_layers": ["conv1_1"]}
PATIENCE = 60.0  # s


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves what is no weights file under every name, and writes down who asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"empty")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    threading.Thread(target=serving.serve_forever, args=(0.01,)).start()
    monkeypatch.setenv("NST_WEIGHTS_URL", f"http://127.0.0.1:{serving.server_port}/weights/")
    Mirror.asked.clear()
    yield Mirror.asked
    serving.shutdown()
    serving.server_close()


def test_weights_are_downloaded_only_for_a_job_that_agrees(mirror: list[str], tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--device", "cpu") as process:
        client = process.client()
        client.send("credit", bytes=10**6)
        client.submit("silent", iterations=1, encoder="auto", **SHALLOW)
        assert client.expect("done", job="silent", seconds=PATIENCE)["notes"] == []
        assert mirror == []
        client.submit("agreed", more={"download": True}, iterations=1, encoder="auto", **SHALLOW)
        done = client.expect("done", job="agreed", seconds=PATIENCE)
    assert mirror == ["/weights/vgg19-dcbb9e9d.pth"]
    assert done["encoder"] == "built-in"
    assert "VGG19 could not be had" in done["notes"][0]
    steps = [m["what"] for m in client.log if m.type == "state" and m["job"] == "agreed" and m.get("what")]
    assert "downloading VGG19" in steps
