"""Runs inside Krita, for probes: pictures of the docker, and what a careful eye would complain of."""

import itertools


def looks(probe, docker, name):
    """A picture, and what a careful eye would complain of."""
    docker.grab().save(str(probe.out / f"docker_{name}.png"))
    probe.record(**{"faults_" + name: faults(probe, docker.widget())})


def faults(probe, panel):
    """Texts that are cut off, widgets beyond the edge, and what a screen reader or the keyboard misses."""
    found = []
    for area in panel.findChildren(probe.QtWidgets.QScrollArea):
        inside, room = area.widget().width(), area.viewport().width()
        if inside > room:
            found.append(f"{area.objectName()}: {inside} px in {room} px: something is beyond the edge")
    start = panel.findChild(probe.QtWidgets.QPushButton, "nst_start")
    if not panel.rect().contains(start.mapTo(panel, start.rect().bottomRight())):
        found.append("Start is out of sight")
    found += overlapping(probe, panel)
    for widget in panel.findChildren(probe.QtWidgets.QWidget):
        if widget.isVisible():
            who = f"{type(widget).__name__} {widget.objectName() or widget.accessibleName()}"
            found += [f"{who}: {fault}" for fault in (*cut_off(probe, widget), *unreachable(probe, widget))]
    return found


def overlapping(probe, panel):
    """The panel's parts that lie over each other."""
    parts = [part for part in panel.children() if isinstance(part, probe.QtWidgets.QWidget)]
    for one, other in itertools.combinations([part for part in parts if part.isVisible()], 2):
        if one.geometry().intersects(other.geometry()):
            names = (part.objectName() or type(part).__name__ for part in (one, other))
            yield " over ".join(names)


def cut_off(probe, widget):
    widgets = probe.QtWidgets
    with_text = (widgets.QAbstractButton, widgets.QComboBox, widgets.QAbstractSpinBox, widgets.QSlider)
    if not isinstance(widget, (*with_text, widgets.QLabel)):
        return
    needed = widget.minimumSizeHint()
    if isinstance(widget, widgets.QLabel) and widget.wordWrap():
        needed = probe.QtCore.QSize(0, widget.heightForWidth(widget.width()))
    # These two shorten their text themselves; the whole of it is their tooltip.
    elif type(widget).__name__ in ("ElidedLabel", "PresetButton"):
        needed.setWidth(0)
    if isinstance(widget, widgets.QComboBox) and not widget.isEditable():
        option = widgets.QStyleOptionComboBox()
        option.rect = widget.rect()
        parts = widgets.QStyle
        room = widget.style().subControlRect(
            parts.ComplexControl.CC_ComboBox, option, parts.SubControl.SC_ComboBoxEditField, widget
        )
        text = widget.fontMetrics().horizontalAdvance(widget.currentText())
        if room.width() < text:
            yield f"“{widget.currentText()}” needs {text} px and has {room.width()}"
    if widget.width() < needed.width() or widget.height() < needed.height():
        yield f"{widget.width()} × {widget.height()} px, needs {needed.width()} × {needed.height()}"


def unreachable(probe, widget):
    widgets = probe.QtWidgets
    kinds = (widgets.QAbstractButton, widgets.QComboBox, widgets.QAbstractSpinBox, widgets.QAbstractSlider)
    inner = isinstance(widget.parent(), (widgets.QAbstractScrollArea, widgets.QComboBox, widgets.QScrollBar))
    if inner or not isinstance(widget, kinds) or isinstance(widget, widgets.QScrollBar):
        return
    text = widget.text() if isinstance(widget, widgets.QAbstractButton) else ""
    if not (widget.accessibleName() or text):
        yield "has no name for a screen reader"
    if not widget.toolTip():
        yield "has no tooltip"
    if not widget.focusPolicy() & probe.QtCore.Qt.FocusPolicy.TabFocus:
        yield "the keyboard does not reach it"
