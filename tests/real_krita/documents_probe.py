"""The same job on documents of many kinds: pressed by hand, saved, taken back by undo, opened again.

Pixels go into files beside the probe, whole canvases without a gap: NAME.source and NAME.final in the
document's own numbers, NAME.source.screen and NAME.final.screen as Krita shows them, NAME.mask.
"""

import hashlib
import os
import time
from array import array
from itertools import zip_longest

from krita import Selection
from nst_probe import docker
from nst_probe.stepper import SRGB, EventLoop

SIZE, WIDE = (320, 214), (6000, 1200)
JOB_SECONDS = 120
SETTINGS = {"size": 160, "iterations": 8, "frames": "2", "encoder": "built-in", "deterministic": True}
#: In linear light; what is white on a screen is 1.
SUN = (4.0, 3.0, 2.0)


def steps(probe):
    from nst_krita.model.options import Layers

    dock, root = yield from docker.show(probe)
    dock.setGeometry(1040, 60, 330, 600)  # beside the picture, above the layers
    start = dock.findChild(probe.QtWidgets.QPushButton, "nst_start")
    loop, found = EventLoop(), {}
    for name, prepared in DOCUMENTS.items():
        root.styles.load(())
        root.add_file(os.environ["NST_TEST_STYLE"])
        for option, value in {**SETTINGS, "layers": Layers.EVERY}.items():
            root.options[option] = value
        handle = yield from prepared(probe, root)
        handle.setModified(False)
        yield 0.3
        yield from job(probe, root, handle, name, found.setdefault(name, {}), start, loop)
        probe.record(documents=found)


def job(probe, root, handle, name, found, start, loop):
    """The source is the active layer."""
    source, before = handle.activeNode(), snapshot(handle)
    history, tool, chosen = probe.undo_texts(), probe.tool(), selected(handle)
    known = {earlier.id for earlier in root.jobs}
    loop.take()
    began = time.monotonic()
    probe.click(start)
    yield lambda: root.message or any(other.id not in known for other in root.jobs)
    job = root.jobs[-1]
    yield (lambda: root.message or (job.has_ended and not root.insertion(job).pending), JOB_SECONDS)
    yield 0.2
    found.update(words=[job.words, job.note, root.message], seconds=time.monotonic() - began)
    found["longest_stall_ms"] = loop.take()
    group = node_of(handle, root.insertion(job).record.group)
    frames = group.childNodes()
    found.update(
        colours=list(colours_of(handle)),
        frames=[
            [frame.name(), list(colours_of(frame)), rectangle(frame), frame.visible()] for frame in frames
        ],
        beside=[node.name() for node in group.parentNode().childNodes()],
        source=source.name(),
        group=group.name(),
        untouched=[
            handle.activeNode() == source,
            probe.tool() == tool,
            selected(handle) == chosen,
        ],
        modified=handle.modified(),
        undo=probe.undo_texts()[len(history) :],
    )
    probe.screenshot(name)
    write(probe, handle, name, source, frames[-1])
    yield from saved_and_undone(probe, handle, name, found, before)


def saved_and_undone(probe, handle, name, found, before):
    """What every undo step brings back, and what a file keeps."""
    with_frames, path = snapshot(handle), probe.work / f"{name}.kra"
    yield from probe.saved(handle, path)
    for _ in found["undo"]:
        probe.trigger("edit_undo")
        handle.waitForDone()
        yield 0.1
    for _ in range(30):  # a large document on a busy machine
        now = snapshot(handle)
        found["undone"] = now == before
        apart = [[is_now, was] for is_now, was in zip_longest(now, before) if is_now != was]
        found["differs"] = [probe.undo_texts(), apart]
        if found["undone"]:
            break
        yield 0.3
    yield from probe.closed(handle)
    handle = yield from probe.opened(str(path))
    yield lambda: snapshot(handle)[-1] == with_frames[-1]
    found["reopened"] = [snapshot(handle) == with_frames, list(colours_of(handle)), handle.modified()]
    yield from probe.closed(handle)
    path.unlink()


# What there is to paint. Each is a generator for ``yield from`` that returns the document.


def plain(model, depth, layers=None):
    """The photograph as the only layer of a document with these colours. ``layers``: which frames."""

    def prepared(probe, root):
        handle = yield from empty(probe, SIZE, model=model, depth=depth)
        if layers:
            root.options.load({"layers": layers})
        fill(probe, handle, handle.activeNode(), photograph(probe))
        yield from settled(handle)
        return handle

    return prepared


def sunny(probe, _root):
    """A photograph with a sun in it that is brighter than white."""
    handle = yield from empty(probe, SIZE, model="RGBA", depth="F32")
    node = handle.activeNode()
    numbers = array("f", probe.converted(photograph(probe), *SIZE, SRGB, colours_of(node)))
    for place in disk((250, 40), 24):
        numbers[4 * place : 4 * place + 3] = array("f", SUN)
    node.setPixelData(numbers.tobytes(), 0, 0, *SIZE)
    yield from settled(handle)
    return handle


def group(probe, _root):
    """Two layers, the lower one larger than the canvas."""
    handle = yield from empty(probe, SIZE, model="RGBA", depth="U16")
    background = handle.activeNode()
    folder = handle.createGroupLayer("picture")
    handle.rootNode().addChildNode(folder, None)
    size = (400, 268)
    lower = handle.createNode("lower", "paintlayer")
    fill(probe, handle, lower, photograph(probe, size), (-40, -30, *size))
    veil = handle.createNode("veil", "paintlayer")
    fill(probe, handle, veil, bytes((60, 90, 200, 255)) * 160 * 214, (0, 0, 160, 214))
    veil.setBlendingMode("multiply")
    for child in (lower, veil):
        folder.addChildNode(child, None)
    background.remove()
    yield from settled(handle, folder)
    return handle


def file(probe, _root):
    handle = yield from empty(probe, SIZE)
    node = handle.createFileLayer("photograph", os.environ["NST_TEST_CONTENT"], "None")
    handle.rootNode().addChildNode(node, None)
    yield lambda: not node.bounds().isEmpty()  # Krita reads the file by and by
    yield from settled(handle, node)
    return handle


def hole(probe, _root):
    """A cut-out with a hole and a soft edge, inside a group, above another layer."""
    handle = yield from empty(probe, SIZE)
    fill(probe, handle, handle.activeNode(), bytes((200, 180, 160, 255)) * SIZE[0] * SIZE[1])
    folder = handle.createGroupLayer("folder")
    handle.rootNode().addChildNode(folder, None)
    node = handle.createNode("cut-out", "paintlayer")
    pixels = bytearray(photograph(probe))
    for column in range(80):  # soft to the right
        pixels[4 * (SIZE[0] - 1 - column) + 3 :: 4 * SIZE[0]] = bytes([column * 255 // 80]) * SIZE[1]
    for place in disk((120, 110), 45):
        pixels[4 * place : 4 * place + 4] = bytes(4)
    fill(probe, handle, node, bytes(pixels))
    folder.addChildNode(node, None)
    yield from settled(handle, node)
    return handle


def selection(probe, root):
    """A part with soft borders."""
    handle = yield from plain("RGBA", "U16")(probe, root)
    handle.setSelection(rectangular(90, 50, 140, 100, feather=12))
    yield from settled(handle)
    return handle


def regions(probe, root):
    """One style inside what was selected, another where a layer has paint, none in between."""
    from nst_krita.model.document_model import region_layers

    handle = yield from plain("RGBA", "U8")(probe, root)
    source, washes = handle.activeNode(), handle.createNode("washes", "paintlayer")
    fill(probe, handle, washes, bytes((0, 0, 255, 255)) * 110 * 214, (210, 0, 110, 214))
    washes.setVisible(False)
    handle.rootNode().addChildNode(washes, None)
    root.add_file(os.environ["NST_TEST_BLUE_STYLE"])
    handle.setSelection(rectangular(0, 0, 110, 214))
    yield from settled(handle, source)
    root.limit(root.styles.styles[0])
    root.limit(root.styles.styles[1], next(layer for layer in region_layers() if layer.name == "washes"))
    probe.trigger("deselect")
    yield lambda: handle.selection() is None
    return handle


def wide(probe, root):
    handle = yield from empty(probe, WIDE)
    root.options["size"], root.options["iterations"] = 512, 6
    fill(probe, handle, handle.activeNode(), photograph(probe, WIDE))
    yield from settled(handle)
    return handle


DOCUMENTS = {
    "file": file,
    "linear": plain("RGBA", "U16"),
    "float": sunny,
    "cmyk": plain("CMYKA", "U8"),
    "grey": plain("GRAYA", "U16", layers="final"),
    "lab": plain("LABA", "U16", layers="newest"),
    "group": group,
    "hole": hole,
    "selection": selection,
    "regions": regions,
    "wide": wide,
}


def empty(probe, size, **colours):
    """A new document, all of it in view."""
    handle = yield from probe.opened(size, **colours)
    probe.app.activeWindow().activeView().canvas().setZoomLevel(min(2.0, 850 / size[0]))
    yield 0.1
    area = canvas = probe.canvas()
    while not isinstance(area, probe.QtWidgets.QAbstractScrollArea):
        area = area.parentWidget()
    # Krita's many dockers make its window higher than the screen.
    seen = canvas.screen().size().height() - canvas.mapToGlobal(canvas.rect().topLeft()).y()
    for bar, hidden in ((area.horizontalScrollBar(), 0), (area.verticalScrollBar(), canvas.height() - seen)):
        bar.setValue((bar.minimum() + bar.maximum() + hidden) // 2)
    return handle


def settled(handle, active=None):
    """For ``yield from``: until Krita shows all; then make that layer the active one."""
    handle.refreshProjection()
    handle.waitForDone()
    yield 0.5
    if active is not None:
        handle.setActiveNode(active)
        yield lambda: handle.activeNode() == active


def photograph(probe, size=SIZE):
    """The picture in BGRA."""
    image = probe.QtGui.QImage(os.environ["NST_TEST_CONTENT"])
    keep, smooth = probe.QtCore.Qt.AspectRatioMode, probe.QtCore.Qt.TransformationMode
    image = image.scaled(*size, keep.IgnoreAspectRatio, smooth.SmoothTransformation)
    image = image.convertToFormat(probe.QtGui.QImage.Format.Format_ARGB32)
    pixels = image.constBits()
    pixels.setsize(image.sizeInBytes())
    return bytes(pixels)


def fill(probe, handle, node, data, area=None):
    """``data``: BGRA, as big as ``area`` or else the canvas."""
    area = area or (0, 0, handle.width(), handle.height())
    wanted = colours_of(node)
    node.setPixelData(data if wanted == SRGB else probe.converted(data, *area[2:], SRGB, wanted), *area)


def disk(centre, radius):
    """Places of its pixels in a canvas of SIZE."""
    for y in range(centre[1] - radius, centre[1] + radius + 1):
        for x in range(centre[0] - radius, centre[0] + radius + 1):
            if (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2:
                yield y * SIZE[0] + x


def rectangular(x, y, width, height, feather=0):
    chosen = Selection()
    chosen.select(x, y, width, height, 255)
    if feather:
        chosen.feather(feather)
    return chosen


# What is found.


def colours_of(node):
    return node.colorModel(), node.colorDepth(), node.colorProfile()


def rectangle(node):
    area = node.bounds()
    return [area.x(), area.y(), area.width(), area.height()]


def node_of(handle, layer_id):
    from nst_krita.host.layers import find

    return find(handle.rootNode(), layer_id)


def snapshot(handle):
    """All that a painter could miss: every layer with its pixels and its looks, at last the whole picture."""
    from nst_krita.host.layers import Layer, below

    handle.waitForDone()
    canvas = (0, 0, handle.width(), handle.height())

    def digest(pixels):
        return hashlib.sha256(pixels(*canvas).data()).hexdigest()

    nodes = [
        [
            *(node.name(), node.type(), node.visible(), node.locked(), node.opacity(), node.blendingMode()),
            *(colours_of(node), digest(node.pixelData)),
            digest(node.projectionPixelData) if Layer(node).is_shown else "",
        ]
        for node in below(handle.rootNode())
    ]
    return [*nodes, digest(handle.pixelData)]


def selected(handle):
    chosen = handle.selection()
    return chosen and chosen.pixelData(0, 0, handle.width(), handle.height()).data()


def write(probe, handle, name, source, final):
    canvas = (0, 0, handle.width(), handle.height())
    mask = selected(handle)
    if mask is not None:
        (probe.work / f"{name}.mask").write_bytes(mask)
    colours = colours_of(handle)
    for kind, pixels in (("source", source.projectionPixelData), ("final", final.pixelData)):
        data = pixels(*canvas).data()
        (probe.work / f"{name}.{kind}").write_bytes(data)
        shown = data if colours == SRGB else probe.converted(data, *canvas[2:], colours)
        (probe.work / f"{name}.{kind}.screen").write_bytes(shown)
