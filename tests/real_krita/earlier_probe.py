"""After Krita was killed in the middle of a job: the docker offers its frames, and Fetch brings them."""

import os
import time

from nst_probe import docker


def steps(probe):
    handle = yield from probe.opened(os.environ["NST_TEST_PAINTED"])
    background = handle.activeNode()
    reopened = docker.digest(background)
    dock, root = yield from docker.show(probe)
    docker.stroke(probe, lower=120)
    yield lambda: docker.digest(background) != reopened
    yield 1.0
    painted = docker.digest(background)
    labels = dock.findChildren(probe.QtWidgets.QLabel)
    probe.record(
        server=root.connection.words,
        reopened=reopened,
        frames_before=docker.layers(handle),
        offered=[label.text() for label in labels if label.text().startswith("Earlier")],
    )
    probe.screenshot("offered")
    probe.click(next(b for b in dock.findChildren(probe.QtWidgets.QPushButton) if b.text() == "Fetch"))
    yield (lambda: docker.has_final(handle), 180)
    yield 1.0
    probe.record(
        layers=docker.layers(handle),
        frames=[docker.digest(frame) for frame in docker.frames(handle)],
        painted_kept=docker.digest(background) == painted,
        active=handle.activeNode().name(),
        words=root.jobs[-1].words,
        still_offered=len(root.offers),
    )
    probe.screenshot("fetched")
    began = time.monotonic()
    root.close()
    probe.record(closing_seconds=time.monotonic() - began)
