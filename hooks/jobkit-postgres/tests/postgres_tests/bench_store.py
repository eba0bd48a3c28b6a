"""How many runs a second the store takes, one by one and together.

``python -m postgres_tests.bench_store [URL]``; without an address a server of its own is started, without
flushing to disk: then the figures are those of statements and journeys, not of a disk.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from jobkit_postgres import transaction
from jobkit_postgres.store import PostgresStore
from postgres_tests.server import MEMORY, Server, started

from jobkit.records import LogLine
from jobkit.stores.base import Lease
from jobkit.stores.ledger import JobKey, JobRegistration
from jobkit.stores.outbox import SinkRegistration
from jobkit.testing.conformance.kit import SECOND, new_run, outcome, request, run_claim

JOBS = 1000


class Counted:
    """How many statements were sent meanwhile."""

    def __init__(self) -> None:
        self.count = 0
        original = transaction.qualified

        def counting(statement: str, schema: str) -> bytes:
            self.count += 1
            return original(statement, schema)

        transaction.qualified = counting  # type: ignore[assignment]


async def measured(name: str, counted: Counted, number: int, work: Callable[[], Awaitable[object]]) -> None:
    """Print how long *work* on *number* runs took."""
    before, begun = counted.count, time.perf_counter()
    await work()
    took = time.perf_counter() - begun
    print(
        f"{name:<34}{number / took:>10,.0f}/s {took * 1000:>8.1f} ms {counted.count - before:>8} statements"
    )


async def main(url: str) -> None:
    counted = Counted()
    store = PostgresStore(url, project="bench", schema=f"bench_{secrets.token_hex(4)}")
    await store.upgrade()
    async with store:
        await store.register_sinks([SinkRegistration("sink", timedelta(days=1))])
        now = (await store.now()).replace(microsecond=0)
        mark = now - timedelta(seconds=1000)
        keys = [JobKey(f"job-{number:04}") for number in range(JOBS)]
        await store.register_jobs([JobRegistration(key, "h", mark) for key in keys])
        for turn in range(2):
            print("cold" if turn == 0 else "warm")
            mark += SECOND
            await _second(store, counted, keys, mark)
        await _added(store, counted, keys)


async def _added(store: PostgresStore, counted: Counted, keys: list[JobKey]) -> None:
    """Runs by hand: asked for together, and one by one."""

    async def each(jobs: list[str]) -> None:
        for job in jobs:
            await store.add_run(new_run(job), overlap="queue")

    jobs = [f"by-hand-{key.job}" for key in keys]
    together, alone = jobs[100:], jobs[:100]
    await measured(
        "add, together",
        counted,
        len(together),
        lambda: asyncio.gather(*(store.add_run(new_run(job), overlap="queue") for job in together)),
    )
    await measured("add, one by one", counted, len(alone), lambda: each(alone))


async def _second(store: PostgresStore, counted: Counted, keys: list[JobKey], tick: object) -> None:
    """All that happens to the runs of one busy second."""
    from datetime import datetime

    assert isinstance(tick, datetime)
    claims = [run_claim(tick, key, hash="h", overlap="skip") for key in keys]
    ids = [claim.run.id for claim in claims if claim.run is not None]
    leases: list[Lease] = []

    async def start(run_id: str) -> None:
        lease = await store.start_attempt(run_id, request(), limits={"db": 2})
        assert lease is not None
        leases.append(lease)

    line = LogLine(1, tick, "info", "something happened", 1)
    await measured("claim, all at once", counted, JOBS, lambda: store.claim(claims))
    await measured("start, together", counted, JOBS, lambda: asyncio.gather(*map(start, ids)))
    await measured("renew", counted, JOBS, lambda: asyncio.to_thread(store.renew, leases))
    await measured(
        "one log line each, together",
        counted,
        JOBS,
        lambda: asyncio.gather(*(store.add_log_lines(run_id, [line]) for run_id in ids)),
    )
    together, alone = leases[100:], leases[:100]
    await measured(
        "finish with outbox, together",
        counted,
        len(together),
        lambda: asyncio.gather(*(store.finish(lease, outcome()) for lease in together)),
    )

    async def one_by_one() -> None:
        for lease in alone:
            await store.finish(lease, outcome())

    await measured("finish with outbox, one by one", counted, len(alone), one_by_one)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        place = MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())
        server: Server = started(place / f"jobkit-postgres-bench-{secrets.token_hex(4)}")
        try:
            asyncio.run(main(server.url))
        finally:
            server.stop()
