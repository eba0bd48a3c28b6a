"""A ledger in a few lines, replicas that crash, and a clock that is set: what the rules are played on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from jobkit.scheduler.policies import Pause, Policy, second_of
from jobkit.scheduler.ticks import Job, PullBack, Step, Ticks, next_step
from jobkit.schedules import parse_schedule
from jobkit.schedules.base import Schedule, from_epoch

Guard = Literal["mark", "unique"]


@dataclass
class Ledger:
    """The mark of one job and its rows; *without* are guards that are switched off, to see them missed."""

    mark: datetime
    without: frozenset[Guard] = frozenset()
    runs: list[datetime] = field(default_factory=list)
    spans: list[Ticks] = field(default_factory=list)

    def claim(self, step: Step, now: datetime, *, busy: bool) -> bool:
        """One short transaction; False if the mark was not as expected, or it is too early."""
        if step.mark - now > timedelta(seconds=1):
            return False
        if self.mark != step.expected and "mark" not in self.without:
            return False
        self.mark = step.mark
        if step.passed is not None:
            self.spans.append(step.passed.ticks)
        if step.span is not None:
            self.spans.append(step.span.ticks)
        if step.run is not None:
            if step.run.tick in self.runs and "unique" not in self.without:
                return False  # the mark has moved on, and that is all
            if busy:
                self.spans.append(Ticks(step.run.tick, step.run.tick, 1))
            else:
                self.runs.append(step.run.tick)
        return True

    def rows(self, schedule: Schedule) -> Counter[datetime]:
        """Each tick that is accounted for, with the number of rows that do so."""
        found = Counter(self.runs)
        for span in self.spans:
            ticks = [span.first, *schedule.upcoming(span.first, span.count - 1)]
            assert (ticks[-1], len(ticks)) == (span.last, span.count), span
            found.update(ticks)
        return found


@dataclass(frozen=True)
class Act:
    """One thing that happens; *replica* is who does it, *seconds* how far a clock goes."""

    what: Literal[
        "pass", "set", "look", "claim", "claim, crash before", "claim, crash after", "pause", "resume"
    ]
    replica: int = 0
    seconds: float = 0.0
    busy: bool = False


@dataclass
class Replica:
    """What one process believes."""

    mark: datetime | None = None
    step: Step | PullBack | None = None


class Play:
    """Several replicas, one job, one ledger, one clock that only the acts move."""

    def __init__(
        self,
        text: str,
        start: datetime,
        policy: Policy = Policy(),  # noqa: B008 - immutable
        *,
        zone: str = "UTC",
        without: Sequence[Guard] = (),
    ) -> None:
        self.schedule = schedule_of(text, zone)
        self.policy = policy
        self.now = self.start = self.latest = start
        self.ledger = Ledger(start, frozenset(without))
        self.pauses: list[Pause] = []
        self.replicas = [Replica() for _ in range(3)]
        self.pulled_back = False

    def play(self, acts: Sequence[Act]) -> Play:
        """Let *acts* happen in order."""
        for act in acts:
            self._act(act)
            self.latest = max(self.latest, self.now)
        return self

    def problems(self) -> list[str]:
        """What is wrong once one replica has worked off all that was due at any time."""
        self.now = self.latest
        for _ in range(5000):
            if not self._work(Replica(), busy=False):
                break
        else:
            return ["it does not come to an end"]
        rows = self.ledger.rows(self.schedule)
        due = self._due()
        wrong = [f"{tick:%F %T} is not accounted for" for tick in due if not rows[tick]]
        wrong += [f"{tick:%F %T} was not due" for tick in rows if tick not in due]
        wrong += [
            f"{tick:%F %T} ran {runs} times" for tick, runs in Counter(self.ledger.runs).items() if runs > 1
        ]
        if not self.pulled_back:
            wrong += [f"{tick:%F %T} has {count} rows" for tick, count in rows.items() if count > 1]
        return wrong

    def _due(self) -> set[datetime]:
        found, tick = set(), self.schedule.next_epoch(second_of(self.start))
        while tick is not None and from_epoch(tick) <= self.latest:
            found.add(from_epoch(tick))
            tick = self.schedule.next_epoch(tick)
        return found

    def _act(self, act: Act) -> None:
        replica = self.replicas[act.replica % len(self.replicas)]
        moved = timedelta(seconds=act.seconds)
        if act.what == "pass":
            self.now += abs(moved)
        elif act.what == "set":
            self.now = max(self.now + moved, self.start)
        elif act.what == "pause" and not any(pause.until is None for pause in self.pauses):
            self.pauses.append(Pause(self.now, None, "paused by ops"))
        elif act.what == "resume" and self.pauses and self.pauses[-1].until is None:
            until = max(self.now, self.pauses[-1].since)
            self.pauses[-1] = Pause(self.pauses[-1].since, until, "paused by ops")
        elif act.what == "look":
            self._look(replica)
        elif act.what.startswith("claim"):
            if act.what == "claim, crash before":
                self._forget(replica)
            self._work(replica, busy=act.busy)
            if act.what == "claim, crash after":
                self._forget(replica)

    def _forget(self, replica: Replica) -> None:
        replica.mark = replica.step = None

    def _look(self, replica: Replica) -> None:
        """Compute a step now, to be claimed later, when it may be stale."""
        replica.mark = replica.mark or self.ledger.mark
        job = Job("job", self.schedule, self.policy, self.pauses)
        step = next_step(job, replica.mark, self.now)
        replica.step = step if isinstance(step, Step | PullBack) else None

    def _work(self, replica: Replica, *, busy: bool) -> bool:
        if replica.step is None:
            self._look(replica)
        step, replica.step = replica.step, None
        replica.mark = None  # whatever comes of it, the answer says how the job stands now
        if step is None:
            return False
        if isinstance(step, Step):
            self.ledger.claim(step, self.now, busy=busy)
        elif self.ledger.mark == step.expected:
            self.pulled_back = True
            self.ledger.mark = step.to
        return True


def schedule_of(text: str, zone: str = "UTC") -> Schedule:
    """The schedule that *text* means."""
    schedule = parse_schedule(text, timezone=zone, name="job")
    assert schedule is not None
    return schedule


def utc(text: str) -> datetime:
    """An instant of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
