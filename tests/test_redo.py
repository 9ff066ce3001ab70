"""What the painter could redo, as Krita's actions tell it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

STROKE = "Redo Freehand Brush Stroke"


class Krita:
    """Its two actions: each test starts a new one, which has nothing to redo."""

    def __init__(self) -> None:
        self.undo, self.redo = Mock(), Mock()
        self.words = "Redo "
        self.redo.text = lambda: self.words

    def instance(self) -> Any:
        return SimpleNamespace(action={"edit_undo": self.undo, "edit_redo": self.redo}.get)

    def undoes(self, words: str = STROKE) -> None:
        """The painter undoes what would be redone by these words."""
        (slot,) = self.undo.triggered.connect.call_args_list[-1].args
        self.has(words)
        slot(False)

    def has(self, words: str = "Redo ") -> None:
        """The text changes; Qt tells of it only then."""
        slots = (
            [call.args[0] for call in self.redo.changed.connect.call_args_list] if words != self.words else []
        )
        self.words = words
        for slot in slots:
            slot()


@pytest.fixture
def krita(part: Any, monkeypatch: pytest.MonkeyPatch) -> Krita:
    found, module = Krita(), part("host.redo")
    monkeypatch.setattr(module, "Krita", found)
    monkeypatch.setattr(module.RedoWatch, "_nothing", None)
    module.RedoWatch.learn()
    return found


def watch(part: Any, in_front: bool = True) -> Any:
    return part("host.redo").RedoWatch(SimpleNamespace(is_in_front=in_front))


def test_what_is_undone_is_at_stake_until_it_is_redone_or_painted_over(part: Any, krita: Krita) -> None:
    redo = watch(part)
    assert not redo.is_at_stake
    krita.undoes()
    assert redo.is_at_stake
    krita.has()
    assert not redo.is_at_stake


def test_what_was_undone_before_is_given_up_but_not_what_is_undone_after_it(part: Any, krita: Krita) -> None:
    krita.words = STROKE
    redo = watch(part)
    assert not redo.is_at_stake
    krita.undoes()  # with the same words
    assert redo.is_at_stake


def test_the_same_words_count_again_after_something_was_painted(part: Any, krita: Krita) -> None:
    krita.words = STROKE
    redo = watch(part)
    krita.has()
    krita.has(STROKE)  # from the list of undo steps, without the action
    assert redo.is_at_stake
    redo.give_up()
    assert not redo.is_at_stake
    krita.undoes()
    assert redo.is_at_stake


def test_short_words_are_not_taken_for_none(part: Any, krita: Krita) -> None:
    krita.words = STROKE
    redo = watch(part)
    krita.undoes("Redo Move")
    assert redo.is_at_stake


def test_of_a_document_that_is_not_in_front_what_was_known_counts(part: Any, krita: Krita) -> None:
    redo = watch(part)
    krita.undoes()
    redo._document.is_in_front = False
    krita.has()
    assert redo.is_at_stake
    assert not watch(part, in_front=False).is_at_stake
