"""An area that scrolls only where there is no room for all of it."""

from __future__ import annotations

from ..qt import QtCore, QtGui, QtWidgets, Signal
from .pointer import is_over
from .theme import GAP


class FittedArea(QtWidgets.QScrollArea):
    """Shows ``content``, in its width, as high as that or lower. ``fitted``: it needs another height now."""

    fitted = Signal()

    def __init__(self, name: str, content: QtWidgets.QWidget) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self.setWidget(content)
        content.installEventFilter(self)
        self._needed = 0

    @property
    def needed(self) -> int:
        """The height of all of it, in px."""
        return self._needed

    @property
    def is_used(self) -> bool:
        """Whether the pointer is in it, or the keyboard changes something there, so that nothing is to move.

        A button that has been clicked keeps the focus, until something else is clicked that takes it.
        """
        focused = QtWidgets.QApplication.focusWidget()
        if is_over(self):
            return True
        if focused is None or not self.isAncestorOf(focused):
            return False
        is_passive = focused.focusPolicy() == QtCore.Qt.FocusPolicy.NoFocus
        return not (is_passive or isinstance(focused, QtWidgets.QAbstractButton))

    def begin_with(self, widget: QtWidgets.QWidget) -> None:
        """Scroll so that ``widget``, a part of the content, is the first that is seen."""
        top = widget.mapTo(self.widget(), QtCore.QPoint(0, 0)).y()
        self.verticalScrollBar().setValue(top - GAP)

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        if event.type() == QtCore.QEvent.Type.LayoutRequest:
            QtCore.QTimer.singleShot(0, self._measure)  # once the layout has followed
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        content, room = self.widget(), self.viewport().width()
        if content.minimumSizeHint().width() <= room < content.width():
            content.resize(room, content.height())  # a scroll bar has come
        self._measure()

    def focusNextPrevChild(self, is_next: bool) -> bool:
        bar = self.verticalScrollBar()
        place = bar.value()
        is_done = super().focusNextPrevChild(is_next)
        focused = self.focusWidget()
        if is_done and focused is not None and focused.focusPolicy() == QtCore.Qt.FocusPolicy.NoFocus:
            bar.setValue(place)  # Qt brings the middle into sight of what took the focus of one that went
        return is_done

    def _measure(self) -> None:
        layout = self.widget().layout()
        wrapped = layout.totalHeightForWidth(self.viewport().width()) if layout.hasHeightForWidth() else 0
        needed = max(wrapped, layout.totalMinimumSize().height())
        if needed != self._needed:
            self._needed = needed
            self.setMaximumHeight(needed)
            self.fitted.emit()
