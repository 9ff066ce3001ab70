"""Download, check and keep VGG's weights, against a real HTTP server on this machine."""

import hashlib
import http.server
import io
import pickle
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections import namedtuple

import pytest
import torch

from nst_server import weights
from nst_server.cli import weights as command
from nst_server.cli.errors import CliError
from nst_server.weights import convolutions


def state(name="vgg16", prefix="features."):
    """All convolutions of ``name`` in a small file: each weight is one number, seen many times."""
    found = {}
    for conv in convolutions(name):
        found[f"{prefix}{conv.position}.weight"] = torch.full((1,), 0.5).expand(
            conv.outputs, conv.inputs, 3, 3
        )
        found[f"{prefix}{conv.position}.bias"] = torch.zeros(1).expand(conv.outputs)
    return found


def saved(content, padding=300_000):
    """``content`` as ``torch.save`` writes it, with a classifier of ``padding`` bytes: several reads."""
    if isinstance(content, dict) and padding:
        content = {**content, "classifier.0.weight": torch.rand(padding // 4)}
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves ``body`` under any name; misbehaves as told."""

    def __init__(self, body):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.ranges = []  # the Range header of each request
        self.cut = []  # for each coming answer: after how many bytes to hang up
        self.status = 200
        self.content_type = "application/octet-stream"
        self.takes_ranges = True

    def url(self, name="vgg16", digest=None):
        digest = digest or hashlib.sha256(self.body).hexdigest()[:8]
        return f"http://127.0.0.1:{self.server_port}/models/{name}-{digest}.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        if server.status != 200:
            self.send_error(server.status)
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if server.takes_ranges else None
        start = int(asked[1]) if asked else 0
        if start >= len(server.body):
            self.send_error(416)
            return
        body = server.body[start:]
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        self.send_header("Content-Type", server.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cut.pop(0)] if server.cut else body)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="module")
def body():
    return saved(state())


@pytest.fixture
def server(body, tmp_path, monkeypatch):
    monkeypatch.setenv("NST_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(weights, "_PAUSE", 0.01)
    serving = Server(body)
    thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
    thread.start()
    yield serving
    serving.shutdown()
    thread.join()
    serving.server_close()


def test_fetch_keeps_the_convolutions_and_their_digest(server):
    told = []
    file = weights.fetch("vgg16", lambda done, total: told.append((done, total)), url=server.url())
    assert file == weights.cached("vgg16") == weights.where() / "vgg16-features.pt"
    name, found = weights.load(file)
    assert name == "vgg16"
    assert list(found) == list(state(prefix=""))
    assert all(value.is_contiguous() and value.dtype == torch.float32 for value in found.values())
    assert told[0] == (0, len(server.body))
    assert told[-1] == (len(server.body), len(server.body))
    record = (weights.where() / "vgg16-features.pt.sha256").read_text().strip()
    assert record == hashlib.sha256(file.read_bytes()).hexdigest()
    assert sorted(path.name for path in weights.where().iterdir()) == [file.name, file.name + ".sha256"]
    server.ranges.clear()
    assert weights.fetch("vgg16", url=server.url()) == file
    assert not server.ranges
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(weights.WeightsError, match="is damaged"):
        weights.load(file)


def test_broken_connection_goes_on_where_it_stopped(server):
    server.cut = [100_000, 50_000]
    assert weights.fetch("vgg16", url=server.url()).is_file()
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_cancelled_download_goes_on_in_the_next_call(server, monkeypatch):
    monkeypatch.setattr(weights, "_CHUNK", 65_536)

    class Stop(Exception):
        pass

    told = []

    def check():
        if told and told[-1] >= 65_536:
            raise Stop

    with pytest.raises(Stop):
        weights.fetch("vgg16", lambda done, total: told.append(done), url=server.url(), check=check)
    assert weights.cached("vgg16") is None
    assert weights.fetch("vgg16", url=server.url()).is_file()
    assert server.ranges == [None, f"bytes={told[-1]}-"]


def test_server_without_ranges_is_asked_from_the_start(server):
    server.takes_ranges = False
    server.cut = [100_000]
    assert weights.fetch("vgg16", url=server.url()).is_file()
    assert len(server.ranges) == 2


def test_part_longer_than_the_file_is_dropped(server):
    part = weights.where() / (server.url().rpartition("/")[2] + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(server.body + b"more")
    shutil.os.utime(part, (0, 0))
    assert weights.fetch("vgg16", url=server.url()).is_file()
    assert server.ranges[1] is None


def test_damaged_file_is_removed(server):
    with pytest.raises(weights.WeightsError, match="does not begin with 00000000") as caught:
        weights.fetch("vgg16", url=server.url(digest="00000000"))
    assert "fetch it again" in caught.value.hint
    assert list(weights.where().iterdir()) == []


def test_connection_that_keeps_breaking_gives_up(server):
    server.cut = [1000] + [0] * 9
    with pytest.raises(weights.WeightsError, match="cannot be downloaded: the connection broke"):
        weights.fetch("vgg16", url=server.url())
    assert len(server.ranges) == 4
    assert next(weights.where().glob("*.part")).stat().st_size == 1000


@pytest.mark.parametrize(("status", "words"), [(404, "404 Not Found"), (403, "403"), (503, "503")])
def test_refusals_say_what_the_server_said(server, status, words):
    server.status = status
    with pytest.raises(weights.WeightsError, match=words) as caught:
        weights.fetch("vgg16", url=server.url())
    assert "nst weights import" in caught.value.hint
    assert len(server.ranges) == 1


def test_web_page_instead_of_the_file(server):
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(weights.WeightsError, match="a web page came"):
        weights.fetch("vgg16", url=server.url())
    assert list(weights.where().iterdir()) == []


def test_no_network(server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/vgg16-00000000.pth"
        with pytest.raises(weights.WeightsError, match="cannot be downloaded"):
            weights.fetch("vgg16", url=url)


def test_silent_server_does_not_hold_us_longer_than_the_timeout(server):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/vgg16-00000000.pth"
        with pytest.raises(weights.WeightsError, match="timed out"):
            weights.fetch("vgg16", url=url, connect_timeout=0.2)


def test_full_disk_is_seen_before_the_download(server, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(weights.WeightsError, match="too little room") as caught:
        weights.fetch("vgg16", url=server.url())
    assert "NST_DATA_DIR" in caught.value.hint


def test_download_by_another_process_is_waited_for(server):
    part = weights.where() / (server.url().rpartition("/")[2] + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"growing")
    told = []

    def other_finishes(done, total):
        told.append(done)
        weights.keep(weights.Weights("vgg16", state(prefix="")))

    assert weights.fetch("vgg16", other_finishes, url=server.url()) == weights.cached("vgg16")
    assert told == [7]
    assert not server.ranges


def test_other_network_than_asked_for(server):
    with pytest.raises(weights.WeightsError, match="holds vgg16, not vgg19"):
        weights.fetch("vgg19", url=server.url("vgg19"))
    with pytest.raises(weights.WeightsError, match="no weights of 'resnet'"):
        weights.fetch("resnet", url=server.url())


@pytest.mark.parametrize("name", weights.NAMES)
@pytest.mark.parametrize("prefix", ["", "features."])
def test_load_whole_or_features_only(tmp_path, name, prefix):
    file = tmp_path / "some.pth"
    file.write_bytes(saved(state(name, prefix), padding=0 if not prefix else 4000))
    loaded = weights.load(file)
    assert loaded.name == name
    assert set(loaded.state) == set(state(name, ""))


def test_half_precision_becomes_single(tmp_path):
    file = tmp_path / "half.pth"
    file.write_bytes(saved({key: value.half() for key, value in state().items()}))
    assert weights.load(file).state["0.weight"].dtype == torch.float32


def unfit(change):
    found = state("vgg19")
    change(found)
    return saved(found)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged"),
        (b"<html>not a file</html>", "damaged"),
        (saved(state())[:20_000], "damaged"),
        (saved([1, 2, 3]), "holds a list, not a state dict"),
        (saved({1: torch.zeros(1)}, 0), "not a state dict"),
        (saved({"layer1.weight": torch.zeros(1)}), r"no weights named features\.0\.weight"),
        (unfit(lambda s: s.pop("features.34.bias")), r"does not fit vgg19: .*features\.34\.bias"),
        (
            unfit(lambda s: s.update({"features.5.weight": torch.zeros(128, 64, 1, 1)})),
            r"features\.5\.weight is \(128, 64, 1, 1\) and should be \(128, 64, 3, 3\)",
        ),
        (unfit(lambda s: s.update({"features.0.bias": torch.full((64,), torch.nan)})), "not finite"),
    ],
)
def test_load_says_what_is_wrong(tmp_path, content, words):
    file = tmp_path / "some.pth"
    file.write_bytes(content)
    with pytest.raises(weights.WeightsError, match=words) as caught:
        weights.load(file)
    assert str(file) in str(caught.value)
    assert "torchvision" in caught.value.hint


def test_load_runs_no_code_from_the_file(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    file = tmp_path / "evil.pth"
    torch.save({"features.0.weight": Evil()}, file)
    with pytest.raises(weights.WeightsError, match="not a file of weights alone"):
        weights.load(file)
    assert not (tmp_path / "made").exists()


def test_missing_file(tmp_path):
    with pytest.raises(weights.WeightsError, match="cannot be read: No such file"):
        weights.load(tmp_path / "nowhere.pth")


def test_published_addresses_carry_the_digest():
    for name in weights.NAMES:
        assert re.search(rf"/{name}-[0-9a-f]{{8}}\.pth$", weights.published_url(name))


def parsed(*argv):
    parser = command.argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["weights", *argv])


def test_command_line(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(weights, "published_url", server.url)
    assert command.run(parsed("where")) == 0
    assert "vgg16: not here" in capsys.readouterr().out
    assert command.run(parsed("fetch", "vgg16")) == 0
    fetched = capsys.readouterr()
    assert fetched.out.strip() == str(weights.cached("vgg16"))
    assert "downloading vgg16: 0 of" in fetched.err
    own = tmp_path / "own.pth"
    own.write_bytes(saved(state("vgg19")))
    assert command.run(parsed("import", str(own))) == 0
    assert weights.cached("vgg19") is not None
    with pytest.raises(CliError) as caught:
        command.run(parsed("import", str(tmp_path / "nowhere.pth")))
    assert caught.value.hint
    assert caught.value.code == 1


def test_a_pickle_of_something_else_gets_one_sentence(tmp_path, recwarn):
    own = tmp_path / "own.pt"
    own.write_bytes(pickle.dumps({"a": 1}, protocol=4))
    with pytest.raises(CliError, match="not a file of weights alone"):
        command.run(parsed("import", str(own)))
    assert not recwarn.list


def test_where_they_are_is_known_without_torch():
    code = "import sys; from nst_server.cli import main; main(['weights', 'where']); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = run.stdout.splitlines()[-1].split()
    assert "nst_server.weights" in loaded
    assert "torch" not in loaded
