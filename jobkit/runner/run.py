"""One run, from its lease to its record."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio

from jobkit.exceptions import StoreUnavailable
from jobkit.logs import get_logger
from jobkit.logs.capture import RunCapture
from jobkit.records import format_instant
from jobkit.runner.attempt import Attempt
from jobkit.runner.executors.calling import executor_of
from jobkit.runner.orders import Limit, Order
from jobkit.runner.outcome import Stop, Verdict
from jobkit.runner.patience import Patience
from jobkit.statuses import Reason, RunStatus, Trigger
from jobkit.stores.base import Lease, LeaseRequest, NewRun, Outcome

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.runner.environment import Environment
    from jobkit.runner.executors.process import ProcessAttempt
    from jobkit.runner.executors.thread import ThreadCall
    from jobkit.runner.journal import Journal


@dataclass(slots=True, kw_only=True)
class Request:
    """A run that was asked for, with its parameters validated.

    *ancestors* are the names of the jobs that it is a child, grandchild, … of, *limit* the deadline it
    inherits from them.
    """

    id: str
    spec: JobSpec
    parameters: Mapping[str, Any]
    trigger: Trigger
    actor: str
    enforce: bool
    timeout: timedelta | None
    secrets: frozenset[str] = frozenset()
    parent: str | None = None
    ancestors: tuple[str, ...] = ()
    limit: Limit | None = None


class Run:
    """Executes one request. ``stop`` may be called while ``execute`` goes on, on the event loop."""

    def __init__(self, environment: Environment, request: Request) -> None:
        self._environment = environment
        self._request = request
        self._patience = Patience(environment.site.cleanup)
        self._current: Attempt | ProcessAttempt | anyio.CancelScope | None = None
        self._stop: Stop | None = None
        self._plugins_until: float | None = None
        self._record: RunRecord
        self._lease: Lease
        self._log: FilteringBoundLogger

    async def execute(self) -> RunRecord:
        """The record of the run once it has ended. A cancellation is recorded first, then raised.

        StoreError if the run could not be begun or, its process being stopped, not be recorded.
        """
        environment = self._environment
        self._record, self._lease = await self._begin()
        environment.going_on[self._record.id] = self
        environment.leases.hold(self._lease)
        try:
            self._announce_start()
            await self._tell_start()
            record = await self._attempts()
        finally:
            environment.leases.release(self._record.id)
            del environment.going_on[self._record.id]
        self._announce_end(record)
        await self._tell_end(record)
        if self._patience.interrupted is not None:
            raise self._patience.interrupted
        return record

    def stop(self, stop: Stop) -> None:
        """Cancel what is going on; the run ends with the first *stop* that it is given."""
        if self._stop is None:
            self._stop = stop
            if isinstance(self._current, anyio.CancelScope):
                self._current.cancel()
            elif self._current is not None:
                self._current.stop(stop)

    # -- the row and the lease ----------------------------------------------------------------------

    async def _begin(self) -> tuple[RunRecord, Lease]:
        request, spec = self._request, self._request.spec
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
        store = self._environment.store
        return await self._patience.ask(lambda: store.add_and_start(new, self._wish()), "begin a run")

    def _wish(self) -> LeaseRequest:
        environment = self._environment
        # The caller waits for this run: nobody else can go on with it.
        return LeaseRequest(environment.identity, environment.node, environment.lease, pinned=True)

    async def _begin_again(self) -> Lease | None:
        store, run_id = self._environment.store, self._record.id
        lease = await store.start_attempt(run_id, self._wish())
        if lease is not None:
            return lease
        # It may have been started by a call of ours whose answer we did not get.
        for held in await store.open_leases():
            if held.lease.run_id == run_id and held.lease.owner == self._environment.identity:
                return held.lease
        return None

    # -- attempts -----------------------------------------------------------------------------------

    async def _attempts(self) -> RunRecord:
        while True:
            verdict, journal, left = await self._attempt()
            outcome = verdict.outcome
            retry_at = self._retry_at(verdict)
            self._tell_attempt(outcome, retry_at)
            if retry_at is None:
                return await self._finish(outcome, journal)
            if not await self._queue(outcome, journal, retry_at):
                return await self._fenced(outcome)
            await self._wait(retry_at, left)
            if self._stop is not None:
                return await self._finish(self._stopped(outcome), journal)
            lease = await self._patience.ask(self._begin_again, "begin an attempt")
            if lease is None:
                return await self._fenced(outcome)
            self._lease = lease
            self._record = replace(self._record, attempt=lease.attempt)
            self._environment.leases.hold(lease)

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
            self._plugins_until = attempt.plugins_until
            if attempt.interrupted is not None:
                self._patience.interrupted = attempt.interrupted
                self._stop = self._stop or self._interruption()
            retry_at = self._retry_at(verdict)
            if retry_at is not None:
                capture.logger.warning("run.retrying", at=format_instant(retry_at), **_facts(verdict.outcome))
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
            _limit(request, started_at, began),
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

    async def _queue(self, outcome: Outcome, journal: Journal, retry_at: datetime) -> bool:
        store, lease = self._environment.store, self._lease

        async def queue() -> bool:
            await journal.end()
            return await store.retry_later(lease, outcome, retry_at)

        return await self._patience.ask(queue, "queue a run again")

    async def _wait(self, retry_at: datetime, thread: ThreadCall | None) -> None:
        """Until it is time; a thread that was left behind has to end first, or the job would run twice."""
        try:
            with anyio.CancelScope() as self._current:
                await self._environment.site.clock.sleep_until(retry_at)
                if thread is not None:
                    await thread.ended.wait()
        except anyio.get_cancelled_exc_class() as cancellation:
            self._patience.interrupted = cancellation
            self._stop = self._stop or self._interruption()
        self._current = None

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

    async def _finish(self, outcome: Outcome, journal: Journal) -> RunRecord:
        store, lease = self._environment.store, self._lease

        async def finish() -> RunRecord | None:
            await journal.end()
            return await store.finish(lease, outcome)

        try:
            record = await self._patience.ask(finish, "record a run")
        except StoreUnavailable as error:
            self._log.error("finish.unrecorded", error=str(error), **_facts(outcome))
            raise self._patience.interrupted or error from error
        return record if record is not None else await self._fenced(outcome)

    async def _fenced(self, outcome: Outcome) -> RunRecord:
        """Somebody else has ended our lease: what they recorded stands, ours is only told."""
        self._log.error("finish.fenced", **_facts(outcome))
        store = self._environment.store
        return await self._patience.ask(lambda: store.run(self._record.id), "read a run")

    # -- who is told ----------------------------------------------------------------------------------

    def _announce_start(self) -> None:
        record, spec = self._record, self._request.spec
        self._log = get_logger().bind(run=record.number, job=record.job, extension=record.extension)
        self._log.info(
            "run.started", trigger=record.trigger.value, actor=record.actor, enforce=record.enforce
        )
        self._environment.audience.tell(lambda observer: observer.run_started(record, spec))

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
            self._patience.interrupted = cancellation
            self._stop = self._stop or self._interruption()
        self._current = None

    async def _tell_end(self, record: RunRecord) -> None:
        """Have plugins and sinks know of what is recorded; one who waits no more still gets some time."""
        environment = self._environment
        hooks = environment.site.hooks
        if not record.status.finished:
            return  # somebody else has taken the run over, and tells its end
        if hooks is not None and hooks.implemented("run_finished"):
            from jobkit.plugins import values

            run = values.Run(record, self._request.spec)
            if not await self._shielded(lambda: hooks.run_finished(run)):
                self._log.warning("run_finished.cut_off", run_id=record.id)
        environment.audience.finished(record)

    async def _shielded(self, tell: Callable[[], Awaitable[None]]) -> bool:
        """Whether *tell* came to its end: it has the time that it needs, until somebody wants to stop."""
        scope, over = anyio.CancelScope(shield=True), anyio.Event()

        async def told() -> None:
            with scope:
                await tell()
            over.set()

        def hurry() -> None:
            last = anyio.current_time() + self._environment.site.cleanup.total_seconds()
            scope.deadline = min(scope.deadline, self._plugins_until or last)

        if self._patience.interrupted is not None:
            hurry()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(told)
                try:
                    with anyio.CancelScope(shield=self._patience.interrupted is not None):
                        await over.wait()
                except anyio.get_cancelled_exc_class():
                    hurry()
                    raise
        except anyio.get_cancelled_exc_class() as cancellation:
            self._patience.interrupted = cancellation
        return not scope.cancelled_caught

    def _tell_attempt(self, outcome: Outcome, retry_at: datetime | None) -> None:
        record, number = self._record, self._lease.attempt
        self._environment.audience.tell(
            lambda observer: observer.attempt_finished(record, number, outcome, retry_at)
        )

    def _announce_end(self, record: RunRecord) -> None:
        level = "info" if record.status.ok else "warning" if record.status is RunStatus.CANCELLED else "error"
        getattr(self._log, level)("run.finished", **_canonical(record))
        self._environment.audience.tell(lambda observer: observer.run_finished(record))


def _limit(request: Request, started_at: datetime, monotonic: float) -> Limit | None:
    """The nearer of the attempt's own timeout and the deadline that it inherits."""
    timeout = request.timeout
    if timeout is None:
        return request.limit
    own = Limit(monotonic + timeout.total_seconds(), started_at + timeout, timeout)
    return own if request.limit is None or own.monotonic < request.limit.monotonic else request.limit


def _facts(outcome: Outcome) -> dict[str, Any]:
    return {"status": outcome.status.value, "duration_ms": outcome.duration_ms, "message": outcome.message}


def _canonical(record: RunRecord) -> dict[str, Any]:
    """Everything about a run in one line; what it does not have is left out."""
    facts: dict[str, Any] = {
        "status": record.status.value,
        "duration_ms": record.duration_ms,
        "attempt": record.attempt,
        "attempts": record.attempts,
        "trigger": record.trigger.value,
        "actor": record.actor,
        "node": record.node,
        "message": record.message,
        "processed": record.processed,
        "errors": record.errors,
        "reason": record.reason,
        "error": record.error.type if record.error is not None else None,
        "cleanup_errors": len(record.cleanup_errors) or None,
        "scheduled_at": format_instant(record.scheduled_at) if record.scheduled_at is not None else None,
        "parent": record.parent,
        "retry_of": record.retry_of,
    }
    return {name: value for name, value in facts.items() if value is not None}
