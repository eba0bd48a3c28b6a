"""The right to execute a run: kept up while it lasts, and ended for those who died with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from jobkit.exceptions import StoreError
from jobkit.logs import get_logger

if TYPE_CHECKING:
    from jobkit.clock import Clock, Ticker
    from jobkit.stores.base import Lease, OpenLease, Store

#: The share of its duration after which a lease is renewed: two renewals may fail.
RENEWED_AFTER = 0.3


class LeaseKeeper:
    """Renews the leases of this process, all in one call, from a thread that exists while there are any.

    *on_lost* is called in that thread with a lease that somebody else has ended. ``hold``,
    ``release`` and ``stop`` may be called from any thread.
    """

    def __init__(
        self, store: Store, clock: Clock, duration: timedelta, on_lost: Callable[[Lease], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._interval = duration * RENEWED_AFTER
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._held: dict[str, Lease] = {}
        self._ticker: Ticker | None = None
        self._failing = False

    def hold(self, lease: Lease) -> None:
        """Renew *lease* from now on, in the place of an older one of the same run."""
        with self._lock:
            self._held[lease.run_id] = lease
            if self._ticker is None:
                self._ticker = self._clock.every(self._interval, self._renew, name="jobkit-leases")

    def release(self, run_id: str) -> None:
        """Renew the lease of that run no more. Idempotent."""
        self._held.pop(run_id, None)

    def stop(self) -> None:
        """Renew nothing any more; waits for a renewal in progress, a few seconds at most. Idempotent."""
        with self._lock:
            self._held.clear()
            ticker, self._ticker = self._ticker, None
        if ticker is not None:
            ticker.stop()

    def _renew(self) -> None:
        with self._lock:
            leases = tuple(self._held.values())
            if not leases and self._ticker is not None:  # an idle process does not wake up for nothing
                self._ticker.stop()
                self._ticker = None
        if not leases:
            return
        try:
            standing = self._store.renew(leases)
        except StoreError as error:
            # A lease that ran out is still renewed by its owner as long as nobody else has taken it.
            if not self._failing:
                get_logger().warning("lease.unrenewed", error=str(error), leases=len(leases))
            self._failing = True
            return
        self._failing = False
        for lease in leases:
            if lease.run_id not in standing and self._held.get(lease.run_id) is lease:
                self._on_lost(lease)


async def settle_dead(store: Store) -> frozenset[str]:
    """End the leases of processes of this host that run no more: their attempts are ``lost``.

    For every command, before it reads or runs anything. Living owners and those of other hosts are left
    alone. Gives the ids of runs that are lost although the store, being read-only, says otherwise.
    """
    dead = [lease for lease in await store.open_leases() if lease.lease.owner.dead(expired=lease.expired)]
    if store.read_only:
        return frozenset(lease.lease.run_id for lease in dead)
    for lease in dead:
        await store.settle(lease.lease, dead=True, retry_at=await store.now() if _may_retry(lease) else None)
    return frozenset()


def _may_retry(lease: OpenLease) -> bool:
    """A pinned run dies with its process; any other is tried again while it has attempts left."""
    return not lease.lease.pinned and lease.lease.attempt < lease.attempts
