"""In which order the docker's rows stand, and which of their jobs wait for another one."""

from __future__ import annotations

from typing import Any, Sequence

from .jobs import Job, JobState

#: States of jobs that others wait for.
_AT_WORK = (JobState.PREPARING, JobState.RUNNING, JobState.CANCELLING)


def ordered(jobs: Sequence[Job], viewed: str) -> list[Job]:
    """``jobs``, the latest last, from top to bottom.

    Those under way before those that have ended, and among either those of the document ``viewed`` first;
    one that is paused in another document stands below what has ended in this one, unless that is folded.
    What waits stands as the server takes it; of the others the latest is first, and folded ones are last.
    """

    def place(job: Job) -> tuple[Any, ...]:
        is_elsewhere = job.document_id != viewed
        if job.has_ended:
            return 1 if not is_elsewhere and not job.is_folded else 3, is_elsewhere, job.is_folded
        steps = {JobState.QUEUED: 1, JobState.SENDING: 2}
        is_aside = is_elsewhere and job.state is JobState.PAUSED
        return 2 if is_aside else 0, is_elsewhere, steps.get(job.state, 0), job.position

    latest_first = list(reversed(jobs))
    return sorted(latest_first, key=place)


def is_in_line(job: Job, jobs: Sequence[Job]) -> bool:
    """Whether it waits to be begun until another of these jobs has ended."""
    is_begun = job.state is not JobState.QUEUED or job.iteration > 0
    return not is_begun and any(other.state in _AT_WORK for other in jobs)
