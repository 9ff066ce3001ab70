"""Pictures of files in small, read beside the GUI thread: a large file takes a second."""

from __future__ import annotations

import contextlib
from typing import Callable

from ..model.styles import read_file
from ..qt import QtCore, QtGui, Signal
from .theme import THUMBNAIL

#: Pictures are read this many times larger than they are shown, for screens with more pixels.
DENSITY = 2


class _Reader(QtCore.QObject):
    """The one that threads report to."""

    ready = Signal(str, int, QtGui.QImage)

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[tuple[str, int], QtGui.QPixmap] = {}
        self._waiting: dict[tuple[str, int], list[Callable[[QtGui.QPixmap], None]]] = {}
        self.ready.connect(self._keep)

    def ask(self, path: str, side: int, show: Callable[[QtGui.QPixmap], None]) -> None:
        callbacks = self._waiting.setdefault((path, side), [])
        callbacks.append(show)
        if len(callbacks) == 1:
            QtCore.QThreadPool.globalInstance().start(_Task(self.ready, path, side))

    def _keep(self, path: str, side: int, image: QtGui.QImage) -> None:
        self.known[path, side] = QtGui.QPixmap.fromImage(image)
        for show in self._waiting.pop((path, side), []):
            with contextlib.suppress(RuntimeError):  # the widget has gone meanwhile
                show(self.known[path, side])


class _Task(QtCore.QRunnable):
    def __init__(self, ready: Signal, path: str, side: int) -> None:
        super().__init__()
        self._ready, self._path, self._side = ready, path, side

    def run(self) -> None:
        with contextlib.suppress(RuntimeError):  # Krita quits
            image = read_file(self._path, DENSITY * self._side)
            self._ready.emit(self._path, self._side, image)


_reader: list[_Reader] = []


def with_picture(path: str, show: Callable[[QtGui.QPixmap], None], side: int = THUMBNAIL) -> None:
    """Call ``show`` with a picture of the file, at once if it is known, else when it has been read."""
    if not _reader:
        _reader.append(_Reader())
    known = _reader[0].known.get((path, side))
    if known is not None:
        show(known)
    else:
        _reader[0].ask(path, side, show)


def fitted(pixmap: QtGui.QPixmap, side: int, ratio: float) -> QtGui.QPixmap:
    """The picture at most ``side`` px wide and high on a screen with ``ratio`` pixels for each."""
    if pixmap.isNull():
        return pixmap
    ways = QtCore.Qt.AspectRatioMode.KeepAspectRatio, QtCore.Qt.TransformationMode.SmoothTransformation
    small = pixmap.scaled(round(side * ratio), round(side * ratio), *ways)
    small.setDevicePixelRatio(ratio)
    return small
