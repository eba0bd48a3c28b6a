"""Delivering finished runs to all sinks of a project."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
from anyio.from_thread import BlockingPortal

from jobkit.clock import SystemClock
from jobkit.exceptions import StoreError
from jobkit.processes import ProcessIdentity
from jobkit.sinks.backoff import Pace
from jobkit.sinks.checking import checked_sinks
from jobkit.sinks.late import LateTeller
from jobkit.sinks.local import LocalFeed
from jobkit.sinks.report import DeliveryReport
from jobkit.sinks.timing import LoopTime
from jobkit.sinks.wording import described
from jobkit.sinks.worker import OutboxWorker, Surroundings, Turn
from jobkit.stores.outbox import SinkRegistration, SinkState

if TYPE_CHECKING:
    from jobkit.clock import Clock
    from jobkit.plugins.provided import Provided
    from jobkit.plugins.watchdog import Watchdog
    from jobkit.records import RunRecord
    from jobkit.sinks.checking import Reports
    from jobkit.sinks.notices import LateJob
    from jobkit.stores.base import Store

#: How long the right to deliver to a sink lasts; renewed after three tenths of it.
LEASE = timedelta(seconds=30)


class Delivery:
    """Gives finished runs to *sinks*: enter it where runs are executed, before the first of them ends.

    Entering registers the sinks with *store*, which then keeps every finished run for each of them until
    it is delivered; local sinks get what :meth:`finished` is called with, from memory. Sinks that cannot be
    used are reported to *hooks* and left out. Whatever a sink does delays it alone. *secrets* are masked
    in the errors that are kept; *watchdog* names a sink that holds the event loop. All methods belong to
    the event loop. Entering raises StoreError.
    """

    def __init__(
        self,
        sinks: Sequence[Provided[Any]],
        store: Store,
        *,
        clock: Clock | None = None,
        hooks: Reports,
        identity: ProcessIdentity | None = None,
        lease: timedelta = LEASE,
        secrets: Collection[str] = (),
        pace: Pace | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._given = tuple(sinks)
        self._clock = clock or SystemClock()
        self._store = store
        self._hooks = hooks
        self._identity = identity or ProcessIdentity.current()
        self._lease = lease
        self._secrets = frozenset(secrets)
        self._pace = pace or Pace()
        self._loop_time = LoopTime(watchdog) if watchdog is not None else LoopTime()
        self._stack = AsyncExitStack()
        self._kept: tuple[SinkRegistration, ...] = ()
        self._feeds: list[LocalFeed] = []
        self._workers: list[OutboxWorker] = []
        self._late: LateTeller | None = None
        self._states: tuple[SinkState, ...] = ()

    async def __aenter__(self) -> Self:
        sinks = checked_sinks(self._given, self._hooks)
        self._kept = tuple(SinkRegistration(sink.name, sink.max_age) for sink in sinks if not sink.local)
        await self._register()
        async with AsyncExitStack() as stack:
            portal = await stack.enter_async_context(BlockingPortal())
            around = Surroundings(
                store=self._store,
                identity=self._identity,
                lease=self._lease,
                pace=self._pace,
                reports=self._hooks,
                secrets=self._secrets,
                portal=portal,
                loop_time=self._loop_time,
            )
            self._feeds = [LocalFeed(sink, around) for sink in sinks if sink.local]
            self._workers = [OutboxWorker(sink, around) for sink in sinks if not sink.local]
            self._late = LateTeller(sinks, around)
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.push_async_callback(self._close_feeds)
            for feed in self._feeds:
                tasks.start_soon(feed.serve, name=f"jobkit {feed.sink.label}")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Task groups would put what the caller's own code raised into a group.
        await self._stack.aclose()

    @property
    def states(self) -> tuple[SinkState, ...]:
        """How the sinks of the store stand, as last seen: while serving, at most some seconds ago."""
        return self._states

    def finished(self, run: RunRecord) -> None:
        """A run has finished, and the store knows it. Returns at once."""
        for feed in self._feeds:
            feed.offer(run)
        for worker in self._workers:
            worker.wake()

    async def tell_late(self, job: LateJob, sinks: Collection[str] | None = None) -> Collection[str]:
        """Tell of *job* whoever wants to know, or those of *sinks*; the names of those that did not take it.

        Raises nothing: what a sink raises is reported.
        """
        return await self._late.tell(job, sinks) if self._late is not None else ()

    async def serve(self) -> None:
        """Deliver what waits in the store, and whatever is added to it, until cancelled."""
        async with anyio.create_task_group() as tasks:
            for worker in self._workers:
                tasks.start_soon(worker.serve, name=f"jobkit {worker.sink.label}")
            await (self._watch() if self._workers else anyio.sleep_forever())

    async def once(self) -> DeliveryReport:
        """Make one attempt for each sink, within its timeout, with what waits for it; then leave the rest.

        Raises nothing: how it went is in the report.
        """
        turns: dict[str, Turn] = {}

        async def attempt(worker: OutboxWorker) -> None:
            turns[worker.sink.name] = await worker.once()

        async with anyio.create_task_group() as tasks:
            for worker in self._workers:
                tasks.start_soon(attempt, worker, name=f"jobkit {worker.sink.label}")
        return await self._report(turns)

    async def _report(self, turns: dict[str, Turn]) -> DeliveryReport:
        errors = {name: error for name, turn in turns.items() if (error := turn.error or turn.tally.error)}
        waiting: dict[str, int] = {}
        if turns:
            try:
                self._states = tuple(await self._store.sinks())
            except StoreError as error:
                errors |= dict.fromkeys(turns, described(error, self._secrets))
            waiting = {state.name: state.waiting for state in self._states if state.name in turns}
        return DeliveryReport(
            delivered=sum(turn.tally.delivered for turn in turns.values()),
            waiting={name: count for name, count in waiting.items() if count},
            errors=errors,
            dead={name: turn.tally.dead for name, turn in turns.items() if turn.tally.dead},
            elsewhere=frozenset(name for name, turn in turns.items() if turn.elsewhere),
        )

    async def _watch(self) -> None:
        """Keep :attr:`states` fresh, and the sinks registered: what nobody registers is forgotten."""
        registered = self._clock.monotonic()
        while True:
            try:
                if self._clock.monotonic() - registered >= self._pace.enroll:
                    await self._register()
                    registered = self._clock.monotonic()
                self._states = tuple(await self._store.sinks())
            except StoreError:
                # The sinks' own tasks say so, and go on as soon as it answers again.
                pass
            await anyio.sleep(self._pace.poll)

    async def _register(self) -> None:
        if self._kept:
            await self._store.register_sinks(self._kept)

    async def _close_feeds(self) -> None:
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                for feed in self._feeds:
                    tasks.start_soon(feed.close)
