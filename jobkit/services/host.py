"""Where services live while jobs run: those of the process, and those of each run."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
from anyio.abc import TaskGroup

from jobkit.annotations import NOTHING
from jobkit.exceptions import ServiceError
from jobkit.services.graph import ServiceGraph, ServiceNode
from jobkit.services.hosted import HostedService
from jobkit.services.opening import OpenService, Watch, described, not_opened, unwatched
from jobkit.services.specs import SuppliedSpec

if TYPE_CHECKING:
    from jobkit.job import JobSpec

#: How long closing one service may take unless the host is told otherwise, in seconds.
CLEANUP = 5.0

_Enter = Callable[[ServiceNode, dict[str, Any]], Awaitable[Any]]


class ServiceHost:
    """Keeps the services of a process open; enter it in the event loop that runs jobs.

    *supplied* are the objects behind built-in services (``clock``, ``config``, ``project``), by name.
    *report* is told of trouble that belongs to no run: a service that ended by itself, or could not be
    closed. Services of scope ``scheduler`` are opened on first use, each held by a task of its own, and
    closed, last opened first, when the host is left. *cleanup* limits how long each may take for that, and
    how long an opening that nobody waits for may take to stop, in seconds; what takes longer is cancelled,
    and then left behind. *watch* is entered around synchronous calls into factories, which hold everything
    up. Methods belong to the event loop.
    """

    def __init__(
        self,
        graph: ServiceGraph,
        *,
        supplied: Mapping[str, object] | None = None,
        report: Callable[[ServiceError], None] | None = None,
        cleanup: float = CLEANUP,
        watch: Watch = unwatched,
    ) -> None:
        self.watch = watch
        self._cleanup = cleanup
        self.graph = graph
        self._supplied = dict(supplied or {})
        self._report = report or _log
        self._open: dict[ServiceNode, HostedService] = {}
        self._order: list[HostedService] = []
        self._tasks: TaskGroup

    async def __aenter__(self) -> Self:
        self._requests, received = anyio.create_memory_object_stream[HostedService](math.inf)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._start_hosted, received, name="jobkit services")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            for hosted in reversed(self._order.copy()):
                await self._close(hosted)
        finally:
            self._requests.close()
            self._tasks.cancel_scope.cancel()
            await self._tasks.__aexit__(None, None, None)

    async def _close(self, hosted: HostedService) -> None:
        trouble: BaseException | None = None
        with anyio.move_on_after(self._cleanup) as limit:
            trouble = await hosted.close()
        if limit.cancelled_caught:
            if hosted.released:  # one that was not open yet is reported when it has ended
                self._report(_not_in_time(hosted.node, "close", self._cleanup))
            await hosted.wait()
        elif trouble is not None:
            self._report(_not_closed(hosted.node, trouble))

    def run_scope(self, job: JobSpec, *, log: object = NOTHING) -> RunScope:
        """The services of one attempt of *job*; *log* is its logger. Nothing is opened yet."""
        return RunScope(self, job, log)

    async def get(self, wanted: Any) -> Any:
        """A service of scope ``scheduler``, by name or type, outside of any run. Raises ServiceError."""
        return await self.value(self.graph.find(wanted))

    async def ping(self, name: str, extension: str | None = None) -> None:
        """Ask the service *name* whether it is well, opening it if need be. Raises ServiceError if not.

        With *extension*, the one that its jobs get.
        """
        node = self.graph.find(name, extension)
        service = await self.value(node)
        if node.spec.ping is None:
            return
        try:
            answer = node.spec.ping(service)
            if hasattr(answer, "__await__"):
                answer = await answer
        except (Exception, SystemExit, BaseExceptionGroup) as error:  # it raises whatever its library does
            raise _not_well(node, described(error)) from error
        if answer is False:
            raise _not_well(node, "its ping returned False")

    # -- for run scopes and for services that need others ---------------------------------------------

    async def value(self, node: ServiceNode) -> Any:
        """The open service of a *node* that lives as long as the process."""
        if node.provider.value is not NOTHING:
            return node.provider.value
        if isinstance(node.spec, SuppliedSpec):
            return self._supplied_value(node)
        if node.spec.scope == "run":
            raise ServiceError(
                f"service `{node.spec.name}` is opened for each run, and this is none",
                code="JK405",
                help="ask for it in a job",
            )
        hosted = self._open.get(node)
        if hosted is None or not hosted.usable:
            hosted = self._open[node] = HostedService(
                node, self._values_for, self._ended, patience=self._cleanup, watch=self.watch
            )
            # The task that starts it has no context of a run, which it would keep for ever.
            self._requests.send_nowait(hosted)
        return await hosted.value()

    def start_for_run(self, node: ServiceNode, values: dict[str, Any]) -> HostedService:
        """A service of a run and the task that holds it, in the context of whoever asks."""

        async def known(_: HostedService) -> dict[str, Any]:
            return values

        hosted = HostedService(node, known, lambda _, __: None, patience=self._cleanup, watch=self.watch)
        self._tasks.start_soon(hosted.hold, name=f"service {hosted.node.spec.name}")
        return hosted

    def _supplied_value(self, node: ServiceNode) -> Any:
        try:
            return self._supplied[node.spec.name]
        except KeyError:
            raise not_opened(node, LookupError("it exists only where jobs run")) from None

    async def _start_hosted(self, received: Any) -> None:
        async with received:
            async for hosted in received:
                self._order.append(hosted)
                self._tasks.start_soon(hosted.hold, name=f"service {hosted.node.spec.name}")

    async def _values_for(self, hosted: HostedService) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for request, node in hosted.node.arguments:
            values[request.parameter] = None if node is None else await self.value(node)
            needed = self._open.get(node) if node is not None else None
            if needed is not None:
                needed.users.append(hosted)
        # Closing goes backwards: what was needed has to stand before what needs it.
        self._order.remove(hosted)
        self._order.append(hosted)
        return values

    def _ended(self, hosted: HostedService, unexpected: BaseException | None) -> None:
        """The task of *hosted* is over: whoever asks next gets a new one, and so do those who used it."""
        if self._open.get(hosted.node) is hosted:
            del self._open[hosted.node]
        if hosted in self._order:
            self._order.remove(hosted)
        if hosted.left_behind and not hosted.released:
            self._report(_not_in_time(hosted.node, "stop opening", self._cleanup))
        if unexpected is None:
            return
        self._report(_ended_by_itself(hosted.node, unexpected))
        self._release_users(hosted, unexpected)

    def _release_users(self, hosted: HostedService, error: BaseException) -> None:
        for user in hosted.users:
            if self._open.get(user.node) is user:
                del self._open[user.node]
            user.release(error)
            self._release_users(user, error)


class RunScope:
    """The services of one attempt: ``open`` them, ``get`` further ones, ``close`` them with its exception.

    ``open`` and ``close`` are called once, by the task of the attempt and inside the same cancel scopes;
    ``get`` may be called by any task of the event loop in between.
    """

    def __init__(self, host: ServiceHost, job: JobSpec, log: object) -> None:
        self._host = host
        self._job = job
        self._log = log
        self._values: dict[ServiceNode, Any] = {}
        self._entered: list[OpenService | HostedService] = []
        self._lock: anyio.Lock | None = None
        self._closed = False

    async def open(self) -> tuple[Any, ...]:
        """Open what the job asks for; the services in the order of its parameters. Raises ServiceError.

        After an error ``close`` closes what had been opened before it.
        """
        plan = self._host.graph.plan(self._job)
        for node in plan.autouse:
            await self._value(node, self._enter)
        return tuple(
            [None if node is None else await self._value(node, self._enter) for node in plan.arguments]
        )

    async def get(self, wanted: Any) -> Any:
        """The service of that name or type. Raises ServiceNotFound, or ServiceError if it does not open."""
        node = self._host.graph.find(wanted, self._job.extension)
        # The task that asks may be inside a cancel scope that it leaves before the service is closed, or
        # end before: so the service gets a task of its own.
        return await self._value(node, self._enter_elsewhere)

    async def close(self, error: BaseException | None) -> list[BaseException]:
        """Close them, last opened first, each with *error* thrown in; what went wrong in closing.

        A service that cannot close is the error that those opened before it see, so that they do not
        commit. Raises a cancellation that came meanwhile, once all are closed.
        """
        cancelled = anyio.get_cancelled_exc_class()
        failures: list[BaseException] = []
        cancellation: BaseException | None = None
        while self._entered:
            raised = await _left(self._entered.pop(), error)
            if raised is None:
                continue
            if isinstance(raised, cancelled):
                cancellation = raised
            else:
                failures.append(raised)
            if error is None:
                error = raised
        self._closed = True
        if cancellation is not None:
            raise cancellation
        return failures

    async def _value(self, node: ServiceNode, enter: _Enter) -> Any:
        if node.spec.scope == "scheduler" or node in self._values:
            return await self._opened(node, enter)
        if self._lock is None:
            self._lock = anyio.Lock()
        async with self._lock:  # two tasks of the job may ask for the same at once
            return await self._opened(node, enter)

    async def _opened(self, node: ServiceNode, enter: _Enter) -> Any:
        """*node*, opened after what it needs; the lock is held if something may have to be opened here."""
        if node.spec.scope == "scheduler":
            return await self._host.value(node)
        if isinstance(node.spec, SuppliedSpec):
            return self._supplied(node)
        if node not in self._values:
            values: dict[str, Any] = {}
            for request, needed in node.arguments:
                values[request.parameter] = None if needed is None else await self._opened(needed, enter)
            self._values[node] = await enter(node, values)
        return self._values[node]

    async def _enter(self, node: ServiceNode, values: dict[str, Any]) -> Any:
        service = OpenService(node, values, self._host.watch)
        try:
            value = await service.enter()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # a factory may raise anything, and it ends this run only
            raise not_opened(node, error) from error
        self._entered.append(service)
        return value

    async def _enter_elsewhere(self, node: ServiceNode, values: dict[str, Any]) -> Any:
        hosted = self._host.start_for_run(node, values)
        value = await hosted.value()
        if self._closed:
            await hosted.close()
            raise not_opened(node, RuntimeError("the run that asked for it is over"))
        self._entered.append(hosted)
        return value

    def _supplied(self, node: ServiceNode) -> Any:
        if self._log is NOTHING:
            raise not_opened(node, LookupError("it exists only where jobs run"))
        return self._log


async def _left(service: OpenService | HostedService, error: BaseException | None) -> BaseException | None:
    if isinstance(service, OpenService):
        return await service.leave(error)
    try:
        return await service.close(error)
    except BaseException as raised:  # a cancellation of whoever waits; given back like everything else
        return raised


def _not_closed(node: ServiceNode, error: BaseException) -> ServiceError:
    return _trouble(node, "could not be closed", error)


def _not_well(node: ServiceNode, why: str) -> ServiceError:
    path, line = node.spec.place
    return ServiceError(
        f"service `{node.spec.name}` is not well: {why}",
        code="JK408",
        path=path,
        line=line,
        help="look at what stands behind it: a server, a file, an account; then ask again",
    )


def _not_in_time(node: ServiceNode, what: str, seconds: float) -> ServiceError:
    path, line = node.spec.place
    return ServiceError(
        f"service `{node.spec.name}` did not {what} in time: it had {seconds:g} s, and is left behind",
        code="JK410",
        path=path,
        line=line,
        help="look at what its factory waits for there, and limit that: `with anyio.move_on_after(2):`",
    )


def _ended_by_itself(node: ServiceNode, error: BaseException) -> ServiceError:
    return _trouble(node, "ended by itself, and is opened anew for the next run that asks for it", error)


def _trouble(node: ServiceNode, what: str, error: BaseException) -> ServiceError:
    path, line = node.spec.place
    trouble = ServiceError(
        f"service `{node.spec.name}` {what}: {described(error)}",
        code="JK410",
        path=path,
        line=line,
    )
    trouble.__cause__ = error
    return trouble


def _log(error: ServiceError) -> None:
    logging.getLogger("jobkit.services").error("%s", error, exc_info=error.__cause__)
