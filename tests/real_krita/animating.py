"""Runs inside Krita, for frames_probe.py: frames that become the keyframes of an animated layer."""

from nst_probe.inserting import Job, layered, top_left, tree


def keyframes(node):
    """Time → blue value of the pixel at (5, 5) in each keyframe."""
    times = [time for time in range(20) if node.hasKeyframeAtTime(time)]
    return {time: node.pixelDataAtTime(5, 5, 1, 1, time).data()[0] for time in times}


def animating(probe, host, pen):
    """The frames become keyframes, when their document is in front again; undone, they are layers again."""
    handle = yield from layered(probe)
    above = handle.rootNode().childNodes()[1]
    handle.setActiveNode(above)
    job = Job(host, pen, locked=True)
    for key in (1, 2, 3):
        job.put(key)
    yield job.has(1, 2, 3)
    yield 0.3
    handle.setActiveNode(above)
    probe.trigger("KritaShape/KisToolLine")
    before = len(probe.undo_texts())
    other = yield from probe.opened((60, 60))
    job.frames.animate()
    yield 1.5
    found = {"waits": [job.frames.is_animating, list(job.animated), tree(handle)]}
    yield from probe.closed(other)
    yield lambda: job.animated
    yield lambda: job.gone
    yield 0.5
    node = handle.rootNode().childNodes()[2]
    found.update(
        tree=tree(handle),
        keyframes=keyframes(node),
        told=[job.told(), job.animated == [[host.Layer(node).id, ""]], job.frames.is_animating],
        undo=len(probe.undo_texts()) - before,
        active=handle.activeNode().name(),
        tool=probe.tool(),
        time=handle.currentTime(),
    )
    probe.trigger("edit_undo")
    yield lambda: job.gone[-1] == ""
    found["undone"] = [tree(handle), job.frames.inserted]
    handle.setActiveNode(handle.rootNode().childNodes()[2].childNodes()[2])
    yield 0.5
    job.redo.give_up()
    job.frames.animate()
    yield lambda: len(job.animated) == 2
    yield 0.5
    found["again"] = [handle.activeNode().animated(), tree(handle), job.frames.gone]
    yield from later(handle, above, host, pen, found)
    job.frames.remove()
    yield 0.5
    found["removed"] = [tree(handle), job.animated[1]]
    single = Job(host, pen, "single")
    single.put(1)
    yield single.has(1)
    single.frames.animate()
    yield lambda: single.animated
    found["single"] = [single.animated, single.frames.gone]
    single.frames.close()
    probe.trigger("KritaShape/KisToolBrush")
    yield from hindered(handle, host, pen, found)
    probe.record(animating=found)
    yield from probe.closed(handle)


def later(handle, above, host, pen, found):
    """The next job of the same layer, above whose frames lies their animation."""
    animation = handle.activeNode().uniqueId().toString()
    handle.setActiveNode(above)
    yield 0.5
    job = Job(host, pen, "Later", others=lambda: [animation])
    job.put(9)
    yield job.has(9)
    yield 0.5
    found["later"] = [[name for name, _visible, _children in tree(handle)], top_left(handle)]
    job.frames.remove()
    yield 0.5


def hindered(handle, host, pen, found):
    """A frame that comes late; a layer of the painter's in the group, a locked group; then it goes on."""
    handle.setActiveNode(handle.rootNode().childNodes()[0])
    job = Job(host, pen, "hindered")
    for key in (1, 4, 3):
        job.put(key)
    yield job.has(1, 4, 3)
    yield 0.3
    group = next(node for node in handle.rootNode().childNodes() if node.name() == "hindered")
    found["late"] = [[node.name(), node.visible()] for node in group.childNodes()]
    own = handle.createNode("own", "paintlayer")
    group.addChildNode(own, None)
    yield 0.5
    job.frames.animate()
    yield lambda: job.animated
    own.remove()
    yield 0.5
    group.setLocked(True)
    job.frames.animate()
    yield lambda: len(job.animated) == 2
    group.setLocked(False)
    group.setOpacity(100)
    group.setVisible(False)
    group.setBlendingMode("multiply")
    found["hindered"] = [problem for _, problem in job.animated]
    job.frames.animate()
    yield lambda: len(job.animated) == 3
    yield 0.5
    made = next(node for node in handle.rootNode().childNodes() if node.name() == "hindered")
    found["unhindered"] = [
        made.animated(),
        keyframes(made),
        made.opacity(),
        made.blendingMode(),
        made.locked(),
        made.visible(),
    ]
    job.frames.close()
