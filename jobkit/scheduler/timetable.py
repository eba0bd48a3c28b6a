"""The jobs that one replica makes ticks for, and when each is to be looked at next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from jobkit.scheduler.agenda import Agenda
from jobkit.scheduler.docket import Docket
from jobkit.scheduler.policies import second_of
from jobkit.scheduler.ticks import FAR_AHEAD, first_due
from jobkit.scheduler.troubles import Trouble, failed, failing

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.scheduler.failing import Failure
    from jobkit.schedules.base import Schedule
    from jobkit.stores.ledger import Claim, JobKey, JobState

#: So many jobs are moved from the agenda to the docket at a time, at most.
_MOVED_AT_ONCE: Final = 1000


@dataclass(eq=False, slots=True)
class Timed:
    """A job on the timetable: how it stands, as this replica knows it, and by which schedule.

    The schedule is kept with the state whose hash stands for it: a reload changes both, one after the other.
    """

    key: JobKey
    state: JobState
    times: Schedule
    #: The second that it is on the agenda for.
    at: int = 0
    #: Whether somebody works at it: it is on no list until that is done.
    in_hand: bool = False
    #: The run of a missed tick that was claimed here and may go on.
    backlog: str | None = None
    #: Whether it waits for a run to end, and whether one has while it was in hand.
    waits: bool = False
    heard: bool = False
    #: Whether its next tick fell due while it waited, and so joins what it waited for.
    joins: bool = False
    #: What was claimed when the store did not answer.
    unsettled: Claim | None = None
    #: What keeps its ticks from being accounted for.
    trouble: Trouble | None = None
    #: Until when, by the clock's ``monotonic``, its claims wait for a result that is not written yet.
    held_until: float | None = None


class Timetable:
    """Which jobs are due. Belongs to the event loop; nothing here takes longer than a few milliseconds.

    *states* and *jobs* are asked for each time that they may have changed.
    """

    def __init__(
        self,
        states: Callable[[], Mapping[JobKey, JobState]],
        jobs: Callable[[], Mapping[str, JobSpec]],
    ) -> None:
        self._states = states
        self._specs = jobs
        self._seen: dict[JobKey, JobState] = {}
        self._jobs: dict[JobKey, Timed] = {}
        self._agenda: Agenda[Timed] = Agenda()
        self._docket: Docket[Timed] = Docket()
        self._unread: Iterator[tuple[JobKey, JobState]] = iter(())
        self._all = False
        #: Whether :meth:`read` has more to do.
        self.behind = False

    def __len__(self) -> int:
        return len(self._jobs)

    def get(self, key: JobKey) -> Timed | None:
        """The job of that key."""
        return self._jobs.get(key)

    def failing(self) -> Iterator[Failure]:
        """What keeps ticks from being accounted for. Looks through all jobs."""
        return failing(self._jobs.values())

    def holds(self, job: Timed) -> bool:
        """Whether *job* still is the one of its key."""
        return self._jobs.get(job.key) is job

    # -- which jobs there are -------------------------------------------------------------------

    def clear(self) -> None:
        """Begin with nothing."""
        self._seen, self._jobs = {}, {}
        self._agenda, self._docket = Agenda(), Docket()
        self.behind = False

    def renew(self) -> None:
        """Have the states read again, if they have changed."""
        states = self._states()
        if states == self._seen:  # a few milliseconds for a hundred thousand that are the same objects
            return
        self._seen = dict(states)
        for key in self._jobs.keys() - self._seen.keys():
            self.drop(self._jobs[key])
        self._begin()

    def look_again(self) -> None:
        """Have every job looked at: the clock was set."""
        self._all = True
        self._begin()

    def _begin(self) -> None:
        self._unread = iter(list(self._seen.items()))
        self.behind = True

    def read(self, count: int, now: datetime) -> None:
        """Look at *count* of the states that are to be read."""
        done = 0
        for key, state in islice(self._unread, count):
            done += 1
            job = self._jobs.get(key)
            if job is None or (job.state.hash, job.state.since) != (state.hash, state.since):
                job = self._take_in(key, state)
            elif not self._all:
                continue
            if job is not None and not job.in_hand:
                self.plan(job, now)
        if done < count:
            self.behind = self._all = False

    def _take_in(self, key: JobKey, state: JobState) -> Timed | None:
        known, spec = self._jobs.get(key), self._specs().get(key.job)
        if known is not None:
            self.drop(known)
        if spec is None or spec.times is None or state.mark is None:
            return None
        job = self._jobs[key] = Timed(key, state, spec.times)
        return job

    def drop(self, job: Timed) -> None:
        """Look at *job* no more, until its state changes."""
        self._agenda.remove(job)
        if self.holds(job):
            del self._jobs[job.key]

    # -- when they are due ----------------------------------------------------------------------

    def plan(self, job: Timed, now: datetime, *, earliest: int | None = None) -> None:
        """Have *job* looked at when its next tick is due, and not before the second *earliest*."""
        try:
            at = _next(job, now)
        except Exception as error:  # a plugin's kind of schedule
            at = failed(job, error, now)
        if at is None:
            job.in_hand = False
            self._agenda.remove(job)
        else:
            self.put(job, at if earliest is None else max(at, earliest))

    def put(self, job: Timed, at: int) -> None:
        """Have *job* looked at once it is *at*."""
        job.in_hand = False
        if self.holds(job):
            job.at = at
            self._agenda.schedule(job, at)

    @property
    def next_at(self) -> int | None:
        """The second at which something is due, perhaps a past one; None if nothing is."""
        return self._agenda.next_at

    def due(self, now: datetime, limit: int) -> list[Timed]:
        """Take *limit* jobs in hand that are due, at most, from every second that has any."""
        for job in self._agenda.due(now.timestamp(), _MOVED_AT_ONCE):
            mark = job.state.mark
            self._docket.add(job.at, job, since=0 if mark is None else job.at - second_of(mark))
        taken: list[Timed] = []
        while len(self._docket) and len(taken) < limit:
            for job in self._docket.take(limit - len(taken)):
                # Planned anew meanwhile, it is on the agenda; dropped, it is nowhere.
                if self.holds(job) and not job.in_hand and job not in self._agenda:
                    job.in_hand, job.heard = True, False
                    taken.append(job)
        return taken


def _next(job: Timed, now: datetime) -> int | None:
    mark = job.state.mark
    assert mark is not None, "a job without a mark is not on the timetable"
    return second_of(now) if mark - now > FAR_AHEAD else first_due(mark, job.times)
