"""One who claims ticks, as a task or as a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime

from jobkit_postgres.store import PostgresStore

from jobkit.stores.ledger import JobKey
from jobkit.testing.conformance.kit import SECOND, run_claim


async def work_off(store: PostgresStore, start: datetime, jobs: int, ticks: int) -> int:
    """Claim every tick of each job, from the mark that is there; how many runs became its own."""
    keys = [JobKey(f"job-{number}") for number in range(jobs)]
    marks = dict.fromkeys(keys, start)
    end = start + ticks * SECOND
    own = 0
    while wanted := [key for key in keys if marks[key] < end]:
        claims = [
            run_claim(marks[key] + SECOND, key, expected=marks[key], hash="every second") for key in wanted
        ]
        for key, claim, answer in zip(wanted, claims, await store.claim(claims), strict=True):
            assert answer.kind in ("run", "moved"), answer
            assert answer.state.mark is not None
            assert claim.run is not None
            own += answer.run is not None and answer.run.id == claim.run.id
            marks[key] = answer.state.mark
    return own


async def main(url: str, schema: str, start: str, jobs: int, ticks: int) -> None:
    async with PostgresStore(url, project="conformance", schema=schema) as store:
        print(await work_off(store, datetime.fromisoformat(start), jobs, ticks))


if __name__ == "__main__":
    asyncio.run(main(*json.loads(sys.argv[1])))
