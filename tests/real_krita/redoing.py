"""Runs inside Krita, for frames_probe.py: frames while one can redo, and above those of an earlier job."""

from nst_probe.hiding import stroke
from nst_probe.inserting import Job, layered, tree

#: Longer than a frame needs that does not wait.
WAIT = 2.5


def redoing(probe, host, pen):
    handle = yield from layered(probe)
    yield from stroke(probe, pen)
    probe.trigger("edit_undo")
    yield 0.5
    job = Job(host, pen)
    job.put(1)
    yield job.has(1)
    found = {"given_up": probe.undo_texts()[-1]}
    job.put(2)
    yield job.has(1, 2)
    yield from stroke(probe, pen)
    before = probe.undo_texts()
    probe.trigger("edit_undo")
    yield 0.5
    job.redo.give_up()
    probe.trigger("edit_redo")
    yield 0.5
    probe.trigger("edit_undo")  # with Krita's words of what was given up
    yield 0.5
    job.put(3)
    yield lambda: job.frames.keeps_redo
    yield WAIT
    found["waits"] = [list(job.inserted), job.frames.pending]
    probe.trigger("edit_redo")
    yield job.has(1, 2, 3)
    yield 0.5
    found["redone"] = probe.undo_texts()[len(before) - 1 :]
    yield from stroke(probe, pen)
    probe.trigger("edit_undo")
    yield 0.5
    job.put(4)
    yield WAIT
    found["waits_again"] = list(job.inserted)
    job.redo.give_up()
    yield job.has(1, 2, 3, 4)
    yield 0.5
    found["asked_for"] = probe.undo_texts()[-1]
    job.frames.close()
    later = Job(host, pen, "Later", others=lambda: [job.frames.group_id])
    later.put(1)
    yield later.has(1)
    yield 0.5
    found["tree"] = [name for name, _visible, _children in tree(handle)]
    probe.record(redoing=found)
    later.frames.close()
    yield from probe.closed(handle)
