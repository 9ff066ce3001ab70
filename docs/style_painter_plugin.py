"""Krita plugin that paints a list of strokes with Krita's own brushes, then exports the picture and quits.

make_style_painting.py installs it into a private Krita profile and starts Krita. It paints on the real
canvas with tablet events, because Krita 5's Python API can choose a brush but not draw with it.
Environment: ``NST_STROKES`` (JSON made by make_style_painting.py) and ``NST_PAINTING`` (the PNG to write).
"""

import json
import os
import sys
import traceback
from pathlib import Path

from krita import Extension, InfoObject, Krita, ManagedColor
from PyQt5.QtCore import QEvent, QPointF, Qt, QTimer
from PyQt5.QtGui import QTabletEvent
from PyQt5.QtWidgets import QApplication, QWidget

SETTLE_MS = 2500  # the first canvas of a session needs this long before it takes strokes
BATCH = 20  # strokes for each turn of the event loop
MARKS = ((150.0, 150.0), (550.0, 450.0))  # widget positions that reveal where the canvas lies


class StylePainter(Extension):
    """Paints when the first window opens."""

    def setup(self):
        """Nothing to prepare."""

    def createActions(self, window):  # noqa: N802  (Krita calls it so)
        """Start once Krita's window stands."""
        QTimer.singleShot(SETTLE_MS, self._guarded(self.open_canvas))

    def _guarded(self, step):
        """``step``, but an error ends Krita with a traceback instead of leaving it open for ever."""

        def run():
            try:
                step()
            except Exception:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)

        return run

    def open_canvas(self):
        """Make the document; painting begins when its view has settled."""
        plan = json.loads(Path(os.environ["NST_STROKES"]).read_text(encoding="utf-8"))
        self.width, self.height = plan["width"], plan["height"]
        self.strokes = iter(plan["strokes"])
        app = Krita.instance()
        self.document = app.createDocument(self.width, self.height, "style", "RGBA", "U8", "", 72.0)
        self.document.setBatchmode(True)
        app.activeWindow().addView(self.document)
        QTimer.singleShot(SETTLE_MS, self._guarded(self.begin))

    def begin(self):
        """Take up the brush and find out which document pixel lies under which widget position."""
        app = Krita.instance()
        window = app.activeWindow()
        self.view = window.activeView()
        self.view.canvas().setZoomLevel(1.0)
        app.action("KritaShape/KisToolBrush").trigger()
        self.presets = app.resources("preset")
        widgets = window.qwindow().findChildren(QWidget)
        names = ("KisOpenGLCanvas2", "KisQPainterCanvas")
        self.canvas = next(w for w in widgets if w.metaObject().className() in names and w.isVisible())
        self.preset = None
        self.origin = (0.0, 0.0)
        for mark in MARKS:
            self.paint({"preset": "b) Basic-1", "size": 9, "colour": [0, 0, 0], "points": [[*mark, 1.0]] * 2})
        self.document.waitForDone()
        found = [self.mark_at(*span) for span in ((0.0, 0.5), (0.5, 1.0))]
        step = [found[1][i] - found[0][i] for i in (0, 1)]
        if max(abs(step[i] - (MARKS[1][i] - MARKS[0][i])) for i in (0, 1)) > 1.5:
            raise RuntimeError(f"the canvas is not shown pixel for pixel; found marks at {found}")
        self.origin = tuple(MARKS[0][i] - found[0][i] for i in (0, 1))
        QTimer.singleShot(0, self._guarded(self.paint_batch))

    def mark_at(self, start, end):
        """Centre (x, y) of the dark pixels in the first or the second half of those found."""
        data = bytes(self.document.pixelData(0, 0, self.width, self.height))[::4]
        dark = [i for i, value in enumerate(data) if value < 128]
        rows = sorted(dark)
        part = rows[int(len(rows) * start) : int(len(rows) * end)]
        if not part:
            raise RuntimeError("no test mark was painted; the canvas took no tablet events")
        return sum(i % self.width for i in part) / len(part), sum(i // self.width for i in part) / len(part)

    def paint_batch(self):
        """Paint some strokes, let Krita breathe, go on; export after the last."""
        for count, stroke in enumerate(self.strokes, 1):
            self.paint(stroke)
            self.document.waitForDone()
            if count == BATCH:
                QTimer.singleShot(0, self._guarded(self.paint_batch))
                return
        self.document.refreshProjection()
        if not self.document.exportImage(os.environ["NST_PAINTING"], InfoObject()):
            raise RuntimeError("Krita could not export the painting")
        os._exit(0)

    def paint(self, stroke):
        """One stroke: preset, size (px), colour (three of 0…255) and points ([x, y, pressure 0…1])."""
        if stroke["preset"] != self.preset:
            self.preset = stroke["preset"]
            self.view.setCurrentBrushPreset(self.presets[self.preset])
            self.view.setPaintingOpacity(1.0)
        self.view.setBrushSize(stroke["size"])
        colour = ManagedColor("RGBA", "U8", "")
        red, green, blue = (value / 255.0 for value in stroke["colour"])
        colour.setComponents([blue, green, red, 1.0])
        self.view.setForeGroundColor(colour)
        first, *rest = stroke["points"]
        self.send(QEvent.TabletPress, first, Qt.LeftButton, Qt.LeftButton)
        for point in rest:
            self.send(QEvent.TabletMove, point, Qt.NoButton, Qt.LeftButton)
        self.send(QEvent.TabletRelease, stroke["points"][-1], Qt.LeftButton, Qt.NoButton)

    def send(self, kind, point, button, buttons):
        """A pen event at a document position."""
        position = QPointF(point[0] + self.origin[0], point[1] + self.origin[1])
        where = QPointF(self.canvas.mapToGlobal(position.toPoint()))
        pen = (QTabletEvent.Stylus, QTabletEvent.Pen, point[2], 0, 0, 0.0, 0.0, 0, Qt.NoModifier, 1)
        QApplication.sendEvent(self.canvas, QTabletEvent(kind, position, where, *pen, button, buttons))


Krita.instance().addExtension(StylePainter(Krita.instance()))
