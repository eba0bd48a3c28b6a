"""Whole schedulers in virtual time: real projects, and one store in memory for all of their replicas."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from jobkit import Project, Scheduler
from jobkit.exceptions import StoreUnavailable
from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord
from jobkit.scheduler.health import Finding, examine
from jobkit.scheduler.snapshot import take
from jobkit.stores.base import RunQuery
from jobkit.stores.kept import Kept
from jobkit.stores.ledger import JobKey, Span, SpanQuery
from jobkit.stores.memory import MemoryStore
from jobkit.stores.replicas import Event, EventQuery
from jobkit.testing import VirtualClock

T = TypeVar("T")
Row = tuple[str, str, int]

#: A Monday, ten in the morning; whoever starts then has nothing to make up for.
START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
#: The process that asks: replicas here are tasks of one, and are taken for processes of several hosts.
_host: ContextVar[str] = ContextVar("host", default="host-0")
_real = ProcessIdentity.current


def job(
    name: str = "job",
    schedule: str | None = "* * * * * *",
    body: str = "pass",
    *,
    kind: str = "async def",
    **options: object,
) -> str:
    """The text of a job file."""
    said = {"schedule": schedule, **options} if schedule is not None else options
    given = ", ".join(f"{key}={value!r}" for key, value in said.items())
    return (
        "import anyio, asyncio, time\n"
        "from datetime import timedelta\n"
        "from jobkit import Retry, submit_job\n\n\n"
        f"@submit_job({given})\n{kind} {name}(ctx):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
    )


class Folder:
    """A project on disk."""

    def __init__(self, root: Path, *, extension: str = "web", settings: str = "") -> None:
        self.root = root
        self._extension = extension
        self.write("jobkit.toml", f'[project]\nname = "shop"\n{settings}')

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def settings(self, text: str) -> None:
        self.write("services/scheduler/config.toml", textwrap.dedent(text))

    def job(
        self, name: str = "job", schedule: str | None = "* * * * * *", *body: str, **options: Any
    ) -> Path:
        return self.write(self._path(name), job(name, schedule, *body, **options))

    def remove(self, name: str) -> None:
        (self.root / self._path(name)).unlink()

    def _path(self, name: str) -> str:
        return f"extensions/{self._extension}/jobs/{name}.py"


class Link:
    """One replica's way to the store: ``away`` it raises, ``cut`` nobody ever hears of an answer."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.url = str(store.url)
        self.away = False
        self.calls: Counter[str] = Counter()
        #: Seconds that an answer takes to come back, by the name of the call.
        self.slow: dict[str, float] = {}
        self._mended: anyio.Event | None = None

    def cut(self) -> None:
        """As if the process were killed: nothing comes from it any more."""
        self._mended = anyio.Event()

    def mend(self) -> None:
        """As if it had only been frozen."""
        if self._mended is not None:
            self._mended.set()
        self._mended, self.away = None, False

    async def __aenter__(self) -> Link:
        await self.store.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self.store.__aexit__(*raised)

    def renew(self, leases: Any) -> Any:
        self.calls["renew"] += 1
        if self.away or self._mended is not None:
            raise StoreUnavailable("it is away")
        return self.store.renew(leases)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        if not callable(method):
            return method

        async def asked(*args: Any, **options: Any) -> Any:
            self.calls[name] += 1
            if self._mended is not None:
                await self._mended.wait()
            if self.away:
                raise StoreUnavailable("it is away")
            answer = await method(*args, **options)
            if name in self.slow:
                await anyio.sleep(self.slow[name])
            return answer

        return asked


class Replica:
    """One scheduler that serves."""

    def __init__(self, scheduler: Scheduler, link: Link, project: Project) -> None:
        self.scheduler = scheduler
        self.link = link
        self.project = project
        self.stop = anyio.Event()
        self.stopped = anyio.Event()

    @property
    def parts(self) -> Any:
        """The parts of what serves."""
        assert self.scheduler.serving is not None, "it serves"
        return self.scheduler.serving

    @property
    def id(self) -> str:
        return str(self.parts.post.replica_id)

    @property
    def superseded(self) -> set[str]:
        return set(self.parts.register.superseded)

    async def end(self) -> float:
        """Stop it in order; how many seconds that took."""
        began = anyio.current_time()
        self.stop.set()
        await self.stopped.wait()
        return anyio.current_time() - began

    async def serving(self) -> None:
        """Return once ticks fire."""
        await self.parts.begun.wait()


class World:
    """A clock, what all stores keep, and the schedulers of the test, whose hosts are *ahead* of the store."""

    def __init__(self, start: datetime = START, *, ahead: timedelta = timedelta(0)) -> None:
        self.clock = VirtualClock(start + ahead)
        self._ahead = ahead
        self.kept = Kept("shop")
        self.store: MemoryStore
        self._tasks: Any = None
        self._links: list[Link] = []
        self._replicas: list[Replica] = []
        self._projects: list[Project] = []

    def run(self, main: Callable[[], Awaitable[T]], *, backend: Any = "asyncio") -> T:
        """What *main* gives; whoever serves is ended then."""

        async def all_of_it() -> T:
            async with self.new_store() as self.store, anyio.create_task_group() as self._tasks:
                try:
                    given = await main()
                finally:
                    for link in self._links:
                        link.mend()
                    self._tasks.cancel_scope.cancel()
            return given

        try:
            return self.clock.run(all_of_it, backend=backend)
        finally:
            for project in self._projects:
                project.close()

    def new_store(self) -> MemoryStore:
        """What another process would have."""
        return MemoryStore(project="shop", now=lambda: self.clock.now() - self._ahead, kept=self.kept)

    def load(self, folder: Folder, node: str | None = None) -> Project:
        """The project of a process of its own. Only the last one can take up other files."""
        for replica in self._replicas:
            if replica.stopped.is_set():
                replica.project.close()
        for project in self._projects:
            project.release()
        project = Project.load(folder.root, options={} if node is None else {"scheduler.node": node})
        self._projects.append(project)
        return project

    async def start(
        self, folder: Folder | Project, *, node: str | None = None, host: str = "host-0", wait: bool = True
    ) -> Replica:
        """A scheduler that serves, in the project of *folder*; returns once ticks fire."""
        project = self.load(folder, node) if isinstance(folder, Folder) else folder
        link = Link(self.new_store())
        self._links.append(link)
        replica: Replica = await self._tasks.start(self._serve, project, link, host)
        self._replicas.append(replica)
        if wait:
            await replica.serving()
        return replica

    async def _serve(self, project: Project, link: Link, host: str, *, task_status: Any) -> None:
        _host.set(host)
        store: Any = link
        scheduler = Scheduler(project, clock=self.clock, store=store)
        async with scheduler:
            replica = Replica(scheduler, link, project)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(scheduler.serve_until, replica.stop)
                while scheduler.serving is None:
                    await anyio.lowlevel.checkpoint()
                task_status.started(replica)
            replica.stopped.set()

    # -- what is on record ----------------------------------------------------------------------

    async def until_at(self, instant: datetime) -> None:
        """Until it is so late by the store's clock."""
        await self.clock.sleep_until(instant + self._ahead)

    async def runs(self, name: str = "job") -> list[RunRecord]:
        """The runs of a job, the oldest first."""
        return [*(await self.store.runs(RunQuery(jobs=[name], limit=10_000))).runs][::-1]

    async def ran(self, name: str = "job") -> list[datetime]:
        """The ticks that have runs, in the order of the runs."""
        return [run.scheduled_at for run in await self.runs(name) if run.scheduled_at is not None]

    async def spans(self, name: str = "job") -> list[Span]:
        """The spans of a job, the oldest first."""
        page = await self.store.spans(SpanQuery(jobs=[name], limit=10_000))
        return [record.span for record in page.spans][::-1]

    async def events(self, *kinds: str, job: str | None = None) -> list[Event]:
        """Events, the oldest first."""
        query = EventQuery(kinds=kinds or None, jobs=None if job is None else [job], limit=10_000)
        found = sorted((await self.store.events(query)).events, key=lambda record: record.id)
        return [record.event for record in found]

    async def mark(self, name: str = "job", node: str = "") -> datetime | None:
        return (await self.store.job_states())[JobKey(name, node)].mark

    async def findings(self, project: Project) -> dict[str, Finding]:
        """What ``jobkit health`` shows, by code."""
        seen = await take(self.store, project.jobs, project.errors, project.config)
        return {finding.code: finding for finding in examine(seen)}

    async def rows(self, replica: Replica, name: str = "job") -> Counter[datetime]:
        """Each tick that is accounted for, with the number of rows that do so."""
        found = Counter(await self.ran(name))
        times = replica.project.jobs[name].times
        assert times is not None
        for span in await self.spans(name):
            ticks = [span.first, *times.upcoming(span.first, span.count - 1)]
            assert (ticks[-1], len(ticks)) == (span.last, span.count), span
            found.update(ticks)
        return found


def at(text: str, day: datetime = START) -> datetime:
    """``10:00:05`` of *day*, UTC."""
    return datetime.fromisoformat(f"{day:%Y-%m-%d}T{text}").replace(tzinfo=UTC)


def seconds(first: str, last: str) -> list[datetime]:
    """Each second from *first* to *last*."""
    instant, found = at(first), []
    while instant <= at(last):
        found.append(instant)
        instant += timedelta(seconds=1)
    return found


def times(instants: list[datetime]) -> list[str]:
    """*instants* as ``10:00:05``."""
    return [f"{instant:%H:%M:%S}" for instant in instants]


def shown(spans: list[Span]) -> list[tuple[str, str, str, int]]:
    """Reason, first and last tick, count."""
    return [(span.reason, f"{span.first:%H:%M:%S}", f"{span.last:%H:%M:%S}", span.count) for span in spans]


def rows(runs: list[RunRecord]) -> list[Row]:
    """Tick, trigger, and for how many ticks it stands."""
    return [
        (f"{run.scheduled_at:%H:%M:%S}", run.trigger.value, run.covers.count)
        for run in runs
        if run.scheduled_at is not None and run.covers is not None
    ]


def facts(events: list[Event], *names: str) -> list[tuple[Any, ...]]:
    """What *events* say."""
    return [tuple(event.data.get(name) for name in names) for event in events]


@contextmanager
def several_hosts() -> Iterator[None]:
    """Each replica that is started with a host of its own is a process there."""

    def current(cls: type[ProcessIdentity]) -> ProcessIdentity:
        return replace(_real(), host=_host.get())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProcessIdentity, "current", classmethod(current))
        yield
