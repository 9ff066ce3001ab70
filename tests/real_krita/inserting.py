"""Runs inside Krita, for probes: frames put into a document, and what became of them."""

import time

from nst_probe.stepper import QtCore

SIDE = 240


class Calm(QtCore.QObject):
    """A pen that is always up."""

    pressed = QtCore.pyqtSignal()
    touched = QtCore.pyqtSignal(object, str)

    def start(self):
        pass

    def is_calm(self):
        return True

    def hindrance(self):
        return ("", False)

    def has_painted(self, _document, _since):
        return False


def block(host, value, side=SIDE, x=0, y=0):
    """A plain opaque square: blue, green and red are ``value``, 20 and 30."""
    return host.PixelBlock(bytes((value, 20, 30, 255)) * side * side, side, side, x, y)


def tree(handle):
    """Names of all layers with their visibility, groups with their children; the lowest first."""

    def names(node):
        return [[child.name(), child.visible(), names(child)] for child in node.childNodes()]

    return names(handle.rootNode())


class Job:
    """An inserter whose callbacks are written down."""

    def __init__(self, host, pen, group="Starry Night", **options):
        self.host = host
        self.inserted, self.skipped, self.held, self.gone, self.animated = [], [], [], [], []
        self.changes = []  # the frames that were there after each
        self.painted = set()
        pen.touched.connect(lambda _document, layer: self.painted.add(layer))
        document = host.current()
        self.document, self.handle = document, document.handle
        self.redo = host.RedoWatch(document)
        self.placing = host.Placing(document, document.source().id)
        self.frames = host.FrameInserter(
            document,
            document.source(),
            group,
            pen,
            redo=self.redo,
            placing=self.placing,
            painted=lambda: self.painted,
            on_inserted=self.inserted.append,
            on_skipped=self.skipped.append,
            on_held=lambda *told: self.held.append(list(told)),
            on_changed=lambda: self.changes.append(self.frames.inserted),
            on_gone=self.gone.append,
            on_animated=lambda *told: self.animated.append(list(told)),
            **options,
        )

    def put(self, key, final=False, name="", **options):
        name = name or ("final" if final else f"iteration {key}")
        self.frames.put(self.host.Frame(key, name, block(self.host, key, **options), final))

    def put_again(self, key):
        """Put it as one that the painter asked for."""
        self.redo.give_up()
        self.put(key, True, f"iteration {key}")

    def has(self, *keys):
        return lambda: self.inserted == list(keys)

    def told(self):
        return {name: list(getattr(self, name)) for name in ("inserted", "skipped", "gone")}


def top_left(handle):
    return handle.pixelData(5, 5, 1, 1).data().hex()


def layered(probe, side=SIDE):
    """A document with a white Background, its view, and one layer above that stays out of the way."""
    handle = yield from probe.opened((side, side))
    background = handle.activeNode()
    background.setPixelData(b"\xff" * side * side * 4, 0, 0, side, side)
    above = handle.createNode("above", "paintlayer")
    handle.rootNode().addChildNode(above, background)
    yield 0.3
    handle.setActiveNode(background)
    handle.refreshProjection()
    yield 0.3
    return handle


def read_in_turns(host, spent):
    """Read the active layer; of each turn of the event loop: ms as a whole, and inside Krita's calls.

    ``spent``: what the probe's ``count_krita_time`` returned.
    """
    from nst_krita.host import colour, reading

    give_way, turns, began = reading.give_way, [], []

    def begin():
        began[:] = time.perf_counter(), spent()

    def end():
        turns.append(
            [round(1000 * (time.perf_counter() - began[0]), 1), round(1000 * (spent() - began[1]), 1)]
        )

    def turn():
        end()
        give_way()
        begin()

    reading.give_way = colour.give_way = turn
    begin()
    host.read_content(host.current(), host.current().source())
    end()
    reading.give_way = colour.give_way = give_way
    return turns
