"""Runs inside Krita, for frames_probe.py: what of the frames is visible while one paints and hides."""

from nst_probe.inserting import SIDE, Job, layered, top_left, tree

DARK = 128


class LayersPanel:
    """Krita's own list of layers, floating where all of it is seen."""

    def __init__(self, probe):
        self._probe = probe
        self.dock = probe.window.findChild(probe.QtWidgets.QDockWidget, "KisLayerBox")
        self.dock.show()
        self.dock.setFloating(True)
        self.dock.setGeometry(980, 60, 400, 500)
        self._view = self.dock.findChild(probe.QtWidgets.QTreeView, "listLayers")

    def click_eye(self, name):
        """Show or hide that layer, with the mouse; a second and a half later it has been noticed."""
        if not self._view.isVisible():
            # Krita 6 keeps its dock behind others on a screen without a window manager.
            document = self._probe.app.activeDocument()
            node = document.nodeByName(name)
            node.setVisible(not node.visible())
            document.refreshProjection()
            return
        self._view.expandAll()
        index = self._find(name, self._probe.QtCore.QModelIndex())
        self._probe.click(self._view.viewport(), self._view.visualRect(index.sibling(index.row(), 1)))

    def _find(self, name, parent):
        model = self._view.model()
        for row in range(model.rowCount(parent)):
            index = model.index(row, 0, parent)
            found = index if index.data() == name else self._find(name, index)
            if found is not None:
                return found
        return None


def stroke(probe, pen, widget=None):
    """For ``yield from``: a stroke with the mouse across the middle of the canvas, or of another widget."""
    widget = widget or probe.canvas()
    centre = widget.mapToGlobal(widget.rect().center())
    x, y = centre.x(), centre.y()
    yield pen.is_calm
    probe.mouse(
        *("mousemove", x - 40, y, "mousedown", 1, "sleep", 0.2, "mousemove", x, y + 5),
        *("sleep", 0.2, "mousemove", x + 40, y + 10, "sleep", 0.1, "mouseup", 1),
    )
    yield lambda: not pen.is_calm()
    yield pen.is_calm


def closed(probe, handle):
    """For ``yield from``: close the document, once Krita's list of layers has been drawn anew."""
    yield 1.0  # before that Krita 5.1 crashes in KisNodeModel::processUpdateQueue
    yield from probe.closed(handle)


def visible(handle):
    """Whether the group is, and the names of its frames that are."""
    group = next(layer for layer in tree(handle) if layer[0] == "Starry Night")
    return [group[1], [frame[0] for frame in group[2] if frame[1]]]


def hiding(probe, host, pen):
    panel = LayersPanel(probe)
    yield 0.5
    yield from painted_beneath(probe, host, pen, panel)
    yield from painted_elsewhere(probe, host, pen, panel)
    yield from hidden_frames(probe, host, pen, panel)
    yield from hidden_in_place(probe, host, pen, panel)
    panel.dock.hide()


def painted_beneath(probe, host, pen, panel):
    """A stroke on the source before the first frame; then the docker's eye, and Krita's own."""
    handle = yield from layered(probe)
    job = Job(host, pen)
    yield from stroke(probe, pen)
    before = len(probe.undo_texts())
    job.put(1)
    yield job.has(1)
    job.put(2)
    yield job.has(1, 2)
    yield 0.3
    canvas = handle.pixelData(0, 0, SIDE, SIDE).data()
    found = {
        "aside": [visible(handle), job.frames.is_aside, job.frames.is_shown],
        "seen": sum(1 for i in range(0, len(canvas), 4) if canvas[i] < DARK) > 100,
        "undo": len(probe.undo_texts()) - before,
    }
    probe.screenshot("aside")
    changes = len(job.changes)
    job.frames.set_visible(True)
    yield lambda: len(job.changes) > changes
    found["eye"] = [visible(handle), top_left(handle), job.frames.is_aside, job.frames.is_shown]
    found["eye_undo"] = len(probe.undo_texts()) - before
    yield from stroke(probe, pen)
    job.put(3)
    yield job.has(1, 2, 3)
    yield 0.3
    found["stays"] = [visible(handle), top_left(handle)]
    panel.click_eye("Starry Night")
    yield lambda: not job.frames.is_shown
    yield from stroke(probe, pen)
    job.put(4)
    yield job.has(1, 2, 3, 4)
    probe.trigger("edit_undo")
    yield lambda: job.frames.inserted == [1, 2, 3]
    yield lambda: visible(handle)[1] == ["iteration 3"]
    found["panel"] = [visible(handle), top_left(handle), job.frames.is_aside]
    panel.click_eye("Starry Night")
    yield lambda: job.frames.is_shown
    yield lambda: top_left(handle).startswith("03")
    found["panel_again"] = visible(handle)
    probe.record(painted_beneath=found)
    job.frames.close()
    yield from closed(probe, handle)


def painted_elsewhere(probe, host, pen, panel):
    """A drag in a docker, a stroke on another document, a dab; strokes on several layers."""
    handle = yield from layered(probe)
    job = Job(host, pen)
    begun = job.frames._begun
    yield from stroke(probe, pen, panel.dock)
    found = {"docker": pen.has_painted(job.document, begun)}
    other = yield from probe.opened((SIDE, SIDE))
    yield from stroke(probe, pen)
    found["other"] = [pen.has_painted(host.current(), begun), pen.has_painted(job.document, begun)]
    yield from probe.closed(other)
    job.put(1)
    yield job.has(1)
    yield 0.3
    found["no_stroke"] = visible(handle)
    job.frames.remove()
    yield 0.5
    job = Job(host, pen)
    probe.click(probe.canvas())
    yield lambda: pen.has_painted(job.document, job.frames._begun)
    yield pen.is_calm
    job.put(1)
    yield job.has(1)
    yield 0.3
    found["dab"] = [pen.has_painted(job.document, job.frames._begun), visible(handle)]
    job.frames.remove()
    yield 0.5
    above = handle.rootNode().childNodes()[1]
    inner = handle.createNode("inner", "paintlayer")
    nested = handle.createGroupLayer("nested")
    handle.rootNode().addChildNode(nested, None)
    nested.addChildNode(inner, None)
    yield 0.5  # Krita makes new layers the active ones
    background = handle.rootNode().childNodes()[0]
    places = []
    for node in (background, above, inner):
        handle.setActiveNode(background)
        yield 0.3
        job = Job(host, pen)
        handle.setActiveNode(node)
        yield 0.3
        yield from stroke(probe, pen)
        job.put(1)
        yield job.has(1)
        yield 0.3
        places.append([node.name(), *visible(handle)])
        job.frames.remove()
        yield 0.5
    found["places"] = places
    probe.record(painted_elsewhere=found)
    yield from closed(probe, handle)


def hidden_frames(probe, host, pen, panel):
    """The newest frame hidden in Krita's list, then an older one shown there; the docker's eye, a scrub."""
    handle = yield from layered(probe)
    job = Job(host, pen)
    job.put(1)
    job.put(2)
    yield job.has(1, 2)
    panel.click_eye("iteration 2")
    yield lambda: not job.frames.is_shown
    job.put(3)
    job.put(4)
    yield job.has(1, 2, 3, 4)
    yield 0.3
    found = {"hidden": [visible(handle), top_left(handle)]}
    probe.trigger("edit_undo")
    yield lambda: job.frames.inserted == [1, 2, 3]
    yield 1.5
    found["undone"] = visible(handle)
    panel.click_eye("iteration 1")
    yield lambda: job.frames.is_shown
    yield pen.is_calm
    yield 0.5
    job.redo.give_up()  # frame 4, which Krita 6 can still redo
    job.put(5)
    yield job.has(1, 2, 3, 4, 5)
    yield 0.3
    found["shown"] = [visible(handle), top_left(handle)]
    panel.click_eye("iteration 5")
    yield lambda: not job.frames.is_shown
    job.frames.set_visible(True)
    handle.waitForDone()
    found["eye"] = [visible(handle), top_left(handle)]
    job.frames.set_visible(False)
    job.frames.show(3)
    handle.waitForDone()
    found["scrubbed"] = [visible(handle), top_left(handle)]
    probe.record(hidden_frames=found)
    job.frames.close()
    yield from closed(probe, handle)


def hidden_in_place(probe, host, pen, panel):
    """One layer that changes: it comes hidden over strokes, and stays as the painter has set it."""
    handle = yield from layered(probe)
    job = Job(host, pen, replace=True)
    yield from stroke(probe, pen)
    job.put(1)
    yield job.has(1)
    job.put(2)
    yield job.has(1, 2)
    yield 0.3
    found = {"aside": [visible(handle), job.frames.is_aside]}
    panel.click_eye("Starry Night")
    yield lambda: top_left(handle).startswith("02")
    found["shown"] = [visible(handle), job.frames.is_aside]
    panel.click_eye("iteration 2")
    yield lambda: not job.frames.is_shown
    job.put(3)
    yield job.has(1, 2, 3)
    yield 0.3
    found["hidden"] = [visible(handle), top_left(handle)]
    panel.click_eye("iteration 3")
    yield lambda: top_left(handle).startswith("03")
    found["shown_again"] = visible(handle)
    probe.record(hidden_in_place=found)
    job.frames.close()
    yield from closed(probe, handle)


def painted_upon(probe, host, pen):
    """Strokes on a frame, and a layer of the painter's among the frames: newer frames, and cancelling."""
    handle, job, guard = yield from guarded(probe, host, pen)
    for key in (1, 2):
        job.put(key)
        yield lambda key=key: key in job.inserted
        yield 0.3
    second = job.frames.layer_of(2).node
    handle.setActiveNode(second)
    yield 0.3
    yield from stroke(probe, pen)
    job.put(3)
    yield job.has(1, 2, 3)
    yield 0.5
    found = {"hidden": [visible(handle)[1], job.frames.is_kept, handle.activeNode().name()]}
    job.frames.show(3)
    yield 0.3
    found["shown"] = [visible(handle)[1], job.frames.is_kept]
    job.put(4)
    yield job.has(1, 2, 3, 4)
    yield 0.3
    found["next"] = visible(handle)[1]
    second.parentNode().addChildNode(handle.createNode("own", "paintlayer"), second)
    yield 0.3
    found["removed"] = yield from cancelled(handle, job, guard, 4)
    yield from closed(probe, handle)
    handle, job, guard = yield from guarded(probe, host, pen)
    job.put(1)
    yield job.has(1)
    yield 0.3
    found["untouched"] = yield from cancelled(handle, job, guard, 1)
    probe.record(painted_upon=found)
    yield from closed(probe, handle)


def painted_in_place(probe, host, pen):
    """One layer that changes, which the painter has unlocked and paints on, as newer frames come."""
    handle = yield from layered(probe)
    job = Job(host, pen, replace=True)
    job.put(1)
    yield job.has(1)
    yield 0.3
    first = job.frames.layer_of(1).node
    first.setLocked(False)
    handle.setActiveNode(first)
    yield 0.3
    yield from stroke(probe, pen)
    painted = first.pixelData(0, 0, SIDE, SIDE).data()
    for key in (2, 3):
        job.put(key)
        yield lambda key=key: key in job.inserted
        yield 1.5
    group = next(layer for layer in tree(handle) if layer[0] == "Starry Night")
    is_kept = first.pixelData(0, 0, SIDE, SIDE).data() == painted
    probe.record(painted_in_place=[[frame[:2] for frame in group[2]], is_kept, job.frames.is_kept])
    job.frames.close()
    yield from closed(probe, handle)


def guarded(probe, host, pen):
    """A document, a job in it, and what looks after its active layer."""
    handle = yield from layered(probe)
    job = Job(host, pen)

    def is_ours(layer_id):
        return layer_id in (job.frames.group_id, *map(job.frames.id_of, range(1, 5)))

    return handle, job, host.AfterUndo(job.document, is_ours, pen, job.frames.look_soon)


def cancelled(handle, job, guard, active):
    """The layers, and the name of the active one, after cancelling with that frame active."""
    handle.setActiveNode(job.frames.layer_of(active).node)
    yield 0.3
    job.frames.remove()
    guard.put_back()
    yield 1.5
    guard.stop()
    return tree(handle), handle.activeNode().name() if handle.activeNode() else ""
