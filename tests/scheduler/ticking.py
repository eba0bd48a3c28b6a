"""Replicas that make ticks in virtual time, with as little around them as there can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

import anyio
from anyio.abc import TaskGroup

from jobkit.config import Config
from jobkit.context import JobContext
from jobkit.exceptions import StoreUnavailable
from jobkit.job import JobSpec
from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord
from jobkit.scheduler.policies import Pause
from jobkit.scheduler.post import Post
from jobkit.scheduler.ticking import Ticks
from jobkit.statuses import RunStatus
from jobkit.stores.base import LeaseRequest, Outcome, RunQuery, Store
from jobkit.stores.kept import Kept
from jobkit.stores.ledger import JobKey, JobRegistration, JobState, Span, SpanQuery
from jobkit.stores.memory import MemoryStore
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.testing import VirtualClock
from tests.runner.conftest import spec_of
from tests.scheduler.ledger import schedule_of

T = TypeVar("T")
Kind = Literal["memory", "sqlite"]


async def work(ctx: JobContext) -> None:
    """What all jobs here would do, if they were executed."""


def job(name: str = "job", text: str = "* * * * * *", zone: str = "UTC", **options: Any) -> JobSpec:
    """A job that is scheduled by *text*."""
    function = options.pop("function", work)
    return spec_of(function, name, schedule=(text,), times=schedule_of(text, zone), timezone=zone, **options)


class Register:
    """The jobs of one replica, registered as they are at its start."""

    def __init__(self) -> None:
        self.states: dict[JobKey, JobState] = {}
        self.superseded: list[JobState] = []

    def superseded_by(self, state: JobState) -> None:
        self.superseded.append(state)
        self.states.pop(state.key, None)


class Control:
    """Pauses, as somebody has put them."""

    def __init__(self, pauses: list[Pause]) -> None:
        self.pauses = pauses

    def pauses_of(self, job: str) -> Sequence[Pause]:
        return self.pauses


class Failing:
    """A store that is away from time to time; whether what is asked meanwhile happens is for *commits*."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.away = False
        self.commits = False
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        if name not in {"claim", "job_states", "run", "now", "pull_back", "add_events"}:
            return method

        async def asked(*args: Any, **options: Any) -> Any:
            if not self.away:
                return await method(*args, **options)
            self.asked += 1
            if self.commits:
                await method(*args, **options)
            raise StoreUnavailable("it is away")

        return asked


@dataclass
class Replica:
    """One process: its ticks, and what was submitted, which takes *seconds* each."""

    ticks: Ticks
    post: Post
    register: Register
    control: Control
    seconds: float | None
    tasks: TaskGroup
    serving: bool = False
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    submitted: list[tuple[datetime, RunRecord]] = field(default_factory=list)
    later: list[tuple[datetime, RunRecord]] = field(default_factory=list)

    async def submit(self, record: RunRecord, spec: JobSpec, *, not_before: datetime | None = None) -> None:
        if not_before is not None:
            self.later.append((not_before, record))
        self.submitted.append((self.post.clock.now(), record))
        if self.seconds is not None:
            self.tasks.start_soon(self._execute, record, self.seconds)

    async def _execute(self, record: RunRecord, seconds: float) -> None:
        store = self.post.store
        lease = await store.start_attempt(record.id, LeaseRequest(self.post.identity, self.post.node))
        if lease is None:
            return
        await anyio.sleep(seconds)
        outcome = Outcome(
            status=RunStatus.SUCCEEDED, finished_at=self.post.clock.now(), duration_ms=int(1000 * seconds)
        )
        ended = await store.finish(lease, outcome)
        if ended is not None:
            self.ticks.ended(ended)

    async def serve(self) -> None:
        self.serving = True
        with self.scope:
            await self.ticks.serve()
        self.serving = False


class World:
    """A clock, a ledger, and whoever works on it."""

    def __init__(self, clock: VirtualClock, kind: Kind, folder: Path, config: Config) -> None:
        self.clock = clock
        self.store: Any = None
        self.tasks: Any = None
        self.replicas: list[Replica] = []
        self.pauses: list[Pause] = []
        self.hooks: Any = None
        self._kind = kind
        self._folder = folder
        self._config = config

    def run(self, main: Callable[[World], Awaitable[T]], *, backend: Any = "asyncio") -> T:
        """What *main* gives; whoever serves is stopped then."""

        async def all_of_it() -> T:
            async with self._open() as store, anyio.create_task_group() as tasks:
                self.store, self.tasks = Failing(store), tasks
                given = await main(self)
                tasks.cancel_scope.cancel()
            return given

        return self.clock.run(all_of_it, backend=backend)

    def _open(self) -> Store:
        if self._kind == "memory":
            return MemoryStore(project="tests", now=self.clock.now, kept=Kept("tests"))
        folder = self._folder
        return SqliteStore(folder / "jobkit.db", project="tests", root=folder, now=self.clock.now)

    async def replica(
        self, *jobs: JobSpec, seconds: float | None = 0.0, mark: datetime | None = None
    ) -> Replica:
        """A replica that serves; its jobs are registered at *mark*, by default now, if they are not yet."""
        node = f"node-{len(self.replicas)}"
        known = {spec.name: spec for spec in jobs}
        post = Post(self.store, self.clock, self._config, known, self.hooks, ProcessIdentity.current(), node)
        register, control = Register(), Control(self.pauses)
        keys = [JobKey(spec.name, node if spec.scope == "node" else "") for spec in jobs]
        states = await self.store.register_jobs(
            [
                JobRegistration(key, spec.schedule_text, mark or self.clock.now())
                for key, spec in zip(keys, jobs, strict=True)
            ]
        )
        register.states = {state.key: state for state in states}
        made: Replica

        async def submit(record: RunRecord, spec: JobSpec, *, not_before: datetime | None = None) -> None:
            await made.submit(record, spec, not_before=not_before)

        ticks = Ticks(post, register, control, submit)
        made = Replica(ticks, post, register, control, seconds, self.tasks)
        self.replicas.append(made)
        self.tasks.start_soon(made.serve)
        return made

    async def pass_(self, seconds: float) -> None:
        """Let time pass."""
        await anyio.sleep(seconds)

    # -- what is on record ----------------------------------------------------------------------

    async def runs(self, name: str = "job") -> list[RunRecord]:
        """The runs of a job, the oldest first."""
        found, after = [], None
        while True:
            page = await self.store.runs(RunQuery(jobs=[name], limit=10_000, after=after))
            found += page.runs
            after = page.next
            if after is None:
                return found[::-1]

    async def ran(self, name: str = "job") -> list[datetime]:
        """The ticks that have runs, in the order of the runs."""
        return [run.scheduled_at for run in await self.runs(name) if run.scheduled_at is not None]

    async def spans(self, name: str = "job") -> list[Span]:
        """The spans of a job, the oldest first."""
        page = await self.store.spans(SpanQuery(jobs=[name], limit=10_000))
        return [record.span for record in page.spans][::-1]

    async def rows(self, spec: JobSpec) -> Counter[datetime]:
        """Each tick that is accounted for, with the number of rows that do so."""
        found = Counter(await self.ran(spec.name))
        assert spec.times is not None
        for span in await self.spans(spec.name):
            ticks = [span.first, *spec.times.upcoming(span.first, span.count - 1)]
            assert (ticks[-1], len(ticks)) == (span.last, span.count), span
            found.update(ticks)
        return found


def due(spec: JobSpec, start: datetime, end: datetime) -> list[datetime]:
    """The ticks after *start*, up to *end*."""
    assert spec.times is not None
    found, tick = [], spec.times.next_after(start)
    while tick is not None and tick <= end:
        found.append(tick)
        tick = spec.times.next_after(tick)
    return found


def shown(spans: Sequence[Span]) -> list[tuple[str, str, str, int]]:
    """Reason, first and last tick, count."""
    return [(span.reason, f"{span.first:%H:%M:%S}", f"{span.last:%H:%M:%S}", span.count) for span in spans]


SECOND = timedelta(seconds=1)
