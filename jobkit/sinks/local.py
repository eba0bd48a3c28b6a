"""Sinks that are fed by the process that executed the run: from memory, once, and never held up for."""

from __future__ import annotations

import copy
from collections import deque
from typing import TYPE_CHECKING

import anyio

from jobkit.exceptions import PluginError
from jobkit.logs import get_logger
from jobkit.sinks.calling import Calls
from jobkit.sinks.giving import Giver
from jobkit.sinks.session import Session
from jobkit.sinks.timing import SinkTime
from jobkit.sinks.wording import described

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.sinks.checking import CheckedSink
    from jobkit.sinks.worker import Surroundings

#: Runs that wait for one sink, at most; further ones are not given to it.
MOST_WAITING = 1000


class LocalFeed:
    """Feeds one local sink; :meth:`serve` is the body of its task. Belongs to one event loop."""

    def __init__(self, sink: CheckedSink, surroundings: Surroundings) -> None:
        self.sink = sink
        self._around = surroundings
        self._waiting: deque[RunRecord] = deque()
        self._dropped = 0
        self._woken = anyio.Event()
        self._closing = False
        self._over = anyio.Event()
        self._scope = anyio.CancelScope(shield=True)
        self._clock = SinkTime(sink, surroundings.loop_time)

    def offer(self, run: RunRecord) -> None:
        """Have *run* given to the sink soon; costs nothing, and drops it if far too many wait already."""
        if not self.sink.concerns(run.extension):
            return
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.append(run)
        self._woken.set()

    async def serve(self) -> None:
        """Give what is offered, in order, until closed."""
        grace = self._around.pace.grace
        try:
            # Whoever cancels all that goes on here still wants the last runs to be given: see `close`.
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    session = Session(self.sink, tasks.start_soon, grace, self._clock)
                    calls = Calls(self.sink, self._around.portal, grace, self._clock)
                    giver = Giver(self.sink, calls, session, self._around.reports)
                    try:
                        await self._feed(giver)
                    finally:
                        await giver.close()
        finally:
            self._over.set()

    async def close(self) -> None:
        """Give what waits, within the sink's timeout, and close it; what is left then is logged."""
        self._closing = True
        self._woken.set()
        await self._clock.wait(self._over, self.sink.timeout, shield=True)
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._over.wait()
        if self._waiting:
            get_logger().warning("sink.undelivered", sink=self.sink.name, runs=len(self._waiting))

    async def _feed(self, giver: Giver) -> None:
        while True:
            self._woken = anyio.Event()
            while self._waiting:
                try:
                    await self._give(giver, self._waiting[0])
                except Exception as error:  # a mistake of ours, which must not end what goes on around it
                    self._around.reports.failed(self.sink.plugin, self.sink.label, error)
                self._waiting.popleft()
            if self._closing:
                return
            await self._woken.wait()

    async def _give(self, giver: Giver, run: RunRecord) -> None:
        given = await giver.give(copy.deepcopy(run))  # what one sink does to it is no other's business
        giver.report(given, run.id)
        if given.answer == "rejected" and given.error is not None:
            error = described(given.error, self._around.secrets)
            get_logger().warning("sink.rejected", sink=self.sink.name, run=run.id, error=error)
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._around.reports.failed(
                self.sink.plugin,
                self.sink.label,
                PluginError(
                    f"sink `{self.sink.name}` is too slow: {dropped} runs were not given to it",
                    code="JK734",
                    help="make it faster, or let it have local = False: what waits is then kept in the store",
                ),
                run=run.id,
            )
