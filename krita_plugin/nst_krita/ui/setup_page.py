"""The page that installs, updates or restarts the server; it takes no room while there is nothing to do."""

from __future__ import annotations

from typing import Callable

from ..model.server import Server
from ..model.server_setup import Need
from ..model.words import tr
from ..qt import QtWidgets
from .elided import ElidedLabel
from .fields import steady
from .plain import PlainLabel
from .server_menu import copy_diagnostics
from .theme import BAR, GAP, Framed, bind, colour_text, warning_colour

_STEPS = 1000
_PRESS = {
    Need.INSTALL: tr("Install the server"),
    Need.UPDATE: tr("Update the server"),
    Need.RESTART: tr("Restart the server"),
}


class SetupPage(Framed):
    """What is missing, what pressing the button does, how far it is, and why it failed."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server, self._setup = server, server.setup
        self.setObjectName("nst_setup")
        self._question, self._problem, self._outcome = (
            PlainLabel(wraps=True),
            PlainLabel(wraps=True),
            PlainLabel(wraps=True),
        )
        self._doing = ElidedLabel()
        self._device = steady(QtWidgets.QComboBox())
        self._device.addItems([tr("GPU if there is one"), tr("CPU only")])
        self._device.setToolTip(tr("CPU only takes less room, and minutes instead of seconds for a picture."))
        self._device.currentIndexChanged.connect(self._choose_device)
        self._press = _button("nst_install", self._begin)
        self._cancel = _button("nst_install_cancel", server.setup.cancel, tr("Cancel"))
        self._copy = _button("nst_copy_log", lambda: copy_diagnostics(server), tr("Copy log"))
        self._close = _button("nst_setup_close", server.setup.read, tr("Close"))
        self._bar = QtWidgets.QProgressBar()
        self._bar.setRange(0, _STEPS)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(BAR)
        self._lay_out()
        bind(self, server.setup, self._show)

    def _lay_out(self) -> None:
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(2 * GAP, 2 * GAP, 2 * GAP, 2 * GAP)
        column.setSpacing(GAP)
        buttons = QtWidgets.QHBoxLayout()
        buttons.addWidget(self._press, 1)
        for button in (self._cancel, self._copy, self._close):
            buttons.addWidget(button)
        # The button first: where the docker is low, what follows it is out of sight.
        for widget in (self._bar, self._doing):
            column.addWidget(widget)
        column.addLayout(buttons)
        for widget in (self._problem, self._outcome, self._device, self._question):
            column.addWidget(widget)

    def _show(self) -> None:
        setup = self._setup
        is_needed, is_done = setup.need is not Need.NOTHING, bool(setup.words) and not setup.busy
        can_begin = is_needed and not setup.busy and (setup.can_install or setup.need is Need.RESTART)
        self._question.setText(setup.question if is_needed else "")
        self._problem.setText(setup.problem)
        self._outcome.setText(setup.words if is_done else "")
        self._doing.say(setup.words if setup.busy else "")
        self._bar.setValue(round(_STEPS * setup.fraction))
        self._press.setText(tr("End it anyway") if setup.may_lose_jobs else _PRESS.get(setup.need, ""))
        self._device.setCurrentIndex(int(setup.cpu_only))
        for widget, is_shown in (
            (self._question, is_needed and not setup.busy),
            (self._device, can_begin and setup.need is not Need.RESTART and setup.makes_environment),
            (self._problem, bool(setup.problem)),
            (self._outcome, is_done),
            (self._bar, setup.busy),
            (self._doing, setup.busy),
            (self._press, can_begin),
            (self._cancel, setup.busy),
            (self._copy, bool(setup.problem)),
            (self._close, is_done and not is_needed),
        ):
            widget.setVisible(is_shown)
        colour_text(self._problem, warning_colour(self.palette()))
        if setup.problem:
            self._problem.setText(tr("{} The log: {}").format(setup.problem, setup.log))
        self.setVisible(is_needed or setup.busy or bool(setup.problem) or is_done)

    def _begin(self) -> None:
        if self._setup.need is Need.RESTART:
            self._server.restart()
        else:
            self._setup.install()

    def _choose_device(self, index: int) -> None:
        self._setup.cpu_only = bool(index)


def _button(name: str, pressed: Callable[[], None], text: str = "") -> QtWidgets.QPushButton:
    button = QtWidgets.QPushButton(text)
    button.setObjectName(name)
    button.clicked.connect(lambda *_: pressed())
    return button
