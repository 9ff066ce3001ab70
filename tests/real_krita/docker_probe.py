"""The docker as painters have it: narrow or enlarged, in light and dark themes, by mouse and keyboard."""

import os
import struct

from nst_probe.docker import floating, key, style_rows
from nst_probe.job_rows import advice, is_pressed, scrubbing
from nst_probe.keyboard import keys_on_a_clicked_row, pressed_twice, tab_order
from nst_probe.looking import faults, looks
from nst_probe.starting import starts
from nst_probe.steadiness import in_line, question_in_a_low_docker, start_colours, steady

STYLES = 3


def steps(probe):
    handle = probe.app.openDocument(os.environ["NST_TEST_CONTENT"])
    probe.app.activeWindow().addView(handle)
    yield 1.0
    probe.trigger("nst_krita")
    docker = yield from floating(probe, top=30, height=860)
    root = docker.widget()._root
    looks(probe, docker, "idle")
    for number in range(STYLES):
        root.add_file(os.environ[f"NST_TEST_STYLE_{number}"])
    yield 0.7
    looks(probe, docker, "styles")
    if "NST_TEST_LANGUAGE" in os.environ:
        yield from in_another_language(probe, root, docker)
        return
    probe.record(order=[style.name for style in root.styles.styles])
    yield from keyboard(probe, root, docker)
    yield from start_while_reading(probe, root, docker)
    wheel(probe, docker)
    yield from regions(probe, root, docker, handle)
    is_scaled = float(os.environ.get("QT_SCALE_FACTOR", "1")) != 1
    if not is_scaled:  # the mouse counts in the screen's own pixels
        yield from keys_on_a_clicked_row(probe, root, docker, handle)
        yield from row_drag(probe, root, docker)
        yield from layer_drag(probe, root, docker, handle)
        yield from file_drag(probe, root, docker)
    yield from presets(probe, root, docker)
    yield from scrubbing(probe, root, docker)
    yield from steady(probe, root, docker)
    yield from question_in_a_low_docker(probe, root, docker)
    yield from in_line(probe, root, docker)
    yield from advice(probe, root, docker)
    yield from own_quality(probe, root, docker)
    advanced = docker.findChild(probe.QtWidgets.QToolButton, "nst_advanced")
    yield from unfolding(probe, docker, advanced)
    for theme in ("dark", "bright"):
        _theme(probe, theme)
        for width, name in ((330, "advanced"), (220, "narrow")):
            docker.setGeometry(20, 30, width, 860)
            yield 0.5
            looks(probe, docker, f"{name}_{theme}")
        probe.record(**{"start_" + theme: start_colours(probe, docker)})
    yield from tight(probe, docker)
    if not is_scaled:
        yield from menus(probe, docker)
    docker.setFloating(False)
    yield 0.5
    docker.raise_()
    yield 0.5
    probe.screenshot("docked")
    if not is_scaled:
        docker.setFloating(True)
        yield from starts(probe, root, docker, handle)
    probe.QtCore.QTimer.singleShot(0, root.close)
    yield 2.0


def in_another_language(probe, root, docker):
    """What is longer or shorter than in English: settings, jobs, questions; and the actions."""
    from nst_krita import host

    probe.record(
        title=docker.windowTitle(),
        actions=[probe.app.action(name).text() for name in ("nst_krita", "nst_start", "nst_continue")],
        tip=docker.findChild(probe.QtWidgets.QPushButton, "nst_start").toolTip(),
    )
    yield from scrubbing(probe, root, docker)
    docker.findChild(probe.QtWidgets.QToolButton, "nst_advanced").click()
    probe.record(unit=docker.findChild(probe.QtWidgets.QSpinBox, "nst_field_size").suffix())
    root.download.offered = "vgg19"
    root.look()
    root.documents.offer_settings(host.current())
    for width, name in ((330, "advanced"), (220, "narrow"), (1, "slim")):
        docker.setGeometry(20, 30, width, 860)
        yield 0.5
        looks(probe, docker, name)
    probe.QtCore.QTimer.singleShot(0, root.close)
    yield 2.0


def unfolding(probe, docker, advanced):
    """Where a setting's field begins with the advanced ones folded, then unfolded; in two widths."""
    quality, found = docker.findChild(probe.QtWidgets.QComboBox, "nst_field_quality"), []
    for width in (262, 330):
        docker.setGeometry(20, 30, width, 860)
        for _ in range(2):
            yield 0.3
            found.append(quality.mapTo(docker, probe.QtCore.QPoint(0, 0)).x())
            advanced.click()
    advanced.click()
    probe.record(unfolding=found)


def tight(probe, docker):
    """Widths at which some labels and fields just fit beside each other, with a scroll bar and without."""
    found = []
    for width in range(220, 248, 3):
        docker.setGeometry(20, 30, width, 860)
        yield 0.3
        found += [f"{width} px: {fault}" for fault in faults(probe, docker.widget())]
    probe.record(faults_tight=found)
    docker.setGeometry(20, 30, 330, 860)


def own_quality(probe, root, docker):
    """Size and iterations that are none of those offered: what they are called, and whether that fits."""
    quality = docker.findChild(probe.QtWidgets.QComboBox, "nst_field_quality")
    root.options["size"], root.options["iterations"] = 256, 1
    found = [quality.currentText()]
    root.options["iterations"] = 150
    probe.record(own_quality=[*found, quality.currentText()])
    for width, size, iterations in ((262, 1024, 1000), (218, 256, 150)):
        root.options["size"], root.options["iterations"] = size, iterations
        docker.setGeometry(20, 30, width, 600)
        yield 0.5
        looks(probe, docker, f"own_{width}")
    root.options.spend("full")
    docker.setGeometry(20, 30, 330, 860)
    yield 0.3


def _theme(probe, name):
    menu = probe.app.action("theme_menu").menu()
    next(entry for entry in menu.actions() if entry.text().endswith(" " + name)).trigger()


def keyboard(probe, root, docker):
    """Alt+Down and Delete on a row."""
    row = style_rows(probe, docker)[0]
    row.setFocus()
    yield 0.2
    key(probe, row, "Key_Down", "AltModifier")
    yield 0.2
    moved = [style.name for style in root.styles.styles]
    key(probe, row, "Key_Up", "AltModifier")
    yield 0.2
    probe.record(moved=moved, moved_back=[style.name for style in root.styles.styles])
    key(probe, style_rows(probe, docker)[2], "Key_Delete")
    yield 0.2
    probe.record(deleted=[style.name for style in root.styles.styles])
    root.add_file(os.environ["NST_TEST_STYLE_2"])
    yield 0.5
    yield from tab_order(probe, root, docker)
    yield from pressed_twice(probe, root, docker)


def start_while_reading(probe, root, docker):
    """The button for it and its menu, then and afterwards."""
    start = docker.findChild(probe.QtWidgets.QPushButton, "nst_start")
    menu = docker.findChild(probe.QtWidgets.QToolButton, "nst_start_menu")
    found = []
    docker.activateWindow()
    start.setFocus()
    yield start.hasFocus
    for root.reading.is_reading in (True, False):
        found.append([start.isEnabled(), menu.isEnabled(), start.text(), start.hasFocus()])
    hasty = is_pressed(probe, start)
    yield 1.2
    probe.record(reading=found, start_pressed=[hasty, is_pressed(probe, start)])


def wheel(probe, docker):
    """Turned over settings that have the focus: whether each kept its value, and let the event pass."""
    found = {}
    for name in ("strength", "quality", "layers"):
        field = docker.findChild(probe.QtWidgets.QWidget, "nst_field_" + name)
        field.setFocus()
        before = value_of(field)
        is_taken = turn(probe, field)
        found[name] = [value_of(field) == before, not is_taken]
    probe.record(wheel=found)


def markup(probe):
    """Texts that look like markup, with a picture of 64 px or more: whether it is opened; what is read."""
    from nst_krita.qt import QtGui
    from nst_krita.ui.elided import ElidedLabel
    from nst_krita.ui.plain import PlainLabel

    text = '<img src="{}">\n5 < 6 & more'.format(os.environ["NST_TEST_STYLE_0"])
    tip = ElidedLabel(text).toolTip()
    read = QtGui.QTextDocument()
    read.setHtml(tip)
    height = PlainLabel(text).sizeHint().height()
    probe.record(markup=[height < 64, read.toPlainText() == text, ElidedLabel("5 & 6").toolTip()])


def value_of(field):
    return field.value() if hasattr(field, "value") else field.currentIndex()


def turn(probe, widget):
    """The wheel, by one notch towards the hand; whether the widget took it."""
    core, middle = probe.QtCore, probe.QtCore.QPointF(widget.rect().center())
    event = probe.QtGui.QWheelEvent(
        middle,
        core.QPointF(widget.mapToGlobal(middle.toPoint())),
        core.QPoint(0, -120),
        core.QPoint(0, -120),
        core.Qt.MouseButton.NoButton,
        core.Qt.KeyboardModifier.NoModifier,
        core.Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    probe.QtWidgets.QApplication.sendEvent(widget, event)
    return event.isAccepted()


def _drag(probe, start, end, shot=""):
    """With the mouse from one point of the screen to another, in the background."""
    x, y = start.x(), start.y()
    probe.mouse(
        *("mousemove", x, y, "mousedown", 1, "sleep", 0.3, "mousemove", x + 4, y + 4, "sleep", 0.2),
        *("mousemove", x + 15, y + 15, "sleep", 0.3, "mousemove", end.x() - 9, end.y(), "sleep", 0.3),
        *("mousemove", end.x(), end.y(), "sleep", 0.5, "mouseup", 1),
    )
    if shot:
        yield 1.4
        probe.screenshot(shot)
    yield 1.5


def row_drag(probe, root, docker):
    """The first style dragged below the last one."""
    shown = style_rows(probe, docker)
    start = shown[0].mapToGlobal(probe.QtCore.QPoint(18, 18))
    end = shown[-1].mapToGlobal(probe.QtCore.QPoint(60, shown[-1].height() - 3))
    yield from _drag(probe, start, end, "dragging")
    probe.record(dragged=[style.name for style in root.styles.styles])


def regions(probe, root, docker, handle):
    """The selection as the region of the first style, and taking it back."""
    import krita

    style = root.styles.styles[0]
    root.limit(style)
    without = root.message
    chosen = krita.Selection()
    chosen.select(100, 60, 80, 50, 255)
    handle.setSelection(chosen)
    yield 0.5
    root.limit(style)
    probe.record(without_selection=without, region=style.region.words, message=root.message)
    yield 0.3
    looks(probe, docker, "region")
    panel, ink = docker.widget(), probe.QtGui.QPalette.ColorRole.WindowText
    told = [root.presets.save("Kept"), root.presets.save("")]
    colours = [panel.palette().color(ink).name()]
    for root.message in told:
        colours.append(panel._message.palette().color(ink).name())
    root.presets.delete(root.presets.current)
    root.message = ""
    probe.record(told=told, told_in=colours)
    mask = style.region.read()
    probe.record(mask=[mask.x, mask.y, mask.width, mask.height, len(mask.data), mask.channels])
    handle.setSelection(None)
    layer = handle.createNode("washes", "paintlayer")
    layer.setPixelData(bytes([10, 20, 30, 128]) * 100, 5, 7, 20, 5)
    handle.rootNode().addChildNode(layer, None)
    yield 0.5
    from nst_krita.model.document_model import region_layers

    root.limit(style, next(known for known in region_layers() if known.name == "washes"))
    mask = style.region.read()
    probe.record(
        layer_region=style.region.words,
        layer_mask=[mask.x, mask.y, mask.width, mask.height, sorted(set(mask.data))],
    )
    root.limit(style, next(known for known in region_layers() if known.name == "washes"), "#0a141e")
    row = style_rows(probe, docker)[0]
    probe.record(colour_region=[row._name.accessibleName(), row.accessibleDescription()])
    yield 0.3
    looks(probe, docker, "colour_region")
    style.region = None
    probe.record(alphas=alphas())


def alphas():
    """The alpha of three grey pixels at each depth: transparent, half, opaque."""
    from nst_krita.host.regions import alpha_of

    forms = {"U8": ("B", 255), "U16": ("H", 65535), "F16": ("e", 1.0), "F32": ("f", 1.0)}
    found = {}
    for depth, (form, full) in forms.items():
        half = full / 2 if isinstance(full, float) else full // 2 + 1
        data = struct.pack(f"<6{form}", full, 0, full, half, full, full)
        found[depth] = list(alpha_of(data, 3, depth))
    return found


def layer_drag(probe, root, docker, handle):
    """A layer out of Krita's list onto the styles."""
    layers = probe.window.findChild(probe.QtWidgets.QDockWidget, "KisLayerBox")
    was_floating = layers.isFloating()
    layers.setFloating(True)
    layers.setGeometry(700, 200, 300, 300)
    layers.show()
    layers.raise_()
    yield 1.0
    handle.setActiveNode(next(n for n in handle.rootNode().childNodes() if n.name() != "washes"))
    yield 0.5
    tree = layers.findChild(probe.QtWidgets.QTreeView)
    index = next(
        tree.model().index(row, 0)
        for row in range(tree.model().rowCount())
        if tree.model().index(row, 0).data() == "washes"
    )
    start = tree.viewport().mapToGlobal(tree.visualRect(index).center())
    shown = style_rows(probe, docker)[0]
    yield from _drag(probe, start, shown.mapToGlobal(shown.rect().center()))
    yield lambda: len(root.styles.styles) > STYLES
    probe.record(layer_dropped=[style.name for style in root.styles.styles][-1])
    root.styles.remove(root.styles.styles[-1])
    layers.setFloating(was_floating)
    yield 0.3


def file_drag(probe, root, docker):
    """A picture file, as a file manager lets it be dragged, onto the styles."""
    markup(probe)
    style = root.styles.styles[0]
    root.styles.remove(style)

    class Manager(probe.QtWidgets.QLabel):
        def mousePressEvent(self, _event):
            data = probe.QtCore.QMimeData()
            data.setUrls([probe.QtCore.QUrl.fromLocalFile(style.path)])
            drag = probe.QtGui.QDrag(self)
            drag.setMimeData(data)
            (drag.exec if hasattr(drag, "exec") else drag.exec_)(probe.QtCore.Qt.DropAction.CopyAction)

    manager = Manager("a file", probe.window)
    manager.setGeometry(700, 300, 120, 60)
    manager.show()
    manager.raise_()
    yield 0.5
    shown = style_rows(probe, docker)[0]
    start = manager.mapToGlobal(manager.rect().center())
    yield from _drag(probe, start, shown.mapToGlobal(shown.rect().center()))
    yield lambda: len(root.styles.styles) == STYLES
    probe.record(file_dropped=[root.styles.styles[-1].path == style.path, root.message])
    manager.deleteLater()
    yield 0.3


def presets(probe, root, docker):
    """The painter's own, by the docker's button: saved, renamed, changed, saved again, deleted."""
    button = docker.findChild(probe.QtWidgets.QPushButton, "nst_presets")
    found = []

    def tell():
        names = [preset.name for preset in root.presets.saved]
        found.append([names, button.accessibleDescription(), root.options["strength"]])

    root.options["strength"] = 0.25
    yield from _preset(probe, button, "Save these settings", "Mine")
    tell()
    yield from _preset(probe, button, "Rename", "Ours & co")
    tell()
    root.options["strength"] = 0.75
    yield 0.2
    tell()
    yield from _preset(probe, button, "Save the changes")
    tell()
    yield from _preset(probe, button, "Balanced")
    tell()
    yield from _preset(probe, button, "Ours")
    tell()
    root.message = "There is a preset “Ours & co” already. Choose another name."
    questions = []
    for answer in ("nst_delete_no", "nst_delete_yes"):
        yield from _preset(probe, button, "Delete")
        question = probe.QtWidgets.QApplication.activeModalWidget()
        questions.append([question.text(), question.informativeText()])
        question.findChild(probe.QtWidgets.QPushButton, answer).click()
        yield 0.5
        tell()
    probe.record(presets=found, message_after_deletion=root.message, deletion_asked=questions)
    root.options["strength"] = 0.5


def _preset(probe, button, words, name=""):
    """Choose that entry of the gallery, and give the name that its question asks for."""
    menu = button.menu()
    menu.aboutToShow.emit()
    chosen = next(entry for entry in menu.actions() if entry.text().startswith(words))
    probe.record(preset_entry=chosen.text())
    probe.QtCore.QTimer.singleShot(0, chosen.trigger)  # the question runs its own event loop
    yield 0.5
    if name:
        question = probe.QtWidgets.QApplication.activeModalWidget()
        probe.record(name_asked=[question.windowTitle(), question.textValue(), question.width()])
        probe.screenshot("name_asked")
        question.setTextValue(name)
        question.accept()
        yield 0.5


def menus(probe, docker):
    """Each menu open, as it looks on the screen; that of the presets is higher than this."""
    widgets, presets = probe.QtWidgets, docker.widget()._root.presets
    own = [f"Own {number}" for number in range(8)]
    for name in own:
        presets.save(name)
    popup = widgets.QApplication.activePopupWidget
    buttons = {
        "presets": docker.findChild(widgets.QPushButton, "nst_presets"),
        "add": docker.findChild(widgets.QToolButton, "nst_add_style"),
        "row": style_rows(probe, docker)[0].findChild(widgets.QToolButton),
    }
    for name, button in buttons.items():
        probe.QtCore.QTimer.singleShot(0, button.click)  # Qt's own menu buttons run their menu's loop
        yield lambda: popup() is not None
        menu = popup()
        yield 0.8
        entries = [entry.text() for entry in menu.actions()]
        inner = [entry for entry in menu.actions() if entry.menu() and entry.isEnabled()]
        if inner:
            menu.setActiveAction(inner[-1])
            inner[-1].menu().popup(menu.mapToGlobal(menu.rect().topRight()))
            yield 0.8
        probe.screenshot("menu_" + name)
        probe.record(**{"menu_" + name: entries})
        if name == "presets":
            columns = {menu.actionGeometry(entry).left() for entry in menu.actions()}
            needed = menu.actionGeometry(menu.actions()[-1]).bottom()
            probe.record(menu_columns=[len(columns), needed > menu.height()])
        for entry in inner:
            entry.menu().close()
        menu.close()
        yield 0.2
    for preset in [known for known in presets.saved if known.name in own]:
        presets.delete(preset)
