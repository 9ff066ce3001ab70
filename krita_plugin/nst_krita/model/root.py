"""The plugin's state as a whole: one for all windows of Krita."""

from __future__ import annotations

from typing import Any

from .. import host
from ..backend import wire
from ..backend.network import BadImage, Network
from ..qt import QtCore
from ..settings import Settings
from .connection import Connection
from .document_model import Insertion, read_job
from .jobs import Job, JobState
from .options import Options
from .properties import Observable, Property
from .styles import FileStyle, StyleList
from .words import sentence, tr

#: A slider that is being dragged sends one change in so many ms.
LIVE_MS = 150
#: Settings are written when nothing has changed for so many ms.
SAVE_MS = 1000
#: Unfinished jobs whose frames can be fetched in a later session.
MAX_EARLIER = 5


class Root(Observable):
    """Settings, styles, connection and jobs, and what the painter can do with them.

    ``jobs``: those that the docker shows, the latest last. ``message``: what went wrong with the latest
    thing that the painter did. ``earlier``: (job, title) of jobs that an earlier session left.
    """

    jobs = Property(())
    message = Property("")
    earlier = Property(())

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.options, self.styles, self.connection = Options(), StyleList(), Connection()
        self._network = Network()
        self._network.happened.connect(self._handle)
        self._pen = host.PenWatch()
        self._insertions: dict[str, Insertion] = {}
        self._live = _timer(LIVE_MS, self._send_changes)
        self._saving = _timer(SAVE_MS, self.save)
        self._restore()
        self.options.observe(self._options_changed)
        self.styles.observe(self._styles_changed, "styles")

    # What the painter does.

    def add_style(self, style: Any) -> None:
        """Add a style to the list."""
        self.message = ""
        self.styles.add(style)
        if style.path:
            self.settings.add_recent(style.path)

    def add_file(self, path: str) -> None:
        """Add a picture file as a style, or say why not."""
        try:
            self.add_style(FileStyle(path))
        except BadImage as error:
            self.message = str(error)

    def start(self) -> None:
        """Start a job on the active layer."""
        self.message = ""
        if not self.styles.styles:
            self.message = tr("Choose a style first: press +.")
            return
        try:
            document = host.current()
            job, request, source = read_job(self.options, self.styles, document)
        except (host.HostError, BadImage) as error:
            self.message = str(error)
            return
        except wire.params.InvalidParams as error:
            self.message = sentence(error.problem, error.hint)
            return
        for ended in [known for known in self.jobs if known.has_ended]:
            if not self._insertions[ended.id].pending:
                self.dismiss(ended)
        self._follow(job, document, source)
        self._network.submit(request)
        self._remember()

    def toggle_pause(self, job: Job) -> None:
        """Hold the job, or let it go on."""
        job.wants_pause = job.state is not JobState.PAUSED
        self._network.tell("pause" if job.wants_pause else "resume", job.id)

    def stop(self, job: Job) -> None:
        """End the job and keep the best picture so far."""
        job.wanted = "stop"
        self._network.tell("stop", job.id)

    def cancel(self, job: Job) -> None:
        """End the job and take its layers away."""
        job.wanted, job.words = "cancel", tr("cancelling")
        self._network.tell("cancel", job.id)
        self._insertions[job.id].remove()
        self._remember()

    def dismiss(self, job: Job) -> None:
        """Show an ended job no longer; its layers stay. Not while frames wait: its note then says so."""
        insertion = self._insertions[job.id]
        if insertion.pending:
            job.note = tr("Frames wait until you have finished the stroke or left the transform tool.")
            return
        insertion.close()
        del self._insertions[job.id]
        self.jobs = tuple(known for known in self.jobs if known is not job)
        if not self.jobs:
            self._pen.stop()

    def insertion(self, job: Job) -> Insertion:
        """The way of the job's frames into its document."""
        return self._insertions[job.id]

    def fetch_earlier(self, job_id: str, title: str) -> None:
        """Bring the frames of an earlier session's job into the present document, above the active layer."""
        self.message = ""
        try:
            document = host.current()
            source = document.source()
            host.must_hold_frames(document)
        except host.HostError as error:
            self.message = str(error)
            return
        params = self.options.params(())
        style_name = title.split(" → ", maxsplit=1)[0]
        job = Job(title, style_name, params, self.options["layers"], document.id, source.id, job_id)
        self._follow(job, document, source)
        self.forget_earlier(job_id)
        self._network.attach(job_id)

    def forget_earlier(self, job_id: str) -> None:
        """Offer that job no longer; the server deletes it when it is old."""
        self.earlier = tuple(entry for entry in self.earlier if entry[0] != job_id)
        self._remember()

    # What happens.

    def _handle(self, event: Any) -> None:
        self.connection.handle(event)
        if event.type == "unreachable":
            for job in self.jobs:
                job.fail(event.get("reason", ""))
            return
        job = next((known for known in self.jobs if known.id == event.job), None)
        if job is None:
            if event.data is not None:
                self._network.taken(len(event.data))
            if event.type == "error" and event.get("of") != "hello":
                self.message = sentence(event.get("message", ""), event.get("hint", ""))
            return
        had_ended = job.has_ended
        job.handle(event.type, event.fields)
        if event.type == "frame":
            self._frame(job, event)
        elif event.type == "error":
            self._refused(job, event)
        elif event.type == "accepted" and not had_ended:
            for command, changes in job.unheard(event.fields):
                revision = (job.next_revision(),) if changes else ()
                self._network.tell(command, job.id, *revision, **changes)
            self._live.start()  # what moved while the pictures were being sent
        elif event.type == "cancelled" and not had_ended:
            job.left_out = ()
            self._network.tell("forget", job.id)
        if job.has_ended:
            self._remember()

    def _refused(self, job: Job, event: Any) -> None:
        if event.get("code") != "unknown_job":
            self.message = sentence(event.get("message", ""), event.get("hint", ""))
            return
        if job.lost(event.fields):
            job.fail(tr("The server no longer knows this job."), tr("Press Start to begin anew."))
        if job.left_out and event.get("of") == "frames":
            job.left_out, job.note = (), tr("The server no longer keeps these frames.")

    def _frame(self, job: Job, event: Any) -> None:
        if event["kept"]:
            self._insertions[job.id].put(event)
        else:
            job.preview = (event.pixels.width, event.pixels.height, event.data)
            self._network.taken(len(event.data))

    def _follow(self, job: Job, document: host.KritaDocument, source: host.Layer) -> None:
        self._insertions[job.id] = Insertion(job, document, source, self._pen, self._network)
        self.jobs = (*self.jobs, job)

    # Live changes, and what is remembered.

    def _styles_changed(self) -> None:
        for style in self.styles.styles:
            if "_followed" not in style.__dict__:
                style._followed = True
                style.observe(self._weight_changed, "weight")
        self._saving.start()

    def _weight_changed(self) -> None:
        self._live.start()
        self._saving.start()

    def _options_changed(self) -> None:
        self._live.start()
        self._saving.start()

    def _send_changes(self) -> None:
        """Let the latest job follow the sliders, if they are still about its styles."""
        job = self.jobs[-1] if self.jobs else None
        if job is None or not job.follows(self.styles.styles):
            return
        wanted = self.options.live(self.styles.weights)
        header = {
            name: list(v) if isinstance(v, tuple) else v for name, v in _live_of(job.params, wanted).items()
        }
        changes = {name: value for name, value in wanted.items() if value != header[name]}
        if not changes:
            return
        try:
            job.params = job.params.updated(changes)
        except wire.params.InvalidParams as error:
            self.message = sentence(error.problem, error.hint)
            return
        self.message = ""
        self._network.tell("update", job.id, job.next_revision(), **changes)

    def _restore(self) -> None:
        self.options.load(self.settings.get("options", dict))
        for saved in self.settings.get("styles", list):
            try:
                style = FileStyle(str(saved["path"]))
                style.weight = min(1.0, max(0.0, float(saved["weight"])))
            except (BadImage, KeyError, TypeError, ValueError):
                continue
            self.styles.add(style)
        pairs = self.settings.get("jobs", list)
        self.earlier = tuple(
            (str(pair[0]), str(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2
        )

    def save(self) -> None:
        """Write options and styles to the settings file."""
        self.settings.set("options", self.options.to_json())
        files = [style for style in self.styles.styles if style.path]
        self.settings.set("styles", [{"path": style.path, "weight": style.weight} for style in files])

    def _remember(self) -> None:
        unfinished = [
            (job.id, job.title)
            for job in self.jobs
            if job.wanted != "cancel" and (not job.has_ended or self._insertions[job.id].pending)
        ]
        self.settings.set("jobs", [list(pair) for pair in (*self.earlier, *unfinished)][-MAX_EARLIER:])

    def close(self) -> None:
        """Krita quits: remember, let go. Jobs go on in the server, and their frames can be fetched later."""
        self.save()
        self._remember()
        self._pen.stop()
        for insertion in self._insertions.values():
            insertion.close()
        self._network.quit_and_wait()


def _live_of(params: Any, names: Any) -> dict[str, Any]:
    return {name: getattr(params, name) for name in names}


def _timer(milliseconds: int, callback: Any) -> QtCore.QTimer:
    timer = QtCore.QTimer()
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(callback)
    return timer
