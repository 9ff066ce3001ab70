"""The document of a Krita that has quit during a job: what it offers, without a server and with one."""

from nst_probe import docker

JOB_SECONDS = 90


def steps(probe):
    _dock, root = yield from docker.show(probe)
    handle = yield from probe.opened(str(probe.work / "quit.kra"))
    yield lambda: root.documents.offers
    probe.record(
        before=docker.layers(handle),
        offered=[offer.words for offer in root.documents.offers],
        server=root.connection.words,
        style=[style.name for style in root.styles.styles],
    )
    yield from docker.take_offer(probe, root, handle)
    probe.record(
        layers=docker.layers(handle),
        words=root.jobs[-1].words,
        offers=root.offers,
    )
    probe.screenshot("inserted")
    root.options["iterations"] = 5000
    probe.trigger("nst_start")
    yield (lambda: root.jobs[-1].iteration > 2, JOB_SECONDS)
    probe.record(stopped_job=root.jobs[-1].id)
    probe.finish()

    def stop():
        box = probe.QtWidgets.QApplication.activeModalWidget()
        button = box.findChild(probe.QtWidgets.QPushButton, "nst_quit_stop") if box is not None else None
        button.click() if button is not None else probe.QtCore.QTimer.singleShot(100, stop)

    handle.setModified(False)
    probe.QtCore.QTimer.singleShot(100, stop)
    probe.trigger("file_quit")
    yield lambda: False
