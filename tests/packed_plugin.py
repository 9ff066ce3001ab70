"""The plugin as it is packed for the machine that the tests run on."""

from __future__ import annotations

import shutil
from pathlib import Path

from krita_plugin import package, wheels


def files() -> dict[str, bytes]:
    """Every file of the plugin by its path below ``nst_krita/``, with this platform's pyzmq."""
    this = wheels.this_platform()
    is_known = this in wheels.PLATFORMS
    return package.plugin_files(package.find_pyzmq([this] if is_known else [], offline=not is_known))


def unpack(folder: Path) -> Path:
    """Write it into ``folder`` as Krita's importer would; returns the folder."""
    for name, data in files().items():
        path = folder / "nst_krita" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for file in (package.DESKTOP, package.ACTION):
        shutil.copy(file, folder)
    return folder
