"""Runs inside Krita, for the docker's probe: Start while something is under way on the canvas."""

#: So far from the middle of the canvas, in px of the screen.
CORNERS = ((-80, -60), (60, -60), (60, 60))
BRUSH, MOVE = "KritaShape/KisToolBrush", "KritaTransform/KisToolMove"
START_SECONDS = 5


class Desk:
    """The active layer of a document, and the docker's Start; nothing is sent."""

    def __init__(self, probe, root, docker, handle):
        self.probe, self.root, self.handle, self.requests = probe, root, handle, []
        self.button = docker.findChild(probe.QtWidgets.QPushButton, "nst_start")
        root._network.submit = self.requests.append
        self.look_again()

    def look_again(self):
        self.before = len(self.probe.undo_texts())

    def drag(self):
        x, y = self.middle()
        words = ["mousemove", x - 20, y - 20, "mousedown", 1, "sleep", 0.1, "mousemove", x, y, "sleep", 0.1]
        self.probe.mouse(*words, "mousemove", x + 30, y + 40, "sleep", 0.1, "mouseup", 1)
        yield 2.0

    def click(self):
        x, y = self.middle()
        for right, down in CORNERS:
            self.probe.mouse("mousemove", x + right, y + down, "sleep", 0.5, "click", 1)
        yield 3.0

    def middle(self):
        canvas = self.probe.canvas()
        middle = canvas.mapToGlobal(canvas.rect().center())
        return middle.x(), middle.y()

    def start(self):
        del self.requests[:]
        self.button.click()

    def has_begun(self):
        return len(self.requests) == 1 and not self.root.waiting.is_waiting

    def undo(self):
        return self.probe.undo_texts()[self.before :]

    def is_current(self):
        """Whether what was read is what the layer has now."""
        pixels = self.requests[0].content
        area = pixels.x, pixels.y, pixels.width, pixels.height
        return bytes(pixels.data) == self.handle.activeNode().pixelData(*area).data()

    def waits(self):
        return [self.root.waiting.is_waiting, self.button.text(), self.root.message, len(self.requests)]


def starts(probe, root, docker, handle):
    """Start with something begun by each kind of tool, and with a filter's window open."""
    handle.setActiveNode(handle.rootNode().childNodes()[0])
    yield 0.5
    desk = Desk(probe, root, docker, handle)
    found = {}
    for tool in ("KisToolPath", "KisToolPolygon", "KisToolSelectMagnetic"):
        found[tool] = yield from beginning(desk, tool, desk.click)
    found["transform"] = yield from transforming(desk)
    found["move"] = yield from moving(desk)
    found["filter"] = yield from filtering(desk)
    desk.look_again()
    found["KisToolCrop"] = yield from beginning(desk, "KisToolCrop", desk.drag)
    probe.record(starting=found)
    for job in root.jobs:
        job.lose("")
        root.dismiss(job)
    del root._network.submit


def beginning(desk, tool, gesture):
    """With a tool's action begun, which then is finished."""
    probe = desk.probe
    probe.trigger(tool)
    yield 0.5
    yield from gesture()
    desk.start()
    yield (desk.has_begun, START_SECONDS)
    yield 0.5
    found = [desk.undo(), desk.is_current()]
    probe.canvas().setFocus()
    probe.mouse("key", "Return")
    yield desk.undo
    found += desk.undo()
    probe.trigger(BRUSH)
    yield 0.5
    if desk.handle.selection() is not None:
        yield probe.app.action("deselect").isEnabled
        probe.trigger("deselect")
        yield lambda: desk.handle.selection() is None
    yield 0.5
    desk.look_again()
    return found


def transforming(desk):
    """With the tool chosen alone, with a transformation begun and given up, and with one that is finished."""
    probe = desk.probe
    probe.trigger("KisToolTransform")
    yield 1.0
    desk.start()
    yield (desk.has_begun, START_SECONDS)
    found = {"chosen": [desk.undo(), desk.is_current()]}
    yield from desk.drag()
    desk.start()
    yield 1.5
    found["begun"] = desk.waits()
    probe.screenshot("start_waits")
    desk.button.click()
    yield 0.5
    found["given up"] = desk.waits()
    desk.button.setFocus()  # as a click leaves it
    desk.start()
    yield 0.5
    probe.mouse("mousemove", *desk.middle(), "sleep", 0.2, "key", "Return")
    yield (desk.has_begun, START_SECONDS)
    found["finished"] = [desk.undo(), desk.is_current(), desk.root.message]
    probe.trigger(BRUSH)
    yield 0.7
    desk.look_again()
    return found


def moving(desk):
    """A layer that has been moved, and may be moved on."""
    desk.probe.trigger(MOVE)
    yield 0.5
    yield from desk.drag()
    desk.start()
    yield (desk.has_begun, START_SECONDS)
    found = [desk.undo(), desk.is_current()]
    desk.probe.trigger(BRUSH)
    yield desk.undo
    found += desk.undo()
    desk.look_again()
    return found


def filtering(desk):
    """A filter's window with its preview; neither Start nor a frame closes it."""
    from nst_krita import host
    from nst_probe.inserting import Calm, Job

    probe = desk.probe
    job = Job(host, Calm())
    probe.trigger("krita_filter_gaussian blur")
    yield lambda: _filter(probe) is not None
    yield 0.5
    desk.start()
    job.put(1)
    yield 2.0
    found = {"open": [desk.waits(), list(job.inserted), _filter(probe) is not None, desk.undo()]}
    _filter(probe).reject()
    yield (lambda: desk.has_begun() and job.inserted, START_SECONDS)
    found["closed"] = [desk.is_current(), list(job.inserted), desk.undo()]
    job.frames.close()
    return found


def _filter(probe):
    windows = probe.QtWidgets.QApplication.topLevelWidgets()
    return next((w for w in windows if w.isVisible() and w.metaObject().className() == "KisDlgFilter"), None)
