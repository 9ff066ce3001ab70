"""One document in two windows while frames come, layers seen alone or made active by undo, and selections."""

from krita import Selection
from nst_probe.inserting import SIDE, Calm, Job, layered

#: x, y, width and height of two selections.
HERE, THERE = (20, 10, 50, 40), (100, 120, 60, 70)


def steps(probe):
    probe.bare_package("nst_krita")
    from nst_krita import host

    yield from layer_with_a_selection(probe, host)
    yield from layer_with_two_selections(probe, host)
    yield from layer_alone(probe, host)
    yield from group_alone(probe, host)
    yield from after_undo(probe, host)
    yield from two_windows(probe, host)


def layer_with_a_selection(probe, host):
    """Krita lets the painter paint inside a layer's own selection only, as long as it is visible."""
    handle = yield from layered(probe)
    everything, part = Selection(), Selection()
    everything.select(0, 0, 200, 200, 255)
    part.select(20, 10, 50, 40, 255)
    handle.setSelection(part)
    yield 0.3
    probe.trigger("add_new_selection_mask")
    background, _above = handle.rootNode().childNodes()[:2]
    yield lambda: len(background.childNodes()) == 1
    mask = background.childNodes()[0]
    handle.setActiveNode(background)
    yield lambda: handle.activeNode() == background
    found = {"own": content(host)}
    mask.setVisible(False)
    handle.setSelection(everything)
    yield 0.3
    found["own_hidden"] = content(host)
    probe.record(selections=found)
    yield from probe.closed(handle)


def layer_with_two_selections(probe, host):
    """Of several Krita keeps to the one that was made last, or that the painter has switched on."""
    handle = yield from layered(probe)
    background = handle.activeNode()
    for count, place in enumerate((HERE, THERE), 1):
        probe.trigger("add_new_selection_mask")
        yield lambda count=count: len(background.childNodes()) == count
        part = Selection()
        part.select(*place, 255)
        background.childNodes()[-1].setSelection(part)
        handle.setActiveNode(background)
        yield lambda: handle.activeNode() == background
    lower, upper = background.childNodes()
    found = {}
    for name, hidden in (("both", None), ("upper", lower), ("lower", upper)):
        for mask in (lower, upper):
            mask.setVisible(mask is not hidden)
        yield 0.3
        found[name] = [content(host), painted(background)]
        white(handle, background)
        for _ in range(5):  # Krita 5.3 now and then fills nothing, or a single px
            probe.trigger("fill_selection_foreground_color")
            yield 0.5
            handle.waitForDone()
            if painted(background)[2:] > [1, 1]:
                break
        yield 0.5  # it fills bit by bit, beside the event loop
        found[name][1] = painted(background)
        white(handle, background)
    handle.setActiveNode(upper)
    upper.setVisible(True)
    yield lambda: handle.activeNode() == upper
    where = host.read_selection(host.current())
    found["of the mask"] = [where.x, where.y, where.width, where.height]
    probe.record(two_selections=found)
    yield from probe.closed(handle)


def white(document, node):
    """Make all of a layer white, with nothing of Krita's at work on it."""
    document.waitForDone()
    node.setPixelData(b"\xff" * SIDE * SIDE * 4, 0, 0, SIDE, SIDE)
    document.waitForDone()


def painted(node):
    """The frame of what is not white on a layer."""
    data = node.pixelData(0, 0, SIDE, SIDE).data()
    places = [at for at in range(SIDE * SIDE) if data[4 * at] < 128]
    columns, rows = [at % SIDE for at in places], [at // SIDE for at in places]
    if not places:
        return []
    return [min(columns), min(rows), max(columns) - min(columns) + 1, max(rows) - min(rows) + 1]


def content(host):
    """Where the content lies, and where the mask that goes with it is."""
    made = host.read_content(host.current(), host.current().source())
    pixels = made.pixels
    return [pixels.x, pixels.y, pixels.width, pixels.height]


def layer_alone(probe, host):
    """The painter looks at the source alone, then at the group with the frames."""
    handle = yield from layered(probe)
    source = handle.activeNode()
    probe.trigger("isolate_active_layer")
    yield 0.3
    job = Job(host, Calm())
    job.put(1)
    yield 1.5
    found = {"first": [list(job.inserted), job.frames.is_out_of_sight]}
    probe.trigger("isolate_active_layer")
    yield job.has(1)
    yield 0.5
    probe.trigger("isolate_active_layer")
    yield 0.3
    job.put(2)
    looks = []
    for _ in range(60):
        looks.append(look(probe))
        yield 0.025
    found["second"] = [list(job.inserted), job.frames.is_out_of_sight, sorted(set(looks))]
    handle.setActiveNode(handle.rootNode().childNodes()[1])
    yield job.has(1, 2)
    found["group"] = job.frames.is_out_of_sight
    handle.setActiveNode(source)
    yield lambda: job.changes and job.frames.is_out_of_sight
    probe.trigger("isolate_active_layer")
    yield lambda: not job.frames.is_out_of_sight
    probe.record(layer_alone=found)
    job.frames.close()
    yield from probe.closed(handle)


def look(probe):
    """The colour of the middle of the canvas."""
    picture = probe.canvas().grab().toImage()
    return probe.QtGui.QColor(picture.pixel(picture.width() // 2, picture.height() // 2)).name()


def group_alone(probe, host):
    """The painter looks at the group around the source, then at another."""
    handle = yield from layered(probe)
    root, groups = handle.rootNode(), []
    for name in ("around", "other"):
        group, layer = handle.createGroupLayer(name), handle.createNode(f"in {name}", "paintlayer")
        layer.setPixelData(b"\xff" * SIDE * SIDE * 4, 0, 0, SIDE, SIDE)
        root.addChildNode(group, None)
        group.addChildNode(layer, None)
        groups.append(layer)
    source, other = groups
    yield 0.3
    handle.setActiveNode(source)
    yield lambda: handle.activeNode() == source
    probe.trigger("isolate_active_group")
    yield 0.3
    job = Job(host, Calm())
    job.put(1)
    yield job.has(1)
    yield 0.5
    found = [job.frames.is_out_of_sight, look(probe)]
    handle.setActiveNode(other)
    yield lambda: handle.activeNode() == other
    job.put(2)
    yield 1.5
    found += [list(job.inserted), job.frames.is_out_of_sight, look(probe)]
    probe.trigger("isolate_active_group")
    yield job.has(1, 2)
    yield 0.5
    found.append(handle.activeNode().name())
    probe.record(group_alone=found)
    job.frames.close()
    yield from probe.closed(handle)


def after_undo(probe, host):
    """Frames that are undone and redone, one by one and at once; then while one of them has been chosen."""
    handle = yield from layered(probe)
    pen, ours = Calm(), []
    job = Job(host, pen)
    job.guard = host.AfterUndo(job.document, lambda layer_id: layer_id in ours, pen, job.frames.look_soon)
    for key in (1, 2, 3):
        job.put(key)
    yield job.has(1, 2, 3)
    ours += [job.frames.group_id, *(job.frames.id_of(key) for key in (1, 2, 3))]
    yield 0.5
    found = {}
    for name, *keys in (("undone", *"uuu"), ("redone", *"rrr"), ("undone again", *"uu")):
        seen = found.setdefault(name, [])
        for key in keys:
            probe.trigger({"u": "edit_undo", "r": "edit_redo"}[key])
            yield 0.8
            seen.append(active(probe.app.activeWindow()))
    for _ in range(2):  # held down: faster than Krita makes layers the active ones
        probe.trigger("edit_redo")
        yield 0.25
    yield 0.8
    found["held down"] = active(probe.app.activeWindow())
    handle.setActiveNode(job.frames.layer_of(1).node)
    yield 0.5
    probe.trigger("edit_undo")
    yield 0.8
    found["chosen"] = active(probe.app.activeWindow())
    for _ in range(2):
        probe.trigger("edit_undo")
        yield 0.8
    found["all gone"] = active(probe.app.activeWindow())
    new = handle.createNode("new", "paintlayer")
    probe.trigger("edit_redo")
    yield 0.8
    handle.rootNode().addChildNode(new, job.frames.layer_of(1).node.parentNode())
    yield 0.5
    probe.trigger("edit_undo")
    yield 0.8
    found["with the painter's own"] = active(probe.app.activeWindow())
    probe.record(after_undo=found)
    job.frames.close()
    yield from probe.closed(handle)


def two_windows(probe, host):
    handle = yield from layered(probe)
    background, above = handle.rootNode().childNodes()
    first = probe.app.activeWindow()
    probe.trigger("view_newwindow")
    yield lambda: len(probe.app.windows()) == 2
    second = next(window for window in probe.app.windows() if window.qwindow() is not first.qwindow())
    second.addView(handle)
    second.qwindow().setGeometry(200, 100, 900, 700)
    windows = first, second
    for window, layer in zip(windows, (background, above)):
        yield from in_front(probe, window)
        handle.setActiveNode(layer)
        yield lambda window=window, layer=layer: active(window) == [layer.name()]
    found = {"source": host.current().source().name}
    made = []
    job = Job(host, Calm(), on_made=lambda key: made.append([key, host_has(host, job.frames.id_of(key))]))
    for key in (1, 2):
        job.put(key)
        yield lambda key=key: key in job.inserted
        yield 0.5
        found[f"after_{key}"] = [active(window) for window in windows]
    yield from in_front(probe, first)
    found["source_of_the_other"] = host.current().source().name
    job.put(3, final=True)
    yield job.has(1, 2, 3)
    yield 0.5
    found["after_3"] = [active(window) for window in windows]
    found["made"] = made
    probe.screenshot("two_windows")
    probe.record(windows=found)
    second.qwindow().close()
    yield 0.5
    yield from probe.closed(handle)


def host_has(host, layer_id):
    return layer_id in [layer.id for layer in host.current().layers()] if layer_id else None


def in_front(probe, window):
    shown = window.qwindow()
    shown.raise_()
    shown.activateWindow()
    yield lambda: probe.app.activeWindow().qwindow() is shown
    yield 0.3


def active(window):
    return [node.name() for node in window.activeView().selectedNodes()]
