"""Runs inside Krita, for frames_probe.py: frames of layers that do not hide what lies beneath them."""

from nst_probe.inserting import SIDE, Job, layered

#: Blending mode and opacity of the layers that frames are made of, and whether these inherit alpha.
LOOKS = {
    "multiplied": ("multiply", 255, False),
    "thin": ("normal", 128, False),
    "clipped": ("normal", 255, True),
}


def blending(probe, host, pen):
    found = {}
    for name, look in LOOKS.items():
        found[name] = yield from blended(probe, host, pen, *look)
    probe.record(blending=found)


def blended(probe, host, pen, mode, opacity, is_clipped):
    """White on the canvas but for a grey disc of 60 px, and a layer above it that looks like that."""
    handle = yield from layered(probe)
    ground, _above = handle.rootNode().childNodes()
    group, disc = handle.createGroupLayer("group"), handle.createNode("disc", "paintlayer")
    source = handle.createNode("shades", "paintlayer")
    disc.setPixelData(bytes((100, 100, 100, 255)) * 60 * 60, 0, 0, 60, 60)
    source.setPixelData(bytes((200, 200, 200, 255)) * SIDE * SIDE, 0, 0, SIDE, SIDE)
    source.setBlendingMode(mode)
    source.setOpacity(opacity)
    source.setInheritAlpha(is_clipped)
    handle.rootNode().addChildNode(group, ground)
    group.addChildNode(disc, None)
    group.addChildNode(source, disc)
    yield 0.3
    handle.setActiveNode(source)
    handle.refreshProjection()
    yield 0.3
    before = len(probe.undo_texts())
    job = Job(host, pen)
    job.put(150)
    job.put(160)
    yield job.has(150, 160)
    yield 0.5
    made = group.childNodes()[-1]
    found = {
        "looks": [made.blendingMode(), made.opacity(), made.inheritAlpha()],
        "doubled": job.frames.doubled,
    }
    source.setVisible(False)
    handle.refreshProjection()
    yield lambda: not job.frames.doubled
    yield 0.5
    # Blue alone differs from frame to frame; inside the disc and outside.
    found["blues"] = [handle.pixelData(at, at, 1, 1).data()[0] for at in (20, 150)]
    found["undo"] = probe.undo_texts()[before:]
    job.frames.animate()
    yield lambda: job.animated
    yield 0.5
    made = group.childNodes()[-1]
    found["animated"] = [made.animated(), made.blendingMode(), made.opacity(), made.inheritAlpha()]
    job.frames.close()
    yield from probe.closed(handle)
    return found
