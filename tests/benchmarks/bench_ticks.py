"""What making ticks costs: 100,000 jobs at start and at rest, and 10,000 of them due in one second.

    python tests/benchmarks/bench_ticks.py [jobs] [due] [store]

*store* is ``memory`` or ``sqlite``; without it both are measured. Real time, an otherwise idle process; runs
are claimed and handed on, and not executed. A hundred jobs are due each second beside the crowd: their
lateness while it is worked off is what a fair order is for. Nothing is asserted.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio

from jobkit.clock import SystemClock
from jobkit.config import load_config
from jobkit.context import JobContext
from jobkit.job import JobSpec
from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord
from jobkit.scheduler.policies import Pause
from jobkit.scheduler.post import Post
from jobkit.scheduler.ticking import Ticks
from jobkit.schedules import parse_schedule
from jobkit.signature import signature_of
from jobkit.stores.base import Store
from jobkit.stores.ledger import JobKey, JobRegistration, JobState
from jobkit.stores.opening import open_store

EACH_SECOND = 100


async def work(ctx: JobContext) -> None:
    """Never executed."""


class Register:
    """All jobs, as they were registered."""

    def __init__(self) -> None:
        self.states: dict[JobKey, JobState] = {}

    def superseded_by(self, state: JobState) -> None:
        raise AssertionError(state)


class Control:
    """Nothing is paused."""

    def pauses_of(self, job: str) -> Sequence[Pause]:
        return ()


class Submitted:
    """When what was submitted."""

    def __init__(self) -> None:
        self.at: list[tuple[datetime, RunRecord]] = []

    async def __call__(self, record: RunRecord, spec: JobSpec, *, not_before: datetime | None = None) -> None:
        self.at.append((datetime.now(UTC), record))

    def lateness(self, prefix: str) -> list[float]:
        """Milliseconds from tick to submission, of the jobs whose names begin so, in order."""
        return [
            (at - run.scheduled_at).total_seconds() * 1000
            for at, run in self.at
            if run.job.startswith(prefix) and run.scheduled_at is not None
        ]


def jobs(count: int, due: int, instant: datetime) -> dict[str, JobSpec]:
    """*count* jobs: of these *due* at *instant*, some each second, the others at another time."""
    one = JobSpec("x", "x", "", Path(__file__), 1, __name__, work, signature_of(work), overlap="allow")
    texts = [
        f"{instant.second} {instant.minute} {instant.hour} * * *",
        "* * * * * *",
        f"0 0 {(instant.hour + 12) % 24} * * *",
    ]
    crowd, steady, other = (parse_schedule(text, timezone="UTC") for text in texts)
    made = {f"crowd{number}": replace(one, name=f"crowd{number}", times=crowd) for number in range(due)}
    for number in range(EACH_SECOND):
        made[f"steady{number}"] = replace(one, name=f"steady{number}", times=steady)
    for number in range(count - len(made)):
        made[f"other{number}"] = replace(one, name=f"other{number}", times=other)
    return made


async def measure(store: Store, count: int, due: int, folder: Path) -> None:
    """Print the figures of one store."""
    clock, submitted = SystemClock(), Submitted()
    instant = clock.now().replace(microsecond=0) + timedelta(seconds=12 + count // 10_000)
    known, register = jobs(count, due, instant), Register()
    (folder / "jobkit.toml").touch()
    post = Post(store, clock, load_config(folder), known, None, ProcessIdentity.current(), "here")
    began = time.perf_counter()
    states = await store.register_jobs(
        [JobRegistration(JobKey(name), "x", instant - timedelta(seconds=5)) for name in known]
    )
    register.states = {state.key: state for state in states}
    print(f"  registering {count:,} jobs                      {time.perf_counter() - began:8.2f} s")
    ticks = Ticks(post, register, Control(), submitted)
    async with anyio.create_task_group() as tasks:
        began = time.perf_counter()
        tasks.start_soon(ticks.serve)
        while len(ticks) < count:  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.01)
        print(f"  until all are on the agenda                    {time.perf_counter() - began:8.2f} s")
        await clock.sleep_until(instant - timedelta(seconds=4.5))
        used = resource.getrusage(resource.RUSAGE_SELF)
        await clock.sleep_until(instant - timedelta(seconds=0.5))
        now = resource.getrusage(resource.RUSAGE_SELF)
        busy = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        print(f"  {EACH_SECOND} each second, share of a processor           {busy / 4:8.1%}")
        report("on time before", submitted.lateness("steady"))
        submitted.at.clear()
        while len(submitted.at) < due or len(submitted.lateness("crowd")) < due:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.25)
        crowd = submitted.lateness("crowd")
        print(f"  {due:,} due at once: the first after {crowd[0]:.1f} ms, the last {crowd[-1]:.0f} ms")
        report("those of other seconds meanwhile", submitted.lateness("steady"))
        tasks.cancel_scope.cancel()


def report(what: str, found: list[float]) -> None:
    """Median and worst."""
    found = sorted(found)
    print(f"  {what}: median {found[len(found) // 2]:.1f} ms, worst {found[-1]:.1f} ms, of {len(found)}")


async def main(count: int = 100_000, due: int = 10_000, store: str | None = None) -> None:
    """Print the figures of each store."""
    for kind in ("memory", "sqlite") if store is None else (store,):
        print(kind)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            url: Any = "memory://" if kind == "memory" else "sqlite:///runs.db"
            async with open_store(url, project="bench", root=folder) as opened:
                await measure(opened, count, due, folder)


if __name__ == "__main__":
    counts = [int(given) for given in sys.argv[1:3]]
    arguments: list[Any] = [*counts, *sys.argv[3:4]]
    anyio.run(main, *arguments)
