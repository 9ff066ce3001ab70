"""The demo's real input: a photograph that scikit-learn brings along, and the project's own painting."""

from __future__ import annotations

from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

CONTENTS = ("china", "flower")


def content_photo(name: str = "china") -> Image.Image:
    """One of scikit-learn's sample photographs, RGB, 640×427 px: "china", a temple, or "flower", a dahlia.

    Raises ValueError for another name, FileNotFoundError if scikit-learn or its sample data are missing.
    """
    if name not in CONTENTS:
        raise ValueError(f"There is no demo photograph {name!r}. Choose one of {', '.join(CONTENTS)}.")
    package = find_spec("sklearn")  # its folder is enough: importing it takes seconds
    if package is None or package.origin is None:
        raise FileNotFoundError("scikit-learn, which carries the demo's photographs, is missing. Install it.")
    path = Path(package.origin).parent / "datasets" / "images" / f"{name}.jpg"
    if not path.is_file():
        raise FileNotFoundError(f"The sample photograph {path} is missing. Reinstall scikit-learn.")
    return _rgb(path)


def style_painting() -> Image.Image:
    """ "Orchard in the wind", RGB, 900×720 px; docs/make_style_painting.py painted it in Krita."""
    with resources.as_file(resources.files(__package__) / "style.jpg") as path:
        return _rgb(path)


def _rgb(path: Path) -> Image.Image:
    with Image.open(path) as file:
        image: Image.Image = file.convert("RGB")
    return image
