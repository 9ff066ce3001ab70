"""The painter's styles: a row for each, a menu to add one, and a place to drop pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..model.document_model import style_choices
from ..model.root import Root
from ..model.styles import KritaStyle, Style, read_file
from ..model.words import tr
from ..qt import QtCore, QtGui, QtWidgets
from .slider import Slider
from .theme import GAP, THUMBNAIL, IconButton, bind

PICTURES = "*.png *.jpg *.jpeg *.webp *.tif *.tiff *.bmp *.gif"


class ElidedLabel(QtWidgets.QLabel):
    """A line of text that gives way when the docker is narrow; the whole of it is the tooltip."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._whole = ""
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        self.say(text)

    def say(self, text: str) -> None:
        self._whole = text
        self.setToolTip(text)
        self.setAccessibleName(text)
        self._fit()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        mode = QtCore.Qt.TextElideMode.ElideRight
        self.setText(self.fontMetrics().elidedText(self._whole, mode, max(20, self.width())))


class StyleRow(QtWidgets.QWidget):
    """Thumbnail, name, share, and a button that takes the style out of the list."""

    def __init__(self, root: Root, style: Style) -> None:
        super().__init__()
        picture = QtWidgets.QLabel()
        picture.setFixedSize(THUMBNAIL, THUMBNAIL)
        picture.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        picture.setPixmap(_pixmap(style.thumbnail(THUMBNAIL)))
        self.share = Slider(tr("Weight"), 0.0, 1.0, lambda number: f"{round(100 * number)} %")
        self.share.setToolTip(
            tr("How much this style counts beside the others. It can be moved while a job runs.")
        )
        self.share.changed.connect(lambda number: setattr(style, "weight", number))
        remove = IconButton("cross", tr("Remove “{}” from the list").format(style.name))
        remove.clicked.connect(lambda: root.styles.remove(style))
        lines = QtWidgets.QVBoxLayout()
        lines.setSpacing(1)
        name = ElidedLabel(style.name)
        name.setToolTip(style.path or style.name)
        lines.addWidget(name)
        lines.addWidget(self.share)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(picture)
        row.addLayout(lines, 1)
        row.addWidget(remove)
        bind(self, style, lambda: self.share.set_number(style.weight), "weight")


class StyleListView(QtWidgets.QWidget):
    """Header with the + menu, and the rows below."""

    def __init__(self, root: Root) -> None:
        super().__init__()
        self._root = root
        self.setAcceptDrops(True)
        self._menu = QtWidgets.QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        add = IconButton("plus", tr("Add a style"))
        add.setObjectName("nst_add_style")
        add.setMenu(self._menu)
        add.setPopupMode(QtWidgets.QToolButton.ToolButtonPopupMode.InstantPopup)
        self._empty = QtWidgets.QPushButton(tr("Choose a style…"))
        self._empty.setToolTip(tr("A painting to learn from: a file, a layer or another open document."))
        self._empty.setMenu(self._menu)
        header = QtWidgets.QHBoxLayout()
        header.addWidget(QtWidgets.QLabel(tr("Styles")), 1)
        header.addWidget(add)
        self._rows = QtWidgets.QVBoxLayout()
        self._rows.setSpacing(GAP)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addLayout(header)
        column.addLayout(self._rows)
        column.addWidget(self._empty)
        self._shown: dict[Any, StyleRow] = {}
        bind(self, root.styles, self._show, "styles")

    def _show(self) -> None:
        styles = self._root.styles.styles
        for style in [known for known in self._shown if known not in styles]:
            self._shown.pop(style).deleteLater()
        for style in styles:
            if style not in self._shown:
                self._shown[style] = StyleRow(self._root, style)
                self._rows.addWidget(self._shown[style])
        for row in self._shown.values():
            row.share.setVisible(len(styles) > 1)
        self._empty.setVisible(not styles)

    def _fill_menu(self) -> None:
        menu, root = self._menu, self._root
        menu.clear()
        menu.addAction(tr("Picture file…"), lambda *_: self._choose_file())
        choices = style_choices()
        for title, wanted in ((tr("Layer"), True), (tr("Other document"), False)):
            group = menu.addMenu(title)
            for choice in choices:
                if (choice.layer is not None) is wanted:
                    icon = QtGui.QIcon(_pixmap(choice.thumbnail(THUMBNAIL)))
                    group.addAction(icon, choice.label, lambda *_, c=choice: root.add_style(KritaStyle(c)))
            group.setEnabled(not group.isEmpty())
        recent = [path for path in root.settings.recent if Path(path).is_file()]
        if recent:
            menu.addSection(tr("Recent"))
        for path in recent:
            menu.addAction(_recent_icon(path), Path(path).stem, lambda *_, p=path: root.add_file(p))

    def _choose_file(self) -> None:
        recent = self._root.settings.recent
        folder = str(Path(recent[0]).parent) if recent else str(Path.home())
        names, _ = QtWidgets.QFileDialog.getOpenFileNames(
            self.window(), tr("Choose a style"), folder, tr("Pictures ({})").format(PICTURES)
        )
        for name in names:
            self._root.add_file(name)

    def dragEnterEvent(self, event: QtGui.QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QtGui.QDropEvent) -> None:
        for url in event.mimeData().urls():
            if url.isLocalFile():
                self._root.add_file(url.toLocalFile())
        event.acceptProposedAction()


def _pixmap(image: QtGui.QImage) -> QtGui.QPixmap:
    if image.isNull():
        return QtGui.QPixmap()
    ways = QtCore.Qt.AspectRatioMode.KeepAspectRatio, QtCore.Qt.TransformationMode.SmoothTransformation
    return QtGui.QPixmap.fromImage(image).scaled(THUMBNAIL, THUMBNAIL, *ways)


_icons: dict[str, QtGui.QIcon] = {}


def _recent_icon(path: str) -> QtGui.QIcon:
    if path not in _icons:
        _icons[path] = QtGui.QIcon(_pixmap(read_file(path, THUMBNAIL)))
    return _icons[path]
