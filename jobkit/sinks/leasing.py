"""The right to deliver to one sink: taken for a while, kept up meanwhile, given back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from jobkit.exceptions import StoreError

if TYPE_CHECKING:
    from jobkit.processes import ProcessIdentity
    from jobkit.stores.base import Store
    from jobkit.stores.outbox import SinkLease

#: The share of its duration after which a lease is renewed: two renewals may fail.
RENEWED_AFTER = 0.3


class LeaseLost(Exception):
    """Another process delivers to this sink now, or it was removed."""


class Leaseholder:
    """Takes, renews and releases the lease of one sink for this process."""

    def __init__(self, store: Store, name: str, identity: ProcessIdentity, duration: timedelta) -> None:
        self._store = store
        self._name = name
        self._identity = identity
        self._duration = duration

    async def take(self) -> SinkLease | None:
        """The lease; None if another living process has it, or nobody registered the sink. StoreError."""
        return await self._store.take_sink(self._name, self._identity, self._duration, dead=_is_dead)

    async def keep(self, lease: SinkLease, lost: anyio.CancelScope) -> None:
        """Renew *lease* until cancelled; cancels *lost* once it is, or may be, somebody else's."""
        seconds = self._duration.total_seconds()
        ends = anyio.current_time() + seconds
        while True:
            await anyio.sleep(seconds * RENEWED_AFTER)
            asked = anyio.current_time()
            # As long as it has not run out it is ours, whether or not the store answers now.
            with anyio.move_on_after(ends - asked) as answered:
                try:
                    renewed = await self.take()
                except StoreError:
                    continue
            if answered.cancelled_caught or renewed is None or renewed.fence != lease.fence:
                lost.cancel()
                return
            ends = asked + seconds

    async def release(self, lease: SinkLease) -> None:
        """Let others deliver at once. If the store cannot be reached the lease ends by itself."""
        try:
            await self._store.release_sink(lease)
        except StoreError:
            return


def _is_dead(owner: ProcessIdentity) -> bool:
    # Whether the lease has expired is the store's to judge: here only what is certain counts.
    return owner.dead(expired=False)
