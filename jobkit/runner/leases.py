"""The right to execute a run, kept up while it lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from jobkit.exceptions import StoreError
from jobkit.logs import get_logger

if TYPE_CHECKING:
    from jobkit.clock import Clock, Ticker
    from jobkit.runner.orders import Limit
    from jobkit.stores.base import Lease, Store

#: The share of its duration after which a lease is renewed: two renewals may fail.
RENEWED_AFTER = 0.3
#: How long after its deadline an attempt keeps its lease, if it is not over: by then it is stuck.
GRACE = timedelta(seconds=60)


@dataclass(slots=True)
class _Held:
    lease: Lease
    limit: Limit | None
    given_up: bool = False


class LeaseKeeper:
    """Renews the leases of this process, all in one call, from a thread that exists while there are any.

    *on_lost* is called in that thread with a lease that somebody else has ended. ``hold``,
    ``release`` and ``stop`` may be called from any thread. A run that is far beyond its deadline, and every
    run while *stalled* says that the event loop does nothing any more, is not kept from others for ever.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        duration: timedelta,
        on_lost: Callable[[Lease], None],
        stalled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._interval = duration * RENEWED_AFTER
        self._on_lost = on_lost
        self._stalled = stalled
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._abandoned: dict[tuple[str, int], Lease] = {}
        self._ticker: Ticker | None = None
        self._failing = False

    @property
    def any_held(self) -> bool:
        """Whether there is anything to renew."""
        return bool(self._held or self._abandoned)

    def hold(self, lease: Lease, limit: Limit | None = None) -> None:
        """Renew *lease* from now on, in the place of an older one of the same run.

        Not beyond :data:`GRACE` after *limit*, which may move meanwhile.
        """
        with self._lock:
            self._held[lease.run_id] = _Held(lease, limit)
            self._begin()

    def abandon(self, lease: Lease) -> None:
        """Renew *lease*, beside what its run has later, until the thread that goes on under it has ended.

        However late that is: nothing else keeps the job from being started beside it.
        """
        with self._lock:
            self._abandoned[lease.run_id, lease.fence] = lease
            self._begin()

    def release_abandoned(self, lease: Lease) -> None:
        """Its thread has ended. Idempotent."""
        self._abandoned.pop((lease.run_id, lease.fence), None)

    def release(self, run_id: str) -> None:
        """Renew the lease of that run no more. Idempotent."""
        self._held.pop(run_id, None)

    def stop(self) -> None:
        """Renew nothing any more; waits for a renewal in progress, a few seconds at most. Idempotent."""
        with self._lock:
            self._held.clear()
            self._abandoned.clear()
            ticker, self._ticker = self._ticker, None
        if ticker is not None:
            ticker.stop()

    def _begin(self) -> None:
        if self._ticker is None:
            self._ticker = self._clock.every(self._interval, self._renew, name="jobkit-leases")

    def _renew(self) -> None:
        with self._lock:
            held, abandoned = tuple(self._held.values()), tuple(self._abandoned.values())
            if (
                not held and not abandoned and self._ticker is not None
            ):  # an idle process does not wake up for nothing
                self._ticker.stop()
                self._ticker = None
        leases = (*(one.lease for one in held if self._is_renewed(one)), *abandoned)
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
            held_now = self._held.get(lease.run_id)
            if lease.run_id not in standing and held_now is not None and held_now.lease is lease:
                self._on_lost(lease)

    def _is_renewed(self, held: _Held) -> bool:
        limit = held.limit
        if limit is not None and self._clock.monotonic() > limit.monotonic + GRACE.total_seconds():
            if not held.given_up:
                held.given_up = True
                get_logger().error("lease.given_up", run_id=held.lease.run_id, deadline=str(limit.at))
            return False
        return not self._stalled()
