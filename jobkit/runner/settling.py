"""Leases whose owners are gone: their attempts are ``lost``, and their runs tried again or lost with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from jobkit.exceptions import StoreUnavailable
from jobkit.processes import ProcessIdentity

if TYPE_CHECKING:
    from jobkit.clock import Clock
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.stores.base import OpenLease, Store

_NO_JOBS: Mapping[str, JobSpec] = MappingProxyType({})


async def settle_dead(store: Store, jobs: Mapping[str, JobSpec] = _NO_JOBS) -> frozenset[str]:
    """End the leases of processes of this host that run no more: their attempts are ``lost``.

    For every command, before it reads or runs anything. Living owners and those of other hosts are left
    alone. *jobs* say how long to wait before another attempt; of others it may begin at once. Gives the ids
    of runs that are lost although the store, being read-only, says otherwise.
    """
    dead = [lease for lease in await store.open_leases() if lease.lease.owner.dead(expired=lease.expired)]
    if store.read_only:
        return frozenset(lease.lease.run_id for lease in dead)
    for lease in dead:
        await _settle(store, lease, jobs, dead=True)
    return frozenset()


@dataclass(frozen=True, slots=True)
class Settled:
    """What a :class:`Settlement` did: *runs* as they stand now. *again* is when others could be settled that
    cannot yet, None if there are none. *open* says whether there was any lease, this process's own too."""

    runs: tuple[RunRecord, ...]
    again: timedelta | None
    open: bool = False


class Settlement:
    """Settles the leases of others for one replica, wherever they were.

    Who is known to be dead, on this host, at once. Who is not heard of, once its lease has expired; but only
    after this replica itself has been connected for one full lease: if the store was away, nobody could
    renew. Belongs to one task; *lease* is the duration of this replica's own.
    """

    def __init__(
        self, store: Store, clock: Clock, lease: timedelta, jobs: Mapping[str, JobSpec] = _NO_JOBS
    ) -> None:
        self._store = store
        self._clock = clock
        self._lease = lease
        self._jobs = jobs
        self._since: float | None = None
        self._last = 0.0

    def disconnected(self) -> None:
        """The store does not answer, as somebody else in this process has noticed."""
        self._since = None

    async def settle(self) -> Settled:
        """Settle what can be settled now. To be called from time to time, at least once each lease while
        ``again`` says so: of a longer silence nobody knows what the store was like.

        StoreUnavailable, and the time of being connected begins anew.
        """
        try:
            leases = await self._store.open_leases()
        except StoreUnavailable:
            self.disconnected()
            raise
        connected = self._connected()
        here = ProcessIdentity.current()
        runs: list[RunRecord | None] = []
        again: list[timedelta] = []
        for lease in leases:
            if lease.lease.owner.dead(expired=lease.expired):
                runs.append(await self._end(lease, dead=True))
            elif lease.expired and lease.lease.owner != here:
                missing = max(self._lease, lease.lease.duration) - connected
                if missing <= timedelta(0):
                    runs.append(await self._end(lease, dead=False))
                else:
                    again.append(missing)
        ended = tuple(run for run in runs if run is not None)
        return Settled(ended, min(again, default=None), bool(leases))

    async def _end(self, lease: OpenLease, *, dead: bool) -> RunRecord | None:
        try:
            return await _settle(self._store, lease, self._jobs, dead=dead)
        except StoreUnavailable:
            self.disconnected()
            raise

    def _connected(self) -> timedelta:
        """For how long without a break; the store has answered just now."""
        now = self._clock.monotonic()
        silence, self._last = now - self._last, now
        if self._since is None or silence > 1.5 * self._lease.total_seconds():
            self._since = now
        return timedelta(seconds=now - self._since)


async def _settle(
    store: Store, lease: OpenLease, jobs: Mapping[str, JobSpec], *, dead: bool
) -> RunRecord | None:
    retry_at = await _retry_at(store, lease, jobs) if _may_retry(lease) else None
    return await store.settle(lease.lease, dead=dead, retry_at=retry_at)


async def _retry_at(store: Store, lease: OpenLease, jobs: Mapping[str, JobSpec]) -> datetime:
    now, spec = await store.now(), jobs.get(lease.job)
    return now if spec is None else now + spec.retries.pause(lease.lease.attempt, lease.lease.run_id)


def _may_retry(lease: OpenLease) -> bool:
    """A pinned run dies with its process; any other is tried again while it has attempts left."""
    return not lease.lease.pinned and lease.lease.attempt < lease.attempts
