"""What the server says, in the painter's language; what is not known here stays in English."""

from __future__ import annotations

import re

from ..translation import tr


def _said(text: str) -> str:
    """The server's own words, where ``krita_plugin.translate`` finds them."""
    return text


#: What the server says of jobs; {} stands for what differs. A test holds them to its code.
SAID = (
    _said("starting"),
    _said("reading the images"),
    _said("learning the built-in encoder"),
    _said("downloading {}"),
    _said("stopped early: the loss was not a number"),
    _said("the picture stopped changing after {} of {} iterations at {} px"),
    _said("worked at {} of {} px: not enough memory for more"),
    _said("painted at {} px, and enlarged to {}"),
    _said("went on from iteration {} after an interruption"),
    _said("began again after an interruption"),
    _said("began again after an interruption: its checkpoint cannot be read, {}"),
    _said("nothing is known of job {}: it went on from the picture alone"),
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
    _said("Free some space, then continue from the last kept frame."),
    _said("The process that computes died: {}."),
    _said("The process that computes cannot start: {}."),
    _said("Start it again, at a smaller size if memory is short."),
    _said("Continue from the last kept frame, at a smaller size if memory is short."),
    _said("The server ended while this job was unfinished."),
    _said("Start a new job that continues from its last kept frame."),
    _said("Start it again."),
    _said("Something went wrong inside the server: {}"),
    _said("Please report it with worker.log from the server's logs folder."),
)
_PATTERNS = [(re.compile(re.escape(text).replace(r"\{\}", "(.+)"), re.DOTALL), text) for text in SAID]


def told(text: str) -> str:
    """``text`` of the server as the painter reads it."""
    # One step can have several notes; but what differs in a text may have semicolons of its own.
    parts = [_translated(part) for part in text.split("; ")]
    known = [part for part in parts if part is not None]
    return "; ".join(known) if len(known) == len(parts) else _translated(text) or text


def _translated(text: str) -> str | None:
    """None where it is not known."""
    for pattern, template in _PATTERNS:
        match = pattern.fullmatch(text)
        if match:
            # Not format(): what the server names may have braces in it.
            parts = tr(template).split("{}")
            return "".join(part for pair in zip(parts, (*match.groups(), "")) for part in pair)
    return None
