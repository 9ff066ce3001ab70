"""The canvas resized, the image cropped, scaled, turned and mirrored between the frames of a job."""

from nst_probe.inserting import SIDE, Calm, Job, layered

#: Longer than a frame needs that does not wait.
WAIT = 2.0


def steps(probe):
    probe.bare_package("nst_krita")
    from nst_krita import host

    yield from moved(probe, host)
    yield from moved_before_the_first(probe, host)
    yield from moved_in_place(probe, host)
    yield from scaled(probe, host)
    yield from turned(probe, host)
    yield from mirrored(probe, host)


def places(job):
    """Where the frames lie by now, the oldest first."""
    bounds = [job.frames.layer_of(key).bounds for key in sorted(job.frames.inserted)]
    return [[area.x(), area.y(), area.width(), area.height()] for area in bounds]


def changed(handle, change):
    """For ``yield from``: the painter has done that to the image."""
    change()
    yield 0.5
    handle.waitForDone()
    yield 0.5


def moved(probe, host):
    """The canvas grows to the left, then the image is cropped; the document is saved and opened again."""
    handle = yield from layered(probe)
    job = Job(host, Calm())
    job.put(1)
    yield job.has(1)
    yield from changed(handle, lambda: handle.resizeImage(-100, 0, 400, SIDE))
    job.put(2)
    yield job.has(1, 2)
    found = {"resized": places(job)}
    yield from changed(handle, lambda: handle.crop(30, 20, 100, 150))
    job.put(3)
    yield job.has(1, 2, 3)
    found["cropped"] = places(job)
    for _ in range(2):
        yield from changed(handle, lambda: probe.trigger("edit_undo"))
    job.redo.give_up()
    job.put(4)
    yield job.has(1, 2, 3, 4)
    found["uncropped"] = places(job)
    known = {"group_id": job.frames.group_id, "layers": {job.frames.id_of(4): 4}}
    job.frames.close()
    path = probe.out / "moved.kra"
    yield from probe.saved(handle, path)
    yield from probe.closed(handle)
    handle = yield from probe.opened(str(path))
    later = Job(host, Calm(), **known)
    later.put(5)
    yield later.has(5)
    found["reopened"] = places(later)
    probe.record(moved=found)
    later.frames.close()
    yield from probe.closed(handle)


def moved_before_the_first(probe, host):
    handle = yield from layered(probe)
    source = handle.rootNode().childNodes()[1]
    source.setPixelData(b"\x80" * SIDE * SIDE * 4, 0, 0, SIDE, SIDE)
    handle.setActiveNode(source)
    yield 0.5
    job = Job(host, Calm())
    yield from changed(handle, lambda: handle.resizeImage(-100, 0, 400, SIDE))
    job.put(1)
    yield job.has(1)
    probe.record(moved_before_the_first=places(job))
    job.frames.close()
    yield from probe.closed(handle)


def moved_in_place(probe, host):
    handle = yield from layered(probe)
    job = Job(host, Calm(), replace=True)
    job.put(1)
    yield job.has(1)
    yield from changed(handle, lambda: handle.resizeImage(-100, 0, 400, SIDE))
    job.put(2)
    yield job.has(1, 2)
    yield 0.3
    pixel = handle.pixelData(339, 239, 1, 1).data().hex()
    probe.record(moved_in_place=[places(job), pixel])
    job.frames.close()
    yield from probe.closed(handle)


def scaled(probe, host):
    """Frames wait until it is undone; scaled again, until the painter wants them as they are."""
    handle = yield from layered(probe)
    job = Job(host, Calm())
    job.put(1)
    yield job.has(1)
    yield from changed(handle, lambda: handle.scaleImage(120, 120, 72, 72, "Bicubic"))
    job.put(2)
    yield WAIT
    found = {"waits": [list(job.inserted), job.frames.pending, job.placing.is_lost]}
    yield from changed(handle, lambda: probe.trigger("edit_undo"))
    job.redo.give_up()
    yield job.has(1, 2)
    found["undone"] = [places(job), job.placing.is_lost]
    yield from changed(handle, lambda: handle.scaleImage(120, 120, 72, 72, "Bicubic"))
    job.put(3)
    yield WAIT
    found["waits_again"] = list(job.inserted)
    job.placing.accept()
    job.put(4)
    yield job.has(1, 2, 3, 4)
    found["wanted"] = [places(job)[2:], job.placing.is_lost]
    probe.record(scaled=found)
    job.frames.close()
    yield from probe.closed(handle)


def turned(probe, host):
    """By 180°, and by 90°: a square stays as large as it was."""
    found = {}
    for action in ("rotateImage180", "rotateImageCW90"):
        handle = yield from layered(probe)
        job = Job(host, Calm())
        job.put(1)
        yield job.has(1)
        yield from changed(handle, lambda action=action: probe.trigger(action))
        job.put(2)
        yield WAIT
        found[action] = [list(job.inserted), job.placing.is_lost]
        job.frames.close()
        yield from probe.closed(handle)
    probe.record(turned=found)


def mirrored(probe, host):
    """Before the first frame, where only the source tells it, and after it; each undone again."""
    found = {}
    for action, is_group in (
        ("mirrorImageHorizontal", False),
        ("mirrorImageVertical", False),
        ("mirrorImageHorizontal", True),
    ):
        handle = yield from layered(probe)
        source = handle.activeNode()
        drawn = bytes(at * at % 251 for at in range(SIDE * SIDE * 4))
        source.setPixelData(drawn, 0, 0, SIDE, SIDE)
        if is_group:
            group = handle.createGroupLayer("group")
            handle.rootNode().addChildNode(group, source)
            group.addChildNode(source.duplicate(), None)
            handle.setActiveNode(group)
        handle.refreshProjection()
        handle.waitForDone()
        yield 0.3
        job = Job(host, Calm())
        seen = found.setdefault(f"{action} of a group" if is_group else action, [])
        for key in (1, 2):
            yield from changed(handle, lambda action=action: probe.trigger(action))
            drawing = host.PixelBlock(drawn, SIDE, SIDE, 0, 0)
            job.frames.put(host.Frame(key, f"iteration {key}", drawing, False))
            yield WAIT
            seen.append([list(job.inserted), job.placing.is_lost])
            yield from changed(handle, lambda: probe.trigger("edit_undo"))
            job.redo.give_up()
            yield job.has(*range(1, key + 1))
            seen.append([list(job.inserted), job.placing.is_lost])
        job.frames.close()
        yield from probe.closed(handle)
    probe.record(mirrored=found)
