"""One document in two windows while frames come, a layer seen alone, and one with a selection of its own."""

from krita import Selection
from nst_probe.inserting import Calm, Job, layered


def steps(probe):
    probe.bare_package("nst_krita")
    from nst_krita import host

    yield from layer_with_a_selection(probe, host)
    yield from isolated(probe, host)
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


def content(host):
    """Where the content lies, and where the mask that goes with it is."""
    made = host.read_content(host.current(), host.current().source())
    pixels = made.pixels
    return [pixels.x, pixels.y, pixels.width, pixels.height]


def isolated(probe, host):
    """The painter looks at one layer alone: at the source, and at the group with the frames."""
    handle = yield from layered(probe)
    source = handle.activeNode()
    probe.trigger("isolate_active_layer")
    yield 0.3
    job = Job(host, Calm())
    job.put(1)
    yield job.has(1)
    yield 0.5
    found = [job.frames.is_out_of_sight]
    handle.setActiveNode(handle.rootNode().childNodes()[1])
    yield 0.5
    found.append(job.frames.is_out_of_sight)
    handle.setActiveNode(source)
    yield 0.5
    probe.trigger("isolate_active_layer")
    yield lambda: job.changes and not job.frames.is_out_of_sight
    probe.record(isolated=found)
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
