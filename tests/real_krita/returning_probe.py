"""Documents that are closed while their job runs, and opened again: where the job and its frames go on.

The server's worker is scripted: an iteration takes 20 ms, each kept one is a frame.
"""

import os
from pathlib import Path

from nst_probe import docker

SIDE = (64, 48)
JOB_SECONDS = 90


def steps(probe):
    dock, root = yield from docker.show(probe)
    root.add_file(os.environ["NST_TEST_STYLE"])
    root.options["encoder"] = "built-in"
    yield from unsaved(probe, dock, root)
    yield from saved(probe, root)
    yield from ended(probe, root)
    yield from lost(probe, dock, root)
    yield from without_file(probe, root)
    yield from written_down(probe, root)
    yield from painted_on(probe, root)
    yield from stopped(probe, dock, root, "stopped")
    yield from stopped(probe, dock, root, "unused")
    yield from refused(probe, root)


def layered(probe, name=""):
    """A document with the layers sky and temple, sky the active one; saved where it has a name."""
    handle = yield from probe.opened(SIDE)
    sky, temple = handle.activeNode(), handle.createNode("temple", "paintlayer")
    handle.rootNode().addChildNode(temple, None)
    sky.setName("sky")
    for node, fill in ((sky, 0xFF), (temple, 0x80)):
        node.setPixelData(bytes([fill]) * (4 * SIDE[0] * SIDE[1]), 0, 0, *SIDE)
    handle.refreshProjection()
    handle.waitForDone()
    if name:
        yield from probe.saved(handle, probe.work / name)
    handle.setActiveNode(sky)
    handle.setModified(False)
    yield 0.5
    return handle


def begun(probe, root, handle):
    """For ``yield from``: start a job; when two of its frames are there it pauses. Returns the job."""
    root.options["iterations"], root.options["frames"] = 400, "1,2,390"
    probe.trigger("nst_start")
    yield (lambda: len(docker.frames(handle)) == 2, JOB_SECONDS)
    job = root.jobs[-1]
    root.toggle_pause(job)
    yield lambda: job.state.value == "paused"
    yield 0.5
    return job


def opened(probe, name):
    """For ``yield from``: the document of that file, with temple the active layer."""
    handle = yield from probe.opened(str(probe.work / name))
    for _ in range(2):  # a busy Krita 6 makes the layer active that was so when it was saved only later
        handle.setActiveNode(handle.nodeByName("temple"))
        yield 0.5
    return handle


def saved_and_opened(probe, handle, job, name):
    """For ``yield from``: the paused job's document, saved with its two frames, closed and opened again."""
    yield from probe.saved(handle, probe.work / name)
    yield from probe.closed(handle)
    yield lambda: job.is_homeless
    handle = yield from opened(probe, name)
    yield lambda: len(job.inserted) == 2
    yield 0.5
    return handle


def finished(probe, root, handle, job):
    """For ``yield from``: let the paused job go on to its end; returns the layers."""
    root.toggle_pause(job)
    yield (lambda: docker.has_final(handle) and job.has_ended, JOB_SECONDS)
    yield 1.0
    return docker.layers(handle)


def unsaved(probe, dock, root):
    handle = yield from layered(probe, "unsaved.kra")
    job = yield from begun(probe, root, handle)
    yield from probe.closed(handle)
    yield lambda: job.is_homeless
    strip = dock.findChild(probe.QtWidgets.QSlider, "nst_scrub")
    found = {"closed": [strip.isEnabled(), [offer.job for offer in root.offers]]}
    handle = yield from opened(probe, "unsaved.kra")
    yield (lambda: len(job.inserted) == 2, JOB_SECONDS)
    yield 0.5
    found["again"] = [job in root.jobs, job.state.value, job.note, root.message, strip.isEnabled()]
    found["offered"] = [offer.job for offer in root.offers if offer.job]
    found["active"] = [handle.activeNode().name()]
    probe.screenshot("taken_up")
    found["layers"] = yield from finished(probe, root, handle, job)
    found["active"].append(handle.activeNode().name())
    probe.record(unsaved=found)
    yield from probe.closed(handle)


def saved(probe, root):
    """With frames in the file; the job goes on while it is closed."""
    handle = yield from layered(probe, "saved.kra")
    job = yield from begun(probe, root, handle)
    handle = yield from saved_and_opened(probe, handle, job, "saved.kra")
    found = {"layers_before": docker.layers(handle), "inserted": list(job.inserted), "note": job.note}
    found["layers"] = yield from finished(probe, root, handle, job)
    probe.record(saved=found)
    yield from probe.closed(handle)


def ended(probe, root):
    """The job ends while its document, which was not saved, is closed."""
    handle = yield from layered(probe, "ended.kra")
    job = yield from begun(probe, root, handle)
    yield from probe.closed(handle)
    root.toggle_pause(job)
    yield (lambda: job not in root.jobs, JOB_SECONDS)
    handle = yield from opened(probe, "ended.kra")
    yield lambda: any("frame" in offer.words for offer in root.offers)
    found = {"offered": [offer.words for offer in root.offers if offer.job]}
    probe.screenshot("offered")
    yield from docker.take_offer(probe, root, handle)
    found.update(layers=docker.layers(handle), message=root.message)
    again = root.jobs[-1]
    found["settings"] = [again.params.iterations, root.insertion(again).record.settings["styles"] != []]
    probe.record(ended=found)
    yield from probe.closed(handle)


def lost(probe, dock, root):
    """Of an animation's frames the server cannot read two: one for a moment, the final one for longer."""
    root.options.load({"layers": "animation"})
    handle = yield from layered(probe, "lost.kra")
    job = yield from begun(probe, root, handle)
    root.options.load({"layers": "every"})
    yield from probe.closed(handle)
    root.toggle_pause(job)
    yield (lambda: job not in root.jobs, JOB_SECONDS)
    kept = Path(os.environ["NST_TEST_DATA"]) / "jobs" / job.id / "frames"
    for number in (3, 4):
        (kept / f"{number:06}.bin").rename(kept / f"{number}.away")
    handle = yield from opened(probe, "lost.kra")
    yield lambda: any("frame" in offer.words for offer in root.offers)
    next(b for b in shown(probe, dock) if b.text() == "Fetch").click()
    yield (lambda: root.jobs[-1].left_out == (3, 4), JOB_SECONDS)
    (kept / "3.away").rename(kept / "000003.bin")
    again = root.jobs[-1]
    found = {"message": root.message}
    yield (lambda: again.note.startswith("The frames are an animation"), JOB_SECONDS)
    yield 0.5
    probe.screenshot("lost")
    found.update(seen=list(root.insertion(again).record.seen), words=again.frames_note, told=root.message)
    (kept / "4.away").rename(kept / "000004.bin")
    root.insertion(again).fetch([4])
    yield (lambda: docker.has_final(handle), JOB_SECONDS)
    yield 1.0
    probe.record(lost={**found, "words_then": again.frames_note, "left_out": list(again.left_out)})
    yield from probe.closed(handle)


def without_file(probe, root):
    """A document that was never saved: its frames are offered in any other while the job runs."""
    handle = yield from layered(probe)
    job = yield from begun(probe, root, handle)
    yield from probe.closed(handle)
    handle = yield from layered(probe)
    handle.setActiveNode(handle.nodeByName("temple"))
    yield lambda: any("frame" in offer.words for offer in root.offers)
    found = {"offered": [offer.words for offer in root.offers if offer.job]}
    root.take(next(offer for offer in root.offers if offer.job))
    found["message"] = root.message
    yield (lambda: job.inserted, JOB_SECONDS)
    found["layers"] = yield from finished(probe, root, handle, job)
    found["rows"] = [known is job for known in root.jobs if known.id == job.id]
    probe.record(without_file=found)
    yield from probe.closed(handle)


def written_down(probe, root):
    """For a crash of Krita: the job ends, and its document is saved only then."""
    handle = yield from layered(probe, "crash.kra")
    job = yield from begun(probe, root, handle)
    yield from finished(probe, root, handle, job)
    found = {"ended": [entry[0] == job.id for entry in root.settings.get("jobs", list)]}
    probe.trigger("file_save")
    yield lambda: not root.settings.get("jobs", list)
    found["saved"] = handle.modified()
    probe.record(written_down=found)
    yield from probe.closed(handle)


def painted_on(probe, root):
    """A frame has a stroke when its document is saved; the job is cancelled when it is open again."""
    handle = yield from layered(probe, "painted.kra")
    job = yield from begun(probe, root, handle)
    insertion = root.insertion(job)
    first, _second = insertion.record.frames
    root.rows.pen.touched.emit(insertion.document, first)
    handle = yield from saved_and_opened(probe, handle, job, "painted.kra")
    root.cancel(job)
    yield lambda: job.has_ended and len(docker.frames(handle)) == 1
    yield 0.5
    probe.record(painted_on=docker.layers(handle))
    yield from probe.closed(handle)


def stopped(probe, dock, root, name):
    """As after a crash: a paused job is there, and no row for it. "unused": nor a connection any more."""
    handle = yield from layered(probe, f"{name}.kra")
    job = yield from begun(probe, root, handle)
    entry = root.rows.entry(job)
    yield from probe.closed(handle)
    root.rows.dismiss(job)
    root._earlier.forget(job.id)
    root._earlier.add(entry)
    handle = yield from opened(probe, f"{name}.kra")
    yield lambda: any("frame" in offer.words for offer in root.offers)
    found = {"offered": words(root), "answers": answers(probe, dock)}
    probe.screenshot("stop")
    if name == "unused":
        root._network._post(root._network._leave)
        yield lambda: root.connection.link.name == "NONE"
    next(b for b in shown(probe, dock) if b.text() == "Stop it").click()
    # The scripted worker makes no final frame of a paused job.
    yield (lambda: words(root)[0].endswith("2 frames"), JOB_SECONDS)
    yield 0.5
    found.update(ended=words(root), answers_then=answers(probe, dock))
    next(b for b in shown(probe, dock) if b.text() == "Fetch").click()
    yield (lambda: root.jobs[-1].has_ended and len(docker.frames(handle)) == 2, JOB_SECONDS)
    yield 0.5
    found.update(layers=docker.layers(handle), words=root.jobs[-1].words)
    probe.record(**{name: found})
    yield from probe.closed(handle)


def words(root):
    return [offer.words for offer in root.offers if offer.job]


def shown(probe, dock):
    from nst_krita.ui.offers import OffersView

    buttons = dock.findChild(OffersView).findChildren(probe.QtWidgets.QPushButton)
    return [button for button in buttons if button.isVisible()]


def answers(probe, dock):
    return [button.text() for button in shown(probe, dock)]


def refused(probe, root):
    handle = yield from layered(probe)
    empty = handle.createNode("empty", "paintlayer")
    handle.rootNode().addChildNode(empty, None)
    handle.setActiveNode(empty)
    yield 1.0
    probe.trigger("nst_start")
    yield lambda: root.message
    yield 1.0
    found = [root.message]
    handle.setActiveNode(handle.nodeByName("temple"))
    yield lambda: not root.message
    probe.record(refused=found)
    yield from probe.closed(handle)
