"""How long Krita's event loop stands still while a layer is read and frames come; run by measure.py.

All in milliseconds. A pair is what a call took as a whole, and what of it was spent inside Krita's own calls;
``wait`` is the longest that the event loop was away, with all that Krita still has to draw afterwards.
"""

import hashlib
import os
import struct
import time
from pathlib import Path

from nst_probe.inserting import Calm, read_in_turns
from nst_probe.stepper import EventLoop

CODES = {"U8": "B", "U16": "H", "F16": "e", "F32": "f"}
LARGEST = {"U8": 255, "U16": 65535, "F16": 1.0, "F32": 1.0}
#: Until the painter's screen is still again, in seconds.
CALM = 1.0
#: Longest side of the small picture that Krita enlarges to the document's size.
SMALL = 512
#: Krita takes longer than anybody waits to enlarge a file to more, in px.
LARGEST_FILE = 4096


def steps(probe):
    probe.bare_package("nst_krita")
    from nst_krita import host

    loop, spent, found = EventLoop(), probe.count_krita_time(), {}
    for case in os.environ["NST_TEST_CASES"].split():
        model, depth, side = case.split(":")
        handle = yield from painted(probe, model, depth, int(side))
        measured = {}
        yield from inserting(host, loop, spent, measured)
        yield from probe.closed(handle)
        handle = yield from painted(probe, model, depth, int(side))
        yield from replacing(host, loop, spent, measured)
        yield from probe.closed(handle)
        if (model, depth) == ("RGBA", "U8") and int(side) <= LARGEST_FILE:
            for name, shown_side in (("file", int(side)), ("small_file", min(SMALL, int(side)))):
                handle = yield from painted(probe, model, depth, int(side))
                yield from file_layer(probe, handle, shown_side, loop, measured, name)
                yield from probe.closed(handle)
        found[case] = measured
        probe.record(found=found)


def painted(probe, model, depth, side):
    """A document with one layer of one colour."""
    handle = yield from probe.opened((side, side), model=model, depth=depth)
    half = [LARGEST[depth] / 2] * (4 if model == "CMYKA" else 3)
    numbers = [int(n) if depth[0] == "U" else n for n in half] + [LARGEST[depth]]
    strip = struct.pack(f"<{len(numbers)}{CODES[depth]}", *numbers) * side * 64
    for row in range(0, side, 64):
        handle.activeNode().setPixelData(strip, 0, row, side, 64)
    handle.refreshProjection()
    yield CALM
    return handle


def timed(call, taken, spent):
    def run(*arguments):
        begin, inside = time.perf_counter(), spent()
        try:
            return call(*arguments)
        finally:
            taken.append(
                [round(1000 * (time.perf_counter() - begin), 1), round(1000 * (spent() - inside), 1)]
            )

    return run


def frame_of(host, document):
    """The document's active layer as a frame that the server has sent."""
    block = host.read_content(document, document.source()).pixels
    digest = hashlib.sha256(block.icc).hexdigest() if block.icc else None
    return host.PixelBlock(data=bytes(block.data), **block.description, icc_digest=digest)


def inserting(host, loop, spent, measured):
    """Reading, the first frame with its group, a later one."""
    document, turns, done = host.current(), [], []
    host.read_content(document, document.source())  # a profile is asked for only once
    measured["read"] = read_in_turns(host, spent)
    block = frame_of(host, document)
    inserter = host.FrameInserter(document, document.source(), "frames", Calm(), on_inserted=done.append)
    inserter._advance = timed(inserter._advance, turns, spent)
    for name in ("first", "later"):
        del turns[:], done[:]
        loop.take()
        inserter.put(host.Frame(name, name, block))
        yield (lambda: done, 300)
        yield CALM
        measured[name] = {"turns": list(turns), "wait": loop.take()}
    inserter.close()


def replacing(host, loop, spent, measured):
    """A later frame of one layer that changes."""
    document, turns, done = host.current(), [], []
    block = frame_of(host, document)
    inserter = host.FrameInserter(
        document, document.source(), "frames", Calm(), replace=True, on_inserted=done.append
    )
    inserter._advance = timed(inserter._advance, turns, spent)
    for name in ("one", "two"):
        del turns[:], done[:]
        loop.take()
        inserter.put(host.Frame(name, name, block))
        yield (lambda: done, 300)
        yield CALM
    measured["in place"] = {"turns": list(turns), "wait": loop.take()}
    inserter.close()


def file_layer(probe, handle, side, loop, measured, name):
    """Instead of a layer's pixels: a file that Krita reads again and enlarges to the document's size."""
    path = probe.work / "frame.bmp"

    def write(colour):
        image = probe.QtGui.QImage(side, side, probe.QtGui.QImage.Format.Format_RGB32)
        image.fill(colour)
        draft = path.with_suffix(".part")
        image.save(str(draft), "BMP")
        Path(draft).replace(path)

    write(0xFF1080FF)
    node = handle.createFileLayer("frame", str(path), "ToImageSize")
    handle.rootNode().addChildNode(node, None)
    yield (lambda: pixel(handle) == "ff8010ff", 60)
    yield CALM
    write(0xFFFF8010)
    loop.take()
    began = time.perf_counter()
    node.resetCache()
    yield (lambda: pixel(handle) == "1080ffff", 60)
    shown = round(1000 * (time.perf_counter() - began))
    yield CALM
    measured[name] = {"shown": shown, "wait": loop.take()}


def pixel(handle):
    return handle.pixelData(5, 5, 1, 1).data().hex()
