"""Waking: whoever sleeps hears of what others have written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
import anyio.lowlevel
import pytest

from jobkit.exceptions import StoreError
from jobkit.statuses import RunStatus
from jobkit.stores.base import Store
from jobkit.stores.replicas import Event, Replica
from jobkit.testing.conformance.kit import (
    HERE,
    JOB,
    SECOND,
    START,
    Cases,
    OpenStore,
    StoreClock,
    new_run,
    outcome,
    request,
    scheduled,
    started,
)

_LONG: Final = 60.0


async def _cancelled(store: Store) -> None:
    _, lease = await started(store)
    await store.request_cancel(lease.run_id, by="ops")


async def _finished(store: Store) -> None:
    _, lease = await started(store, limits=("db",))
    await store.finish(lease, outcome())


async def _queued_again(store: Store) -> None:
    _, lease = await started(store, attempts=2)
    await store.retry_later(lease, outcome(RunStatus.FAILED), START)


async def _settled(store: Store) -> None:
    _, lease = await started(store, attempts=2)
    await store.settle(lease, dead=True, retry_at=START)


async def _thread_ended(store: Store) -> None:
    _, lease = await started(store)
    await store.abandon(lease)
    await store.finish(lease, outcome(RunStatus.TIMED_OUT))
    await store.release_abandoned(lease)


async def _registered(store: Store) -> None:
    replica = Replica(id="one", kind="worker", owner=HERE, node="", interval=SECOND)
    await store.register_replica(replica)


async def _happened(store: Store) -> None:
    await store.add_events([Event("overrides.written", START, "job")])


_WRITES: Final[dict[str, Callable[[Store], Awaitable[Any]]]] = {
    "a run is queued": lambda store: store.add_run(new_run()),
    "a run is queued again": _queued_again,
    "a run was lost": _settled,
    "a limit is free": _finished,
    "a thread has ended": _thread_ended,
    "a cancellation": _cancelled,
    "a pause": lambda store: store.pause("job", by="ops"),
    "a schedule": lambda store: scheduled(store, JOB),
    "a replica": _registered,
    "an event": _happened,
}


class WakeCases(Cases):
    """Sleeping until there is something to do."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("write", _WRITES)
    async def test_a_write_of_another_wakes(self, open_store: OpenStore, write: str) -> None:
        """At once, not when the time is over."""
        woken: list[bool] = []

        async def sleep(store: Store) -> None:
            woken.append(await store.wait(_LONG))

        async with open_store() as one, open_store() as other:
            await one.wait(0)
            with anyio.fail_after(_LONG / 2):
                async with anyio.create_task_group() as tasks:
                    for _ in range(2):
                        tasks.start_soon(sleep, one)
                    await anyio.wait_all_tasks_blocked()
                    await _WRITES[write](other)
        assert woken == [True, True]

    async def test_what_was_written_before_is_not_missed(self, open_store: OpenStore) -> None:
        """Since the wait before; it ends one wait, however much it was."""
        async with open_store() as one, open_store() as other:
            assert await one.wait(0) is False
            for _ in range(5):
                await other.add_run(new_run())
            assert await one.wait(_LONG) is True
            assert await one.wait(0.01) is False

    async def test_nobody_wakes_himself(self, open_store: OpenStore, clock: StoreClock) -> None:
        """What a store object has written it knows."""
        async with open_store() as one, open_store() as other:
            await one.wait(0)
            await other.wait(0)
            for write in _WRITES.values():
                await write(one)
            assert await one.wait(0.01) is False
            assert await other.wait(_LONG) is True

    async def test_whoever_gives_up_wakes_nobody(self, open_store: OpenStore) -> None:
        """A wait that was cancelled, and a store that was closed, leave nothing behind."""
        async with open_store() as one:
            async with open_store() as other:
                with anyio.move_on_after(0.01):
                    await other.wait(_LONG)
            await one.add_run(new_run())
            with pytest.raises(StoreError):
                await other.wait(0)
            async with other:
                assert await other.wait(0) is False
                await one.add_run(new_run())
                assert await other.wait(_LONG) is True

    async def test_a_sleeping_store_can_be_used(self, store: Store) -> None:
        """By other tasks, as ever."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.wait, _LONG)
            await anyio.lowlevel.checkpoint()
            record, lease = await store.add_and_start(new_run(), request())
            assert await store.finish(lease, outcome()) is not None
            assert (await store.run(record.id)).status is RunStatus.SUCCEEDED
            tasks.cancel_scope.cancel()
