"""One widget for one parameter: kind, range, choices and help come from the protocol's table."""

from __future__ import annotations

import contextlib
from typing import Any

from ..model.options import DEFAULTS, FIELDS, FrameSchedule, Layers, Options
from ..model.words import encoder_name, tr
from ..qt import QtWidgets
from .slider import Slider
from .theme import bind

LABELS = {
    "strength": tr("Strength"),
    "style_scale": tr("Stroke size"),
    "keep_colours": tr("Keep colours"),
    "size": tr("Size"),
    "iterations": tr("Iterations"),
    "frames": tr("Frames"),
    "encoder": tr("Encoder"),
    "start": tr("Start from"),
    "optimiser": tr("Optimiser"),
    "tv": tr("Smoothness"),
    "seed": tr("Seed"),
    "coarse_to_fine": tr("Coarse to fine"),
    "layers": tr("Layers"),
}
LAYERS = {
    Layers.EVERY: tr("every frame"),
    Layers.NEWEST: tr("newest only"),
    Layers.FINAL: tr("final only"),
}
OPTIMISERS = {"lbfgs": "L-BFGS", "adam": "Adam"}
LAYERS_HELP = tr("which frames become layers: each in its own, one layer that changes, or just the result")
#: Qt's spin boxes hold no more.
MAX_SPIN = 2**31 - 1


def field(options: Options, name: str) -> QtWidgets.QWidget:
    """A widget for ``options[name]``, bound both ways; its tooltip is the protocol's help."""
    if name == "layers":
        widget: Any = _combo(options, name, dict(LAYERS))
    elif "choices" in FIELDS[name]:
        # A start image has to be sent along; there is no picker for one.
        offered = [choice for choice in FIELDS[name]["choices"] if (name, choice) != ("start", "image")]
        texts = {choice: OPTIMISERS.get(choice, tr(encoder_name(choice))) for choice in offered}
        widget = _combo(options, name, texts)
    elif name == "frames":
        widget = _schedule(options)
    else:
        maker = {bool: _check, int: _spin, float: _slider}[type(getattr(DEFAULTS, name))]
        widget = maker(options, name)
    help_text = LAYERS_HELP if name == "layers" else tr(FIELDS[name]["help"])
    widget.setToolTip(f"<p>{help_text[:1].upper()}{help_text[1:]}.</p>".replace("..", "."))
    widget.setAccessibleName(LABELS[name])
    widget.setObjectName("nst_" + name)
    return widget


def _slider(options: Options, name: str) -> Slider:
    low, high = FIELDS[name]["low"], FIELDS[name]["high"]
    if (low, high) == (0.0, 1.0):
        text = lambda number: f"{round(100 * number)} %"  # noqa: E731
    else:
        unit = "×" if name == "style_scale" else ""
        text = lambda number: f"{number:.2g}{unit}" if number < 1 else f"{number:.1f}{unit}"  # noqa: E731
    slider = Slider(LABELS[name], low, high, text)
    slider.changed.connect(lambda number: options.__setitem__(name, number))
    bind(slider, options, lambda: slider.set_number(options[name]), name)
    return slider


def _spin(options: Options, name: str) -> QtWidgets.QSpinBox:
    spin = QtWidgets.QSpinBox()
    meta = FIELDS[name]
    spin.setRange(meta["low"], min(meta["high"], MAX_SPIN))
    spin.setKeyboardTracking(False)
    if meta.get("unit"):
        spin.setSuffix(" " + meta["unit"])
    if name == "size":
        spin.setSpecialValueText(tr("as the canvas"))
        spin.setSingleStep(128)
    elif name == "iterations":
        spin.setSingleStep(50)
    spin.valueChanged.connect(lambda number: options.__setitem__(name, number))
    bind(spin, options, lambda: spin.setValue(min(options[name], MAX_SPIN)), name)
    return _shrinking(spin)


def _check(options: Options, name: str) -> QtWidgets.QCheckBox:
    check = QtWidgets.QCheckBox()
    check.toggled.connect(lambda on: options.__setitem__(name, on))
    bind(check, options, lambda: check.setChecked(options[name]), name)
    return check


def _combo(options: Options, name: str, texts: dict[Any, str]) -> QtWidgets.QComboBox:
    combo = QtWidgets.QComboBox()
    values = list(texts)
    combo.addItems(list(texts.values()))
    combo.activated.connect(lambda index: options.__setitem__(name, values[index]))

    def show() -> None:
        combo.setCurrentIndex(values.index(options[name]) if options[name] in values else 0)

    bind(combo, options, show, name)
    return _shrinking(combo)


def _schedule(options: Options) -> QtWidgets.QLineEdit:
    line = QtWidgets.QLineEdit()

    def edited() -> None:
        with contextlib.suppress(ValueError):
            options["frames"] = str(FrameSchedule.parse(line.text()))
        line.setText(options["frames"])

    line.editingFinished.connect(edited)
    bind(line, options, lambda: line.setText(options["frames"]), "frames")
    return _shrinking(line)


def _shrinking(widget: Any) -> Any:
    """Let it become as narrow as the docker."""
    widget.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
    widget.setMinimumWidth(60)
    return widget


def form(options: Options, names: tuple[str, ...]) -> QtWidgets.QWidget:
    """The fields of ``names`` below each other; sliders carry their own label."""
    box = QtWidgets.QWidget()
    grid = QtWidgets.QGridLayout(box)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setVerticalSpacing(3)
    grid.setColumnStretch(1, 1)
    for row, name in enumerate(names):
        widget = field(options, name)
        if isinstance(widget, Slider):
            grid.addWidget(widget, row, 0, 1, 2)
            continue
        label = QtWidgets.QLabel(LABELS[name])
        label.setBuddy(widget)
        label.setToolTip(widget.toolTip())
        grid.addWidget(label, row, 0)
        grid.addWidget(widget, row, 1)
    return box
