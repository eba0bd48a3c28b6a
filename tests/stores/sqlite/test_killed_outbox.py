"""Processes that are killed around the end of a run: what finished waits, and what waits has finished."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from jobkit.processes import ProcessIdentity
from jobkit.statuses import RunStatus
from jobkit.stores.base import RunQuery
from jobkit.stores.outbox import OutboxVerdict
from jobkit.stores.sqlite.store import SqliteStore
from tests.stores.sqlite.children import Child, is_whole

Open = Callable[..., SqliteStore]

LEASE = timedelta(minutes=5)

DELIVERER = """
from datetime import timedelta
from jobkit.stores.outbox import OutboxVerdict, SinkRegistration

async def main():
    async with store:
        await store.register_sinks([SinkRegistration("sink", timedelta(days=7))])
        lease = await store.take_sink("sink", request.owner, timedelta(minutes=5))
        for _ in range(3):
            record, running = await store.add_and_start(new(), request)
            await store.finish(running, done())
            say(record.id)
        first = (await store.outbox("sink"))[0]
        gone = [OutboxVerdict(first.id, "delivered")]
        say(await store.settle_outbox(lease, gone, failures=0, suspended_until=None, error=None))
        sys.stdin.readline()

anyio.run(main)
"""

# Before each statement of the writer's connection the child may be killed; step 0 is never.
ENDS_RUNS = """
from datetime import timedelta
from jobkit.stores.outbox import SinkRegistration

WRONG

async def main():
    async with store:
        await store.register_sinks([SinkRegistration("sink", timedelta(days=7))])
        _, one = await store.add_and_start(new(), request)
        _, other = await store.add_and_start(new(), request)
        left = STEP

        def killed(statement):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        await store._database.write(lambda connection: connection.set_trace_callback(killed))
        await store.finish(one, done())
        await store.settle(other, dead=True)

anyio.run(main)
"""

APART = """
from jobkit.stores.sqlite import outbox
add = outbox.add
outbox.add = lambda connection, run, at: None

class Apart(SqliteStore):
    async def finish(self, lease, outcome):
        record = await super().finish(lease, outcome)
        await self._database.write(lambda connection: add(connection, record.number, 10**15 * 2))
        return record

store = Apart(path, project="shop", root=path.parent)
"""


@pytest.fixture
def anyio_backend() -> str:
    """The loop of this process has no part in what its children do."""
    return "asyncio"


async def test_a_process_killed_between_finish_and_delivery(
    open_store: Open, child: Callable[[str], Child], database: Path
) -> None:
    """What it had recorded and not delivered waits for the next, who need not wait for its lease."""
    here = ProcessIdentity.current()

    def dead(owner: ProcessIdentity) -> bool:
        return owner.dead(expired=False)

    victim = child(DELIVERER)
    runs = [json.loads(victim.output.readline())[0] for _ in range(3)]
    assert json.loads(victim.output.readline()) == [True]
    async with open_store() as store:
        assert await store.take_sink("sink", here, LEASE, dead=dead) is None
    victim.kill()
    async with open_store() as store:
        entries = await store.outbox("sink")
        assert [entry.run_id for entry in entries] == runs[1:]
        lease = await store.take_sink("sink", here, LEASE, dead=dead)
        assert lease is not None
        verdicts = [OutboxVerdict(entry.id, "delivered") for entry in entries]
        assert await store.settle_outbox(lease, verdicts, failures=0, suspended_until=None, error=None)
        assert await store.outbox("sink") == []
    assert is_whole(database)


async def _torn(open_store: Open, child: Callable[[str], Child], wrong: str) -> tuple[int, list[int]]:
    """How many steps there are, and after which of them a kill left a run apart from its entry."""
    torn, step = [], 0
    while True:
        step += 1
        one = child(ENDS_RUNS.replace("WRONG", wrong).replace("STEP", str(step)))
        _, errors = one.process.communicate(timeout=60)
        assert one.process.returncode in {0, -9}, errors
        async with open_store() as store:
            ended = [RunStatus.SUCCEEDED, RunStatus.LOST]
            found = (await store.runs(RunQuery(statuses=ended, limit=1000))).runs
            waiting = await store.outbox("sink", limit=1000)
            if sorted(run.id for run in found) != sorted(entry.run_id for entry in waiting):
                torn.append(step)
            # The next step begins with nothing that could hide or repeat what this one did.
            await store.remove_sink("sink")
            await store.prune(await store.now() + timedelta(days=1))
        if one.process.returncode == 0:
            return step, torn


async def test_a_process_killed_at_any_step_of_finishing(
    open_store: Open, child: Callable[[str], Child], database: Path
) -> None:
    """Before each of its statements, those that begin and commit among them: both are there, or neither."""
    steps, torn = await _torn(open_store, child, "")
    assert torn == []
    assert steps > 10
    assert is_whole(database)


async def test_two_transactions_would_be_seen(open_store: Open, child: Callable[[str], Child]) -> None:
    """The control: a store that writes what waits after the commit is torn by the same kills."""
    _, torn = await _torn(open_store, child, APART)
    assert torn
