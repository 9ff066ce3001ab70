"""The plugin's state with stand-ins for Qt and Krita: the fixtures ``part`` and ``root``."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from job_records import LIMIT, module, record


class Names(type):
    """A class that has any class as an attribute."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Names(name, (Anything,), {})


class Anything(metaclass=Names):
    def __init__(self, *_: Any) -> None:
        pass


@pytest.fixture
def part(plugin: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a part of the plugin."""
    importlib.import_module("nst_krita")  # beside a Krita it would register itself there
    qt, krita = ModuleType("nst_krita.qt"), ModuleType("krita")
    for name in ("QtCore", "QtGui", "QtWidgets", "QAction", "Signal"):
        setattr(qt, name, Anything)
    qt.to_bytes, qt.view, qt.give_way = bytes, memoryview, Mock()  # type: ignore[attr-defined]
    qt.is_file, qt.for_python = os.path.isfile, Path  # type: ignore[attr-defined]
    qt.local_time = lambda seconds: f"{seconds} s after 1970 began"  # type: ignore[attr-defined]
    krita.Krita = krita.InfoObject = Anything  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "krita", krita)
    monkeypatch.setitem(sys.modules, "nst_krita.qt", qt)
    host = importlib.import_module("nst_krita.host")
    monkeypatch.setattr(host, "RedoWatch", Mock(side_effect=lambda document: Mock()))
    monkeypatch.setattr(host, "Placing", Mock(side_effect=lambda *_: Mock(is_lost=False)))
    monkeypatch.setattr(host, "AfterUndo", Mock())
    monkeypatch.setattr(host, "EditWatch", Mock())
    monkeypatch.setattr(host, "read_annotation", lambda document: document.text)
    monkeypatch.setattr(host, "write_annotation", lambda document, text: setattr(document, "text", text))
    return lambda name: importlib.import_module(f"nst_krita.{name}")


def a_document(*jobs: Any) -> Any:
    history = module().History()
    for job in jobs:
        history.add(job)
    made = SimpleNamespace(id="document", name="a.kra", file="", size=(600, 414), is_open=True, chosen=())
    made.layers, made.colours = list, "RGBA"
    made.text = history.to_text(LIMIT)
    return made


@pytest.fixture
def root(part: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The plugin's state with "document" in view, in which a job paints that has left frame 2 out."""
    model = part("model.root")
    document = a_document()
    for name in ("Network", "Server", "Insertion"):
        monkeypatch.setattr(model, name, Mock())
    made_for = {"pending": 0, "is_homeless": False, "is_animating": False}
    model.Insertion.side_effect = lambda *given: Mock(document=given[1], record=given[5], **made_for)
    monkeypatch.setattr(model, "timer", Mock())
    monkeypatch.setattr(part("model.live"), "timer", Mock())
    for name in ("model.waiting", "model.refused"):
        monkeypatch.setattr(part(name), "timer", Mock())
    monkeypatch.setattr(model.host, "PenWatch", Mock())
    monkeypatch.setattr(model.host, "current", lambda: document)
    monkeypatch.setattr(model.host, "open_documents", lambda: [document])
    monkeypatch.setattr(model.host, "to_finish", lambda *_: None)
    made = model.Root(part("settings").Settings())
    followed = part("model.document_model").job_again(record(), document)
    made.documents.add(document, record())
    kept = made.documents.history(document).jobs["a"]
    made.rows.add(followed, made._insertion(followed, document, Mock(), kept))
    followed.left_out = (2,)
    made.look()
    return made
