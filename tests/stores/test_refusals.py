"""What stores refuse about single runs: with a code, and in text that can be shown."""

from __future__ import annotations

import pytest

from jobkit.codes import explanation
from jobkit.exceptions import RunInTheWay, RunNotFound, StoreError
from jobkit.statuses import RunStatus
from jobkit.stores.memory import MemoryStore
from jobkit.testing.conformance.kit import THERE, new_run, outcome, request


@pytest.mark.parametrize(
    "reference", [1423, pytest.param(10**5000, id="huge"), "\x1b[2J\ud800", "x" * 10_000]
)
async def test_an_unknown_run(reference: int | str) -> None:
    """It is named as it was asked for, made safe and short; `jobkit history` is where to look."""
    async with MemoryStore(project="p") as store:
        with pytest.raises(RunNotFound) as refused:
            await store.run(reference)
    error = refused.value
    assert error.code == "JK603"
    assert explanation("JK603") is not None
    assert error.message.isprintable()
    assert len(error.message) < 150
    assert "jobkit history" in (error.help or "")


async def test_an_id_that_was_used_before() -> None:
    """A new id is the way out."""
    async with MemoryStore(project="p") as store:
        run = new_run()
        await store.add_and_start(run, request())
        with pytest.raises(StoreError) as refused:
            await store.add_and_start(run, request(THERE))
        assert refused.value.code == "JK621"
        assert explanation("JK621") is not None
        _, lease = await store.add_and_start(new_run(), request(THERE))
        assert lease.owner == THERE


async def test_a_run_that_is_in_the_way() -> None:
    """JK533 names it, and what its page advises helps: cancel it, or let runs of the job wait."""
    async with MemoryStore(project="p") as store:
        running, lease = await store.add_and_start(new_run(), request())
        with pytest.raises(RunInTheWay) as refused:
            await store.add_run(new_run(), overlap="skip")
        error = refused.value
        assert (error.code, error.run) == ("JK533", running)
        assert error.message.startswith("run 1 of job is in the way: it is running, begun 20")
        assert "jobkit cancel 1" in (explanation("JK533") or "").replace("1423", "1")
        assert (await store.add_run(new_run(), overlap="queue")).number == 2
        await store.request_cancel(running.id, by="ops")
        await store.finish(lease, outcome(RunStatus.CANCELLED))
        await store.request_cancel((await store.run(2)).id, by="ops")
        assert (await store.add_run(new_run(), overlap="skip")).number == 3


async def test_a_thread_that_is_in_the_way() -> None:
    """Its run has ended, and the message says so."""
    async with MemoryStore(project="p") as store:
        _, lease = await store.add_and_start(new_run(), request())
        await store.abandon(lease)
        await store.finish(lease, outcome(RunStatus.TIMED_OUT))
        with pytest.raises(RunInTheWay, match="its thread still runs after it timed out"):
            await store.add_run(new_run(), overlap="skip")
