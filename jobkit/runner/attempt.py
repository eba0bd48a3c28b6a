"""One execution of a run: services opened, the job called, expectations judged, services closed."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.lowlevel

from jobkit.apart import Apart, apart
from jobkit.context import JobContext, RunCancelled
from jobkit.exceptions import RunError
from jobkit.runner.bridge import Bridge
from jobkit.runner.countdown import Countdown
from jobkit.runner.executors.calling import ThreadedCall, call_on_loop, is_called_in_thread
from jobkit.runner.executors.thread import ThreadCall
from jobkit.runner.outcome import (
    Ended,
    ExpectationBroken,
    Stop,
    Verdict,
    checked_result,
    is_cancellation,
    judge,
    left_open,
)
from jobkit.runner.wrapping import Wrapping
from jobkit.severable import Severable, Severed, running_asyncio_task
from jobkit.statuses import RunStatus
from jobkit.subtasks import inside_run

if TYPE_CHECKING:
    from jobkit.protocols import RunsChildren
    from jobkit.records import Progress, RunRecord
    from jobkit.runner.orders import Order
    from jobkit.runner.site import Site

T = TypeVar("T")


class Attempt:
    """Executes an order in this process, and is the host of its context.

    ``verdict`` is called once; ``stop``, ``service``, ``run_child`` belong to the event loop, ``stopping``,
    ``progress`` and ``from_thread`` to any thread.
    """

    def __init__(
        self, site: Site, order: Order, children: RunsChildren, progressed: Callable[[Progress], None]
    ) -> None:
        self.order = order
        self.site = site
        #: The cancellation of whoever waited, to be raised again once the run is recorded.
        self.interrupted: BaseException | None = None
        self._children = children
        self._progressed = progressed
        self._over = False
        self._body: Severable[None] | None = None
        self._scope = anyio.CancelScope()
        self._countdown = Countdown(site, order)
        self._keeper: anyio.CancelScope | None = None
        self._bridge = Bridge(site.portal)
        self._asked = False
        self._services = site.services.run_scope(order.spec, log=order.log)
        self._stop: Stop | None = None
        self._stopped: tuple[datetime, timedelta] | None = None
        self._returned: object = None
        self._error: BaseException | None = None
        self._service_failed = False
        self._cleanup: tuple[BaseException, ...] = ()
        self._left: str | None = None
        self._where: traceback.StackSummary | None = None
        self._context: JobContext | None = None
        self._wrapping: Wrapping | None = None
        self._entering: anyio.CancelScope | None = None
        self._ended: tuple[datetime, timedelta] | None = None
        #: Told that plugins begin with something (None), and how many seconds of the attempt that took.
        self.held_up: Callable[[float | None], None] | None = None
        #: Since somebody wants to stop: by when plugins have to end what they do, by the event loop's clock.
        self.plugins_until: float | None = None
        #: The thread of the job, if it was left behind.
        self.thread: ThreadCall | None = None

    # -- from outside -------------------------------------------------------------------------------

    async def verdict(self) -> Verdict:
        """Execute the order and say how it ended; raises nothing, not even cancellation."""
        return judge(await self._supervise(), self.order.spec.retries, self.order.redactor)

    async def _supervise(self) -> Ended:
        wraps = self.site.wraps_runs
        if not wraps:
            self._arm()
        task = apart(self._execute_wrapped if wraps else self._execute, self.order.spec.name)
        try:
            async with task:
                await self._wait(task)
        except anyio.get_cancelled_exc_class() as cancellation:
            self.interrupted = cancellation
        if task.error is not None:
            self._went_wrong(task.error)
        at, took = self._ended or self._end()
        self.site.tidy_up()
        return Ended(
            at,
            took,
            self._returned,
            self._error,
            self._service_failed,
            self._cleanup,
            self._stop,
            self._left,
            self._where,
        )

    async def _wait(self, task: Apart) -> None:
        """Until the task has ended, also if whoever waits is cancelled, be it several times."""
        while True:
            try:
                with anyio.CancelScope(shield=self.interrupted is not None):
                    return await task.wait()
            except anyio.get_cancelled_exc_class() as cancellation:
                self.interrupted = cancellation
                self.stop(self._countdown.overdue() if self._countdown.late else self.order.interruption())

    def stop(self, stop: Stop) -> None:
        """Cancel the attempt; the first reason counts. Services are still closed, in limited time."""
        if self._ended is not None and self._wrapping is not None and stop.status is RunStatus.CANCELLED:
            self._hurry_plugins(self._wrapping)
        if self._stop is not None or self._over:
            return
        self._stop, self._stopped = stop, self._time()
        self._bridge.cancel()
        self._scope.cancel()
        if self._entering is not None:
            self._entering.cancel()
        now, cleanup = anyio.current_time(), self.site.cleanup.total_seconds()
        if self._keeper is not None and self._keeper.shield:
            self._keeper.deadline = now + cleanup
        self._countdown.ring_after(cleanup + self.site.thread_grace.total_seconds(), self._cut_off)

    # -- as the host of the context -------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether the attempt was cancelled, or its time is up."""
        return self._stop is not None or self._countdown.late

    def progress(self, progress: Progress) -> None:
        """Remember how far it is; once it is over nobody cares."""
        if not self._over:
            self._progressed(progress)

    async def service(self, wanted: type | str) -> Any:
        """The service of that type or name, opened if need be."""
        self._check_open()
        self._asked = True
        return await self._services.get(wanted)

    async def run_child(self, job: object, parameters: Mapping[str, Any]) -> RunRecord:
        """Run another job as a child of this run."""
        self._check_open()
        return await self._children.run_child(job, parameters)

    def from_thread(self, call: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Await something on the event loop from another thread; ends when the attempt is cancelled."""
        if self._over and self._stop is not None:
            raise RunCancelled("the run is over")
        return self._bridge.call(call, arguments)

    def _check_open(self) -> None:
        if self._over:
            raise RunError(
                f"the context of run {self.order.run.number} was used after that run was over",
                code="JK524",
                help="wait in the job for the tasks and threads that it starts",
            )

    # -- plugins around it -----------------------------------------------------------------------------

    async def _execute_wrapped(self) -> None:
        inside_run.set(True)
        assert self.site.hooks is not None
        self._context = self._new_context()
        self._wrapping = Wrapping(self.site.hooks, self.site, self.order, self._context, self)
        # What a wrapper does with its own scopes must not hit the job.
        self._scope.shield = True
        # They may hold those until they are left, so this one lasts as long.
        with anyio.CancelScope() as entering:
            self._entering = entering
            await self._wrapping.enter()
            self._entering = None
            if self._stop is None:
                try:
                    await self._execute()
                except BaseException as error:
                    if not is_cancellation(error):  # one of the job's own, which it has ended without
                        self._went_wrong(error)
            self._ended = self._end()
            stopped = RunCancelled(self._stop.message) if self._stop is not None else None
            if self._stop is not None and self._stop.status is RunStatus.CANCELLED:
                self._hurry_plugins(self._wrapping)
            await self._wrapping.leave(self._error or stopped)

    def _hurry_plugins(self, wrapping: Wrapping) -> None:
        self.plugins_until = self.plugins_until or anyio.current_time() + self.site.cleanup.total_seconds()
        wrapping.hurry(self.plugins_until)

    def pause(self) -> None:
        """Plugins begin with something: their time is not the job's."""
        self._countdown.pause()
        self._arm()
        if self.held_up is not None:
            self.held_up(None)

    def resume(self, seconds: float) -> None:
        """That took them so long: the job has that much longer."""
        order, context = self.order, self._context
        self._countdown.resume(seconds)
        if context is not None:
            context.started_at = order.started_at
            context.deadline = order.limit.at if order.limit is not None else None
        self._arm()
        if self.held_up is not None:
            self.held_up(seconds)

    # -- in the task of the job ------------------------------------------------------------------------

    async def _execute(self) -> None:
        try:
            with self._scope:
                self._body = Severable(self._serve_and_call())
                try:
                    await self._body
                except Severed:
                    self._left = "its task would not end, and was left behind"
        finally:
            self._over = True

    async def _serve_and_call(self) -> None:
        inside_run.set(True)
        if not self.site.opens_services(self.order.spec):
            await self._call(())
            await self._close()
            return
        # Scopes that services enter have to be left inside the scopes that they were entered in: so the
        # scope that shields their closing is there from the beginning.
        with anyio.CancelScope() as self._keeper:
            try:
                arguments = await self._services.open()
            except BaseException as error:
                self._error, self._service_failed = error, True
                self._inspect(error)
            else:
                # A factory may have cancelled the task that it opens in: that must not hit the job.
                await self._take_back_cancellation()
                await self._call(arguments)
            await self._close_in(self._keeper)

    async def _call(self, arguments: tuple[Any, ...]) -> None:
        context = self._context or self._new_context()
        try:
            if is_called_in_thread(context.job):
                self._returned = await self._in_thread(context, arguments)
            else:
                self._returned = await call_on_loop(context, arguments)
            self._judge()
        except BaseException as error:
            self._error = error
            if self._countdown.late and self._where is None and is_cancellation(error):
                self._where = traceback.extract_tb(error.__traceback__)
            self._inspect(error)
        await self._take_back_cancellation()

    async def _in_thread(self, context: JobContext, arguments: tuple[Any, ...]) -> object:
        around = self._wrapping.around_call() if self._wrapping is not None else None
        threaded = ThreadedCall(self.site.threads, context, arguments, around)
        try:
            return await threaded.wait(self._thread_grace)
        finally:
            self._where = threaded.where
            if threaded.left_behind and not self.site.disposable:
                self.thread = threaded.call
                self._left = "its thread was left behind, and still goes on"

    def _thread_grace(self) -> float:
        site = self.site
        late = self._stop is not None and self._stop.status is RunStatus.TIMED_OUT
        return (site.late_grace if late else site.thread_grace).total_seconds()

    def _inspect(self, error: BaseException) -> None:
        if not self.stopping:  # what a cancelled job raises is about its being cancelled
            self.site.inspect(self.order.run, error)

    def _new_context(self) -> JobContext:
        order = self.order
        return JobContext(
            job=order.spec,
            run=order.run,
            attempt=order.attempt,
            parameters=order.parameters,
            started_at=order.started_at,
            deadline=order.limit.at if order.limit is not None else None,
            log=order.log,
            clock=self.site.clock,
            host=self,
        )

    def _judge(self) -> None:
        expect = self.order.spec.expect
        if expect is None:
            return
        result = checked_result(self._returned)
        took = timedelta(seconds=self.site.clock.monotonic() - self.order.began)
        broken = expect.broken_by(result, took) if result.status is RunStatus.SUCCEEDED else None
        if broken is not None:
            raise ExpectationBroken(broken)

    async def _close(self) -> None:
        """Close the services that the job has asked for while it ran; they have tasks of their own."""
        if self._asked:
            with anyio.CancelScope() as self._keeper:
                await self._close_in(self._keeper)

    async def _close_in(self, keeper: anyio.CancelScope) -> None:
        """Close the services: cancellation must not leave them half closed, nor may they take for ever."""
        left = self.site.cleanup.total_seconds() if self.stopping else self._countdown.left
        if left is not None:
            keeper.deadline = anyio.current_time() + left
        keeper.shield = True
        errors: Sequence[BaseException]
        try:
            errors = await self._services.close(self._error)
        except anyio.get_cancelled_exc_class():
            errors = [TimeoutError("the services of the job did not close in time")]
        if self._error is None and errors:
            self._error, self._service_failed = errors[0], True
            errors = errors[1:]
        self._cleanup = tuple(errors)

    async def _take_back_cancellation(self) -> None:
        """A job may have cancelled its own task: that must not hit what comes after it."""
        task = running_asyncio_task()
        if task is None or not task.cancelling() or self.stopping:
            return
        while task.cancelling():
            task.uncancel()
        with suppress(BaseException):
            # Before Python 3.13, one that was not delivered yet still comes. The job has ended without it.
            await anyio.lowlevel.checkpoint()

    # -- in the task that waits --------------------------------------------------------------------------

    def _arm(self) -> None:
        """Let the alarm ring at the limit; that of an attempt that was told to stop is for something else."""
        if self._stop is None and not self._over:
            self._countdown.ring_at_limit(self._overrun)

    def _end(self) -> tuple[datetime, timedelta]:
        """It is over, by now and after so long."""
        self._countdown.put_off()
        if self._stop is None and self._countdown.late:
            self._stop = self._countdown.overdue()
        self._over = True
        if self.thread is not None and self._stopped is not None:
            return self._stopped  # it was over for everybody but its thread
        return self._time()

    def _time(self) -> tuple[datetime, timedelta]:
        """What time it is, and how long the attempt has taken."""
        clock = self.site.clock
        return clock.now(), timedelta(seconds=clock.monotonic() - self.order.began)

    def _went_wrong(self, error: BaseException) -> None:
        """The task of the job did not end as tasks do."""
        self._error = self._error or (left_open(error) if self._left is None else None)

    def _overrun(self) -> None:
        self.stop(self._countdown.overdue())

    def _cut_off(self) -> None:
        if self._body is not None:
            self._body.sever()
