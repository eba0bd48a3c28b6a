"""What lies in a stretch of time, job by job: runs, ticks that had none, ticks to come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from jobkit.records import format_instant, to_plain
from jobkit.scheduler.standing import standing
from jobkit.schedules.base import to_epoch

if TYPE_CHECKING:
    from jobkit.cli.reading import History
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.schedules.base import Schedule
    from jobkit.stores.control import Pause
    from jobkit.stores.ledger import SpanRecord

#: So many runs, and spans, are read at most: the newest.
MOST: Final = 10_000
#: A run that was queued so long before the window may still reach into it.
_LOOK_BACK: Final = timedelta(days=1)
#: So many instants to come are listed for each job; all of them are counted.
_LISTED: Final = 100


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time: [*since*, *until*), looked at *now*."""

    since: datetime
    until: datetime
    now: datetime


@dataclass(slots=True)
class JobRow:
    """One job in the window; *times* is None where nothing of it is to come, *pauses* are those of it."""

    job: str
    runs: list[RunRecord] = field(default_factory=list)
    spans: list[SpanRecord] = field(default_factory=list)
    times: Schedule | None = None
    pauses: Sequence[Pause] = ()

    def due(self, since: datetime, until: datetime) -> bool:
        """Whether a tick lies in [since, until)."""
        if self.times is None:
            return False
        start = -(-since.timestamp() // 1)
        found = self.times.next_epoch(int(start) - 1)
        return found is not None and found < until.timestamp()

    def paused(self, at: datetime) -> bool:
        """Whether a tick then will have no run."""
        return any(pause.covers(at) for pause in self.pauses)

    def coming(self, window: Window) -> tuple[list[datetime], int]:
        """The first ticks that are to come in the window, and how many there are."""
        start = max(window.now, window.since)
        if self.times is None or start >= window.until:
            return [], 0
        first = [at for at in self.times.upcoming(start, _LISTED) if at < window.until]
        if len(first) < _LISTED:
            return first, len(first)
        return first, self.times.count(to_epoch(start), to_epoch(window.until) - 1)

    def empty(self, window: Window) -> bool:
        """Whether nothing of it lies in the window."""
        return not (self.runs or self.spans or self.coming(window)[1])

    def to_json(self, window: Window) -> dict[str, Any]:
        """The row as ``timeline --json`` has it."""
        coming, count = self.coming(window)
        return {
            "job": self.job,
            "runs": [
                {
                    "number": run.number,
                    "status": str(run.status),
                    "trigger": str(run.trigger),
                    "scheduled_at": to_plain(run.scheduled_at),
                    "queued_at": to_plain(run.queued_at),
                    "started_at": to_plain(run.started_at),
                    "finished_at": to_plain(run.finished_at),
                }
                for run in self.runs
            ],
            "spans": [
                {
                    "reason": record.span.reason,
                    "cause": record.span.cause,
                    "first": format_instant(record.span.first),
                    "last": format_instant(record.span.last),
                    "count": record.span.count,
                }
                for record in self.spans
            ],
            "coming": [{"at": format_instant(at), "paused": self.paused(at)} for at in coming],
            "coming_count": count,
        }


@dataclass(frozen=True, slots=True)
class Timetable:
    """The rows with something in the window, by name; *idle* jobs have nothing, *cut* says that the store has
    more than was read: what lies before that instant is left out."""

    window: Window
    rows: tuple[JobRow, ...]
    idle: int
    cut: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The data of ``timeline``."""
        window = self.window
        return {
            "since": format_instant(window.since),
            "until": format_instant(window.until),
            "now": format_instant(window.now),
            "rows": [row.to_json(window) for row in self.rows],
            "idle": self.idle,
            "complete_since": to_plain(self.cut),
        }


@dataclass(frozen=True, slots=True)
class Past:
    """What the store has about the window."""

    runs: Sequence[RunRecord] = ()
    spans: Sequence[SpanRecord] = ()
    pauses: Sequence[Pause] = ()
    cut: datetime | None = None


async def past(history: History, window: Window, jobs: Sequence[str] | None) -> Past:
    """Runs and spans that touch the window, of *jobs* or of all, and the pauses that go on."""
    from jobkit.statuses import RunStatus
    from jobkit.stores.base import RunQuery
    from jobkit.stores.ledger import SpanQuery

    until = min(window.until, window.now + timedelta(seconds=1))
    pauses = await history.store.pauses()
    if window.since >= until:
        return Past(pauses=pauses)
    found, cut = await _runs(history, RunQuery(jobs=jobs, since=window.since - _LOOK_BACK, until=until))
    active = (RunStatus.RUNNING, RunStatus.QUEUED)
    longer = await history.page(RunQuery(jobs=jobs, statuses=active, until=until, limit=1000))
    runs = {run.id: run for run in (*longer.runs, *found) if _touches(run, window)}
    query = SpanQuery(jobs=jobs, since=window.since, until=until, limit=10_000)
    spans = await history.store.spans(query)
    if spans.next is not None:
        oldest = spans.spans[-1].span.last
        cut = oldest if cut is None else max(cut, oldest)
    return Past(tuple(runs.values()), spans.spans, pauses, cut if cut and cut > window.since else None)


async def _runs(history: History, query: Any) -> tuple[list[RunRecord], datetime | None]:
    from jobkit.cli.paging import all_runs

    found: list[RunRecord] = []
    async for some in all_runs(history.page, query):
        found += some
        if len(found) >= MOST:
            return found, found[-1].queued_at
    return found, None


def _touches(run: RunRecord, window: Window) -> bool:
    start = run.started_at or run.queued_at
    end = run.finished_at or window.now
    return start is not None and start < window.until and end >= window.since


def timetable(
    window: Window, specs: Iterable[JobSpec], config: Config, known: Past, *, others: bool
) -> Timetable:
    """The rows of *specs*; with *others* also of jobs that are gone and have something in the window."""
    rows: dict[str, JobRow] = {}
    for spec in specs:
        held = [pause for pause in known.pauses if pause.job in (None, spec.name)]
        times = spec.times if standing(spec, config).fires else None
        rows[spec.name] = JobRow(spec.name, times=times, pauses=held)
    for run in sorted(known.runs, key=lambda run: run.number or 0):
        if others or run.job in rows:
            rows.setdefault(run.job, JobRow(run.job)).runs.append(run)
    for record in known.spans:
        if others or record.span.job in rows:
            rows.setdefault(record.span.job, JobRow(record.span.job)).spans.append(record)
    return _sorted(window, rows, known.cut)


def _sorted(window: Window, rows: Mapping[str, JobRow], cut: datetime | None) -> Timetable:
    filled = [rows[name] for name in sorted(rows) if not rows[name].empty(window)]
    return Timetable(window, tuple(filled), len(rows) - len(filled), cut)
