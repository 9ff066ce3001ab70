"""Frames and a painter's hand: a pen, bursts of strokes, strokes during an insert, tools of several steps."""

import time

from nst_probe.editing import editing
from nst_probe.hiding import painted_in_place, painted_upon
from nst_probe.inserting import SIDE, Job, layered, tree

SETTLED = 0.6
#: So far from the middle of the canvas, in px of the screen.
CORNERS = ((-80, -60), (60, -60), (60, 60))


class Clock:
    """The time, and what was added to it."""

    ahead = 0.0

    def __call__(self):
        return time.monotonic() + self.ahead


def steps(probe):
    probe.bare_package("nst_krita")
    from nst_krita import host
    from nst_krita.host.pen import LOST_SECONDS
    from nst_krita.host.unfinished import REST_SECONDS

    clock = Clock()
    pen = host.PenWatch(clock)
    yield from burst(probe, host, pen)  # first: Krita ignores the mouse for a while after a pen
    yield from painted_upon(probe, host, pen)  # before the clock goes ahead of others
    yield from painted_in_place(probe, host, pen)
    yield from editing(probe, host, pen)
    yield from strokes_of_a_pen(probe, host, pen)
    yield from lost(probe, host, pen, clock, LOST_SECONDS)
    yield from behind_a_dialog(probe, host, pen, clock)
    yield from during_inserts(probe, host, pen)
    yield from steps_of_tools(probe, host, pen, clock, REST_SECONDS)
    pen.stop()


def middle(probe):
    canvas = probe.canvas()
    return canvas.mapToGlobal(canvas.rect().center())


def at(probe, x, y):
    return middle(probe) + probe.QtCore.QPoint(x, y)


def dark(node):
    """How much of a white layer has been painted on, in px."""
    painted = node.pixelData(0, 0, SIDE, SIDE).data()
    return sum(1 for blue in painted[::4] if blue < 128)


def strokes_of_a_pen(probe, host, pen):
    """A frame waits for a pen that is down and for a second more; one that only hovers keeps nothing back."""
    handle = yield from layered(probe)
    background = handle.activeNode()
    job = Job(host, pen)
    yield pen.is_calm
    probe.pen("TabletPress", at(probe, -40, 0))
    job.put(1)
    for step in range(15):
        probe.pen("TabletMove", at(probe, -40 + 5 * step, 0))
        yield 0.1
    found = {"while_down": list(job.inserted)}
    probe.pen("TabletRelease", at(probe, 40, 0))
    released = time.monotonic()
    yield job.has(1)
    found["waited"] = time.monotonic() - released
    yield SETTLED
    found["painted"] = dark(background)
    job.put(2)
    hovered = 0
    for step in range(60):
        probe.pen("TabletMove", at(probe, -40 + step, 20))
        hovered += not job.inserted[1:]
        yield 0.05
    found["hovering"] = [list(job.inserted), hovered]
    yield SETTLED
    found["painted_by_hovering"] = dark(background) - found["painted"]
    found["undo"] = probe.undo_texts()[-3:]
    probe.record(pen=found)
    job.frames.close()
    yield from probe.closed(handle)


def lost(probe, host, pen, clock, limit):
    """A window that came during the job, and went away under the pen."""
    handle = yield from layered(probe)
    job = Job(host, pen)
    yield pen.is_calm
    window = probe.QtWidgets.QWidget()
    window.resize(200, 100)
    window.show()
    window.activateWindow()
    window.windowHandle().requestActivate()
    focused = probe.QtGui.QGuiApplication.focusWindow
    yield lambda: focused() == window.windowHandle()
    probe.pen("TabletPress", window.mapToGlobal(window.rect().center()), window.windowHandle())
    window.close()
    probe.window.activateWindow()
    job.put(1)
    yield 2.0
    clock.ahead += limit - 5
    yield SETTLED
    found = {"waiting": list(job.inserted)}
    clock.ahead += 5
    yield job.has(1)
    found["came"] = list(job.inserted)
    probe.record(lost=found)
    job.frames.close()
    yield from probe.closed(handle)


def behind_a_dialog(probe, host, pen, clock):
    """A dialog that stays open, perhaps behind Krita's window, is named while frames wait for it."""
    handle = yield from layered(probe)
    job = Job(host, pen)
    dialog = probe.QtWidgets.QDialog(probe.window)
    dialog.setWindowTitle("File Saved")
    dialog.open()
    yield SETTLED
    job.put(1)
    yield SETTLED
    found = {"at first": job.frames.hindrance.dialog}
    changes = len(job.changes)
    clock.ahead += 10
    yield lambda: len(job.changes) > changes
    found["then"] = [job.frames.hindrance.dialog, list(job.inserted)]
    dialog.close()
    yield job.has(1)
    found["closed"] = [job.frames.hindrance.dialog, list(job.inserted)]
    probe.record(dialog=found)
    job.frames.close()
    yield from probe.closed(handle)


def burst(probe, host, pen):
    """Three strokes that follow each other within a second; frames that come meanwhile."""
    handle = yield from layered(probe)
    background = handle.activeNode()
    job = Job(host, pen)
    yield pen.is_calm
    before = len(probe.undo_texts())
    words = []
    for row in (0, 30, 60):
        start, end = at(probe, -60, row), at(probe, 60, row)
        words += ["mousemove", start.x(), start.y(), "sleep", 0.1, "mousedown", 1, "sleep", 0.2]
        words += ["mousemove", end.x(), end.y(), "sleep", 0.1, "mouseup", 1, "sleep", 0.6]
    probe.mouse(*words)
    yield lambda: not pen.is_calm()
    job.put(1)
    job.put(2)
    seen = []

    def has_come():
        texts = [text for text in probe.undo_texts()[before:] if "Brush" in text]
        seen.append((len(texts), len(job.inserted)))
        return len(job.inserted) == 2

    yield has_come
    yield SETTLED
    probe.record(
        burst={
            "seen": sorted(set(seen)),
            "undo": probe.undo_texts()[before:],
            "painted": dark(background),
            "tree": tree(handle),
        }
    )
    job.frames.close()
    yield from probe.closed(handle)


def during_inserts(probe, host, pen):
    """Strokes that begin while Krita adds a layer, and while that layer is the active one."""
    from nst_krita.host.active import ActiveLayer

    handle = yield from layered(probe)
    background = handle.activeNode()
    job = Job(host, pen)
    yield pen.is_calm
    before = len(probe.undo_texts())
    found = {"began_on": [], "painted": [], "frames": []}
    add, put_back, timer = job.frames._group.add, ActiveLayer._put_back, probe.QtCore.QTimer()
    state = {"row": 0, "wanted": ""}

    def paint():
        state["wanted"] = ""
        found["began_on"].append(job.document.active.name())
        row = state["row"] = state["row"] + 20
        probe.pen("TabletPress", at(probe, -60, row - 80))
        for step in range(-60, 61, 10):
            probe.pen("TabletMove", at(probe, step, row - 80))
        probe.pen("TabletRelease", at(probe, 60, row - 80))

    def add_and_paint(*arguments, **options):
        if state["wanted"] == "at once":
            timer.start(0)
        return add(*arguments, **options)

    def paint_and_put_back(kept):
        # However busy the machine is, nothing gives the painter's layer back before this.
        if state["wanted"] == "active" and kept._is_ours(job.document.active):
            paint()
        return put_back(kept)

    timer.setSingleShot(True)
    timer.timeout.connect(paint)
    job.frames._group.add = add_and_paint
    ActiveLayer._put_back = paint_and_put_back
    for key, wanted in enumerate(("at once", "active") * 3, 1):
        state["wanted"] = wanted
        job.put(key)
        yield lambda key=key: key in job.inserted
        yield SETTLED
        last = found["painted"][-1] if found["painted"] else 0
        for _ in range(20):  # a busy machine draws later
            if dark(background) > last:
                break
            yield 0.2
        found["painted"].append(dark(background))
        shown = job.frames.layer_of(key).node.pixelData(0, 0, SIDE, SIDE).data()
        found["frames"].append(shown == shown[:4] * SIDE * SIDE)
    ActiveLayer._put_back = put_back
    found["active"] = handle.activeNode().name()
    found["undo"] = probe.undo_texts()[before:]
    probe.record(during=found)
    probe.screenshot("during_inserts")
    job.frames.close()
    yield from probe.closed(handle)


def steps_of_tools(probe, host, pen, clock, rest):
    """For each tool: an action that is begun, a frame that comes, and the end of the action."""
    found = {}
    for tool in ("KisToolPath", "KisToolPolygon", "KisToolSelectMagnetic", "KisToolCrop", "KisToolTransform"):
        found[tool] = yield from one_tool(probe, host, pen, clock, rest, tool, by_key)
    found["double click"] = yield from one_tool(
        probe, host, pen, clock, rest, "KisToolPolyline", by_double_click
    )
    found["first point"] = yield from one_tool(
        probe, host, pen, clock, rest, "KisToolPolygon", by_first_point
    )
    found["cancelled"] = yield from one_tool(probe, host, pen, clock, rest, "KisToolPolygon", by_escape)
    found["other tool"] = yield from one_tool(probe, host, pen, clock, rest, "KisToolPolygon", by_other_tool)
    found["chosen"] = yield from chosen(probe, host, pen, "KisToolPolygon")
    found["rested"] = yield from rested(probe, host, pen, clock, rest)
    probe.record(tools=found)


def one_tool(probe, host, pen, clock, rest, tool, end):
    handle = yield from layered(probe)
    node = handle.activeNode()
    node.setPixelData(bytes((0, 0, 0, 255)) * 60 * 60, 60, 60, 60, 60)
    handle.refreshProjection()
    job = Job(host, pen)
    before = len(probe.undo_texts())
    probe.trigger(tool)
    yield 0.7
    if tool in ("KisToolCrop", "KisToolTransform"):
        begin, over = at(probe, -20, -20), at(probe, 30, 40)
        words = ["mousemove", begin.x(), begin.y(), "mousedown", 1, "sleep", 0.1]
        words += ["mousemove", begin.x() + 20, begin.y() + 20, "sleep", 0.1]
        probe.mouse(*words, "mousemove", over.x(), over.y(), "sleep", 0.1, "mouseup", 1)
    else:
        for corner in CORNERS:
            point = at(probe, *corner)
            probe.mouse("mousemove", point.x(), point.y(), "sleep", 0.5, "click", 1)
    yield 3.0
    clock.ahead += rest
    job.put(1)
    yield 1.5
    found = {"waiting": [list(job.inserted), probe.undo_texts()[before:]]}
    end(probe)
    yield 1.0
    clock.ahead += rest
    yield job.has(1)
    yield SETTLED
    found["undo"] = probe.undo_texts()[before:]
    job.frames.close()
    probe.trigger("KritaShape/KisToolBrush")
    yield 0.3
    yield from probe.closed(handle)
    return found


def by_key(probe):
    probe.mouse("key", "Return")


def by_escape(probe):
    probe.mouse("key", "Escape")


def by_double_click(probe):
    point = at(probe, -60, 70)
    probe.mouse("mousemove", point.x(), point.y(), "sleep", 0.2, "click", "--repeat", 2, "--delay", 60, 1)


def by_first_point(probe):
    point = at(probe, CORNERS[0][0] + 2, CORNERS[0][1] + 1)
    probe.mouse("mousemove", point.x(), point.y(), "sleep", 0.2, "click", 1)


def by_other_tool(probe):
    probe.trigger("KritaShape/KisToolBrush")


def chosen(probe, host, pen, tool):
    """A tool of several steps with which nothing has been begun."""
    handle = yield from layered(probe)
    probe.trigger(tool)
    job = Job(host, pen)
    job.put(1)
    yield job.has(1)
    yield SETTLED
    job.frames.close()
    probe.trigger("KritaShape/KisToolBrush")
    yield from probe.closed(handle)
    return list(job.inserted)


def rested(probe, host, pen, clock, rest):
    """A transformation that could begin any moment."""
    handle = yield from layered(probe)
    probe.trigger("KisToolTransform")
    job = Job(host, pen)
    job.put(1)
    yield 2.5
    found = [list(job.inserted), job.frames.hindrance.is_tool]
    clock.ahead += rest / 2
    yield lambda: job.frames.hindrance.is_tool
    found += [list(job.inserted)]
    clock.ahead += rest / 2
    yield job.has(1)
    found += [list(job.inserted), job.frames.hindrance.is_tool]
    yield SETTLED
    job.frames.close()
    probe.trigger("KritaShape/KisToolBrush")
    yield from probe.closed(handle)
    return found
