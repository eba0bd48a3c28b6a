"""Runs that wait for others of their job, or for a limit: when to look again, and what they wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from jobkit.exceptions import StoreError
from jobkit.runner.outcome import Stop
from jobkit.runner.settling import Settlement
from jobkit.statuses import Reason, RunStatus
from jobkit.stores.waking import POLL

if TYPE_CHECKING:
    from jobkit.clock import Clock
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.runner.environment import Environment
    from jobkit.runner.request import Request
    from jobkit.stores.base import OpenLease, Store


class Turns:
    """Wakes the runs of a process that wait; asks the store only while there are any.

    *start* starts a task that lasts as long as the runner. Where it *settles*, leases of the dead are
    settled while somebody waits: nobody else would do it. Belongs to the event loop.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        lease: timedelta,
        jobs: Mapping[str, JobSpec],
        start: Callable[..., object],
        *,
        settles: bool,
    ) -> None:
        self._store = store
        self._settlement = Settlement(store, clock, lease, jobs) if settles else None
        self._clock = clock
        self._pause = min(POLL, lease.total_seconds())
        self._start = start
        self._waiting = 0
        self._scope: anyio.CancelScope | None = None
        #: Set once something may have changed. To be read before a try whose failure it is to follow.
        self.change = anyio.Event()

    def changed(self) -> None:
        """Something has ended here that others may wait for."""
        if self._waiting:
            change, self.change = self.change, anyio.Event()
            change.set()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Have :attr:`change` set when other processes change something, and from time to time."""
        self._waiting += 1
        if self._scope is None:
            self._scope = anyio.CancelScope()
            self._start(self._listen, self._scope)
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and self._scope is not None:
                self._scope.cancel()
                self._scope = None

    async def _listen(self, scope: anyio.CancelScope) -> None:
        with scope:
            settle_at = self._clock.monotonic()
            while True:
                try:
                    if self._settlement is not None and self._clock.monotonic() >= settle_at:
                        await self._settlement.settle()
                        settle_at = self._clock.monotonic() + self._pause
                        self.changed()
                    await self._store.wait(self._pause)
                except StoreError:  # whoever waits asks it too, and says so
                    if self._settlement is not None:
                        self._settlement.disconnected()
                    await anyio.sleep(self._pause)
                self.changed()


async def make_way(environment: Environment, record: RunRecord) -> None:
    """Stop the runs of this process that were asked to end for *record*, a run of their job."""
    others = [other for other in environment.going_on if other != record.id]
    try:
        requests = await environment.store.cancel_requests(others) if others else {}
    except StoreError:
        return  # they are asked again by whoever looks after such requests
    for other, request in requests.items():
        run = environment.going_on.get(other)
        if run is not None and request.by == f"run {record.number}":
            said = f"{request.by} of the same job took its place"
            run.stop(Stop(RunStatus.CANCELLED, said, Reason.SUPERSEDED))


async def waits_for(environment: Environment, request: Request, run_id: str) -> str:
    """What the run of *request* waits for, in words; empty if that is not known (any more)."""
    spec = request.spec
    try:
        leases = [held for held in await environment.store.open_leases() if held.lease.run_id != run_id]
        if spec.overlap != "allow":
            for held in leases:
                if held.job == spec.name and _executing(held) and _same_node(environment, spec, held):
                    number = (await environment.store.run(held.lease.run_id)).number
                    return f"the thread of run {number}" if held.status.finished else f"run {number}"
    except StoreError:
        return ""
    return _full_limit(environment, request.limits, leases)


def _executing(held: OpenLease) -> bool:
    """Whether nothing that has to be alone may start beside it."""
    return held.abandoned or held.status is RunStatus.RUNNING or held.lease.attempt > 0


def _same_node(environment: Environment, spec: JobSpec, held: OpenLease) -> bool:
    return spec.scope != "node" or held.lease.node == environment.node


def _full_limit(environment: Environment, limits: tuple[str, ...], leases: list[OpenLease]) -> str:
    capped = [(name, environment.limits[name]) for name in limits if name in environment.limits]
    if len(capped) > 1:
        holding = [held for held in leases if held.abandoned or held.status is RunStatus.RUNNING]
        specs = [environment.jobs.get(held.job) for held in holding]
        taken = [name for spec in specs if spec is not None for name in spec.limits]
        capped = [(name, most) for name, most in capped if taken.count(name) >= most] or capped
    return f"limit {capped[0][0]} ({capped[0][1]} of {capped[0][1]})" if capped else ""
