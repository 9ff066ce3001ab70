"""The server as a wheel: what the plugin's zip carries, so that Krita can install it."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import zipfile
from pathlib import Path

import nst_server
from krita_plugin import package, wheels
from krita_plugin.errors import SetupError

DISTRIBUTION = "nst-krita"
PACKAGES = (Path(nst_server.__file__).resolve().parent, Path(__file__).resolve().parent)
_WHEEL = "Wheel-Version: 1.0\nGenerator: nst-krita\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def server_files(platform: str | None) -> dict[str, bytes]:
    """The wheel and, for one platform, uv to install it with, by their path below ``nst_krita/``.

    Raises wheels.Unreachable without a network, SetupError.
    """
    name, data = server_wheel()
    return {f"_server/{name}": data, **(wheels.download_uv(platform) if platform else {})}


def server_wheel() -> tuple[str, bytes]:
    """The file name and the bytes of the wheel; the same sources make the same bytes.

    The packages are those that run this, the metadata those of their installation: nothing is built, so that
    it works without a network and from an installed server as well. Raises SetupError where they disagree.
    """
    try:
        distribution = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise SetupError(f"{DISTRIBUTION} is not installed in this Python.", "Run: uv sync") from None
    version, metadata = nst_server.__version__, distribution.read_text("METADATA")
    if distribution.version != version or not metadata:
        raise SetupError(
            f"{DISTRIBUTION} is installed as version {distribution.version}, but the sources are {version}.",
            "Run: uv sync",
        )
    information = f"nst_krita-{version}.dist-info"
    files = {
        path.relative_to(source.parent).as_posix(): path.read_bytes()
        for source in PACKAGES
        for path in source.rglob("*")
        if path.is_file() and package.is_source(path, source)
    }
    files[f"{information}/METADATA"] = metadata.encode()
    files[f"{information}/WHEEL"] = _WHEEL.encode()
    files[f"{information}/entry_points.txt"] = (distribution.read_text("entry_points.txt") or "").encode()
    files[f"{information}/licenses/LICENSE"] = package.licence()
    record = "".join(f"{name},{_digest(data)},{len(data)}\n" for name, data in sorted(files.items()))
    files[f"{information}/RECORD"] = f"{record}{information}/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            archive.writestr(package.entry(name), files[name])
    return f"nst_krita-{version}-py3-none-any.whl", packed.getvalue()


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"
