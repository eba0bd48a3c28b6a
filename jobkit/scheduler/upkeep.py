"""What a serving replica does for the store: it settles what others left, forgets, and keeps the time."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from jobkit.exceptions import StoreError, StoreUnavailable
from jobkit.logs import get_logger
from jobkit.runner.settling import Settled, Settlement
from jobkit.scheduler.post import CurrentJobs
from jobkit.scheduler.resting import rest

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.runner import Runner
    from jobkit.scheduler.post import Post

HEARTBEAT: Final = timedelta(seconds=10)
#: How long a replica rests that knows of no open lease.
IDLE: Final = timedelta(seconds=30)
#: Between two prunings; and, of a replica that has just begun, before the first, so that it starts quickly.
PRUNE_EVERY: Final = timedelta(hours=1)
FIRST_PRUNE: Final = timedelta(seconds=10)
#: Replicas that began together do not prune together: each adds up to this share.
JITTER: Final = 0.25
#: The clocks of two hosts drift less than this between two measurements; more is a step.
STEP: Final = timedelta(seconds=1)
_SHORTEST: Final = 0.05


class Upkeep:
    """Keeps a store in order, as long as one replica serves it. Belongs to the event loop.

    *heartbeat* says how long it is until the store's clock is asked for again, by default ten seconds, and
    thirty while nothing goes on here.
    ``settled`` are called with each run whose lease was settled here, as it stands then; ``stepped`` with how
    far the store's clock is off what it was taken for, if that is more than a second.
    """

    def __init__(
        self,
        post: Post,
        runner: Runner,
        heartbeat: Callable[[], timedelta] | None = None,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.settled: list[Callable[[RunRecord], None]] = []
        self.stepped: list[Callable[[timedelta], None]] = []
        self._post = post
        self._runner = runner
        self._heartbeat = heartbeat or self._own_heartbeat
        self._draw = draw
        self._lease = post.config.scheduler.lease
        self._settlement = Settlement(post.store, post.clock, self._lease, CurrentJobs(post))
        self._woken = anyio.Event()

    async def begin(self) -> None:
        """Ask for the store's time, which everything else is judged by."""
        await self._post.connection.ask(self._post.time.measure, "ask for the time")

    async def serve(self) -> None:
        """Settle, measure and prune, until cancelled. Never raises because the store is away."""
        post = self._post
        post.connection.lost.append(self._settlement.disconnected)
        try:
            await self.begin()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._settle)
                tasks.start_soon(self._measure)
                tasks.start_soon(self._prune)
        finally:
            post.connection.lost.remove(self._settlement.disconnected)

    def wake(self) -> None:
        """Somebody is gone: look at once for what was left behind."""
        self._woken.set()

    # -- leases -----------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        while True:
            self._woken = woken = anyio.Event()
            settled = await self._settled()
            for run in settled.runs:
                self._tell(run)
            await rest(woken, partial(self._post.clock.pause, self._until_next(settled)))

    async def _settled(self) -> Settled:
        try:
            ask = self._post.connection.ask
            return await ask(self._settlement.settle, "settle what was left behind")
        except StoreError as error:
            _failed(error, "settle what was left behind")
            return Settled((), None)

    def _until_next(self, settled: Settled) -> float:
        if settled.again is not None:
            return max(min(self._lease, settled.again).total_seconds(), _SHORTEST)
        busy = settled.open or self._runner.going_on
        return (self._lease if busy else max(self._lease, IDLE)).total_seconds()

    def _tell(self, run: RunRecord) -> None:
        get_logger().warning(
            "run.lost",
            run=run.number,
            job=run.job,
            extension=run.extension,
            status=run.status.value,
            attempt=run.attempt,
            attempts=run.attempts,
            node=run.node,
        )
        for listener in self.settled:
            listener(run)

    # -- the time ---------------------------------------------------------------------------------------

    async def _measure(self) -> None:
        post = self._post
        while True:
            await post.clock.pause(self._heartbeat().total_seconds())
            change = await post.connection.ask(post.time.measure, "ask for the time")
            if abs(change) > STEP:
                get_logger().warning("clock.stepped", seconds=round(change.total_seconds(), 3))
                for listener in self.stepped:
                    listener(change)

    def _own_heartbeat(self) -> timedelta:
        return HEARTBEAT if self._runner.going_on else IDLE

    # -- pruning ----------------------------------------------------------------------------------------

    async def _prune(self) -> None:
        post, rest = self._post, FIRST_PRUNE
        while True:
            await post.clock.pause(rest.total_seconds() * (1 + JITTER * self._draw()))
            rest = PRUNE_EVERY
            before = post.time.now() - post.config.scheduler.retention
            try:
                await self._prune_once(before)
            except StoreError as error:
                _failed(error, "forget what is old")

    async def _prune_once(self, before: datetime) -> None:
        """In the store's own portions, so that others can write meanwhile."""
        store = self._post.store
        number = await self._post.connection.ask(lambda: store.prune(before), "forget what is old")
        if number:
            get_logger().info("store.pruned", runs=number, before=before.isoformat(timespec="seconds"))


def _failed(error: StoreError, wanted: str) -> None:
    """Something is wrong that asking again at once would not mend; the scheduler has more to do than this."""
    assert not isinstance(error, StoreUnavailable)
    get_logger().error("upkeep.failed", error=str(error), code=error.code, wanted=wanted)
