"""What all runs of a runner share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio

from jobkit.statuses import Reason

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.processes import ProcessIdentity
    from jobkit.protocols import RunsChildren
    from jobkit.records import RunRecord
    from jobkit.runner.abandoned import AbandonedLeases
    from jobkit.runner.journal import Journals
    from jobkit.runner.leases import LeaseKeeper
    from jobkit.runner.loop_guard import LoopGuard
    from jobkit.runner.observer import Audience
    from jobkit.runner.orders import Limit
    from jobkit.runner.outcome import Stop
    from jobkit.runner.request import Request
    from jobkit.runner.site import Site
    from jobkit.runner.turns import Turns
    from jobkit.stores.base import Lease, Store

T = TypeVar("T")


class Stoppable(Protocol):
    """A run that goes on here."""

    def stop(self, stop: Stop) -> None:
        """Cancel it; the first reason counts."""
        ...


@dataclass(slots=True)
class Environment:
    """The parts of a :class:`~jobkit.runner.Runner`, as its runs use them."""

    jobs: Mapping[str, JobSpec]
    store: Store
    site: Site
    leases: LeaseKeeper
    guard: LoopGuard | None
    journals: Journals
    audience: Audience
    identity: ProcessIdentity
    node: str
    lease: timedelta
    secrets: frozenset[str]
    children: Callable[[Request, RunRecord, Limit | None], RunsChildren]
    cancel_reason: Reason = Reason.INTERRUPTED
    #: How many runs may hold each named limit.
    limits: Mapping[str, int] = field(default_factory=dict)
    #: Set once the runner is entered.
    abandoned: AbandonedLeases = field(init=False)
    turns: Turns = field(init=False)
    going_on: dict[str, Stoppable] = field(default_factory=dict)
    #: Queued runs that are being taken up, or were: a second delivery must not find the lease of the first.
    taken_up: set[str] = field(default_factory=set)
    #: By job, how many results are to be written.
    unrecorded: Counter[str] = field(default_factory=Counter)
    #: The pauses of runs that wait for a store that is away.
    naps: set[anyio.CancelScope] = field(default_factory=set)

    def hold(self, lease: Lease, limit: Limit | None = None) -> None:
        """Renew *lease*, and watch the event loop while there are any."""
        self.leases.hold(lease, limit)
        if self.guard is not None:
            self.guard.watch()

    async def recording(self, job: str, written: Awaitable[T]) -> T:
        """What *written*, which writes a result of *job*, gives; that there is one is known meanwhile."""
        self.unrecorded[job] += 1
        try:
            return await written
        finally:
            self.unrecorded[job] -= 1
            if not self.unrecorded[job]:
                del self.unrecorded[job]
