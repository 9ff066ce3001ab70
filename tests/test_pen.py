"""What the watch on the painter's hand remembers, with stand-ins for Qt and Krita."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

SPACE = "space"


class Hand:
    """A painter at the canvas of ``document``; the watch that sees what he does."""

    def __init__(self, pen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.document, self.known, self.now = "a", {"a"}, 0.0
        application = SimpleNamespace(allWindows=list)
        keys = SimpleNamespace(Key_Space=SPACE, Key_Return="return")
        types = SimpleNamespace(KeyPress="key down", KeyRelease="key up", ShortcutOverride="key")
        monkeypatch.setattr(pen, "_Type", types)
        monkeypatch.setattr(pen, "_PRESSES", ("press",))
        monkeypatch.setattr(pen, "_RELEASES", ("release",))
        monkeypatch.setattr(pen, "_MOVES", ("move",))
        monkeypatch.setattr(pen, "QtGui", SimpleNamespace(QGuiApplication=application))
        monkeypatch.setattr(pen, "QtCore", SimpleNamespace(Qt=SimpleNamespace(Key=keys)))
        self.layer: Any = SimpleNamespace(id="layer", locked=lambda: False)
        monkeypatch.setattr(pen, "current", lambda: SimpleNamespace(id=self.document, active=self.layer))
        monkeypatch.setattr(pen, "id_of", lambda layer: layer.id)
        monkeypatch.setattr(pen, "is_known", lambda name: name in self.known)
        self.dialog: Any = None
        widgets = SimpleNamespace(QApplication=SimpleNamespace(activeModalWidget=lambda: self.dialog))
        monkeypatch.setattr(pen, "QtWidgets", widgets)
        monkeypatch.setattr(pen, "_pressed_widget", lambda _press: "canvas")
        monkeypatch.setattr(pen, "_is_canvas", lambda widget: widget == "canvas")
        self.tools: frozenset[str] = frozenset()
        monkeypatch.setattr(pen, "chosen_tools", lambda: self.tools)
        self.watch = pen.PenWatch(lambda: self.now)
        self.watch.pressed, self.watch.touched, self.watch.acting = Mock(), Mock(), Mock()

    def does(self, *kinds: str) -> None:
        for kind in kinds:
            self.now += 1
            event = SimpleNamespace(type=lambda kind=kind: kind, key=lambda: SPACE)
            self.watch.eventFilter(None, event)

    def has_painted(self, document: str = "a", since: float = 0.0) -> bool:
        """As the watch tells."""
        found: bool = self.watch.has_painted(SimpleNamespace(id=document), since)
        return found


@pytest.fixture
def hand(part: Any, monkeypatch: pytest.MonkeyPatch) -> Hand:
    return Hand(part("host.pen"), monkeypatch)


def test_the_canvas_that_is_moved_is_not_painted_on(hand: Hand) -> None:
    hand.does("key down", "press", "move", "key up")
    assert not hand.has_painted()
    hand.does("press", "move")
    assert hand.has_painted() and not hand.has_painted(since=hand.now)


@pytest.mark.parametrize("tool", ["PanTool", "ZoomTool", "KisToolSelectElliptical"])
def test_what_only_looks_or_selects_is_no_stroke(hand: Hand, tool: str) -> None:
    hand.tools = frozenset((tool,))
    hand.does("press", "move")
    assert not hand.has_painted()
    hand.tools |= {"KritaShape/KisToolBrush"}  # of another window: which of the two was used is not known
    hand.does("press", "move")
    assert hand.has_painted()


@pytest.mark.parametrize("happens", ["_take_in", "stop"])
def test_a_key_that_is_let_go_where_nobody_looks_is_not_held_for_ever(hand: Hand, happens: str) -> None:
    hand.does("key down")
    getattr(hand.watch, happens)()
    hand.does("press", "move")
    assert hand.has_painted()


def test_a_stroke_that_nobody_saw_the_end_of_is_forgotten(hand: Hand) -> None:
    hand.does("press")
    hand.watch.stop()
    hand.does("move")
    assert not hand.has_painted()


def test_documents_that_are_closed_are_forgotten(hand: Hand) -> None:
    for hand.document in ("a", "b"):
        hand.does("press", "move")
    assert hand.has_painted("b") and not hand.has_painted("c")
    assert list(hand.watch._painted) == ["a", "b"]
    hand.document, hand.known = "c", {"b", "c"}
    hand.does("press", "move")
    assert list(hand.watch._painted) == ["b", "c"]


def test_each_dialog_has_its_own_time_until_it_is_forgotten(hand: Hand, part: Any) -> None:
    found = []
    for title, wait in (("old", 0), ("old", 9), ("new", 30), ("new", 9)):
        hand.now += wait
        if hand.dialog is None or hand.dialog.windowTitle() != title:
            hand.dialog = SimpleNamespace(windowTitle=lambda title=title: title)
        found.append(hand.watch.hindrance().dialog)
    assert found == ["", "old", "", "new"]


def test_the_layers_that_have_strokes_are_told(hand: Hand) -> None:
    hand.does("press", "move", "move", "release")
    hand.layer = SimpleNamespace(id="other", locked=lambda: False)
    hand.does("press", "move")
    hand.layer = SimpleNamespace(id="locked", locked=lambda: True)
    hand.does("press", "move")
    hand.layer = None
    hand.does("press", "move")
    told = [(document.id, layer) for (document, layer), _ in hand.watch.touched.emit.call_args_list]
    assert told == [("a", "layer"), ("a", "other")]


def test_a_dab_is_a_stroke(hand: Hand) -> None:
    hand.does("press")
    assert not hand.has_painted()
    hand.does("release", "release")
    assert hand.has_painted() and hand.watch.touched.emit.call_count == 1


def test_what_is_no_stroke_but_may_change_the_layer_is_told(hand: Hand) -> None:
    hand.does("press", "release")
    assert hand.watch.acting.emit.call_count == 0, "a stroke"
    hand.does("key", "key down", "key up")
    hand.tools = frozenset(("ZoomTool",))
    hand.does("press", "move", "release")
    assert hand.watch.acting.emit.call_count == 2
