"""Getting the right to execute a run from a store whose answers can be lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from jobkit.statuses import RunStatus
from jobkit.stores.base import LeaseRequest, NewRun

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.runner.environment import Environment
    from jobkit.runner.patience import Patience
    from jobkit.runner.request import Request
    from jobkit.stores.base import Lease, OpenLease


class Starter:
    """Starts the attempts of one run; each call is made again while the store is away."""

    def __init__(self, environment: Environment, patience: Patience) -> None:
        self._environment = environment
        self._patience = patience

    async def begin(self, request: Request) -> tuple[RunRecord, Lease]:
        """A new run, whose caller waits for it: nobody else can go on with it."""
        environment, wish = self._environment, self._wish(pinned=True)
        new, overlap = new_run(request, environment.node), request.spec.overlap
        start = partial(environment.store.add_and_start, new, wish, overlap=overlap)
        if new.limits:
            start = partial(start, limits=environment.limits)
        return await self._patience.ask(start, "begin a run")

    async def begin_again(self, run_id: str, *, limited: bool) -> tuple[Lease | None, bool]:
        """The next attempt of a run that was begun here; without one, whether it has to wait for it.

        If it need not, it was taken from us.
        """
        store, wish = self._environment.store, self._wish(pinned=True)
        start: Callable[..., Awaitable[Lease | None]] = store.start_attempt
        more = {"limits": self._environment.limits} if limited else {}

        async def begin() -> tuple[Lease | None, bool]:
            lease = await start(run_id, wish, **more)
            if lease is not None:
                return lease, False
            own = await self._own(run_id)
            if own is not None and own.status is RunStatus.QUEUED:
                return None, True
            return (None if own is None else own.lease), False

        return await self._patience.ask(begin, "begin an attempt")

    async def take_up(self, run_id: str, limits: Mapping[str, int] | None) -> Lease | None:
        """An attempt of a run that anybody may execute; None if it is not to be had now."""
        wish = self._wish(pinned=False)
        start: Callable[..., Awaitable[Lease | None]] = self._environment.store.start_attempt
        more = {"limits": limits} if limits else {}
        asked = False

        async def take() -> Lease | None:
            nonlocal asked
            before, asked = asked, True
            lease = await start(run_id, wish, **more)
            if lease is not None or not before:
                return lease
            own = await self._own(run_id)
            return own.lease if own is not None and own.status is RunStatus.RUNNING else None

        return await self._patience.ask(take, "begin an attempt")

    def _wish(self, *, pinned: bool) -> LeaseRequest:
        environment = self._environment
        return LeaseRequest(environment.identity, environment.node, environment.lease, pinned=pinned)

    async def _own(self, run_id: str) -> OpenLease | None:
        """What we have of that run: the lease of an attempt that was started by a call of ours whose answer
        we did not get, or of the wait for one."""
        environment = self._environment
        for held in await environment.store.open_leases():
            if held.lease.run_id == run_id and held.lease.owner == environment.identity:
                return held
        return None


def new_run(request: Request, node: str) -> NewRun:
    """The run that *request* asks for, as it is inserted; *node* is this one."""
    spec, again = request.spec, request.retry_of
    return NewRun(
        id=request.id,
        job=spec.name,
        extension=spec.extension,
        trigger=request.trigger,
        actor=request.actor,
        enforce=request.enforce,
        parameters=spec.signature.parameters.to_plain(request.parameters) if request.parameters else {},
        attempts=1 + spec.retries.retries,
        scheduled_at=None if again is None else again.scheduled_at,
        window=None if again is None else again.window,
        covers=None if again is None else again.covers,
        parent=request.parent,
        retry_of=None if again is None else again.id,
        node=node if spec.scope == "node" else "",
        limits=request.limits if spec.limits else (),
        queue=spec.queue,
        priority=spec.priority,
    )
