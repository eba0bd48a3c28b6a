"""A project whose store says that schedulers serve it: replicas and ticks, as schedulers write them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobkit.clock import SystemClock
from jobkit.job import JobSpec
from jobkit.processes import ProcessIdentity
from jobkit.project import Project
from jobkit.records import new_run_id
from jobkit.scheduler.standing import job_key, options_hash, schedule_hash
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Outcome, Store
from jobkit.stores.ledger import Claim, JobRegistration
from jobkit.stores.replicas import Event, Replica
from jobkit.stores.sqlite.store import SqliteStore
from tests.cli.harness import NOW, CommandLine

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(slots=True)
class Deployment:
    """The store of a command line's project, at whichever time is asked for; all of them stand still."""

    cli: CommandLine
    specs: dict[str, JobSpec] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Deployment:
        """*cli*, whose store's clock now shows what the command line's does."""
        monkeypatch.setattr(SystemClock, "now", lambda _: NOW)
        made = cls(cli)
        with Project.load(cli.root) as project:
            made.specs = dict(project.jobs)
            made.hashes = {name: options_hash(spec, project.config) for name, spec in project.jobs.items()}
        return made

    def at(self, instant: datetime, work: Callable[[Store], Awaitable[Any]]) -> Any:
        """Do *work* with the store when its clock shows *instant*."""

        async def do() -> Any:
            path, root = Path(".jobkit/jobkit.db"), self.cli.root
            async with SqliteStore(path, project="shop", root=root, now=lambda: instant) as store:
                return await work(store)

        return anyio.run(do)

    def register(
        self, *jobs: str, ago: timedelta = 10 * DAY, hash: str | None = None, node: str = ""
    ) -> None:
        """Have *jobs* scheduled since then, as they are in the project, or with another *hash*."""
        since = NOW - ago
        entries = [
            JobRegistration(
                job_key(self.specs[job], node), hash or schedule_hash(self.specs[job], node), since
            )
            for job in jobs
        ]
        self.at(since, lambda store: store.register_jobs(entries))

    def tick(
        self, job: str, tick: datetime, status: RunStatus = RunStatus.SUCCEEDED, took: int = 1000
    ) -> None:
        """The run of that tick has ended so."""

        async def run(store: Store) -> None:
            spec = self.specs[job]
            key = job_key(spec, "")
            new = NewRun(
                id=new_run_id(tick),
                job=job,
                extension=spec.extension,
                trigger=Trigger.SCHEDULE,
                scheduled_at=tick,
            )
            mark = (await store.job_states([key]))[key].mark
            await store.claim([Claim(key, mark, schedule_hash(spec, ""), tick, run=new, tick=tick)])
            request = LeaseRequest(ProcessIdentity.current(), "host-a")
            lease = await store.start_attempt(new.id, request)
            assert lease is not None
            ended = tick + timedelta(milliseconds=took)
            await store.finish(lease, Outcome(status=status, finished_at=ended, duration_ms=took))

        self.at(tick, run)

    def stop(self, replica: str, ago: timedelta) -> None:
        """It stopped in order so long *ago*, and said so."""

        async def leave(store: Store) -> None:
            await store.deregister(replica)
            await store.add_events([Event("scheduler.stopped", NOW - ago, data={"replica": replica})])

        self.at(NOW - ago, leave)

    def replica(
        self,
        node: str = "host-b",
        *,
        pid: int = 4242,
        ago: timedelta = DAY,
        heard: timedelta = 4 * timedelta(seconds=1),
        without: tuple[str, ...] = (),
        **options: Any,
    ) -> str:
        """A scheduler on another host that came so long *ago*, and was *heard* of then; its id."""
        details = {"version": "1.2.3", "tzdata": "2026.1", "abandoned_threads": 0}
        replica = Replica(
            id=f"{node}-{pid}",
            kind=options.pop("kind", "scheduler"),
            owner=options.pop("owner", ProcessIdentity(node, f"boot-{node}", "pid:[9]", pid, "1")),
            node=node,
            interval=timedelta(seconds=10),
            jobs={
                name: hash
                for name, hash in {**self.hashes, **options.pop("jobs", {})}.items()
                if name not in without
            },
            schedules=options.pop("schedules", {}),
            details=details | options.pop("details", {}),
        )
        assert not options
        self.at(NOW - ago, lambda store: store.register_replica(replica))
        self.at(NOW - heard, lambda store: store.heartbeat(replica.id))
        return replica.id
