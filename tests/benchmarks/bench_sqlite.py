"""What a durable record of a run costs, beside the bare floor: ``python tests/benchmarks/bench_sqlite.py``.

The floor is an INSERT at the start and an UPDATE at the finish of one narrow table with one index,
through a group-committing thread: what any durable record of a run costs on this disk, without leases,
attempts, queries or several processes. Both run alternately, 1, 10 and 100 runs at once. Then pages
of a history of 100,000 runs. Processor time is the figure to compare: the disk's time swings.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from jobkit.processes import ProcessIdentity
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Outcome, RunQuery
from jobkit.stores.sqlite.store import SqliteStore

Work = Callable[[int], Awaitable[None]]

INSERT = "INSERT INTO runs (id, job, status, due, started, attempt) VALUES (?, ?, ?, ?, ?, 1)"
UPDATE = "UPDATE runs SET status = 'ok', finished = ?, result = ? WHERE id = ?"


class Floor:
    """The bare record: nothing could be durable for less."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute(
            "CREATE TABLE runs (id INTEGER PRIMARY KEY, job TEXT, status TEXT, due REAL, started REAL,"
            " finished REAL, attempt INT, result TEXT)"
        )
        self.connection.execute("CREATE INDEX runs_job ON runs (job, started)")
        self.waiting: list[tuple[str, tuple[object, ...], asyncio.Future[None]]] = []
        self.condition = threading.Condition()
        self.closing = False

    async def __aenter__(self) -> Floor:
        self.loop = asyncio.get_running_loop()
        self.thread = threading.Thread(target=self.write)
        self.thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        with self.condition:
            self.closing = True
            self.condition.notify()
        self.thread.join()
        self.connection.close()

    def write(self) -> None:
        while True:
            with self.condition:
                while not self.waiting and not self.closing:
                    self.condition.wait()
                if not self.waiting:
                    return
                batch, self.waiting = self.waiting, []
            self.connection.execute("BEGIN IMMEDIATE")
            for statement, values, _ in batch:
                self.connection.execute(statement, values)
            self.connection.execute("COMMIT")
            self.loop.call_soon_threadsafe(self.wake, [future for *_, future in batch])

    @staticmethod
    def wake(futures: list[asyncio.Future[None]]) -> None:
        for future in futures:
            future.set_result(None)

    def put(self, statement: str, *values: object) -> asyncio.Future[None]:
        future = self.loop.create_future()
        with self.condition:
            self.waiting.append((statement, values, future))
            self.condition.notify()
        return future

    async def run(self, number: int) -> None:
        await self.put(INSERT, number, "job", "running", time.time(), time.time())
        await self.put(UPDATE, time.time(), "null", number)


async def measure(work: Work, runs: int, at_once: int) -> tuple[float, float]:
    """Wall and processor microseconds a run."""
    numbers = iter(range(runs))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    wall, processor = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return (
        (time.perf_counter() - wall) / runs * 1e6,
        (time.process_time() - processor) / runs * 1e6,
    )


def ordered_id() -> str:
    """As UUIDv7 are: later ones sort later, so that the index of ids grows at its end."""
    return f"{time.time_ns():016x}{random.getrandbits(64):016x}"


def runs_of(store: SqliteStore) -> Work:
    request = LeaseRequest(ProcessIdentity.current(), "host")

    async def run(number: int) -> None:
        new = NewRun(id=ordered_id(), job=f"job{number % 50}", extension="web", trigger=Trigger.SCHEDULE)
        _, lease = await store.add_and_start(new, request)
        outcome = Outcome(status=RunStatus.SUCCEEDED, finished_at=datetime.now(UTC), duration_ms=1)
        await store.finish(lease, outcome)

    return run


async def writing(folder: Path, runs: int, repetitions: int) -> None:
    print(f"{'at once':>8} {'':14} {'runs/s':>9} {'us wall':>9} {'us cpu':>8} {'x floor (cpu)':>14}")
    for at_once in (1, 10, 100):
        count = max(200, runs * at_once // 100)
        floors: list[tuple[float, float]] = []
        stores: list[tuple[float, float]] = []
        for repetition in range(repetitions):
            name = f"{at_once}-{repetition}"
            async with Floor(folder / f"floor-{name}.db") as floor:
                floors.append(await measure(floor.run, count, at_once))
            async with SqliteStore(folder / f"store-{name}.db", project="bench") as store:
                stores.append(await measure(runs_of(store), count, at_once))
        base = statistics.median(cpu for _, cpu in floors)
        for name, found in (("bare floor", floors), ("jobkit", stores)):
            wall = statistics.median(wall for wall, _ in found)
            cpu = statistics.median(cpu for _, cpu in found)
            print(f"{at_once:>8} {name:14} {1e6 / wall:>9,.0f} {wall:>9.1f} {cpu:>8.1f} {cpu / base:>14.2f}")


async def reading(folder: Path, runs: int) -> None:
    path = folder / "history.db"
    async with SqliteStore(path, project="bench"):
        pass
    fill(path, runs)
    start = datetime.fromtimestamp(0, UTC)
    middle = start + timedelta(seconds=runs // 2)
    queries = {
        "newest": RunQuery(),
        "one job": RunQuery(jobs=["job7"]),
        "ten jobs": RunQuery(jobs=[f"job{number}" for number in range(10)]),
        "failed or lost": RunQuery(statuses=[RunStatus.FAILED, RunStatus.LOST]),
        "in the middle": RunQuery(until=middle),
        "one job, since": RunQuery(jobs=["job7"], since=middle),
        "100 in a page": RunQuery(limit=100),
    }
    print(f"\nhistory of {runs:,} runs, ms a page (median of 50)")
    async with SqliteStore(path, project="bench") as store:
        for name, query in queries.items():
            print(f"{name:>16} {await page_time(partial(store.runs, query)):>8.2f}")
        print(f"{'last of 50 jobs':>16} {await page_time(store.last_runs):>8.2f}")


async def page_time(read: Callable[[], Awaitable[object]]) -> float:
    times = []
    for _ in range(50):
        begun = time.perf_counter()
        await read()
        times.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(times)


def fill(path: Path, runs: int) -> None:
    random.seed(1)
    connection = sqlite3.connect(path)
    with connection:
        connection.executemany(
            'INSERT INTO runs (id, job, extension, status, "trigger", queued_at, attempts, actor, enforce,'
            " parameters, finished_at) VALUES (?, ?, 'web', ?, 'schedule', ?, 1, '', 0, '{}', ?)",
            (
                (
                    f"{number:032x}",
                    f"job{random.randrange(50)}",
                    "failed" if random.random() < 0.01 else "succeeded",
                    number * 1_000_000,
                    number * 1_000_000 + 5,
                )
                for number in range(runs)
            ),
        )
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5000, help="at 100 at once; fewer at less (default 5000)")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--history", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured (default: the temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        asyncio.run(writing(Path(folder), options.runs, options.repetitions))
        asyncio.run(reading(Path(folder), options.history))


if __name__ == "__main__":
    main()
