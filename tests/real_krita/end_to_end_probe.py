"""The main job as a painter does it: style, Start, paint on, undo and redo, Stop, Cancel, a selection.

At the end Krita is killed in the middle of a job; what the next one makes of that is in earlier_probe.py.
"""

import os
import signal
import time
from pathlib import Path

from krita import Selection
from nst_probe import docker

FIRST_SECONDS, JOB_SECONDS = 120, 180


def steps(probe):
    handle = yield from probe.opened(os.environ["NST_TEST_CONTENT"])
    dock, root = yield from docker.show(probe)
    probe.trigger("nst_start")
    yield 0.3
    probe.record(without_style=root.message)
    root.add_file(str(probe.work / "no such file.png"))
    missing = root.message
    broken = probe.work / "cut off.png"
    broken.write_bytes(Path(os.environ["NST_TEST_STYLE"]).read_bytes()[:600])
    root.add_file(str(broken))
    yield lambda: "cut off" in root.message
    probe.record(unreadable_style=[missing, root.message])
    root.styles.remove(root.styles.styles[0])
    root.add_file(os.environ["NST_TEST_STYLE"])
    for name, value in {"size": 160, "iterations": 20, "encoder": "built-in"}.items():
        root.options[name] = value
    yield 0.5
    probe.record(message_cleared=root.message, server_before=root.connection.words)
    probe.screenshot("idle")
    dock.grab().save(str(probe.out / "docker_idle.png"))
    yield from whole_job(probe, root, handle)
    yield from undo_and_redo(probe, handle)
    yield from other_colours(probe, root, handle)
    yield from stop_and_keep(probe, root)
    yield from cancel_and_remove(probe, root, handle)
    yield from selection(probe, root, handle)
    yield from refused(probe, root)
    yield from restarted(probe, root)
    yield from elsewhere(probe, root)
    yield from killed(probe, root)


def press(probe, name):
    """Click the button of the latest job's row."""
    buttons = docker.find(probe).findChildren(probe.QtWidgets.QAbstractButton, name)
    next(button for button in buttons if button.isVisible()).click()


def whole_job(probe, root, handle):
    background = handle.activeNode()
    untouched = docker.pixels(background)
    began = time.monotonic()
    probe.trigger("nst_start")
    yield (lambda: docker.frames(handle), FIRST_SECONDS)
    first = time.monotonic() - began
    probe.screenshot("running")
    docker.stroke(probe)  # while frames are arriving
    yield (lambda: docker.has_final(handle), JOB_SECONDS)
    last = time.monotonic() - began
    yield 1.0
    job = root.jobs[-1]
    probe.record(
        first_layer_seconds=first,
        final_layer_seconds=last,
        layers=docker.layers(handle),
        visible=[child.name() for child in docker.frames(handle) if child.visible()],
        active=handle.activeNode().name(),
        tool=probe.tool(),
        stroke_on_background=docker.pixels(background) != untouched,
        modified=handle.modified(),
        job_words=job.words,
        server=root.connection.words,
    )
    probe.screenshot("done")
    docker.find(probe).grab().save(str(probe.out / "docker_done.png"))


def undo_and_redo(probe, handle):
    before = docker.layers(handle)
    final = docker.frames(handle)[-1]
    filled = docker.pixels(final)
    probe.trigger("edit_undo")
    yield 1.0
    undone = docker.layers(handle)
    probe.trigger("edit_redo")
    yield 1.0
    probe.record(
        undone=undone,
        redone=docker.layers(handle) == before,
        redone_pixels=docker.pixels(docker.frames(handle)[-1]) == filled and any(filled),
    )


def other_colours(probe, root, handle):
    """The final frame in the content's hues, as a frame of its own; then all of it is taken away again."""
    background, final = handle.rootNode().childNodes()[0], docker.frames(handle)[-1]
    handle.setActiveNode(final)
    yield 0.5
    jobs = len(root.jobs)
    root.recolour_layer()
    found = {"no_colours": [root.message, len(root.jobs) == jobs]}
    root.options["keep_colours"] = "luminance"
    handle.setActiveNode(background)
    yield 0.5
    root.recolour_layer()
    found["no_frame"] = [root.message, len(root.jobs) == jobs]
    handle.setActiveNode(final)
    yield 0.5
    root.recolour_layer()
    job = root.jobs[-1]
    yield (lambda: job.has_ended and job.inserted, JOB_SECONDS)
    yield 0.5
    group = next(node for node in reversed(handle.rootNode().childNodes()) if node.type() == "grouplayer")
    made = group.childNodes()[-1]
    centre = (100, 60, 120, 100)
    found.update(
        layers=docker.layers(handle),
        title=job.title,
        words=job.words,
        active=handle.activeNode() == final,
        pixels={
            name: node.pixelData(*centre).data().hex()
            for name, node in (("content", background), ("painted", final), ("made", made))
        },
    )
    probe.screenshot("other_colours")
    handle.setActiveNode(made)
    root.options["keep_colours"], root.options["iterations"] = "no", 7
    yield 0.5
    root.use_settings_of_layer()
    found["settings"] = [root.message, root.options["iterations"], root.options["keep_colours"]]
    probe.record(other_colours=found)
    handle.setActiveNode(background)
    root.insertion(job).remove()
    root.options["keep_colours"] = "no"
    yield 1.0


def stop_and_keep(probe, root):
    handle = yield from probe.opened(os.environ["NST_TEST_CONTENT"])
    root.options["iterations"] = 100000
    probe.trigger("nst_start")
    yield (lambda: docker.frames(handle) and root.jobs[-1].iteration > 5, FIRST_SECONDS)
    strength = root.options["strength"]
    root.options["strength"] = 0.9
    job = root.jobs[-1]
    yield (lambda: job.params.strength == 0.9, 10)
    press(probe, "nst_pause")
    yield (lambda: job.state.value == "paused", 20)
    probe.screenshot("paused")
    docker.find(probe).grab().save(str(probe.out / "docker_paused.png"))
    press(probe, "nst_pause")
    yield (lambda: job.state.value == "running", 20)
    press(probe, "nst_stop")
    yield (lambda: docker.has_final(handle), 60)
    probe.record(stopped=[job.state.value, job.words, docker.layers(handle)[-1][1][-1]])
    root.options["strength"] = strength
    yield from probe.closed(handle)


def cancel_and_remove(probe, root, handle):
    handle = yield from probe.opened(os.environ["NST_TEST_CONTENT"])
    probe.trigger("nst_start")
    yield (lambda: len(docker.frames(handle)) > 1, FIRST_SECONDS)
    job = root.jobs[-1]
    press(probe, "nst_cancel")
    yield (lambda: job.state.value == "cancelled", 20)
    yield 2.0
    probe.record(cancelled=[docker.layers(handle), handle.activeNode().name()])
    probe.screenshot("cancelled")
    yield from probe.closed(handle)


def selection(probe, root, handle):
    handle = yield from probe.opened(os.environ["NST_TEST_CONTENT"])
    chosen = Selection()
    chosen.select(100, 60, 80, 50, 255)
    handle.setSelection(chosen)
    root.options["iterations"] = 2
    yield 0.5
    probe.trigger("nst_start")
    yield (lambda: docker.has_final(handle), FIRST_SECONDS)
    final = next(child for child in docker.frames(handle) if "final" in child.name())
    alpha = docker.pixels(final)[3::4]
    inside = [alpha[y * 320 + x] for y in (62, 108) for x in (102, 178)]
    outside = [alpha[y * 320 + x] for y in (30, 150) for x in (50, 140, 250)]
    probe.record(selected=[inside, outside, sum(alpha) // 255])
    yield from probe.closed(handle)


def refused(probe, root):
    handle = yield from probe.opened((64, 64))
    handle.activeNode().setVisible(False)
    probe.trigger("nst_start")
    yield 0.5
    probe.record(hidden_layer=root.message)
    probe.screenshot("refused")
    yield from probe.closed(handle)


def restarted(probe, root):
    """*Restart server*, where this Krita can start one."""
    from nst_krita.backend import wire

    def pid():
        try:
            return wire.connection.Connection.read(wire.connection.connection_file()).pid
        except wire.connection.NoConnection:
            return None

    if not (wire.connection.data_dir() / "installed.json").exists():
        probe.record(restarted=None)
        return
    before = pid()
    entry(probe, "nst_server_restart").trigger()
    yield (lambda: pid() not in (None, before) and root.connection.link.value == "connected", 30)
    probe.record(restarted=[root.message, root.connection.words])


def entry(probe, name):
    """An entry of the server's menu."""
    return docker.find(probe).findChild(probe.QtCore.QObject, name)


def elsewhere(probe, root):
    """A job on the server of a connection file, and back to the local one."""
    handle = yield from probe.opened(os.environ["NST_TEST_CONTENT"])
    root.server.choose(os.environ["NST_TEST_STUDIO"])
    yield 0.5
    before, root.options["iterations"] = root.connection.words, 2
    probe.trigger("nst_start")
    yield (lambda: docker.has_final(handle), 60)
    found = [root.message, before, root.connection.words, root.jobs[-1].id, docker.layers(handle)]
    yield from probe.closed(handle)
    yield lambda: not root.unfinished
    entry(probe, "nst_server_local").trigger()
    yield 0.5
    probe.record(elsewhere=found, local_again=[root.message, root.server.is_remote])


def killed(probe, root):
    """A painted and saved picture, two frames of a job, and then Krita is no more."""
    handle = yield from probe.opened(os.environ["NST_TEST_CONTENT"])
    background = handle.activeNode()
    untouched = docker.digest(background)
    docker.stroke(probe)
    yield lambda: docker.digest(background) != untouched
    yield 1.0
    probe.app.setBatchmode(True)
    handle.saveAs(os.environ["NST_TEST_PAINTED"])
    probe.app.setBatchmode(False)
    root.options["iterations"] = 120
    probe.trigger("nst_start")
    yield (lambda: len(docker.frames(handle)) == 2, FIRST_SECONDS)
    job = root.jobs[-1]
    probe.record(killed_job=job.id, killed_state=job.state.value, painted=docker.digest(background))
    probe.finish()
    os.kill(os.getpid(), signal.SIGKILL)
