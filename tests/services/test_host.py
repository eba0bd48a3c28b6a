"""Services while jobs run: opened once, by tasks of their own, closed with what happened."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import anyio.lowlevel
import pytest

from jobkit import Service, ServiceSpec
from jobkit.clock import SystemClock
from jobkit.exceptions import ServiceError, ServiceNotFound, StoreError
from jobkit.services import builtin_specs
from jobkit.services.graph import Provider, ServiceGraph
from jobkit.services.host import ServiceHost

if TYPE_CHECKING:
    from tests.services.conftest import MakeJob


class Journal(list[str]):
    """What happened, in order."""

    def service(
        self, name: str, *, needs: type | None = None, scope: Any = "scheduler", **more: Any
    ) -> ServiceSpec:
        """A service that notes when it is opened and closed, and with which exception."""

        async def factory(**services: object) -> AsyncIterator[str]:
            self.append(f"open {name}")
            try:
                yield name
            except BaseException as error:
                self.append(f"{name} saw {type(error).__name__}")
                raise
            finally:
                self.append(f"close {name}")

        return ServiceSpec(factory, name=name, scope=scope, **more)


@pytest.fixture
def journal() -> Journal:
    """An empty one."""
    return Journal()


def host_of(*services: ServiceSpec | Provider, **more: Any) -> ServiceHost:
    """A host of these services; trouble that belongs to no run fails the test."""

    def fail(error: ServiceError) -> None:
        raise AssertionError(error.message)

    return ServiceHost(ServiceGraph(services), **{"report": fail, **more})


async def none(ctx: object) -> None:
    """A job without services."""


async def db_only(ctx: object, db: object) -> None:
    """A job that uses ``db``."""


# -- services of the process --------------------------------------------------------------------------


async def test_a_service_is_opened_on_first_use_and_once(job: MakeJob, journal: Journal) -> None:
    """It stays open between runs, and is closed with the host."""
    async with host_of(journal.service("db")) as host:
        assert journal == []
        for _ in range(2):
            scope = host.run_scope(job(db_only))
            assert await scope.open() == ("db",)
            assert await scope.close(None) == []
        assert journal == ["open db"]
    assert journal == ["open db", "close db"]


async def test_services_are_closed_last_opened_first(job: MakeJob) -> None:
    """What was needed stands until what needs it is gone."""
    events: list[str] = []

    async def open_db() -> AsyncIterator[str]:
        events.append("open db")
        yield "db"
        events.append("close db")

    async def open_repository(db: Annotated[str, Service("db")]) -> AsyncIterator[str]:
        events.append(f"open repository with {db}")
        yield "repository"
        events.append("close repository")

    async def report(ctx: object, repository: object) -> None: ...

    specs = [ServiceSpec(open_repository, name="repository"), ServiceSpec(open_db, name="db")]
    async with host_of(*specs) as host:
        assert await host.run_scope(job(report)).open() == ("repository",)
    assert events == ["open db", "open repository with db", "close repository", "close db"]


async def test_concurrent_runs_share_one_opening(job: MakeJob) -> None:
    """Both wait for the same."""
    opened = anyio.Event()
    count = 0

    async def open_db() -> str:
        nonlocal count
        count += 1
        await opened.wait()
        return "db"

    got = []

    async def ask(host: ServiceHost) -> None:
        got.append(await host.run_scope(job(db_only)).open())

    async with host_of(ServiceSpec(open_db, name="db")) as host, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, host)
        tasks.start_soon(ask, host)
        await anyio.wait_all_tasks_blocked()
        opened.set()
    assert (got, count) == ([("db",), ("db",)], 1)


async def test_a_service_may_be_used_by_runs_that_come_and_go(job: MakeJob) -> None:
    """A task group inside it belongs to no run: the first run may end, or be cancelled, long before it."""
    go_on, went_on = anyio.Event(), anyio.Event()

    async def open_working() -> AsyncIterator[str]:
        async def work() -> None:
            await go_on.wait()
            went_on.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            yield "db"

    async def run_and_end(host: ServiceHost) -> None:
        with anyio.CancelScope() as scope:
            await host.run_scope(job(db_only)).open()
            scope.cancel()
            await anyio.lowlevel.checkpoint()

    async with host_of(ServiceSpec(open_working, name="db")) as host:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_and_end, host)
        go_on.set()
        await went_on.wait()
        assert await host.get("db") == "db"


async def test_a_service_has_no_context_of_the_run_that_asked_first(job: MakeJob) -> None:
    """Its log lines would be that run's for ever."""
    run: contextvars.ContextVar[str] = contextvars.ContextVar("run", default="none")

    def open_db() -> str:
        return run.get()

    async with host_of(ServiceSpec(open_db, name="db")) as host:
        run.set("first")
        assert await host.run_scope(job(db_only)).open() == ("none",)


async def test_a_service_that_fails_to_open_is_tried_again(job: MakeJob) -> None:
    """The run gets an error that names it, with the reason (JK401); the next run may be luckier."""
    attempts = 0

    async def open_db() -> str:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ConnectionRefusedError("no route")
        return "db"

    async with host_of(ServiceSpec(open_db, name="db")) as host:
        scope = host.run_scope(job(db_only))
        with pytest.raises(ServiceError) as caught:
            await scope.open()
        assert await scope.close(caught.value) == []
        assert (caught.value.code, caught.value.message) == (
            "JK401",
            "service `db` could not be opened: ConnectionRefusedError: no route",
        )
        assert caught.value.line == open_db.__code__.co_firstlineno
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        assert await host.run_scope(job(db_only)).open() == ("db",)


async def test_a_service_that_fails_names_itself_to_those_that_need_it(job: MakeJob) -> None:
    """The error is about the one that failed."""

    def open_db() -> str:
        raise OSError("disk")

    def open_repository(db: Annotated[str, Service("db")]) -> str:
        return "never"

    async def report(ctx: object, repository: object) -> None: ...

    specs = [ServiceSpec(open_db, name="db"), ServiceSpec(open_repository, name="repository")]
    async with host_of(*specs) as host:
        with pytest.raises(ServiceError, match="service `db` could not be opened: OSError: disk"):
            await host.run_scope(job(report)).open()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), BaseException("odd")])
async def test_whatever_a_factory_raises_is_the_run_s(job: MakeJob, error: BaseException) -> None:
    """Nothing of it ends the process."""

    def open_db() -> str:
        raise error

    async with host_of(ServiceSpec(open_db, name="db")) as host:
        with pytest.raises(ServiceError, match=type(error).__name__):
            await host.run_scope(job(db_only)).open()


async def test_a_failure_in_a_group_is_named_itself(job: MakeJob) -> None:
    """``unhandled errors in a TaskGroup`` tells nobody anything."""

    async def open_db() -> AsyncIterator[str]:
        async with anyio.create_task_group():
            raise ConnectionError("no route")
        yield "never"

    async with host_of(ServiceSpec(open_db, name="db")) as host:
        with pytest.raises(ServiceError, match="ConnectionError: no route"):
            await host.run_scope(job(db_only)).open()


async def test_an_opening_that_hangs_is_given_up_with_the_last_run_that_waits(job: MakeJob) -> None:
    """It does not hold up other services meanwhile, and the next run starts anew."""
    attempts = 0

    async def open_db() -> str:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await anyio.sleep_forever()
        return "db"

    async def other(ctx: object, cache: object) -> None: ...

    cache = ServiceSpec(lambda: "cache", name="cache")
    async with host_of(ServiceSpec(open_db, name="db"), cache) as host:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(host.run_scope(job(db_only)).open)
            await anyio.wait_all_tasks_blocked()
            assert await host.run_scope(job(other)).open() == ("cache",)
            tasks.cancel_scope.cancel()
        assert await host.run_scope(job(db_only)).open() == ("db",)


async def test_a_service_that_ends_by_itself_is_reported_and_opened_anew(job: MakeJob) -> None:
    """And so is what was made with it (JK410)."""
    broken = anyio.Event()
    opened: list[str] = []
    reported: list[ServiceError] = []
    told = anyio.Event()

    def report(error: ServiceError) -> None:
        reported.append(error)
        told.set()

    async def open_db() -> AsyncIterator[str]:
        async def watch() -> None:
            await broken.wait()
            raise ConnectionError("lost")

        opened.append("db")
        async with anyio.create_task_group() as tasks:
            if len(opened) == 1:
                tasks.start_soon(watch)
            yield "db"

    async def open_repository(db: Annotated[str, Service("db")]) -> AsyncIterator[str]:
        opened.append("repository")
        yield "repository"

    async def use(ctx: object, repository: object) -> None: ...

    specs = [ServiceSpec(open_db, name="db"), ServiceSpec(open_repository, name="repository")]
    async with host_of(*specs, report=report) as host:
        await host.run_scope(job(use)).open()
        broken.set()
        await told.wait()
        await anyio.wait_all_tasks_blocked()
        assert await host.run_scope(job(use)).open() == ("repository",)
    assert opened == ["db", "repository", "db", "repository"]
    assert [(error.code, "ConnectionError: lost" in error.message) for error in reported] == [("JK410", True)]


async def test_a_service_that_cannot_be_closed_is_reported(job: MakeJob, journal: Journal) -> None:
    """The others are closed all the same (JK410)."""
    reported: list[ServiceError] = []

    async def open_stubborn() -> AsyncIterator[str]:
        yield "stubborn"
        raise OSError("still busy")

    async def use(ctx: object, db: object, stubborn: object) -> None: ...

    specs = [journal.service("db"), ServiceSpec(open_stubborn, name="stubborn")]
    async with host_of(*specs, report=reported.append) as host:
        await host.run_scope(job(use)).open()
    assert journal == ["open db", "close db"]
    assert [error.message for error in reported] == [
        "service `stubborn` could not be closed: OSError: still busy"
    ]


async def test_without_a_reporter_trouble_is_logged(job: MakeJob, caplog: pytest.LogCaptureFixture) -> None:
    """By the standard library's logging."""

    async def open_stubborn() -> AsyncIterator[str]:
        yield "db"
        raise OSError("still busy")

    async with ServiceHost(ServiceGraph([ServiceSpec(open_stubborn, name="db")])) as host:
        await host.run_scope(job(db_only)).open()
    assert caplog.messages == ["service `db` could not be closed: OSError: still busy"]


async def test_leaving_the_host_in_trouble_closes_what_is_open(job: MakeJob, journal: Journal) -> None:
    """Whatever happened in it."""

    async def in_trouble() -> None:
        async with host_of(journal.service("db")) as host:
            await host.run_scope(job(db_only)).open()
            raise RuntimeError("trouble")

    with pytest.raises(RuntimeError, match="trouble"):
        await in_trouble()
    assert journal == ["open db", "close db"]


async def test_a_cancelled_host_closes_what_is_open(job: MakeJob, journal: Journal) -> None:
    """The services see the cancellation."""
    with anyio.CancelScope() as scope:
        async with host_of(journal.service("db")) as host:
            await host.run_scope(job(db_only)).open()
            scope.cancel()
            await anyio.sleep(1)
    assert journal[0] == "open db"
    assert journal[-1] == "close db"


# -- services of a run --------------------------------------------------------------------------------


async def test_each_run_has_its_own(job: MakeJob) -> None:
    """Opened for it, closed with it."""
    count = 0

    async def open_db() -> AsyncIterator[int]:
        nonlocal count
        count += 1
        yield count

    async with host_of(ServiceSpec(open_db, name="db", scope="run")) as host:
        for number in (1, 2):
            scope = host.run_scope(job(db_only))
            assert await scope.open() == (number,)
            assert await scope.close(None) == []


async def test_a_service_of_a_run_sees_its_exception(job: MakeJob, journal: Journal) -> None:
    """Those opened last see it first."""
    specs = [journal.service(name, scope="run") for name in ("a", "b")]

    async def use(ctx: object, a: object, b: object) -> None: ...

    async with host_of(*specs) as host:
        scope = host.run_scope(job(use))
        await scope.open()
        assert await scope.close(ValueError("no")) == []
    assert journal == ["open a", "open b", "b saw ValueError", "close b", "a saw ValueError", "close a"]


async def test_a_service_of_a_run_cannot_swallow_its_exception(job: MakeJob, journal: Journal) -> None:
    """The next one sees it all the same."""

    async def open_swallowing() -> AsyncIterator[str]:
        try:
            yield "swallowing"
        except ValueError:
            journal.append("swallowed")

    async def use(ctx: object, a: object, swallowing: object) -> None: ...

    specs = [journal.service("a", scope="run"), ServiceSpec(open_swallowing, name="swallowing", scope="run")]
    async with host_of(*specs) as host:
        scope = host.run_scope(job(use))
        await scope.open()
        assert await scope.close(ValueError("no")) == []
    assert journal == ["open a", "swallowed", "a saw ValueError", "close a"]


async def test_what_fails_in_closing_is_told_and_seen_by_the_others(job: MakeJob, journal: Journal) -> None:
    """A commit that failed must not be followed by another that succeeds."""

    async def open_commits() -> AsyncIterator[str]:
        yield "commits"
        raise OSError("commit failed")

    async def use(ctx: object, a: object, commits: object) -> None: ...

    specs = [journal.service("a", scope="run"), ServiceSpec(open_commits, name="commits", scope="run")]
    async with host_of(*specs) as host:
        scope = host.run_scope(job(use))
        await scope.open()
        [failure] = await scope.close(None)
        assert str(failure) == "commit failed"
    assert journal == ["open a", "a saw OSError", "close a"]


async def test_another_exception_in_closing_is_told_besides(job: MakeJob) -> None:
    """The job's own is not in the list, whether it comes back bare or in a group."""

    async def open_fails() -> AsyncIterator[str]:
        try:
            yield "a"
        except ValueError as error:
            raise OSError("rollback failed") from error

    async def open_groups() -> AsyncIterator[str]:
        async with anyio.create_task_group():
            yield "b"

    async def use(ctx: object, a: object, b: object) -> None: ...

    specs = [
        ServiceSpec(open_fails, name="a", scope="run"),
        ServiceSpec(open_groups, name="b", scope="run"),
    ]
    async with host_of(*specs) as host:
        scope = host.run_scope(job(use))
        await scope.open()
        assert [str(error) for error in await scope.close(ValueError("no"))] == ["rollback failed"]


async def test_what_was_open_is_closed_when_the_next_does_not_open(job: MakeJob, journal: Journal) -> None:
    """With the error that made it so."""

    def open_broken() -> str:
        raise OSError("no")

    async def use(ctx: object, a: object, broken: object) -> None: ...

    specs = [journal.service("a", scope="run"), ServiceSpec(open_broken, name="broken", scope="run")]
    async with host_of(*specs) as host:
        scope = host.run_scope(job(use))
        with pytest.raises(ServiceError) as caught:
            await scope.open()
        assert await scope.close(caught.value) == []
    assert journal == ["open a", "a saw ServiceError", "close a"]


async def test_cancellation_while_closing_closes_the_rest_and_goes_on(job: MakeJob, journal: Journal) -> None:
    """Every service gets its chance, and the cancellation reaches who it was meant for."""

    async def open_slow() -> AsyncIterator[str]:
        yield "slow"
        await anyio.sleep_forever()

    async def use(ctx: object, a: object, slow: object) -> None: ...

    specs = [journal.service("a", scope="run"), ServiceSpec(open_slow, name="slow", scope="run")]
    async with host_of(*specs) as host:
        scope = host.run_scope(job(use))
        await scope.open()
        with anyio.move_on_after(0.01) as limit:
            await scope.close(None)
    assert limit.cancelled_caught
    assert journal[-1] == "close a"


async def test_context_variables_of_a_run_s_services_reach_the_job(job: MakeJob) -> None:
    """What a job asks for in its arguments is opened in its own task."""
    unit: contextvars.ContextVar[str] = contextvars.ContextVar("unit", default="none")

    async def open_db() -> AsyncIterator[str]:
        token = unit.set("of work")
        yield "db"
        unit.reset(token)

    async with host_of(ServiceSpec(open_db, name="db", scope="run")) as host:
        scope = host.run_scope(job(db_only))
        await scope.open()
        assert unit.get() == "of work"
        assert await scope.close(None) == []


async def test_a_run_s_service_may_use_others(job: MakeJob, journal: Journal) -> None:
    """Of the process and of the run; one of the run is opened once in it."""

    def open_repository(
        db: Annotated[str, Service("db")], unit: Annotated[str, Service("unit")]
    ) -> tuple[str, str]:
        return db, unit

    async def use(ctx: object, repository: object, unit: object) -> None: ...

    specs = [
        journal.service("db"),
        journal.service("unit", scope="run"),
        ServiceSpec(open_repository, name="repository", scope="run"),
    ]
    async with host_of(*specs) as host:
        scope = host.run_scope(job(use))
        assert await scope.open() == (("db", "unit"), "unit")
        assert await scope.close(None) == []
        assert journal == ["open db", "open unit", "close unit"]


async def test_autouse_services_are_opened_first(job: MakeJob, journal: Journal) -> None:
    """For a job that asks for nothing, too."""
    async with host_of(journal.service("always", scope="run", autouse=True)) as host:
        scope = host.run_scope(job(none))
        assert await scope.open() == ()
        assert await scope.close(None) == []
    assert journal == ["open always", "close always"]


# -- asking while a run goes on -----------------------------------------------------------------------


async def test_a_job_may_ask_later(job: MakeJob, journal: Journal) -> None:
    """By name or type; the same run gets the same, closed with the run and its exception."""
    specs = [journal.service("db"), journal.service("unit", scope="run")]
    async with host_of(*specs) as host:
        scope = host.run_scope(job(none))
        assert await scope.open() == ()
        assert [await scope.get("db"), await scope.get("unit"), await scope.get("unit")] == [
            "db",
            "unit",
            "unit",
        ]
        with pytest.raises(ServiceNotFound):
            await scope.get("nothing")
        assert await scope.close(ValueError("no")) == []
        assert journal == ["open db", "open unit", "unit saw ValueError", "close unit"]


async def test_a_task_of_the_job_may_ask_and_end(job: MakeJob, journal: Journal) -> None:
    """Inside a cancel scope that is long left when the service is closed."""

    async def open_unit() -> AsyncIterator[str]:
        journal.append("open")
        async with anyio.create_task_group():
            yield "unit"
        journal.append("close")

    got = []
    async with host_of(ServiceSpec(open_unit, name="unit", scope="run")) as host:
        scope = host.run_scope(job(none))
        await scope.open()

        async def ask() -> None:
            with anyio.fail_after(5):
                got.append(await scope.get("unit"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            tasks.start_soon(ask)
        assert await scope.close(None) == []
    assert (got, journal) == (["unit", "unit"], ["open", "close"])


async def test_a_thread_of_the_job_may_ask(job: MakeJob, journal: Journal) -> None:
    """From a worker thread, through the event loop."""
    async with host_of(journal.service("unit", scope="run")) as host:
        scope = host.run_scope(job(none))
        await scope.open()
        assert await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(scope.get, "unit")) == "unit"
        assert await scope.close(None) == []
    assert journal == ["open unit", "close unit"]


async def test_a_service_that_is_asked_for_too_late_is_closed_at_once(job: MakeJob) -> None:
    """When it is open at last, the run is over."""
    go_on = anyio.Event()
    closed = anyio.Event()

    async def open_unit() -> AsyncIterator[str]:
        await go_on.wait()
        yield "unit"
        closed.set()

    errors: list[BaseException] = []
    async with host_of(ServiceSpec(open_unit, name="unit", scope="run")) as host:
        scope = host.run_scope(job(none))
        await scope.open()

        async def ask() -> None:
            try:
                await scope.get("unit")
            except ServiceError as error:
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            assert await scope.close(None) == []
            go_on.set()
    assert closed.is_set()
    assert [str(error) for error in errors] == [
        "service `unit` could not be opened: RuntimeError: the run that asked for it is over"
    ]


async def test_a_background_failure_of_a_service_asked_for_later_is_told(job: MakeJob) -> None:
    """It is among what went wrong in closing."""
    broken = anyio.Event()

    async def open_unit() -> AsyncIterator[str]:
        async def watch() -> None:
            await broken.wait()
            raise ConnectionError("lost")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            yield "unit"

    async with host_of(ServiceSpec(open_unit, name="unit", scope="run")) as host:
        scope = host.run_scope(job(none))
        await scope.open()
        await scope.get("unit")
        broken.set()
        await anyio.wait_all_tasks_blocked()
        [failure] = await scope.close(None)
    assert isinstance(failure, BaseExceptionGroup)


# -- forms of factories -------------------------------------------------------------------------------


def plain() -> str:
    return "value"


async def coroutine() -> str:
    return "value"


def generator() -> Iterator[str]:
    yield "value"


async def async_generator() -> AsyncIterator[str]:
    yield "value"


@contextmanager
def manager() -> Iterator[str]:
    yield "value"


@asynccontextmanager
async def async_manager() -> AsyncIterator[str]:
    yield "value"


FORMS = [plain, coroutine, generator, async_generator, manager, async_manager, lambda: coroutine()]


@pytest.mark.parametrize("factory", FORMS)
@pytest.mark.parametrize("lifetime", ["scheduler", "run"])
async def test_a_factory_may_have_any_form(job: MakeJob, factory: Callable[[], Any], lifetime: Any) -> None:
    """The job gets what it opens."""
    async with host_of(ServiceSpec(factory, name="db", scope=lifetime)) as host:
        scope = host.run_scope(job(db_only))
        assert await scope.open() == ("value",)
        assert await scope.close(None) == []


async def test_a_generator_that_yields_nothing_does_not_open(job: MakeJob) -> None:
    """Like any other failure."""

    def empty() -> Iterator[str]:
        yield from ()

    async with host_of(ServiceSpec(empty, name="db")) as host:
        with pytest.raises(ServiceError, match="service `db` could not be opened: RuntimeError"):
            await host.run_scope(job(db_only)).open()


async def test_positional_only_arguments_of_a_factory_arrive(job: MakeJob) -> None:
    """A factory may be written with ``/``."""

    def open_db(cache: Annotated[str, Service("cache")], /) -> str:
        return f"with {cache}"

    specs = [ServiceSpec(lambda: "cache", name="cache"), ServiceSpec(open_db, name="db")]
    async with host_of(*specs) as host:
        assert await host.run_scope(job(db_only)).open() == ("with cache",)


# -- what is given and built in -----------------------------------------------------------------------


async def test_built_in_services_are_what_was_supplied(job: MakeJob) -> None:
    """``log`` belongs to the run, the others to the process."""
    clock = SystemClock()

    async def report(ctx, log, clock, project) -> None: ...  # type: ignore[no-untyped-def]

    graph = ServiceGraph(builtin_specs())
    async with ServiceHost(graph, supplied={"clock": clock, "project": Path("root")}) as host:
        scope = host.run_scope(job(report), log="a logger")
        assert await scope.open() == ("a logger", clock, Path("root"))
        assert await scope.get("log") == "a logger"
        assert await scope.close(None) == []
        with pytest.raises(
            ServiceError, match="`config` could not be opened: LookupError: it exists only where"
        ):
            await host.get("config")


async def test_given_objects_are_neither_opened_nor_closed(job: MakeJob, journal: Journal) -> None:
    """They belong to whoever gave them."""
    graph = ServiceGraph([journal.service("db")], given={"db": "mine"})
    async with ServiceHost(graph) as host:
        scope = host.run_scope(job(db_only))
        assert await scope.open() == ("mine",)
        assert await scope.close(ValueError("no")) == []
    assert journal == []


async def test_the_process_cannot_have_a_run_s_service(journal: Journal) -> None:
    """There is no run to close it with (JK405)."""
    async with host_of(journal.service("unit", scope="run")) as host:
        with pytest.raises(ServiceError) as caught:
            await host.get("unit")
    assert caught.value.code == "JK405"


# -- pings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_ping_asks_the_open_service(asynchronous: bool) -> None:
    """A function or a coroutine function; without one, being open is being well."""
    asked: list[str] = []

    async def ping_later(service: str) -> None:
        asked.append(service)

    ping = ping_later if asynchronous else asked.append
    specs = [ServiceSpec(plain, name="db", ping=ping), ServiceSpec(plain, name="cache")]
    async with host_of(*specs) as host:
        await host.ping("db")
        await host.ping("cache")
    assert asked == ["value"]


async def test_a_ping_that_fails_says_why() -> None:
    """With the name of the service (JK408); one that does not fail any more mends it."""
    answers: list[Exception | None] = [OSError("full"), None]

    def ping(service: str) -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    async with host_of(ServiceSpec(plain, name="db", ping=ping)) as host:
        with pytest.raises(ServiceError) as caught:
            await host.ping("db")
        await host.ping("db")
    assert (caught.value.code, caught.value.message) == ("JK408", "service `db` is not well: OSError: full")


async def test_a_ping_that_returns_false_is_not_well() -> None:
    """Whether it is a coroutine or not (JK408); None and True are."""

    async def later(_: object) -> bool:
        return False

    pings = {"now": lambda _: False, "later": later, "yes": lambda _: True, "none": lambda _: None}
    async with host_of(
        *[ServiceSpec(lambda: "x", name=name, ping=ping) for name, ping in pings.items()]
    ) as host:
        for name in ("now", "later"):
            with pytest.raises(
                ServiceError, match=f"`{name}` is not well: its ping returned False"
            ) as caught:
                await host.ping(name)
            assert caught.value.code == "JK408"
        await host.ping("yes")
        await host.ping("none")


async def test_a_service_that_does_not_open_says_where_its_factory_is() -> None:
    """And what the error itself says that helps (JK401)."""

    def open_db() -> str:
        raise StoreError("the file is damaged", help="restore it")

    spec = ServiceSpec(open_db, name="db")
    async with host_of(spec) as host:
        with pytest.raises(ServiceError) as caught:
            await host.get("db")
    path, line = spec.place
    place = (
        f"look at its factory, {path}:{line}, and at what it opens; the next run that asks for it tries again"
    )
    assert (caught.value.help or "").splitlines() == ["restore it", place]
