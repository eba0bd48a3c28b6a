"""The real runner in virtual time, on both event loops and both embedded stores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

from jobkit.config import Config, load_config
from jobkit.job import JobSpec
from jobkit.records import AttemptRecord, RunRecord
from jobkit.runner import Runner
from jobkit.stores.base import Store
from jobkit.stores.memory import MemoryStore
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.testing import VirtualClock
from tests.runner.conftest import spec_of

T = TypeVar("T")


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    """Both event loops."""
    return request.param


class Execute:
    """Runs jobs for a test, in virtual time."""

    def __init__(self, clock: VirtualClock, backend: Literal["asyncio", "trio"], root: Path) -> None:
        self.clock = clock
        self.backend: Literal["asyncio", "trio"] = backend
        self.sqlite = False
        self.attempts: list[AttemptRecord] = []
        self._root = root
        (root / "jobkit.toml").touch()
        self.config: Config = load_config(root)

    def __call__(self, job: Callable[..., Any], *others: JobSpec, **options: Any) -> RunRecord:
        """The record of one run of *job*, which has *options*; *others* are jobs that it may run."""
        spec = spec_of(job, **options)

        async def run(store: Store, runner: Runner) -> RunRecord:
            record = await runner.run(spec)
            self.attempts = list(await store.attempts(record.id))
            return record

        return self.runner(run, spec, *others)

    def runner(self, call: Callable[[Store, Runner], Awaitable[T]], *jobs: JobSpec, **options: Any) -> T:
        """What *call* gives, given a store and a runner that are open."""

        async def main() -> T:
            known = {spec.name: spec for spec in jobs}
            options.setdefault("config", self.config)
            async with (
                self.store() as store,
                Runner(known, store, clock=self.clock, **options) as runner,
            ):
                return await call(store, runner)

        return self.clock.run(main, backend=self.backend)

    def store(self) -> Store:
        """A store by the clock's time."""
        if self.sqlite:
            return SqliteStore(self._root / "runs.db", project="tests", now=self.clock.now)
        return MemoryStore(project="tests", now=self.clock.now)


@pytest.fixture
def execute(virtual_clock: VirtualClock, backend: Any, tmp_path: Path) -> Execute:
    """``execute(job, **options)``: the record of its run in virtual time."""
    return Execute(virtual_clock, backend, tmp_path)
