"""The gallery of presets: a button with the present one's name, and a menu with a picture for each."""

from __future__ import annotations

from html import escape

from ..model.presets import Preset
from ..model.root import Root
from ..model.words import tr
from ..qt import QtCore, QtGui, QtWidgets
from .menus import PictureMenu
from .plain import message_box
from .theme import bind

#: Width and height of a preset's picture, in px.
PICTURE = 64
#: Of the line for a name, in px: the window's title is to be read above it.
NAME = 320


class PresetButton(QtWidgets.QPushButton):
    """Opens the gallery; says which preset is in use, and whether anything was changed since."""

    def __init__(self, root: Root) -> None:
        super().__init__()
        self._root, self._presets = root, root.presets
        self._whole = ""
        self.setObjectName("nst_presets")
        self.setAccessibleName(tr("Preset"))
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        self._menu = PictureMenu(self, side=PICTURE)
        self._menu.aboutToShow.connect(self._fill)
        self.setMenu(self._menu)
        bind(self, self._presets, self._show, "chosen", "is_changed")

    def _show(self) -> None:
        current = self._presets.current
        if current is None:
            self._whole = tr("Presets")
        elif self._presets.is_changed:
            self._whole = tr("{} (changed)").format(current.name)
        else:
            self._whole = current.name
        about = current.about if current is not None else tr("Settings that go well together.")
        self.setToolTip(f"<p><b>{escape(self._whole)}</b><br>{about}</p>")
        self.setAccessibleDescription(self._whole)
        self._fit()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        room = max(20, self.width() - 2 * self.fontMetrics().height())
        mode = QtCore.Qt.TextElideMode.ElideRight
        self.setText(self.fontMetrics().elidedText(self._whole, mode, room).replace("&", "&&"))

    def _fill(self) -> None:
        menu, presets = self._menu, self._presets
        menu.clear()
        presets.look()
        for preset in presets.built_in:
            self._add(preset, preset.picture)
        if presets.saved:
            menu.addSeparator()
        for preset in presets.saved:
            self._add(preset, preset.styles[0].get("path", "") if preset.styles else "")
        menu.addSeparator()
        menu.addAction(tr("Save these settings as a preset…"), lambda *_: self._save())
        current = presets.current
        if current is None or current.is_built_in:
            return
        name = current.name.replace("&", "&&")  # menus take a single one for a shortcut's mark
        if presets.is_changed:
            update = tr("Save the changes to “{}”").format(name)
            menu.addAction(update, lambda *_: self._keep(current.name))
        menu.addAction(tr("Rename “{}”…").format(name), lambda *_: self._rename(current))
        menu.addAction(tr("Delete “{}”…").format(name), lambda *_: self._delete(current))

    def _add(self, preset: Preset, picture: str) -> None:
        action = self._menu.add(preset.name, lambda *_: self._choose(preset), picture)
        if preset.about:
            action.setToolTip(f"<p>{preset.about}</p>")
        if preset is self._presets.current:
            font = action.font()
            font.setBold(True)
            action.setFont(font)

    def _choose(self, preset: Preset) -> None:
        self._root.choose_preset(preset)

    def _save(self) -> None:
        current = self._presets.current
        suggested = current.name if current is not None and not current.is_built_in else ""
        name = self._ask(tr("Save as a preset"), suggested)
        self._keep(name)

    def _keep(self, name: str) -> None:
        self._root.message = self._presets.save(name) if name else ""

    def _delete(self, preset: Preset) -> None:
        asked = tr("Delete the preset “{}”?").format(preset.name)
        left = tr("The settings in the docker stay as they are.")
        box = message_box(self.window(), "nst_delete", asked, left)
        roles = QtWidgets.QMessageBox.ButtonRole
        delete = box.addButton(tr("Delete"), roles.DestructiveRole)
        delete.setObjectName("nst_delete_yes")
        keep = box.addButton(tr("Keep it"), roles.RejectRole)
        keep.setObjectName("nst_delete_no")
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        box.exec()
        if box.clickedButton() is delete:
            self._presets.delete(preset)
            self._root.message = ""  # which may have been about its name

    def _rename(self, preset: Preset) -> None:
        self._root.message = self._presets.rename(preset, self._ask(tr("Rename the preset"), preset.name))

    def _ask(self, title: str, suggested: str) -> str:
        """A name; "" if the painter thinks better of it."""
        question = QtWidgets.QInputDialog(self.window())
        question.setWindowTitle(title)
        question.setLabelText(tr("Name:"))
        question.setTextValue(suggested)
        question.findChild(QtWidgets.QLineEdit).setMinimumWidth(NAME)
        is_agreed = question.exec()
        question.deleteLater()
        return question.textValue() if is_agreed else ""
