"""The frames of one job on their way into one document, and which of them it has."""

from __future__ import annotations

import time
from typing import Any, Callable, Collection, Sequence

from .. import host
from ..backend.network import Network
from ..translation import tr_n
from .frames_note import held_words, waiting_words
from .history import ALL_FRAMES, FrameRecord, JobRecord
from .jobs import Job
from .lost_frames import LostFrames
from .options import Layers
from .words import encoder_name, sentence, tr

#: What the painter can do where frames can no longer be inserted.
_WAYS_BACK = {
    host.CLOSED: tr(
        "Open it again to insert them; if it was never saved, fetch them into another of its size."
    ),
    host.CONVERTED: tr("Undo that to insert them."),
    host.DELETED: tr("Undo or redo that, or press Insert, to have them in the document."),
    host.ANIMATED: tr("Undo that to have them as layers."),
}
#: Frames of an animation that go in: each is a step of undo until they are one, and Krita keeps only so many.
ANIMATION_STEPS = 100


class Insertion:
    """The frames of one job on their way into one document.

    Frames are acknowledged to the server when they are layers; those that do not become layers, or that the
    painter undoes or deletes, stay on the server, and ``fetch`` brings them later.
    """

    def __init__(
        self,
        job: Job,
        document: host.KritaDocument,
        above: host.Layer,
        pen: host.PenWatch,
        network: Network,
        record: JobRecord,
        write: Callable[[], None],
        groups: Callable[[], Collection[str]] = tuple,
        look_at_edits: Callable[[], None] = lambda: None,
    ) -> None:
        """``groups``: ids of the groups and animations of frames that the document has; ``look_at_edits``:
        lets ``record`` know of all frames that the painter has painted on."""
        self._job, self.document, self._above = job, document, above
        self.record = record
        self._pen, self._network = pen, network
        self._write = write
        self._colours = document.colours  # the frames have those of the layer they are made from
        self._inserter: host.FrameInserter | None = None
        self._sizes: dict[int, int] = {}  # sequence → bytes that wait
        self._fetched: set[int] = set()
        self._revisions: dict[int, int] = {}  # sequence → of the parameters that made it
        self._held: dict[int, int] = {}  # sequence → bytes, of those that there was no room for
        self._lost = LostFrames()
        self._final: int | None = None  # its sequence, once it has come
        self._becomes_animation = False  # by itself, as soon as nothing more is to come
        self._begun = time.monotonic()  # strokes since then are not to be covered
        self._groups, self._look_at_edits, self._redo = groups, look_at_edits, host.RedoWatch(document)
        self._placing = host.Placing(document, record.source)
        self._after_undo = host.AfterUndo(document, record.has_made, pen, self._look_soon)
        if not job.has_ended:
            pen.start()

    @property
    def is_homeless(self) -> bool:
        """Whether its document has been closed."""
        return not self.document.is_open

    @property
    def newest_is_hidden(self) -> bool:
        """Whether the newest frame came hidden, as the painter paints on an older one, and is so still."""
        return self._inserter is not None and self._inserter.is_kept

    @property
    def pending(self) -> int:
        """How many frames wait for the pen to be up."""
        return len(self._sizes)

    @property
    def is_animating(self) -> bool:
        """Whether the frames wait to become an animation."""
        return self._inserter is not None and self._inserter.is_animating

    def put(self, event: Any) -> None:
        """Take a kept frame of the job."""
        sequence, size = event["sequence"], len(event.data)
        self._job.left_out = tuple(known for known in self._job.left_out if known != sequence)
        self._lost.come(sequence)
        is_old = sequence in self.record.seen and sequence not in self._fetched
        if is_old or sequence in self._sizes or self._job.wanted == "cancel":
            self._network.taken(size)
            return
        pixels = event.pixels
        block = host.PixelBlock(
            event.data,
            pixels.width,
            pixels.height,
            pixels.x,
            pixels.y,
            pixels.channels,
            pixels.dtype,
            pixels.colour_space,
            icc_digest=pixels.icc,
        )
        self._sizes[sequence] = size
        self._revisions[sequence] = event["revision"]
        if event["final"]:
            self._final = sequence
        if self._inserter is None:
            self._inserter = self._open()
        name = self._job.frame_name(sequence, event["final"])
        # What the painter asked for by name is not subject to the limit on undo steps.
        asked_for = event["final"] or sequence in self._fetched
        self._inserter.put(host.Frame(sequence, name, block, final=asked_for))
        self._tell()

    def lose(self, sequence: int) -> bool:
        """That frame does not come: the server could not read it. Whether ``ask_again`` asks for it; else
        that is left to the painter."""
        job, is_due = self._job, self._lost.lose(sequence)
        if job.wanted == "cancel":
            return False
        if not is_due:
            self._fetched.discard(sequence)
            self._becomes_animation = self._becomes_animation or sequence == job.kept_frames
        missed = {*job.left_out, sequence} - {*job.inserted}
        if not job.layers.has_all:  # in place, older frames are not missed
            missed = {known for known in missed if known == max((*missed, *job.inserted))}
        job.left_out = tuple(sorted(missed))
        self._tell()
        self._write()
        self._animate_if_complete()
        return is_due

    def interrupt(self) -> None:
        """The connection was lost, and what had been asked for does not come."""
        known = {*self._lost.due, *self._sizes, *self._job.inserted}
        for sequence in (self._fetched | self._lost.asked) - known:
            self.lose(sequence)

    def ask_again(self, anew: bool = False) -> None:
        """Ask once more for the frames that did not come, where that is due; ``anew``: for all of them."""
        if anew:
            self._lost.renew()
        due = tuple(sequence for sequence in self._job.left_out if sequence in self._lost.due)
        if due and self._job.wanted != "cancel" and not self.is_homeless:
            self._ask(due)

    def fetch(self, which: Sequence[int] | None = None) -> None:
        """Ask the server for these of the frames that are left out, or all; they are so until they come."""
        if not self._wanted(which):
            return
        if self._inserter is not None and self._inserter.gone in (host.DELETED, host.ANIMATED):
            # The painter asks for them: they get a new group, the old one may come back by itself.
            self._inserter.close()  # and what waited is left out
            self._inserter, self.record.group, self._job.note = None, "", ""
            self._begun = time.monotonic()
        wanted = self._wanted(which)
        self.insert_now()
        self._fetched.update(wanted)
        self._ask(wanted)

    def _ask(self, wanted: Sequence[int]) -> None:
        self._lost.ask(wanted)
        self._network.fetch(self._job.id, wanted, after=max(self._job.frames, default=0))

    def insert_now(self) -> None:
        """The frames that wait need not wait until the painter redoes what he can, or undoes what became of
        the image."""
        self._redo.give_up()
        if self.pending:  # else nobody has told him
            self._placing.accept()
        self._tell()

    def _wanted(self, which: Sequence[int] | None) -> tuple[int, ...]:
        return tuple(known for known in self._job.left_out if which is None or known in which)

    def show(self, sequence: int) -> None:
        """Make that frame the visible one; one that has just been undone is fetched."""
        if self._inserter is None:
            return
        is_there = self._inserter.show(sequence)
        self._refresh()
        if not is_there:
            self.fetch([sequence])

    def animate(self) -> None:
        """Make the frames keyframes of one animated layer, in place of their group, at the painter's word."""
        self._redo.give_up()
        self._animate()

    def _animate(self) -> None:
        if self._inserter is None:
            self._inserter = self._open()
        reason = self._inserter.gone
        if reason:
            self._on_gone(reason)
            return
        if not self.document.is_in_front:
            self._job.note = tr("The frames become an animation when their document is in front.")
        self._inserter.animate()

    def leave_layers(self) -> None:
        """Let the frames be layers after all."""
        if self._inserter is not None:
            self._inserter.leave_layers()
        self._becomes_animation, self._job.note = False, tr("The frames stay layers.")

    def set_visible(self, visible: bool) -> None:
        """Show them, the newest at least, or hide all of them."""
        if self._inserter is not None:
            self._inserter.set_visible(visible)
            self._refresh()

    def remove(self) -> None:
        """Take the layers out of the document again, and insert nothing more."""
        self._becomes_animation = False
        if self._inserter is not None:
            self._inserter.remove()
            self._after_undo.put_back()
        self._drop_all()
        self._job.inserted, self._job.frames_note, self._job.keeps_redo = (), self._staying_words(), 0

    def rest(self) -> None:
        """Look after the layers no longer, until ``reopen``; nothing may wait."""
        if self._inserter is not None:
            self._inserter.close()
            self._inserter = None

    def reopen(self) -> None:
        """See which frames are layers now."""
        if self._inserter is None:
            self._inserter = self._open()
        self._refresh()

    def thumbnail(self, sequence: int, side: int) -> Any | None:
        """A picture of that frame's layer, at most ``side`` px wide and high; None where there is none, and
        while the painter is at work."""
        if self._inserter is None or not self._pen.is_calm():
            return None
        layer = self._inserter.layer_of(sequence)
        return layer.thumbnail(side) if layer is not None else None

    def close(self) -> None:
        """Insert nothing more; the layers stay."""
        self._becomes_animation = False
        if self._inserter is not None:
            self._inserter.close()
        self._after_undo.stop()
        self._drop_all()

    def _painted(self) -> Collection[str]:
        self._look_at_edits()
        return self.record.painted

    def _open(self) -> host.FrameInserter:
        return host.FrameInserter(
            self.document,
            self._above,
            " · ".join(filter(None, (self._job.style_name, encoder_name(self._job.encoder)))),
            self._pen,
            replace=self._job.layers is Layers.NEWEST,
            max_steps=ANIMATION_STEPS if self._job.layers is Layers.ANIMATION else host.MAX_STEPS,
            max_bytes=self._job.room,
            begun=self._begun,
            redo=self._redo,
            placing=self._placing,
            painted=self._painted,
            others=self._groups,
            colours=self._colours,
            locked=self._job.locks,
            group_id=self.record.group,
            layers={
                layer: frame.sequence
                for layer, frame in self.record.frames.items()
                if frame.sequence != ALL_FRAMES
            },
            on_made=self._keep,
            on_inserted=self._on_inserted,
            on_skipped=self._on_skipped,
            on_held=self._on_held,
            on_changed=self._on_changed,
            on_gone=self._on_gone,
            on_animated=self._on_animated,
        )

    def _look_soon(self) -> None:
        if self._inserter is not None:
            self._inserter.look_soon()

    def _on_changed(self) -> None:
        self._job.looks += 1
        self._refresh()

    def _on_inserted(self, sequence: int) -> None:
        self._drop(sequence)
        self._fetched.discard(sequence)
        self._network.tell("ack", self._job.id, sequence)
        self._keep(sequence)
        self._refresh()
        self._becomes_animation = self._becomes_animation or sequence == self._final
        self._animate_if_complete()

    def _animate_if_complete(self) -> None:
        """Once the final frame is there, or is lost, and no other is to come by itself."""
        is_to_wait = self.pending or self._lost.may_come or self._inserter is None or self._inserter.gone
        if not self._becomes_animation or is_to_wait:
            return
        self._becomes_animation = False
        if self._job.layers is Layers.ANIMATION and len(self._job.inserted) > 1:
            self._animate()

    def _on_skipped(self, sequence: int) -> None:
        self._drop(sequence)
        self._fetched.discard(sequence)
        if self._job.wanted == "cancel":
            self._after_undo.put_back()  # its layer may have been on its way, and gone only now
        elif self._job.layers.has_all or self.is_homeless:
            self._job.left_out = (*self._job.left_out, sequence)
        elif self._inserter is not None and self._inserter.gone == host.DELETED:
            self._job.left_out = (sequence,)  # in place, older frames are not missed
        self._refresh()
        self._animate_if_complete()

    def _on_held(self, sequence: int, size: int) -> None:
        self._held[sequence] = size
        self._on_skipped(sequence)

    def _keep(self, sequence: int) -> None:
        """Let the document remember which layer it is; it may be saved while Krita is still adding that."""
        if self._inserter is None:
            return
        layer_id, self.record.group = self._inserter.id_of(sequence), self._inserter.group_id
        known = self.record.frames.get(layer_id)
        if known is None or known.sequence != sequence:
            iteration, revision = self._job.frames.get(sequence, 0), self._revisions.pop(sequence, 0)
            self.record.keep(layer_id, FrameRecord(sequence, iteration, revision))
        self._write()

    def _on_gone(self, reason: str) -> None:
        where = tr("The frames are kept on the server.") if reason not in ("", host.ANIMATED) else ""
        if reason == host.ANIMATED and self._inserter is not None:
            last = len(self._job.inserted) - 1
            where = tr("The last one is at time {}.").format(last) if last > 0 else ""
            if not self._inserter.is_shown:
                where = sentence(where, tr("They are hidden, as they were; show them in Krita's layers."))
        self._job.note = sentence(reason, where, _WAYS_BACK.get(reason, ""))
        self._refresh()

    def _on_animated(self, layer_id: str, problem: str) -> None:
        if problem:
            self._job.note = problem
            return
        revision = max((frame.revision for frame in self.record.frames.values()), default=0)
        self.record.keep(layer_id, FrameRecord(ALL_FRAMES, self._job.iteration, revision))
        self._write()

    def _refresh(self) -> None:
        """Let the job say which frames are layers now; those that the painter took away can be fetched."""
        job, inserter = self._job, self._inserter
        if inserter is None:
            return
        there, lost = set(inserter.inserted), set(job.inserted)
        is_taken = inserter.gone in (None, host.DELETED) and (job.layers.has_all or not there)
        lost = lost - there if is_taken else set()
        job.undone = (job.undone | lost) - there
        left_out = (lost | set(job.left_out)) - there
        if there and not job.layers.has_all:  # in place, older frames are not missed
            left_out = {sequence for sequence in left_out if sequence > max(there)}
        job.left_out = tuple(sorted(left_out))
        job.inserted = tuple(sorted(there))
        job.is_shown = inserter.is_shown or not there
        self._tell()

    def _tell(self) -> None:
        """Say why frames are not to be seen, or not as they are; of a job that is taken away, which stay."""
        if self._job.wanted == "cancel":
            self._job.frames_note = self._staying_words()
            return
        waits = self._inserter is not None and (self._inserter.keeps_redo or self._is_displaced)
        self._job.keeps_redo = max(1, self.pending) if waits else 0
        left_out = self._job.left_out
        waiting = waiting_words(self._inserter, self.pending, self._is_displaced) if self._inserter else ""
        held = held_words([self._held[sequence] for sequence in left_out if sequence in self._held])
        self._job.frames_note = sentence(waiting, held, self._lost.words(left_out, self._job.kept_frames))

    @property
    def _is_displaced(self) -> bool:
        return self._placing.is_lost and self.pending > 0

    def _staying_words(self) -> str:
        inserter, painted = self._inserter, self.record.painted
        # Until Krita has added the layer that it is just adding, the others are there as well.
        there = [] if inserter is None else [inserter.id_of(sequence) for sequence in inserter.inserted]
        count = sum(layer in painted for layer in there)
        words = tr_n("{} frame that you painted on stays.", "{} frames that you painted on stay.", count)
        return words.format(count) if count else ""

    def _drop(self, sequence: int) -> None:
        self._network.taken(self._sizes.pop(sequence, 0))

    def _drop_all(self) -> None:
        for sequence in list(self._sizes):
            self._drop(sequence)
