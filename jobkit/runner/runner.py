"""Running jobs here and now."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
import anyio.to_thread

from jobkit.clock import SystemClock
from jobkit.durations import parse_duration
from jobkit.processes import ProcessIdentity
from jobkit.runner.abandoned import AbandonedLeases
from jobkit.runner.admission import admit
from jobkit.runner.children import Children, find_job
from jobkit.runner.environment import Environment
from jobkit.runner.journal import Journals
from jobkit.runner.leases import LeaseKeeper
from jobkit.runner.loop_guard import LoopGuard, calls_soon
from jobkit.runner.observer import Audience, Observer
from jobkit.runner.outcome import Stop
from jobkit.runner.places import Place
from jobkit.runner.queued import queued_request
from jobkit.runner.requests import request_for
from jobkit.runner.run import Run
from jobkit.runner.site import Inspect, Site
from jobkit.runner.turns import Turns
from jobkit.statuses import Reason, RunStatus, Trigger

if TYPE_CHECKING:
    from jobkit.clock import Clock
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.plugins.facade import Hooks
    from jobkit.records import RunRecord
    from jobkit.services.graph import Provider
    from jobkit.stores.base import Lease, Store

#: How long what was told to stop may take to clean up, unless the runner is told otherwise.
CLEANUP = timedelta(seconds=5)


class Runner:
    """Executes jobs in this process and records them in *store*, which is open and outlives the runner.

    Enter it, then call :meth:`run` from as many tasks as you like. *jobs* are those that jobs may run as
    children; it may be a mapping that looks further jobs up when they are asked for. *services* are open
    objects by name or type. *cleanup* limits how long a cancelled attempt may take to clean up, and
    after it its run to be recorded. *inspect* is called with the record of a run and the exception that an
    attempt raised, before services close, and holds the event loop meanwhile (a debugger); with it there
    are neither retries, timeouts nor processes. *hooks* are those of plugins; *providers* are all services
    that there are, by default the built-in ones. *finished* is called on the event loop with the record of
    each run that has ended, children included, after the ``run_finished`` hooks. *stalled* ends the process;
    it is called, in another thread, once a job has blocked the event loop for ``[scheduler] loop_stall``.
    Without it, as in a program that is not ours to end, that is only said, and the leases are given up.
    While a run waits for others it *settles* the leases of the dead, unless somebody else does that anyway.
    """

    def __init__(
        self,
        jobs: Mapping[str, JobSpec],
        store: Store,
        *,
        config: Config,
        clock: Clock | None = None,
        services: Mapping[str | type, object] | None = None,
        observer: Observer | None = None,
        cleanup: timedelta = CLEANUP,
        inspect: Inspect | None = None,
        hooks: Hooks | None = None,
        providers: Sequence[Provider] | None = None,
        finished: Callable[[RunRecord], None] | None = None,
        stalled: Callable[[], None] | None = None,
        settles: bool = True,
    ) -> None:
        clock = clock or SystemClock()
        audience = Audience(observer, finished)
        lease = config.scheduler.lease
        self._stack = AsyncExitStack()
        self._stalled = stalled
        self._settles = settles
        self._places = anyio.Semaphore(config.scheduler.max_concurrent_runs, fast_acquire=True)
        self._environment = Environment(
            jobs=jobs,
            store=store,
            site=Site(
                config, clock, services or {}, cleanup, inspect=inspect, hooks=hooks, providers=providers
            ),
            leases=LeaseKeeper(store, clock, lease, self._lost, self._is_stalled),
            guard=None,
            journals=Journals(store, clock, audience),
            audience=audience,
            identity=ProcessIdentity.current(),
            node=config.scheduler.node or socket.gethostname(),
            lease=lease,
            secrets=config.secrets,
            children=self._children,
            limits=config.scheduler.limits,
        )

    async def __aenter__(self) -> Self:
        environment = self._environment
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(environment.site)
            tasks = await stack.enter_async_context(anyio.create_task_group())
            environment.guard = self._new_guard()
            stack.push_async_callback(self._stop_renewing)
            stack.callback(tasks.cancel_scope.cancel)
            environment.turns = turns = self._new_turns(tasks.start_soon)
            environment.abandoned = AbandonedLeases(
                environment.store, environment.leases, tasks.start_soon, turns.changed
            )
            tasks.start_soon(environment.journals.serve)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Task groups would put what the caller's own code raised into a group.
        await self._stack.aclose()

    async def run(
        self,
        spec: JobSpec,
        parameters: Mapping[str, Any] | None = None,
        *,
        trigger: Trigger = Trigger.MANUAL,
        actor: str | None = None,
        enforce: bool | None = None,
        timeout: timedelta | str | float | None = None,
        run_id: str | None = None,
        parent: str | None = None,
        retry_of: RunRecord | None = None,
    ) -> RunRecord:
        """Run *spec* to its end and give its record, however it ended.

        *parameters* lie over those of the configuration; None means what the job says. *run_id* is a
        UUIDv7 of the caller's own. *retry_of* is the run that it repeats: it has its scheduled time, window
        and covers, and no tick; its parameters are for the caller to give. Waits for a place first
        (``max_concurrent_runs``), then, as the job's overlap and limits want it, for other runs: it is
        ``queued`` meanwhile. Cancelling it cancels the run, which is recorded before the cancellation goes
        on. Raises, before anything is recorded, ParameterError for parameters that do not fit, RunError for a
        job with an error, RunRefused if a plugin is against it, RunInTheWay if another run of the job is,
        and StoreError.
        """
        request = request_for(
            self._environment,
            spec,
            parameters,
            trigger=trigger,
            actor=actor,
            enforce=enforce,
            timeout=None if timeout is None else parse_duration(timeout),
            run_id=run_id,
            parent=parent,
            retry_of=retry_of,
        )
        async with Place(self._places) as place:
            await admit(self._environment.site.hooks, request)
            return await Run(self._environment, request, place).execute()

    async def execute_queued(
        self,
        record: RunRecord,
        spec: JobSpec | None = None,
        *,
        limits: Mapping[str, int] | None = None,
        admitted: bool = True,
    ) -> RunRecord | None:
        """Execute *record*, which stands queued in the store, and give its record as it is then.

        *spec* is the job, by default the runner's of that name. It is executed with what is recorded:
        parameters, actor, tick and window; a secret comes from this process's own configuration, and the
        run fails if that has none. *limits* says how many runs may hold each named limit, by default what the
        configuration says. Unless *admitted*, plugins are asked first. Whether its time has come is for the
        caller to judge.

        None if it is not to be had now: somebody else has it, or it has to wait. A run that is tried again
        is ``queued`` when it is returned, for whoever comes. Waits for a place (``max_concurrent_runs``);
        cancelling it cancels the run. Raises, and leaves the run queued: RunRefused if no thread is left
        for it or a plugin is against it, UsageError for a job that is not known here, StoreError.
        """
        environment = self._environment
        request = queued_request(
            environment, find_job(environment.jobs, record.job) if spec is None else spec, record
        )
        if record.id in environment.taken_up:
            return None
        environment.taken_up.add(record.id)
        try:
            async with self._places:
                if not admitted:
                    await admit(environment.site.hooks, request)
                return await Run(environment, request).take_up(
                    record, environment.limits if limits is None else limits
                )
        finally:
            environment.taken_up.discard(record.id)

    def cancel(
        self, run_id: str, reason: Reason | None = Reason.INTERRUPTED, *, message: str | None = None
    ) -> bool:
        """Cancel a run that goes on here; False if there is none of that id. On the event loop only.

        *message* is what its record says of it, by default what the reason means. None is no reason but that
        message.
        """
        run = self._environment.going_on.get(run_id)
        if run is None:
            return False
        if reason is None:
            run.stop(Stop(RunStatus.CANCELLED, message or "it was cancelled"))
            return True
        stop = Stop.because(reason)
        run.stop(stop if message is None else replace(stop, message=message))
        return True

    @property
    def going_on(self) -> frozenset[str]:
        """The ids of the runs that go on here, children and those between two attempts included. On the event
        loop only."""
        return frozenset(self._environment.going_on)

    @property
    def unrecorded(self) -> Collection[str]:
        """The jobs of which a run or an attempt has ended here and is not written yet; a live view, on the
        event loop only."""
        return self._environment.unrecorded.keys()

    def store_reached(self) -> None:
        """The store answers again: what waits to be recorded is recorded now. On the event loop only."""
        for nap in [*self._environment.naps]:
            nap.cancel()

    @property
    def cancel_reason(self) -> Reason:
        """What is recorded of runs whose caller is cancelled; ``interrupted`` unless it is set."""
        return self._environment.cancel_reason

    @cancel_reason.setter
    def cancel_reason(self, reason: Reason) -> None:
        self._environment.cancel_reason = reason

    @property
    def abandoned_threads(self) -> tuple[str, ...]:
        """Jobs whose threads were left behind and still go on: the interpreter would wait for them at its
        end, so a program ends with ``os._exit`` if there are any. From any thread."""
        return self._environment.site.threads.abandoned

    @property
    def takes_threads(self) -> bool:
        """Whether jobs in threads are started here: not once ten threads were left behind and still go on.

        From any thread.
        """
        return self._environment.site.threads.has_room

    def _children(self, *facts: Any) -> Children:
        return Children(self._environment, *facts)

    def _lost(self, lease: Lease) -> None:
        """In the thread of the renewals: somebody else has ended *lease*."""
        run = self._environment.going_on.get(lease.run_id)
        if run is not None:
            stop = Stop(RunStatus.CANCELLED, "its lease was lost: the run was taken for dead")
            self._environment.site.soon(partial(run.stop, stop))

    def _new_turns(self, start: Callable[..., object]) -> Turns:
        environment = self._environment
        clock, settles = environment.site.clock, self._settles
        return Turns(environment.store, clock, environment.lease, environment.jobs, start, settles=settles)

    def _new_guard(self) -> LoopGuard | None:
        environment = self._environment
        if environment.site.inspects:  # a debugger holds the event loop as long as somebody likes
            return None
        return LoopGuard(
            environment.site.clock,
            environment.site.config.scheduler.loop_stall,
            calls_soon(),
            lambda: environment.leases.any_held,
            self._stalled,
        )

    def _is_stalled(self) -> bool:
        guard = self._environment.guard
        return guard is not None and guard.stalled

    async def _stop_renewing(self) -> None:
        # It waits for a renewal that is under way, which the event loop must not do.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._stop_threads)

    def _stop_threads(self) -> None:
        self._environment.leases.stop()
        if self._environment.guard is not None:
            self._environment.guard.stop()
