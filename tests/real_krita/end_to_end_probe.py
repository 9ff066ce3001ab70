"""The main job as a painter does it: style, Start, paint on, undo and redo, Stop, Cancel, a selection."""

import os
import time

from krita import Selection

FIRST_SECONDS, JOB_SECONDS = 120, 180


def steps(probe):
    root = _root(probe)
    handle = probe.app.openDocument(os.environ["NST_TEST_CONTENT"])
    probe.app.activeWindow().addView(handle)
    yield 1.0
    probe.trigger("nst_krita")
    docker = _docker(probe)
    yield docker.isVisible
    docker.setFloating(True)
    docker.setGeometry(20, 90, 330, 780)
    probe.trigger("nst_start")
    yield 0.3
    probe.record(without_style=root.message)
    root.add_file(str(probe.work / "no such file.png"))
    probe.record(unreadable_style=root.message)
    root.add_file(os.environ["NST_TEST_STYLE"])
    for name, value in {"size": 160, "iterations": 20, "encoder": "built-in"}.items():
        root.options[name] = value
    yield 0.5
    probe.record(message_cleared=root.message, server_before=root.connection.words)
    probe.screenshot("idle")
    docker.grab().save(str(probe.out / "docker_idle.png"))
    yield from whole_job(probe, root, handle)
    yield from undo_and_redo(probe, handle)
    yield from stop_and_keep(probe, root)
    yield from cancel_and_remove(probe, root, handle)
    yield from selection(probe, root, handle)
    yield from refused(probe, root)
    began = time.monotonic()
    root.close()
    probe.record(closing_seconds=time.monotonic() - began)


def _docker(probe):
    return next(d for d in probe.app.dockers() if d.objectName() == "nst_krita_docker")


def _root(probe):
    return _docker(probe).widget()._root


def layers(handle):
    """Names of the layers, groups with their children, the lowest first."""

    def names(node):
        children = [names(child) for child in node.childNodes()]
        return [node.name(), children] if node.type() == "grouplayer" else node.name()

    return [names(node) for node in handle.rootNode().childNodes() if node.type() != "selectionmask"]


def group(handle):
    return next((n for n in handle.rootNode().childNodes() if n.type() == "grouplayer"), None)


def has_final(handle):
    found = group(handle)
    return found is not None and any("final" in child.name() for child in found.childNodes())


def pixels(node, side=(0, 0, 320, 214)):
    return node.pixelData(*side).data()


def press(probe, name):
    """Click the button of the latest job's row."""
    button = _docker(probe).findChild(probe.QtWidgets.QAbstractButton, name)
    button.click()


def whole_job(probe, root, handle):
    background = handle.activeNode()
    probe.trigger("KritaShape/KisToolBrush")
    untouched = pixels(background)
    canvas = probe.canvas()
    centre = canvas.mapToGlobal(canvas.rect().center()) + probe.QtCore.QPoint(100, 0)
    began = time.monotonic()
    probe.trigger("nst_start")
    yield (lambda: group(handle) is not None, FIRST_SECONDS)
    first = time.monotonic() - began
    probe.screenshot("running")
    # A stroke while frames are arriving.
    x, y = centre.x(), centre.y()
    probe.mouse(
        *("mousemove", x - 60, y, "mousedown", 1, "sleep", 0.2, "mousemove", x, y + 20),
        *("sleep", 0.2, "mousemove", x + 60, y, "sleep", 0.2, "mouseup", 1),
    )
    yield (lambda: has_final(handle), JOB_SECONDS)
    last = time.monotonic() - began
    yield 1.0
    job = root.jobs[-1]
    probe.record(
        first_layer_seconds=first,
        final_layer_seconds=last,
        layers=layers(handle),
        visible=[child.name() for child in group(handle).childNodes() if child.visible()],
        active=handle.activeNode().name(),
        tool=probe.tool(),
        stroke_on_background=pixels(background) != untouched,
        modified=handle.modified(),
        job_words=job.words,
        server=root.connection.words,
    )
    probe.screenshot("done")
    _docker(probe).grab().save(str(probe.out / "docker_done.png"))


def undo_and_redo(probe, handle):
    before = layers(handle)
    final = group(handle).childNodes()[-1]
    filled = pixels(final)
    probe.trigger("edit_undo")
    yield 1.0
    undone = layers(handle)
    probe.trigger("edit_redo")
    yield 1.0
    probe.record(
        undone=undone,
        redone=layers(handle) == before,
        redone_pixels=pixels(group(handle).childNodes()[-1]) == filled and any(filled),
    )


def stop_and_keep(probe, root):
    handle = probe.app.openDocument(os.environ["NST_TEST_CONTENT"])
    probe.app.activeWindow().addView(handle)
    yield 1.0
    root.options["iterations"] = 100000
    probe.trigger("nst_start")
    yield (lambda: group(handle) is not None and root.jobs[-1].iteration > 5, FIRST_SECONDS)
    strength = root.options["strength"]
    root.options["strength"] = 0.9
    job = root.jobs[-1]
    yield (lambda: job.params.strength == 0.9, 10)
    press(probe, "nst_pause")
    yield (lambda: job.state.value == "paused", 20)
    probe.screenshot("paused")
    _docker(probe).grab().save(str(probe.out / "docker_paused.png"))
    press(probe, "nst_pause")
    yield (lambda: job.state.value == "running", 20)
    press(probe, "nst_stop")
    yield (lambda: has_final(handle), 60)
    probe.record(stopped=[job.state.value, job.words, layers(handle)[-1][1][-1]])
    root.options["strength"] = strength
    handle.setModified(False)
    handle.close()
    yield 1.0


def cancel_and_remove(probe, root, handle):
    handle = probe.app.openDocument(os.environ["NST_TEST_CONTENT"])
    probe.app.activeWindow().addView(handle)
    yield 1.0
    probe.trigger("nst_start")
    yield (lambda: group(handle) is not None and len(group(handle).childNodes()) > 1, FIRST_SECONDS)
    job = root.jobs[-1]
    press(probe, "nst_cancel")
    yield (lambda: job.state.value == "cancelled", 20)
    yield 2.0
    probe.record(cancelled=[layers(handle), handle.activeNode().name()])
    probe.screenshot("cancelled")
    handle.setModified(False)
    handle.close()
    yield 1.0


def selection(probe, root, handle):
    handle = probe.app.openDocument(os.environ["NST_TEST_CONTENT"])
    probe.app.activeWindow().addView(handle)
    yield 1.0
    chosen = Selection()
    chosen.select(100, 60, 80, 50, 255)
    handle.setSelection(chosen)
    root.options["iterations"] = 2
    yield 0.5
    probe.trigger("nst_start")
    yield (lambda: has_final(handle), FIRST_SECONDS)
    final = next(child for child in group(handle).childNodes() if "final" in child.name())
    alpha = pixels(final)[3::4]
    inside = [alpha[y * 320 + x] for y in (62, 108) for x in (102, 178)]
    outside = [alpha[y * 320 + x] for y in (30, 150) for x in (50, 140, 250)]
    probe.record(selected=[inside, outside, sum(alpha) // 255])
    handle.setModified(False)
    handle.close()
    yield 1.0


def refused(probe, root):
    handle = probe.document(64, 64, depth="U16")
    yield 1.0
    probe.trigger("nst_start")
    yield 0.5
    probe.record(sixteen_bit=root.message)
    probe.screenshot("refused")
    handle.setModified(False)
    handle.close()
    yield 0.5
