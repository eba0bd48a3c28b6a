"""Running jobs here and now, one after another or several at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio

from jobkit.cli.debugging import Debugging
from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.interruption import Interruption
from jobkit.cli.last_words import end_at_once
from jobkit.cli.pauses import paused_note
from jobkit.cli.plan import Manner, Order, Outcome
from jobkit.exceptions import JobkitError
from jobkit.runner.outcome import Stop
from jobkit.runner.runner import Runner
from jobkit.runner.settling import settle_dead
from jobkit.runner.steady_loop import SteadyLoop
from jobkit.scheduler.cancelling import CancelWatch, watched
from jobkit.statuses import Reason

if TYPE_CHECKING:
    from jobkit.cli.delivering import FinalDelivery
    from jobkit.cli.reporter import Reporter
    from jobkit.cli.session import Session
    from jobkit.project import Project
    from jobkit.stores.base import Store


def execute(
    orders: Sequence[Order], manner: Manner, project: Project, session: Session, reporter: Reporter
) -> Outcome:
    """Run *orders* in this process; a first Ctrl-C cancels what runs and waits until it is recorded."""
    execution = _Execution(orders, manner, project, session, reporter)
    return anyio.run(execution.run, backend_options={"loop_factory": SteadyLoop})


class _Execution:
    def __init__(
        self,
        orders: Sequence[Order],
        manner: Manner,
        project: Project,
        session: Session,
        reporter: Reporter,
    ) -> None:
        self._orders = orders
        self._manner = manner
        self._project = project
        self._session = session
        self._reporter = reporter
        self._interruption = Interruption()
        self._outcome = Outcome()
        self._stopped = False
        self._begun = 0
        self._answered = 0

    async def run(self) -> Outcome:
        async with self._project.open_store() as store:
            await settle_dead(store, self._project.jobs)
            note = await paused_note(store, [order.spec.name for order in self._orders])
            if note is not None:
                self._reporter.say(note)
            async with AsyncExitStack() as stack:
                delivery = await self._delivery(store, stack)
                await self._execute(store, delivery)
                if delivery is not None:
                    await delivery.deliver(interrupted=bool(self._interruption))
        outcome = self._outcome
        outcome.interrupted = bool(self._interruption)
        outcome.left = len(self._orders) - self._begun
        # What was cancelled is recorded too, although nobody got it as a result.
        outcome.records = self._reporter.records
        outcome.dropped = self._dropped()
        return outcome

    def _dropped(self) -> JobkitError | None:
        """Orders that came to nothing although nobody wanted that: success must not be reported then."""
        expected = self._begun if self._stopped else len(self._orders)
        missing = expected - self._answered
        if self._interruption or not missing:
            return None
        return JobkitError(
            f"internal error: {missing} of {len(self._orders)} runs were dropped: something cancelled them",
            code="JK901",
            help="`jobkit history` shows what became of those that had begun; the others did not start",
        )

    async def _delivery(self, store: Store, stack: AsyncExitStack) -> FinalDelivery | None:
        if not self._project.sinks:
            return None
        from jobkit.cli.delivering import FinalDelivery

        say = None if self._session.options.quiet else self._reporter.say
        return await stack.enter_async_context(FinalDelivery(self._project, store, say, self._end))

    async def _execute(self, store: Store, delivery: FinalDelivery | None) -> None:
        project = self._project
        runner = Runner(
            project.jobs,
            store,
            config=project.config,
            clock=self._session.clock,
            observer=self._reporter,
            inspect=Debugging(self._reporter) if self._manner.debug else None,
            hooks=project.hooks,
            providers=project.services,
            finished=delivery.finished if delivery is not None else None,
            stalled=partial(os._exit, ExitCode.INTERNAL),
        )
        # Only the runs are cancelled: runner and store still have to write down what becomes of them.
        # Leaving the runner closes services, whose code may hang as a job may: signals are heard until then.
        scope = anyio.CancelScope()
        with self._interruption.watched(scope.cancel, self._told, self._end):
            async with runner:
                with scope:
                    await watched(CancelWatch(store, runner), partial(self._run_all, runner))

    async def _run_all(self, runner: Runner) -> None:
        places = anyio.Semaphore(self._manner.at_once)
        async with anyio.create_task_group() as tasks:
            for order in self._orders:
                await places.acquire()
                if self._stopped:
                    break
                self._begun += 1
                tasks.start_soon(self._run_one, runner, order, places)

    async def _run_one(self, runner: Runner, order: Order, places: anyio.Semaphore) -> None:
        manner = self._manner
        try:
            record = await runner.run(
                order.spec,
                order.parameters,
                trigger=order.trigger,
                actor=manner.actor,
                enforce=manner.enforce,
                timeout=manner.timeout,
                retry_of=order.retry_of,
            )
            self._reporter.keep(record)
            self._answered += 1
            failed = not record.status.ok
        except JobkitError as error:
            self._reporter.report(error)
            self._outcome.refused.append(error)
            self._answered += 1
            failed = True
        finally:
            places.release()
        if failed and manner.stop_at_first:
            self._stopped = True

    def _told(self, name: str) -> bool:
        return self._reporter.say(f"{name}: cancelling what runs; once more ends it at once")

    def _end(self) -> None:
        """In a thread of its own: whatever the event loop does, the process ends."""
        stop = Stop.because(Reason.INTERRUPTED)
        stop = replace(stop, message=f"{stop.message} twice, and not waited for")
        end_at_once(self._project, stop, self._session, self._reporter)
