"""The delivery to one sink through the outbox: by one process at a time, as long as anything waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from jobkit.exceptions import StoreError
from jobkit.logs import get_logger
from jobkit.sinks.backoff import Backoff, Pace
from jobkit.sinks.calling import Calls
from jobkit.sinks.giving import Giver
from jobkit.sinks.leasing import Leaseholder, LeaseLost
from jobkit.sinks.round import MOST_IN_A_ROW, Memory, Parts, Round, Tally
from jobkit.sinks.session import Session
from jobkit.sinks.settling import Settlement
from jobkit.sinks.timing import LoopTime, SinkTime
from jobkit.sinks.wording import described

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from jobkit.processes import ProcessIdentity
    from jobkit.sinks.checking import CheckedSink, Reports
    from jobkit.stores.base import Store
    from jobkit.stores.outbox import SinkLease

#: Seconds that the store has to take what was delivered, while a process is ending.
_LAST_WORDS = 3.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all sinks of one delivery share."""

    store: Store
    identity: ProcessIdentity
    lease: timedelta
    pace: Pace
    reports: Reports
    secrets: Collection[str]
    portal: BlockingPortal
    loop_time: LoopTime


@dataclass(slots=True)
class Turn:
    """How one turn went. *elsewhere*: another process has the sink's lease."""

    wait: float | None = None
    elsewhere: bool = False
    tally: Tally = field(default_factory=Tally)
    error: str | None = None


class OutboxWorker:
    """Delivers to one sink. Belongs to one event loop."""

    def __init__(self, sink: CheckedSink, surroundings: Surroundings) -> None:
        self.sink = sink
        self._around = surroundings
        self._store = surroundings.store
        self._pace = surroundings.pace
        self._holder = Leaseholder(surroundings.store, sink.name, surroundings.identity, surroundings.lease)
        self._settlement = Settlement(surroundings.store, self._pace.linger)
        self._backoff = Backoff(self._pace, sink.name)
        self._memory = Memory()
        self._clock = SinkTime(sink, surroundings.loop_time)
        self._woken = anyio.Event()
        self._busy = anyio.Lock()
        self._due: float | None = None
        self._troubled = False

    def wake(self) -> None:
        """Something was added to the outbox."""
        self._woken.set()

    async def serve(self) -> None:
        """Deliver whatever is added, until cancelled; then settle, close the sink, let go of the lease."""
        async with self._giver() as giver:
            while True:
                self._woken = anyio.Event()  # before looking, so that nothing is missed
                turn = await self._safely(giver)
                if self._settlement.suspended_until is not None:
                    await giver.close()
                await self._rest(turn.wait)

    async def once(self) -> Turn:
        """One attempt, within the sink's timeout, for what waits."""
        async with self._giver() as giver:
            return await self._safely(giver, eager=True)

    @asynccontextmanager
    async def _giver(self) -> AsyncIterator[Giver]:
        around = self._around
        async with anyio.create_task_group() as tasks:
            session = Session(self.sink, tasks.start_soon, self._pace.grace, self._clock)
            calls = Calls(self.sink, around.portal, self._pace.grace, self._clock)
            giver = Giver(self.sink, calls, session, around.reports)
            try:
                yield giver
            finally:
                await giver.close()

    async def _rest(self, wait: float | None) -> None:
        """Until it is time for the next turn."""
        loop_time = anyio.current_time()
        self._due = None if wait is None else loop_time + wait
        if self._settlement.suspended_until is not None and len(self._memory.probed) >= MOST_IN_A_ROW:
            # Nothing that is added now could change anything: a busy project must not ask all the time.
            await anyio.sleep(self._pace.poll if wait is None else wait)
            return
        with anyio.move_on_after(self._pace.poll if wait is None else min(wait, self._pace.poll)):
            await self._woken.wait()

    # -- one turn -------------------------------------------------------------------------------

    async def _safely(self, giver: Giver, *, eager: bool = False) -> Turn:
        """A turn that raises nothing but cancellation: a store that is away, and even a mistake of ours,
        delays one sink and ends nothing."""
        try:
            async with self._busy:
                turn = await self._turn(giver, eager=eager)
        except (StoreError, LeaseLost) as error:
            return self._trouble("sink.store_unavailable", error)
        except Exception as error:
            return self._trouble("sink.delivery_failed", error)
        self._troubled = False
        return turn

    def _trouble(self, event: str, error: Exception) -> Turn:
        words = described(error, self._around.secrets)
        if isinstance(error, LeaseLost):
            return Turn(wait=self._pace.poll, elsewhere=True)
        if not self._troubled:
            get_logger().warning(event, sink=self.sink.name, error=words)
        self._troubled = True
        return Turn(wait=self._pace.poll, error=words)

    async def _turn(self, giver: Giver, *, eager: bool) -> Turn:
        if not eager and not await self._worthwhile():
            # What was due, and is gone, was delivered or removed by somebody else.
            left = None if self._due is None else self._due - anyio.current_time()
            return Turn(wait=None if left is None or left <= 0 else left)
        lease = await self._holder.take()
        if lease is None:
            return Turn(wait=self._pace.poll, elsewhere=True)
        self._settlement.begin(lease)
        try:
            return await self._under(lease, giver, eager=eager)
        finally:
            await self._let_go(lease)

    async def _worthwhile(self) -> bool:
        """Whether anything has become possible since the last turn; a question that costs little."""
        if self._settlement.unsettled:
            return True
        due = self._due is not None and self._due <= anyio.current_time()
        after = self._memory.seen if self._due is not None and not due else 0
        return bool(await self._store.outbox(self.sink.name, after=after, limit=1))

    async def _under(self, lease: SinkLease, giver: Giver, *, eager: bool) -> Turn:
        turn = Turn(wait=self._pace.poll)
        trouble: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._holder.keep, lease, tasks.cancel_scope)
            tasks.start_soon(self._settlement.serve, tasks.cancel_scope)
            try:
                await self._settlement.flush()  # what could not be written before
                await self._recall()
                round_ = Round(self._parts(giver), await self._store.now(), eager=eager)
                turn.tally = round_.tally
                turn.wait = await round_.deliver()
            except (StoreError, LeaseLost) as error:
                trouble = error
            tasks.cancel_scope.cancel()
        if trouble is not None:
            raise trouble
        await self._settlement.flush()
        return turn

    def _parts(self, giver: Giver) -> Parts:
        return Parts(
            sink=self.sink,
            store=self._store,
            giver=giver,
            settlement=self._settlement,
            backoff=self._backoff,
            secrets=self._around.secrets,
            clock=self._clock,
            memory=self._memory,
        )

    async def _recall(self) -> None:
        """How the sink stands, as whoever delivered last has left it."""
        for state in await self._store.sinks():
            if state.name == self.sink.name:
                self._settlement.failures = state.failures
                self._settlement.suspended_until = state.suspended_until
                self._settlement.error = state.error

    async def _let_go(self, lease: SinkLease) -> None:
        """Write what was delivered and release the lease, also when cancelled; never raises."""
        with anyio.move_on_after(_LAST_WORDS, shield=True):
            try:
                await self._settlement.flush()
            except StoreError:
                return  # the lease stays ours, so that what was delivered can be written later
            except LeaseLost:
                return
            await self._holder.release(lease)
