"""Threads that were left behind: their attempts are over, their leases are not.

Nobody can stop a thread. Until it ends, or this process does, it counts as its run at work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

import anyio

from jobkit.exceptions import StoreError
from jobkit.logs import get_logger

if TYPE_CHECKING:
    from jobkit.runner.executors.thread import ThreadCall
    from jobkit.runner.leases import LeaseKeeper
    from jobkit.stores.base import Lease, Store

#: How long a store that does not answer is left alone, in seconds.
_PAUSE = 5.0


class AbandonsLeases(Protocol):
    """What a store does for threads that were left behind."""

    async def abandon(self, lease: Lease) -> bool:
        """Have *lease* outlive its attempt; before ``finish`` or ``retry_later``. False if it was fenced."""
        ...

    async def release_abandoned(self, lease: Lease) -> None:
        """Its thread has ended, and the lease ends with it. Idempotent."""
        ...


class AbandonedLeases:
    """The leases of threads that were left behind. *start* starts a task that lasts as long as the runner,
    *freed* is called when one of them has ended.

    Belongs to the event loop.
    """

    def __init__(
        self,
        store: Store,
        leases: LeaseKeeper,
        start: Callable[..., object],
        freed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = cast("AbandonsLeases", store) if hasattr(store, "abandon") else None
        self._leases = leases
        self._start = start
        self._freed = freed

    async def abandon(self, lease: Lease) -> bool:
        """Mark *lease*; False if the store cannot, or it was fenced."""
        return self._store is not None and await self._store.abandon(lease)

    def keep(self, lease: Lease, thread: ThreadCall) -> None:
        """Renew the marked *lease*, of a run that needs it no more, until *thread* has ended."""
        self._leases.abandon(lease)
        self._start(self._release_after, lease, thread, name=f"thread of {thread.label}")

    async def release(self, lease: Lease) -> None:
        """The thread has ended. StoreUnavailable if that is to be told again."""
        if self._store is not None:
            await self._store.release_abandoned(lease)

    async def _release_after(self, lease: Lease, thread: ThreadCall) -> None:
        log: Any = get_logger().bind(run_id=lease.run_id, thread=thread.label)
        log.warning("thread.abandoned")
        await thread.ended.wait()
        told = False
        while True:
            try:
                await self.release(lease)
                break
            except StoreError as error:
                if not told:
                    log.warning("lease.unreleased", error=str(error))
                told = True
            await anyio.sleep(_PAUSE)
        self._leases.release_abandoned(lease)
        self._freed()
        log.info("thread.ended")
