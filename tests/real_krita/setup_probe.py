"""Where no server is installed: the page, an installation that fails, one that succeeds, update, menu."""

import json
import os
import time

LONGEST = 60


def steps(probe):
    root = _root(probe)
    setup = root.server.setup
    probe.trigger("nst_krita")
    docker = _docker(probe)
    yield docker.isVisible
    docker.setFloating(True)
    docker.setGeometry(20, 90, 330, 780)
    yield 0.5
    probe.record(
        page=_found(probe, "nst_setup").isVisible(),
        question=setup.question,
        can_install=setup.can_install,
        start_enabled=_found(probe, "nst_start", "QPushButton").isEnabled(),
        line=root.connection.words,
    )
    _grab(probe, "page")
    os.environ["NST_SERVER_WHEEL"] = os.environ["NST_TEST_BROKEN"]
    probe.click(_found(probe, "nst_install"))
    yield lambda: setup.busy
    yield (lambda: not setup.busy, LONGEST)
    yield 0.3
    _grab(probe, "failed")
    probe.click(_found(probe, "nst_copy_log"))
    yield 0.5
    clipboard = probe.QtGui.QGuiApplication.clipboard()
    probe.record(problem=setup.problem, copied=clipboard.text())
    os.environ["NST_SERVER_WHEEL"] = os.environ["NST_TEST_WHEEL"]
    waits = _Waits(probe)
    probe.click(_found(probe, "nst_install"))
    yield lambda: setup.busy and setup.fraction > 0
    _grab(probe, "busy")
    yield (lambda: not setup.busy, LONGEST)
    longest = waits.end()
    yield 0.3
    probe.record(
        outcome=setup.words,
        longest_wait_ms=longest,
        record=_record(probe),
        start_enabled_after=_found(probe, "nst_start", "QPushButton").isEnabled(),
        page_after=_found(probe, "nst_install").isVisible(),
    )
    _grab(probe, "installed")
    probe.click(_found(probe, "nst_setup_close"))
    yield lambda: not _found(probe, "nst_setup").isVisible()
    os.environ["NST_SERVER_WHEEL"] = os.environ["NST_TEST_NEWER"]
    setup.look()
    yield 0.3
    probe.record(update=setup.question)
    _grab(probe, "update")
    probe.click(_found(probe, "nst_install"))
    yield lambda: setup.busy
    yield (lambda: not setup.busy, LONGEST)
    probe.record(updated=_record(probe)["version"], need=setup.need.value)
    yield from menu(probe, root, clipboard)
    began = time.monotonic()
    root.close()
    probe.record(closing_seconds=time.monotonic() - began)


def menu(probe, root, clipboard):
    button = _found(probe, "nst_server_menu")
    shown = []

    def look():
        menu = probe.QtWidgets.QApplication.activePopupWidget()
        shown.extend(action.text() for action in menu.actions() if action.isVisible() and action.text())
        probe.screenshot("menu")
        next(action for action in menu.actions() if action.objectName() == "nst_server_copy").trigger()
        menu.close()

    probe.QtCore.QTimer.singleShot(600, look)
    button.click()
    yield lambda: bool(shown)
    file = probe.work / "out" / "studio.json"
    file.write_text(json.dumps({"endpoint": "tcp://10.0.0.5:5555", "pid": 1, "version": "9"}))
    probe.record(menu=shown, diagnostics=clipboard.text())
    root.server.choose(str(file))
    probe.record(remote=root.connection.words, kept=root.settings.get("server", str) == str(file))
    root.server.choose(str(probe.work / "probe.py"))
    probe.record(no_connection_file=root.message, still_remote=root.connection.words)
    yield 0.3
    _grab(probe, "remote")
    root.server.use_local()
    probe.record(local=root.connection.words)


class _Waits:
    """How long Krita's event loop was away, at the longest, in ms."""

    def __init__(self, probe):
        self.longest, self._last = 0.0, time.monotonic()
        self._timer = probe.QtCore.QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(5)

    def _tick(self):
        now = time.monotonic()
        self.longest, self._last = max(self.longest, now - self._last), now

    def end(self):
        self._timer.stop()
        return round(1000 * self.longest)


def _docker(probe):
    return next(d for d in probe.app.dockers() if d.objectName() == "nst_krita_docker")


def _root(probe):
    return _docker(probe).widget()._root


def _found(probe, name, kind="QWidget"):
    return _docker(probe).findChild(getattr(probe.QtWidgets, kind), name)


def _grab(probe, name):
    probe.screenshot(name)
    _docker(probe).grab().save(str(probe.out / f"docker_{name}.png"))


def _record(probe):
    return json.loads((probe.work / "home/.local/share/nst-krita/installed.json").read_text())
