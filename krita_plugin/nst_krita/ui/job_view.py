"""One job in the docker: what it is doing, its loss curve, its frames, and the buttons that steer it."""

from __future__ import annotations

from typing import Callable

from ..model.jobs import Job, JobState
from ..model.root import Root
from ..model.row_order import is_in_line
from ..model.words import tr
from ..qt import QtCore, QtGui, QtWidgets, local_time
from .elided import ElidedLabel, FoldedLabel
from .frame_strip import FrameStrip
from .loss_curve import LossCurve
from .plain import PlainLabel
from .theme import BAR, GAP, PREVIEW, Framed, IconButton, bind, colour_text, quiet_colour, warning_colour
from .unhurried import Unhurried

#: Endings without a picture, for a row that is folded to its title.
_ENDINGS = {JobState.FAILED: tr("failed"), JobState.CANCELLED: tr("cancelled")}


class JobView(Framed):
    """A job from Start until it is dismissed; one that has ended can be folded to its first line."""

    def __init__(self, root: Root, job: Job, is_pointed_at: Callable[[], bool]) -> None:
        """``is_pointed_at``: whether the pointer is among the rows, so that nothing is to move there."""
        super().__init__()
        self._root, self._job = root, job
        self._fold = IconButton("open", "")
        self._fold.setObjectName("nst_fold")
        self._fold.clicked.connect(self._fold_or_unfold)
        self._title = ElidedLabel(in_middle=True)  # it begins with the styles and ends with the layer
        self._eye = IconButton("eye", "")
        self._eye.setObjectName("nst_eye")
        self._eye.clicked.connect(lambda: root.insertion(job).set_visible(not job.is_shown))
        self._more = self._more_button()
        self._cancel = IconButton("cross", "")
        self._cancel.pressed.connect(self._press_cancel)
        self._cancel.clicked.connect(self._cancel_or_dismiss)
        self._unhurried = Unhurried(self._cancel)
        self._was_busy = self._pressed_busy = not job.has_ended
        begun = root.insertion(job).record.begun
        self._when = short_time(begun) if begun else ""
        self._body = _Body(root, job, is_pointed_at)
        self._lay_out()
        bind(self, job, self._refresh, "state", "is_folded")
        bind(self, job, self._show_eye, "is_shown", "inserted", "state", "is_folded")

    def _more_button(self) -> IconButton:
        root, job = self._root, self._job
        menu = QtWidgets.QMenu(self)
        menu.addAction(tr("Use these settings again")).triggered.connect(lambda *_: root.use_settings_of(job))
        animate = menu.addAction(tr("Make an animation of the frames"))
        animate.triggered.connect(lambda *_: root.insertion(job).animate())
        menu.aboutToShow.connect(lambda: animate.setEnabled(job.has_ended and len(job.inserted) > 1))
        more = IconButton("more", tr("More to do with this job"))
        more.opens(menu)
        return more

    def _lay_out(self) -> None:
        top = QtWidgets.QHBoxLayout()
        top.setSpacing(0)
        top.addWidget(self._fold)
        top.addWidget(self._title, 1)
        for button in (self._eye, self._more, self._cancel):
            top.addWidget(button)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(GAP, 2, GAP, 2)
        column.setSpacing(2)
        column.addLayout(top)
        column.addWidget(self._body)

    def look_around(self) -> None:
        """Another job or document stands differently, or the pointer has gone elsewhere."""
        self._body.refresh()

    def be_low(self, is_low: bool) -> None:
        """Whether the docker is low, so that the row has to do with less height."""
        self._body.be_low(is_low)

    def _refresh(self) -> None:
        job = self._job
        busy = not job.has_ended
        self._fold.setVisible(not busy)
        hint = tr("Show its frames") if job.is_folded else tr("Fold to one line")
        self._fold.say("closed" if job.is_folded else "open", hint)
        self._body.setVisible(not job.is_folded)
        self._more.setVisible(not job.is_folded)
        # Disabled, it would pass the focus on, and what is pressed twice presses another button.
        self._cancel.setEnabled(job.wanted != "cancel" or not busy or self._cancel.hasFocus())
        hint = tr("Cancel, and remove its layers") if busy else tr("Show this job no longer; its layers stay")
        self._cancel.say("cross" if busy else "tick", hint)
        self._cancel.setObjectName("nst_cancel" if busy else "nst_dismiss")
        if busy is not self._was_busy:
            self._was_busy = busy
            self._unhurried.begin()
        # So are rows of the same styles and layer told apart, of which there is nothing else to see.
        more = (_ENDINGS.get(job.state, ""), self._when) if job.is_folded else ()
        self._title.say(" · ".join(filter(None, (job.title, *more))))

    def _show_eye(self) -> None:
        shown = self._job.is_shown
        self._eye.say(
            "eye" if shown else "closed eye", tr("Hide its layers") if shown else tr("Show its layers")
        )
        self._eye.setVisible(bool(self._job.inserted) and not self._job.is_folded)

    def _fold_or_unfold(self) -> None:
        rows = self._root.rows
        (rows.unfold if self._job.is_folded else rows.fold)(self._job)

    def _press_cancel(self) -> None:
        self._pressed_busy = not self._job.has_ended

    def _cancel_or_dismiss(self) -> None:
        if self._pressed_busy is self._job.has_ended:  # it has ended between press and release
            return
        if self._job.has_ended:
            self._root.dismiss(self._job)
        elif self._job.wanted != "cancel":
            self._root.cancel(self._job)


class _Body(QtWidgets.QWidget):
    """All but the first line. From Start until it has ended, and the pointer is elsewhere, it keeps its
    height, whatever comes and goes: nothing that can be clicked moves under the hand."""

    def __init__(self, root: Root, job: Job, is_pointed_at: Callable[[], bool]) -> None:
        super().__init__()
        self._root, self._job, self._is_pointed_at = root, job, is_pointed_at
        self._is_large = self._is_low = self._had_pictures = False
        self._frames_note = ""
        self._is_new = not job.has_ended  # it was not painted in an earlier session, nor folded since
        self._preview = QtWidgets.QToolButton()
        self._preview.setObjectName("nst_preview")
        self._preview.setAutoRaise(True)
        self._preview.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
        self._preview.setAccessibleName(tr("Preview"))
        self._preview.clicked.connect(self._enlarge)
        self._bar = QtWidgets.QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(tr("Progress"))
        self._bar.setFixedHeight(BAR)
        self._words = PlainLabel(wraps=True)
        self._words.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
        self._document = ElidedLabel()
        self._note = FoldedLabel()
        self._pause = IconButton("pause", "")
        self._pause.setObjectName("nst_pause")
        self._pause.clicked.connect(lambda: root.toggle_pause(job))
        self._stop = IconButton("stop", tr("Stop, and keep the best picture so far"))
        self._stop.setObjectName("nst_stop")
        self._stop.clicked.connect(lambda: root.stop(job))
        self._pictures = QtWidgets.QWidget()
        self._curve, self._strip = LossCurve(job), FrameStrip(root, job)
        self._lay_out()
        self._place_preview()
        bind(self, job, self.refresh, "state", "words", "fraction", "note", "frames_note", "is_folded")
        bind(self, job, self._keep_room, "inserted", "left_out", "keeps_redo")
        bind(self, job, self._show_preview, "preview", "state")
        bind(self, job, self._name, "document_name")

    def _lay_out(self) -> None:
        # First what it is doing, and how to hold it: in a low docker the rest is out of sight.
        self._doing = doing = QtWidgets.QHBoxLayout()
        doing.setSpacing(0)
        doing.addWidget(self._words, 1)
        for button in (self._pause, self._stop):
            doing.addWidget(button, 0, QtCore.Qt.AlignmentFlag.AlignTop)
        beside = QtWidgets.QVBoxLayout()
        beside.setSpacing(0)
        beside.addWidget(self._note)
        beside.addWidget(self._curve, 1)
        pictures = QtWidgets.QBoxLayout(QtWidgets.QBoxLayout.Direction.LeftToRight, self._pictures)
        pictures.setContentsMargins(0, 0, 0, 0)
        pictures.setSpacing(GAP)
        pictures.addLayout(beside, 1)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(doing)
        for widget in (self._bar, self._document, self._pictures, self._strip):
            column.addWidget(widget)

    def refresh(self) -> None:
        """Show how the job stands now."""
        job = self._job
        busy = not job.has_ended
        self._keep_room()
        self._words.setText(job.words)
        failed = job.state is JobState.FAILED
        colour_text(self._words, warning_colour(self.palette()) if failed else None)
        if job.frames_note != self._frames_note and not (self._is_low and self._is_pointed_at()):
            self._frames_note = job.frames_note  # under the hand it would move the frames
        note = " · ".join(filter(None, (job.note, self._frames_note)))
        self._note.say(note)
        self._note.setVisible(bool(note))
        self._curve.want(not self._is_low and job.state is not JobState.CANCELLED)
        self._show_parts()
        self._bar.setVisible(busy)
        self._bar.setRange(0, 0 if job.fraction is None else 1000)
        self._bar.setValue(round(1000 * (job.fraction or 0)))
        paused = job.state is JobState.PAUSED
        self._pause.say("resume" if paused else "pause", tr("Go on") if paused else tr("Pause"))
        can_act = busy and not job.wanted and job.state is not JobState.SENDING
        for button in (self._pause, self._stop):
            button.setVisible(busy)
            button.setEnabled(can_act)

    def _keep_room(self) -> None:
        """For two lines of words, the bar, the preview beside a note, and the frames. In a low docker the
        preview stands beside the words."""
        job = self._job
        if self._is_new:
            may_shrink = job.is_folded or (job.has_ended and not self._is_pointed_at())
            self._is_new = not may_shrink
        keeps = self._is_new and not is_in_line(job, self._root.jobs)
        lines = self.fontMetrics().size(0, "x\nx").height()
        self._words.setMinimumHeight(lines if keeps else 0)
        policy = self._bar.sizePolicy()
        policy.setRetainSizeWhenHidden(keeps)
        self._bar.setSizePolicy(policy)
        # One that is fetched has no preview unless it is still painted.
        is_painted = bool(job.styles) or not (job.has_ended or job.state is JobState.SENDING)
        self._had_pictures = keeps and (self._had_pictures or is_painted)
        # In a low docker a whole note would push the frames out of sight.
        self._note.limit((1 if keeps else 2) if self._is_low else 0)
        has_room = self._had_pictures and not self._is_low
        self._pictures.setMinimumHeight(PREVIEW + 2 * GAP if has_room else 0)
        self._curve.give_way(keeps)
        self._strip.keep_room(keeps, self._is_low)

    def be_low(self, is_low: bool) -> None:
        """In a low docker: no curve, and a little preview; the document is told where it is not in view."""
        self._is_low = is_low
        self._place_preview()
        self._show_preview()
        self.refresh()

    def _show_parts(self) -> None:
        """Those that are there in a roomy docker, or where they are needed."""
        job, name = self._job, self._job.document_name
        is_here = job.document_id == self._root.rows.viewed
        self._document.setVisible(bool(name) and not (self._is_low and is_here))
        is_above = self._is_large and self._is_previewed
        self._pictures.setVisible(not self._is_low or is_above or not self._note.isHidden())

    @property
    def _is_previewed(self) -> bool:
        return not self._job.has_ended and self._job.preview is not None

    def _place_preview(self) -> None:
        """Beside the words or above the frames."""
        is_little = self._is_low and not self._is_large
        align = QtCore.Qt.AlignmentFlag
        # Enlarged, it is no reason to keep the docker wide.
        self._preview.setMinimumWidth(0 if is_little else PREVIEW)
        if is_little:
            self._doing.insertWidget(0, self._preview, 0, align.AlignTop)
        else:
            self._pictures.layout().insertWidget(0, self._preview, 0, align.AlignCenter)

    def _name(self) -> None:
        self._document.say(tr("in {}").format(self._job.document_name))
        self._show_parts()
        colour_text(self._document, quiet_colour(self.palette()))

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.PaletteChange and hasattr(self, "_document"):
            self._name()

    def _enlarge(self) -> None:
        self._is_large = not self._is_large
        self._place_preview()
        self._show_preview()

    def _show_preview(self) -> None:
        job = self._job
        self._preview.setVisible(self._is_previewed)
        self._show_parts()
        if not self._is_previewed:
            return
        width, height, data = job.preview
        image = QtGui.QImage(data, width, height, 4 * width, QtGui.QImage.Format.Format_RGBA8888)
        ways = QtCore.Qt.AspectRatioMode.KeepAspectRatio, QtCore.Qt.TransformationMode.SmoothTransformation
        shown = QtGui.QPixmap.fromImage(image).scaled(*self._preview_size(width, height), *ways)
        self._preview.setIcon(QtGui.QIcon(shown))
        self._preview.setIconSize(shown.size())
        hint = tr("Click to make it smaller.") if self._is_large else tr("Click to make it larger.")
        self._preview.setToolTip(
            "<p>{} {}</p>".format(tr("The picture as it is now, not a layer yet."), hint)
        )
        way = QtWidgets.QBoxLayout.Direction
        self._pictures.layout().setDirection(way.TopToBottom if self._is_large else way.LeftToRight)

    def _preview_size(self, width: int, height: int) -> tuple[int, int]:
        """What the picture, of that size, is to fit into, in px."""
        if self._is_large:
            side = max(PREVIEW, min(max(width, height), self.width() - 2 * GAP))
            return side, side
        if self._is_low:  # of two lines, with the button's edge
            side = 2 * self.fontMetrics().lineSpacing() - 2 * GAP
            return side * 3 // 2, side
        return PREVIEW, PREVIEW


def short_time(seconds: int) -> str:
    """The time, so many seconds after 1970 began; with the date unless that is today's."""
    moment = QtCore.QDateTime.fromSecsSinceEpoch(seconds)
    if moment.date() != QtCore.QDate.currentDate():
        return local_time(seconds)
    return QtCore.QLocale().toString(moment.time(), QtCore.QLocale.FormatType.ShortFormat)
