"""Frames inserted into real documents while a painter paints, undoes, deletes, flattens and closes."""

import dataclasses
import struct
import time

from krita import Selection
from nst_probe.animating import animating
from nst_probe.blending import blending
from nst_probe.hiding import hiding
from nst_probe.inserting import SIDE, Job, layered, top_left, tree
from nst_probe.redoing import redoing
from nst_probe.undoing import undoing, undoing_one


def steps(probe):
    probe.bare_package("nst_krita")
    from nst_krita import host

    pen = host.PenWatch()
    yield from inserting(probe, host, pen)
    yield from painting(probe, host, pen)
    yield from undoing(probe, host, pen)
    yield from undoing_one(probe, host, pen)
    yield from redoing(probe, host, pen)
    yield from hiding(probe, host, pen)
    yield from blending(probe, host, pen)
    yield from elsewhere(probe, host, pen)
    yield from conversions(probe, host, pen)
    yield from limits(probe, host, pen)
    yield from room(probe, host, pen)
    yield from replacing(probe, host, pen)
    yield from disappearing(probe, host, pen)
    yield from converting(probe, host, pen)
    yield from animating(probe, host, pen)
    yield from timing(probe, host, pen)


def inserting(probe, host, pen):
    handle = yield from layered(probe)
    probe.trigger("KritaShape/KisToolLine")
    chosen = Selection()
    chosen.select(20, 10, 30, 20, 255)
    chosen.feather(4)
    handle.setSelection(chosen)
    handle.setModified(False)
    yield 0.5
    proposed = {"imageWidthDef": "3000", "imageResolutionDef": "300", "colorDepthDef": "U16"}
    for name, value in proposed.items():
        probe.app.writeSetting("", name, value)
    before = probe.undo_texts()
    selected = handle.selection().pixelData(0, 0, SIDE, SIDE).data()
    job = Job(host, pen)
    actives = []
    job.put(1)
    yield lambda: actives.append(handle.activeNode().name()) or job.inserted == [1]
    yield 0.5
    probe.record(
        first_tree=tree(handle),
        first_pixel=top_left(handle),
        first_undo=probe.undo_texts()[len(before) :],
        active=handle.activeNode().name(),
        tool=probe.tool(),
        selection_same=handle.selection().pixelData(0, 0, SIDE, SIDE).data() == selected,
        modified=handle.modified(),
        documents=len(probe.app.documents()),
        proposed_anew=[value == probe.app.readSetting("", name, "") for name, value in proposed.items()],
    )
    for key in (2, 3, 4):
        job.put(key)
    yield job.has(1, 2, 3, 4)
    yield 0.5
    probe.record(
        four_tree=tree(handle),
        four_pixel=top_left(handle),
        four_undo=probe.undo_texts()[len(before) :],
        four_active=handle.activeNode().name(),
        present=job.frames.inserted,
    )
    probe.screenshot("four_frames")
    shown = job.frames.show(2)
    handle.waitForDone()
    probe.record(shown=[shown, top_left(handle), tree(handle)])
    job.frames.set_visible(False)
    handle.waitForDone()
    probe.record(group_hidden=top_left(handle), visibility_undo=len(probe.undo_texts()) - len(before))
    job.frames.set_visible(True)
    job.frames.remove()
    yield 0.5
    probe.record(
        removed=tree(handle), remove_undo=probe.undo_texts()[-1], remove_active=handle.activeNode().name()
    )
    probe.trigger("edit_undo")
    yield 0.5
    probe.record(unremoved=len(tree(handle)[1][2]))
    probe.trigger("KritaShape/KisToolBrush")
    yield from probe.closed(handle)


def painting(probe, host, pen):
    """A stroke with frames waiting before, during and after it."""
    handle = yield from layered(probe)
    background = handle.activeNode()
    canvas = probe.canvas()
    # The document is shown in the middle of its canvas.
    centre = canvas.mapToGlobal(canvas.rect().center())
    job = Job(host, pen)
    probe.mouse("mousemove", centre.x() - 40, centre.y(), "mousedown", 1)
    yield lambda: not pen.is_calm()
    job.put(1)
    job.put(2)
    probe.mouse(
        "mousemove", centre.x(), centre.y(), "sleep", 0.8, "mousemove", centre.x() + 40, centre.y() + 10
    )
    yield 2.0
    during = list(job.inserted)
    probe.mouse("mouseup", 1)
    released = time.monotonic()
    yield 0.6
    soon = list(job.inserted)
    yield lambda: len(job.inserted) >= 1
    waited = time.monotonic() - released
    yield job.has(1, 2)
    yield 0.3
    painted = background.pixelData(0, 0, SIDE, SIDE).data()
    dark = sum(1 for i in range(0, len(painted), 4) if painted[i] < 128)
    texts = probe.undo_texts()
    # The next stroke, with frames there, has to land on the same layer.
    probe.mouse("mousemove", centre.x() - 40, centre.y() + 60, "mousedown", 1)
    yield 0.2
    probe.mouse("mousemove", centre.x() + 40, centre.y() + 60, "mouseup", 1)
    yield 0.8
    again = background.pixelData(0, 0, SIDE, SIDE).data()
    probe.record(
        stroke={
            "during": during,
            "soon": soon,
            "waited": waited,
            "dark": dark,
            "undo": texts,
            "second_landed": sum(1 for i in range(0, len(again), 4) if again[i] < 128) > dark,
            "active": handle.activeNode().name(),
        }
    )
    probe.screenshot("stroke")
    job.frames.close()
    yield from probe.closed(handle)


def elsewhere(probe, host, pen):
    """Frames for a document that the painter is not looking at, and a job removed while a layer is added."""
    handle = yield from layered(probe)
    job = Job(host, pen)
    other = yield from probe.opened((60, 60))
    job.put(1)
    yield job.has(1)
    yield 0.3
    found = {"tree": tree(handle), "current": host.current() != job.document, "other": tree(other)}
    found.update(other_active=other.activeNode().name(), active=handle.activeNode().name())
    yield from probe.closed(other)
    job.put(2)
    yield lambda: job.frames._busy
    job.frames.remove()
    yield lambda: job.skipped == [2]
    yield 0.5
    found["removed"] = [tree(handle), job.told(), handle.activeNode().name()]
    short = host.PixelBlock(b"123", 2, 2)
    try:
        job.frames.put(host.Frame(3, "short", short))
    except ValueError as error:
        found["short"] = str(error)
    probe.record(elsewhere=found)
    yield from probe.closed(handle)


def conversions(probe, host, pen):
    """A job removed while its first frame's conversion is put away, and a frame that cannot be converted."""
    from nst_krita.host import conversion, frames

    handle = yield from layered(probe)
    job = Job(host, pen)
    close = conversion.Converter.close
    removed = []

    def close_while_the_painter_cancels(converter):
        removed.append(job.frames.remove())
        close(converter)

    wider = host.PixelBlock(bytes((1, 20, 30, 255)) * SIDE, SIDE, 1, dtype="uint8", channels="BGRA")
    wider = dataclasses.replace(wider, data=struct.pack("<4H", 1, 2, 3, 65535) * SIDE, dtype="uint16")
    conversion.Converter.close = close_while_the_painter_cancels
    job.frames.put(host.Frame(1, "wider", wider))
    yield lambda: bool(removed)
    yield 0.8
    conversion.Converter.close = close
    probe.record(put_away={"tree": tree(handle), "told": job.told(), "pending": job.frames.pending})

    job = Job(host, pen)
    raised, step, convert = [], frames.Conversion.step, job.frames._convert

    def fail(_conversion):
        frames.Conversion.step = step
        return 1 / 0

    def convert_and_tell(*arguments):
        try:
            convert(*arguments)
        except ZeroDivisionError as error:
            raised.append(type(error).__name__)

    frames.Conversion.step, job.frames._convert = fail, convert_and_tell
    job.put(1)
    job.put(2)
    yield job.has(2)
    probe.record(failing={"told": job.told(), "raised": raised})
    job.frames.close()
    yield from probe.closed(handle)


def limits(probe, host, pen):
    handle = yield from layered(probe)
    before = len(probe.undo_texts())
    job = Job(host, pen, max_steps=3)
    for key in (1, 2, 3, 4):
        job.put(key)
    job.put(9, final=True)
    yield lambda: 9 in job.inserted
    yield 0.3
    probe.record(limit=[job.told(), len(probe.undo_texts()) - before, tree(handle)])
    job.frames.close()
    yield from probe.closed(handle)


def room(probe, host, pen):
    """Frames of which four take a byte more than there is room for; what a pixel takes."""
    from nst_krita.host import colour

    found = {}
    for model, depth in (("RGBA", "U8"), ("GRAYA", "U16"), ("CMYKA", "F32"), ("LABA", "U16")):
        if depth in probe.app.colorDepths(model):
            handle = yield from probe.opened((8, 8), model=model, depth=depth)
            pixel = handle.activeNode().pixelData(0, 0, 1, 1).data()
            found[model + depth] = [colour.pixel_bytes(host.current().colours), len(pixel)]
            yield from probe.closed(handle)
    handle = yield from layered(probe)
    size = 4 * SIDE * SIDE
    job = Job(host, pen, max_bytes=4 * size - 1)
    for key in (1, 2, 3):
        job.put(key)
    yield lambda: job.held
    job.put(4, final=True)
    yield lambda: 4 in job.inserted
    yield 0.3
    job.put_again(3)
    yield lambda: 3 in job.inserted
    yield 0.3
    found["frames"] = [job.told(), job.held == [[3, size]], [frame[0] for frame in tree(handle)[1][2]]]
    job.frames.close()
    yield from probe.closed(handle)
    probe.record(room=found)


def replacing(probe, host, pen):
    handle = yield from layered(probe)
    before = len(probe.undo_texts())
    job = Job(host, pen, replace=True)
    job.put(1)
    yield job.has(1)
    handle.setModified(False)
    job.put(2)
    job.put(3)
    yield lambda: 3 in job.inserted
    yield 0.3
    found = {
        "skipped": job.told()["skipped"],
        "tree": tree(handle),
        "pixel": top_left(handle),
        "modified": handle.modified(),
    }
    found["locked"] = job.frames.layer_of(3).node.locked()
    job.put(9, final=True)
    yield lambda: 9 in job.inserted
    yield 0.3
    found.update(
        final=tree(handle),
        undo=len(probe.undo_texts()) - before,
        unlocked=not job.frames.layer_of(9).node.locked(),
        active=handle.activeNode().name(),
    )
    probe.trigger("edit_undo")
    yield 0.5
    found["undone"] = tree(handle)
    probe.trigger("edit_redo")
    yield 0.5
    found["redone"] = top_left(handle)
    job.redo.give_up()
    job.put_again(5)
    yield lambda: 5 in job.skipped
    found["older"] = [tree(handle), top_left(handle)]
    # As with a layer that the painter has unlocked.
    job.painted.add(job.frames.id_of(9))
    job.put(12)
    yield lambda: 12 in job.inserted
    yield 0.3
    found["painted"] = [tree(handle), len(probe.undo_texts()) - before, job.frames.inserted]
    job.put(13)
    yield lambda: 13 in job.inserted
    yield 0.3
    found["above"] = [tree(handle), len(probe.undo_texts()) - before, job.frames.inserted]
    probe.record(replacing=found)
    job.frames.close()
    yield from probe.closed(handle)


def disappearing(probe, host, pen):
    # Flattened before the first frame: the source is gone, the frames come to the top.
    handle = yield from layered(probe)
    early, late = Job(host, pen, "late source"), Job(host, pen, "flattened")
    late.put(1)
    yield late.has(1)
    handle.flatten()
    yield 1.0
    early.put(2)
    late.put(3)
    yield lambda: early.inserted == [2] and late.skipped == [3]
    yield 0.3
    probe.record(flattened=[tree(handle), late.told()])
    # Closed with frames waiting, one of them in the middle of being added.
    for key in range(4, 12):
        early.put(key)
    yield lambda: 4 in early.inserted
    handle.setModified(False)
    handle.close()
    yield lambda: early.frames.pending == 0
    yield 0.5
    early.put(12)
    probe.record(closed_late=[early.skipped[-1], early.frames.pending])
    probe.record(closed=early.told(), closed_remove=early.frames.remove(), closed_reason=early.frames.gone)


def converting(probe, host, pen):
    """Frames with the colours that the document had when the job was started."""
    handle = yield from layered(probe)
    job = Job(host, pen)
    job.put(1)
    yield job.has(1)
    yield 0.3
    handle.setColorSpace("RGBA", "U16", handle.colorProfile())
    handle.waitForDone()
    yield 0.3
    job.put(2)
    yield lambda: job.skipped == [2]
    probe.record(converted=[tree(handle), job.told()])
    job.frames.close()
    yield from probe.closed(handle)


def timing(probe, host, pen):
    """Milliseconds for each of four frames at 2048×2048: as a whole, and inside Krita's own calls."""
    side = 2048
    handle = yield from layered(probe, side)
    job = Job(host, pen)
    taken = []
    spent = probe.count_krita_time()
    insert = job.frames._insert

    def timed(frame):
        inside, begin = spent(), time.perf_counter()
        insert(frame)
        taken.append([(time.perf_counter() - begin) * 1000, (spent() - inside) * 1000])

    job.frames._insert = timed
    for key in (1, 2, 3, 4):
        job.put(key, side=side)
        yield (job.has(*range(1, key + 1)), 60)
    probe.record(insert_2k_ms=taken)
    inside, begin = spent(), time.perf_counter()
    for _ in range(20):
        job.frames._poll()
        pen.is_calm()
    polled = (time.perf_counter() - begin) * 50
    probe.record(poll_2k_ms=[polled, (spent() - inside) * 50])
    job.frames.close()
    yield from probe.closed(handle)
