"""One time that a scheduler serves: from its registration to its last word."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, Protocol

import anyio
import anyio.lowlevel

from jobkit.logs import get_logger
from jobkit.scheduler.control import CancelWatch, Control
from jobkit.scheduler.failing import Failing
from jobkit.scheduler.lateness_watch import LatenessWatch
from jobkit.scheduler.queueing import Queue
from jobkit.scheduler.register import Register
from jobkit.scheduler.roster import Roster
from jobkit.scheduler.startup_runs import StartupRuns
from jobkit.scheduler.stopping import RECORDING, drain
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
    from jobkit.scheduler.reload import Reloader
    from jobkit.sinks.delivery import Delivery

State = Literal["starting", "serving", "stopping", "stopped"]

#: Seconds for the last attempt at sinks, and for saying good-bye to a store that may be away.
_LAST_DELIVERY: Final = 1.0
_LAST_WORD: Final = 1.0
#: For so many seconds the oldest of so many marks is not looked for again; longer if there are more.
_MARKS_SERVE: Final = 60.0
_FEW_MARKS: Final = 10_000


class Settable(Protocol):
    """An event of anyio or asyncio."""

    def wait(self) -> Awaitable[object]:
        """Return once it is set."""
        ...


class Serving:
    """The parts of a scheduler at work; made for one :meth:`serve`. Belongs to the event loop."""

    def __init__(
        self,
        post: Post,
        runner: Runner,
        engine: Engine,
        delivery: Delivery | None,
        watch: CancelWatch,
        reloader: Reloader,
    ) -> None:
        self.post = post
        self.state: State = "starting"
        self.roster = Roster(post, busy=lambda: bool(runner.going_on))
        self.register = Register(post, self.roster)
        self.control = Control(post, runner, self._oldest_mark, watch=watch)
        self.queue = Queue(post, runner, engine, knows=self.roster.knows)
        self.ticks = Ticks(
            post, self.register, self.control, self.queue.submit, unrecorded=lambda: runner.unrecorded
        )
        self.startup = StartupRuns(post, runner, self.roster)
        self.upkeep = Upkeep(post, runner, lambda: self.roster.interval)
        self.lateness = LatenessWatch(post, delivery.tell_late if delivery is not None else None)
        self.supervision = Supervision()
        #: Set once the startup list is through and ticks fire.
        self.begun = anyio.Event()
        self._runner = runner
        self._delivery = delivery
        self._reloader = reloader
        self._asked = anyio.Event()
        self._hurry = anyio.Event()
        self._beginning = anyio.CancelScope()
        self._delivering = anyio.CancelScope()
        self._tasks: TaskGroup | None = None
        self._taking = anyio.Lock()
        self._anew = False
        self._oldest: tuple[float, datetime | None] = (-math.inf, None)
        self._connect()

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
        self.queue.ended(run)
        self.lateness.ended(run)
        threads = len(self._runner.abandoned_threads)
        if threads != self.roster.details.get("abandoned_threads") and self._tasks is not None:
            self.roster.details["abandoned_threads"] = threads
            self._tasks.start_soon(self.supervision.keep, "roster", self.roster.announce)

    def reload_soon(self) -> None:
        """The post has other jobs, or another configuration, than before."""
        self._anew = True
        if self._tasks is not None and not self._asked.is_set():
            self._tasks.start_soon(self.supervision.keep, "register", self.reloaded)

    async def reloaded(self) -> None:
        """Take up what the post has, and return once it is in force."""
        async with self._taking:
            if self._tasks is None or not self._anew or self._asked.is_set():
                return
            self._anew = False
            try:
                await self.register.refresh()
                await self.roster.announce()
            except BaseException:
                self._anew = True
                raise
            self.ticks.wake()
            self.queue.wake()
            self.lateness.renew()

    # -- who hears of what ----------------------------------------------------------------------------------

    def _connect(self) -> None:
        sources = (self.ticks.failing, self.post.connection.failing, self.supervision.failing)
        self.roster.failing = Failing(sources, self.post.time.now, lambda: self.post.config.secrets).look
        self.control.on_news += [self.roster.news, self.queue.wake]
        self.control.on_look.append(self._reloader.wake)
        self.control.on_pauses += [self.ticks.wake, self.lateness.wake]
        self.roster.on_change += [self.register.news, self.upkeep.wake, self.queue.wake]
        self.register.on_change.append(self.ticks.wake)
        self.ticks.on_cancel.append(self._look_for_requests)
        self.queue.on_ended.append(self._ended_unexecuted)
        self.upkeep.settled.append(self._settled)
        self.upkeep.stepped += [lambda by: self.ticks.wake(), lambda by: self.lateness.wake()]

    def _look_for_requests(self, run: RunRecord) -> None:
        """A run has to give way: the store tells other processes, and not the one that asked."""
        if self._tasks is not None:
            self._tasks.start_soon(self.supervision.keep, "control", self.control.refresh)

    def _ended_unexecuted(self, run: RunRecord) -> None:
        if self._delivery is not None:
            self._delivery.finished(run)
        self.ticks.ended(run)

    def _settled(self, run: RunRecord) -> None:
        if run.status.finished:
            self._ended_unexecuted(run)
        self.queue.wake()

    def _oldest_mark(self) -> datetime | None:
        """Pauses that had ended before it matter no more. Marks only grow: an earlier one serves too."""
        read, found = self._oldest
        now = self.post.clock.monotonic()
        states = self.register.states
        if now - read >= _MARKS_SERVE * max(1.0, len(states) / _FEW_MARKS):
            marks = (state.mark for state in states.values() if state.mark is not None)
            found = min(marks, default=None)
            self._oldest = (now, found)
        return found

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
            self._tasks = tasks
            with self._beginning:
                await self._begin(tasks)
            await self._asked.wait()
            await self._end()
            tasks.cancel_scope.cancel()
        self.state = "stopped"

    async def _begin(self, tasks: TaskGroup) -> None:
        self.roster.details |= {"root": str(self.post.config.root), "abandoned_threads": 0}
        await self.roster.enter()
        await self.upkeep.begin()
        await self.register.enter()
        await self.control.refresh()
        parts = {
            "roster": self.roster.serve,
            "register": self.register.serve,
            "control": self.control.serve,
            "upkeep": self.upkeep.serve,
            "reload": self._reloader.serve,
        }
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
        parts = {"queue": self.queue.serve, "ticks": self.ticks.serve, "lateness": self.lateness.serve}
        for name, serve in parts.items():
            tasks.start_soon(self.supervision.keep, name, serve)
        self.state = "serving"
        self.begun.set()
        await self.startup.background()

    async def _end(self) -> None:
        self.state = "stopping"
        log, clock = get_logger(), self.post.clock
        grace = self.post.config.scheduler.shutdown_grace
        until = clock.monotonic() + (grace + RECORDING).total_seconds()
        log.info("scheduler.stopping", running=self.queue.running)
        self.ticks.stop_claiming()
        self.roster.stopping()
        self.queue.stop()
        self.startup.stop()
        recorded = await drain(
            self._idle,
            self._cancel_all,
            grace=grace,
            hurry=self._hurry,
        )
        self._delivering.cancel()
        left = min(_LAST_DELIVERY, until - clock.monotonic())
        if self._delivery is not None and left > 0 and not self._hurry.is_set():
            with anyio.move_on_after(left):
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
