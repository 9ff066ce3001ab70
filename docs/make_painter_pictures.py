"""Turns screenshots of the tests in Krita into the pictures of docs/painters.md.

    NST_REQUIRE_KRITA=1 uv run pytest -m krita && uv run docs/make_painter_pictures.py

Each is what the tests saw in a real Krita, cropped to what it is about. The picture of Krita at work is
``docs/images/docker.jpg``: what ``nst demo --krita --size 320 --iterations 100`` leaves as krita.png.
"""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SCREENSHOTS = ROOT / "test-output" / "krita-5.1.5"
PICTURES = ROOT / "docs" / "images" / "painters"

Box = tuple[int, int, int, int]  # left, upper, right, lower, px
EDGE = 12  # px of its surroundings around a dialog

#: Picture → screenshot and what to cut out of it; None: all.
CROPS: dict[str, tuple[str, Box | None]] = {
    "styles": ("docker_100/docker_styles.png", None),
    "presets": ("docker_100/menu_presets.png", (0, 30, 760, 780)),
    "install": ("setup/docker_page.png", None),
}


def dialog() -> Box:
    """Where the question of history/asked.png is, with a little around it."""
    found = json.loads((SCREENSHOTS / "history" / "result.json").read_text(encoding="utf-8"))
    left, top, width, height = found["results"]["asked_at"]
    return left - EDGE, top - EDGE, left + width + EDGE, top + height + EDGE


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, (screenshot, box) in {**CROPS, "quitting": ("history/asked.png", dialog())}.items():
        with Image.open(SCREENSHOTS / screenshot) as picture:
            cut = picture.convert("RGB").crop(box or (0, 0, *picture.size))
        cut.thumbnail((1200, 900))
        cut.save(PICTURES / f"{name}.jpg", quality=85, optimize=True)
        print(f"{name}.jpg: {cut.width} × {cut.height}")


if __name__ == "__main__":
    main()
