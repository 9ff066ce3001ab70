"""Small wheels that stand in for the server and for PyTorch, and an index that serves them."""

from __future__ import annotations

import contextlib
import http.server
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

#: What the trial of an installation imports, and asks.
SERVER = {
    "nst_server/__init__.py": "",
    "nst_server/__main__.py": "print('the stand-in')\n",
    "nst_server/wire/__init__.py": "",
    "nst_server/wire/client.py": "",
    "nst_server/device.py": "choose_device = str\ndef describe(device): return 'a stand-in'\n",
}


def wheel(folder: Path, name: str, version: str, files: Mapping[str, str], needs: Sequence[str] = ()) -> Path:
    """Write a wheel of these files into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    information = f"{name.replace('-', '_')}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {need}\n" for need in needs)
    entries = {
        **files,
        f"{information}/METADATA": metadata,
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{entry},,\n" for entry in [*entries, f"{information}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for entry, text in {**entries, f"{information}/RECORD": record}.items():
            archive.writestr(entry, text)
    return path


def server_wheel(folder: Path, version: str = "9.9.9", needs: Sequence[str] = (), **changed: str) -> Path:
    """The stand-in of the server; ``changed``: another text for ``device``."""
    files = dict(SERVER)
    files.update({f"nst_server/{name}.py": text for name, text in changed.items()})
    return wheel(folder, "nst-krita", version, files, needs)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def index(folder: Path) -> Iterator[str]:
    """Serve ``folder/simple/NAME/`` as a package index; yields its address. An empty folder never answers."""

    class Handler(_Quiet):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, directory=str(folder), **options)  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if not (folder / "simple").is_dir():
                stopped.wait(60)
                return
            super().do_GET()

    stopped = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple/"
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
