"""Whether what the store holds accounts for every tick, once, and agrees with what really ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import anyio

from jobkit.records import RunRecord
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import RunQuery
from jobkit.stores.ledger import JobKey, SpanQuery, SpanRecord
from jobkit.stores.opening import open_store
from tests.faults.project import ATTEMPTS, PERIODS, Execution

SECOND = timedelta(seconds=1)


@dataclass
class Books:
    """Everything that the store holds. *marks* and *since* by job: the ticks in between are accounted for."""

    runs: list[RunRecord] = field(default_factory=list)
    spans: list[SpanRecord] = field(default_factory=list)
    since: dict[str, datetime] = field(default_factory=dict)
    marks: dict[str, datetime] = field(default_factory=dict)

    def of(self, job: str) -> list[RunRecord]:
        """The runs of *job*, oldest first."""
        return [run for run in self.runs if run.job == job]

    def ticks(self, job: str) -> list[datetime]:
        """The ticks that had to be accounted for, by the schedule alone."""
        period = PERIODS[job]
        second = int(self.since[job].timestamp()) + 1
        found = []
        while second <= self.marks[job].timestamp():
            if second % period == 0:
                found.append(datetime.fromtimestamp(second, tz=self.since[job].tzinfo))
            second += 1
        return found

    def complaints(self) -> list[str]:
        """What is wrong with them, in words."""
        return [text for job in sorted(self.since) for text in self._wrong_with(job)]

    def _wrong_with(self, job: str) -> list[str]:
        rows: Counter[datetime] = Counter(
            run.scheduled_at
            for run in self.of(job)
            if run.trigger in (Trigger.SCHEDULE, Trigger.CATCHUP) and run.scheduled_at is not None
        )
        wanted = self.ticks(job)
        for record in self.spans:
            if record.span.job != job:
                continue
            held = [tick for tick in wanted if record.span.first <= tick <= record.span.last]
            if len(held) != record.span.count:
                yield_ = (
                    f"{job}: a span of {record.span.count} from {record.span.first} holds {len(held)} ticks"
                )
                return [yield_]
            rows.update(held)
        wrong = [f"{job}: nothing accounts for {tick}" for tick in wanted if not rows[tick]]
        wrong += [f"{job}: {count} rows account for {tick}" for tick, count in rows.items() if count > 1]
        wrong += [f"{job}: {tick} is no tick" for tick in rows if tick not in set(wanted)]
        return wrong

    def unended(self) -> list[str]:
        """Runs that are still running."""
        return [f"{run.job} {run.number}" for run in self.runs if run.status is RunStatus.RUNNING]


def read_books(root: Path) -> Books:
    """What the store below *root* holds now."""
    return anyio.run(_read, root)


async def _read(root: Path) -> Books:
    books = Books()
    async with open_store("sqlite:///.jobkit/jobkit.db", project="faults", root=root) as store:
        after: str | None = None
        while True:
            page = await store.runs(RunQuery(limit=10_000, after=after))
            books.runs[:0] = reversed(page.runs)
            after = page.next
            if after is None:
                break
        books.spans = list((await store.spans(SpanQuery(limit=10_000))).spans)
        states = await store.job_states([JobKey(job) for job in PERIODS])
        for key, state in states.items():
            assert state.since is not None
            assert state.mark is not None
            books.since[key.job], books.marks[key.job] = state.since, state.mark
    return books


def ran_twice(executed: Sequence[Execution]) -> list[str]:
    """Ticks and attempts that were executed more often than they may be."""
    attempts = Counter((item.run_id, item.attempt) for item in executed)
    wrong = [
        f"attempt {number} of {run} ran {count} times"
        for (run, number), count in attempts.items()
        if count > 1
    ]
    runs: dict[tuple[str, datetime], set[str]] = {}
    for item in executed:
        if item.tick is not None:
            runs.setdefault((item.job, item.tick), set()).add(item.run_id)
    wrong += [f"{job} ran {len(ids)} times for {tick}" for (job, tick), ids in runs.items() if len(ids) > 1]
    most = Counter(item.run_id for item in executed)
    jobs = {item.run_id: item.job for item in executed}
    wrong += [
        f"{jobs[run]} was tried {count} times"
        for run, count in most.items()
        if count > ATTEMPTS.get(jobs[run], 1)
    ]
    return wrong
