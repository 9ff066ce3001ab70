"""The painter's styles: their rows, a menu to add one, and a place to drop pictures and layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..model.document_model import style_choices
from ..model.root import Root
from ..model.styles import KritaStyle, file_patterns
from ..model.words import tr
from ..qt import QtCore, QtGui, QtWidgets, Signal, is_file
from .menus import PictureMenu
from .plain import PlainLabel, plain
from .style_row import ROW_MIME, StyleRow, is_moving, is_removing
from .theme import GAP, IconButton, bind
from .thumbnails import DENSITY
from .work_area import SETTLED_MS

#: What Krita calls a layer that is dragged out of its list, within one process.
LAYER_MIME = "application/x-krita-node-internal-pointer"


class StyleListView(QtWidgets.QWidget):
    """Header with the + menu, and the rows below. ``added``: the row of a style that has just come."""

    added = Signal(QtWidgets.QWidget)

    def __init__(self, root: Root) -> None:
        super().__init__()
        self._root = root
        self.setAcceptDrops(True)
        self._menu = PictureMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        add = IconButton("plus", tr("Add a style"))
        add.setObjectName("nst_add_style")
        add.opens(self._menu)
        self._empty = QtWidgets.QPushButton(tr("Choose a style…"))
        self._empty.setAccessibleName(tr("Choose a style"))
        self._empty.setToolTip(
            tr(
                "<p>A painting to learn from: a file, a layer or another open document. "
                "Files and layers can also be dropped here.</p>"
            )
        )
        self._empty.setMenu(self._menu)
        header = QtWidgets.QHBoxLayout()
        header.addWidget(PlainLabel(tr("Styles")), 1)
        header.addWidget(add)
        self._rows = QtWidgets.QVBoxLayout()
        self._rows.setSpacing(GAP)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addLayout(header)
        column.addLayout(self._rows)
        column.addWidget(self._empty)
        #: Shows between which rows a dragged one would go.
        self._mark = QtWidgets.QFrame(self)
        self._mark.setFixedHeight(2)
        self._mark.setAutoFillBackground(True)
        self._mark.setBackgroundRole(QtGui.QPalette.ColorRole.Highlight)
        self._mark.hide()
        self._shown: dict[Any, StyleRow] = {}
        self._new: list[Any] = []
        self._settled = QtCore.QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLED_MS)
        self._settled.timeout.connect(self._tell_added)
        bind(self, root.styles, self._show, "styles")
        self._new.clear()

    def _show(self) -> None:
        styles = self._root.styles.styles
        focused = self._focused_row()
        place = -1 if focused is None else self._rows.indexOf(focused)
        for style in [known for known in self._shown if known not in styles]:
            row = self._shown.pop(style)
            self._rows.removeWidget(row)
            row.hide()
            row.deleteLater()
        for index, style in enumerate(styles):
            if style not in self._shown:
                self._shown[style] = StyleRow(self._root, style)
                self._new.append(style)
                self._settled.start()
            if self._rows.indexOf(self._shown[style]) != index:
                self._rows.insertWidget(index, self._shown[style])
            self._shown[style].show_sliders(len(styles) > 1)
        self._empty.setVisible(not styles)
        if focused is not None and focused.style_shown not in styles:
            # Qt would pass the focus on to whatever follows, where Delete is Krita's own.
            (self._shown[styles[min(place, len(styles) - 1)]] if styles else self._empty).setFocus()

    def _tell_added(self) -> None:
        # Several at once are those of other settings, or of several files: then the list is looked at anyway.
        row = self._shown.get(self._new[-1]) if len(self._new) == 1 else None
        self._new.clear()
        if row is not None:
            self.added.emit(row)

    def _focused_row(self) -> StyleRow | None:
        """The row that has the focus, itself or in one of its parts."""
        focused = QtWidgets.QApplication.focusWidget()
        rows = self._shown.values()
        return next((row for row in rows if row is focused or row.isAncestorOf(focused)), None)

    def event(self, event: QtCore.QEvent) -> bool:
        # Krita would take these: its Delete clears the active layer, which a painter who has just taken a
        # style away, and presses it once more, does not mean.
        if event.type() == QtCore.QEvent.Type.ShortcutOverride and (is_removing(event) or is_moving(event)):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        if not (is_removing(event) or is_moving(event)):
            super().keyPressEvent(event)

    def _fill_menu(self) -> None:
        menu, root = self._menu, self._root
        menu.clear()
        menu.addAction(tr("Picture file…"), lambda *_: self._choose_file())
        # A job leaves a dozen layers, which would hide the painter's own; a frame can still be dropped here.
        choices = [choice for choice in style_choices() if not root.has_made(choice.layer)]
        for title, wanted in ((tr("Layer"), True), (tr("Other document"), False)):
            group = menu.submenu(title)
            for choice in choices:
                if (choice.layer is not None) is wanted:
                    picture = QtGui.QPixmap.fromImage(choice.thumbnail(DENSITY * group.side))
                    group.add(choice.label, lambda *_, c=choice: root.add_style(KritaStyle(c)), picture)
            group.setEnabled(not group.isEmpty())
        recent = menu.submenu(tr("Recent"))
        for path in root.settings.recent:
            if is_file(path):
                entry = recent.add(Path(path).stem, lambda *_, p=path: root.add_file(p), path)
                entry.setToolTip(plain(path))
        recent.setEnabled(not recent.isEmpty())

    def _choose_file(self) -> None:
        names, _ = QtWidgets.QFileDialog.getOpenFileNames(
            self.window(),
            tr("Choose a style"),
            self._root.pictures_folder,
            tr("Pictures ({})").format(file_patterns()),
        )
        for name in names:
            self._root.add_file(name)

    def dragEnterEvent(self, event: QtGui.QDragEnterEvent) -> None:
        if _dragged_row(event) or event.mimeData().hasFormat(LAYER_MIME) or _files(event):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QtGui.QDragMoveEvent) -> None:
        event.acceptProposedAction()
        row = _dragged_row(event)
        self._mark.setVisible(row is not None)
        if row is not None:
            index, rows = self._index_at(event), list(map(self._row, range(self._rows.count())))
            edge = rows[index].y() if index < len(rows) else rows[-1].geometry().bottom() + GAP
            self._mark.setGeometry(0, edge - GAP // 2 - 1, self.width(), 2)
            self._mark.raise_()

    def dragLeaveEvent(self, event: QtGui.QDragLeaveEvent) -> None:
        self._mark.hide()

    def dropEvent(self, event: QtGui.QDropEvent) -> None:
        self._mark.hide()
        event.acceptProposedAction()
        row = _dragged_row(event)
        if row is not None:
            index, styles = self._index_at(event), self._root.styles
            # Taking it out moves those behind it one place forward.
            styles.move(row.style_shown, index - (styles.styles.index(row.style_shown) < index))
        elif event.mimeData().hasFormat(LAYER_MIME):
            self._root.add_dragged_layer()
        for path in _files(event):
            self._root.add_file(path)

    def _row(self, index: int) -> QtWidgets.QWidget:
        return self._rows.itemAt(index).widget()

    def _index_at(self, event: Any) -> int:
        """Before which row something dropped there would go."""
        y = (event.position().toPoint() if hasattr(event, "position") else event.pos()).y()
        rows = (self._row(index) for index in range(self._rows.count()))
        return sum(y > row.geometry().center().y() for row in rows)


def _dragged_row(event: Any) -> StyleRow | None:
    source = event.source()
    return source if event.mimeData().hasFormat(ROW_MIME) and isinstance(source, StyleRow) else None


def _files(event: Any) -> list[str]:
    return [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
