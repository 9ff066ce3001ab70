"""Start, and beside it what else can be done with the active layer."""

from __future__ import annotations

from ..model.root import Root
from ..model.words import tr
from ..qt import QtCore, QtGui, QtWidgets
from .theme import GAP, accent, bind
from .unhurried import Unhurried


class StartButton(QtWidgets.QWidget):
    """The button, and an arrow with a menu: continue from the active layer, recolour it, use its settings.

    While a layer is being read neither can be pressed, and a double click starts one job. While a tool has
    something under way, pressing again takes it back.
    """

    def __init__(self, root: Root) -> None:
        super().__init__()
        self._root = root
        start = QtWidgets.QPushButton(tr("Start"))
        start.setObjectName("nst_start")
        # A tool that has something under way ends it with Return or Escape while the canvas has the focus.
        start.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
        start.setMinimumHeight(start.sizeHint().height() + 2 * GAP)
        start.clicked.connect(lambda *_: root.start())
        self._start = start
        self._unhurried = Unhurried(start)
        self._had_focus = False  # when it was disabled
        self._focused: QtWidgets.QWidget | None = None  # where the focus went then
        more = QtWidgets.QToolButton()
        more.setObjectName("nst_start_menu")
        more.setToolTip(tr("More to do with the active layer"))
        more.setAccessibleName(more.toolTip())
        more.setArrowType(QtCore.Qt.ArrowType.DownArrow)
        more.setSizePolicy(QtWidgets.QSizePolicy.Policy.Fixed, QtWidgets.QSizePolicy.Policy.Preferred)
        menu = self._menu()
        # Qt's own way would draw a second arrow, and a style sheet against that does not follow the theme.
        more.clicked.connect(lambda *_: menu.popup(more.mapToGlobal(more.rect().bottomLeft())))
        line = QtWidgets.QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(0)
        line.addWidget(start, 1)
        line.addWidget(more)
        self._colour()
        bind(self, root.reading, self._show_reading, "is_reading")
        bind(self, root.waiting, self._show_waiting, "is_waiting")

    def _show_reading(self) -> None:
        is_reading, had_focus = self._root.reading.is_reading, self._start.hasFocus()
        self.setEnabled(not is_reading)
        self._unhurried.begin()
        self._start.setText(tr("Reading the layer") if is_reading else tr("Start"))
        # Qt takes the focus away; a painter who uses the keyboard finds it where he left it.
        focused = QtWidgets.QApplication.focusWidget()
        if is_reading:
            self._had_focus, self._focused = had_focus, focused
        elif self._had_focus and focused is self._focused:
            self._start.setFocus()

    def _show_waiting(self) -> None:
        is_waiting = self._root.waiting.is_waiting
        self._unhurried.begin()
        self._start.setText(tr("Don't start") if is_waiting else tr("Start"))
        paint = tr("Paint the active layer, or its selected part, in these styles.")
        self._start.setToolTip(tr("Leave it, instead of waiting for the canvas.") if is_waiting else paint)

    def _colour(self) -> None:
        """The docker's one button that stands out, in the theme's own accent."""
        mine, role = QtWidgets.QApplication.palette(self), QtGui.QPalette.ColorRole
        for group in (QtGui.QPalette.ColorGroup.Active, QtGui.QPalette.ColorGroup.Inactive):
            mine.setColor(group, role.Button, accent(mine, group))
            mine.setColor(group, role.ButtonText, mine.color(group, role.HighlightedText))
        self._start.setPalette(mine)

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.PaletteChange and hasattr(self, "_start"):
            self._colour()

    def _menu(self) -> QtWidgets.QMenu:
        menu = QtWidgets.QMenu(self)
        menu.setToolTipsVisible(True)
        going_on = menu.addAction(tr("Continue from the active layer"))
        going_on.setToolTip(
            tr("Go on from a frame as you have painted over it; what was painted stays the content.")
        )
        going_on.triggered.connect(lambda *_: self._root.continue_from_layer())
        colours = menu.addAction(tr("Give the active layer these colours"))
        colours.setToolTip(
            tr("The Colours chosen above for a finished frame, which is not painted again for it.")
        )
        colours.triggered.connect(lambda *_: self._root.recolour_layer())
        again = menu.addAction(tr("Use the active frame's settings"))
        again.setToolTip(tr("Set styles and settings as they were when this frame was made."))
        again.triggered.connect(lambda *_: self._root.use_settings_of_layer())
        menu.aboutToShow.connect(lambda: again.setEnabled(self._root.is_frame_active))
        return menu
