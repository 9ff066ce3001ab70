"""Runs inside Krita, for probes: frames put into a document, and what became of them."""

SIDE = 240


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
        self.inserted, self.skipped, self.gone, self.animated = [], [], [], []
        document = host.current()
        self.document, self.handle = document, document.handle
        self.frames = host.FrameInserter(
            document,
            document.source(),
            group,
            pen,
            on_inserted=self.inserted.append,
            on_skipped=self.skipped.append,
            on_gone=self.gone.append,
            on_animated=lambda *told: self.animated.append(list(told)),
            **options,
        )

    def put(self, key, final=False, **options):
        name = "final" if final else f"iteration {key}"
        self.frames.put(self.host.Frame(key, name, block(self.host, key, **options), final))

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
