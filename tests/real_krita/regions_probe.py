"""Where styles paint: colours of a layer, chosen with the mouse, in any colour space; selections kept."""

import os
import threading
import time
import zlib

import krita
from nst_probe.docker import floating
from nst_probe.stepper import EventLoop

SIZE = (240, 160)
#: Blue, green, red, alpha; and how many px wide.
STRIPES = (((40, 60, 200, 255), 100), ((190, 90, 30, 128), 80), ((60, 150, 40, 255), 40))
LARGE = 2048
SPACES = (
    ("RGBA", "U16", "sRGB-elle-V2-srgbtrc.icc"),
    ("RGBA", "F32", "sRGB-elle-V2-g10.icc"),
    ("CMYKA", "U8", ""),
    ("LABA", "U16", ""),
    ("GRAYA", "U8", ""),
)


def steps(probe):
    handle = yield from probe.opened(SIZE)
    probe.trigger("nst_krita")
    dock = yield from floating(probe, top=30, height=860)
    root = dock.widget()._root
    requests = []
    submit = root._network.submit
    root._network.submit = lambda request: (requests.append(request), submit(request))
    for number in range(3):
        root.add_file(os.environ[f"NST_TEST_STYLE_{number}"])
    yield from painted(probe, handle, SIZE)
    yield from chosen_by_mouse(probe, dock, root)
    yield from divided_by_mouse(probe, dock, root, requests)
    probe.record(presets=presets(root))
    yield from elsewhere(probe, root)
    yield from probe.closed(handle)
    yield from large(probe)
    yield from other_spaces(probe)
    yield from selections(probe, root, requests)
    probe.QtCore.QTimer.singleShot(0, root.close)
    yield 2.0


def painted(probe, handle, size, name="map"):
    """An opaque background and a hidden layer in stripes, with an edge blended between the first two."""
    handle.activeNode().setPixelData(bytes([200, 200, 200, 255]) * (size[0] * size[1]), 0, 0, *size)
    layer = handle.createNode(name, "paintlayer")
    layer.setPixelData(stripes() * size[1], 0, 0, sum(width for _pixel, width in STRIPES), size[1])
    layer.setVisible(False)
    background = handle.activeNode()
    handle.rootNode().addChildNode(layer, None)
    yield 0.5
    handle.setActiveNode(background)
    handle.refreshProjection()
    handle.waitForDone()
    yield 0.5


def stripes():
    row = b"".join(bytes(pixel) * width for pixel, width in STRIPES)
    one, other = STRIPES[0][0], STRIPES[1][0]
    edge = [bytes(round(a + (b - a) * step / 4) for a, b in zip(one, other)) for step in (1, 2, 3)]
    at = 4 * STRIPES[0][1]
    return row[: at - 8] + b"".join(edge) + row[at + 4 :]


def layer_of(name="map"):
    from nst_krita.model.document_model import region_layers

    return next(layer for layer in region_layers() if layer.name == name)


def row_of(probe, dock, index):
    found = [w for w in dock.findChildren(probe.QtWidgets.QWidget) if type(w).__name__ == "StyleRow"]
    return sorted((row for row in found if row.isVisible()), key=lambda row: row.y())[index]


def chosen(probe, dock, row, names, shot=""):
    """For ``yield from``: click through a style's menu; returns what the last menu says."""
    popup = probe.QtWidgets.QApplication.activePopupWidget
    button = row_of(probe, dock, row).findChild(probe.QtWidgets.QToolButton)
    probe.QtCore.QTimer.singleShot(0, button.click)  # Qt's own menu buttons run their menu's loop
    yield lambda: popup() is not None
    menu = popup()
    for depth, name in enumerate(names):
        yield 0.7
        texts = [action.text() for action in menu.actions()]
        entry = next(action for action in menu.actions() if action.text().startswith(name))
        if depth == len(names) - 1:
            probe.screenshot(shot)
        probe.click(menu, menu.actionGeometry(entry))
        menu = entry.menu()
        yield menu.isVisible if menu is not None else lambda: popup() is None
    yield 0.3
    return texts


def chosen_by_mouse(probe, dock, root):
    names = ("Paint only where a layer has this colour", "map", "#")
    swatches = yield from chosen(probe, dock, 1, names, "swatches")
    style = root.styles.styles[1]
    dock.grab().save(str(probe.out / "docker_colour.png"))
    probe.record(
        swatches=swatches, chosen=[style.region.words, style.region.to_json()["colour"], root.message]
    )
    names = ("Paint only where a layer has this colour", "Background", "#")
    swatches = yield from chosen(probe, dock, 1, names, "background")
    probe.record(of_background=swatches)


def divided_by_mouse(probe, dock, root, requests):
    entries = yield from chosen(probe, dock, 0, ("Regions from the colours of", "map"), "dividing")
    probe.record(dividing=entries, divided=[style.region.colour for style in root.styles.styles])
    probe.record(dividing_message=root.message)
    probe.trigger("nst_start")
    yield lambda: requests
    masks = [mask() for mask in requests[-1].style_masks]
    rows = [mask.data[5 * SIZE[0] : 6 * SIZE[0]] for mask in masks]
    probe.record(
        masks=[[mask.x, mask.y, mask.width, mask.height, mask.channels] for mask in masks],
        all_rows=[mask.data == row * SIZE[1] for mask, row in zip(masks, rows)],
        rows=[list(row) for row in rows],
        alpha=list(stripes()[3::4]),
    )


def presets(root):
    """A preset chosen here leaves the regions alone."""
    root.presets.save("Mine")
    root.choose_preset(root.presets.current)
    return [style.region is not None for style in root.styles.styles]


def elsewhere(probe, root):
    """The same preset chosen in another document takes them away."""
    other = yield from probe.opened(SIZE)
    root.choose_preset(root.presets.current)
    probe.record(presets_elsewhere=[style.region is not None for style in root.styles.styles])
    yield from probe.closed(other)


def read(layer, size):
    """Colours of the layer; and their masks, as for a job on the whole canvas."""
    from nst_krita import host
    from nst_krita.model.regions import ColourRegion, colours_of, masks_of

    document = host.current()
    colours, _problem = colours_of(document, layer)
    regions = [ColourRegion(document, layer, colour) for colour, _share in colours]
    return colours, lambda: masks_of(regions, document, host.PixelBlock(b"", *size))


def large(probe):
    """What holds the event loop up while a layer of 2 k is looked at, read, and divided in a thread."""
    handle = yield from probe.opened((LARGE, LARGE))
    row = stripes() * (LARGE // SIZE[0] + 2)
    handle.activeNode().setPixelData(row[: 4 * LARGE] * LARGE, 0, 0, LARGE, LARGE)
    yield 1.0
    handle.waitForDone()
    loop, away, made = EventLoop(time.thread_time), {}, []
    yield 0.3
    loop.take()
    colours, masks_of = read(layer_of(handle.activeNode().name()), (LARGE, LARGE))
    yield
    away["looking"] = loop.take()
    masks = masks_of()
    yield
    away["reading"] = loop.take()
    thread = threading.Thread(target=lambda: made.extend(mask() for mask in masks))
    thread.start()
    yield lambda: not thread.is_alive()
    away["dividing"] = loop.take()
    whole = [len(mask.data) == LARGE * LARGE for mask in made]
    probe.record(large=[len(colours), whole], away=away)
    yield from probe.closed(handle)


def other_spaces(probe):
    """The same layer where the document has other colours."""
    found = {}
    for model, depth, profile in SPACES:
        handle = yield from probe.opened(SIZE)
        yield from painted(probe, handle, SIZE)
        handle.setColorSpace(model, depth, profile or probe.app.profiles(model, depth)[0])
        handle.waitForDone()
        yield 0.5
        undo = probe.undo_texts()
        colours, masks_of = read(layer_of(), SIZE)
        rows = [mask().data[: SIZE[0]] for mask in masks_of()]
        found[f"{model} {depth}"] = {
            "space": [handle.colorModel(), handle.colorDepth()],
            "colours": [colour for colour, _share in colours],
            "runs": [[(part[0], len(part)) for part in runs(row)] for row in rows],
            "undo": probe.undo_texts() == undo,
        }
        yield from probe.closed(handle)
    probe.record(spaces=found)


def runs(row):
    """A row of a mask as its runs of one number."""
    parts = []
    for number in row:
        if parts and parts[-1][0] == number:
            parts[-1].append(number)
        else:
            parts.append([number])
    return parts


def selections(probe, root, requests):
    """A feathered selection of a saved document is there when it is opened again; cropped, it is not."""
    root.styles.remove(root.styles.styles[2])
    root.styles.remove(root.styles.styles[1])
    handle = yield from probe.opened(SIZE)
    handle.activeNode().setPixelData(bytes([9, 99, 199, 255]) * (SIZE[0] * SIZE[1]), 0, 0, *SIZE)
    selection = krita.Selection()
    selection.select(40, 30, 120, 90, 255)
    other = krita.Selection()
    other.select(100, 80, 100, 60, 200)
    selection.add(other)
    selection.feather(9)
    handle.setSelection(selection)
    yield 0.5
    style = root.styles.styles[0]
    root.limit(style)
    before = style.region.read()
    handle.setSelection(None)
    handle.setModified(False)
    yield 0.3
    count = len(requests)
    probe.trigger("nst_start")
    yield lambda: len(requests) > count
    sent = requests[-1].style_masks[0]
    modified = handle.modified()
    annotations = [name for name in handle.annotationTypes() if "mask" in name]
    path = probe.work / "selected.kra"
    yield from probe.saved(handle, path)
    yield from probe.closed(handle)
    style.region = None
    handle = yield from probe.opened(str(path))
    yield 1.0
    found = {
        "message": root.message,
        "offers": [offer.words for offer in root.documents.offers],
        "annotations": [annotations, [name for name in handle.annotationTypes() if "mask" in name]],
        "modified": [modified, handle.modified()],
    }
    for offer in root.documents.offers:
        root.take(offer)
    after = root.styles.styles[0].region.read()
    place = [[mask.x, mask.y, mask.width, mask.height, zlib.crc32(mask.data)] for mask in (before, after)]
    found.update(
        words=root.styles.styles[0].region.words,
        place=place,
        same=bytes(before.data) == bytes(after.data),
        levels=len(set(before.data)),
        sent=[sent.width, sent.height, sum(sent.data) == sum(before.data)],
    )
    root.styles.styles[0].region = None
    handle.crop(0, 0, 100, 100)
    handle.waitForDone()
    yield 0.5
    found["cropped"] = [
        root._in_use.use(root.documents.history(root_document()).settings, root_document()),
        root.styles.styles[0].region is None,
    ]
    probe.record(selection=found)
    yield from probe.closed(handle)


def root_document():
    from nst_krita import host

    return host.current()
