"""What people ask of schedulers: to stop a run, to pause.

:mod:`jobkit.stores.control_store` says what a store does with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobkit.records import format_instant
from jobkit.stores.replicas import Event


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Somebody wants a run to end. One that gives way to a run of its own job is asked *by* that run
    (``run 1423``)."""

    run_id: str
    by: str
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which ticks of a job, or of all jobs (None), have no runs: from *since*, up to *until* or
    *resumed_at*, whichever is first. Without either it goes on."""

    id: int
    job: str | None
    since: datetime
    until: datetime | None
    by: str
    reason: str | None
    resumed_at: datetime | None = None
    resumed_by: str | None = None

    @property
    def end(self) -> datetime | None:
        """When it is, or was, over; None if nobody knows."""
        ends = [end for end in (self.until, self.resumed_at) if end is not None]
        return max(min(ends), self.since) if ends else None

    def covers(self, instant: datetime) -> bool:
        """Whether *instant* lies in it; its end does not."""
        end = self.end
        return self.since <= instant and (end is None or instant < end)


def paused_event(pause: Pause) -> Event:
    """What is written down of a pause, for whoever asks later why nothing ran."""
    data = {"until": None if pause.until is None else format_instant(pause.until), "reason": pause.reason}
    return Event("job.paused", pause.since, pause.job, pause.by, data)
