"""Processes that are killed in the middle of a claim: a tick is accounted for, or it is still to be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from jobkit.records import RunRecord
from jobkit.statuses import RunStatus
from jobkit.stores.base import RunQuery
from jobkit.stores.ledger import JobKey, JobState, SpanQuery
from jobkit.stores.sqlite.store import SqliteStore
from tests.stores.sqlite.children import Child, is_whole

Open = Callable[..., SqliteStore]

SECOND = timedelta(seconds=1)

# Before each statement of the writer's connection the child may be killed; step 0 is never. It claims a tick
# that passes over others, and for which a run that waits for its retry has to give way.
CLAIMS = """
from dataclasses import replace
from datetime import datetime, timedelta
from jobkit.stores.ledger import Claim, JobKey, JobRegistration, Span
from jobkit.stores.outbox import SinkRegistration

WRONG

SECOND = timedelta(seconds=1)
KEY = JobKey(f"job-{os.getpid()}")

def run(**options):
    return replace(new(**options), job=KEY.job)

async def main():
    async with store:
        mark = await store.now() - 60 * SECOND
        await store.register_sinks([SinkRegistration("sink", timedelta(days=7))])
        await store.register_jobs([JobRegistration(KEY, "h", mark)])
        record, lease = await store.add_and_start(run(attempts=2), request)
        failed = replace(done(), status=RunStatus.FAILED)
        await store.retry_later(lease, failed, mark)
        left = STEP

        def killed(statement):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        await store._database.write(lambda connection: connection.set_trace_callback(killed))
        first, tick = mark + SECOND, mark + 5 * SECOND
        passed = Span(KEY.job, "", "misfire", None, first, tick - SECOND, 4)
        new_run = run(scheduled_at=tick)
        claim = Claim(KEY, mark, "h", tick, passed=passed, run=new_run, tick=tick, overlap="skip")
        [answer] = await store.claim([claim])
        assert answer.kind == "run", answer
        first, last = tick + SECOND, tick + 3 * SECOND
        span = Span(KEY.job, "", "paused", "ops", first, last, 3)
        [answer] = await store.claim([Claim(KEY, tick, "h", last, span=span)])
        assert answer.kind == "span", answer

anyio.run(main)
"""

APART = """
from jobkit.stores.sqlite import claims

move = claims._move
claims._move = lambda connection, step, state, span: (step.mark, *state[1:3])

class Apart(SqliteStore):
    async def claim(self, claims_):
        answers = await super().claim(claims_)
        step = claims.step_of(claims_[0])
        await self._database.write(lambda connection: move(connection, step, (0, "", 0), None))
        return answers

store = Apart(path, project="shop", root=path.parent)
"""


@pytest.fixture
def anyio_backend() -> str:
    """The loop of this process has no part in what its children do."""
    return "asyncio"


async def _accounted(store: SqliteStore, job: str) -> list[datetime]:
    """The ticks that something accounts for, in order."""
    ticks: list[datetime] = []
    for record in (await store.spans(SpanQuery(jobs=[job], limit=100))).spans:
        ticks += [record.span.first + number * SECOND for number in range(record.span.count)]
    ticks += [run.scheduled_at for run in await _runs(store, job) if run.scheduled_at is not None]
    return sorted(ticks)


async def _runs(store: SqliteStore, job: str) -> tuple[RunRecord, ...]:
    return (await store.runs(RunQuery(jobs=[job], limit=100))).runs


async def _torn(open_store: Open, child: Callable[[str], Child], wrong: str) -> tuple[int, list[int]]:
    """How many steps there are, and after which a kill left a mark apart from what accounts for it."""
    torn: list[int] = []
    seen: set[JobKey] = set()
    step = 0
    while True:
        step += 1
        one = child(CLAIMS.replace("WRONG", wrong).replace("STEP", str(step)))
        _, errors = one.process.communicate(timeout=60)
        assert one.process.returncode in {0, -9}, errors
        async with open_store() as store:
            states = await store.job_states()
            [key] = set(states) - seen
            seen.add(key)
            if not await _is_consistent(store, states[key]):
                torn.append(step)
        if one.process.returncode == 0:
            return step, torn


async def _is_consistent(store: SqliteStore, state: JobState) -> bool:
    """The ticks up to the mark are accounted for, no others are, and what gave way has ended with it."""
    ticks = await _accounted(store, state.key.job)
    if any(after - before != SECOND for before, after in pairwise(ticks)):
        return False
    runs = await _runs(store, state.key.job)
    [tried] = [run for run in runs if run.scheduled_at is None]
    waits = {entry.run_id for entry in await store.outbox("sink", limit=10_000)}
    if not ticks:
        return tried.status is RunStatus.QUEUED and tried.id not in waits
    ended = (tried.status, tried.reason) == (RunStatus.FAILED, "superseded") and tried.id in waits
    return ended and ticks[-1] == state.mark and len(ticks) in {5, 8}


async def test_a_process_killed_at_any_step_of_a_claim(
    open_store: Open, child: Callable[[str], Child], database: Path
) -> None:
    """Before each of its statements, those that begin and commit among them: all is there, or nothing."""
    steps, torn = await _torn(open_store, child, "")
    assert torn == []
    assert steps > 15
    assert is_whole(database)


async def test_a_mark_that_moves_later_would_be_seen(open_store: Open, child: Callable[[str], Child]) -> None:
    """The control: a store that moves the mark after the commit is torn by the same kills."""
    _, torn = await _torn(open_store, child, APART)
    assert torn
