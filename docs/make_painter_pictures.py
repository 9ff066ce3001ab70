"""Turns screenshots of the tests in Krita into the pictures of docs/painters.md.

    NST_REQUIRE_KRITA=1 uv run pytest -m krita && uv run docs/make_painter_pictures.py

Each is what the tests saw in a real Krita, cropped to what it is about. The picture of Krita at work is
``docs/images/docker.jpg``: what ``nst demo --krita --size 320 --iterations 100`` leaves as krita.png.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SCREENSHOTS = ROOT / "test-output" / "krita-5.1.5"
PICTURES = ROOT / "docs" / "images" / "painters"

#: Picture → screenshot and what to cut out of it (left, upper, right, lower in px; None: all).
CROPS: dict[str, tuple[str, tuple[int, int, int, int] | None]] = {
    "styles": ("docker_100/docker_styles.png", None),
    "presets": ("docker_100/menu_presets.png", (0, 30, 760, 780)),
    "quitting": ("history/asked.png", (500, 690, 1080, 870)),
    "install": ("setup/docker_page.png", None),
}


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, (screenshot, box) in CROPS.items():
        with Image.open(SCREENSHOTS / screenshot) as picture:
            cut = picture.convert("RGB").crop(box or (0, 0, *picture.size))
        cut.thumbnail((1200, 900))
        cut.save(PICTURES / f"{name}.jpg", quality=85, optimize=True)
        print(f"{name}.jpg: {cut.width} × {cut.height}")


if __name__ == "__main__":
    main()
