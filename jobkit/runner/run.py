"""One run, from its lease to its record."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from math import inf
from typing import TYPE_CHECKING

import anyio

from jobkit.exceptions import RunRefused, StoreUnavailable
from jobkit.logs.capture import RunCapture
from jobkit.records import format_instant
from jobkit.runner.announcing import Announcer, facts
from jobkit.runner.attempt import Attempt
from jobkit.runner.executors.calling import executor_of
from jobkit.runner.orders import Order
from jobkit.runner.outcome import Stop, Verdict, not_executed
from jobkit.runner.patience import Patience
from jobkit.runner.starting import Starter
from jobkit.runner.telling import told
from jobkit.runner.turns import make_way, waits_for
from jobkit.statuses import Reason, RunStatus
from jobkit.stores.base import Lease, Outcome

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.runner.environment import Environment
    from jobkit.runner.executors.process import ProcessAttempt
    from jobkit.runner.executors.thread import ThreadCall
    from jobkit.runner.journal import Journal
    from jobkit.runner.places import Place
    from jobkit.runner.request import Request


class Run:
    """Executes one request. ``stop`` may be called while ``execute`` goes on, on the event loop."""

    def __init__(self, environment: Environment, request: Request, place: Place | None = None) -> None:
        self._environment = environment
        self._place = place
        self._request = request
        self._patience = Patience(environment.site.cleanup, environment.naps)
        self._starter = Starter(environment, self._patience)
        self._current: Attempt | ProcessAttempt | anyio.CancelScope | None = None
        self._stop: Stop | None = None
        self._plugins_until: float | None = None
        self._waits_for: str | None = None
        self._record: RunRecord
        self._lease: Lease
        self._announcer: Announcer

    async def execute(self) -> RunRecord:
        """The record of the run once it has ended. A cancellation is recorded first, then raised.

        StoreError if the run could not be begun or, its process being stopped, not be recorded. RunInTheWay
        if its overlap allows no run now.
        """
        try:
            self._record, self._lease = await self._starter.begin(self._request)
        except RunRefused:
            if self._patience.interrupted is not None:
                raise self._patience.interrupted from None
            raise
        return await self._carry_out()

    async def take_up(self, record: RunRecord, limits: Mapping[str, int] | None) -> RunRecord | None:
        """The same for *record*, which is queued in the store; None if it is not to be had now.

        One that is to be tried again is queued again when this returns.
        """
        self._record = record
        lease = await self._starter.take_up(record.id, limits)
        if lease is None:
            if self._patience.interrupted is not None:
                raise self._patience.interrupted
            return None
        self._under(lease)
        return await self._carry_out()

    def _under(self, lease: Lease) -> None:
        """An attempt has begun."""
        self._lease = lease
        self._record = replace(
            self._record,
            status=RunStatus.RUNNING,
            started_at=self._record.started_at or self._environment.site.clock.now(),
            attempt=lease.attempt,
            node=lease.node,
        )

    async def _carry_out(self) -> RunRecord:
        environment = self._environment
        self._announcer = Announcer(environment.audience, self._record, self._request.spec)
        environment.going_on[self._record.id] = self
        environment.hold(self._lease)
        try:
            record = await self._begun_and_ended()
        finally:
            environment.leases.release(self._record.id)
            del environment.going_on[self._record.id]
        if record.status.finished and record.attempt == self._lease.attempt:  # otherwise another tells it
            self._announcer.finished(record)
            await self._tell_end(record)
        if self._patience.interrupted is not None:
            raise self._patience.interrupted
        return record

    def stop(self, stop: Stop) -> None:
        """Cancel what is going on; the run ends with the first *stop* that it is given."""
        if stop.reason is Reason.SHUTDOWN:
            self._patience.end_soon()
        if self._stop is None:
            self._stop = stop
            if isinstance(self._current, anyio.CancelScope):
                self._current.cancel()
            elif self._current is not None:
                self._current.stop(stop)

    # -- attempts -----------------------------------------------------------------------------------

    async def _begun_and_ended(self) -> RunRecord:
        if not self._lease.attempt:
            await self._pass(partial(make_way, self._environment, self._record))
            lease = await self._turn()
            if lease is None:
                return await self._unbegun()
            self._under(lease)
            self._environment.hold(lease)
        if self._lease.attempt == 1:
            self._announcer.started(self._record)
            await self._tell_start()
        return await self._attempts()

    async def _attempts(self) -> RunRecord:
        if self._request.failure is not None:
            now, secrets = self._environment.site.clock.now(), self._request.secrets
            return await self._finish(not_executed(self._request.failure, now, secrets), None)
        while True:
            verdict, journal, left = await self._attempt()
            outcome = verdict.outcome
            retry_at = self._retry_at(verdict)
            self._announcer.attempt_ended(self._record, self._lease.attempt, outcome, retry_at)
            abandoned = left is not None and await self._abandon()
            if retry_at is None:
                return await self._finish(outcome, journal, left if abandoned else None)
            if not await self._queue(outcome, journal, retry_at):
                return await self._fenced(outcome)
            if not self._lease.pinned:  # whoever comes goes on with it
                if left is not None and abandoned:
                    self._environment.abandoned.keep(self._lease, left)
                return replace(self._record, status=RunStatus.QUEUED)
            await self._wait(retry_at, left)
            if self._stop is not None:
                return await self._finish(self._stopped(outcome), journal, left if abandoned else None)
            if abandoned:
                await self._patience.ask(self._release, "release a lease")
            lease = await self._turn()
            if lease is None:
                if self._stop is None:
                    return await self._fenced(outcome)
                return await self._finish(self._stopped(outcome), journal)
            self._lease = lease
            self._record = replace(self._record, attempt=lease.attempt)
            self._environment.hold(lease)

    async def _attempt(self) -> tuple[Verdict, Journal, ThreadCall | None]:
        """Execute one attempt and judge it; cancellation is noted, not raised."""
        environment, request, record = self._environment, self._request, self._record
        with RunCapture(
            record.id,
            record.number or 0,
            record.job,
            record.extension,
            self._lease.attempt,
            secrets=request.secrets,
            now=environment.site.clock.now,
        ) as capture:
            journal = environment.journals.open(record, self._lease, capture)
            attempt = self._prepared(capture, journal)
            verdict = await attempt.verdict()
            self._current = None
            environment.hold(self._lease)  # it is over: recording it may take as long as it takes
            self._plugins_until = attempt.plugins_until
            if attempt.interrupted is not None:
                self._patience.interrupted = attempt.interrupted
                self._stop = self._stop or self._interruption()
            retry_at = self._retry_at(verdict)
            if retry_at is not None:
                capture.logger.warning("run.retrying", at=format_instant(retry_at), **facts(verdict.outcome))
        environment.journals.close(journal)
        return verdict, journal, attempt.thread

    def _prepared(self, capture: RunCapture, journal: Journal) -> Attempt | ProcessAttempt:
        environment, request, order = self._environment, self._request, self._order(capture)
        children = environment.children(request, order.run, order.limit)
        if executor_of(request.spec) == "process":
            from jobkit.runner.executors.process import ProcessAttempt

            attempt: Attempt | ProcessAttempt = ProcessAttempt(
                environment.site, order, children, journal.progressed, capture
            )
        else:
            attempt = Attempt(environment.site, order, children, journal.progressed)
        self._current = attempt
        environment.hold(self._lease, order.limit)
        if self._stop is not None:
            attempt.stop(self._stop)
        return attempt

    def _order(self, capture: RunCapture) -> Order:
        request, clock = self._request, self._environment.site.clock
        started_at, began = clock.now(), clock.monotonic()
        parameters = request.parameters
        if request.spec.retries.retries:  # what one attempt does to a list is not the next one's business
            parameters = copy.deepcopy(dict(parameters))
        return Order(
            request.spec,
            self._record,
            self._lease.attempt,
            parameters,
            started_at,
            began,
            request.limit_from(started_at, began),
            capture.logger,
            capture.redactor,
            self._interruption,
            request.limit,
        )

    def _interruption(self) -> Stop:
        """What it means for this run that whoever waits for it is cancelled."""
        return Stop.because(Reason.PARENT if self._request.ancestors else self._environment.cancel_reason)

    # -- between attempts -----------------------------------------------------------------------------

    def _retry_at(self, verdict: Verdict) -> datetime | None:
        """When the next attempt begins, None if there is none."""
        number, request = self._lease.attempt, self._request
        if not verdict.retry or self._stop is not None or number >= self._record.attempts:
            return None
        retry_at = self._environment.site.clock.now() + request.spec.retries.pause(number, self._record.id)
        return retry_at if request.limit is None or retry_at < request.limit.at else None

    async def _abandon(self) -> bool:
        """Have the lease outlive the attempt, whose thread was left behind; False if it cannot."""
        return await self._patience.ask(
            lambda: self._environment.abandoned.abandon(self._lease), "abandon a lease"
        )

    async def _release(self) -> None:
        await self._environment.abandoned.release(self._lease)

    async def _queue(self, outcome: Outcome, journal: Journal, retry_at: datetime) -> bool:
        environment, lease, ask = self._environment, self._lease, self._patience.ask

        async def queue() -> bool:
            await journal.end()
            return await environment.store.retry_later(lease, outcome, retry_at)

        queued = await environment.recording(self._record.job, ask(queue, "requeue a run", result=True))
        environment.turns.changed()
        return queued

    async def _wait(self, retry_at: datetime, thread: ThreadCall | None) -> None:
        """Until it is time; a thread that was left behind has to end first, or the job would run twice."""

        async def time_and_thread() -> None:
            await self._environment.site.clock.sleep_until(retry_at)
            if thread is not None:
                await thread.ended.wait()

        await self._pass(time_and_thread)

    async def _pass(self, wait: Callable[[], Awaitable[object]]) -> None:
        """Wait, unless the run is stopped meanwhile."""
        try:
            with anyio.CancelScope() as self._current:
                if self._stop is None:
                    await wait()
        except anyio.get_cancelled_exc_class() as cancellation:
            self._interrupted(cancellation)
        self._current = None

    def _interrupted(self, cancellation: BaseException) -> None:
        self._patience.interrupted = cancellation
        self._stop = self._stop or self._interruption()

    async def _turn(self) -> Lease | None:
        """The lease of the next attempt as soon as it may start. None if it was stopped before, or taken
        from us."""
        turns, limited = self._environment.turns, bool(self._request.limits)
        with turns.listening():
            while True:
                change = turns.change
                lease, waits = await self._starter.begin_again(self._record.id, limited=limited)
                if self._patience.interrupted is not None:
                    self._interrupted(self._patience.interrupted)
                if not waits or self._stop is not None:
                    return lease
                await self._pass(partial(self._next_chance, change))
                if self._stop is not None:
                    return None

    async def _next_chance(self, change: anyio.Event) -> None:
        """Until it may be otherwise; then there has to be a place for it, too."""
        what = await waits_for(self._environment, self._request, self._record.id)
        if what and what != self._waits_for:
            self._waits_for = what
            self._announcer.waiting(self._record, what)
        limit = self._request.limit
        left = inf if limit is None else limit.monotonic - self._environment.site.clock.monotonic()
        if self._place is not None:
            self._place.leave()
        with anyio.move_on_after(left) as scope:
            await change.wait()
            if self._place is not None:
                await self._place.take()
        if scope.cancelled_caught and limit is not None:
            self._stop = self._stop or Stop(RunStatus.TIMED_OUT, limit.words)

    async def _unbegun(self) -> RunRecord:
        """The record of a run that waited for others, and is not to begin any more."""
        stop = self._stop or Stop(RunStatus.LOST, "somebody else ended it while it waited")
        return await self._finish(stop.unbegun(self._environment.site.clock.now()), None)

    def _stopped(self, last: Outcome) -> Outcome:
        """The outcome of a run that was stopped between two attempts."""
        assert self._stop is not None
        return replace(
            last,
            status=self._stop.status,
            reason=self._stop.reason,
            message=self._stop.message,
            finished_at=self._environment.site.clock.now(),
        )

    # -- the record -----------------------------------------------------------------------------------

    async def _finish(
        self, outcome: Outcome, journal: Journal | None, thread: ThreadCall | None = None
    ) -> RunRecord:
        """Record *outcome*; the lease stays with *thread*, which was left behind, until that has ended."""
        environment, lease, ask = self._environment, self._lease, self._patience.ask

        async def finish() -> RunRecord | None:
            if journal is not None:
                await journal.end()
            return await environment.store.finish(lease, outcome)

        try:
            record = await environment.recording(self._record.job, ask(finish, "record a run", result=True))
        except StoreUnavailable as error:
            self._announcer.log.error("finish.unrecorded", error=str(error), **facts(outcome))
            raise self._patience.interrupted or error from error
        if record is None:
            return await self._fenced(outcome)
        if thread is not None:
            environment.abandoned.keep(lease, thread)
        environment.turns.changed()
        return record

    async def _fenced(self, outcome: Outcome) -> RunRecord:
        """Somebody else has ended our lease: what they recorded stands, ours is only told."""
        self._announcer.log.error("finish.fenced", **facts(outcome))
        store = self._environment.store
        return await self._patience.ask(lambda: store.run(self._record.id), "read a run")

    # -- who is told ----------------------------------------------------------------------------------

    async def _tell_start(self) -> None:
        """Have plugins know. Being stopped or cancelled ends that: then the first attempt ends at once."""
        hooks = self._environment.site.hooks
        if hooks is None or not hooks.implemented("run_started"):
            return
        from jobkit.plugins import values

        try:
            with anyio.CancelScope() as self._current:
                await hooks.run_started(values.Run(self._record, self._request.spec))
        except anyio.get_cancelled_exc_class() as cancellation:
            self._interrupted(cancellation)
        self._current = None

    async def _tell_end(self, record: RunRecord) -> None:
        """Have plugins and sinks know of what is recorded; one who waits no more still gets some time."""
        environment = self._environment
        hooks = environment.site.hooks
        if hooks is not None and hooks.implemented("run_finished"):
            from jobkit.plugins import values

            run = values.Run(record, self._request.spec)
            cleanup = environment.site.cleanup.total_seconds()
            if not await told(lambda: hooks.run_finished(run), self._patience, self._plugins_until, cleanup):
                self._announcer.log.warning("run_finished.cut_off", run_id=record.id)
        environment.audience.finished(record)
