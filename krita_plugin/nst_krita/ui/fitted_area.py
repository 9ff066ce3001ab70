"""An area that scrolls only where there is no room for all of it."""

from __future__ import annotations

from ..qt import QtCore, QtGui, QtWidgets, Signal


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
