"""One job in the docker: what it is doing, its loss curve, its frames, and the buttons that steer it."""

from __future__ import annotations

import math

from ..model.jobs import Job, JobState
from ..model.root import Root
from ..model.words import encoder_name, tr
from ..qt import QtCore, QtGui, QtWidgets
from .elided import ElidedLabel
from .theme import BAR, GAP, PREVIEW, IconButton, bind, colour_text, quiet_colour, warning_colour

CURVE_WIDTH = 72
#: How long the scrubber has to rest on a frame before that is fetched.
SETTLED_MS = 400


class LossCurve(QtWidgets.QWidget):
    """The total loss over the iterations, on a logarithmic scale."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        self.setMinimumHeight(16)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Ignored)
        self.setToolTip(
            tr("<p>How far the picture still is from what was asked (the loss). Falling is good.</p>")
        )
        self.setAccessibleName(tr("Loss curve"))
        bind(self, job, self.update, "losses")

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(CURVE_WIDTH, 20)

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        losses = [math.log(loss) for loss in self._job.losses if loss > 0]
        if len(losses) < 2:
            return
        low, high = min(losses), max(losses)
        span = max(high - low, 1e-6)
        right, bottom = self.width() - 3, self.height() - 4
        points = [
            QtCore.QPointF(1 + right * i / (len(losses) - 1), 2 + bottom * (high - loss) / span)
            for i, loss in enumerate(losses)
        ]
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(QtGui.QPen(quiet_colour(self.palette()), 1.4))
        painter.drawPolyline(QtGui.QPolygonF(points))


class FrameStrip(QtWidgets.QWidget):
    """Scrubs through all kept frames: those that are layers, and those that the server has yet to send."""

    def __init__(self, root: Root, job: Job) -> None:
        super().__init__()
        self._root, self._job = root, job
        self._sequences: list[int] = []
        self._were_inserted: set[int] = set()
        self._shown = 0
        # A frame that is no layer becomes one: not every one that the hand passes.
        self._settled = QtCore.QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLED_MS)
        self._settled.timeout.connect(self._fetch_shown)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setObjectName("nst_scrub")
        self._slider.setAccessibleName(tr("Frame shown"))
        self._slider.setToolTip(
            tr(
                "<p>Shows the picture as it was at that iteration. One that is not a layer yet is fetched "
                "and becomes one.</p>"
            )
        )
        self._slider.setPageStep(1)
        self._slider.setTickPosition(QtWidgets.QSlider.TickPosition.TicksBelow)
        self._slider.valueChanged.connect(self._scrub)
        self._label = QtWidgets.QLabel()
        self._label.setMinimumWidth(self.fontMetrics().horizontalAdvance("0000 …"))
        self._fetch = QtWidgets.QPushButton()
        self._fetch.setToolTip(tr("Each of them becomes a layer, and one more step of undo."))
        self._fetch.clicked.connect(lambda: root.insertion(job).fetch())
        strip = QtWidgets.QHBoxLayout()
        strip.setSpacing(GAP)
        self._caption = QtWidgets.QLabel(tr("Frame"))
        strip.addWidget(self._caption)
        strip.addWidget(self._slider, 1)
        strip.addWidget(self._label)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(strip)
        column.addWidget(self._fetch)
        bind(self, job, self._refresh, "inserted", "left_out")

    def _refresh(self) -> None:
        job = self._job
        inserted = set(job.inserted)
        self._sequences = sorted(inserted | set(job.left_out))
        came = inserted - self._were_inserted
        self._were_inserted = inserted
        # The one that came last is the one that is visible in the document.
        if came:
            self._shown = max(came)
        count = len(self._sequences)
        blocked = self._slider.blockSignals(True)
        self._slider.setRange(0, max(0, count - 1))
        if self._shown in self._sequences:
            self._slider.setValue(self._sequences.index(self._shown))
        self._slider.blockSignals(blocked)
        self._name()
        left_out = len(job.left_out)
        self._fetch.setText(tr("Insert {} more").format(left_out))
        self._fetch.setVisible(left_out > 0)
        for widget in (self._caption, self._slider, self._label):
            widget.setVisible(count > 1)
        self.setVisible(count > 1 or left_out > 0)

    def _scrub(self, index: int) -> None:
        self._shown = self._sequences[index]
        self._name()
        if self._shown in self._job.inserted:
            self._settled.stop()
            self._root.insertion(self._job).show(self._shown)
        else:
            self._settled.start()

    def _fetch_shown(self) -> None:
        if self._shown in self._job.left_out:
            self._root.insertion(self._job).fetch([self._shown])

    def _name(self) -> None:
        iteration = self._job.frames.get(self._shown, "")
        waits = self._shown in self._job.left_out
        self._label.setText(f"{iteration} …" if waits else str(iteration))
        self._slider.setAccessibleDescription(tr("iteration {}").format(iteration))


class JobView(QtWidgets.QFrame):
    """A job from Start until it is dismissed."""

    def __init__(self, root: Root, job: Job) -> None:
        super().__init__()
        self._root, self._job = root, job
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self._preview = QtWidgets.QLabel()
        self._preview.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        self._preview.setToolTip(tr("The picture as it is now, not a layer yet."))
        self._title = ElidedLabel(job.title)
        self._eye = IconButton("eye", "")
        self._eye.setObjectName("nst_eye")
        self._eye.clicked.connect(lambda: root.insertion(job).set_visible(not job.is_shown))
        menu = QtWidgets.QMenu(self)
        menu.addAction(tr("Use these settings again")).triggered.connect(lambda *_: root.use_settings_of(job))
        self._animate = menu.addAction(tr("Make an animation of the frames"))
        self._animate.triggered.connect(lambda *_: root.insertion(job).animate())
        self._more = IconButton("more", tr("More to do with this job"))
        self._more.opens(menu)
        self._bar = QtWidgets.QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(tr("Progress"))
        self._bar.setFixedHeight(BAR)
        self._words = self._wrapped()
        self._note = self._wrapped()
        self._pause = IconButton("pause", "")
        self._pause.clicked.connect(lambda: root.toggle_pause(job))
        self._stop = IconButton("stop", tr("Stop, and keep the best picture so far"))
        self._stop.clicked.connect(lambda: root.stop(job))
        self._cancel = IconButton("cross", "")
        self._cancel.clicked.connect(self._cancel_or_dismiss)
        for name in ("pause", "stop", "cancel"):
            getattr(self, "_" + name).setObjectName("nst_" + name)
        self._curve = LossCurve(job)
        self._lay_out()
        bind(self, job, self._refresh, "state", "words", "fraction", "note", "encoder")
        bind(self, job, self._show_preview, "preview")
        bind(self, job, self._show_eye, "is_shown", "inserted", "state")

    def _wrapped(self) -> QtWidgets.QLabel:
        label = QtWidgets.QLabel()
        label.setWordWrap(True)
        label.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
        return label

    def _lay_out(self) -> None:
        top = QtWidgets.QHBoxLayout()
        top.addWidget(self._title, 1)
        top.addWidget(self._eye)
        top.addWidget(self._more)
        buttons = QtWidgets.QHBoxLayout()
        buttons.setSpacing(0)
        buttons.addWidget(self._curve, 1)
        for button in (self._pause, self._stop, self._cancel):
            buttons.addWidget(button)
        lines = QtWidgets.QVBoxLayout()
        lines.setSpacing(2)
        lines.addLayout(top)
        lines.addWidget(self._bar)
        lines.addLayout(buttons)
        upper = QtWidgets.QHBoxLayout()
        upper.setSpacing(GAP)
        upper.addWidget(self._preview)
        upper.addLayout(lines, 1)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(GAP, GAP, GAP, GAP)
        column.setSpacing(2)
        column.addLayout(upper)
        column.addWidget(self._words)
        column.addWidget(self._note)
        column.addWidget(FrameStrip(self._root, self._job))

    def _refresh(self) -> None:
        job = self._job
        busy = not job.has_ended
        words = job.words
        if busy and job.encoder and job.state is not JobState.PREPARING:
            words = f"{words} · {encoder_name(job.encoder)}"
        self._words.setText(words)
        failed = job.state is JobState.FAILED
        colour_text(self._words, warning_colour(self.palette()) if failed else None)
        self._note.setText(job.note)
        self._note.setVisible(bool(job.note))
        self._bar.setVisible(busy)
        if job.fraction is None:
            self._bar.setRange(0, 0)
        else:
            self._bar.setRange(0, 1000)
            self._bar.setValue(round(1000 * job.fraction))
        paused = job.state is JobState.PAUSED
        self._pause.say("resume" if paused else "pause", tr("Go on") if paused else tr("Pause"))
        can_act = busy and not job.wanted
        self._pause.setVisible(busy)
        self._pause.setEnabled(can_act and job.state is not JobState.SENDING)
        self._stop.setVisible(busy)
        self._stop.setEnabled(can_act and job.state is not JobState.SENDING)
        self._cancel.setEnabled(job.wanted != "cancel" or not busy)
        hint = tr("Cancel, and remove its layers") if busy else tr("Show this job no longer; its layers stay")
        self._cancel.say("cross", hint)
        self._preview.setVisible(busy and job.preview is not None)

    def _cancel_or_dismiss(self) -> None:
        if self._job.has_ended:
            self._root.dismiss(self._job)
        else:
            self._root.cancel(self._job)

    def _show_preview(self) -> None:
        if self._job.preview is None:
            return
        width, height, data = self._job.preview
        image = QtGui.QImage(data, width, height, 4 * width, QtGui.QImage.Format.Format_RGBA8888)
        ways = QtCore.Qt.AspectRatioMode.KeepAspectRatio, QtCore.Qt.TransformationMode.SmoothTransformation
        self._preview.setPixmap(QtGui.QPixmap.fromImage(image).scaled(PREVIEW, PREVIEW, *ways))
        self._preview.setVisible(not self._job.has_ended)

    def _show_eye(self) -> None:
        shown = self._job.is_shown
        self._eye.say(
            "eye" if shown else "closed eye", tr("Hide its layers") if shown else tr("Show its layers")
        )
        self._eye.setVisible(bool(self._job.inserted))
        self._animate.setEnabled(self._job.has_ended and len(self._job.inserted) > 1)
