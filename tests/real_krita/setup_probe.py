"""Where no server is installed: the page, an installation that fails, one that succeeds, update, menu."""

import json
import os
import shutil
import time

from nst_probe.docker import find, floating

LONGEST = 60


def steps(probe):
    # The stand-in needs next to nothing, and this machine may have less room than PyTorch needs.
    room = shutil.disk_usage(str(probe.work))._replace(free=2**40)
    shutil.disk_usage = lambda _: room
    root = _root(probe)
    setup = root.server.setup
    probe.trigger("nst_krita")
    docker = yield from floating(probe)
    probe.record(
        page=_found(probe, "nst_setup").isVisible(),
        question=setup.question,
        can_install=setup.can_install,
        start_enabled=_found(probe, "nst_start").isEnabled(),
        line=root.connection.words,
    )
    _grab(probe, "page")
    yield from restart_without_a_server(probe, setup)
    yield from low(probe, docker)
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
    probe.record(line_busy=root.connection.words)
    _grab(probe, "busy")
    yield (lambda: not setup.busy, LONGEST)
    longest = waits.end()
    yield 0.3
    probe.record(
        outcome=setup.words,
        longest_wait_ms=longest,
        record=_record(probe),
        start_enabled_after=_found(probe, "nst_start").isEnabled(),
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
    probe.record(button=_texts_of_the_button(probe, setup))
    probe.click(_found(probe, "nst_install"))
    yield lambda: setup.busy
    yield (lambda: not setup.busy, LONGEST)
    probe.record(updated=_record(probe)["version"], need=setup.need.value)
    yield from menu(probe, root, clipboard)
    yield from pictures(probe)
    yield from shown_once(probe, root)
    began = time.monotonic()
    root.close()
    probe.record(closing_seconds=time.monotonic() - began)


def shown_once(probe, root):
    """A painter's first pictures after the plugin has been installed: one without dockers, two with them."""
    docker, found = find(probe), []
    docker.hide()
    root.settings.set("was_shown", False)
    dockers = probe.app.action("view_toggledockers")
    for are_dockers_shown in (False, True, True):
        dockers.setChecked(are_dockers_shown)
        handle = yield from probe.opened((64, 64))
        yield 1.0
        found.append(docker.isVisible())
        docker.hide()
        yield from probe.closed(handle)
    probe.record(shown=found)


def low(probe, docker):
    """The page at the lower end of a stack of dockers."""
    docker.setGeometry(20, 90, 260, 230)
    yield 0.5
    press, expected = _found(probe, "nst_install"), docker.widget()._expectation
    probe.record(low=[press.visibleRegion().boundingRect() == press.rect(), expected.isVisible()])
    _grab(probe, "low")
    docker.setGeometry(20, 90, 330, 780)
    yield 0.5


def restart_without_a_server(probe, setup):
    """Whether it can be chosen, and what its entry says: with no server, and with one that has been installed
    from a terminal meanwhile."""
    popup, entry = probe.QtWidgets.QApplication.activePopupWidget, _found(probe, "nst_server_menu")
    record, found = probe.work / "home/.local/share/nst-krita/installed.json", []
    for is_installed in (False, True):
        if is_installed:
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps({"command": ["true"]}))
        entry.click()
        yield lambda: popup() is not None
        yield 0.3
        menu = popup()
        restart = next(one for one in menu.actions() if one.objectName() == "nst_server_restart")
        found.append([restart.isEnabled(), restart.toolTip(), setup.need.value])
        probe.screenshot(f"restart_{is_installed}")
        menu.close()
        yield 0.2
    probe.record(restart=found, restart_tips=menu.toolTipsVisible())
    record.unlink()
    setup.look()
    yield 0.3


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
    probe.record(menu=shown, diagnostics=clipboard.text(), told=root.message)
    probe.record(told_in=_colour_of(probe, root.message))
    root.server.choose(str(file))
    probe.record(remote=root.connection.words, kept=root.settings.get("server", str) == str(file))
    root.server.choose(str(probe.work / "probe.py"))
    probe.record(no_connection_file=root.message, still_remote=root.connection.words)
    yield 0.3
    probe.record(warned_in=_colour_of(probe, root.message), plain=_colour_of(probe, ""))
    _grab(probe, "remote")
    root.server.use_local()
    probe.record(local=root.connection.words)


def pictures(probe):
    """A file that is not there yet, then there, then another picture; a menu that is filled repeatedly."""
    from nst_krita.ui import menus, thumbnails

    path, seen = probe.out / "picture.png", []

    def ask():
        thumbnails.with_picture(str(path), lambda picture: seen.append([picture.width(), picture.height()]))

    ask()
    yield lambda: len(seen) == 1
    for sides in ((8, 4), (4, 8)):
        image = probe.QtGui.QImage(*sides, probe.QtGui.QImage.Format.Format_RGB32)
        image.fill(0)
        image.save(str(path))
        count = len(seen)
        ask()
        yield lambda count=count: len(seen) > count
    ask()  # known by now: at once
    probe.record(thumbnails=list(seen))
    filled = menus.PictureMenu(find(probe))
    for _ in range(3):
        filled.clear()
        filled.submenu("Recent")
        yield 0.2
    probe.record(submenus=len(filled.findChildren(menus.PictureMenu)))


def _colour_of(probe, text):
    """In which the docker tells that; of the theme's own texts where it is none."""
    labels = find(probe).findChildren(probe.QtWidgets.QLabel)
    label = next((label for label in labels if text and label.text() == text), None)
    palette = probe.QtGui.QPalette() if label is None else label.palette()
    return palette.color(probe.QtGui.QPalette.ColorRole.WindowText).name()


def _texts_of_the_button(probe, setup):
    """Before, after and without the failure that a server does not tell of its jobs."""
    button, texts = _found(probe, "nst_install", "QPushButton"), []
    for untold in (False, True, False):
        setup.may_lose_jobs = untold
        texts.append(button.text())
    return texts


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


def _root(probe):
    return find(probe).widget()._root


def _found(probe, name, kind="QWidget"):
    return find(probe).findChild(getattr(probe.QtWidgets, kind), name)


def _grab(probe, name):
    probe.screenshot(name)
    find(probe).grab().save(str(probe.out / f"docker_{name}.png"))


def _record(probe):
    return json.loads((probe.work / "home/.local/share/nst-krita/installed.json").read_text())
