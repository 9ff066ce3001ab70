"""What the server says, in the painter's language; what is not known here stays in English."""

from __future__ import annotations

import re

from ..translation import tr


def _said(text: str) -> str:
    """The server's own words, where ``krita_plugin.translate`` finds them."""
    return text


#: Painters know a job by its row, and not the command line: what the server says, and what they read instead.
_FOR_PAINTERS = {
    _said("nothing is known of job {}: it went on from the picture alone"): _said(
        "What made this frame is forgotten, so painting began afresh from its picture."
    ),
    _said("job {} painted otherwise: it went on from the picture alone"): _said(
        "Your settings are not those that made this frame, so painting began afresh from its picture."
    ),
    _said("Free some space, or forget old jobs (nst forget --ended)."): _said("Free some space."),
    _said("The server did not answer within {} s: {} (log: {})"): _said(
        "The server did not answer within {} s: {} (log: {}). "
        "Choose Restart server in the menu ⚙, or Copy diagnostics."
    ),
}
#: What the server says of jobs; {} stands for what differs. A test holds them to its code.
SAID = (
    _said("starting"),
    _said("reading the images"),
    _said("learning the built-in encoder"),
    _said("downloading {}"),
    _said("stopped early: the loss was not a number"),
    _said("stopped early: not enough memory to go on"),
    _said("the picture stopped changing after {} of {} iterations at {} px"),
    _said("worked at {} of {} px: not enough memory for more"),
    _said("painted at {} px, and enlarged to {}"),
    _said("went on from iteration {} after an interruption"),
    _said("began again after an interruption"),
    _said("began again after an interruption: its checkpoint cannot be read, {}"),
    *_FOR_PAINTERS,
    _said("{} is not among the style layers: its style loss changes nothing"),
    _said("style {} is smaller than {} px: it has colours, but no strokes"),
    _said("the encoder is another one now: {}"),
    _said("the layers of the losses are others now"),
    _said("the last digits may differ, as this has changed: {}"),
    _said("its progress could not be saved on the disk: {}"),
    _said("stepped back from a loss that grew tenfold"),
    _said("stepped back from a loss that was not a number"),
    _said("{} could not be had, the built-in encoder took its place: {}"),
    _said("There is not enough memory for this job."),
    _said("Choose a smaller size, or close other programs."),
    _said("The GPU is in use by another program that does not share it."),
    _said("Close that program and start again, or use the processor: nst serve --device cpu"),
    _said("The picture fell apart: its loss is not a number."),
    _said("Choose a lower strength, or another optimiser."),
    _said("The disk is too full for the frames of this job."),
    _said("A frame could not be written to disk."),
    _said("Free some space, then start it again, or go on from its last frame if it has one."),
    _said("The process that computes died: {}."),
    _said("The process that computes cannot start: {}."),
    _said("Start it again, at a smaller size if memory is short."),
    _said("Continue from the last kept frame, at a smaller size if memory is short."),
    _said("The server ended while this job was unfinished."),
    _said("Start a new job that continues from its last kept frame."),
    _said("Start it again."),
    _said("Something went wrong inside the server: {}"),
    _said("Please report it with worker.log from the server's logs folder."),
    _said("Frame {} is no longer in the data folder."),
    _said("Its file was removed or cannot be read; see the server's log."),
    _said("{}×{} pixels are too many."),
    _said("The limit is {} pixels; scale the image down."),
    _said("all are 0."),
    _said("Give at least one style a weight above 0."),
    _said("this is not an ICC profile."),
    _said("the profile is damaged."),
    _said("the profile is for {}, the image is {}."),
    _said("Send the profile of the document, or use srgb."),
    _said("This client has {} unfinished jobs."),
    _said("The limit is {}; wait until one ends."),
    _said("The queue is full."),
    _said("The limit is {} jobs; try again later."),
    _said("Only {} MB are free in {}, and {} MB are needed."),
    _said("The job cannot be written to disk: {}."),
    _said("Free some space."),
    _said("The image cannot be written to disk: {}."),
    _said("Free some space, then submit it again."),
    _said("The image did not arrive."),
    _said("Send the submission again."),
    _said("The weights of {} are not on this machine."),
    _said("Run: nst weights fetch {}, or choose the encoder built-in."),
    _said("{} cannot be downloaded: {}."),
    _said("the connection broke"),
    _said("the server answered {} {}"),
    _said("a web page came instead of the file, perhaps a network's login page"),
    _said("Try again later, or download it elsewhere and run: nst weights import FILE"),
    _said("What came from {} is damaged: its SHA-256 does not begin with {}."),
    _said("It was removed; fetch it again."),
    _said("{} is damaged."),
    _said("Remove it, then run: nst weights fetch {}"),
    _said("There is too little room for {}."),
    _said("{} cannot be written: {}."),
    _said("Make room, or set NST_DATA_DIR elsewhere."),
    _said("The server is not installed for Krita. Run: nst krita install"),
    _said("The server's program {} is gone. Run: nst krita install"),
    _said("The server stopped while starting: {} (log: {})"),
    _said("it wrote nothing"),
    _said("{} cannot be started: {}."),
    _said("{} cannot be read: {}."),
    _said("{} is not a connection file."),
    _said("The client speaks protocol {}, this server {}."),
    _said("Update {} (this server is version {})."),
    _said("the server"),
    _said("the client"),
)
_PATTERNS = [
    (re.compile(re.escape(text).replace(r"\{\}", "(.+)"), re.DOTALL), _FOR_PAINTERS.get(text, text))
    for text in SAID
]


def told(text: str) -> str:
    """``text`` of the server as the painter reads it."""
    # One step can have several notes; but what differs in a text may have semicolons of its own.
    parts = [_translated(part) for part in text.split("; ")]
    known = [part for part in parts if part is not None]
    return " · ".join(known) if len(known) == len(parts) else _translated(text) or text


def _translated(text: str) -> str | None:
    """A text, or one with its hint; None where it is not known."""
    message, _, hint = text.rpartition(". ")
    both = [_known(f"{message}."), _known(hint)]
    return " ".join(map(str, both)) if all(both) else _known(text)


def _known(text: str) -> str | None:
    for pattern, template in _PATTERNS:
        match = pattern.fullmatch(text)
        if match:
            # Not format(): what the server names may have braces in it. It can be a reason of its own.
            parts = tr(template).split("{}")
            names = [_translated(name) or name for name in match.groups()[: len(parts) - 1]]
            return "".join(part for pair in zip(parts, (*names, "")) for part in pair)
    return None
