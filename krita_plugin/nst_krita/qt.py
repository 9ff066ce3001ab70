"""The one place that chooses between PyQt5 (Krita 5) and PyQt6 (Krita 6).

Write enumerations with their scope (``Qt.AlignmentFlag.AlignLeft``): both bindings understand that.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

# Krita imports its own binding when the krita module is loaded. Importing the other one crashes it.
IS_QT6 = "PyQt6.QtCore" in sys.modules

if IS_QT6 and not TYPE_CHECKING:
    from PyQt6 import QtCore, QtGui, QtWidgets
    from PyQt6.QtGui import QAction
else:
    from PyQt5 import QtCore, QtGui, QtWidgets
    from PyQt5.QtWidgets import QAction

Signal = QtCore.pyqtSignal

__all__ = [
    "IS_QT6",
    "QAction",
    "QtCore",
    "QtGui",
    "QtWidgets",
    "Signal",
    "for_python",
    "give_way",
    "is_file",
    "local_time",
    "to_bytes",
    "view",
]

# Two refreshes of a screen: a stroke that goes on is drawn.
EVENTS_MS = 30


def to_bytes(array: QtCore.QByteArray) -> bytes:
    """A copy of what a QByteArray holds."""
    return array.data()


def is_file(path: str) -> bool:
    """Whether there is such a file. Python finds none called “Größe” where Krita was started with LANG=C."""
    return QtCore.QFileInfo(path).isFile()


def local_time(seconds: int) -> str:
    """Date and time, so many seconds after 1970 began, as they are written where Krita runs."""
    moment = QtCore.QDateTime.fromSecsSinceEpoch(seconds)
    return QtCore.QLocale().toString(moment, QtCore.QLocale.FormatType.ShortFormat)


def for_python(path: str) -> Path:
    """The path of a file as Python can open it there, too; not for people to read."""
    if sys.platform == "win32":
        return Path(path)
    return Path(os.fsdecode(to_bytes(QtCore.QFile.encodeName(path))))


def view(array: QtCore.QByteArray) -> memoryview:
    """What a QByteArray holds, without a copy; it keeps the array alive."""
    return memoryview(array)


def give_way() -> None:
    """Let the painter's events and all others come first, for a moment."""
    QtCore.QCoreApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, EVENTS_MS)
