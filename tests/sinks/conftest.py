"""Deliveries over real stores, and runs that have finished."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import anyio
import pytest

from jobkit.clock import SystemClock
from jobkit.plugins.provided import Provided
from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord, new_run_id
from jobkit.sinks.backoff import Pace
from jobkit.sinks.base import Sink
from jobkit.sinks.delivery import Delivery
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Outcome, Store
from jobkit.stores.opening import open_store

#: Seconds after which what should have happened will not.
PATIENCE = 10.0
#: Quick, so that tests do not wait, and with the same delays each time.
QUICK = Pace(poll=0.02, first=0.01, most=0.04, linger=0.005, grace=0.05, enroll=0.05, seed=1)


@dataclass
class Hooks:
    """Stands for the hooks: keeps what is reported."""

    failures: list[tuple[str, str, BaseException, str | None]] = field(default_factory=list)

    def failed(self, plugin: str, hook: str, error: BaseException, *, run: str | None = None) -> None:
        self.failures.append((plugin, hook, error, run))

    @property
    def errors(self) -> list[str]:
        return [str(error) for _, _, error, _ in self.failures]


class Server(Sink):
    """A sink that behaves as it is told. *given* are the numbers it took, *asked* those it was given."""

    def __init__(self, name: str = "server", **members: Any) -> None:
        self.name = name
        self.timeout = 1.0
        for member, value in members.items():
            setattr(self, member, value)
        self.down = False
        self.given: list[int] = []
        self.asked: list[int] = []
        self.jobs: list[str] = []
        #: Job or number → what is raised for its runs.
        self.bad: dict[str | int, BaseException] = {}
        self.opened = self.closed = 0
        self._news = anyio.Event()

    async def emit(self, run: RunRecord) -> None:
        number = run.number or 0
        self.asked.append(number)
        self.tell()
        await anyio.lowlevel.checkpoint()
        if self.down:
            raise ConnectionRefusedError("the server is down")
        for key in (run.job, number):
            if key in self.bad:
                raise self.bad[key]
        self.given.append(number)
        self.jobs.append(run.job)
        self.tell()

    async def __aenter__(self) -> Server:
        self.opened += 1
        return self

    async def __aexit__(self, *details: object) -> None:
        self.closed += 1
        self.tell()

    def tell(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until *holds* says so; looked at whenever this sink is called."""
        with anyio.fail_after(PATIENCE):
            while not holds():
                await self._news.wait()

    async def until_given(self, count: int) -> list[int]:
        await self.until(lambda: len(self.given) >= count)
        return self.given


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Both embedded stores, open."""
    url = "memory://" if request.param == "memory" else "sqlite:///runs.db"
    async with open_store(url, project="tests", root=tmp_path) as opened:
        yield opened


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncIterator[Store]:
    """The store in memory, open, for tests that are not about stores."""
    async with open_store("memory://", project="tests", root=tmp_path) as opened:
        yield opened


async def finish(store: Store, job: str = "job", **options: Any) -> RunRecord:
    """A run that has just ended."""
    clock = SystemClock()
    run = NewRun(
        id=new_run_id(clock.now()),
        job=job,
        extension=options.pop("extension", "web"),
        trigger=Trigger.MANUAL,
    )
    _, lease = await store.add_and_start(run, LeaseRequest(ProcessIdentity.current(), "here"))
    outcome = Outcome(
        **{"status": RunStatus.SUCCEEDED, "finished_at": clock.now(), "duration_ms": 1, **options}
    )
    record = await store.finish(lease, outcome)
    assert record is not None
    return record


def provided(*sinks: Any, plugin: str = "shop", extension: str | None = None) -> list[Provided[Any]]:
    return [Provided(sink, plugin, extension) for sink in sinks]


class Delivering(Protocol):
    """Enters a delivery."""

    def __call__(self, store: Store, *sinks: Any, **options: Any) -> Any: ...


@pytest.fixture
def delivery(hooks: Hooks) -> Delivering:
    """``async with delivery(store, sink, …) as it``: a delivery, not serving yet."""

    def make(store: Store, *sinks: Any, **options: Any) -> Delivery:
        given = [sink if isinstance(sink, Provided) else Provided(sink, "shop") for sink in sinks]
        options = {"hooks": hooks, "pace": QUICK, "lease": timedelta(seconds=5), **options}
        return Delivery(given, store, **options)

    return make


@pytest.fixture
def serving(delivery: Delivering) -> Delivering:
    """The same, serving in the background until it is left."""

    @asynccontextmanager
    async def serve(store: Store, *sinks: Any, **options: Any) -> AsyncIterator[Delivery]:
        async with delivery(store, *sinks, **options) as it, anyio.create_task_group() as tasks:
            tasks.start_soon(it.serve)
            try:
                yield it
            finally:
                tasks.cancel_scope.cancel()

    return serve


async def settled(store: Store, sink: str = "server", *, waiting: int = 0, dead: int | None = None) -> Any:
    """Wait until so many runs wait for *sink*, and so many were given up; its state."""
    with anyio.fail_after(PATIENCE):
        while True:
            for state in await store.sinks():
                fits = state.waiting == waiting and (dead is None or state.dead == dead)
                if state.name == sink and fits:
                    return state
            await anyio.sleep(0.005)


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what only looking shows."""
    with anyio.fail_after(PATIENCE):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.005)
