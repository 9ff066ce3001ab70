"""The plugin's state as a whole: one for all windows of Krita."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from .. import host
from ..backend import wire
from ..backend.network import BadImage, Network
from ..settings import Settings
from .colour_map import FlatColour
from .connection import Connection
from .document_model import dragged_layer
from .documents import Documents, Offer
from .download import Download
from .forecast import Expectation, Forecast
from .history import JobRecord
from .insertion import Insertion
from .job_rows import JobRows
from .jobs import Job, JobState
from .live import LiveChanges, timer
from .options import Options
from .presets import Preset, Presets
from .properties import Observable, Property
from .reading import Begun, Reading
from .refused import Refused
from .regions import ColourRegion, LayerRegion, SelectedRegion, colours_of, divided
from .returning import Returning
from .server import Server
from .settings_in_use import SettingsInUse
from .style_list import StyleList
from .styles import FileStyle, KritaStyle, open_style
from .waiting import Waiting
from .words import refusal, tr

#: Settings are written when nothing has changed for so many ms.
SAVE_MS = 1000
#: How often the server is asked about what is offered and unfinished, in ms: it tells nobody but followers.
ASK_MS = 5000


class Root(Observable):
    """Settings, styles, connection and jobs (``rows``), and what the painter can do with them.

    ``message``: what went wrong with the latest thing that the painter did. ``offers``: what can be had for
    the document in view, its own first. ``stops_at_quit``: whether unfinished jobs end with Krita.
    """

    message = Property("")
    offers = Property(())

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.options, self.styles, self.connection = Options(), StyleList(open_style), Connection()
        self.download = Download(settings)
        self._network = Network()
        self._network.happened.connect(self._handle)
        self.server = Server(
            settings,
            self._network,
            self.connection,
            lambda: bool(self.unfinished),
            self._say,
            lambda: self.message,
        )
        self.documents = Documents(self._network)
        self.rows = JobRows(self.documents, self.connection)
        rows = self.rows
        self._edits = host.EditWatch(rows.pen, self.documents.is_untouched)
        rows.pen.touched.connect(self.documents.note_painted)
        self._edits.changed.connect(self.documents.note_painted)
        self._live = LiveChanges(
            self.options,
            self.styles,
            self._network,
            lambda: rows.latest,
            self._say,
            lambda insertion: self.documents.write(insertion.document),
        )
        self._saving, self._asking = timer(SAVE_MS, self.save), timer(ASK_MS, self._ask_again)
        self.options.load(settings.get("options", dict))
        self.styles.load(settings.get("styles", list))
        self.presets = Presets(settings, self.options, self.styles)
        self.forecast = Forecast(settings, self.options, self.connection)
        taken = self.presets.recognise
        self._in_use = SettingsInUse(settings, self.options, self.styles, self.documents, taken)
        self.reading = Reading(self.options, self.styles, self._in_use, self.documents, self.download)
        self.waiting = Waiting(self._say)
        self._why_not = Refused(self._say, lambda: self.message)
        self.stops_at_quit = False
        self._returning = Returning(settings, self.documents, rows, self._network, self._insertion, self._say)
        self._earlier = self._returning.earlier
        self._earlier.observe(self._show_offers, "offers")
        self.documents.observe(self._show_offers, "offers")
        self.options.observe(self._options_changed)
        self.styles.observe(self._options_changed)

    # What the painter does.

    def add_style(self, style: Any) -> None:
        """Add a style to the list."""
        self.message = ""
        self.styles.add(style)
        if style.path:
            self.settings.add_recent(style.path)

    @property
    def pictures_folder(self) -> str:
        """Where a style file is likely to be: beside the latest one, the document, or at home."""
        known = [*self.settings.recent[:1], host.current().file]
        return str(next((Path(path).parent for path in known if path), Path.home()))

    def add_file(self, path: str) -> None:
        """Add a picture file as a style, or say why not."""
        try:
            self.add_style(FileStyle(path))
        except BadImage as error:
            self.message = str(error)

    def add_dragged_layer(self) -> None:
        """Add the layer that was dragged out of Krita's list, or say why not."""
        try:
            self.add_style(KritaStyle(dragged_layer()))
        except host.HostError as error:
            self.message = str(error)

    def limit(self, style: Any, layer: host.Layer | None = None, colour: str = "") -> None:
        """Let the style paint only inside the selection, or where ``layer`` has paint, or that colour."""
        self.message = ""
        document = host.current()
        if layer is not None:
            style.region = ColourRegion(document, layer, colour) if colour else LayerRegion(document, layer)
            return
        try:
            style.region = SelectedRegion(document)
            self.message = style.region.note
        except host.HostError as error:
            self.message = str(error)

    def colours_of(self, layer: host.Layer) -> tuple[list[FlatColour], str]:
        """The flat colours of a layer, that with the largest area first; where there are none, why."""
        return colours_of(host.current(), layer)

    def divide(self, layer: host.Layer) -> None:
        """Let each style paint where ``layer`` has another of its colours."""
        self.message = divided(host.current(), layer, self.styles.styles)

    def choose_preset(self, preset: Preset) -> None:
        """Take over its settings."""
        self.message = self.presets.choose(preset, host.current().id)

    @property
    def expectation(self) -> Expectation:
        """What a job that is started now will take."""
        return self.forecast.expect(*host.extent(host.current()))

    def start(self) -> None:
        """Start a job on the active layer."""
        self._begin(self.reading.anew)

    def continue_from_layer(self) -> None:
        """Start a job that goes on from the active layer, as it has been painted over."""
        self._begin(self.reading.onward)

    def recolour_layer(self) -> None:
        """Give the active layer, a finished frame, the docker's colours; it is not painted again."""
        self._begin(self.reading.recolouring)

    def _begin(self, read: Callable[[], Begun]) -> None:
        if self.reading.is_reading:  # the painter's events come in between, and this is one of them
            return
        if self.waiting.is_waiting:  # pressed again: the painter has thought better of it
            self.waiting.give_up()
            return
        self.waiting.do([host.current(), *self.styles.documents], lambda: self._read(read))

    def _read(self, read: Callable[[], Begun]) -> None:
        try:
            begun = read()
        except (host.HostError, BadImage) as error:
            self._why_not.tell(str(error))
            return
        except wire.params.InvalidParams as error:
            self._why_not.tell(refusal(f"params.{error.field}", error.problem, error.hint))
            return
        self.rows.add(begun.job, self._insertion(begun.job, begun.document, begun.above, begun.record))
        self._network.submit(begun.request)
        self.documents.add(begun.document, begun.record)
        self.look()  # wherever the painter is by now

    def toggle_pause(self, job: Job) -> None:
        """Hold the job, or let it go on."""
        job.wants_pause = job.state is not JobState.PAUSED
        self._network.tell("pause" if job.wants_pause else "resume", job.id)

    def stop(self, job: Job) -> None:
        """End the job and keep the best picture so far."""
        job.wanted, job.words = "stop", tr("being stopped")
        self._network.tell("stop", job.id)

    def cancel(self, job: Job) -> None:
        """End the job and take its layers away."""
        job.wanted, job.words = "cancel", tr("cancelling")
        self._network.tell("cancel", job.id)
        self.insertion(job).remove()
        self._returning.remember()

    def dismiss(self, job: Job) -> None:
        """Show an ended job no longer; its layers stay. One that was lost to a server is offered again."""
        self.rows.dismiss(job)
        if job.is_lost:
            self.look()

    def insertion(self, job: Job) -> Insertion:
        """The way of the job's frames into its document."""
        return self.rows.insertion(job)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Those that the docker has rows for, the latest last."""
        return self.rows.jobs

    @property
    def unfinished(self) -> tuple[Job, ...]:
        """Jobs that go on when Krita ends."""
        return self.rows.unfinished

    # What documents remember.

    def look(self) -> None:
        """The painter has come to another document, or closed one: see what it remembers."""
        document = host.current()
        is_new = bool(document) and not self.documents.knows(document)
        is_other = document.id != self.rows.viewed
        if is_other:
            self._live.leave()
            self.message = ""  # which was about the document before
        self.rows.viewed = document.id
        self._returning.retire()
        if is_new:
            self.message = self._in_use.meet(document, bool(self.unfinished)) or self.message
        if document:
            self._returning.take_up(document)
            if self.documents.may_go_on(document):
                self.rows.pen.start()  # strokes on its frames are to be known before the job is followed
        self._earlier.look(document)
        followed = [job.id for job in self.jobs if not (job.is_lost or self.rows.is_homeless(job))]
        # The server does not know yet what it is being sent.
        sending = {job.id for job in self.jobs if job.state is JobState.SENDING}
        others = [offer.job for offer in self._earlier.offers if offer.job not in sending]
        self.documents.look(document, followed, others)
        if is_new:
            self._returning.recall(document)
        if is_other:
            self._live.arrive()
        self.rows.name_documents()

    def take(self, offer: Offer) -> None:
        """Do what is offered; frames of a job that the document does not know go above the active layer."""
        document = host.current()
        if not offer.job:
            self.message = self._in_use.use_offered(document)
            return
        self._returning.take(offer, self.options["layers"].value)
        self.look()

    def decline(self, offer: Offer) -> None:
        """Offer that no more; the server deletes the job when it is old."""
        if not offer.job:
            self.documents.offer_settings(host.current(), offered=False)
            return
        if not offer.title:
            self.documents.end(offer.job)
        self._forget_earlier(offer.job)

    def stop_offered(self, offer: Offer) -> None:
        """End the job that is offered with its best picture, which is offered then."""
        self.documents.stop(offer.job)

    def saved(self, file: str) -> None:
        """Krita has saved a document as ``file``."""
        self._returning.saved(file)

    def _forget_earlier(self, job_id: str) -> None:
        self._earlier.forget(job_id)
        self._returning.remember()

    def _show_offers(self) -> None:
        # One that has a row is stopped there.
        rows = {job.id for job in self.jobs if not job.is_lost}
        offers = (*self.documents.offers, *self._earlier.offers)
        self.offers = tuple(
            offer._replace(is_unfinished=False) if offer.job in rows else offer for offer in offers
        )
        if any(offer.is_unfinished for offer in self.offers):
            self._asking.start()

    def _ask_again(self) -> None:
        self.rows.ask_again()
        if self.documents.ask_again([offer.job for offer in self.offers if offer.is_unfinished]):
            self._asking.start()

    @property
    def is_frame_active(self) -> bool:
        """Whether the active layer is a frame of ours, whose settings can be used again."""
        return self._in_use.record_in(host.current()) is not None

    def has_made(self, layer: host.Layer | None) -> bool:
        """Whether that layer of the document in view is a frame of ours, or the group around them."""
        return layer is not None and self.documents.history(host.current()).of_layer(layer.id) is not None

    def use_settings_of_layer(self) -> None:
        """Set the docker as it was for the frame that is the active layer."""
        self.message = self._in_use.use_of_layer(host.current())

    def use_settings_of(self, job: Job) -> None:
        """Set the docker as it was for that job."""
        insertion = self.insertion(job)
        self.message = self._in_use.use(insertion.record.settings_of(""), insertion.document)

    # What happens.

    def _handle(self, event: Any) -> None:
        self.connection.handle(event)
        self.server.watch(event)
        if self.documents.handle(event):
            return
        if event.type == "unreachable":
            for unfinished in self.unfinished:
                unfinished.lose(self.connection.problem)
            return
        if event.type == "connected":
            self._met()
        job = next((known for known in self.jobs if known.id == event.job), None)
        if job is None:
            if event.data is not None:
                self._network.taken(len(event.data))
            if event.type == "error" and event.get("of") != "hello":
                self.message = _refusal(event)
            return
        had_ended = job.has_ended
        job.handle(event.type, event.fields)
        self.download.watch(job, event)
        self.forecast.watch(job, event)
        if event.type == "frame":
            self._frame(job, event)
        elif event.type == "error":
            self._refused(job, event)
        elif event.type == "accepted" and not had_ended:
            self._accepted(job, event)
        elif event.type == "cancelled" and not had_ended:
            job.left_out = ()
            self._network.tell("forget", job.id)
        if job.has_ended:
            self._ended(job)

    def _met(self) -> None:
        self._ask_again()
        if any(job.is_lost for job in self.jobs):
            self.look()  # the server may go on with them

    def _accepted(self, job: Job, event: Any) -> None:
        insertion = self.insertion(job)
        if insertion.record.learn(event["revision"], event["params"]):
            self.documents.write(insertion.document)
        for command, changes in job.unheard(event.fields):
            revision = (job.next_revision(),) if changes else ()
            self._network.tell(command, job.id, *revision, **changes)
        self._live.start()  # what moved while the pictures were being sent

    def _ended(self, job: Job) -> None:
        insertion = self.insertion(job) if job in self.jobs else None
        is_complete = not job.owes_frames and not job.is_lost
        if insertion is not None and not insertion.pending and not insertion.is_homeless and is_complete:
            self.documents.end(job.id, job.state.value)
        self._returning.retire()

    def _refused(self, job: Job, event: Any) -> None:
        # Servers of 1.1 do not say which frame it is.
        lost = event.get("sequence") if event.get("code") == "frame_lost" else None
        if lost and self.insertion(job).lose(lost):
            self._asking.start()
            return
        if event.get("code") != "unknown_job":
            self.message = _refusal(event)
            return
        if job.lost(event.fields):
            job.lose(tr("The server no longer knows this job."), tr("Press Start to begin anew."))
            self.documents.drop(job.id)
        if job.left_out and event.get("of") == "frames":
            job.is_lost, job.left_out = True, ()
            job.note = tr("The server no longer keeps these frames.")
            self.documents.drop(job.id)

    def _frame(self, job: Job, event: Any) -> None:
        if event["kept"]:
            self.insertion(job).put(event)
        else:
            width, height, size = event.pixels.width, event.pixels.height, len(event.data)
            if size == 4 * width * height:  # with fewer Qt would read beyond them
                job.preview = width, height, event.data
            self._network.taken(size)

    def _insertion(self, job: Job, document: Any, above: host.Layer, record: JobRecord) -> Insertion:
        def write() -> None:
            self.documents.write(document)
            if job.has_ended:
                self._ended(job)

        def groups() -> list[str]:
            return self.documents.history(document).groups

        pen, look_at_edits = self.rows.pen, self._edits.look
        return Insertion(job, document, above, pen, self._network, record, write, groups, look_at_edits)

    # Live changes, and what is remembered.

    def _options_changed(self) -> None:
        self._why_not.settle()
        self._live.start()
        self._saving.start()

    def _say(self, message: str) -> None:
        self.message = message

    def save(self) -> None:
        """Write options and styles to the settings file."""
        self.settings.set("options", self.options.to_json())
        self.settings.set("styles", self.styles.to_json())

    def close(self) -> None:
        """Krita quits: remember, let go. Jobs go on in the server, and their frames can be fetched later."""
        self.waiting.give_up()
        self.reading.close()
        self._why_not.settle()
        for job in self.unfinished:
            if self.stops_at_quit:
                self.stop(job)
            elif job.state is JobState.PAUSED:  # nobody is there who could let it go on
                self.toggle_pause(job)
        self.save()
        self._returning.remember(is_quitting=True)
        self.rows.close()
        self.server.close()
        self._network.quit_and_wait()


def _refusal(error: Any) -> str:
    return refusal(error.get("field", ""), error.get("message", ""), error.get("hint", ""))
