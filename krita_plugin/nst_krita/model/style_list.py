"""The painter's styles in their order; share, size and region of each. Plain data: no Krita, no Qt."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Sequence, Tuple

from .properties import Observable, Property

#: A style's own stroke size; it multiplies the one of the whole picture, whose range is wider.
MIN_SCALE, MAX_SCALE = 0.25, 4.0


#: Shares that differ by less are the same to the painter, who reads them in percents.
SAME_SHARE = 0.005
#: What reading an entry raises that ``to_json`` has not written.
_DAMAGED = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


Opener = Callable[[str], Tuple[Optional["Style"], str]]


class Style(Observable):
    """One style of the list.

    ``weight``: how much it counts beside the others, 0 to 1. ``scale``: the size of its strokes relative to
    the whole picture's, MIN_SCALE to MAX_SCALE. ``region``: where it paints, None for everywhere.
    """

    weight = Property(1.0)
    scale = Property(1.0)
    region = Property(None)
    path = ""
    name = ""
    #: The document of Krita's that it is of; None of a file.
    document: Any = None

    def thumbnail(self, side: int) -> Any:
        """A picture of it, at most ``side`` px wide and high; null if there is none any more.

        That of a file may be asked for in any thread.
        """
        raise NotImplementedError

    def picture(self) -> Any:
        """What a Request takes as a picture. Raises HostError."""
        raise NotImplementedError


class StyleList(Observable):
    """The styles of the docker, in order.

    Observers of ``styles`` hear of added, removed and moved ones, those of ``details`` of their settings.
    """

    styles = Property(())

    def __init__(self, open_file: Opener) -> None:
        """``open_file``: makes a style of a picture file, or None and a sentence that says why not."""
        self._open_file = open_file
        self._ends: dict[int, Any] = {}

    def add(self, style: Style) -> None:
        """Append a style; one that is there already stays once."""
        if style not in self.styles:
            self._ends[id(style)] = style.observe(lambda: self.notify("details"))
            self.styles = (*self.styles, style)

    @property
    def documents(self) -> list[Any]:
        """Those that styles are of."""
        return [style.document for style in self.styles if style.document is not None]

    def remove(self, style: Style) -> None:
        self._ends.pop(id(style), lambda: None)()
        self.styles = tuple(known for known in self.styles if known is not style)

    def move(self, style: Style, index: int) -> None:
        """Make it the one at ``index`` of the list; beyond its ends, the first or the last."""
        others = [known for known in self.styles if known is not style]
        index = min(len(others), max(0, index))
        self.styles = (*others[:index], style, *others[index:])

    @property
    def weights(self) -> tuple[float, ...]:
        """Shares as Params want them: empty for a single style, whose share says nothing."""
        return self.weights_of(self.styles)

    def weights_of(self, styles: Sequence[Style]) -> tuple[float, ...]:
        """The same in the order of ``styles``, which are those of the list."""
        shares = {style: style.weight for style in self.styles}
        return tuple(shares[style] for style in styles) if len(styles) > 1 else ()

    def share(self, style: Style) -> float:
        """How much of the picture is that style's, 0 to 1; all of them make 1."""
        total = sum(known.weight for known in self.styles)
        return style.weight / total if total else 0.0

    def give_share(self, style: Style, share: float) -> None:
        """Let that style have ``share``, 0 to 1, and the others the rest, in the proportion that they had."""
        others = [known for known in self.styles if known is not style]
        if not others:
            return
        rest = sum(known.weight for known in others)
        shares = [(1 - share) * (known.weight / rest if rest else 1 / len(others)) for known in others]
        largest = max(share, *shares)
        style.weight = share / largest
        for known, its in zip(others, shares):
            known.weight = its / largest

    @property
    def scales(self) -> tuple[float, ...]:
        """Stroke sizes as Params want them: empty for a single style, which has the whole picture's."""
        scales = tuple(style.scale for style in self.styles)
        return scales if len(scales) > 1 and any(scale != 1.0 for scale in scales) else ()

    @property
    def name(self) -> str:
        """All of them in a few words."""
        return " + ".join(style.name for style in self.styles[:3]) + (" + …" if len(self.styles) > 3 else "")

    def to_json(self) -> list[dict[str, Any]]:
        """The files among them, for the settings file; regions belong to a document and are left out."""
        files = (style for style in self.styles if style.path)
        return [{"path": style.path, "weight": style.weight, "scale": style.scale} for style in files]

    def load(self, saved: Sequence[Any], document: str = "") -> str:
        """Have these styles, as ``to_json`` gave them; returns what could not be had, in a sentence.

        One that was there already goes on painting where it did, if that is a part of ``document`` (its id).
        """
        loaded = [self._load(entry) for entry in saved]
        here = (known for known in self.styles if known.region and known.region.document_id == document)
        regions = {style.path: style.region for style in here}
        for style in self.styles:
            self.remove(style)
        for made, _problem in loaded:
            if made is not None:
                made.region = regions.get(made.path)
                self.add(made)
        return next((problem for _made, problem in loaded if problem), "")

    def _load(self, entry: Any) -> tuple[Style | None, str]:
        try:
            path, weight, scale = _read(entry)
        except _DAMAGED:
            return None, ""
        style, problem = self._open_file(path)
        if style is not None:
            style.weight, style.scale = weight, scale
        return style, problem


def alike(saved: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether these styles, as ``to_json`` gives them, are the same to the painter, and paint the same."""
    try:
        one, two = _shown(saved), _shown(other)
    except _DAMAGED:
        return False
    is_same_list = [style[:2] for style in one] == [style[:2] for style in two]
    return is_same_list and all(abs(a[2] - b[2]) < SAME_SHARE for a, b in zip(one, two))


def _shown(saved: Sequence[Any]) -> list[tuple[str, float, float]]:
    """Path, stroke size and share of each; one alone has neither a size nor a share of its own."""
    styles = [_read(entry) for entry in saved]
    if len(styles) == 1:
        return [(styles[0][0], 1.0, 1.0)]
    total = sum(weight for _path, weight, _scale in styles) or 1.0
    return [(path, scale, weight / total) for path, weight, scale in styles]


def _read(entry: Any) -> tuple[str, float, float]:
    """Path, weight and scale. Raises one of _DAMAGED."""
    weight, scale = _number(entry, "weight", 0.0, 1.0), _number(entry, "scale", MIN_SCALE, MAX_SCALE)
    return str(entry["path"]), weight, scale


def _number(entry: Mapping[str, Any], name: str, low: float, high: float) -> float:
    return min(high, max(low, float(entry.get(name, 1.0))))
