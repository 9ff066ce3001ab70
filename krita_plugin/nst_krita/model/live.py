"""The sliders of a running job: what is moved in the docker changes the latest job."""

from __future__ import annotations

from typing import Any, Callable

from ..backend import wire
from ..backend.network import Network
from ..qt import QtCore
from .insertion import Insertion
from .jobs import Job
from .options import Options
from .style_list import StyleList
from .words import refusal

#: A slider that is being dragged sends a change every so many ms, so that the picture follows the hand.
LIVE_MS = 150


class LiveChanges:
    """Sends what differs between the docker and the job that ``latest`` names.

    ``on_sent``: called with what was wrong with the latest change, "" for nothing; ``write``: puts what the
    job's document remembers into it, since that may be saved before the next frame comes.
    """

    def __init__(
        self,
        options: Options,
        styles: StyleList,
        network: Network,
        latest: Callable[[], tuple[Job, Insertion] | None],
        on_sent: Callable[[str], None],
        write: Callable[[Insertion], None],
    ) -> None:
        self._options, self._styles, self._network = options, styles, network
        self._latest, self._on_sent, self._write = latest, on_sent, write
        self._timer = timer(LIVE_MS, self._send)
        #: What the docker had before it showed the job of a document that the painter came to.
        self._own: tuple[tuple[Any, ...], dict[str, Any]] | None = None

    def leave(self) -> None:
        """The painter goes to another document: the job gets what was moved last, the docker what it had
        before ``arrive``."""
        if self._timer.isActive():
            self._timer.stop()
            self._send()
        if self._own is not None:
            self._show(*self._own)
            self._own = None

    def arrive(self) -> None:
        """Show the values of the job of the document in view, if it follows the docker: moving one slider
        shall not change what the others say."""
        latest = self._latest()
        if latest is None or not latest[0].follows(self._styles.styles):
            return
        job = latest[0]
        present = self._options.live(self._styles.weights_of(job.styles))
        of_job = {name: _plain(getattr(job.params, name)) for name in present}
        if present != of_job:
            self._own = job.styles, present
            self._show(job.styles, of_job)

    def _show(self, styles: tuple[Any, ...], values: dict[str, Any]) -> None:
        for name, value in values.items():
            if name != "style_weights":
                self._options[name] = value
        for style, weight in zip(styles, values["style_weights"]):
            style.weight = weight

    def start(self) -> None:
        """Something has been moved: send it, and what is moved until then, in LIVE_MS."""
        if not self._timer.isActive():
            self._timer.start()

    def _send(self) -> None:
        """Let the latest job follow the sliders, if they are still about its styles."""
        latest = self._latest()
        if latest is None or not latest[0].follows(self._styles.styles):
            return
        job, insertion = latest
        # The server knows shares by place, and the painter may have put the rows into another order.
        wanted = self._options.live(self._styles.weights_of(job.styles))
        header = {name: _plain(getattr(job.params, name)) for name in wanted}
        changes = {name: value for name, value in wanted.items() if value != header[name]}
        if not changes:
            return
        try:
            job.params = job.params.updated(changes)
        except wire.params.InvalidParams as error:
            self._on_sent(refusal(f"params.{error.field}", error.problem, error.hint))
            return
        self._on_sent("")
        revision = job.next_revision()
        insertion.record.change(revision, changes)
        self._write(insertion)
        self._network.tell("update", job.id, revision, **changes)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def timer(milliseconds: int, callback: Callable[[], None]) -> QtCore.QTimer:
    """A timer that calls once, so many ms after its latest start."""
    made = QtCore.QTimer()
    made.setSingleShot(True)
    made.setInterval(milliseconds)
    made.timeout.connect(callback)
    return made
