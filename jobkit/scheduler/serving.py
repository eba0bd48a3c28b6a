"""One time that a scheduler serves: from its registration to its last word."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, Literal, Protocol

import anyio
import anyio.lowlevel

from jobkit.logs import get_logger
from jobkit.scheduler.control import Control
from jobkit.scheduler.queueing import Queue
from jobkit.scheduler.register import Register
from jobkit.scheduler.roster import Roster
from jobkit.scheduler.startup_runs import StartupRuns
from jobkit.scheduler.stopping import drain
from jobkit.scheduler.supervision import Supervision
from jobkit.scheduler.ticking import Ticks
from jobkit.scheduler.upkeep import Upkeep
from jobkit.statuses import Reason

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from jobkit.engines.base import Engine
    from jobkit.records import RunRecord
    from jobkit.runner import Runner
    from jobkit.scheduler.post import Post
    from jobkit.sinks.delivery import Delivery

State = Literal["starting", "serving", "stopping", "stopped"]

#: Seconds for the last attempt at sinks, and for saying good-bye to a store that may be away.
_LAST_DELIVERY: Final = 1.5
_LAST_WORD: Final = 1.5


class Settable(Protocol):
    """An event of anyio or asyncio."""

    def wait(self) -> Awaitable[object]:
        """Return once it is set."""
        ...


class Serving:
    """The parts of a scheduler at work; made for one :meth:`serve`. Belongs to the event loop."""

    def __init__(self, post: Post, runner: Runner, engine: Engine, delivery: Delivery | None) -> None:
        self.post = post
        self.state: State = "starting"
        self.roster = Roster(post)
        self.register = Register(post, self.roster)
        self.control = Control(post, runner)
        self.queue = Queue(post, runner, engine, knows=self.roster.knows)
        self.ticks = Ticks(post, self.register, self.control, self.queue.submit)
        self.startup = StartupRuns(post, runner, self.roster)
        self.upkeep = Upkeep(post, runner)
        self.supervision = Supervision()
        #: Set once the startup list is through and ticks fire.
        self.begun = anyio.Event()
        self._runner = runner
        self._delivery = delivery
        self._asked = anyio.Event()
        self._hurry = anyio.Event()
        self._beginning = anyio.CancelScope()
        self._delivering = anyio.CancelScope()

    async def serve(self, stop: Settable) -> None:
        """Serve until *stop* is set, then end in order; being cancelled is to be asked to hurry."""
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._heed, stop)
            with anyio.CancelScope(shield=True):
                try:
                    await self._serve()
                except Exception as error:
                    failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        await anyio.lowlevel.checkpoint()

    def hurry(self) -> None:
        """Give nothing any more time: cancel what runs, record it, and end."""
        self._hurry.set()
        self._ask()

    def ended(self, run: RunRecord) -> None:
        """A run has ended in this process."""
        self.ticks.ended(run)
        self.queue.wake()

    # -- how it goes ----------------------------------------------------------------------------------------

    async def _heed(self, stop: Settable) -> None:
        try:
            await stop.wait()
        except anyio.get_cancelled_exc_class():
            if not self._asked.is_set():
                self.hurry()
            raise
        self._ask()

    def _ask(self) -> None:
        self._asked.set()
        self._beginning.cancel()

    async def _serve(self) -> None:
        async with anyio.create_task_group() as tasks:
            with self._beginning:
                await self._begin(tasks)
            await self._asked.wait()
            await self._end()
            tasks.cancel_scope.cancel()
        self.state = "stopped"

    async def _begin(self, tasks: TaskGroup) -> None:
        await self.roster.enter()
        await self.upkeep.begin()
        await self.register.enter()
        await self.control.refresh()
        self.control.on_news += [self.ticks.wake, self.queue.wake]
        parts = {"roster": self.roster.serve, "control": self.control.serve, "upkeep": self.upkeep.serve}
        for name, serve in parts.items():
            tasks.start_soon(self.supervision.keep, name, serve)
        if self._delivery is not None:
            tasks.start_soon(self._deliver, self._delivery)
        tasks.start_soon(self._fire, tasks)

    async def _deliver(self, delivery: Delivery) -> None:
        with self._delivering:
            await self.supervision.keep("sinks", delivery.serve)

    async def _fire(self, tasks: TaskGroup) -> None:
        """The startup list first, then everything else."""
        await self.startup.listed()
        if self._asked.is_set():
            return
        for name, serve in {"queue": self.queue.serve, "ticks": self.ticks.serve}.items():
            tasks.start_soon(self.supervision.keep, name, serve)
        self.state = "serving"
        self.begun.set()
        await self.startup.background()

    async def _end(self) -> None:
        self.state = "stopping"
        log = get_logger()
        log.info("scheduler.stopping", running=self.queue.running)
        self.ticks.stop_claiming()
        self.queue.stop()
        self.startup.stop()
        recorded = await drain(
            self._idle,
            self._cancel_all,
            grace=self.post.config.scheduler.shutdown_grace,
            hurry=self._hurry,
        )
        self._delivering.cancel()
        if self._delivery is not None and not self._hurry.is_set():
            with anyio.move_on_after(_LAST_DELIVERY):
                await self._delivery.once()
        with anyio.move_on_after(_LAST_WORD):
            await self.roster.leave()
        log.info("scheduler.stopped", recorded=recorded)

    async def _idle(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.queue.idle)
            tasks.start_soon(self.startup.idle)

    def _cancel_all(self) -> None:
        for run_id in (*self.queue.running_ids, *self.startup.running_ids):
            self._runner.cancel(run_id, Reason.SHUTDOWN)

