"""Brings the parts together and tells Krita of them: docker, actions, what happens at the end."""

from __future__ import annotations

from typing import Any, Callable

from krita import DockWidget, DockWidgetFactory, DockWidgetFactoryBase, Extension, Krita

from .qt import QtCore, QtWidgets
from .translation import tr

DOCKER = "nst_krita_docker"
#: Tools ▸ Scripts; the names are those that shortcuts are bound to.
OPEN, START, CONTINUE = "nst_krita", "nst_start", "nst_continue"
MENU = "tools/scripts"
TITLE = tr("Neural Style Transfer")
#: In px: below the first the docker shows too little to work with; the second shows all but Advanced.
LEAST_HEIGHT, GOOD_HEIGHT = 340, 420
#: So long after the first picture has come Krita may still be at its layout, in ms.
SHOW_MS = 500
#: Krita's name of the docker that the painter watches while layers arrive: it is not covered.
LAYERS_DOCKER = "KisLayerBox"


class NstExtension(Extension):
    """The actions of every window."""

    def __init__(
        self,
        parent: Any,
        start: Callable[[], None] = lambda: None,
        go_on: Callable[[], None] = lambda: None,
        question: Any = None,
    ) -> None:
        super().__init__(parent)
        self._start, self._go_on, self._question = start, go_on, question

    def setup(self) -> None:
        """Krita asks for this; there is nothing to prepare."""

    def createActions(self, window: Any) -> None:
        for name, text, tool_tip, act in (
            (OPEN, tr("{}…"), tr("Show the Neural Style Transfer docker"), open_docker),
            (
                START,
                tr("{}: start"),
                tr("Paint the active layer with the docker's settings"),
                lambda: self._begin(self._start),
            ),
            (
                CONTINUE,
                tr("{}: continue from the active layer"),
                tr("Go on from a frame as it has been painted over"),
                lambda: self._begin(self._go_on),
            ),
        ):
            action = window.createAction(name, text.format(TITLE), MENU)
            # Krita takes both from the .action file instead, which knows no languages.
            action.setText(text.format(TITLE))
            action.setToolTip(tool_tip)
            action.triggered.connect(lambda *_, act=act: act())
        if self._question is not None:
            self._question.watch()

    def _begin(self, action: Callable[[], None]) -> None:
        show_docker()
        action()


class ProblemDocker(DockWidget):
    """Stands in for the docker where the plugin cannot work, and says why."""

    def __init__(self, problem: str) -> None:
        super().__init__()
        self.setWindowTitle(TITLE)
        label = QtWidgets.QLabel(problem)
        label.setTextFormat(QtCore.Qt.TextFormat.PlainText)  # it may have the name of a folder in it
        label.setWordWrap(True)
        label.setMargin(8)
        label.setAlignment(QtCore.Qt.AlignmentFlag.AlignTop)
        label.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setWidget(label)

    def canvasChanged(self, _canvas: Any) -> None:
        """Krita asks for this."""


def open_docker() -> None:
    """Show it and give it the keyboard's focus: whoever asks for the docker alone wants to use it."""
    show_docker(with_focus=True)


def show_docker(with_focus: bool = False) -> None:
    """Bring the docker of the active window to the front."""
    for docker in _ours():
        docker.setVisible(True)
        docker.raise_()
        # Its place is known once the layout has been made.
        QtCore.QTimer.singleShot(0, lambda docker=docker: _make_room(docker))
        panel = docker.widget()
        if with_focus and hasattr(panel, "take_focus"):  # what says that it cannot work takes none
            QtCore.QTimer.singleShot(0, panel.take_focus)


def _ours() -> list[Any]:
    """The docker of the active window, if it has one."""
    # Window.dockers() would say it better, but came with Krita 5.2.
    return [docker for docker in Krita.instance().dockers() if docker.objectName() == DOCKER]


def show_once(settings: Any) -> None:
    """Show the docker with the painter's first picture: Krita hides those that its kept layout lacks.

    Where the painter has put all dockers away, that waits for another picture.
    """

    def show() -> None:
        toggle = Krita.instance().action("view_toggledockers")
        ours = _ours()
        if settings.get("was_shown", bool) or not ours or (toggle is not None and not toggle.isChecked()):
            return
        if not any(docker.toggleViewAction().isChecked() for docker in ours):
            show_docker()
        settings.set("was_shown", True)

    if not settings.get("was_shown", bool):
        QtCore.QTimer.singleShot(SHOW_MS, show)


def _make_room(docker: Any) -> None:
    """Where the column of dockers is too full to show this one, let it share the place of another."""
    window = docker.parentWidget()
    is_seen = docker.height() >= LEAST_HEIGHT and docker.geometry().bottom() <= window.height()
    if docker.isFloating() or is_seen:
        return
    others = [
        other
        for other in window.findChildren(QtWidgets.QDockWidget)
        if other is not docker
        and other.isVisible()
        and not other.isFloating()
        and other.objectName() != LAYERS_DOCKER
        and window.dockWidgetArea(other) == window.dockWidgetArea(docker)
    ]
    if others and not window.tabifiedDockWidgets(docker):
        window.tabifyDockWidget(max(others, key=lambda other: other.height()), docker)
        docker.raise_()
    window.resizeDocks([docker], [GOOD_HEIGHT], QtCore.Qt.Orientation.Vertical)


def register(problem: str = "") -> None:
    """Add docker and actions to Krita; with ``problem`` they only tell it."""
    krita = Krita.instance()
    root = None
    if not problem:
        try:
            root = _root()
        except (ImportError, OSError, ValueError) as error:  # a module or one of its data files
            problem = tr("This copy of the plugin is incomplete ({}). Run: nst krita install").format(error)
    if root is None:
        make, extension = (lambda: ProblemDocker(problem)), NstExtension(krita)
    else:
        make = lambda: _docker(root)  # noqa: E731
        extension = NstExtension(krita, root.start, root.continue_from_layer, _question(root))
        krita.notifier().setActive(True)
        krita.notifier().applicationClosing.connect(root.close)
        krita.notifier().imageSaved.connect(root.saved)
        krita.notifier().viewCreated.connect(lambda *_: show_once(root.settings))
    krita.addExtension(extension)
    right = getattr(DockWidgetFactoryBase, "DockPosition", DockWidgetFactoryBase).DockRight
    krita.addDockWidgetFactory(DockWidgetFactory(DOCKER, right, make))


def _root() -> Any:
    # Imported here, so that a plugin without its protocol package can still say so.
    from .model.root import Root
    from .settings import Settings

    return Root(Settings())


def _question(root: Any) -> Any:
    from .host.unsaved import Unsaved
    from .ui.quitting import QuitQuestion

    return QuitQuestion(root, Unsaved().restore)


def _docker(root: Any) -> DockWidget:
    from .ui.docker import NstDocker

    return NstDocker(root)
