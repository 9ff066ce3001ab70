"""Runs inside Krita: takes a probe's steps one event-loop turn at a time and writes down what they found.

A probe is a Python file with a generator ``steps(probe)``. Each ``yield`` goes back to Krita's event loop:

    yield                   the next turn
    yield 0.5               half a second later
    yield lambda: layers()  as soon as that is true; ``ProbeTimeout`` after 20 s
    yield (condition, 60)   the same with its own number of seconds

What a probe records is on disk at once, so that a crash of Krita leaves what was known before it.
"""

import json
import os
import platform
import sys
import time
import traceback
import types
from pathlib import Path

import krita
from krita import Krita

BINDING = "PyQt6" if "PyQt6.QtCore" in sys.modules else "PyQt5"
if BINDING == "PyQt6":
    from PyQt6 import QtCore, QtGui, QtWidgets
else:
    from PyQt5 import QtCore, QtGui, QtWidgets

WAIT_SECONDS = 20.0
START_SECONDS = 60.0
#: How Krita names the colours that a screen shows.
SRGB = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")


class ProbeTimeout(Exception):
    """A condition that a probe waited for did not come true."""


class Probe:
    """What a probe gets: Krita, Qt, a place for results and a few gestures."""

    QtCore, QtGui, QtWidgets = QtCore, QtGui, QtWidgets

    def __init__(self, work):
        self.app = Krita.instance()
        self.work = work
        self.out = work / "out"
        self.results = {}
        self.error = None
        self.finished = False
        self._gestures = []
        self._stylus = None
        self._xdotool = QtCore.QProcess()
        self._xdotool.finished.connect(self._gesture)
        self.versions = {
            "krita": self.app.version(),
            "python": platform.python_version(),
            "qt": QtCore.qVersion(),
            "binding": BINDING,
        }

    def record(self, **values):
        """Add JSON values to the result, and write it."""
        self.results.update(values)
        self._write()

    def finish(self, error=None):
        self.error, self.finished = error, True
        self._write()

    def _write(self):
        state = {name: getattr(self, name) for name in ("versions", "results", "error", "finished")}
        draft = self.out / "result.json.part"
        draft.write_text(json.dumps(state, indent=1), encoding="utf-8")
        draft.replace(self.out / "result.json")

    @property
    def window(self):
        """Krita's main window, a QMainWindow; None while it starts."""
        window = self.app.activeWindow() or next(iter(self.app.windows()), None)
        return window.qwindow() if window else None

    def screenshot(self, name):
        """Save the whole screen, menus and dialogs included, as NAME.png."""
        QtGui.QGuiApplication.primaryScreen().grabWindow(0).save(str(self.out / (name + ".png")))

    def document(self, width, height, *, model="RGBA", depth="U8", profile="", view=True):
        """Make a document with one empty layer; shown in a view unless ``view`` is false."""
        document = self.app.createDocument(width, height, "probe", model, depth, profile, 72.0)
        if view:
            self._show(document)
        return document

    def opened(self, source, **options):
        """For ``yield from``: a picture file, or a new document of (width, height), in a view; returns it."""
        if isinstance(source, tuple):
            document = self.document(*source, **options)
        else:
            document = self.app.openDocument(source)
            self._show(document)
        yield 0.5
        return document

    def closed(self, document):
        """For ``yield from``: close it, whatever of it is not saved."""
        document.setModified(False)
        document.close()
        yield 0.5

    def saved(self, document, path):
        """For ``yield from``: save it as that file."""
        self.app.setBatchmode(True)
        document.saveAs(str(path))
        yield 0.3
        document.waitForDone()
        self.app.setBatchmode(False)

    def converted(self, data, width, height, source, target=SRGB):
        """Pixels in other colours, by Krita. ``source`` and ``target``: model, depth and profile."""
        document = self.app.createDocument(1, 1, "", *source, 72.0)
        node = document.createNode("", "paintlayer")
        node.setPixelData(data, 0, 0, width, height)
        node.setColorSpace(*target)
        made = node.pixelData(0, 0, width, height).data()
        document.close()
        return made

    def _show(self, document):
        (self.app.activeWindow() or self.app.windows()[0]).addView(document)

    def undo_texts(self):
        """What the undo history of the active document says, oldest first; the first entry is its start."""
        # Krita fills the list only once its docker has been seen.
        dock = self.window.findChild(QtWidgets.QDockWidget, "History")
        dock.show()
        dock.raise_()
        model = dock.findChild(QtWidgets.QAbstractItemView).model()
        return [str(model.data(model.index(row, 0))) for row in range(model.rowCount())]

    def trigger(self, action):
        """Trigger an action of Krita by its name, such as edit_undo."""
        self.app.action(action).trigger()

    def tool(self):
        """The identifier of the chosen tool, such as KritaShape/KisToolBrush."""
        buttons = self.window.findChildren(QtWidgets.QToolButton)
        tools = [b.objectName() for b in buttons if b.isCheckable() and b.isChecked()]
        return next((name for name in tools if "Tool" in name), None)

    def canvas(self):
        """The widget that takes the strokes of the active document."""
        for widget in self.window.findChildren(QtWidgets.QWidget):
            kind = widget.metaObject().className()
            if kind in ("KisOpenGLCanvas2", "KisQPainterCanvas") and widget.isVisible():
                return widget
        raise LookupError("no canvas is shown")

    def click(self, widget, area=None):
        """A real click in the middle of a widget, or of that rectangle of it."""
        point = widget.mapToGlobal((area or widget.rect()).center())
        self.mouse("mousemove", point.x(), point.y(), "click", 1)

    def choose(self, *names):
        """For ``yield from``: click from the menu bar down to an entry; returns its QAction."""
        menu = self.window.menuBar()
        for name in names:
            yield menu.isVisible
            entry = next(action for action in menu.actions() if action.text().replace("&", "") == name)
            yield 0.3
            self.click(menu, menu.actionGeometry(entry))
            menu = entry.menu()
        return entry

    def quit(self):
        """For ``yield from``, as the last step: let Krita quit by itself, so that it saves its settings."""
        self.finish()
        self.trigger("file_quit")
        yield lambda: False

    def count_krita_time(self):
        """From now on count the seconds inside calls of Krita's documents and layers; returns the counter."""
        spent = [0.0]
        deep = [0]

        def counted(call):
            def timed(*args, **options):
                begin = time.perf_counter()
                deep[0] += 1
                try:
                    return call(*args, **options)
                finally:
                    deep[0] -= 1
                    if not deep[0]:
                        spent[0] += time.perf_counter() - begin

            return timed

        for owner in (krita.Krita, krita.Document, krita.Node, krita.Selection):
            for name in dir(owner):  # sip fills the class's dictionary only when a name is asked for
                call = getattr(owner, name)
                if callable(call) and not name.startswith("_") and type(call).__name__ != "type":
                    setattr(owner, name, counted(call))
        return lambda: spent[0]

    def mouse(self, *words):
        """Run xdotool with these words, in the background: its events are real ones of the X server."""
        self._gestures.append([str(word) for word in words])
        self._gesture()

    def _gesture(self, *_):
        # One after the other: on a slow machine a click could else come after the one that followed it.
        if self._gestures and self._xdotool.state() == QtCore.QProcess.ProcessState.NotRunning:
            self._xdotool.start("xdotool", self._gestures.pop(0))

    def pen(self, kind, point, window=None):
        """Let a window, by default the main one, hear of a pen: TabletPress, TabletMove, TabletRelease.

        ``point``: in px of the screen. Krita gets such an event as it gets one of a tablet.
        """
        handle = window or self.window.windowHandle()
        place = QtCore.QPointF(point)
        local = place - QtCore.QPointF(handle.mapToGlobal(QtCore.QPoint(0, 0)))
        buttons, none = QtCore.Qt.MouseButton, QtCore.Qt.KeyboardModifier.NoModifier
        held = buttons.NoButton if kind == "TabletRelease" else buttons.LeftButton
        pressure, turned = (0.8 if held == buttons.LeftButton else 0.0), (0, 0, 0.0, 0.0, 0)
        event = getattr(QtCore.QEvent.Type, kind)
        if BINDING == "PyQt6":
            devices = QtGui.QInputDevice.DeviceType, QtGui.QPointingDevice.PointerType
            capable = QtGui.QInputDevice.Capability.Position | QtGui.QInputDevice.Capability.Pressure
            if self._stylus is None:
                self._stylus = QtGui.QPointingDevice(
                    "pen", 7, devices[0].Stylus, devices[1].Pen, capable, 1, 3
                )
            made = QtGui.QTabletEvent(
                event, self._stylus, local, place, pressure, *turned, none, buttons.LeftButton, held
            )
        else:
            stylus = QtGui.QTabletEvent.TabletDevice.Stylus, QtGui.QTabletEvent.PointerType.Pen
            made = QtGui.QTabletEvent(
                event, local, place, *stylus, pressure, *turned, none, 7, buttons.LeftButton, held
            )
        QtCore.QCoreApplication.sendEvent(handle, made)

    def bare_package(self, name):
        """Make an installed plugin's modules importable without running its own ``__init__``."""
        package = types.ModuleType(name)
        package.__path__ = [str(self.work / "home/.local/share/krita/pykrita" / name)]
        sys.modules[name] = package


class EventLoop:
    """How long it was away at the longest since ``take``, in ms.

    ``clock``: in seconds; ``time.thread_time`` leaves out what the thread waited for a processor.
    """

    def __init__(self, clock=time.perf_counter):
        self._clock = clock
        self._longest, self._last = 0.0, clock()
        self._timer = QtCore.QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(2)

    def _tick(self):
        now = self._clock()
        self._longest, self._last = max(self._longest, now - self._last), now

    def take(self):
        longest, self._longest = self._longest, 0.0
        self._last = self._clock()
        return round(1000 * longest)


class Stepper(QtCore.QObject):
    def __init__(self, probe, script):
        super().__init__()
        self.probe, self.script = probe, script
        self.steps = None
        self.condition, self.deadline = self._started, time.monotonic() + START_SECONDS
        self.timer = QtCore.QTimer(self)
        self.timer.timeout.connect(self._turn)
        self.timer.start(20)
        self.busy = False

    def _started(self):
        window = self.probe.window
        return window is not None and window.isVisible()

    def _turn(self):
        if self.busy:  # a step that runs an event loop of its own
            return
        self.busy = True
        try:
            if not self.condition():
                if time.monotonic() > self.deadline:
                    self._throw(ProbeTimeout("waited in vain"))
                return
            if self.steps is None:
                self.steps = self._load()
            self._wait_for(next(self.steps))
            self._note_place()
        except StopIteration:
            self._end(None)
        except BaseException:
            self._end(traceback.format_exc())
        finally:
            self.busy = False

    def _note_place(self):
        """Write down where the probe waits: no traceback tells, once Krita has crashed."""
        places, inner = [], self.steps
        while inner is not None:
            frame = getattr(inner, "gi_frame", None)
            if frame is not None:
                places.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
            inner = getattr(inner, "gi_yieldfrom", None)
        (self.probe.out / "place").write_text(" > ".join(places), encoding="utf-8")

    def _throw(self, problem):
        """Let the probe's traceback show the line that waited."""
        if self.steps is None:
            raise problem
        self._wait_for(self.steps.throw(problem))

    def _load(self):
        # Xvfb has no window manager that would fit the window to the screen.
        screen = QtGui.QGuiApplication.primaryScreen().geometry()
        self.probe.window.setGeometry(screen)
        code = compile(self.script.read_text(encoding="utf-8"), str(self.script), "exec")
        module = types.ModuleType("probe_script")
        module.__file__ = str(self.script)
        exec(code, module.__dict__)
        return module.steps(self.probe)

    def _wait_for(self, what):
        now = time.monotonic()
        seconds = WAIT_SECONDS
        if isinstance(what, tuple):
            what, seconds = what
        if what is None or isinstance(what, (int, float)):
            ready = now + (what or 0)
            what = lambda: time.monotonic() >= ready  # noqa: E731
            seconds += ready - now
        self.condition, self.deadline = what, now + seconds

    def _end(self, error):
        self.timer.stop()
        if error:
            self.probe.screenshot("failed")
        self.probe.finish(error)
        # Krita would ask whether to save; nothing of this profile is kept.
        os._exit(0)


def start(work):
    probe = Probe(Path(work))
    stepper = Stepper(probe, probe.work / "probe.py")
    QtWidgets.QApplication.instance().setProperty("nst_probe", stepper)  # keeps it alive
    return stepper
