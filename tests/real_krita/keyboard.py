"""Runs inside Krita, for the docker's probe: keys of the X server, which Krita's own shortcuts hear first."""

from nst_probe.docker import digest, style_rows
from nst_probe.job_rows import DONE, Frames, a_job, running

#: More widgets than the docker has.
MANY = 80


def keys_on_a_clicked_row(probe, root, docker, handle):
    """The keys that its menu names, where a plain click has left the focus; Delete until no style is left."""
    node, styles = handle.activeNode(), root.styles.styles
    before = digest(node), handle.activeNode().name(), len(probe.undo_texts())
    names = [[style.name for style in styles]]
    probe.click(style_rows(probe, docker)[0]._picture)
    yield style_rows(probe, docker)[0].hasFocus
    probe.mouse("key", "alt+Down")
    yield lambda: root.styles.styles != styles
    names.append([style.name for style in root.styles.styles])
    probe.click(style_rows(probe, docker)[-1]._name)
    yield 0.5
    for _ in range(len(styles) + 1):  # and once more
        probe.mouse("key", "Delete")
        yield 0.7
        names.append([style.name for style in root.styles.styles])
    after = digest(node), handle.activeNode().name(), len(probe.undo_texts())
    probe.record(clicked_row=names, clicked_row_spares_the_layer=before == after)
    for style in styles:
        root.styles.add(style)
    yield 0.5


def tab_order(probe, root, docker):
    """From the docker's action on, through rows that came later: what Tab reaches, as far as Start."""
    _, *others = root.styles.styles
    for style in others:  # which are made anew, after all that follows them
        root.styles.remove(style)
    job = a_job(root, "swirls → “Background”", root.rows.viewed)
    root.rows.add(job, Frames(probe))
    running(job)
    job.preview, job.inserted = (96, 64, bytes([200, 150, 90, 255]) * 96 * 64), (1, 2, 5)
    for style in others:
        root.styles.add(style)
    yield 0.5
    focused = probe.QtWidgets.QApplication.focusWidget
    probe.trigger("nst_krita")
    yield lambda: focused() is not None and focused().objectName() == "nst_presets"
    seen = [focused()]
    while seen[-1].objectName() != "nst_start" and len(seen) < MANY and docker.isAncestorOf(seen[-1]):
        probe.mouse("key", "Tab")
        yield lambda: focused() is not seen[-1]
        seen.append(focused())
    corners = [widget.mapTo(docker, probe.QtCore.QPoint(0, 0)) for widget in seen]
    rows = [widget.style_shown.name for widget in seen if type(widget).__name__ == "StyleRow"]
    probe.record(
        tabs=[widget.objectName() for widget in seen],
        tabs_to_rows=rows == [known.name for known in root.styles.styles],
        tabs_go_up_by=[one.y() - other.y() for one, other in zip(corners, corners[1:])],
    )
    root.rows.dismiss(job)
    yield 0.3


class Hasty:
    """Presses Space where the focus is; ``done``: what that did, and whether it stayed in the docker."""

    def __init__(self, probe, docker):
        self.probe, self.docker, self.done = probe, docker, []

    def focus(self, name):
        buttons = self.docker.findChildren(self.probe.QtWidgets.QAbstractButton, name)
        button = next(each for each in buttons if each.isVisible() and each.isEnabled())
        self.docker.activateWindow()
        button.setFocus(self.probe.QtCore.Qt.FocusReason.TabFocusReason)
        yield 1.2
        return button

    def press(self, times=2):
        for _ in range(times):
            self.probe.mouse("key", "space")
            yield 0.4
        self.done.append(self.docker.isAncestorOf(self.probe.QtWidgets.QApplication.focusWidget()))


def pressed_twice(probe, root, docker):
    """Space on what goes, is disabled or gets another meaning, and once more: what has been done."""
    hasty = Hasty(probe, docker)
    root.start = lambda: hasty.done.append("start")
    yield from _ended_twice(probe, root, hasty)
    yield from _taken_twice(probe, root, hasty)
    del root.start
    for each in root.jobs:
        root.rows.dismiss(each)
    yield 0.3


def _ended_twice(probe, root, hasty):
    """A job cancelled beside one that has ended, and its row dismissed; another one stopped."""
    before, job, last = (a_job(root, name, root.rows.viewed) for name in ("before", "job", "last"))
    done = hasty.done
    root.cancel = lambda job: (done.append("cancel"), setattr(job, "wanted", "cancel"))
    root.stop = lambda job: (done.append("stop"), setattr(job, "wanted", "stop"))
    root.rows.add(before, Frames(probe))
    before.handle("done", DONE)
    root.rows.add(job, Frames(probe))
    running(job)
    yield 0.3
    cancel = yield from hasty.focus("nst_cancel")
    yield from hasty.press(1)
    job.handle("state", {"state": "cancelling"})
    yield from hasty.press(1)
    done.append(cancel.hasFocus())
    job.handle("cancelled", {})
    yield from hasty.press()
    yield 1.2  # by now it is meant for the row that has ended
    yield from hasty.press()
    done.append([each.title for each in root.jobs])
    root.rows.add(last, Frames(probe))
    running(last)
    yield from hasty.focus("nst_stop")
    yield from hasty.press(1)
    last.handle("progress", {"iteration": 21, "total": 300, "losses": {"total": 0.02}})
    yield from hasty.press()
    last.handle("done", DONE)
    yield from hasty.press()
    probe.record(pressed_twice=list(done), row_is_folded=before.is_folded)
    done.clear()
    del root.cancel, root.stop


def _taken_twice(probe, root, hasty):
    """Offers, of which one changes its words and one is taken; then the next, by Tab; then none is left."""
    from nst_krita.model.documents import Offer

    offers = [Offer(name, name, "Fetch", "Bring its frames.", is_unfinished=True) for name in "abc"]
    done, focused = hasty.done, probe.QtWidgets.QApplication.focusWidget

    def take(offer):
        done.append(offer.job)
        root.offers = tuple(known for known in root.offers if known.job != offer.job)

    root.take, root.offers = take, tuple(offers)
    probe.QtGui.QCursor.setPos(hasty.docker.mapToGlobal(probe.QtCore.QPoint(500, 20)))
    yield 0.3
    first = yield from hasty.focus("nst_take")
    root.offers = (offers[0]._replace(words="a, and what has come since"), *offers[1:])
    done.append(first.hasFocus())
    yield from hasty.press()
    probe.mouse("key", "Tab")
    yield 1.2
    done.append(focused().objectName())
    yield from hasty.press()
    root.offers = ()
    yield from hasty.press()
    probe.record(taken_twice=done)
    del root.take
