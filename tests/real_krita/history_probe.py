"""What documents remember: two jobs at once, frames that came while closed, settings, going on, quitting.

The server's worker is scripted: an iteration takes 20 ms, each kept one is a frame.
"""

import os

from nst_probe import docker

SIDE = (64, 48)
JOB_SECONDS = 90


def steps(probe):
    dock, root = yield from docker.show(probe)
    root.add_file(os.environ["NST_TEST_STYLE"])
    root.options["encoder"] = "built-in"
    yield from two_documents(probe, root)
    yield from closed_meanwhile(probe, dock, root)
    yield from settings_again(probe, dock, root)
    yield from going_on(probe, root)
    yield from animated(probe, dock, root)
    yield from gone(probe, root)
    yield from settings_of_documents(probe, root)
    yield from two_windows(probe, dock, root)
    yield from quitting(probe, root)


def painted(probe, name="", fill=0xFF):
    """A new document with one opaque layer, saved where it has a name."""
    handle = yield from probe.opened(SIDE)
    handle.activeNode().setPixelData(bytes([fill]) * (4 * SIDE[0] * SIDE[1]), 0, 0, *SIDE)
    handle.refreshProjection()
    handle.waitForDone()
    handle.setModified(False)
    if name:
        yield from probe.saved(handle, probe.work / name)
    return handle


def held(root, handle, count):
    """Until the latest job has left so many frames in the document; it is paused then."""
    yield (lambda: len(docker.frames(handle)) == count, JOB_SECONDS)
    root.toggle_pause(root.jobs[-1])
    yield lambda: root.jobs[-1].state.value == "paused"
    yield 0.5


def texts(probe, dock):
    """What the docker's lines say."""
    return [label.toolTip() or label.text() for label in dock.findChildren(probe.QtWidgets.QLabel)]


def two_documents(probe, root):
    root.options["iterations"], root.options["frames"] = 100, "1,2,50"
    first = yield from painted(probe)
    probe.trigger("nst_start")
    untouched = first.modified()
    second = yield from painted(probe)
    root.options["iterations"], root.options["frames"] = 30, "5"
    probe.trigger("nst_start")
    jobs = root.jobs
    yield (lambda: all(docker.has_final(handle) for handle in (first, second)), JOB_SECONDS)
    yield lambda: all(job.has_ended for job in jobs)
    yield 0.5
    active = probe.app.activeDocument() == second
    probe.record(
        untouched=untouched,
        two=[docker.layers(first), docker.layers(second)],
        rows=[job.title for job in jobs],
        second_stayed_active=active,
        modified=[first.modified(), second.modified()],
    )
    probe.screenshot("two_documents")
    yield from probe.closed(first)
    yield from probe.closed(second)


def closed_meanwhile(probe, dock, root):
    handle = yield from painted(probe, "meanwhile.kra")
    root.options["iterations"], root.options["frames"] = 250, "1,248,249"
    probe.trigger("nst_start")
    yield from held(root, handle, 1)
    yield from probe.saved(handle, probe.work / "meanwhile.kra")
    job = root.jobs[-1]
    saved = docker.layers(handle)
    yield from probe.closed(handle)
    root.toggle_pause(job)
    yield (lambda: "closed" in job.note, JOB_SECONDS)
    note = job.note
    yield (lambda: job.has_ended, JOB_SECONDS)
    yield lambda: job not in root.jobs
    elsewhere = [offer.words for offer in root.offers]
    handle = yield from probe.opened(str(probe.work / "meanwhile.kra"))
    yield lambda: root.documents.offers
    yield 0.5
    probe.record(
        meanwhile_saved=saved,
        meanwhile_note=note,
        meanwhile_offered=[elsewhere, [offer.words for offer in root.offers]],
        meanwhile_shown=[text for text in texts(probe, dock) if "came meanwhile" in text],
        meanwhile_modified=handle.modified(),
    )
    probe.screenshot("offered")
    yield from docker.take_offer(probe, root, handle)
    probe.record(
        meanwhile_layers=docker.layers(handle),
        meanwhile_left=root.offers,
        meanwhile_visible=[node.name() for node in docker.frames(handle) if node.visible()],
    )
    yield from probe.saved(handle, probe.work / "meanwhile.kra")
    yield from probe.closed(handle)
    handle = yield from probe.opened(str(probe.work / "meanwhile.kra"))
    yield 2.0
    probe.record(meanwhile_complete=[root.offers, root.message])
    yield from probe.closed(handle)


def settings_again(probe, dock, root):
    handle = yield from painted(probe)
    background = handle.activeNode()
    root.options["iterations"], root.options["frames"], root.options["strength"] = 300, "1", 0.25
    probe.trigger("nst_start")
    yield from held(root, handle, 1)
    root.options["strength"] = 0.75  # the job follows
    yield 0.5
    root.toggle_pause(root.jobs[-1])
    yield (lambda: docker.has_final(handle), JOB_SECONDS)
    yield lambda: root.jobs[-1].has_ended
    probe.trigger("edit_undo")
    yield 1.0
    probe.trigger("edit_redo")
    yield lambda: docker.has_final(handle)
    # By hand it is a press that ends the care for the active layer after a step of undo.
    yield lambda: not root.insertion(root.jobs[-1])._after_undo._is_guarding
    found = {}
    for name, index in (("first", 0), ("final", -1)):
        root.options["strength"], root.options["iterations"] = 1.0, 77
        root.styles.load(())
        handle.setActiveNode(docker.frames(handle)[index])
        yield 0.5
        frame_active = root.is_frame_active
        root.use_settings_of_layer()
        names = [style.name for style in root.styles.styles]
        found[name] = [
            frame_active,
            root.options["strength"],
            root.options["iterations"],
            names,
            root.message,
        ]
    handle.setActiveNode(background)
    yield 0.5
    root.use_settings_of_layer()
    found["background"] = [root.is_frame_active, root.message]
    probe.record(again=found)
    root.options["strength"] = 0.5
    yield from probe.closed(handle)


def animated(probe, dock, root):
    """A job whose frames become an animation at its end; what the docker says, and what undoing it brings."""
    from nst_krita.model.options import Layers

    handle = yield from painted(probe)
    root.options["iterations"], root.options["frames"] = 30, "10,20"
    root.options["layers"] = Layers.ANIMATION
    probe.trigger("nst_start")
    root.options["layers"] = Layers.EVERY
    job = root.jobs[-1]
    yield (lambda: "animation" in job.note, JOB_SECONDS)
    yield 0.5
    node = handle.rootNode().childNodes()[1]
    found = {
        "layers": docker.layers(handle),
        "keyframes": [time for time in range(20) if node.hasKeyframeAtTime(time)],
        "note": job.note,
        "inserted": list(job.inserted),
        "record": list(root.insertion(job).record.frames[host_id(node)]),
    }
    probe.screenshot("animation")
    root.options["iterations"] = 77
    handle.setActiveNode(node)
    yield 0.5
    root.use_settings_of_layer()
    found["settings"] = [root.options["iterations"], root.options["layers"].value]
    root.options["layers"] = Layers.EVERY
    probe.trigger("edit_undo")
    yield lambda: job.inserted
    found["undone"] = [docker.layers(handle), list(job.inserted), job.note]
    entries = [(menu, each) for menu in dock.findChildren(probe.QtWidgets.QMenu) for each in menu.actions()]
    menu, action = next(entry for entry in entries if "animation" in entry[1].text())
    menu.aboutToShow.emit()
    found["menu"] = action.isEnabled()
    action.trigger()
    yield (lambda: "animation" in job.note, JOB_SECONDS)
    yield lambda: not job.inserted
    menu.aboutToShow.emit()
    found["again"] = [docker.layers(handle), action.isEnabled()]
    probe.record(animated=found)
    yield from probe.closed(handle)


def host_id(node):
    """The id by which the plugin knows it."""
    return node.uniqueId().toString()


def going_on(probe, root):
    handle = yield from painted(probe)
    background = handle.activeNode()
    root.continue_from_layer()
    found = {"nothing": root.message}
    root.options["iterations"], root.options["frames"], root.options["lock_frames"] = 10, "none", True
    probe.trigger("nst_start")
    yield (lambda: docker.has_final(handle), JOB_SECONDS)
    yield lambda: root.jobs[-1].has_ended
    yield 0.5
    first = docker.frames(handle)[0]
    found["locked"] = first.locked()
    root.continue_from_layer()
    found["source"] = root.message
    root.options["lock_frames"] = False
    first.setLocked(False)
    first.setPixelData(bytes([9, 8, 7, 255]) * (SIDE[0] * SIDE[1]), 0, 0, *SIDE)
    handle.setActiveNode(first)
    yield 0.5
    sent = watch_submissions(root)
    probe.trigger("nst_continue")
    found["started"] = root.message
    probe.record(going_on=found)
    yield lambda: sent
    request = sent[0]
    found["start"] = [request.start.data == bytes([9, 8, 7, 255]) * (SIDE[0] * SIDE[1]), request.title]
    found["content"] = request.content.data == bytes([0xFF]) * (4 * SIDE[0] * SIDE[1])
    yield lambda: root.jobs[-1].has_ended
    yield (lambda: len(docker.layers(handle)) == 3, JOB_SECONDS)
    yield 0.5
    found["layers"] = docker.layers(handle)
    found["unlocked"] = not handle.rootNode().childNodes()[2].childNodes()[0].locked()
    plain = handle.createNode("overpainted", "paintlayer")
    handle.rootNode().addChildNode(plain, None)
    plain.setPixelData(bytes([1, 2, 3, 255]) * (SIDE[0] * SIDE[1]), 0, 0, *SIDE)
    handle.setActiveNode(plain)
    yield 1.0
    root.continue_from_layer()
    found["plain"] = [len(sent), root.message]
    yield lambda: root.jobs[-1].has_ended
    yield (lambda: len(docker.layers(handle)) == 5, JOB_SECONDS)
    found["plain_layers"] = docker.layers(handle)
    yield 0.5
    background.remove()
    handle.setActiveNode(plain)
    yield 0.5
    root.continue_from_layer()
    found["gone"] = root.message
    probe.record(going_on=found)
    yield from probe.closed(handle)


def watch_submissions(root):
    sent = []
    submit = root._network.submit

    def watched(request):
        sent.append(request)
        submit(request)

    root._network.submit = watched
    return sent


def gone(probe, root):
    """The source deleted before the first frame; the group undone; the document flattened."""
    root.options["iterations"], root.options["frames"] = 200, "1,199"
    handle = yield from painted(probe)
    probe.trigger("nst_start")
    yield from held(root, handle, 1)
    probe.trigger("edit_undo")
    job = root.jobs[-1]
    yield 1.0
    root.toggle_pause(job)
    yield (lambda: len(job.left_out) == 3 and job.has_ended, JOB_SECONDS)
    found = {"undone": [job.note, list(job.left_out), docker.layers(handle)]}
    root.insertion(job).fetch()
    yield (lambda: docker.has_final(handle), JOB_SECONDS)
    yield 0.5
    found["fetched"] = [docker.layers(handle), job.note]
    probe.trigger("edit_undo")
    yield lambda: job.left_out
    found["one_undone"] = [list(job.inserted), list(job.left_out), docker.layers(handle)]
    root.insertion(job).fetch()
    yield (lambda: len(job.inserted) == 3, JOB_SECONDS)
    found["one_fetched"] = [list(job.inserted), docker.layers(handle)]
    yield from probe.closed(handle)
    handle = yield from painted(probe)
    probe.trigger("nst_start")
    yield from held(root, handle, 1)
    handle.flatten()
    yield 1.0
    job = root.jobs[-1]
    root.toggle_pause(job)
    yield (lambda: job.left_out and job.has_ended, JOB_SECONDS)
    found["flattened"] = [job.note, len(docker.layers(handle))]
    yield from probe.closed(handle)
    probe.record(gone=found)


def settings_of_documents(probe, root):
    """Two documents with settings of their own, opened again."""
    for name, strength in (("weak.kra", 0.125), ("strong.kra", 0.875)):
        handle = yield from painted(probe, name)
        root.options["iterations"], root.options["frames"], root.options["strength"] = 3, "none", strength
        root.styles.styles[0].region = None
        if name == "weak.kra":
            yield from limited(root, handle)
        probe.trigger("nst_start")
        yield (lambda handle=handle: docker.has_final(handle), JOB_SECONDS)
        yield lambda: root.jobs[-1].has_ended
        yield 0.5
        yield from probe.saved(handle, probe.work / name)
        yield from probe.closed(handle)
    handle = yield from probe.opened(str(probe.work / "weak.kra"))
    yield 1.0
    probe.record(region=root.styles.styles[0].region.words, region_message=root.message)
    found = [root.options["strength"], [offer.words for offer in root.documents.offers], handle.modified()]
    root.options["strength"] = 0.5  # set, and not used yet
    other = yield from probe.opened(str(probe.work / "strong.kra"))
    yield 1.0
    offers = root.documents.offers
    kept = root.options["strength"]
    root.take(offers[0])
    found += [kept, [offer.words for offer in offers], root.options["strength"], len(root.documents.offers)]
    probe.record(settings=found)
    yield from probe.closed(other)
    yield from probe.closed(handle)


def limited(root, handle):
    """The style paints only where another layer has paint."""
    from nst_krita.model.document_model import region_layers

    background, washes = handle.activeNode(), handle.createNode("washes", "paintlayer")
    washes.setPixelData(bytes([9, 9, 9, 255]) * 100, 5, 5, 10, 10)
    handle.rootNode().addChildNode(washes, None)
    yield 0.5
    handle.setActiveNode(background)
    yield 0.3
    root.limit(root.styles.styles[0], next(layer for layer in region_layers() if layer.name == "washes"))


def two_windows(probe, dock, root):
    """A second main window, which has a docker of its own; it is closed while a job works."""
    first = yield from painted(probe)
    yield from probe.choose("Window", "New Window")
    yield lambda: len(probe.app.windows()) == 2
    # The newest has the highest number, which Krita writes behind its name.
    window = max(probe.app.windows(), key=lambda known: known.qwindow().objectName())
    other_dock = window.qwindow().findChild(probe.QtWidgets.QDockWidget, dock.objectName())
    second = probe.document(*SIDE, view=False)
    window.addView(second)
    window.activate()
    yield lambda: probe.app.activeDocument() == second
    second.activeNode().setPixelData(bytes([0x80]) * (4 * SIDE[0] * SIDE[1]), 0, 0, *SIDE)
    root.options["iterations"], root.options["frames"], root.options["strength"] = 30, "1,5", 0.625
    other_dock.findChild(probe.QtWidgets.QPushButton, "nst_start").click()
    yield (lambda: docker.has_final(second), JOB_SECONDS)
    yield lambda: root.jobs[-1].has_ended
    yield 0.5
    found = {"layers": [docker.layers(first), docker.layers(second)]}
    sliders = [each.findChild(probe.QtWidgets.QSlider, "nst_field_strength") for each in (dock, other_dock)]
    found["strength"] = [slider.number() for slider in sliders]
    found["rows"] = [
        len(each.findChildren(probe.QtWidgets.QSlider, "nst_scrub")) for each in (dock, other_dock)
    ]
    probe.screenshot("two_windows")
    window.addView(first)
    window.activate()
    yield lambda: probe.app.activeDocument() == first
    root.options["iterations"], root.options["frames"] = 200, "1,199"
    other_dock.findChild(probe.QtWidgets.QPushButton, "nst_start").click()
    yield (lambda: docker.frames(first), JOB_SECONDS)
    second.setModified(False)
    first.setModified(False)
    window.qwindow().close()
    yield lambda: len(probe.app.windows()) == 1
    found["closed"] = [len(probe.app.documents()), root.jobs[-1].state.value]
    yield (lambda: docker.has_final(first), JOB_SECONDS)
    yield lambda: root.jobs[-1].has_ended
    root.options["strength"] = 0.5
    yield 0.5
    found["went_on"] = [docker.layers(first), sliders[0].number()]
    probe.record(windows=found)
    yield from probe.closed(first)


def quitting(probe, root):
    handle = yield from painted(probe, "quit.kra")
    root.options["iterations"], root.options["frames"] = 400, "1,2"
    probe.trigger("nst_start")
    yield from held(root, handle, 2)
    yield from probe.saved(handle, probe.work / "quit.kra")
    asked = []

    def answer(name, then):
        """Press that button of the question; the stepper stands still while Krita waits for the answer."""
        box = probe.QtWidgets.QApplication.activeModalWidget()
        button = box.findChild(probe.QtWidgets.QPushButton, name) if box is not None else None
        if button is None:
            probe.QtCore.QTimer.singleShot(100, lambda: answer(name, then))
            return
        asked.append([box.text(), box.informativeText()])
        # Once it has been drawn.
        probe.QtCore.QTimer.singleShot(500, lambda: (then(box), button.click()))

    def photographed(box):
        probe.screenshot("asked")
        probe.record(asked_at=list(box.frameGeometry().getRect()))

    def do_not_save():
        """Krita's own question comes before ours."""
        box = probe.QtWidgets.QApplication.activeModalWidget()
        buttons = probe.QtWidgets.QDialogButtonBox.StandardButton
        found = box.findChild(probe.QtWidgets.QDialogButtonBox) if box is not None else None
        no = found.button(buttons.No) or found.button(buttons.Discard) if found is not None else None
        if no is None:
            probe.QtCore.QTimer.singleShot(100, do_not_save)
            return
        asked_by_krita.append(box.windowTitle())
        probe.QtCore.QTimer.singleShot(500, no.click)
        probe.QtCore.QTimer.singleShot(1000, lambda: answer("nst_quit_stay", photographed))

    asked_by_krita = []
    handle.setModified(True)
    probe.QtCore.QTimer.singleShot(100, do_not_save)
    probe.trigger("file_quit")
    yield lambda: asked
    yield 1.0
    probe.record(asked_by_krita=asked_by_krita, still_unsaved=handle.modified())
    handle.setModified(False)
    probe.record(asked=asked[0], stayed=[len(probe.app.documents()), root.jobs[-1].state.value])
    probe.record(quit_job=root.jobs[-1].id)
    probe.finish()
    probe.QtCore.QTimer.singleShot(100, lambda: answer(os.environ["NST_TEST_ANSWER"], lambda box: None))
    probe.trigger("file_quit")
    yield lambda: False
