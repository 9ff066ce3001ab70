"""Runs inside Krita, for frames_probe.py: frames that are undone, redone, deleted, and put in again."""

import time

from nst_probe.inserting import Job, layered, top_left, tree


def undoing(probe, host, pen):
    handle = yield from layered(probe)
    job = Job(host, pen)
    job.put(1)
    job.put(2)
    yield job.has(1, 2)
    yield 0.3
    found = {}
    probe.trigger("edit_undo")
    yield lambda: job.frames.inserted == [1]
    yield lambda: top_left(handle).startswith("01")
    found["undone"] = tree(handle)
    probe.trigger("edit_redo")
    yield lambda: job.frames.inserted == [1, 2]
    yield lambda: top_left(handle).startswith("02")
    yield 0.5
    found["redone"] = [tree(handle), top_left(handle)]
    probe.trigger("edit_undo")
    yield 0.5
    probe.trigger("edit_undo")
    yield lambda: job.frames.gone is not None
    yield 0.3
    found["group_undone"] = tree(handle)
    job.put(3)
    job.put(4)
    yield lambda: len(job.skipped) == 2
    yield 0.3
    found["not_recreated"] = [tree(handle), job.told()]
    probe.trigger("edit_redo")
    yield lambda: job.frames.gone is None
    job.redo.give_up()  # although frame 2 could still be redone
    job.put(5)
    yield lambda: 5 in job.inserted
    yield 0.3
    found["back"] = [tree(handle), job.told(), top_left(handle)]
    probe.record(undoing=found)
    job.frames.close()
    yield from probe.closed(handle)


def undoing_one(probe, host, pen):
    """Single frames undone and deleted long after they came, and put in again."""
    handle = yield from layered(probe)
    job = Job(host, pen)
    for key in (1, 2, 3, 4):
        job.put(key)
    yield job.has(1, 2, 3, 4)
    yield 1.5
    found, began = {}, time.monotonic()
    job.frames._idle_turns = 50
    job.frames._timer.setInterval(1000)
    probe.trigger("edit_undo")
    yield lambda: job.changes[-1] == [1, 2, 3]
    found["noticed"] = time.monotonic() - began
    probe.trigger("edit_redo")
    yield lambda: job.changes[-1] == [1, 2, 3, 4]
    probe.trigger("edit_undo")
    yield lambda: job.changes[-1] == [1, 2, 3]
    job.put_again(4)
    yield lambda: job.inserted.count(4) == 2
    yield 0.3
    found["again"] = [tree(handle), top_left(handle), job.frames.inserted]
    for key in (2, 1):
        job.frames.layer_of(key).node.remove()
        yield lambda key=key: key not in job.changes[-1]
    for key in (2, 1):
        job.put_again(key)
        yield lambda key=key: job.inserted.count(key) == 2
    yield 0.3
    found["deleted"] = [tree(handle), top_left(handle), job.frames.inserted]
    for _ in range(4):  # back to where both were there as they came first
        probe.trigger("edit_undo")
        yield 0.5
    yield lambda: job.changes[-1] == [1, 2, 3, 4]
    yield lambda: len([node for node in tree(handle)[1][2] if node[1]]) == 1
    found["undone"] = tree(handle)
    probe.record(undoing_one=found)
    job.frames.close()
    yield from probe.closed(handle)
