"""Runs inside Krita, for the docker's probe: keys of the X server, which Krita's own shortcuts hear first."""

from nst_probe.docker import digest, style_rows
from nst_probe.job_rows import Frames, a_job, running

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
