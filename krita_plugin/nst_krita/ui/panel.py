"""The docker's inside: styles, settings, the jobs, Start, the server's line."""

from __future__ import annotations

from ..model.connection import Link
from ..model.jobs import Job, JobState
from ..model.root import Root
from ..model.server import COPIED
from ..model.server_setup import Need
from ..model.words import tr
from ..qt import QtCore, QtGui, QtWidgets
from .elided import ElidedLabel
from .expectation import ExpectationView
from .fields import align, form
from .fitted_area import FittedArea
from .plain import PlainLabel, plain
from .preset_button import PresetButton
from .server_menu import ServerMenu
from .setup_page import SetupPage
from .start_button import StartButton
from .style_list import StyleListView
from .tab_order import chain
from .theme import GAP, bind, colour_text, good_colour, quiet_colour, warning_colour
from .work_area import SETTLED_MS, WorkArea

MAIN = ("strength", "style_scale", "keep_colours", "luminance_space", "quality", "layers")
ADVANCED = (
    *("size", "iterations", "tv", "start", "encoder", "optimiser"),
    *("frames", "seed", "coarse_to_fine", "lock_frames", "frame_memory"),
)
#: From this width on there is room for one column of labels, in px.
ROOMY = 300
#: Of the height that settings and jobs share, what the jobs take where neither fits; while one paints.
JOBS_SHARE, BUSY_SHARE = 0.5, 0.7
#: Below that height, in px, a job's row has to do with less, so that the settings that move it are seen, too.
LOW = 420
#: What the jobs take there while one paints: its row, with a line of its note and its frames.
LOW_SHARE = 0.625
#: In px: what a job is doing is seen in so much, and so much is left to the settings.
JOBS_LEAST, SETTINGS_LEAST = 84, 40
#: Between them, in px.
LINE = 1
#: The panel's width and height, in px, below which Krita does not make it, unless texts wrap into more.
NARROWEST, LEAST = 218, 200
#: Messages of what went well.
_NEWS = COPIED, tr("Saved, except where each style paints: that belongs to this picture.")
_TABS = QtCore.Qt.Key.Key_Tab, QtCore.Qt.Key.Key_Backtab


class Panel(QtWidgets.QWidget):
    """Styles and settings, which scroll where the docker is low; below them what is always in sight."""

    def __init__(self, root: Root) -> None:
        super().__init__()
        self._root = root
        self._message = PlainLabel(wraps=True)
        self._expectation = ExpectationView(root)
        self._start = StartButton(root)
        self._work = WorkArea(root)
        self._trouble = PlainLabel(wraps=True)
        self._light = PlainLabel("●")
        self._server = ElidedLabel()
        self._latest: Job | None = None
        self._settled = QtCore.QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLED_MS)
        self._settled.timeout.connect(self._show_live)
        self._lay_out()
        bind(self, root.rows, self._look_for_start, "jobs")
        bind(self, root, self._show_message, "message")
        bind(self, root.connection, self._show_server)
        bind(self, root.server.setup, self._show_can_start, "need")

    def _lay_out(self) -> None:
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._form = self._settings()
        column.addWidget(self._form, 1)
        column.addWidget(_line())
        self._pinned = pinned = QtWidgets.QVBoxLayout()
        pinned.setContentsMargins(GAP, GAP, GAP, 2)
        pinned.setSpacing(GAP)
        pinned.addWidget(self._work)
        pinned.addStretch(1)
        # Start keeps its place at the lower end, whatever comes and goes above it.
        for widget in (self._trouble, self._expectation, self._message, self._start):
            pinned.addWidget(widget)
        server = QtWidgets.QHBoxLayout()
        server.setSpacing(GAP)
        server.addWidget(self._light)
        server.addWidget(self._server, 1)
        server.addWidget(ServerMenu(self._root.server))
        pinned.addLayout(server)
        column.addLayout(pinned)
        for area in (self._form, self._work):
            area.fitted.connect(self._share_room)

    def _settings(self) -> FittedArea:
        inside = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(inside)
        column.setContentsMargins(GAP, GAP, GAP, GAP)
        column.setSpacing(GAP)
        column.addWidget(SetupPage(self._root.server))
        self._presets = PresetButton(self._root)
        column.addWidget(self._presets)
        styles = StyleListView(self._root)
        styles.added.connect(self._show_added)
        column.addWidget(styles)
        column.addWidget(_line())
        main, advanced = form(self._root.options, MAIN), form(self._root.options, ADVANCED)
        self._forms = main, advanced
        self._strength = main.findChild(QtWidgets.QWidget, "nst_field_strength")
        column.addWidget(main)
        column.addWidget(_fold(tr("Advanced"), advanced))
        column.addWidget(advanced)
        return FittedArea("nst_form", inside)

    @property
    def _is_low(self) -> bool:
        return self.height() < LOW

    def _look_for_start(self) -> None:
        latest = self._root.rows.latest
        if latest and latest[0] is not self._latest and latest[0].state is JobState.SENDING:
            self._latest = latest[0]
            if not self._form.is_used:  # the row that comes may take its place under the pointer
                self._settled.start()

    def _show_live(self) -> None:
        """In a low docker: let what can be changed while a job runs be seen."""
        if self._is_low and not self._form.is_used:
            self._form.begin_with(self._strength)

    def _show_added(self, row: QtWidgets.QWidget) -> None:
        self._form.ensureWidgetVisible(row, 0, GAP)

    def _share_room(self) -> None:
        """The jobs have what the settings leave, and so much at least; then the settings scroll."""
        room = max(0, self._inside().height() - self._pinned_height())
        busy = LOW_SHARE if self._is_low else BUSY_SHARE
        part = busy if self._root.unfinished else JOBS_SHARE
        share = max(round(part * room), min(JOBS_LEAST, room - SETTINGS_LEAST))
        jobs = min(self._work.needed, max(room - self._form.needed, share))
        self._work.setFixedHeight(jobs)
        # What is left over stands above Start, not between the settings and the jobs.
        self._form.setMinimumHeight(min(self._form.needed, room - jobs))

    def _inside(self) -> QtCore.QRect:
        return self.rect().marginsRemoved(self.layout().contentsMargins())  # Krita sets those

    def _pinned_height(self) -> int:
        """Of all but the settings and the jobs, in px, with its texts as they wrap now."""
        layout = self._pinned
        wrapped = layout.heightForWidth(self._inside().width()) if layout.hasHeightForWidth() else 0
        return max(wrapped, layout.minimumSize().height()) - self._work.minimumHeight() + LINE

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(280, 480)

    def minimumSizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(NARROWEST, max(LEAST, self._pinned_height()))

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._work.be_low(self._is_low)
        # The folded ones, too: unfolding them moves nothing above.
        align(self._forms, together=self.width() >= ROOMY)
        self._share_room()

    def event(self, event: QtCore.QEvent) -> bool:
        if event.type() == QtCore.QEvent.Type.ShortcutOverride and _is_tab(event):
            event.accept()  # in Krita Tab hides all dockers, now and then also while one has the focus
            return True
        is_done = super().event(event)
        if event.type() == QtCore.QEvent.Type.LayoutRequest:  # a text came, went or wraps anew
            self._share_room()
            self.updateGeometry()
        return is_done

    def focusNextPrevChild(self, is_next: bool) -> bool:
        focused = self.window().focusWidget()
        if _can_act(self) and self.isAncestorOf(focused) and not _can_act(focused):
            # What goes passes its focus on: to Start, say, which a key pressed twice would press.
            while not _can_act(focused):
                focused = focused.parentWidget()
            focused.setFocus()
            return True
        # Rows come, go and change places; in which order they stand counts when somebody asks.
        chain(self)
        return super().focusNextPrevChild(is_next)

    def take_focus(self) -> None:
        """Let the keyboard have the first of the settings, which opens a menu at most."""
        chain(self)
        self._form.ensureWidgetVisible(self._presets)
        self.activateWindow()
        self._presets.setFocus(QtCore.Qt.FocusReason.TabFocusReason)

    def enterEvent(self, event: QtCore.QEvent) -> None:
        # Krita tells nobody of another layer, another selection or another name of the document.
        super().enterEvent(event)
        self._expectation.refresh()
        self._root.rows.name_documents()

    def _show_can_start(self) -> None:
        can_start = self._root.server.setup.need is not Need.INSTALL
        self._start.setEnabled(can_start)
        self._expectation.setVisible(can_start)

    def _show_message(self) -> None:
        self._message.setText(self._root.message)
        self._message.setVisible(bool(self._root.message))
        is_news = self._root.message in _NEWS
        colour_text(self._message, None if is_news else warning_colour(self.palette()))

    def _show_server(self) -> None:
        connection = self._root.connection
        self._server.say(connection.words)
        self._trouble.setText(connection.problem)
        is_told = connection.link is Link.FAILED and bool(self._root.jobs)  # in their rows
        self._trouble.setVisible(bool(connection.problem) and not is_told)
        colour_text(self._trouble, warning_colour(self.palette()))
        slow = connection.is_cpu or connection.link in (Link.LOST, Link.FAILED)
        colour_text(self._server, warning_colour(self.palette()) if slow else None)
        if connection.is_cpu:
            words = tr("{}\nWithout a GPU a picture takes minutes. A draft is faster.")
            self._server.setToolTip(plain(words.format(connection.device)))
        colours = {Link.CONNECTED: good_colour, Link.NONE: quiet_colour, Link.STARTING: quiet_colour}
        colour_text(self._light, colours.get(connection.link, warning_colour)(self.palette()))

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.PaletteChange and hasattr(self, "_light"):
            self._show_server()
            self._show_message()


def _is_tab(event: QtGui.QKeyEvent) -> bool:
    """Whether that goes from one widget to the next; with Ctrl it is Krita's, for its windows."""
    modifiers = QtCore.Qt.KeyboardModifier
    others = modifiers.ControlModifier | modifiers.AltModifier | modifiers.MetaModifier
    return event.key() in _TABS and not event.modifiers() & others


def _can_act(widget: QtWidgets.QWidget) -> bool:
    return widget.isVisible() and widget.isEnabled()


def _line() -> QtWidgets.QFrame:
    """A light line between two sections."""
    line = QtWidgets.QFrame()
    line.setFixedHeight(LINE)
    line.setAutoFillBackground(True)
    line.setBackgroundRole(QtGui.QPalette.ColorRole.Mid)
    return line


def _fold(title: str, content: QtWidgets.QWidget) -> QtWidgets.QToolButton:
    """A heading that opens and closes what stands below it."""
    button = QtWidgets.QToolButton()
    button.setText(title)
    button.setAutoRaise(True)
    button.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setObjectName("nst_advanced")
    button.setToolTip(tr("Settings that a picture seldom needs"))

    def show(is_open: bool) -> None:
        button.setArrowType(QtCore.Qt.ArrowType.DownArrow if is_open else QtCore.Qt.ArrowType.RightArrow)
        button.setAccessibleDescription(tr("open") if is_open else tr("closed"))
        content.setVisible(is_open)

    # Not a checkable button: open, that would look pressed.
    button.clicked.connect(lambda *_: show(content.isHidden()))
    show(False)
    return button
