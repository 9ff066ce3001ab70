"""The docker's inside: styles, settings, Start, the jobs, the server's line."""

from __future__ import annotations

from typing import Any

from ..model.connection import Link
from ..model.root import Root
from ..model.server_setup import Need
from ..model.words import tr
from ..qt import QtCore, QtGui, QtWidgets
from .download_question import DownloadQuestion
from .elided import ElidedLabel
from .fields import align, form
from .job_view import JobView
from .offers import OffersView
from .preset_button import PresetButton
from .server_menu import ServerMenu
from .setup_page import SetupPage
from .start_button import StartButton
from .style_list import StyleListView
from .theme import GAP, bind, colour_text, good_colour, quiet_colour, warning_colour

MAIN = ("strength", "style_scale", "keep_colours", "quality", "layers")
ADVANCED = (
    *("size", "iterations", "tv", "luminance_space", "start", "encoder", "optimiser"),
    *("frames", "seed", "coarse_to_fine", "lock_frames"),
)
#: From this width on there is room for one column of labels, in px.
ROOMY = 260


class Panel(QtWidgets.QScrollArea):
    """Everything in one column, which scrolls where the docker is low."""

    def __init__(self, root: Root) -> None:
        super().__init__()
        self._root = root
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._message = QtWidgets.QLabel()
        self._message.setWordWrap(True)
        self._expectation = ElidedLabel()
        self._expectation.setAlignment(QtCore.Qt.AlignmentFlag.AlignRight)
        self._start = StartButton(root)
        self._jobs = QtWidgets.QVBoxLayout()
        self._jobs.setSpacing(GAP)
        self._views: dict[Any, JobView] = {}
        self._light = QtWidgets.QLabel("●")
        self._server = ElidedLabel()
        self._lay_out()
        bind(self, root, self._show_message, "message")
        bind(self, root, self._show_jobs, "jobs")
        bind(self, root.connection, self._show_server)
        bind(self, root.server.setup, self._show_can_start, "need")
        for observable in (root.connection, root.options, root.forecast):
            bind(self, observable, self._show_expectation)

    def _lay_out(self) -> None:
        inside = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(inside)
        column.setContentsMargins(GAP, GAP, GAP, GAP)
        column.setSpacing(GAP)
        column.addWidget(SetupPage(self._root.server))
        column.addWidget(PresetButton(self._root))
        column.addWidget(StyleListView(self._root))
        main, advanced = form(self._root.options, MAIN), form(self._root.options, ADVANCED)
        self._forms = main, advanced
        column.addWidget(main)
        line = QtWidgets.QHBoxLayout()
        line.addWidget(_fold(tr("Advanced"), advanced))
        line.addWidget(self._expectation, 1)
        column.addLayout(line)
        column.addWidget(advanced)
        column.addWidget(self._message)
        column.addWidget(self._start)
        column.addLayout(self._jobs)
        column.addWidget(OffersView(self._root))
        column.addWidget(DownloadQuestion(self._root.download))
        column.addStretch(1)
        server = QtWidgets.QHBoxLayout()
        server.setSpacing(GAP)
        server.addWidget(self._light)
        server.addWidget(self._server, 1)
        server.addWidget(ServerMenu(self._root.server))
        column.addLayout(server)
        self.setWidget(inside)

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(280, 420)

    def minimumSizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(180, 120)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        align(self._forms, together=self.width() >= ROOMY)

    def enterEvent(self, event: QtCore.QEvent) -> None:
        # Krita tells nobody of another document, layer or selection.
        super().enterEvent(event)
        self._show_expectation()

    def _show_expectation(self) -> None:
        words = self._root.expectation
        self._expectation.say(words)
        self._expectation.setToolTip(tr("{}\nMeasured at your last jobs.").format(words) if words else "")
        colour_text(self._expectation, quiet_colour(self.palette()))

    def _show_can_start(self) -> None:
        self._start.setEnabled(self._root.server.setup.need is not Need.INSTALL)

    def _show_message(self) -> None:
        self._message.setText(self._root.message)
        self._message.setVisible(bool(self._root.message))
        colour_text(self._message, warning_colour(self.palette()))

    def _show_jobs(self) -> None:
        jobs = self._root.jobs
        for job in [known for known in self._views if known not in jobs]:
            view = self._views.pop(job)
            self._jobs.removeWidget(view)
            view.hide()
            view.deleteLater()
        for job in jobs:
            if job not in self._views:
                self._views[job] = JobView(self._root, job)
                self._jobs.insertWidget(0, self._views[job])

    def _show_server(self) -> None:
        connection = self._root.connection
        self._server.say(connection.words)
        if connection.problem:
            self._server.setToolTip(connection.problem)
        slow = connection.is_cpu or connection.link in (Link.LOST, Link.FAILED)
        colour_text(self._server, warning_colour(self.palette()) if slow else None)
        if connection.is_cpu:
            self._server.setToolTip(
                tr("{}\nWithout a GPU a picture takes minutes. A smaller Size is faster.").format(
                    connection.words
                )
            )
        colours = {Link.CONNECTED: good_colour, Link.NONE: quiet_colour, Link.STARTING: quiet_colour}
        colour_text(self._light, colours.get(connection.link, warning_colour)(self.palette()))

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.PaletteChange and hasattr(self, "_light"):
            self._show_server()
            self._show_message()


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
