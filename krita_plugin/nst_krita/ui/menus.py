"""Menus whose entries have pictures that are large enough to be recognised."""

from __future__ import annotations

from typing import Any, Callable

from ..qt import QtGui, QtWidgets
from .theme import THUMBNAIL
from .thumbnails import fitted, with_picture


class _LargeIcons(QtWidgets.QProxyStyle):
    """Krita's style with larger icons in menus, and one column of them."""

    def __init__(self, side: int) -> None:
        super().__init__(QtWidgets.QApplication.style().objectName())
        self._side = side

    def pixelMetric(self, metric: Any, option: Any = None, widget: Any = None) -> int:
        if metric == QtWidgets.QStyle.PixelMetric.PM_SmallIconSize:
            return self._side
        return super().pixelMetric(metric, option, widget)

    def styleHint(self, hint: Any, option: Any = None, widget: Any = None, returned: Any = None) -> int:
        # What is higher than the screen scrolls: in columns it would cover the window.
        if hint == QtWidgets.QStyle.StyleHint.SH_Menu_Scrollable:
            return 1
        return super().styleHint(hint, option, widget, returned)


#: One for each size: a menu does not keep its style alive.
_styles: dict[int, _LargeIcons] = {}


class PictureMenu(QtWidgets.QMenu):
    """A menu; ``side``: width and height of its pictures, in px."""

    def __init__(self, parent: QtWidgets.QWidget, title: str = "", side: int = THUMBNAIL) -> None:
        super().__init__(title, parent)
        self.side = side
        self.setToolTipsVisible(True)

    def clear(self) -> None:
        """Take everything out. Qt forgets the entries of submenus, and keeps the submenus."""
        super().clear()
        for menu in self.findChildren(PictureMenu):
            menu.deleteLater()

    def submenu(self, title: str, picture: QtGui.QPixmap | None = None) -> PictureMenu:
        """A menu in this one."""
        menu = PictureMenu(self, title.replace("&", "&&"), self.side)
        action = self.addMenu(menu)
        if picture is not None:
            self._show(action, picture)
        return menu

    def add(self, text: str, chosen: Callable[..., Any], picture: QtGui.QPixmap | str = "") -> Any:
        """An entry with a picture: one at hand, or the path of a file that is read meanwhile."""
        action = self.addAction(text.replace("&", "&&"), chosen)
        is_file = isinstance(picture, str)
        # Room for it, so that the menu does not move under the pointer.
        self._show(action, QtGui.QPixmap() if is_file else picture)
        if is_file and picture:
            with_picture(picture, lambda pixmap: self._show(action, pixmap), self.side)
        return action

    def _show(self, action: Any, picture: QtGui.QPixmap) -> None:
        if self.side not in _styles:
            _styles[self.side] = _LargeIcons(self.side)
        self.setStyle(_styles[self.side])
        action.setIconVisibleInMenu(True)  # Krita has switched that off for its own menus
        ratio = self.devicePixelRatioF()
        action.setIcon(QtGui.QIcon(_centred(fitted(picture, self.side, ratio), self.side, ratio)))


def _centred(pixmap: QtGui.QPixmap, side: int, ratio: float) -> QtGui.QPixmap:
    """The picture in the middle of a transparent square."""
    square = QtGui.QPixmap(round(side * ratio), round(side * ratio))
    square.setDevicePixelRatio(ratio)
    square.fill(QtGui.QColor(0, 0, 0, 0))
    if not pixmap.isNull():
        painter = QtGui.QPainter(square)
        at = [round((side - length / ratio) / 2) for length in (pixmap.width(), pixmap.height())]
        painter.drawPixmap(at[0], at[1], pixmap)
        painter.end()
    return square
