"""The scheduler: jobs of a project fire when they are due, in this process, beside whatever else it does."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import anyio

from jobkit.clock import SystemClock
from jobkit.processes import ProcessIdentity
from jobkit.records import new_run_id
from jobkit.runner import Runner
from jobkit.runner.accepting import accept
from jobkit.runner.children import find_job
from jobkit.runner.runner import CLEANUP
from jobkit.runner.settling import settle_dead
from jobkit.scheduler.control import CancelWatch
from jobkit.scheduler.engines import chosen_engine
from jobkit.scheduler.post import CurrentJobs, Post
from jobkit.scheduler.reload import Reloader, ReloadReport
from jobkit.scheduler.serving import Serving, Settable
from jobkit.sinks.delivery import Delivery
from jobkit.statuses import Trigger

if TYPE_CHECKING:
    from jobkit.clock import Clock
    from jobkit.engines.base import Engine
    from jobkit.project import Given, Project
    from jobkit.records import RunRecord
    from jobkit.runner.observer import Observer
    from jobkit.stores.base import Store

SchedulerState = Literal["entered", "starting", "serving", "stopping", "stopped"]


class Scheduler:
    """Runs the jobs of *project*, when they are due or when somebody asks, in an asyncio or trio program.

    Entering it opens the store and accepts runs; ticks fire only inside :meth:`serve_until`. Several
    processes may each do this with the same store: each tick runs once. No signal handlers are installed and
    no logging is changed. *services* are open objects by name or type, which jobs get in place of services.
    *clock* and *store* (not entered yet) take the place of the machine's and the configured one, for tests.
    *observer* watches runs as they go. *stalled* ends the process, in another thread, once a job has blocked
    the event loop for ``[scheduler] loop_stall``; without it that is only said. *cleanup* is how long a
    cancelled attempt may take to clean up.

    Belongs to the event loop that enters it; any of its tasks may use it. Entering raises StoreError,
    ConfigError for an engine that does not exist, and RuntimeError if it is entered already.
    """

    def __init__(
        self,
        project: Project,
        *,
        services: Given | None = None,
        clock: Clock | None = None,
        store: Store | None = None,
        observer: Observer | None = None,
        stalled: Callable[[], None] | None = None,
        cleanup: timedelta = CLEANUP,
    ) -> None:
        self.project = project
        self._services: Given = dict(services or {})
        self._clock = clock or SystemClock()
        self._given_store = store
        self._observer = observer
        self._stalled = stalled
        self._cleanup = cleanup
        self._stack: AsyncExitStack | None = None
        self._post: Post
        self._runner: Runner
        self._engine: Engine
        self._watch: CancelWatch
        self._reloader: Reloader
        self._delivery: Delivery | None = None
        self._serving: Serving | None = None
        self._served = False

    # -- entering and leaving -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._stack is not None:
            raise RuntimeError("this scheduler is entered already")
        project = self.project
        if self._services:
            project.give(self._services)
        project.collect_all()
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(self._given_store or project.open_store())
            self._post = self._new_post(store)
            await settle_dead(store, project.jobs)
            self._delivery = await self._enter_delivery(stack, store)
            self._runner = await stack.enter_async_context(self._new_runner(store))
            self._post.connection.reached.append(self._runner.store_reached)
            self._engine = await stack.enter_async_context(chosen_engine(project))
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            self._reloader = Reloader(project)
            self._reloader.on_reload.append(self._take_up)
            self._watch = CancelWatch(store, self._runner, self._post.connection)
            tasks.start_soon(self._watch.serve)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            # Task groups would put what the caller's own code raised into a group.
            await stack.aclose()

    def _new_post(self, store: Store) -> Post:
        project, scheduler = self.project, self.project.config.scheduler
        return Post(
            store=store,
            clock=self._clock,
            config=project.config,
            jobs=project.jobs,
            hooks=project.hooks,
            identity=ProcessIdentity.current(),
            node=scheduler.node or socket.gethostname(),
        )

    async def _enter_delivery(self, stack: AsyncExitStack, store: Store) -> Delivery | None:
        project = self.project
        if not project.sinks:
            return None
        return await stack.enter_async_context(
            Delivery(
                project.sinks,
                store,
                clock=self._clock,
                hooks=project.hooks,
                secrets=project.config.secrets,
            )
        )

    def _new_runner(self, store: Store) -> Runner:
        project = self.project
        return Runner(
            CurrentJobs(self._post),
            store,
            config=project.config,
            clock=self._post.time.clock(),
            services=project.given,
            observer=self._observer,
            cleanup=self._cleanup,
            hooks=project.hooks,
            providers=project.services,
            finished=self._finished,
            stalled=self._stalled,
        )

    # -- runs ---------------------------------------------------------------------------------------------

    async def run(
        self,
        job: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        actor: str | None = None,
        enforce: bool | None = None,
        timeout: timedelta | str | float | None = None,
    ) -> RunRecord:
        """Run *job* here and now, to its end, and give its record, however it ended.

        It works for disabled and paused jobs too, inside :meth:`serve_until` and outside. *parameters* lie
        over those of the configuration. Cancelling it cancels the run. Raises, before anything is recorded,
        UsageError for a job that there is not, ParameterError, RunError for a job with an error, RunRefused
        if overlap or a plugin is against it, and StoreError.
        """
        self._opened()
        return await self._runner.run(
            find_job(self._post.jobs, job),
            parameters,
            trigger=Trigger.MANUAL,
            actor=actor,
            enforce=enforce,
            timeout=timeout,
        )

    async def enqueue(
        self,
        job: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        actor: str | None = None,
        enforce: bool | None = None,
    ) -> RunRecord:
        """Queue a run of *job*, for this scheduler or any other to execute; its record as it is queued.

        Returns once it is written down. Raises as :meth:`run` does, and RunError for a secret parameter:
        those are not stored.
        """
        store, spec = self._opened(), find_job(self._post.jobs, job)
        record = await accept(
            store,
            spec,
            parameters,
            trigger=Trigger.API,
            actor=actor,
            enforce=enforce,
            config=self._post.config,
            hooks=self.project.hooks,
        )
        if self._serving is not None:
            await self._serving.queue.submit(record, spec)
        return record

    # -- serving ------------------------------------------------------------------------------------------

    async def serve_until(self, stop: Settable) -> None:
        """Fire ticks, execute what is queued and deliver results until *stop*, an event, is set.

        Then running jobs get ``[scheduler] shutdown_grace`` to end, are cancelled, and are recorded as
        ``cancelled``, reason ``shutdown``. Being cancelled ends it too, without the grace. Raises StoreError
        if it cannot begin, RuntimeError if it goes on already or the scheduler was not entered.
        """
        self._opened()
        if self._serving is not None:
            raise RuntimeError("this scheduler serves already")
        if self._served:
            self._post.replica_id = new_run_id(self._clock.now())
        self._served = True
        serving = Serving(self._post, self._runner, self._engine, self._delivery, self._watch, self._reloader)
        self._serving = serving
        try:
            await serving.serve(stop)
        finally:
            self._serving = None

    async def reload(self) -> ReloadReport:
        """Take up job files and configuration as they are now, without disturbing what runs.

        What is broken stays as it last was; the report says so. Raises nothing for it.
        """
        self._opened()
        report = await self._reloader.reload()
        if self._serving is not None:
            await self._serving.reloaded()
        return report

    @property
    def reloader(self) -> Reloader:
        """What looks after the project's files, once the scheduler was entered."""
        return self._reloader

    def hurry(self) -> None:
        """End :meth:`serve_until` without the grace; otherwise nothing happens. On the event loop only."""
        if self._serving is not None:
            self._serving.hurry()

    @property
    def state(self) -> SchedulerState:
        """What it is doing; ``stopped`` once it has served and stopped."""
        if self._serving is not None:
            return self._serving.state
        return "stopped" if self._served else "entered"

    @property
    def serving(self) -> Serving | None:
        """Its parts while it serves, for whoever shows how it stands."""
        return self._serving

    # -- what happens inside ------------------------------------------------------------------------------

    def _opened(self) -> Store:
        if self._stack is None:
            raise RuntimeError("this scheduler is not entered: use it inside `async with`")
        return self._post.store

    def _take_up(self, report: ReloadReport) -> None:
        self._post.config, self._post.jobs = self.project.config, self.project.jobs
        if self._serving is not None:
            self._serving.reload_soon()

    def _finished(self, run: RunRecord) -> None:
        if self._delivery is not None:
            self._delivery.finished(run)
        if self._serving is not None:
            self._serving.ended(run)
