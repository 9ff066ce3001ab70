"""What had unsaved changes before Krita asked whether to save, and says now that it has none."""

from __future__ import annotations

from ..qt import QtCore, QtGui, QtWidgets
from .document import KritaDocument, open_documents


class Unsaved(QtCore.QObject):
    """Remembers the documents with unsaved changes while a window of Krita's asks something.

    Krita's *Quit* asks of each whether to save it before a window may refuse to close. *No* counts there as
    if it had been saved, also if Krita then goes on: it would be closed later without a question.
    GUI thread only.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked: set[KritaDocument] = set()
        QtGui.QGuiApplication.instance().focusWindowChanged.connect(self._look)

    def restore(self) -> None:
        """Have those that are still open count as changed again."""
        for document in self._asked:
            if document.is_open:
                document.handle.setModified(True)
        self._asked.clear()

    def _look(self, _focused: QtGui.QWindow | None = None) -> None:
        if QtWidgets.QApplication.activeModalWidget() is None:
            self._asked.clear()
        else:
            # Those of the question before this one count as saved by now.
            self._asked.update(document for document in open_documents() if document.handle.modified())
