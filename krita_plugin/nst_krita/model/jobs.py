"""One job as the painter sees it, from Start to its ending. Plain data: no Krita, no Qt, no sockets."""

from __future__ import annotations

import uuid
from enum import Enum
from typing import Any, Mapping, NamedTuple, Sequence

from ..backend import wire
from ..translation import tr_n
from .options import LIVE, Layers
from .properties import Observable, Property
from .server_words import told
from .words import amount, duration, encoder_name, refusal, sentence, tr

#: Points of the loss curve that are kept: it is some 100 px wide.
MAX_LOSSES = 200
#: Until the server notes by itself which of the two it was.
RESTARTED = tr("The server was started again: the job goes on from its last save, or begins again.")


class JobState(Enum):
    """SENDING until the server has accepted it; from there on the server's states."""

    SENDING = "sending"
    QUEUED = wire.messages.QUEUED
    PREPARING = wire.messages.PREPARING
    RUNNING = wire.messages.RUNNING
    PAUSED = wire.messages.PAUSED
    CANCELLING = wire.messages.CANCELLING
    DONE = wire.messages.DONE
    CANCELLED = wire.messages.CANCELLED
    FAILED = wire.messages.FAILED

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self in (JobState.DONE, JobState.CANCELLED, JobState.FAILED)


class Loss(NamedTuple):
    """The total loss at an iteration, of a picture of that width and height in px."""

    iteration: int
    total: float
    scale: tuple[int, ...]


class Job(Observable):
    """A job: what it was started with, fixed; and how it stands, observable.

    ``fraction``: 0 to 1 of the work at hand, None when it is unknown. ``losses``: a Loss for each of the
    latest iterations. ``inserted``: sequences of the frames that are layers now; ``left_out``: of those
    that are kept on the server only. ``wanted``: the command ("stop" or "cancel") that ends it, once given;
    ``is_lost``: whether it was given up here, while a server may have more of it.
    ``wants_pause``: whether it shall pause or go on, until the server says that it does. ``locks``: whether
    its frames become locked layers; ``room``: bytes that these may take, 0 for any number; ``undone``: of
    those ``left_out``, which have been layers; ``frames_note``: why frames are not to be seen, or stay;
    ``keeps_redo``: how many wait until he asks for them, as a layer more would take away what he can redo, or
    nobody can tell where they belong. ``styles``: the
    docker's, for their shares; empty for a job of an earlier session. ``document_name``: of its document,
    where it has to be told which that is. ``is_folded``:
    whether it has ended and is shown in one line. ``is_homeless``: whether its document has been closed, so
    that no frame can become a layer. ``looks``: how often its layers may have come to look
    otherwise. ``position``: how many stand before it in the server's queue. ``kept_frames``: once it is done,
    how many the server has of it; the final one is the last.
    """

    state = Property(JobState.SENDING)
    words = Property("")
    note = Property("")
    fraction = Property(None)
    losses = Property(())
    preview = Property(None)
    encoder = Property("")
    inserted = Property(())
    left_out = Property(())
    frames_note = Property("")
    keeps_redo = Property(0)
    is_shown = Property(True)
    is_folded = Property(False)
    is_homeless = Property(False)
    document_name = Property("")
    looks = Property(0)
    position = Property(0)

    def __init__(
        self,
        title: str,
        style_name: str,
        params: Any,
        layers: Layers,
        document_id: str,
        layer_id: str,
        job_id: str = "",
        styles: Sequence[Any] = (),
    ) -> None:
        self.id = job_id or uuid.uuid4().hex
        self.title, self.style_name = title, style_name
        self.params, self.layers = params, layers
        self.document_id, self.layer_id = document_id, layer_id
        self.styles = tuple(styles)
        self.revision = 0
        self.iteration = 0
        self.total = params.iterations
        self.wanted = ""
        self.wants_pause: bool | None = None
        self.is_lost = False
        self.locks = False
        self.room = 0
        self.undone: set[int] = set()
        self.kept_frames = 0
        self.frames: dict[int, int] = {}  # sequence → iteration
        self.words = tr("sending the picture")
        self._words_before = ""  # while the server is being started
        self._is_restarted = False  # whether that was so since the server has last told of it

    @property
    def has_ended(self) -> bool:
        return self.state.has_ended

    @property
    def owes_frames(self) -> bool:
        """Whether the server keeps frames that have never been layers."""
        return not set(self.left_out) <= self.undone

    def follows(self, styles: Sequence[Any]) -> bool:
        """Whether the sliders move it: the server has accepted it, and ``styles`` are those it is made of.

        In which order they stand does not matter.
        """
        is_open = self.state is not JobState.SENDING and not self.has_ended and not self.wanted
        return is_open and bool(self.styles) and set(self.styles) == set(styles)

    def unheard(self, accepted: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Commands and live changes that, by its ``accepted``, have not reached the server.

        They were given while the connection was lost. As (method of the Client, changes).
        """
        if self.wanted:
            return [(self.wanted, {})]
        commands: list[tuple[str, dict[str, Any]]] = []
        if self.wants_pause is not None:
            commands.append(("pause" if self.wants_pause else "resume", {}))
        if self.styles:
            ours, theirs = self.params.to_header(), accepted["params"]
            defaults = wire.params.DEFAULTS
            changes = {
                name: ours.get(name, getattr(defaults, name))
                for name in LIVE
                if ours.get(name) != theirs.get(name)
            }
            if changes:
                commands.append(("update", changes))
        return commands

    def lost(self, error: Mapping[str, Any]) -> bool:
        """Whether that ``unknown_job`` means that the server has it no longer."""
        # While its pictures are being sent the server may not know it yet.
        return self.state is not JobState.SENDING or error.get("of") == "attach"

    def await_server(self, is_starting: bool) -> None:
        """Say that the server is being started, as long as it is: nothing else happens meanwhile."""
        if self.has_ended or self.wanted:
            return
        if is_starting:
            self._words_before, self.words = self._words_before or self.words, tr("starting server")
            self._is_restarted = self.state is not JobState.SENDING
        elif self._words_before:
            self.words, self._words_before = self._words_before, ""

    def next_revision(self) -> int:
        """The number of the next live change; it grows with every call."""
        self.revision += 1
        return self.revision

    def handle(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Follow a message about this job; after its ending only frames still count."""
        handler = getattr(self, "_on_" + kind, None)
        if handler is not None and (kind == "frame" or not self.has_ended):
            handler(fields)

    def fail(self, *parts: str) -> None:
        """End it with a reason and a hint."""
        if not self.has_ended:
            self.words, self.fraction = sentence(*parts), None
            self.state = JobState.FAILED

    def lose(self, *parts: str) -> None:
        """Give it up here, with a reason and a hint; a server may go on with it, or keep its frames."""
        self.is_lost = True
        self.fail(*parts)

    def frame_name(self, sequence: int, is_final: bool) -> str:
        """The name of the layer for that frame."""
        return tr("final") if is_final else tr("iteration {}").format(self.frames[sequence])

    def _on_accepted(self, fields: Mapping[str, Any]) -> None:
        self.revision = max(self.revision, fields["revision"])
        # Not of a server of an earlier version; and one that has just begun it anew may know less than we.
        self.iteration = fields.get("iteration") or self.iteration
        is_to_begin = fields["state"] in (JobState.QUEUED.value, JobState.PREPARING.value)
        if self._is_restarted and is_to_begin and self.iteration:
            # What the server notes of that comes with an iteration, and the job has to be prepared before.
            self.note = RESTARTED
        self._is_restarted = False
        self._on_state(fields)

    def _on_rejected(self, fields: Mapping[str, Any]) -> None:
        self._on_failed(fields)

    def _on_state(self, fields: Mapping[str, Any]) -> None:
        try:
            state = JobState(fields["state"])
        except ValueError:  # of a newer server
            return
        if state.has_ended:  # its own message says more
            return
        if self.wants_pause == (state is JobState.PAUSED):
            self.wants_pause = None
        self.encoder = fields.get("encoder") or self.encoder
        self.position = fields.get("position") or 0
        self.words, self.fraction = self._describe(state, fields)
        self.state = state

    def _describe(self, state: JobState, fields: Mapping[str, Any]) -> tuple[str, float | None]:
        if self.wanted == "cancel" or state is JobState.CANCELLING:
            return tr("cancelling"), None
        if self.wanted == "stop":
            return tr("being stopped"), self._share()
        if state is JobState.QUEUED:
            # One that has been painted on: others have its device since it was paused.
            return _place_in_line(fields.get("position") or 0), self._share() if self.iteration else None
        if state is JobState.PREPARING:
            done, total = fields.get("done"), fields.get("total")
            parts = [told(fields.get("what") or "") or tr("preparing")]
            if total and done is not None:
                parts.append(amount(done, total, fields.get("unit") or ""))
            return ", ".join(parts), (done / total if total and done is not None else None)
        if state is JobState.PAUSED:
            return self._paused_words(), self._share()
        return (self._iteration_words() if self.iteration else tr("starting")), self._share()

    def _on_progress(self, fields: Mapping[str, Any]) -> None:
        self.iteration, self.total = fields["iteration"], fields["total"]
        # Others may have changed it: from a terminal, say.
        self.revision = max(self.revision, fields.get("revision", 0))
        loss = fields["losses"].get("total")
        if isinstance(loss, (int, float)):
            # A server that was ended goes on from its last checkpoint.
            before = [known for known in self.losses if known.iteration < self.iteration]
            latest = Loss(self.iteration, float(loss), tuple(fields.get("scale") or ()))
            self.losses = (*before, latest)[-MAX_LOSSES:]
        if fields.get("note"):
            self.note = told(fields["note"])
        if not self.wanted:
            is_paused, left = self.state is JobState.PAUSED, fields.get("seconds_left")
            self.words = self._paused_words() if is_paused else self._iteration_words(left)
        self.fraction = self._share()

    def _on_frame(self, fields: Mapping[str, Any]) -> None:
        self.encoder = fields.get("encoder") or self.encoder
        if fields["kept"]:
            self.frames[fields["sequence"]] = fields["iteration"]

    def _on_done(self, fields: Mapping[str, Any]) -> None:
        self.iteration, self.encoder = fields["iteration"], fields.get("encoder") or self.encoder
        self.kept_frames = fields.get("kept_frames", 0)
        seconds = duration(fields["seconds"])
        if fields["reason"] == "stopped":
            words = tr("stopped at iteration {}, after {}").format(self.iteration, seconds)
        elif not self.iteration:
            words = tr("recoloured in {}").format(seconds)
        else:
            words = tr_n("{} iteration in {}", "{} iterations in {}", self.iteration)
            words = words.format(self.iteration, seconds)
        said = [note for note in self.note.split(" · ") if note != RESTARTED]
        notes = [told(str(note)) for note in fields["notes"]]
        self.note = " · ".join(filter(None, (*said, *(note for note in notes if note not in said))))
        self.words, self.fraction = " · ".join(filter(None, (words, encoder_name(self.encoder)))), None
        self.state = JobState.DONE

    def _on_cancelled(self, _fields: Mapping[str, Any]) -> None:
        self.words, self.fraction = tr("cancelled"), None
        self.state = JobState.CANCELLED

    def _on_failed(self, fields: Mapping[str, Any]) -> None:
        names = [style.name for style in self.styles]
        self.fail(refusal(str(fields.get("field", "")), fields["message"], fields["hint"], names))

    def _share(self) -> float:
        return min(1.0, self.iteration / max(1, self.total))

    def _paused_words(self) -> str:
        words = tr("paused at iteration {} of {}") if self.total else tr("paused")
        return words.format(self.iteration, self.total)

    def _iteration_words(self, seconds_left: float | None = None) -> str:
        words = tr("iteration {} of {}").format(self.iteration, self.total)
        return tr("{}, {} left").format(words, duration(seconds_left)) if seconds_left else words


def _place_in_line(ahead: int) -> str:
    if not ahead:
        return tr("next in line")
    return tr_n("waiting behind {} job", "waiting behind {} jobs", ahead).format(ahead)


class QuitWords(NamedTuple):
    """What to ask before Krita quits; ``on`` and ``stop`` are answers, ``stop`` "" where there is no such."""

    text: str
    more: str
    on: str
    stop: str


def quit_words(jobs: Sequence[Job]) -> QuitWords:
    """The question what shall become of these unfinished jobs, at least one."""
    sending = sum(job.state is JobState.SENDING for job in jobs)
    waits = (JobState.SENDING, JobState.QUEUED, JobState.PREPARING)
    # One that was paused, and waits for a device again, has a picture.
    begun = sum(job.iteration > 0 or job.state not in waits for job in jobs)
    going_on = len(jobs) - sending
    if len(jobs) > 1:
        text = tr("{} pictures are not finished.").format(len(jobs))
    elif begun:
        is_paused = jobs[0].state is JobState.PAUSED
        text = (tr("{} is paused.") if is_paused else tr("{} is still being painted.")).format(jobs[0].title)
    elif sending:
        text = tr("{} is still on its way to the server.").format(jobs[0].title)
    else:
        text = tr("{} is waiting to be painted.").format(jobs[0].title)
    parts = []
    if going_on == 1:
        parts.append(
            tr("It can go on without Krita. Open the document again later, and its frames are offered.")
            if not sending
            else tr("One can go on without Krita. Open its document again later, and its frames are offered.")
        )
    elif going_on:
        parts.append(
            tr("They can go on without Krita. Open the document again later, and its frames are offered.")
            if not sending
            else tr("{} can go on without Krita. Their documents offer the frames later.").format(going_on)
        )
    if sending:
        parts.append(
            tr("What has not reached the server when Krita quits is not painted; press Start again later.")
        )
    on = tr("Let it go on") if len(jobs) == 1 else tr("Let them go on")
    if not going_on:
        return QuitWords(text, sentence(*parts), tr("Quit without it") if sending == 1 else tr("Quit"), "")
    if not begun:
        return QuitWords(text, sentence(*parts), on, tr("Cancel it") if len(jobs) == 1 else tr("Cancel them"))
    if begun < going_on:
        parts.append(tr("Stop cancels those that have no picture yet."))
    stop = tr("Stop, and keep the best picture") if begun == 1 else tr("Stop, and keep the best pictures")
    return QuitWords(text, sentence(*parts), on, stop)
