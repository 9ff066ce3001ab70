"""What the open documents remember of their jobs, and what the docker can offer for the one in view."""

from __future__ import annotations

from typing import Any, Collection, Mapping, NamedTuple

from .. import host
from ..backend import wire
from ..backend.network import Network
from ..translation import tr_n
from .history import UNFINISHED, History, JobRecord
from .options import HAVE_ALL
from .properties import Observable, Property
from .styles import file_name
from .titles import translated
from .words import tr


class Offer(NamedTuple):
    """Something that can be had for the document in view: frames of ``job``, or settings where it is "".

    ``verb``: what taking it is called, ``hint``: what that does. ``title``: of a job that this document does
    not remember; ``size``: of the picture that it paints, in px, (0, 0) where any document will do.
    ``is_unfinished``: whether the server is still to paint it, so that it can be stopped.
    """

    job: str
    words: str
    verb: str
    hint: str
    title: str = ""
    size: tuple[int, int] = (0, 0)
    is_unfinished: bool = False


#: A state of ours: the server has been told to end the job with its best picture.
STOPPING = "stopping"


class Documents(Observable):
    """The history of each open document. ``offers``: for the document that the painter looks at.

    Observers of ``kept`` hear of news from the server about jobs that no document remembers.
    """

    offers = Property(())

    def __init__(self, network: Network) -> None:
        self._network = network
        self._known: dict[str, tuple[host.Document, History]] = {}
        self._kept: dict[str, dict[int, bool]] = {}  # job → sequence → final, as the server says
        self._states: dict[str, str] = {}  # job → as the server says, "" for one of an earlier version
        self._stopping: set[str] = set()  # jobs that nobody follows and that shall end
        self._asked: set[str] = set()
        self._silent: set[str] = set()  # jobs of which no running server has told
        self._dropped: set[str] = set()  # jobs that are not offered in this session
        self._is_met = False  # whether a server is there that can be asked
        self._current = ""
        self._followed: Collection[str] = ()
        self._settings_offered: set[str] = set()

    def history(self, document: host.Document) -> History:
        """What ``document`` remembers; read from it when it is first asked for."""
        if document.id not in self._known:
            for closed in [key for key, (known, _history) in self._known.items() if not known.is_open]:
                del self._known[closed]
            self._known[document.id] = (document, History.from_text(host.read_annotation(document)))
        return self._known[document.id][1]

    def knows(self, document: host.Document) -> bool:
        """Whether its history has been read."""
        return document.id in self._known

    def write(self, document: host.Document) -> None:
        """Put the history into the document, to be saved with it; an untouched document stays untouched."""
        host.write_annotation(document, self.history(document).to_text(host.MAX_ANNOTATION))

    def add(self, document: host.Document, record: JobRecord) -> None:
        """A job was started in that document, or is gone on with."""
        history = self.history(document)
        if record.id not in history.jobs:
            history.add(record)
            self._settings_offered.discard(document.id)
        self._dropped.discard(record.id)
        self.write(document)
        self._refresh()

    def may_go_on(self, document: host.Document) -> bool:
        """Whether there may be more of a job that has made frames in it."""
        return any(record.is_open and record.frames for record in self.history(document).jobs.values())

    def is_untouched(self, document: host.Document, layer: str) -> bool:
        """Whether that layer is a frame, of a job that may go on, that the painter has not painted on."""
        record = self.history(document).of_layer(layer) if self.knows(document) else None
        return (
            record is not None and record.is_open and layer in record.frames and layer not in record.painted
        )

    def note_painted(self, document: host.Document, layer: str) -> None:
        """Remember at once that the painter has painted on that layer, or changed it otherwise, if it is a
        frame: the document may be saved next."""
        record = self.history(document).of_layer(layer)
        if record is not None and layer in record.frames and layer not in record.painted:
            record.painted.append(layer)
            self.write(document)

    def keep_masks(self, document: host.Document, masks: Mapping[str, bytes]) -> None:
        """Keep these selections, by name, with the document; those that no job of it names go."""
        host.write_masks(document, masks, self.history(document).masks)

    def end(self, job: str, state: str = "") -> None:
        """No frame of that job will come any more, or none is wanted. ``state``: in which it has ended."""
        for document, history in list(self._known.values()):
            record = history.jobs.get(job)
            if record is not None and record.is_open:
                record.is_open, record.ending = False, state if state in UNFINISHED else ""
                self.write(document)
        self._refresh()

    def drop(self, job: str) -> None:
        """Offer that job no longer in this session: another server may have its frames."""
        self._dropped.add(job)
        self._refresh()

    def look(self, document: host.Document, followed: Collection[str], others: Collection[str] = ()) -> None:
        """The painter looks at ``document``: see what became of its jobs, those ``followed`` aside, and of
        ``others``, which no document remembers."""
        self._current, self._followed = document.id, followed
        if document:
            self.history(document)
        known = [*(record.id for record in self._waiting()), *others]
        wanted = [job for job in dict.fromkeys(known) if job not in self._asked]
        if wanted:
            self._ask(wanted)
        self._refresh()

    def ask_again(self, jobs: Collection[str]) -> bool:
        """See how these jobs stand by now; False where there are none, or no server is there that knows."""
        wanted = [job for job in jobs if job not in self._asked] if self._is_met else []
        if wanted:
            self._ask(wanted)
        return bool(jobs) and self._is_met

    def _ask(self, jobs: Collection[str]) -> None:
        self._asked.update(jobs)
        self._silent.difference_update(jobs)
        self._network.list_frames(list(jobs))

    def stop(self, job: str) -> None:
        """End that job, which nobody follows, with its best picture; this is offered then."""
        self._stopping.add(job)
        self._network.stop_unseen(job)
        self._tell_news()

    def state(self, job: str) -> str:
        """What the server is doing with that job, as a state of the protocol or STOPPING; "": not known."""
        return STOPPING if job in self._stopping else self._states.get(job, "")

    def kept(self, job: str) -> Mapping[int, bool] | None:
        """The frames of that job that the server has, and whether they are the final one; None: not known."""
        return self._kept.get(job)

    def is_dropped(self, job: str) -> bool:
        """Whether the server does not know it."""
        return job in self._dropped

    def offer_settings(self, document: host.Document, offered: bool = True) -> None:
        """Offer the settings used last in ``document``, or no longer."""
        (self._settings_offered.add if offered else self._settings_offered.discard)(document.id)
        self._refresh()

    def handle(self, event: Any) -> bool:
        """Take an answer of the server about jobs that nobody follows; False if it is none."""
        self._is_met = self._is_met or event.type == "connected"
        if event.type in ("not_running", "unreachable", "disconnected", "closed"):
            self._is_met = False
            self._silent.update(self._asked)
            self._asked.clear()
            self._stopping.clear()
            self._refresh()
            return event.type == "not_running"
        if event.job in self._stopping:
            self._follow_end(event)
        if event.job not in self._asked:
            return False
        if event.type == "frames":
            kept = self._kept.setdefault(event.job, {})
            kept.update((frame["sequence"], frame["final"]) for frame in event["frames"])
            self._states[event.job] = event.get("state") or ""
            if event.get("more"):
                return True
            self._asked.discard(event.job)
            self._drop_complete(event.job)
        elif event.type == "error" and event.get("code") == "unknown_job":
            self._asked.discard(event.job)
            self.drop(event.job)
        else:
            return False
        self._tell_news()
        return True

    def _tell_news(self) -> None:
        self._refresh()
        self.notify("kept")

    def _follow_end(self, event: Any) -> None:
        """See what is left of a job that has been stopped, once it has ended."""
        if event.type in wire.messages.ENDINGS:
            self._stopping.discard(event.job)
            self._ask([event.job])
        elif event.type == "error" and event.get("code") == "unknown_job":
            self._stopping.discard(event.job)
            self._asked.add(event.job)

    def _drop_complete(self, job: str) -> None:
        state = self._states[job]
        if state == wire.messages.CANCELLED and not self._kept[job]:
            self.end(job, state)
            self.drop(job)
        for _document, history in list(self._known.values()):
            record = history.jobs.get(job)
            kept = self._kept[job]
            # The final frame of one that is done may be gone from the server.
            is_whole = any(kept.values()) or state == wire.messages.DONE
            if record is not None and is_whole and not _missing(record, kept):
                self.end(job, state)

    def _waiting(self) -> list[JobRecord]:
        """Jobs of the document in view whose frames may have come while it was closed."""
        if self._current not in self._known:
            return []
        history = self._known[self._current][1]
        passed_over = {*self._followed, *self._dropped}
        return [r for r in history.jobs.values() if r.is_open and r.id not in passed_over]

    def _refresh(self) -> None:
        offers = []
        if self._current in self._settings_offered:
            settings = self._known[self._current][1].settings or {}
            words = tr("Last painted here: {}").format(_style_names(settings))
            hint = tr("Set styles and settings as they were for the last job here.")
            offers.append(Offer("", words, tr("Use settings"), hint))
        for record in reversed(self._waiting()):  # what was lost last is missed most
            if record.id in self._kept:
                missing = _missing(record, self._kept[record.id])
                offers.append(_offer(record, missing, self.state(record.id)))
            elif record.id in self._silent:
                words = tr("{} was not finished when last heard of").format(translated(record.title))
                offers.append(Offer(record.id, words, tr("Insert"), bring_hint()))
        self.offers = tuple(offers)


def _missing(record: JobRecord, kept: dict[int, bool]) -> int:
    """How many layers are still to be had."""
    missing = [sequence for sequence in kept if sequence not in record.seen]
    if record.layers in HAVE_ALL:
        return len(missing)
    # In place, older frames are not missed.
    return int(any(sequence > max(record.seen, default=0) for sequence in missing))


def is_unfinished(state: str) -> bool:
    """Whether a job in that state is still to be painted, and can be stopped."""
    return state not in ("", STOPPING, wire.messages.CANCELLING, *wire.messages.ENDINGS)


def unfinished_words(state: str) -> str:
    """What the frames of a job in that state are: "" where there will be no more, or that is not known."""
    if state == STOPPING:
        return tr("being stopped")
    if state == wire.messages.PAUSED:
        return tr("paused")
    return tr("not finished yet") if is_unfinished(state) else ""


def bring_hint() -> str:
    """What taking an offer of frames does."""
    return tr("Bring its frames into this document.")


def _offer(record: JobRecord, count: int, state: str) -> Offer:
    title, goes_on = translated(record.title), is_unfinished(state)
    if not count:
        text = {
            STOPPING: tr("{} is being stopped."),
            wire.messages.PAUSED: tr("{} is paused."),
            wire.messages.QUEUED: tr("{} is waiting to be painted."),
            wire.messages.FAILED: tr("{} has failed."),
        }.get(state, tr("{} is still being painted."))
        hint = tr("Show how it stands, pause it or let it go on; its frames come in here.")
        return Offer(record.id, text.format(title), tr("Follow"), hint, is_unfinished=goes_on)
    text = tr_n("{} frame of {} came meanwhile", "{} frames of {} came meanwhile", count)
    words = " · ".join(filter(None, (text.format(count, title), unfinished_words(state))))
    return Offer(record.id, words, tr("Insert"), bring_hint(), is_unfinished=goes_on)


def _style_names(settings: dict[str, Any]) -> str:
    names = [file_name(style["path"]).rsplit(".", 1)[0] for style in settings.get("styles", ())]
    return " + ".join([*names, *settings.get("others", ())]) or tr("other settings")
