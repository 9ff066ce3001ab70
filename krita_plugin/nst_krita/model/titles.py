"""What a job is called: its styles, and the layer that they paint."""

from __future__ import annotations

from .words import tr

_ARROW = " → "


def title_of(styles: str, layer: str) -> str:
    """In the painter's language; ``layer``: "" where there is none that tells the painter anything."""
    if not layer.strip():
        return styles
    return tr("{} → “{}”").format(styles, layer)


def label_of(title: str, document: str) -> str:
    """What the server calls that job, among those of other documents."""
    return f"{title} ({document})"


def styles_in(title: str) -> str:
    """The styles' part of a title made in any language."""
    return title.partition(_ARROW)[0]


def translated(title: str) -> str:
    """A title that may have been made in another language, with the quotation marks of the painter's."""
    styles, _, layer = title.partition(_ARROW)
    return title_of(styles, layer[1:-1]) if len(layer) > 2 else title
