"""Imports the packaged zip as a painter does: through the menu, the file dialog and the question after it."""

import os


def steps(probe):
    yield from probe.choose("Tools", "Scripts", "Import Python Plugin from File...")
    dialog = yield from modal(probe, "QFileDialog")
    name = dialog.findChild(probe.QtWidgets.QLineEdit, "fileNameEdit")
    # The click gives it the keyboard: without a window manager nothing else does.
    probe.click(name)
    yield name.hasFocus
    probe.mouse("type", "--delay", 20, os.environ["NST_TEST_ZIP"])
    yield lambda: name.text() == os.environ["NST_TEST_ZIP"]
    probe.screenshot("file_dialog")
    probe.mouse("key", "Return")
    question = yield from modal(probe, "QMessageBox")
    yield 0.5
    probe.screenshot("question")
    probe.record(title=question.windowTitle(), question=question.text())
    probe.click(question.button(probe.QtWidgets.QMessageBox.StandardButton.Yes))
    yield lambda: probe.QtWidgets.QApplication.activeModalWidget() is None
    yield from probe.quit()


def modal(probe, kind):
    """Wait for a modal dialog of this kind."""
    top = probe.QtWidgets.QApplication.activeModalWidget
    yield lambda: top() is not None and top().inherits(kind) and top().isVisible()
    return top()
