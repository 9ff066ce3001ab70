"""Pictures of files in small, read beside the GUI thread: a large file takes a second."""

from __future__ import annotations

import contextlib
from typing import Callable, Tuple

from ..model.styles import read_file
from ..qt import QtCore, QtGui, Signal
from .theme import THUMBNAIL

#: Pictures are read this many times larger than they are shown, for screens with more pixels.
DENSITY = 2

_State = Tuple[int, int]


class _Reader(QtCore.QObject):
    """The one that threads report to."""

    ready = Signal(str, int, object, QtGui.QImage)

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[tuple[str, int], tuple[_State, QtGui.QPixmap]] = {}
        self._waiting: dict[tuple[str, int, _State], list[Callable[[QtGui.QPixmap], None]]] = {}
        self.ready.connect(self._keep)

    def ask(self, path: str, side: int, show: Callable[[QtGui.QPixmap], None]) -> None:
        state = _state_of(path)
        known_state, known = self._known.get((path, side), (None, None))
        if known is not None and known_state == state:
            show(known)
            return
        callbacks = self._waiting.setdefault((path, side, state), [])
        callbacks.append(show)
        if len(callbacks) == 1:
            QtCore.QThreadPool.globalInstance().start(_Task(self.ready, path, side, state))

    def _keep(self, path: str, side: int, state: _State, image: QtGui.QImage) -> None:
        picture = QtGui.QPixmap.fromImage(image)
        if not picture.isNull():  # what could not be read may be readable later: a disk, a network
            self._known[path, side] = state, picture
        for show in self._waiting.pop((path, side, state), []):
            with contextlib.suppress(RuntimeError):  # the widget has gone meanwhile
                show(picture)


class _Task(QtCore.QRunnable):
    def __init__(self, ready: Signal, path: str, side: int, state: _State) -> None:
        super().__init__()
        self._ready, self._path, self._side, self._state = ready, path, side, state

    def run(self) -> None:
        with contextlib.suppress(RuntimeError):  # Krita quits
            image = read_file(self._path, DENSITY * self._side)
            self._ready.emit(self._path, self._side, self._state, image)


def _state_of(path: str) -> _State:
    """By what a file is known to be the same as before: time of its last change in ms, length in bytes."""
    # Not by Python: see qt.is_file.
    file = QtCore.QFileInfo(path)
    return (file.lastModified().toMSecsSinceEpoch(), file.size()) if file.exists() else (0, 0)


_reader: list[_Reader] = []


def with_picture(path: str, show: Callable[[QtGui.QPixmap], None], side: int = THUMBNAIL) -> None:
    """Call ``show`` with a picture of the file, at once if it is known, else when it has been read."""
    if not _reader:
        _reader.append(_Reader())
    _reader[0].ask(path, side, show)


def fitted(pixmap: QtGui.QPixmap, side: int, ratio: float, height: int = 0) -> QtGui.QPixmap:
    """The picture at most ``side`` px wide and ``height`` (0: as much) high on a screen with ``ratio`` pixels
    for each."""
    if pixmap.isNull():
        return pixmap
    ways = QtCore.Qt.AspectRatioMode.KeepAspectRatio, QtCore.Qt.TransformationMode.SmoothTransformation
    small = pixmap.scaled(round(side * ratio), round((height or side) * ratio), *ways)
    small.setDevicePixelRatio(ratio)
    return small


def picture_html(image: QtGui.QImage) -> str:
    """The picture as a tooltip."""
    buffer = QtCore.QBuffer()
    buffer.open(QtCore.QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return f'<img src="data:image/png;base64,{buffer.data().toBase64().data().decode()}">'
