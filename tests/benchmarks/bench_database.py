"""What the service ``db`` costs beside bare sqlite3: ``python tests/benchmarks/bench_database.py``.

The floor is the same statement on a connection of one's own, in the thread that wants it, with the same
journal and the same flush of every commit: what the database itself costs on this disk. The service adds
the way to a thread and back. Reads and writes of 1 task and of 50 at once, the same from a thread, and
what a reader notices while a transaction is open. Both run alternately; the median of the repetitions counts.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from jobkit.sqlite import Database

TABLE = "create table if not exists pages (id integer primary key, title text, words integer)"
INSERT = "insert into pages (title, words) values (?, ?)"
SELECT = "select id, title, words from pages where id = ?"
VALUES = ("a page of the site", 123)


class Floor:
    """A connection of one's own."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("pragma journal_mode = wal")
        self.connection.execute("pragma synchronous = full")
        self.connection.execute(TABLE)

    def read(self, count: int) -> None:
        for number in range(count):
            self.connection.execute(SELECT, (number % 100 + 1,)).fetchall()

    def write(self, count: int) -> None:
        for _ in range(count):
            self.connection.execute(INSERT, VALUES)

    def write_together(self, count: int) -> None:
        self.connection.execute("begin immediate")
        self.write(count)
        self.connection.execute("commit")


class Service:
    """The same through the service."""

    def __init__(self, db: Database, tasks: int) -> None:
        self.db = db
        self.tasks = tasks

    async def read(self, count: int) -> None:
        async def some() -> None:
            for number in range(count // self.tasks):
                await self.db.fetch_all(SELECT, (number % 100 + 1,))

        await asyncio.gather(*[some() for _ in range(self.tasks)])

    async def write(self, count: int) -> None:
        async def some() -> None:
            for _ in range(count // self.tasks):
                await self.db.execute(INSERT, VALUES)

        await asyncio.gather(*[some() for _ in range(self.tasks)])

    async def write_together(self, count: int) -> None:
        async with self.db.transaction() as tx:
            for _ in range(count):
                await tx.execute(INSERT, VALUES)


async def measure(folder: Path, count: int, repetitions: int) -> None:
    floor = Floor(folder / "floor.db")
    floor.write_together(100)
    print(f"{'microseconds each':24} {'floor':>8} {'service':>8} {'50 tasks':>9} {'thread':>8}")
    async with Database(folder / "service.db") as db:
        await db.execute(TABLE)
        await Service(db, 1).write_together(100)
        rows: list[tuple[str, Callable[[int], None], str]] = [
            ("read", floor.read, "read"),
            ("write, each committed", floor.write, "write"),
            ("write, in a transaction", floor.write_together, "write_together"),
        ]
        for name, bare, method in rows:
            times: list[list[float]] = [[], [], [], []]
            for _ in range(repetitions):
                times[0].append(timed(partial(bare, count), count))
                for place, tasks in ((1, 1), (2, 50)):
                    call: Callable[[int], Awaitable[None]] = getattr(Service(db, tasks), method)
                    begun = time.perf_counter()
                    await call(count)
                    times[place].append((time.perf_counter() - begun) / count * 1e6)
                times[3].append(await asyncio.to_thread(in_thread, db, method, count))
            shown = [statistics.median(values) for values in times]
            print(f"{name:24} {shown[0]:8.1f} {shown[1]:8.1f} {shown[2]:9.1f} {shown[3]:8.1f}")
        async with db.transaction() as tx:
            await tx.execute(INSERT, VALUES)
            beside = await asyncio.to_thread(beside_a_transaction, db.path, count)
        print(f"{'read beside a writer':24} {'':8} {beside:8.1f}")


def in_thread(db: Database, method: str, count: int) -> float:
    def work() -> None:
        match method:
            case "read":
                for number in range(count):
                    db.sync.fetch_all(SELECT, (number % 100 + 1,))
            case "write":
                for _ in range(count):
                    db.sync.execute(INSERT, VALUES)
            case _:
                with db.sync.transaction() as tx:
                    for _ in range(count):
                        tx.execute(INSERT, VALUES)

    return timed(work, count)


def beside_a_transaction(path: Path, count: int) -> float:
    async def read() -> float:
        async with Database(path) as other:
            begun = time.perf_counter()
            await Service(other, 1).read(count)
            return (time.perf_counter() - begun) / count * 1e6

    return asyncio.run(read())


def timed(call: Callable[[], None], count: int) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=2000, help="statements of each kind (default 2000)")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured (default: the temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        asyncio.run(measure(Path(folder), options.count, options.repetitions))


if __name__ == "__main__":
    main()
