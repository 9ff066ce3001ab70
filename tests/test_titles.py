"""What a job is called where the layer of its title is not."""

from __future__ import annotations

from typing import Any

import pytest
from test_earlier import Scene, written


@pytest.fixture
def scene(part: Any, root: Any, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(part, root, monkeypatch)


def test_in_a_file_without_layers_a_job_is_called_after_its_only_one(scene: Scene) -> None:
    root, front = scene.root, scene.front
    front.file = "/a.png"
    for record_of, title in (
        (written("b", source="{sky}"), "starry → “final”"),
        (written("b", source="{gone}"), "starry"),
        ({}, "starry → “final”"),
    ):
        root._earlier.forget("b")
        scene.offer(["b", "starry → “final”", "/a.png", "a.png", 600, 414, record_of])
        assert root.offers[0].title == title and root.offers[0].words.startswith(f"Earlier: {title}")
    front.layers().pop()  # the temple is the only one
    root._earlier.forget("b")
    scene.offer(["b", "starry → “final”", "/a.png", "a.png", 600, 414, written("b", source="{gone}")])
    assert root.offers[0].title == "starry → “temple”"
    root.take(root.offers[0])
    assert root.jobs[-1].title == "Ü → “temple”" and root.message == ""


def test_the_title_of_a_layer_without_a_name_ends_with_the_styles(part: Any) -> None:
    titles = part("model.titles")
    assert titles.title_of("starry", " ") == "starry"
    assert titles.styles_in("starry") == titles.translated("starry") == "starry"
