"""Several replicas on one store, in virtual time: what each registers, and what it sees of the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import anyio

from jobkit.config import Config, load_config
from jobkit.config.apply import apply
from jobkit.job import JobSpec
from jobkit.processes import ProcessIdentity
from jobkit.scheduler.post import Post
from jobkit.scheduler.register import Register
from jobkit.scheduler.roster import Roster
from jobkit.stores.base import Store
from jobkit.stores.ledger import JobKey, JobState
from jobkit.stores.memory import MemoryStore
from jobkit.stores.replicas import Event, EventQuery
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.testing import VirtualClock
from tests.runner.conftest import spec_of

T = TypeVar("T")

#: A process of another host: whether it lives cannot be looked up here.
ELSEWHERE = ProcessIdentity("host-b", "boot-b", "pid:[b]", 4711, "1")


async def work(ctx: Any) -> None:
    """A job."""


def job(name: str = "job", schedule: str = "0 * * * * *", **options: Any) -> JobSpec:
    """A job whose code says so."""
    return spec_of(work, name, schedule=(schedule,) if schedule else (), **options)


@dataclass
class Replica:
    """One replica at work."""

    post: Post
    roster: Roster
    register: Register

    async def enter(self) -> Replica:
        await self.roster.enter()
        await self.register.enter()
        return self

    async def reload(self, *specs: JobSpec, config: Config | None = None) -> None:
        """It has these jobs from now on."""
        self.post.config = config or self.post.config
        self.post.jobs = {spec.name: apply(spec, self.post.config) for spec in specs}
        await self.register.refresh()
        await self.roster.announce()

    def state(self, name: str = "job", node: str = "") -> JobState | None:
        return self.register.states.get(JobKey(name, node))

    def mark(self, name: str = "job", node: str = "") -> datetime | None:
        state = self.state(name, node)
        return state.mark if state is not None else None


@dataclass
class World:
    """One store, one clock, one folder of configuration."""

    clock: VirtualClock
    kind: str
    backend: Literal["asyncio", "trio"]
    root: Path
    store: Store = field(init=False)

    def config(self, text: str = "") -> Config:
        (self.root / "jobkit.toml").write_text(text)
        return load_config(self.root)

    def replica(
        self,
        *specs: JobSpec,
        node: str = "here",
        identity: ProcessIdentity | None = None,
        config: Config | None = None,
    ) -> Replica:
        """A replica that has *specs*, not entered yet."""
        config = config or self.config()
        jobs = {spec.name: apply(spec, config) for spec in specs}
        post = Post(self.store, self.clock, config, jobs, None, identity or ProcessIdentity.current(), node)
        roster = Roster(post)
        register = Register(post, roster)
        roster.on_change.append(register.news)
        return Replica(post, roster, register)

    def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """What *call* gives, with the store open."""

        async def main() -> T:
            self.store = (
                MemoryStore(project="tests", now=self.clock.now)
                if self.kind == "memory"
                else SqliteStore(self.root / "runs.db", project="tests", now=self.clock.now)
            )
            async with self.store:
                return await call()

        return self.clock.run(main, backend=self.backend)

    async def events(self, *kinds: str) -> list[Event]:
        """The events of *kinds*, the oldest first."""
        page = await self.store.events(EventQuery(kinds=kinds))
        return [record.event for record in reversed(page.events)]

    async def live(self) -> list[str]:
        return [one.replica.id for one in await self.store.replicas() if one.live]

    async def passes(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    @asynccontextmanager
    async def serving(self, *replicas: Replica) -> Any:
        """*replicas* at work; ``kill()`` of one's scope is a process that is no more."""
        async with anyio.create_task_group() as tasks:
            scopes = [anyio.CancelScope() for _ in replicas]

            async def keep(one: Replica, scope: anyio.CancelScope) -> None:
                with scope:
                    async with anyio.create_task_group() as parts:
                        parts.start_soon(one.roster.serve)
                        parts.start_soon(one.register.serve)

            for one, scope in zip(replicas, scopes, strict=True):
                tasks.start_soon(keep, one, scope)
            yield scopes
            tasks.cancel_scope.cancel()
