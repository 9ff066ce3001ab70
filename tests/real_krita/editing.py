"""Runs inside Krita, for pen_probe.py: what the painter does to a frame otherwise than with strokes."""

from nst_probe.inserting import SIDE, Job, layered


class Told:
    """Four frames, and those of them of which a watch has told that they were changed."""

    def __init__(self, probe, host, pen):
        self.probe, self.job, self._ids = probe, Job(host, pen), []
        self._watch = host.EditWatch(pen, lambda _document, layer: layer not in self._ids)
        self._watch.changed.connect(lambda _document, layer: self._ids.append(layer))
        self.look = self._watch.look

    def inserted(self):
        for key in (1, 2, 3, 4):
            self.job.put(key)
            yield lambda key=key: key in self.job.inserted

    def active(self, key):
        self.job.frames.show(key)  # Krita refuses to change what is hidden
        self.job.handle.setActiveNode(self.job.frames.layer_of(key).node)
        yield 0.3

    def key(self, words, changes=0):
        """Press it; until so many frames have been told of."""
        self.probe.mouse("key", words)
        yield 1.0
        yield lambda: len(self._ids) >= changes

    @property
    def names(self):
        return self.names_of(self._ids)

    def names_of(self, ids):
        keys = {self.job.frames.id_of(key): f"iteration {key}" for key in (1, 2, 3, 4)}
        return [keys[layer] for layer in ids]


def editing(probe, host, pen):
    """Keys, menus and dabs with a frame as the active layer, the image resized; which count as painting."""
    handle = yield from layered(probe)
    told, found = Told(probe, host, pen), {}
    yield from told.inserted()
    yield from told.active(1)
    probe.canvas().setFocus()
    yield from told.key("b")
    found["a key that chooses the brush"] = told.names
    handle.resizeImage(0, 0, SIDE + 40, SIDE)
    yield from told.key("b")
    found["another size of the canvas"] = told.names
    yield from told.key("ctrl+t")
    yield from told.key("Escape")
    yield from told.key("b")
    found["a transformation that is given up"] = told.names
    yield from told.key("ctrl+i", changes=1)
    found["a filter by its key"] = told.names
    yield from told.active(2)
    yield from told.key("Delete", changes=2)
    found["cleared"] = told.names
    # A menu tells nothing of what is chosen in it.
    yield from told.active(3)
    probe.click(probe.window.menuBar())
    yield 1.0
    probe.mouse("key", "Escape", "key", "Escape")
    yield 0.5
    probe.trigger("krita_filter_invert")
    yield 1.0
    told.look()
    found["a filter by its menu"] = told.names
    yield from told.active(4)
    yield pen.is_calm
    probe.click(probe.canvas())
    yield lambda: told.job.painted
    found["a dab"] = told.names_of(told.job.painted)
    probe.record(editing=found)
    told.job.frames.close()
    yield from probe.closed(handle)
