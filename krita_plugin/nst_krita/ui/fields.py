"""One widget for one setting: kind, range and choices come from the protocol's table."""

from __future__ import annotations

import contextlib
from typing import Any, Iterable

from ..model.frame_words import OFFERED, schedule_of, words_of
from ..model.labels import LABELS
from ..model.options import DEFAULTS, FIELDS, Options
from ..model.words import tr
from ..qt import QtCore, QtWidgets
from ..translation import decimal
from .elided import ElidedLine
from .labels import about, choices, effort_words, help_text
from .plain import PlainLabel
from .slider import Slider
from .theme import GAP, bind

#: Settings that say nothing unless another one has that value.
ONLY_WITH = {"luminance_space": ("keep_colours", "luminance")}
#: Characters of a choice that are always seen.
SHORTEST = 8
#: Qt's spin boxes hold no more.
MAX_SPIN = 2**31 - 1


def field(options: Options, name: str) -> QtWidgets.QWidget:
    """A widget for ``options[name]``, or for their quality, bound both ways."""
    if name == "quality":
        widget: Any = _quality(options)
    elif name == "lock_frames":
        widget = _check(options, name)
    elif name in ("layers", "frame_memory") or "choices" in FIELDS[name]:
        widget = _combo(options, name)
    elif name == "frames":
        widget = _schedule(options)
    else:
        maker = {bool: _check, int: _spin, float: _slider}[type(getattr(DEFAULTS, name))]
        widget = maker(options, name)
    widget.setToolTip(help_text(name))
    widget.setAccessibleName(LABELS[name])
    widget.setObjectName("nst_field_" + name)
    return widget


def _slider(options: Options, name: str) -> Slider:
    low, high = FIELDS[name]["low"], FIELDS[name]["high"]
    text = percent if (low, high) == (0.0, 1.0) else times if name == "style_scale" else _plain
    slider = Slider(LABELS[name], low, high, text)
    slider.changed.connect(lambda number: options.__setitem__(name, number))
    bind(slider, options, lambda: slider.set_number(options[name]), name)
    return slider


def percent(number: float) -> str:
    return f"{round(100 * number)} %"


def times(number: float) -> str:
    return _plain(number) + "×"


def _plain(number: float) -> str:
    return decimal(f"{number:.2g}" if number < 1 else f"{number:.1f}")


def _spin(options: Options, name: str) -> QtWidgets.QSpinBox:
    spin = QtWidgets.QSpinBox()
    meta = FIELDS[name]
    # No iterations are for a finished picture: see Root.recolour_layer.
    spin.setRange(1 if name == "iterations" else meta["low"], min(meta["high"], MAX_SPIN))
    spin.setKeyboardTracking(False)
    if meta.get("unit") == "px":
        before, after = tr("{} px").split("{}")
        spin.setPrefix(before)
        spin.setSuffix(after)
    if name == "size":
        spin.setSpecialValueText(tr("as the layer"))
        spin.setSingleStep(128)
    elif name == "iterations":
        spin.setSingleStep(50)
    spin.valueChanged.connect(lambda number: options.__setitem__(name, number))
    bind(spin, options, lambda: spin.setValue(min(options[name], MAX_SPIN)), name)
    return steady(spin)


def _check(options: Options, name: str) -> QtWidgets.QCheckBox:
    check = QtWidgets.QCheckBox(LABELS[name])
    check.toggled.connect(lambda on: options.__setitem__(name, on))
    bind(check, options, lambda: check.setChecked(options[name]), name)
    return check


def _combo(options: Options, name: str) -> QtWidgets.QComboBox:
    values = list(choices(name))
    combo = _filled(name)
    combo.activated.connect(lambda index: options.__setitem__(name, values[index]))

    def show() -> None:
        combo.setCurrentIndex(values.index(options[name]) if options[name] in values else -1)

    bind(combo, options, show, name)
    return steady(combo)


def _quality(options: Options) -> QtWidgets.QComboBox:
    """One choice for size and iterations; with an entry of its own for what the painter has set by hand."""
    values = list(choices("quality"))
    combo = _filled("quality")

    def choose(index: int) -> None:
        if index < len(values):  # below them: what is set by hand already
            options.spend(values[index])

    combo.activated.connect(choose)

    def show() -> None:
        is_own = not options.quality
        while combo.count() > len(values):
            combo.removeItem(len(values))
        if is_own:
            size = tr("{} px").format(options["size"]) if options["size"] else tr("full size")
            combo.addItem(effort_words(size, options["iterations"]))
        combo.setCurrentIndex(len(values) if is_own else values.index(options.quality))

    bind(combo, options, show, "size", "iterations")
    return steady(combo)


def _filled(name: str) -> QtWidgets.QComboBox:
    combo = _narrowing(QtWidgets.QComboBox())
    for index, (choice, text) in enumerate(choices(name).items()):
        combo.addItem(text)
        if about(name, choice):
            combo.setItemData(index, about(name, choice), QtCore.Qt.ItemDataRole.ToolTipRole)
    return combo


def _narrowing(combo: QtWidgets.QComboBox) -> QtWidgets.QComboBox:
    """Where the docker is narrow a long choice gives way, instead of all that stands beside it."""
    combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(SHORTEST)
    return combo


def _schedule(options: Options) -> QtWidgets.QComboBox:
    """What is offered, and a line to write other iterations into."""
    combo = _narrowing(QtWidgets.QComboBox())
    combo.setLineEdit(ElidedLine())
    combo.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
    combo.addItems(list(OFFERED.values()))
    line = combo.lineEdit()

    def show() -> None:
        line.setText(words_of(options["frames"]))
        line.setCursorPosition(0)

    def edited(*_: Any) -> None:
        with contextlib.suppress(ValueError):
            options["frames"] = schedule_of(line.text())
        show()

    combo.activated.connect(edited)
    line.editingFinished.connect(edited)
    bind(combo, options, show, "frames")
    return steady(combo)


class _WheelGuard(QtCore.QObject):
    """Lets the wheel scroll the docker instead of changing the setting under it."""

    def eventFilter(self, _watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        if event.type() == QtCore.QEvent.Type.Wheel:
            event.ignore()
            return True
        return False


def steady(widget: Any) -> Any:
    """The widget, changed by a click or the keyboard only."""
    widget.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_WheelGuard(widget))
    return widget


def form(options: Options, names: tuple[str, ...]) -> QtWidgets.QWidget:
    """The fields of ``names`` below each other; sliders and boxes carry their own label."""
    box = QtWidgets.QWidget()
    rows = QtWidgets.QFormLayout(box)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setVerticalSpacing(GAP)
    rows.setHorizontalSpacing(2 * GAP)
    # Where the docker is too narrow for both, the field goes below its label.
    rows.setRowWrapPolicy(QtWidgets.QFormLayout.RowWrapPolicy.WrapLongRows)
    rows.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    rows.setLabelAlignment(QtCore.Qt.AlignmentFlag.AlignLeft)
    for name in names:
        widget = field(options, name)
        if isinstance(widget, (Slider, QtWidgets.QCheckBox)):
            rows.addRow(widget)
            continue
        label = PlainLabel(LABELS[name])
        label.setBuddy(widget)
        label.setToolTip(widget.toolTip())
        rows.addRow(label, widget)
        if name in ONLY_WITH:
            _show_only_with(options, *ONLY_WITH[name], rows, (label, widget))
    return box


def _show_only_with(
    options: Options, name: str, value: Any, rows: QtWidgets.QFormLayout, row: tuple[Any, Any]
) -> None:
    place = rows.rowCount() - 1

    def show() -> None:
        wanted = options[name] == value
        # Hidden only, it would leave a gap.
        if wanted and rows.indexOf(row[1]) < 0:
            rows.insertRow(place, *row)
        elif not wanted and rows.indexOf(row[1]) >= 0:
            rows.takeRow(row[1])
        for widget in row:
            widget.setVisible(wanted)

    bind(row[1], options, show, name)


def align(forms: Iterable[QtWidgets.QWidget], together: bool) -> None:
    """Let the fields of all these forms begin at the same place; not ``together``, those of each.

    None of them becomes too narrow for what it says.
    """
    labels = [[label for label in made.findChildren(QtWidgets.QLabel) if label.buddy()] for made in forms]
    widest = max(label.sizeHint().width() for each in labels for label in each) if together else 0
    for each in labels:
        # Qt wraps a row by what that row needs, then gives all rows one column of labels.
        least = max(label.buddy().minimumSizeHint().width() for label in each)
        for label in each:
            label.setMinimumWidth(widest)
            label.buddy().setMinimumWidth(least)
