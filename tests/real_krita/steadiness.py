"""Runs inside Krita, for probes: a row's buttons stay in their place from Start to its end."""

from nst_probe.docker import click, style_rows
from nst_probe.job_rows import DONE, Frames, a_job, running, without_edge
from nst_probe.looking import looks


def steady(probe, root, docker):
    """In a docker that is too low for settings and job: where the row's buttons are, whatever comes."""
    from nst_krita.model.options import Layers

    found = {}
    for name, layers, width, height in (
        ("every", Layers.EVERY, 330, 640),
        ("newest", Layers.NEWEST, 330, 640),
        ("usual", Layers.EVERY, 262, 640),
        ("low", Layers.EVERY, 262, 330),
    ):
        docker.setGeometry(20, 30, width, height)
        title = "swirls and a second, long name → “Background”"
        job = a_job(root, title, root.rows.viewed, root.styles.styles, layers)
        root.rows.add(job, Frames(probe))
        yield 0.5
        row = next(w for w in docker.findChildren(probe.QtWidgets.QFrame) if getattr(w, "_job", None) is job)
        found[name] = yield from _life(probe, root, docker, job, row)
        looks(probe, docker, f"steady_{name}")
        found[name].update((yield from _end(probe, root, docker, job, row, name)))
    yield from _low(probe, root, docker)
    yield from _without_pictures(probe, root, docker)
    yield from _failing(probe, root, docker)
    yield from _news(probe, root, docker)
    yield from _leaving_unnoticed(probe, root, docker)
    probe.record(steady=found)
    docker.setGeometry(20, 30, 330, 860)
    yield 0.3


def _life(probe, root, docker, job, row):
    """From Start on: where its buttons are, and what the one that inserts says."""
    has_all = job.layers.has_all
    cross = button_of(probe, row, "nst_cancel")
    found = {"places": [], "cross": [cross._name, cross.accessibleName()], "insert": []}
    probe.QtGui.QCursor.setPos(row.mapToGlobal(row.rect().center()))
    note = "5 frames wait hidden, so that you see what you paint. Show them with the eye."
    for happens in (
        lambda: None,
        lambda: job.handle("accepted", {"state": "queued", "position": 0, "revision": 0}),
        lambda: running(job),
        lambda: setattr(job, "preview", (96, 64, bytes([200, 150, 90, 255]) * 96 * 64)),
        lambda: setattr(job, "inserted", (1, 2, 5) if has_all else (1,)),
        lambda: setattr(job, "frames_note", note),
        lambda: setattr(job, "keeps_redo", 6),
        lambda: setattr(job, "left_out", (3, 4) if has_all else ()),
        lambda: setattr(root.download, "offered", "vgg19"),
    ):
        happens()
        yield 0.4
        buttons = (button_of(probe, row, name) for name in ("nst_cancel", "nst_stop"))
        found["places"].append([at(docker, button) for button in buttons])
        insert = button_of(probe, row, "nst_insert")
        found["insert"] += [insert.text()] if insert.isVisible() else []
    return found


def _end(probe, root, docker, job, row, name):
    """The pointer leaves: whether the question comes. It is back, and the job is done: where the tick is.
    It leaves again: how high the row was, and is."""
    from nst_krita.qt import local_time

    asked = [_is_asked(probe, docker)]
    probe.QtGui.QCursor.setPos(docker.mapToGlobal(probe.QtCore.QPoint(500, 20)))
    yield 0.5
    asked.append(_is_asked(probe, docker))
    root.download.offered = ""
    job.left_out, job.keeps_redo, job.frames_note = (), 0, ""
    probe.QtGui.QCursor.setPos(row.mapToGlobal(row.rect().center()))
    yield 0.5
    job.handle("done", DONE)
    yield 0.4
    tick = button_of(probe, row, "nst_dismiss")
    found = {"asked": asked, "end": at(docker, tick), "tick": [tick._name, tick.accessibleName()]}
    found["heights"] = [row.height()]
    probe.QtGui.QCursor.setPos(docker.mapToGlobal(probe.QtCore.QPoint(500, 20)))
    yield 0.5
    found["heights"].append(row.height())
    looks(probe, docker, f"ended_{name}")
    root.rows.fold(job)
    found["folded"] = [job.title, row._title.toolTip(), local_time(Frames.record.begun)]
    root.rows.dismiss(job)
    yield 0.3
    return found


def _low(probe, root, docker):
    """In a docker as low as on a small screen: what is seen of what a job shows, and of what moves it."""
    form = docker.findChild(probe.QtWidgets.QScrollArea, "nst_form")
    bar = form.verticalScrollBar()
    docker.setGeometry(20, 30, 262, 317)
    found = {}
    inside, outside = form.rect().center(), probe.QtCore.QPoint(500, 20)
    for name, place, focused in (
        ("pointed_at", inside, ""),
        ("focused", outside, "nst_field_layers"),
        ("seen", outside, "nst_presets"),
    ):
        if focused:
            docker.widget().take_focus()
            docker.findChild(probe.QtWidgets.QWidget, focused).setFocus()
        bar.setValue(0)
        probe.QtGui.QCursor.setPos(form.mapToGlobal(place))
        yield 0.5
        job = a_job(root, "swirls → “Background”", root.rows.viewed, root.styles.styles)
        root.rows.add(job, Frames(probe))
        yield 0.5
        found[name] = [bar.value()]
        if name == "seen":
            found[name] = yield from _seen(probe, root, docker, job)
        job.handle("done", DONE)
        root.rows.dismiss(job)
        yield 0.2
    bar.setValue(bar.maximum())
    style = root.styles.styles[-1]
    root.styles.remove(style)
    root.styles.add(style)
    yield 0.5
    found["added"] = is_whole(style_rows(probe, docker)[-1])
    probe.record(low=found)


def _without_pictures(probe, root, docker):
    """With the pointer on it, what is kept for preview and curve: of a job that has been fetched, and of one
    that is cancelled."""
    docker.setGeometry(20, 30, 330, 640)
    found = []
    for styles, kind, fields in (((), "done", DONE), (root.styles.styles, "cancelled", {})):
        job = a_job(root, "swirls → “Background”", root.rows.viewed, styles)
        root.rows.add(job, Frames(probe))
        yield 0.5
        row = next(w for w in docker.findChildren(probe.QtWidgets.QFrame) if getattr(w, "_job", None) is job)
        probe.QtGui.QCursor.setPos(row.mapToGlobal(row.rect().center()))
        if styles:
            running(job)
        yield 0.5
        job.handle(kind, fields)
        yield 0.5
        found += [row._body._pictures.height(), row._body._curve.isVisible()]
        probe.QtGui.QCursor.setPos(docker.mapToGlobal(probe.QtCore.QPoint(500, 20)))
        root.rows.dismiss(job)
        yield 0.3
    probe.record(without_pictures=found)


def _seen(probe, root, docker, job):
    """Which parts are seen whole, as the job is prepared and as it paints; and how high the row is."""
    row = next(w for w in docker.findChildren(probe.QtWidgets.QFrame) if getattr(w, "_job", None) is job)
    names = "nst_field_strength", "nst_field_keep_colours", "nst_pause", "nst_preview", "nst_scrub"
    parts = [docker.findChild(probe.QtWidgets.QWidget, name) for name in names[:2]]
    parts += [row.findChild(probe.QtWidgets.QWidget, name) for name in names[2:]]
    job.handle("accepted", {"state": "preparing", "position": 0, "revision": 0})
    yield 0.3
    heights = [row.height()]
    running(job)
    job.preview, job.inserted = (96, 64, bytes([200, 150, 90, 255]) * 96 * 64), (1, 2, 5)
    job.document_name = "portrait"
    yield 0.5
    looks(probe, docker, "low_running")
    heights.append(row.height())
    is_named = [row._body._document.isVisible()]
    job.document_id, job.document_name = "elsewhere", "portrait"
    row.look_around()
    is_named.append(row._body._document.isVisible())
    job.document_id, job.document_name = root.rows.viewed, ""
    yield 0.2
    whole = {name: is_whole(part) for name, part in zip(names, parts)}
    preview = row._body._preview
    widths = [preview.iconSize().width()]
    preview.click()
    yield 0.3
    looks(probe, docker, "low_enlarged")
    widths.append(preview.iconSize().width())
    preview.click()
    yield from _noted(probe, docker, job, row)
    return {"whole": whole, "heights": heights, "named": is_named, "enlarged": widths}


def _noted(probe, docker, job, row):
    """A long note: how much of it its row shows, folded, unfolded by a click, folded by another one, and in a
    docker that is not low; and whether the stages are seen with it."""
    job.note = "A short one."
    yield 0.4
    click(probe, row._body._note)  # there is nothing to unfold
    job.note = "The device has not enough memory: painted at half the size, then enlarged."
    job.frames_note = "Frames wait: a new layer would take away what you can redo. Redo it, or press Insert."
    note, film = row._body._note, row.findChild(probe.QtWidgets.QWidget, "nst_scrub")
    whole, found = f"{job.note} · {job.frames_note}", []
    for happens in (None, "a click", "another", "room"):
        if happens == "room":
            docker.setGeometry(20, 30, 262, 640)
        elif happens:
            click(probe, note)
        yield 0.4
        seen = is_whole(film) and is_whole(note)
        found.append([len(note.text()), note.text() == whole, seen, note.toolTip(), note.accessibleName()])
        looks(probe, docker, f"noted_{len(found)}")
    docker.setGeometry(20, 30, 262, 317)
    probe.record(noted=found, note=whole)
    yield 0.3


def is_whole(widget):
    """Whether all of it is seen."""
    return widget.visibleRegion().boundingRect() == widget.rect()


def _failing(probe, root, docker):
    """A job that fails at once: what its row says, and how high it is, with the pointer on it and without."""
    docker.setGeometry(20, 30, 330, 640)
    job = a_job(root, "swirls → “Background”", root.rows.viewed)
    root.rows.add(job, Frames(probe))
    yield 0.5
    row = next(w for w in docker.findChildren(probe.QtWidgets.QFrame) if getattr(w, "_job", None) is job)
    probe.QtGui.QCursor.setPos(row.mapToGlobal(row.rect().center()))
    yield 0.5
    heights = [row.height()]
    job.handle("failed", {"message": "The style is wholly transparent.", "hint": "Choose another."})
    yield 0.5
    heights.append(row.height())
    probe.QtGui.QCursor.setPos(docker.mapToGlobal(probe.QtCore.QPoint(500, 20)))
    yield 0.5
    heights.append(row.height())
    looks(probe, docker, "failed")
    probe.record(failed=[row._title.toolTip(), heights])
    root.rows.dismiss(job)
    docker.setGeometry(20, 30, 330, 860)
    yield 0.3


def _news(probe, root, docker):
    """In a low docker: whether one sees each of three rows when it comes, the second after one that has ended
    and was scrolled, and the last when it fails, which puts it below the second."""
    found = []
    docker.setGeometry(20, 30, 260, 240)
    probe.QtGui.QCursor.setPos(docker.mapToGlobal(probe.QtCore.QPoint(500, 20)))
    jobs = [a_job(root, f"{name} → “Background”", root.rows.viewed) for name in ("first", "second", "third")]
    bar = docker.findChild(probe.QtWidgets.QScrollArea, "nst_work").verticalScrollBar()
    for job in jobs:
        root.rows.add(job, Frames(probe))
        yield 0.5
        found.append(_is_head_seen(probe, docker, job))
        running(job)
        job.preview, job.inserted = (96, 64, bytes([200, 150, 90, 255]) * 96 * 64), (1, 2, 5)
        job.note = "The device has not enough memory: painted at half the size, then enlarged."
        if job is jobs[0]:
            job.handle("done", DONE)
        yield 0.5
        bar.setValue(bar.maximum())
        found.append(_is_head_seen(probe, docker, job))
    jobs[2].handle("failed", {"message": "The style is wholly transparent.", "hint": "Choose another."})
    yield 0.5
    found.append(_is_head_seen(probe, docker, jobs[2]))
    probe.record(news=found)
    buttons = docker.findChildren(probe.QtWidgets.QToolButton, "nst_dismiss")
    done = next(button for button in buttons if button.isVisible())
    bar.setValue(5)
    done.setFocus()
    yield 0.2
    before = bar.value()
    done.click()
    yield 0.5
    probe.record(scrolled_by_dismissing=[before, bar.value(), bar.maximum()])
    for job in [job for job in jobs if job in root.rows.jobs]:
        root.rows.dismiss(job)
    docker.setGeometry(20, 30, 330, 860)
    yield 0.3


def _leaving_unnoticed(probe, root, docker):
    """The pointer leaves the rows and Qt does not tell, as where a dialog was open meanwhile: whether what
    waited for that is asked, first while the pointer is there, then afterwards."""
    kind, work = probe.QtCore.QEvent.Type, docker.findChild(probe.QtWidgets.QScrollArea, "nst_work")

    class Untold(probe.QtCore.QObject):
        def eventFilter(self, watched, event):
            if event.type() == kind.Leave:
                watched.setAttribute(probe.QtCore.Qt.WidgetAttribute.WA_UnderMouse)
            return event.type() == kind.Leave

    job = a_job(root, "swirls → “Background”", root.rows.viewed)
    root.rows.add(job, Frames(probe))
    yield 0.5
    untold = Untold()
    work.installEventFilter(untold)
    probe.QtGui.QCursor.setPos(work.mapToGlobal(work.rect().center()))
    yield 0.5
    root.download.offered = "vgg19"
    yield 0.8
    asked = [_is_asked(probe, docker)]
    probe.QtGui.QCursor.setPos(docker.mapToGlobal(probe.QtCore.QPoint(500, 20)))
    yield 1.2
    probe.record(left_unnoticed=[*asked, _is_asked(probe, docker)])
    work.removeEventFilter(untold)
    work.setAttribute(probe.QtCore.Qt.WidgetAttribute.WA_UnderMouse, False)
    root.download.offered = ""
    job.handle("done", DONE)
    root.rows.dismiss(job)
    yield 0.3


def _is_head_seen(probe, docker, job):
    """Whether the title and the words of that job's row are seen whole."""
    row = next(w for w in docker.findChildren(probe.QtWidgets.QFrame) if getattr(w, "_job", None) is job)
    return all(is_whole(part) for part in (row._title, row._body._words))


def question_in_a_low_docker(probe, root, docker):
    """While a job paints, 430 px high: whether its answers can be pressed."""
    job = a_job(root, "swirls → “Background”", root.rows.viewed)
    root.rows.add(job, Frames(probe))
    running(job)
    job.preview, job.inserted = (96, 64, bytes([200, 150, 90, 255]) * 96 * 64), (1, 2, 5)
    root.download.offered = "vgg19"
    docker.setGeometry(20, 30, 260, 430)
    yield 0.6
    looks(probe, docker, "question")
    answer = docker.findChild(probe.QtWidgets.QPushButton, "nst_download")
    buttons = answer.parent().findChildren(probe.QtWidgets.QPushButton)
    probe.record(answers=[is_whole(button) for button in buttons])
    root.download.offered = ""
    root.rows.dismiss(job)
    docker.setGeometry(20, 30, 330, 860)
    yield 0.3


def in_line(probe, root, docker):
    """Two that wait behind one that runs, as the queue has them: what their rows say, from the top."""
    jobs = [a_job(root, f"{name} → “Background”", root.rows.viewed) for name in ("first", "second", "third")]
    for place, job in enumerate(jobs):
        root.rows.add(job, Frames(probe))
        job.handle("state", {"state": "queued", "position": max(0, place - 1)})
    running(jobs[0])
    yield 0.3
    looks(probe, docker, "in_line")
    edges = yield from without_edge(probe, docker)
    probe.record(in_line=_told(probe, docker), without_edge=edges)
    for job in jobs:
        job.handle("done", DONE)
        root.rows.dismiss(job)
    yield 0.3


def _told(probe, docker):
    """What each row says, and whether its bar moves without an end."""
    rows = [w for w in docker.findChildren(probe.QtWidgets.QFrame) if type(w).__name__ == "JobView"]
    rows = sorted(filter(probe.QtWidgets.QWidget.isVisible, rows), key=lambda row: row.y())
    bars = [row.findChild(probe.QtWidgets.QProgressBar) for row in rows]
    return [[row._body._words.text(), bar.maximum() == 0] for row, bar in zip(rows, bars)]


def start_colours(probe, docker):
    """Of the pixels of Start as it is drawn, as (red, green, blue): beside its text, and in it."""
    start = docker.findChild(probe.QtWidgets.QPushButton, "nst_start")
    image = start.grab().toImage()
    ratio = image.devicePixelRatio()
    half = start.fontMetrics().height() / 2
    rows = range(round((start.height() / 2 - half) * ratio), round((start.height() / 2 + half) * ratio))
    wide = start.fontMetrics().horizontalAdvance(start.text())
    beside = round((start.width() / 2 - wide) * ratio)
    across = range(beside, round((start.width() / 2 + wide / 2) * ratio))

    def colour(x, y):
        return list(image.pixelColor(x, y).getRgb()[:3])

    return {
        "ground": [colour(beside, y) for y in rows],
        "text": [colour(x, y) for y in rows for x in across],
    }


def _is_asked(probe, docker):
    return docker.findChild(probe.QtWidgets.QPushButton, "nst_download").isVisible()


def button_of(probe, row, name):
    return row.findChild(probe.QtWidgets.QAbstractButton, name)


def at(docker, button):
    """Its upper right corner in the docker."""
    corner = button.mapTo(docker, button.rect().topRight())
    return [corner.x(), corner.y()]
