"""Runs inside Krita, for probes: the plugin's docker, and what a job left in a document."""

import hashlib


def show(probe):
    """For ``yield from``: open the docker from its menu entry; returns (docker, its Root)."""
    entry = yield from probe.choose("Tools", "Scripts", "Neural Style Transfer…")
    probe.record(menu_tool_tip=entry.toolTip())
    docker = yield from floating(probe)
    return docker, docker.widget()._root


def floating(probe, top=90, height=780):
    """For ``yield from``: the docker, once it is visible, floating where all of it is seen."""
    docker = find(probe)
    yield docker.isVisible
    docker.setFloating(True)
    docker.setGeometry(20, top, 330, height)
    yield 0.5
    return docker


def take_offer(probe, root, handle, seconds=90):
    """For ``yield from``: press the first offer's button, until all of its job's frames are layers."""
    dock = find(probe)
    buttons = dock.findChildren(probe.QtWidgets.QPushButton, "nst_take")
    # Hidden ones, of offers shown before, are deleted when Krita's event loop has returned.
    seen = [button for button in buttons if button.isVisibleTo(dock)]
    min(seen, key=lambda button: button.mapTo(dock, probe.QtCore.QPoint(0, 0)).y()).click()
    yield (lambda: has_final(handle), seconds)
    yield lambda: root.jobs[-1].has_ended
    yield 1.0


def find(probe):
    return next(d for d in probe.app.dockers() if d.objectName() == "nst_krita_docker")


def layers(handle):
    """Names of the layers, groups with their children, the lowest first."""

    def names(node):
        children = [names(child) for child in node.childNodes()]
        return [node.name(), children] if node.type() == "grouplayer" else node.name()

    return [names(node) for node in handle.rootNode().childNodes() if node.type() != "selectionmask"]


def frames(handle):
    """The layers in the group of the job, the oldest first; empty while there is none."""
    nodes = handle.rootNode().childNodes()
    return next((node.childNodes() for node in nodes if node.type() == "grouplayer"), [])


def has_final(handle):
    return any("final" in frame.name() for frame in frames(handle))


def pixels(node):
    """All that the layer holds inside a canvas of the size that the test uses."""
    return node.pixelData(0, 0, 320, 214).data()


def digest(node):
    """SHA-256 of these pixels."""
    return hashlib.sha256(pixels(node)).hexdigest()


def style_rows(probe, docker):
    """The styles' rows, from top to bottom."""
    found = [w for w in docker.findChildren(probe.QtWidgets.QWidget) if type(w).__name__ == "StyleRow"]
    return sorted((row for row in found if row.isVisible()), key=lambda row: row.y())


def stroke(probe, lower=0):
    """A stroke with the mouse beside the canvas's middle, or so many px lower; takes half a second."""
    probe.trigger("KritaShape/KisToolBrush")
    canvas = probe.canvas()
    centre = canvas.mapToGlobal(canvas.rect().center())
    x, y = centre.x() + 100, centre.y() + lower
    probe.mouse(
        *("mousemove", x - 60, y, "mousedown", 1, "sleep", 0.2, "mousemove", x, y + 20),
        *("sleep", 0.2, "mousemove", x + 60, y, "sleep", 0.2, "mouseup", 1),
    )


def key(probe, widget, name, modifier="NoModifier"):
    """Press and release that key in the widget."""
    qt = probe.QtCore.Qt
    for kind in (probe.QtCore.QEvent.Type.KeyPress, probe.QtCore.QEvent.Type.KeyRelease):
        event = probe.QtGui.QKeyEvent(kind, getattr(qt.Key, name), getattr(qt.KeyboardModifier, modifier))
        probe.QtWidgets.QApplication.sendEvent(widget, event)


def click(probe, widget, lets_go_at=None):
    """Press the mouse's button in the widget's middle, and let it go there or at that point in it."""
    core, left = probe.QtCore, probe.QtCore.Qt.MouseButton.LeftButton
    middle = widget.rect().center()
    ways = (
        ("MouseButtonPress", middle, left),
        ("MouseButtonRelease", lets_go_at or middle, core.Qt.MouseButton.NoButton),
    )
    for kind, point, held in ways:
        event = probe.QtGui.QMouseEvent(
            getattr(core.QEvent.Type, kind),
            core.QPointF(point),
            core.QPointF(widget.mapToGlobal(point)),
            left,
            held,
            core.Qt.KeyboardModifier.NoModifier,
        )
        probe.QtWidgets.QApplication.sendEvent(widget, event)
