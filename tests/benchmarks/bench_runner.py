"""How many no-op runs a second, beside the same work done by hand.

``python tests/benchmarks/bench_runner.py [RUNS] [REPETITIONS]`` measures, 100 at once, with log lines written
to a file: a floor (a task with a timeout, two log events, a durable row at the start and its update at the
end through one group-committing thread), and the runner on the store in memory and on SQLite. CPU time is the
figure to compare; the disk decides the rate.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from jobkit.config import load_config
from jobkit.job import JobSpec
from jobkit.logs import configure, get_logger
from jobkit.runner import Runner
from jobkit.signature import signature_of
from jobkit.stores.base import Store
from jobkit.stores.memory import MemoryStore
from jobkit.stores.sqlite.store import SqliteStore

AT_ONCE = 100


async def nothing(ctx: Any) -> None:
    """The job."""


def spec_of(job: Callable[..., Any]) -> JobSpec:
    """A job without a file around it."""
    from datetime import timedelta

    here = Path(__file__)
    return JobSpec(
        name="nothing",
        extension="bench",
        description="",
        path=here,
        line=1,
        module=__name__,
        target=job,
        signature=signature_of(job),
        timeout=timedelta(seconds=30),
    )


class Writer:
    """The least that a durable store can do: one thread, a commit for whatever has gathered."""

    def __init__(self, path: Path) -> None:
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._path = path
        self._thread = threading.Thread(target=self._work)

    async def __aenter__(self) -> Writer:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._requests.put(None)
        self._thread.join()

    async def write(self, sql: str, *values: Any) -> None:
        future = self._loop.create_future()
        self._requests.put((sql, values, future))
        await future

    def _work(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute(
            "create table runs (id integer primary key, job text, status text, started real, finished real)"
        )
        for group in self._groups():
            connection.execute("begin immediate")
            for sql, values, _ in group:
                connection.execute(sql, values)
            connection.execute("commit")
            self._loop.call_soon_threadsafe(self._wake, [future for _, _, future in group])
        connection.close()

    def _groups(self) -> Iterator[list[Any]]:
        while (first := self._requests.get()) is not None:
            group = [first]
            while not self._requests.empty():
                more = self._requests.get()
                if more is None:
                    self._requests.put(None)
                    break
                group.append(more)
            yield group

    @staticmethod
    def _wake(futures: list[Any]) -> None:
        for future in futures:
            future.set_result(None)


@asynccontextmanager
async def floor(folder: Path) -> Any:
    """The same work by hand."""
    writer = Writer(folder / "floor.db")
    log = get_logger().bind(job="nothing", extension="bench")

    async def one(number: int) -> None:
        now = time.time()
        await writer.write("insert into runs values (?, ?, ?, ?, ?)", number, "nothing", "running", now, None)
        log.info("run.started", run=number)
        with anyio.fail_after(30):
            await nothing(None)
        now = time.time()
        await writer.write("update runs set status = ?, finished = ? where id = ?", "succeeded", now, number)
        log.info("run.finished", run=number, status="succeeded")

    async def spawned(number: int) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, number)

    async with writer:
        yield spawned


@asynccontextmanager
async def runner(folder: Path, store: Store) -> Any:
    """The runner on *store*."""
    (folder / "jobkit.toml").touch()
    spec = spec_of(nothing)
    async with store, Runner({}, store, config=load_config(folder)) as here:

        async def one(number: int) -> None:
            await here.run(spec)

        yield one


async def measure(
    name: str, opened: AbstractAsyncContextManager[Callable[[int], Awaitable[None]]], count: int
) -> None:
    """Print what *count* runs cost."""
    numbers = iter(range(1, count + 1))
    async with opened as one:

        async def worker() -> None:
            for number in numbers:
                await one(number)

        wall, cpu = time.perf_counter(), time.process_time()
        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(worker)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:8} {cpu / count * 1e6:7.1f} µs CPU a run {count / wall:9,.0f} runs/s")


async def main(count: int, repetitions: int) -> None:
    """All three, one after another, as often as asked."""
    for _ in range(repetitions):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            await measure("floor", floor(folder), count)
            await measure("memory", runner(folder, MemoryStore(project="bench")), count)
            path = folder / "runs.db"
            await measure("sqlite", runner(folder, SqliteStore(path, project="bench")), count)


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        configure("json", stream=nowhere)
        anyio.run(main, arguments[0] if arguments else 5000, arguments[1] if len(arguments) > 1 else 3)
