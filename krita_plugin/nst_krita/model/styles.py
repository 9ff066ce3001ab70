"""What can be a style: a picture file, a layer, another open document."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from .. import host
from ..backend.network import BadImage
from ..qt import QtCore, QtGui, is_file, to_bytes
from .style_list import Style
from .words import tr

#: Kinds of picture files, with their extensions. Which of them Qt reads differs: Debian's Qt 6 has neither
#: WebP nor TIFF.
_KINDS = {
    "PNG": ("png",),
    "JPEG": ("jpg", "jpeg"),
    "WebP": ("webp",),
    "TIFF": ("tif", "tiff"),
    "BMP": ("bmp",),
    "GIF": ("gif",),
}
#: Strokes are read from no more than this, in px: larger pictures only cost time and memory.
MAX_STYLE_SIDE = 2048


class FileStyle(Style):
    """A picture file. Raises BadImage if it is not one."""

    def __init__(self, path: str) -> None:
        self.path = str(Path(path))
        self.name = Path(path).stem
        if not is_file(self.path):
            raise BadImage(tr("“{}” is not there.").format(Path(path).name), tr("Choose another picture."))
        reader = QtGui.QImageReader(self.path)
        if not reader.canRead():
            raise unreadable(self.path, reader.errorString())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileStyle) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def thumbnail(self, side: int) -> QtGui.QImage:
        return read_file(self.path, side)

    def picture(self) -> Any:
        path = self.path
        return lambda: load_picture(path)


class KritaStyle(Style):
    """A layer, or another open document, as it is at the moment of Start."""

    def __init__(self, choice: host.StyleChoice) -> None:
        self._choice, self.document = choice, choice.document
        kind = tr("layer “{}”") if choice.layer else tr("document “{}”")
        self.name = kind.format(choice.label)
        # Nothing can be asked of a document any more once it has been closed.
        self._label, self._document_name = choice.label, choice.document.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KritaStyle) and other._choice == self._choice

    def __hash__(self) -> int:
        return hash(self._choice)

    def thumbnail(self, side: int) -> QtGui.QImage:
        return self._choice.thumbnail(side) if self._choice.document.is_open else QtGui.QImage()

    def picture(self) -> Any:
        if not self._choice.document.is_open:
            closed = tr("The style “{}” is a document that has been closed.").format(self._label)
            if self._choice.layer is not None:
                words = tr("The style “{}” is a layer of “{}”, which has been closed.")
                closed = words.format(self._label, self._document_name)
            # That style is of the document as it was: opened again, it is another one.
            raise host.HostError(
                closed, tr("Open it again and choose the style anew, or remove it from the list.")
            )
        return host.read_style(self._choice)


def is_own_file(path: str, on_windows: bool = os.name == "nt") -> bool:
    r"""Whether ``path`` names, from the root, a file of this computer.

    Windows tells whatever computer ``\\computer\share`` names who the painter is, with a hash of the
    password: such a path must not be opened only because a document says so.
    """
    return re.match(r"[A-Za-z]:[\\/]" if on_windows else "/(?!/)", path) is not None


def file_name(path: str) -> str:
    """The last part of a path of any system."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def load_picture(path: str) -> host.PixelBlock:
    """A picture file as sRGB, 8 bits, at most MAX_STYLE_SIDE px a side. Raises BadImage; any thread."""
    image = read_file(path, MAX_STYLE_SIDE)
    if image.isNull():
        raise unreadable(path)
    image = image.convertToFormat(QtGui.QImage.Format.Format_RGBA8888)
    pixels = image.constBits()
    pixels.setsize(image.sizeInBytes())
    return host.PixelBlock(bytes(pixels), image.width(), image.height(), channels="RGBA")


def read_file(path: str, side: int) -> QtGui.QImage:
    """A picture file, turned upright, as sRGB and at most ``side`` px wide and high; null if unreadable."""
    reader = QtGui.QImageReader(path)
    reader.setAutoTransform(True)
    size = reader.size()
    if size.isValid() and max(size.width(), size.height()) > side:
        # Decoders of JPEG make the smaller picture directly, in a fraction of the time.
        reader.setScaledSize(size.scaled(side, side, QtCore.Qt.AspectRatioMode.KeepAspectRatio))
    image = reader.read()
    if image.isNull():
        return image
    if max(image.width(), image.height()) > side:
        smooth = QtCore.Qt.TransformationMode.SmoothTransformation
        image = image.scaled(side, side, QtCore.Qt.AspectRatioMode.KeepAspectRatio, smooth)
    image = image.convertToFormat(QtGui.QImage.Format.Format_RGBA8888)
    if hasattr(QtGui, "QColorSpace") and image.colorSpace().isValid():  # not before Qt 5.14
        image.convertToColorSpace(QtGui.QColorSpace(QtGui.QColorSpace.NamedColorSpace.SRgb))
    return image


def file_patterns() -> str:
    """Of the picture files that can be a style, as a file dialog wants them."""
    return " ".join(f"*.{extension}" for extensions in _readable().values() for extension in extensions)


def _readable() -> dict[str, tuple[str, ...]]:
    read = {to_bytes(kind).decode("ascii", "replace") for kind in QtGui.QImageReader.supportedImageFormats()}
    return {name: extensions for name, extensions in _KINDS.items() if read.intersection(extensions)}


def unreadable(path: str, reason: str = "") -> BadImage:
    """What is said of a file that is no picture, or a damaged one."""
    reason = f" ({reason})" if reason else ""
    return BadImage(
        tr("“{}” cannot be read as a picture{}.").format(Path(path).name, reason),
        tr("Choose a picture file ({}), or open it in Krita and choose the document.").format(
            ", ".join(_readable())
        ),
    )


def open_style(path: str) -> tuple[FileStyle | None, str]:
    """The picture file as a style; or None, and what is wrong with it."""
    try:
        return FileStyle(path), ""
    except BadImage as error:
        return None, str(error)
