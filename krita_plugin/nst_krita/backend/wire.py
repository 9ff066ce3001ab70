"""The protocol package: the copy that travels with the plugin, else the one in the server's sources."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

_BUNDLED = f"{__name__.split('.backend.')[0]}._wire"
_PACKAGE = _BUNDLED if importlib.util.find_spec(_BUNDLED) else "nst_server.wire"


def load(module: str) -> ModuleType:
    """A module of the protocol by its name; "client" and "launch" need pyzmq."""
    return importlib.import_module(f"{_PACKAGE}.{module}")


connection = load("connection")
events = load("events")
messages = load("messages")
params = load("params")
pixels = load("pixels")
