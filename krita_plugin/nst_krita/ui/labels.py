"""What the choices of each setting are called, and what it does, in a painter's words."""

from __future__ import annotations

from typing import Any, Mapping

from ..model.options import FIELDS, QUALITIES, Layers
from ..model.words import encoder_name, tr
from ..translation import tr_n


def effort_words(size: str, iterations: int) -> str:
    """A quality in figures: its size in words, and its iterations."""
    return tr_n("{}, {} iteration", "{}, {} iterations", iterations).format(size, iterations)


#: What each does; the protocol's own help is for those who write clients.
_HELP = {
    "strength": tr(
        "How far the picture gives way to the style: at 0 % your painting stays, at 100 % only the style is "
        "left. It can be moved while a job runs."
    ),
    "style_scale": tr(
        "Size of the brush strokes: 2× paints with strokes twice as large as those of the style, 0.5× with "
        "finer ones."
    ),
    "keep_colours": tr(
        "Whose colours the result has: those of the style, or those of your painting. It can be changed "
        "while a job runs."
    ),
    "luminance_space": tr(
        "Where the hues stay yours: what counts as light and dark, which the style takes over. It can be "
        "changed while a job runs."
    ),
    "quality": tr(
        "How large and how long to paint. A draft shows in a fraction of the time where it is going; the "
        "final size is always that of your layer."
    ),
    "layers": tr(
        "What becomes a layer: every frame that is kept, one layer that changes until it is done, only "
        "the result, or one animated layer whose keyframes are the frames."
    ),
    "size": tr(
        "Longest side, in pixels, that is painted; the result is then enlarged to your layer. A smaller one "
        "is faster and needs less memory."
    ),
    "iterations": tr("How many times the picture is improved. The first hundred change most."),
    "frames": tr(
        "Which iterations are kept as frames. Choose, or write numbers such as 1, 2, 5, 40. The result is "
        "always kept."
    ),
    "encoder": tr(
        "The network that looks at pictures. VGG19 comes closest to the style and is downloaded once; the "
        "built-in one is always there. “auto” takes the best one that is there."
    ),
    "start": tr(
        "What the canvas holds before the first stroke: your painting, coloured noise (freer), a texture in "
        "the style's colours and grain, or the style."
    ),
    "optimiser": tr("L-BFGS needs fewest iterations, plain some more; Adam needs less memory."),
    "tv": tr("Smooths grain and speckles away. A little is enough. It can be moved while a job runs."),
    "seed": tr("Another number gives another variant where chance plays a part; the same, the same picture."),
    "coarse_to_fine": tr(
        "Lay in large shapes first, then details, as one paints. It gives long strokes and an early first "
        "frame."
    ),
    "lock_frames": tr(
        "Keeps you from painting on a frame by mistake. A locked layer can be unlocked any time."
    ),
    "frame_memory": tr(
        "How much of Krita's memory the frames of a job may take as layers. Those beyond it are kept on the "
        "server until you insert them; the result always comes."
    ),
}

#: Texts of the choices, in the order in which they are offered.
_CHOICES: dict[str, dict[Any, str]] = {
    "keep_colours": {
        "no": tr("of the style"),
        "luminance": tr("of my painting"),
        "moments": tr("matched to mine"),
        "histogram": tr("matched exactly"),
    },
    "luminance_space": {
        "ycbcr": tr("as on a screen"),
        "yiq": tr("as in old television"),
        "lab": tr("as seen, Lab"),
        "luv": tr("as seen, Luv"),
    },
    "start": {
        "content": tr("my painting"),
        "noise": tr("noise"),
        "style-statistics": tr("the style's grain"),
        "style": tr("the style"),
    },
    "optimiser": {"lbfgs": "L-BFGS", "plain-lbfgs": tr("L-BFGS, plain"), "adam": "Adam"},
    "layers": {
        Layers.EVERY: tr("every frame"),
        Layers.NEWEST: tr("one, changing"),
        Layers.FINAL: tr("only the result"),
        Layers.ANIMATION: tr("an animation"),
    },
    "frame_memory": {
        512: tr("0.5 GB"),
        1024: tr("1 GB"),
        2048: tr("2 GB"),
        4096: tr("4 GB"),
        0: tr("any amount"),
    },
    "quality": {
        "draft": tr("draft"),
        "medium": tr("medium"),
        "full": tr("full size"),
        "finest": tr("full size, finest"),
    },
}
#: What the choices of a setting amount to, where their names alone do not say it.
_ABOUT: dict[str, dict[Any, str]] = {
    "keep_colours": {
        "luminance": tr("Only light and dark take on the style; hues stay yours."),
        "moments": tr("The style is recoloured with your palette before it is painted with."),
        "histogram": tr("The same, with each colour as often as in your painting: less of the style's own."),
    },
    "luminance_space": {
        "ycbcr": tr("Luma of YCbCr, as in HD video: blue counts as dark."),
        "yiq": tr("Luma of YIQ: red and blue count as lighter than on a screen."),
        "lab": tr("Lightness of CIE Lab; colours keep their distance from grey."),
        "luv": tr("Lightness of CIE Luv; darkened colours become more vivid, lightened ones paler."),
    },
    "quality": {
        name: effort_words(tr("{} px").format(size) if size else tr("as large as the layer"), iterations)
        for name, (size, iterations) in QUALITIES.items()
    },
}


def choices(name: str) -> Mapping[Any, str]:
    """The choices of that setting and what they are called."""
    if name in _CHOICES:
        return _CHOICES[name]
    return {choice: encoder_name(choice) for choice in FIELDS[name]["choices"]}


def about(name: str, choice: Any) -> str:
    """What that choice amounts to, "" where its name says it."""
    return _ABOUT.get(name, {}).get(choice, "")


def help_text(name: str) -> str:
    """A tooltip, which Qt breaks into lines."""
    return f"<p>{_HELP[name]}</p>"
