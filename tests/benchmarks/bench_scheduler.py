"""What a whole scheduler costs with very many jobs: entering, beginning, resting, reloading, stopping.

    python tests/benchmarks/bench_scheduler.py [jobs] [store]

*jobs* (100,000) stand in few files, one more job in one of its own. *store* is ``sqlite`` or ``memory``.
Everything is done twice: with a new store, and as after a restart, where all jobs are registered already.
Beside each step stands for how long nothing else had its turn on the event loop at the longest, in processor
time of its thread. Entering collects the jobs, which is not the scheduler's work. Reloads are measured
without the reading of files, too. Nothing is asserted.
"""

from __future__ import annotations

import gc
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

from jobkit import Project, Scheduler
from jobkit.logs import configure

JOBS = """from jobkit import submit_job


async def work(ctx):
    \"\"\"Nothing.\"\"\"


for number in range({first}, {end}):
    submit_job(work, name=f"job_{{number}}", schedule=f"{{number % 60}} {{number // 60 % 60}} {hour} * * *")
"""
ONE = """from jobkit import submit_job


@submit_job(schedule="{second} * * * * *")
async def one(ctx):
    \"\"\"Each minute.\"\"\"
"""


#: So many stand in one file: more are not accepted.
EACH = 10_000


class Stillness:
    """How long the event loop stood still."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Look all the time, until cancelled."""
        before = time.thread_time()
        while True:
            await anyio.sleep(0.005)
            now = time.thread_time()
            self.longest = max(self.longest, now - before)
            before = now

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Print what a step took."""
        self.longest = 0.0
        used, began = time.process_time(), time.perf_counter()
        yield
        took, used = time.perf_counter() - began, time.process_time() - used
        print(f"  {what:44} {took:7.2f} s, {used:6.2f} s of processor, still {self.longest * 1000:5.0f} ms")


def memory() -> float:
    """MB that this process holds now; its most where that cannot be seen."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if "VmRSS" in line)


async def until(true: Callable[[], bool]) -> None:
    """Return once it is *true*."""
    while not true():  # noqa: ASYNC110 - nobody tells
        await anyio.sleep(0.01)


async def serve(project: Project, count: int, jobs: Path) -> None:
    """One time of a scheduler, from its beginning to its end."""
    still, stop = Stillness(), anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(still.watch)
        await anyio.sleep(0.05)
        async with Scheduler(project) as scheduler:

            async def serve_until(stop: anyio.Event) -> None:
                await scheduler.serve_until(stop)

            with still.step("until ticks fire"):
                tasks.start_soon(serve_until, stop)
                await until(lambda: scheduler.state == "serving")
            serving = scheduler.serving
            assert serving is not None
            with still.step("until all jobs are on the agenda"):
                await until(lambda: len(serving.ticks) > count)
            with still.step("ten seconds more"):
                await anyio.sleep(10)
            print(f"  memory: {memory():.0f} MB")
            with still.step("ten seconds at rest"):
                await anyio.sleep(10)

            async def taken_up() -> None:
                serving.reload_soon()
                await serving.reloaded()

            await reload(still, "nothing has changed, without files", taken_up)
            await reload(still, "nothing has changed", scheduler.reload)
            (jobs / "one.py").write_text(ONE.format(second=30))
            await reload(still, "one file has changed", scheduler.reload)
            began = time.perf_counter()
            stop.set()
            await until(lambda: scheduler.state == "stopped")
        print(f"  {'stopping':44} {time.perf_counter() - began:7.2f} s")
        tasks.cancel_scope.cancel()


async def reload(still: Stillness, what: str, work: Callable[[], Awaitable[object]]) -> None:
    """Measure *work*, and what comes of it within a second."""
    with still.step(f"reload, {what}"):
        await work()
    with still.step("the second after it"):
        await anyio.sleep(1)


def main(count: int = 100_000, store: str = "sqlite") -> None:
    """Print the figures."""
    configure("console", "warning", sys.stdout)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "jobkit.toml").write_text('[project]\nimport_timeout = "10m"\n')
        (root / "services/scheduler").mkdir(parents=True)
        url = "memory://" if store == "memory" else "sqlite:///runs.db"
        (root / "services/scheduler/config.toml").write_text(f'[scheduler]\nstore = "{url}"\n')
        jobs = root / "extensions" / "many" / "jobs"
        jobs.mkdir(parents=True)
        hour = (time.gmtime().tm_hour + 12) % 24
        for first in range(0, count, EACH):
            text = JOBS.format(first=first, end=min(count, first + EACH), hour=hour)
            (jobs / f"from_{first}.py").write_text(text)
        (jobs / "one.py").write_text(ONE.format(second=0))
        for title in ("a new store", "a restart") if store == "sqlite" else ("a new store",):
            began = time.perf_counter()
            with Project.load(root) as project:
                print(f"{count:,} jobs, {title}: collected in {time.perf_counter() - began:.1f} s")
                assert len(project.jobs) == count + 1, project.errors
                gc.collect()
                gc.freeze()  # as `jobkit start` does
                print(f"  memory: {memory():.0f} MB")
                anyio.run(serve, project, count, jobs)


if __name__ == "__main__":
    arguments: list[Any] = [*map(int, sys.argv[1:2]), *sys.argv[2:3]]
    main(*arguments)
