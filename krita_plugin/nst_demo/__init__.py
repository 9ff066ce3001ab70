"""Runs inside Krita for ``nst demo --krita``: presses Start as a painter would, and shows what came of it.

NST_DEMO_OUT names the folder for ``krita.png`` (the window) and ``demo.kra`` (the document with its layers).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from krita import Extension, Krita

if "PyQt6.QtCore" in sys.modules:
    from PyQt6 import QtCore
else:
    from PyQt5 import QtCore

TICK_MS = 500
#: The docker and the canvas need some turns of the event loop before they can be used.
SETTLE_TICKS = 4
FINAL = "final"
#: Of the dockers that the demo is about, in px.
HEIGHTS = {"nst_krita_docker": 560, "KisLayerBox": 330}


class Demo(Extension):
    """Waits for the document, starts the job, waits for its final layer, takes the pictures."""

    def __init__(self, parent):
        super().__init__(parent)
        self._out = Path(os.environ["NST_DEMO_OUT"])
        self._ticks = 0
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def setup(self):
        """Krita asks for this; there is nothing to prepare."""

    def createActions(self, window):
        """The first window is there: begin to look for the document."""
        self._timer.start()

    def _tick(self):
        document = Krita.instance().activeDocument()
        if document is None or document.activeNode() is None:
            return
        self._ticks += 1
        if self._ticks == 1:
            _fill_screen(Krita.instance().activeWindow().qwindow())
        elif self._ticks == SETTLE_TICKS:
            Krita.instance().action("nst_krita").trigger()
        elif self._ticks == 2 * SETTLE_TICKS:
            Krita.instance().action("nst_start").trigger()
        elif self._ticks > 2 * SETTLE_TICKS and _has_final(document.rootNode()):
            self._timer.stop()
            # A moment later, so that the picture shows the canvas with the last layer.
            QtCore.QTimer.singleShot(4 * TICK_MS, self._finish)

    def _finish(self):
        krita = Krita.instance()
        krita.activeWindow().qwindow().grab().save(str(self._out / "krita.png"))
        krita.setBatchmode(True)
        krita.activeDocument().saveAs(str(self._out / "demo.kra"))
        krita.setBatchmode(False)
        (self._out / "krita-finished").touch()


def _fill_screen(window):
    """Make room for canvas and docker, also where no window manager would maximise."""
    window.setGeometry(window.screen().availableGeometry())
    dockers = [docker for docker in Krita.instance().dockers() if docker.objectName() in HEIGHTS]
    heights = [HEIGHTS[docker.objectName()] for docker in dockers]
    window.resizeDocks(dockers, heights, QtCore.Qt.Orientation.Vertical)


def _has_final(node):
    return any(FINAL in child.name() or _has_final(child) for child in node.childNodes())


Krita.instance().addExtension(Demo(Krita.instance()))
