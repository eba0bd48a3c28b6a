"""Runners on real stores, and jobs without files around them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from jobkit.clock import SystemClock, Ticker
from jobkit.config import Config, load_config
from jobkit.hookspecs import RULES
from jobkit.job import JobSpec
from jobkit.records import LogLine, RunRecord
from jobkit.runner import Runner
from jobkit.services import ServiceSpec, builtin_specs
from jobkit.signature import signature_of
from jobkit.stores.base import Store
from jobkit.stores.memory import MemoryStore
from jobkit.stores.opening import open_store
from tests.plugins.conftest import Plugins

#: Soon enough for a test, late enough for a busy machine.
SOON = timedelta(seconds=0.05)


def spec_of(job: Any, name: str | None = None, **options: Any) -> JobSpec:
    """The job that *job* would be if a file had submitted it."""
    here = Path(__file__)
    name = name or getattr(job, "__name__", type(job).__name__).lower()
    return JobSpec(
        name=name,
        extension="tests",
        description="",
        path=here,
        line=1,
        module=__name__,
        target=job,
        signature=signature_of(job),
        **options,
    )


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """What a project without any settings has."""
    (tmp_path / "jobkit.toml").touch()
    return load_config(tmp_path)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Both embedded stores, open."""
    url = "memory://" if request.param == "memory" else "sqlite:///runs.db"
    async with open_store(url, project="tests", root=tmp_path) as opened:
        yield opened


@pytest.fixture
async def memory() -> AsyncIterator[MemoryStore]:
    """The store in memory, open, for tests that are not about stores."""
    async with MemoryStore(project="tests") as opened:
        yield opened


class MakeRunner(Protocol):
    """Enters a runner for some jobs."""

    def __call__(self, *jobs: JobSpec, **options: Any) -> Any: ...


@pytest.fixture
def runner(config: Config, memory: MemoryStore) -> MakeRunner:
    """``async with runner(spec, ...) as here``: a runner on the store in memory, unless *store* is given."""

    @asynccontextmanager
    async def make(*jobs: JobSpec, store: Store | None = None, **options: Any) -> AsyncIterator[Runner]:
        options.setdefault("cleanup", timedelta(seconds=0.2))
        known = {spec.name: spec for spec in jobs}
        async with Runner(known, store or memory, config=config, **options) as entered:
            yield entered

    return make


class Execute(Protocol):
    """Runs one job to its end."""

    async def __call__(
        self, job: Any, parameters: Mapping[str, Any] | None = None, **options: Any
    ) -> RunRecord: ...


@pytest.fixture
def execute(runner: MakeRunner) -> Execute:
    """The record of one run of a function or specification; *options* are those of its specification."""

    async def run(
        job: Any,
        parameters: Mapping[str, Any] | None = None,
        services: Mapping[str | type, object] | None = None,
        **options: Any,
    ) -> RunRecord:
        spec = job if isinstance(job, JobSpec) else spec_of(job, **options)
        async with runner(spec, services=services) as here:
            record: RunRecord = await here.run(spec, parameters)
        return record

    return run


class Provide(Protocol):
    """Adds services of scope ``run`` to the built-in ones."""

    def __call__(self, **factories: Callable[..., Any]) -> None: ...


@pytest.fixture
def provide(monkeypatch: pytest.MonkeyPatch) -> Provide:
    """Adds services for the rest of a test, as a plugin does."""

    def add(**factories: Callable[..., Any]) -> None:
        specs = (
            *builtin_specs(),
            *(ServiceSpec(factory, name=name, scope="run") for name, factory in factories.items()),
        )
        monkeypatch.setattr("jobkit.runner.site.builtin_specs", lambda: specs)

    return add


@pytest.fixture
def plugins() -> Plugins:
    """A registry in which a test puts functions together as plugins."""
    return Plugins()


@pytest.fixture
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asynchronous hooks have a twentieth of a second."""
    for name, rule in RULES.items():
        if rule.timeout is not None:
            monkeypatch.setitem(RULES, name, replace(rule, timeout=0.05))


class SteppedClock(SystemClock):
    """The system's time, but periodic calls happen only when the test says so."""

    def __init__(self) -> None:
        self.calls: dict[str, Callable[[], None]] = {}

    def every(self, interval: timedelta, call: Callable[[], None], *, name: str) -> Ticker:
        self.calls[name] = call
        return _Stopped(self, name)

    def step(self, name: str) -> None:
        """Let the periodic call of that name happen once, in this thread."""
        self.calls[name]()


class HandClock(SystemClock):
    """The test's own time: it stands still, whatever the machine is busy with, until some is taken."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def take(self, seconds: float) -> None:
        """Let so much time pass, in any thread."""
        self.passed += seconds


class _Stopped:
    def __init__(self, clock: SteppedClock, name: str) -> None:
        self._clock = clock
        self._name = name

    def stop(self) -> None:
        self._clock.calls.pop(self._name, None)


@dataclass
class Seen:
    """An observer that remembers what it was told."""

    told: list[tuple[str, Any]] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)

    def names(self) -> list[str]:
        """What happened, without the details."""
        return [name for name, _ in self.told]

    def run_waiting(self, job: JobSpec, run: RunRecord | None, what: str) -> None:
        self.told.append(("waiting", (job.name, what)))

    def run_started(self, run: RunRecord, job: JobSpec) -> None:
        self.told.append(("started", run.job))

    def attempt_finished(self, run: RunRecord, attempt: int, outcome: Any, retry_at: Any) -> None:
        self.told.append(("attempt", (attempt, str(outcome.status), retry_at is not None)))

    def progressed(self, run: RunRecord, progress: Any) -> None:
        self.told.append(("progress", (progress.done, progress.total, progress.message)))

    def logged(self, run: RunRecord, lines: Any) -> None:
        self.lines += lines

    def run_finished(self, run: RunRecord) -> None:
        self.told.append(("finished", (run.job, str(run.status))))
