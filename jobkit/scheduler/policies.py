"""What a job says about ticks that come late, or at the same instant as others' do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from jobkit.schedules.base import EPOCH, from_epoch

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.schedules.base import Schedule

Misfire = Literal["latest", "all", "none"]

SECOND: Final = 1_000_000
#: A tick that is claimed so long after its instant was missed.
MISSED_AFTER: Final = 2 * SECOND
#: Between these lies a grace that is the distance to the following tick, in seconds.
SHORTEST_AUTO, LONGEST_AUTO = 60, 86_400


def micros(instant: datetime) -> int:
    """*instant* as whole microseconds since the epoch: exact, where seconds as a float are not."""
    return (instant - EPOCH) // timedelta(microseconds=1)


def second_of(instant: datetime) -> int:
    """The whole epoch second that *instant* lies in."""
    return micros(instant) // SECOND


@dataclass(frozen=True, slots=True)
class Policy:
    """The options of a job that decide about its ticks. *grace* None is ``auto``."""

    misfire: Misfire = "latest"
    grace: timedelta | None = None
    jitter: timedelta = timedelta(0)

    @classmethod
    def of(cls, spec: JobSpec) -> Policy:
        """What *spec* says."""
        grace = None if spec.misfire_grace == "auto" else spec.misfire_grace
        return cls(spec.misfire, grace, spec.jitter)

    def grace_at(self, tick: int, schedule: Schedule) -> int:
        """How long after *tick* its run may begin, in microseconds.

        ``auto`` is the distance to the following tick, a minute at least and a day at most.
        """
        if self.grace is not None:
            return self.grace // timedelta(microseconds=1)
        following = schedule.next_epoch(tick)
        distance = LONGEST_AUTO if following is None else following - tick
        return min(max(distance, SHORTEST_AUTO), LONGEST_AUTO) * SECOND

    def not_before(self, job: str, tick: int) -> datetime | None:
        """When the run of *tick* may begin; None is at once.

        The share of the jitter depends on the job and the tick alone: every replica, and every restart,
        comes to the same instant.
        """
        if not self.jitter:
            return None
        return from_epoch(tick) + self.jitter * share(job, tick)


def share(job: str, tick: int) -> float:
    """A number from 0 up to 1 that looks random and is always the same for one tick of one job."""
    digest = hashlib.sha256(f"{job}\0{tick}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


@dataclass(frozen=True, slots=True)
class Pause:
    """Ticks from *since* on, up to and without *until* (None: for as long as nobody resumes), have no run."""

    since: datetime
    until: datetime | None
    cause: str | None = None

    def holds(self, tick: int) -> bool:
        """Whether *tick* lies in it."""
        return self.first <= tick and (self.until is None or tick <= self.last)

    @property
    def first(self) -> int:
        """The first second that can be a tick in it."""
        return -(-micros(self.since) // SECOND)

    @property
    def last(self) -> int:
        """The last second that can be a tick in it."""
        end = datetime.max.replace(tzinfo=UTC) if self.until is None else self.until
        return -(-micros(end) // SECOND) - 1
