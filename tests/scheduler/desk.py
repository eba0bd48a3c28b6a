"""One replica's place in virtual time: a store of its own and one of other people's, on the same runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

import anyio
from anyio.abc import TaskGroup

from jobkit.config import load_config
from jobkit.exceptions import StoreUnavailable
from jobkit.job import JobSpec
from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord, new_run_id
from jobkit.runner import Runner
from jobkit.scheduler.post import Post
from jobkit.statuses import RunStatus
from jobkit.stores.base import Store
from jobkit.stores.kept import Kept
from jobkit.stores.memory import MemoryStore
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.testing import VirtualClock

T = TypeVar("T")
#: A day: nothing here takes so long.
PATIENCE = 86_400.0


class Watched:
    """A store that is away from time to time, and that counts what it is asked."""

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self.store = store
        self.away = False
        #: What is asked and when, in seconds of the clock.
        self.asked: list[tuple[str, float]] = []
        #: What is called in the place of a method.
        self.instead: dict[str, Callable[..., Awaitable[Any]]] = {}
        self.waiting = self.most_waiting = 0
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        if name not in {"wait", "pauses", "cancel_requests", "open_leases", "settle", "now", "prune"}:
            return method

        async def asked(*args: Any, **options: Any) -> Any:
            self.asked.append((name, self._clock.monotonic()))
            if self.away:
                raise StoreUnavailable("it is away")
            called = self.instead.get(name, method)
            if name != "wait":
                return await called(*args, **options)
            self.waiting += 1
            self.most_waiting = max(self.waiting, self.most_waiting)
            try:
                return await called(*args, **options)
            finally:
                self.waiting -= 1

        return asked

    def times(self, name: str) -> list[float]:
        """When it was asked for that."""
        return [at for asked, at in self.asked if asked == name]


@dataclass
class Desk:
    """What is under test stands on *post* and *runner*; *theirs* is the store as somebody else has it open,
    in which what they write is heard of here. *ahead* is how far the store's clock is before this host's."""

    clock: VirtualClock
    kind: Literal["memory", "sqlite"]
    backend: Literal["asyncio", "trio"]
    folder: Path
    settings: str = ""
    ahead: timedelta = timedelta(0)
    watched: Watched = field(init=False)
    theirs: Store = field(init=False)
    post: Post = field(init=False)
    runner: Runner = field(init=False)
    tasks: TaskGroup = field(init=False)
    _kept: Kept = field(default_factory=lambda: Kept("tests"))

    def __call__(self, main: Callable[[], Awaitable[T]], *jobs: JobSpec) -> T:
        """What *main* gives; whatever it has started is stopped then."""

        async def all_of_it() -> T:
            async with AsyncExitStack() as stack:
                mine = await stack.enter_async_context(self.store())
                self.theirs = await stack.enter_async_context(self.store())
                self.watched = Watched(mine, self.clock)
                self._assemble(mine, jobs)
                await stack.enter_async_context(self.runner)
                async with anyio.create_task_group() as self.tasks:
                    with anyio.fail_after(PATIENCE):
                        given = await main()
                    self.tasks.cancel_scope.cancel()
            return given

        return self.clock.run(all_of_it, backend=self.backend)

    def store(self) -> Any:
        """One more that has it open."""

        def now() -> datetime:
            return self.clock.now() + self.ahead

        if self.kind == "memory":
            return MemoryStore(project="tests", now=now, kept=self._kept)
        return SqliteStore(self.folder / "runs.db", project="tests", root=self.folder, now=now)

    def _assemble(self, mine: Store, jobs: Sequence[JobSpec]) -> None:
        (self.folder / "jobkit.toml").write_text(f"[scheduler]\n{self.settings}\n")
        config = load_config(self.folder)
        known = {spec.name: spec for spec in jobs}
        store: Any = self.watched
        self.post = Post(store, self.clock, config, known, None, ProcessIdentity.current(), "here")
        self.runner = Runner(known, mine, config=config, clock=self.clock)

    async def begin(self, name: str, runner: Runner | None = None) -> str:
        """Have a run of that job go on here; its id, a second later."""
        id = new_run_id(self.clock.now())
        runner = runner or self.runner

        async def run() -> None:
            await runner.run(self.post.jobs[name], run_id=id)

        self.tasks.start_soon(run)
        await anyio.sleep(1)
        assert (await self.theirs.run(id)).status is RunStatus.RUNNING
        return id

    async def over(self, id: str) -> RunRecord:
        """The run once it has ended."""
        while True:
            run = await self.theirs.run(id)
            if run.status.finished:
                return run
            await anyio.sleep(0.05)
