"""Runs inside Krita, for probes: the docker's rows of jobs, with a stand-in for the server and the layers."""

from types import SimpleNamespace

from nst_probe.docker import click, key
from nst_probe.looking import looks

#: How a server tells that a job is complete.
DONE = {"reason": "completed", "iteration": 300, "seconds": 70.0, "encoder": "built-in", "notes": []}


class Frames:
    """Stands in for a job's frames on their way into the document: writes down what it is asked for."""

    pending, is_homeless, is_animating, newest_is_hidden = 0, False, False, False
    record = SimpleNamespace(begun=1_000_000_000)

    def __init__(self, probe):
        self._probe = probe
        self.shown, self.fetched, self.pictures, self.opened = [], [], [], 0
        self.missing, self.missed = None, 0  # one of which no picture can be had, and how often it was wanted

    def show(self, sequence):
        self.shown.append(sequence)

    def fetch(self, which=None):
        self.fetched.append(which)

    def thumbnail(self, sequence, side):
        if sequence == self.missing:
            self.missed += 1
            return None
        self.pictures.append(sequence)
        image = self._probe.QtGui.QImage(side, side * 2 // 3, self._probe.QtGui.QImage.Format.Format_RGB32)
        image.fill(self._probe.QtGui.QColor.fromHsv(40 * sequence % 360, 160, 200))
        return image

    def reopen(self):
        self.opened += 1

    def rest(self):
        pass

    close = rest


def a_job(root, title, document, styles=(), layers=None):
    from nst_krita.model.jobs import Job
    from nst_krita.model.options import Layers

    layers = layers or Layers.EVERY
    job = Job(title, "swirls", root.options.params(()), layers, document, "layer", styles=styles)
    job.frames = {1: 1, 2: 2, 3: 5, 4: 10, 5: 20, 6: 50, 7: 100, 8: 200, 9: 300}
    return job


def running(job):
    """Let it be in the middle of its work."""
    from nst_krita.model.jobs import Loss

    job.losses = tuple(Loss(i, 1 / (1 + i), (96, 64)) for i in range(19))
    job.handle("state", {"state": "running", "device": "CPU", "encoder": "built-in"})
    fields = {"iteration": 20, "total": 300, "losses": {"total": 0.02}, "seconds_left": 95.0}
    job.handle("progress", fields)


def scrubbing(probe, root, docker):
    """A job with frames that are layers and others that are not: what the scrubber shows and fetches."""
    job, frames = a_job(root, "swirls → “Background”", root.rows.viewed), Frames(probe)
    root.rows.add(job, frames)
    running(job)
    docker.setGeometry(20, 30, 420, 860)  # all of the film in sight, beside the button
    yield 0.3
    job.left_out, job.inserted = (3, 4), (1, 2, 5)
    yield lambda: len(frames.pictures) == 3
    yield 0.3
    looks(probe, docker, "job")
    film = docker.findChild(probe.QtWidgets.QSlider, "nst_scrub")
    found = {"range": [film.minimum(), film.maximum()], "newest": film.value(), "names": [name_of(film)]}
    found["curves"] = curves_of_sizes()
    yield from repainted(job, frames, found)
    film.setValue(1)
    film.setValue(2)
    found["names"].append(name_of(film))
    film.setValue(3)  # passed over the third: only where the hand rests is fetched
    yield lambda: bool(frames.fetched)
    yield 0.6
    job.left_out, job.inserted = (3,), (1, 2, 4, 5)
    found["stays"] = film.value()
    frames.newest_is_hidden = True
    job.inserted = (1, 2, 4, 5, 6)
    found["painted_on"] = film.value()
    frames.newest_is_hidden = False
    job.inserted = (1, 2, 4, 5, 6, 7)
    found["follows"] = film.value()
    key(probe, film, "Key_Home")
    found["by_key"] = film.value()
    found["shown"], found["fetched"] = list(frames.shown), frames.fetched
    probe.record(scrub=found, pictures=sorted(frames.pictures[:3]))
    docker.setGeometry(20, 30, 330, 860)
    yield from mark_of_more(probe, film)
    yield from several_jobs(probe, root, docker, job, frames)


def mark_of_more(probe, film):
    """With the last frame in sight: whether the mark at the left edge lies on ground of its own."""
    film.blockSignals(True)
    yield 0.3
    for value in (film.maximum(), 0):
        film.setValue(value)
        film._keep_in_view()
        yield 0.3
        if value:
            image = film.grab().toImage()
            ratio = image.devicePixelRatio()
            above = image.pixelColor(round(5 * ratio), round((1 + film._height / 2 - 8) * ratio))
            ground = film.palette().color(probe.QtGui.QPalette.ColorRole.Window)
            probe.screenshot("film")
            probe.record(mark_of_more=[film._first > 0, above.name() == ground.name()])
    film.blockSignals(False)


def curves_of_sizes():
    """What is drawn of a job that has painted a small picture and paints a larger one."""
    from nst_krita.model.jobs import Loss
    from nst_krita.ui.loss_curve import curves

    losses = [*(Loss(i, 100 / i, (48, 32)) for i in (1, 2, 3)), *(Loss(i, 1 / i, (96, 64)) for i in (4, 5))]
    return curves(losses)


def repainted(job, frames, found):
    """The layers have come to look otherwise; of one of them no picture can be had, at first."""
    frames.missing = 2
    job.looks += 1
    yield lambda: frames.pictures[3:] == [1, 5] and frames.missed > 1
    frames.missing = None
    job.looks += 1
    yield lambda: len(frames.pictures) == 8
    yield 0.6
    found["renewed"] = [frames.pictures[3:5], sorted(frames.pictures[5:])]


def cross_of(probe, docker, job):
    """Whether ✕ can be pressed: as soon as the job has ended, and later."""
    rows = [view for view in docker.findChildren(probe.QtWidgets.QFrame) if is_row(view)]
    row = next(view for view in rows if view._job is job)
    cross = row.findChild(probe.QtWidgets.QToolButton, "nst_dismiss")
    found = [is_pressed(probe, cross)]
    yield 1.2
    return [*found, is_pressed(probe, cross)]


def name_of(widget):
    return [widget.accessibleName(), widget.accessibleDescription()]


def several_jobs(probe, root, docker, ended, frames):
    """One that has ended, folded; one that works, enlarged; one of another document; in a small docker."""
    ended.inserted, ended.left_out = tuple(ended.frames), ()
    ended.handle("done", DONE)
    there = a_job(root, "mirrored swirls → “a layer with a name that is long”", "another")
    root.rows.add(there, Frames(probe))
    here = a_job(root, "swirls + mirrored swirls → “Background”", ended.document_id)
    root.rows.add(here, Frames(probe))
    for job in (there, here):
        running(job)
        job.inserted = (1, 2, 5)
    there.document_name, here.document_name = "sketch of the sea.kra", "content.png"
    here.preview = (96, 64, bytes([200, 150, 90, 255]) * 96 * 64)
    yield 0.6
    looks(probe, docker, "jobs")
    fold = next(b for b in docker.findChildren(probe.QtWidgets.QToolButton, "nst_fold") if b.isVisible())
    found = {"folded": [job.is_folded for job in root.jobs]}
    row = next(w for w in docker.findChildren(probe.QtWidgets.QFrame) if getattr(w, "_job", None) is ended)
    folded_title = row._title.toolTip()
    fold.click()
    from nst_krita.qt import local_time

    found["titles"] = [row._title.toolTip(), folded_title, local_time(Frames.record.begun)]
    preview = next(
        b for b in docker.findChildren(probe.QtWidgets.QToolButton, "nst_preview") if b.isVisible()
    )
    small = preview.iconSize().width()
    preview.click()
    yield 0.6
    found.update(unfolded=[ended.is_folded, frames.opened], larger=preview.iconSize().width() > small)
    looks(probe, docker, "unfolded")
    preview.click()
    docker.setGeometry(20, 30, 260, 420)
    yield 0.6
    found["in_sight"] = in_sight(probe, docker, "nst_pause")
    looks(probe, docker, "low")
    yield from in_a_stack(probe, root, docker, here)
    yield from with_little_room(probe, root, docker)
    root.options["keep_colours"] = "luminance"
    docker.setGeometry(20, 30, 330, 860)
    here.handle("done", DONE)
    found["cross"] = yield from cross_of(probe, docker, here)
    root.rows.viewed = "another"
    yield 0.3
    ended.is_folded = True
    yield 0.3
    shown = [view.isVisible() for view in docker.findChildren(probe.QtWidgets.QFrame) if is_row(view)]
    found["of_another_document"] = shown.count(False)
    looks(probe, docker, "other")
    root.options["keep_colours"] = "no"
    probe.record(rows=found)
    for job in list(root.jobs):
        job.left_out = ()
        root.rows.dismiss(job)
    docker.setGeometry(20, 30, 330, 860)
    yield 0.3


def without_edge(probe, docker):
    """Edges of rows, seen whole, that are not drawn, at odd and at even places in the docker."""
    probe.screenshot("rows")
    inside, found = docker.findChild(probe.QtWidgets.QScrollArea, "nst_work").widget(), []
    for margin in (1, 0):
        inside.layout().setContentsMargins(margin, margin, margin, 0)
        yield 0.3
        image = docker.grab().toImage()
        for row in docker.findChildren(probe.QtWidgets.QFrame):
            if is_row(row) and row.visibleRegion().boundingRect() == row.rect():
                found += [f"{margin} px: {side}" for side in missing_edges(probe, docker, row, image)]
    return found


def missing_edges(probe, docker, row, image):
    """Which of its edges are not drawn in their middle; ``image``: the docker as it is seen."""
    ratio, at = image.devicePixelRatio(), row.mapTo(docker, probe.QtCore.QPoint(0, 0))
    ink = row.palette().color(probe.QtGui.QPalette.ColorRole.Window).darker(130).name()
    right, lower = at.x() + row.width(), at.y() + row.height()
    middle = at.x() + row.width() // 2, at.y() + row.height() // 2
    lines = {
        "left": (at.x(), middle[1], at.x() + 1, middle[1] + 1),
        "top": (middle[0], at.y(), middle[0] + 1, at.y() + 1),
        "right": (right - 1, middle[1], right, middle[1] + 1),
        "below": (middle[0], lower - 1, middle[0] + 1, lower),
    }
    for side, line in lines.items():
        x, y, x_end, y_end = (round(ratio * place) for place in line)
        drawn = [image.pixelColor(a, b).name() for a in range(x, x_end) for b in range(y, y_end)]
        if ink not in drawn:
            yield side


def with_little_room(probe, root, docker):
    """A low docker with a message, and a narrow one with a question."""
    root.message = "A message of some length, which takes several lines where the docker is so narrow."
    docker.setGeometry(20, 30, 260, 220)
    yield 0.6
    looks(probe, docker, "lowest")
    root.message, root.download.offered = "", "vgg19"
    docker.setGeometry(20, 30, 220, 420)
    yield 0.6
    looks(probe, docker, "lean")
    docker.setGeometry(20, 30, 1, 600)
    yield 0.6
    looks(probe, docker, "slim")
    root.download.offered = ""


def in_a_stack(probe, root, docker, here):
    """One of three dockers above each other, on a screen of usual height and on an enlarged one."""
    from nst_krita.model.documents import Offer

    start = docker.findChild(probe.QtWidgets.QPushButton, "nst_start")
    found, places = {}, []

    def place():
        places.append(start.mapTo(docker, start.rect().topLeft()).y())

    here.frames_note = "5 frames wait hidden, so that you see what you paint: show them with the eye."
    for height in (310, 200):
        docker.setGeometry(20, 30, 260, height)
        yield 0.6
        looks(probe, docker, f"stacked_{height}")
        beginnings = here.words, "5 frames wait hidden"
        found[height] = [is_all_seen(probe, docker, words) for words in beginnings]
    here.frames_note = ""
    docker.setGeometry(20, 30, 260, 420)
    yield 0.6
    place()
    root.message = "A message."
    yield 0.3
    place()
    root.offers = (Offer("x", "Earlier: swirls → “Background”", "Fetch", "", "swirls → “Background”"),)
    yield 0.3
    place()
    take = next(b for b in docker.findChildren(probe.QtWidgets.QPushButton, "nst_take") if b.isVisible())
    found["hasty"] = [is_pressed(probe, take)]
    yield 1.2
    found["hasty"].append(is_pressed(probe, take))
    root.message, root.offers = "", ()
    yield 0.3
    probe.record(stack=found, start_at=places)


def is_all_seen(probe, docker, words):
    """Whether the uppermost label that begins so is seen whole."""
    labels = [
        label for label in docker.findChildren(probe.QtWidgets.QLabel) if label.text().startswith(words)
    ]
    label = min(labels, key=lambda each: each.mapTo(docker, each.rect().center()).y())
    return label.visibleRegion().boundingRect().height() == label.height()


def is_pressed(probe, button):
    """Whether the mouse's button goes down on it, which is then let go elsewhere."""
    seen = []
    button.pressed.connect(lambda: seen.append(True))
    click(probe, button, probe.QtCore.QPoint(-50, -50))
    return bool(seen)


def advice(probe, root, docker):
    """A large picture on a processor: what the docker says of it, and its way to a draft."""
    handle = yield from probe.opened((1800, 1200))
    root.connection.device = "CPU, 2 threads"
    docker.widget()._expectation.refresh()
    yield 0.3
    looks(probe, docker, "advice")
    draft = docker.findChild(probe.QtWidgets.QPushButton, "nst_draft")
    found = [draft.isVisible()]
    draft.click()
    yield 0.3
    probe.record(advice=[*found, root.options.quality, draft.isVisible()])
    root.options.spend("full")
    root.connection.device = ""
    yield from probe.closed(handle)
    yield 0.5


def is_row(widget):
    return type(widget).__name__ == "JobView"


def in_sight(probe, docker, name):
    """Whether the uppermost visible button of that name lies where it can be clicked."""
    buttons = [b for b in docker.findChildren(probe.QtWidgets.QToolButton, name) if b.isVisible()]
    button = min(buttons, key=lambda b: b.mapTo(docker, b.rect().center()).y())
    return docker.childAt(button.mapTo(docker, button.rect().center())) is button
