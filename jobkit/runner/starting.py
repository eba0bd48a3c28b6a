"""Getting the right to execute a run from a store whose answers can be lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from jobkit.stores.base import LeaseRequest, NewRun

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.runner.environment import Environment
    from jobkit.runner.patience import Patience
    from jobkit.runner.request import Request
    from jobkit.stores.base import Lease


class Starter:
    """Starts the attempts of one run; each call is made again while the store is away."""

    def __init__(self, environment: Environment, patience: Patience) -> None:
        self._environment = environment
        self._patience = patience

    async def begin(self, request: Request) -> tuple[RunRecord, Lease]:
        """A new run, whose caller waits for it: nobody else can go on with it."""
        spec, store, wish = request.spec, self._environment.store, self._wish(pinned=True)
        new = NewRun(
            id=request.id,
            job=spec.name,
            extension=spec.extension,
            trigger=request.trigger,
            actor=request.actor,
            enforce=request.enforce,
            parameters=spec.signature.parameters.to_plain(request.parameters) if request.parameters else {},
            attempts=1 + spec.retries.retries,
            parent=request.parent,
        )
        return await self._patience.ask(lambda: store.add_and_start(new, wish), "begin a run")

    async def begin_again(self, run_id: str) -> Lease | None:
        """The next attempt of a run that was begun here; None if it was taken from us."""
        store, wish = self._environment.store, self._wish(pinned=True)

        async def start() -> Lease | None:
            return await store.start_attempt(run_id, wish) or await self._own(run_id)

        return await self._patience.ask(start, "begin an attempt")

    async def take_up(self, run_id: str, limits: Mapping[str, int] | None) -> Lease | None:
        """An attempt of a run that anybody may execute; None if it is not to be had now."""
        wish = self._wish(pinned=False)
        start: Callable[..., Awaitable[Lease | None]] = self._environment.store.start_attempt
        more = {} if limits is None else {"limits": limits}
        asked = False

        async def take() -> Lease | None:
            nonlocal asked
            before, asked = asked, True
            return await start(run_id, wish, **more) or (await self._own(run_id) if before else None)

        return await self._patience.ask(take, "begin an attempt")

    def _wish(self, *, pinned: bool) -> LeaseRequest:
        environment = self._environment
        return LeaseRequest(environment.identity, environment.node, environment.lease, pinned=pinned)

    async def _own(self, run_id: str) -> Lease | None:
        """The lease of an attempt that was started by a call of ours whose answer we did not get."""
        environment = self._environment
        for held in await environment.store.open_leases():
            if held.lease.run_id == run_id and held.lease.owner == environment.identity:
                return held.lease
        return None
