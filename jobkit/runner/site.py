"""The place where attempts are executed: this process, with its threads and its open services."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from anyio.from_thread import BlockingPortal

from jobkit.logs import get_logger
from jobkit.plugins.watchdog import Watchdog
from jobkit.runner.alarms import Alarms
from jobkit.runner.executors.thread import Threads
from jobkit.services.builtin import CLOCK, CONFIG, PROJECT, builtin_specs
from jobkit.services.graph import Provider, ServiceGraph
from jobkit.services.host import ServiceHost
from jobkit.subtasks import guarded_subtasks

if TYPE_CHECKING:
    from jobkit.clock import Clock
    from jobkit.config import Config
    from jobkit.exceptions import ServiceError
    from jobkit.job import JobSpec
    from jobkit.plugins.facade import Hooks
    from jobkit.records import RunRecord

#: What looks at an exception that a run has raised, before its services are closed.
Inspect = Callable[["RunRecord", BaseException], None]

#: How long a thread that is told to stop may take to notice, before it is left behind.
THREAD_GRACE = timedelta(seconds=1)
#: How often it is looked for what jobs have changed of the process, at most; in seconds.
_LOOK_INTERVAL = 0.005


class Site:
    """What the attempts of one process share; enter it in the event loop that they run in.

    *cleanup* is how long an attempt that was told to stop may take to clean up; then it is cut off.
    A *disposable* process ends with its only attempt, and with it whatever that left behind.
    *inspect* is called in the event loop, and holds it, with what an attempt raised. *providers* are the
    services that there are, by default the built-in ones.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        services: Mapping[str | type, object],
        cleanup: timedelta,
        *,
        disposable: bool = False,
        inspect: Inspect | None = None,
        hooks: Hooks | None = None,
        providers: Sequence[Provider] | None = None,
    ) -> None:
        self.hooks = hooks
        self._providers = providers
        self._autouse: dict[str, bool] = {}
        self.disposable = disposable
        self.inspects = inspect is not None
        self._inspect = inspect
        self.config = config
        self.clock = clock
        self.cleanup = cleanup
        self.alarms = Alarms()
        self.thread_grace = min(THREAD_GRACE, cleanup)
        self._injected = services
        self._stack = AsyncExitStack()
        self._surroundings = _Surroundings()
        self._next_look = -math.inf
        self._looking_later = False

    async def __aenter__(self) -> Self:
        self._stack.enter_context(guarded_subtasks())
        self.portal = await self._stack.enter_async_context(BlockingPortal())
        self.threads = Threads(self.soon)
        tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self._stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(self.alarms.serve)
        self.services = await self._stack.enter_async_context(self._service_host())
        self._surroundings = _Surroundings()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def opens_services(self, spec: JobSpec) -> bool:
        """Whether anything is opened for *spec* before it is called."""
        return bool(spec.signature.services) or self._uses_any_unasked(spec.extension)

    @property
    def wraps_runs(self) -> bool:
        """Whether plugins may put something around each attempt."""
        return self.hooks is not None and self.hooks.implemented("run_context")

    def inspect(self, run: RunRecord, error: BaseException) -> None:
        """Let *error* be looked at, if anybody wants to. Raises nothing: the run has services to close."""
        if self._inspect is None or not isinstance(error, Exception):
            return
        try:
            self._inspect(run, error)
        except Exception as trouble:
            get_logger().error("run.inspection_failed", error=f"{type(trouble).__name__}: {trouble}")

    def soon(self, call: Callable[[], object]) -> None:
        """Call something on the event loop, from another thread, without waiting for it."""
        try:
            self.portal.start_task_soon(call)
        except RuntimeError:
            return  # the event loop is gone, and with it whatever the call was about

    def _service_host(self) -> ServiceHost:
        providers = builtin_specs() if self._providers is None else self._providers
        graph = ServiceGraph(providers, given=self._injected, root=self.config.root)
        supplied = {CLOCK: self.clock, CONFIG: self.config, PROJECT: self.config.root}
        return ServiceHost(
            graph,
            supplied=supplied,
            report=self._report,
            cleanup=self.cleanup.total_seconds(),
            watch=Watchdog().watch,
        )

    def _report(self, trouble: ServiceError) -> None:
        place = trouble.location(self.config.root)
        get_logger().error(
            "service.failed", error=trouble.message, code=trouble.code, help=trouble.help, place=place
        )

    def _uses_any_unasked(self, extension: str) -> bool:
        known = self._autouse.get(extension)
        if known is None:
            available = self.services.graph.available(extension)
            known = self._autouse[extension] = any(service.spec.autouse for service in available)
        return known

    def tidy_up(self) -> None:
        """Put back what jobs have changed of the process as a whole, and say so in the log.

        At once, or a moment later: each look lets another thread in, which costs as much as a short job.
        """
        now = anyio.current_time()
        if now >= self._next_look:
            self._look()
        elif not self._looking_later:
            self._looking_later = True
            self.alarms.set(self._next_look, self._look)

    def _look(self) -> None:
        self._looking_later = False
        self._next_look = anyio.current_time() + _LOOK_INTERVAL
        for changed in self._surroundings.restore():
            get_logger().warning("run.changed_process", changed=changed)


class _Surroundings:
    """What a job may change although it belongs to the process: working directory, recursion limit."""

    def __init__(self) -> None:
        self._folder = _working_directory()
        self._recursion = sys.getrecursionlimit()

    def restore(self) -> list[str]:
        """What was not as it was; it is again."""
        changed = []
        if self._folder is not None and _working_directory() != self._folder:
            try:
                os.chdir(self._folder)
                changed.append("working directory")
            except OSError:
                self._folder = None  # it is gone: there is nothing to go back to
        if sys.getrecursionlimit() != self._recursion:
            sys.setrecursionlimit(self._recursion)
            changed.append("recursion limit")
        return changed


def _working_directory() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - a string is all that is needed, after every attempt
    except OSError:
        return None
