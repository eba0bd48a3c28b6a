"""What plugins put around an attempt: entered and left in its task or its thread, and never in its way."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from jobkit import Expect, JobContext, JobResult, Retry, RunStatus
from jobkit.config import Config
from jobkit.context import RunCancelled
from jobkit.hookspecs import RULES
from jobkit.plugin import Run
from jobkit.records import RunRecord
from jobkit.runner import Runner
from jobkit.runner.steady_loop import SteadyLoop
from jobkit.stores.memory import MemoryStore
from tests.plugins.conftest import Plugins
from tests.runner.conftest import SOON, HandClock, MakeRunner, Provide, spec_of

SPAN: ContextVar[str] = ContextVar("span", default="none")


class Story:
    """What happened, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.errors: list[BaseException | None] = []

    @contextmanager
    def plain(self, name: str = "plain") -> Iterator[None]:
        """A wrapper that writes the story."""
        self.events.append(f"{name} in")
        token = SPAN.set(name)
        try:
            yield
        except BaseException as error:
            self.errors.append(error)
            raise
        else:
            self.errors.append(None)
        finally:
            SPAN.reset(token)
            self.events.append(f"{name} out")

    @asynccontextmanager
    async def awaited(self, name: str = "awaited") -> AsyncIterator[None]:
        """The same, with waiting at both ends."""
        await anyio.lowlevel.checkpoint()
        try:
            with self.plain(name):
                yield
        finally:
            await anyio.lowlevel.checkpoint()


async def run_of(
    runner: MakeRunner, plugins: Plugins, job: Any, *, clock: HandClock | None = None, **options: Any
) -> RunRecord:
    """The record of one run of *job* with *plugins*; *options* are those of its specification."""
    spec = spec_of(job, **options)
    async with runner(spec, hooks=plugins.hooks, clock=clock) as here:
        record = await here.run(spec)
    assert isinstance(record, RunRecord)
    return record


def wrapping(story: Story, kind: str) -> Callable[[Any], Any]:
    """An implementation of the hook with one kind of context manager."""
    return lambda run: story.plain() if kind == "plain" else story.awaited()


# -- where they are -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "awaited"])
async def test_wrappers_are_around_services_and_execution(
    runner: MakeRunner, plugins: Plugins, provide: Provide, kind: str
) -> None:
    """Entered before the services are opened, left after they are closed; the job sees their variables."""
    story = Story()

    async def shelf() -> AsyncIterator[str]:
        story.events.append(f"opened in {SPAN.get()}")
        yield "shelf"
        story.events.append(f"closed in {SPAN.get()}")

    async def job(ctx: JobContext, shelf: Any) -> None:
        story.events.append(f"called in {SPAN.get()}")

    provide(shelf=shelf)
    plugins.add("p", jobkit_run_context=wrapping(story, kind))
    assert (await run_of(runner, plugins, job)).status is RunStatus.SUCCEEDED
    inside = [f"opened in {kind}", f"called in {kind}", f"closed in {kind}"]
    assert story.events == [f"{kind} in", *inside, f"{kind} out"]
    assert plugins.told == []


async def test_the_hook_is_given_run_and_context(runner: MakeRunner, plugins: Plugins) -> None:
    """The context is the very one that the job gets; services can be asked for in it."""
    seen: list[Any] = []

    @asynccontextmanager
    async def wrapper(run: Run, ctx: JobContext) -> AsyncIterator[None]:
        seen.append((run.job, run.number, str(run.status), ctx, await ctx.service("clock")))
        yield

    async def job(ctx: JobContext) -> JobResult:
        number = ctx.run_number
        assert seen == [("job", number, "running", ctx, ctx.clock)]
        return JobResult.success("seen")

    plugins.add("p", jobkit_run_context=wrapper)
    assert (await run_of(runner, plugins, job)).message == "seen"


async def test_every_attempt_has_its_own(runner: MakeRunner, plugins: Plugins) -> None:
    """And each is left with what its attempt raised."""
    story = Story()

    async def second_time(ctx: JobContext) -> None:
        if ctx.attempt == 1:
            raise OSError("not yet")

    plugins.add("p", jobkit_run_context=wrapping(story, "awaited"))
    record = await run_of(runner, plugins, second_time, retries=Retry(1, delay=timedelta(0)))
    assert record.status is RunStatus.SUCCEEDED
    assert story.events == ["awaited in", "awaited out"] * 2
    assert [type(error) for error in story.errors] == [OSError, type(None)]


async def test_a_plain_wrapper_of_a_thread_job_is_in_its_thread(runner: MakeRunner, plugins: Plugins) -> None:
    """Around the call; an asynchronous one is in the attempt's task, around all of it."""
    threads: dict[str, int] = {}
    story = Story()

    @contextmanager
    def wrapper() -> Iterator[None]:
        threads["in"] = threading.get_ident()
        with story.plain():
            yield
        threads["out"] = threading.get_ident()

    def job(ctx: JobContext) -> None:
        threads["job"] = threading.get_ident()
        story.events.append(f"job in {SPAN.get()}")

    plugins.add("plain", jobkit_run_context=lambda run: wrapper())
    plugins.add("awaited", jobkit_run_context=wrapping(story, "awaited"))
    assert (await run_of(runner, plugins, job)).status is RunStatus.SUCCEEDED
    assert threads["in"] == threads["job"] == threads["out"] != threading.get_ident()
    assert story.events == ["awaited in", "plain in", "job in plain", "plain out", "awaited out"]


async def test_a_plain_wrapper_of_an_async_job_is_in_its_task(runner: MakeRunner, plugins: Plugins) -> None:
    """On the event loop."""
    threads: set[int] = set()

    @contextmanager
    def wrapper() -> Iterator[None]:
        threads.add(threading.get_ident())
        yield

    async def job(ctx: JobContext) -> None:
        threads.add(threading.get_ident())

    plugins.add("plain", jobkit_run_context=lambda run: wrapper())
    await run_of(runner, plugins, job)
    assert threads == {threading.get_ident()}


async def test_wrappers_may_hold_task_groups(runner: MakeRunner, plugins: Plugins) -> None:
    """They are entered and left in one task, in the right order, whether the job fails or not."""
    ticks: list[str] = []

    @asynccontextmanager
    async def wrapper(name: str) -> AsyncIterator[None]:
        async def tick() -> None:
            ticks.append(name)
            await anyio.sleep_forever()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tick)
            yield
            tasks.cancel_scope.cancel()

    async def job(ctx: JobContext) -> None:
        await anyio.sleep(0.001)
        if ctx.attempt == 1:
            raise ValueError("no")

    plugins.add("one", jobkit_run_context=lambda run: wrapper("one"))
    plugins.add("two", jobkit_run_context=lambda run: wrapper("two"))
    record = await run_of(runner, plugins, job, retries=Retry(1, delay=timedelta(0)))
    assert record.status is RunStatus.SUCCEEDED
    assert sorted(ticks) == ["one", "one", "two", "two"]
    assert plugins.told == [], "a group of nothing but the job's own error is no fault"


# -- what they see, and cannot change -----------------------------------------------------------------


async def failing(ctx: JobContext) -> None:
    """Raises."""
    raise LookupError("the job's own")


async def too_little(ctx: JobContext) -> JobResult:
    """Breaks its expectation."""
    return JobResult.success().with_stats(0)


async def waits(ctx: JobContext) -> None:
    """Until it is stopped."""
    await anyio.sleep_forever()


def raises_in_thread(ctx: JobContext) -> None:
    """Raises."""
    raise LookupError("the job's own")


@pytest.mark.parametrize("kind", ["plain", "awaited"])
@pytest.mark.parametrize("job", [failing, raises_in_thread])
async def test_wrappers_see_the_jobs_exception(
    runner: MakeRunner, plugins: Plugins, kind: str, job: Any
) -> None:
    """The very one that is recorded, whose frames are the job's only."""
    story = Story()
    plugins.add("p", jobkit_run_context=wrapping(story, kind))
    record = await run_of(runner, plugins, job)
    assert record.status is RunStatus.FAILED
    assert record.error is not None
    assert (record.error.type, record.error.message) == ("LookupError", "the job's own")
    assert record.error.traceback is not None
    assert record.error.traceback.count("File ") == 1
    assert [str(error) for error in story.errors] == ["the job's own"]
    assert plugins.told == []


class Raising:
    """A wrapper of both kinds that raises what it is given once more."""

    def __exit__(self, kind: Any, error: BaseException, trace: Any) -> None:
        raise error

    async def __aexit__(self, kind: Any, error: BaseException, trace: Any) -> None:
        raise error


class RaisingPlainly(Raising):
    """The plain kind."""

    def __enter__(self) -> None: ...


class RaisingLater(Raising):
    """The asynchronous kind."""

    async def __aenter__(self) -> None: ...


@pytest.mark.parametrize("kind", [RaisingPlainly, RaisingLater])
@pytest.mark.parametrize("job", [failing, raises_in_thread])
async def test_frames_of_wrappers_are_no_part_of_the_jobs_traceback(
    runner: MakeRunner, plugins: Plugins, kind: type[Any], job: Any
) -> None:
    """However they hand the exception on, and that is no fault."""
    plugins.add("p", jobkit_run_context=lambda run: kind())
    record = await run_of(runner, plugins, job)
    assert record.error is not None
    assert record.error.traceback is not None
    assert record.error.traceback.count("File ") == 1
    assert plugins.told == []


async def test_wrappers_see_a_broken_expectation_and_a_service_that_does_not_open(
    runner: MakeRunner, plugins: Plugins, provide: Provide
) -> None:
    """Whatever the run fails with."""
    story = Story()

    def shelf() -> str:
        raise ConnectionError("no route")

    async def asks(ctx: JobContext, shelf: Any) -> None:
        """Is not called."""

    provide(shelf=shelf)
    plugins.add("p", jobkit_run_context=wrapping(story, "awaited"))
    assert (await run_of(runner, plugins, too_little, expect=Expect(min_processed=1))).reason == "expectation"
    assert (await run_of(runner, plugins, asks)).reason == "service"
    assert [type(error).__name__ for error in story.errors] == ["ExpectationBroken", "ServiceError"]


@pytest.mark.parametrize("kind", ["plain", "awaited"])
async def test_wrappers_see_that_the_job_was_stopped(runner: MakeRunner, plugins: Plugins, kind: str) -> None:
    """And have time to end what they began, although the job has none."""
    story = Story()
    plugins.add("p", jobkit_run_context=wrapping(story, kind))
    record = await run_of(runner, plugins, waits, timeout=SOON)
    assert record.status is RunStatus.TIMED_OUT
    assert story.events == [f"{kind} in", f"{kind} out"]
    [error] = story.errors
    assert isinstance(error, (RunCancelled, anyio.get_cancelled_exc_class()))
    assert plugins.told == []


async def test_wrappers_see_that_a_job_was_stopped_that_would_not_be(
    runner: MakeRunner, plugins: Plugins
) -> None:
    """What it returned too late does not count, here neither."""
    story = Story()

    async def goes_on(ctx: JobContext) -> JobResult:
        with suppress(anyio.get_cancelled_exc_class()):
            await anyio.sleep_forever()
        return JobResult.success("too late")

    plugins.add("p", jobkit_run_context=wrapping(story, "awaited"))
    record = await run_of(runner, plugins, goes_on, timeout=SOON)
    assert record.status is RunStatus.TIMED_OUT
    [error] = story.errors
    assert isinstance(error, RunCancelled)
    assert str(error) == record.message


@pytest.mark.parametrize("kind", ["plain", "awaited"])
@pytest.mark.parametrize("job", [failing, raises_in_thread])
async def test_wrappers_cannot_swallow_the_jobs_exception(
    runner: MakeRunner, plugins: Plugins, kind: str, job: Any
) -> None:
    """A run that failed has failed."""

    @contextmanager
    def plain() -> Iterator[None]:
        with suppress(BaseException):
            yield

    @asynccontextmanager
    async def awaited() -> AsyncIterator[None]:
        with plain():
            yield

    plugins.add("p", jobkit_run_context=lambda run: plain() if kind == "plain" else awaited())
    record = await run_of(runner, plugins, job)
    assert (record.status, record.message) == (RunStatus.FAILED, "LookupError: the job's own")


class Misbehaving:
    """A wrapper, plain or asynchronous, that takes its time and does something wrong at one end."""

    def __init__(self, clock: HandClock, where: str, how: str) -> None:
        self.clock, self.where, self.how = clock, where, how

    async def misbehave(self, where: str) -> None:
        if where == self.where and self.how == "hangs":
            self.clock.take(100)
            await anyio.sleep_forever()
        self.misbehave_plainly(where)

    def misbehave_plainly(self, where: str) -> None:
        self.clock.take(100)
        if where == self.where:
            raise {"raises": ValueError("broken"), "exits": SystemExit(3)}[self.how]


class Plainly(Misbehaving):
    """The plain kind."""

    def __enter__(self) -> None:
        self.misbehave_plainly("in")

    def __exit__(self, *error: object) -> None:
        self.misbehave_plainly("out")


class Awaited(Misbehaving):
    """The asynchronous kind."""

    async def __aenter__(self) -> None:
        await self.misbehave("in")

    async def __aexit__(self, *error: object) -> None:
        await self.misbehave("out")


async def fine(ctx: JobContext) -> JobResult:
    """Succeeds."""
    return JobResult.success("fine")


def fine_in_thread(ctx: JobContext) -> JobResult:
    """Succeeds."""
    return JobResult.success("fine")


@pytest.mark.parametrize("job", [fine, fine_in_thread, failing, raises_in_thread])
@pytest.mark.parametrize("where", ["in", "out"])
@pytest.mark.parametrize(
    ("kind", "how"),
    [(Plainly, "raises"), (Plainly, "exits"), (Awaited, "raises"), (Awaited, "exits"), (Awaited, "hangs")],
)
async def test_a_wrapper_that_misbehaves_changes_no_run(
    runner: MakeRunner,
    plugins: Plugins,
    request: pytest.FixtureRequest,
    job: Any,
    where: str,
    kind: type[Misbehaving],
    how: str,
) -> None:
    """Nor what is recorded of it; the fault is counted, and the other wrappers are entered and left."""
    story, clock = Story(), HandClock()
    inner: Callable[[str], Any] = story.plain
    if how == "hangs":
        # A busy machine may take as long to start a thread: nothing is entered in one then.
        request.getfixturevalue("short_timeout")
        inner = story.awaited
    plugins.add("inner", jobkit_run_context=lambda run: inner("inner"))
    info = plugins.add("bad", jobkit_run_context=lambda run: kind(clock, where, how))
    plugins.add("outer", jobkit_run_context=lambda run: story.awaited("outer"))
    record = await run_of(runner, plugins, job, clock=clock, timeout=timedelta(seconds=30))
    succeeds = job in (fine, fine_in_thread)
    assert record.status is (RunStatus.SUCCEEDED if succeeds else RunStatus.FAILED)
    assert record.message == ("fine" if succeeds else "LookupError: the job's own")
    assert record.cleanup_errors == ()
    assert (record.duration_ms, clock.passed) == (0, 100 if where == "in" else 200)
    assert story.events == ["outer in", "inner in", "inner out", "outer out"]
    assert info.failures == 1
    [failure] = plugins.listener.failures
    assert (failure.plugin, failure.hook, failure.run) == ("bad", "jobkit_run_context", record.id)


@pytest.mark.parametrize("answer", [17, "a span", object()])
async def test_what_is_no_context_manager_is_a_fault(
    runner: MakeRunner, plugins: Plugins, answer: object
) -> None:
    """The run goes on without it. None is no fault."""
    plugins.add("none", jobkit_run_context=lambda run: None)
    info = plugins.add("odd", jobkit_run_context=lambda run: answer)
    assert (await run_of(runner, plugins, fine)).message == "fine"
    assert info.failures == 1
    assert len(plugins.told) == 1


# -- whose time it is ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "awaited"])
@pytest.mark.parametrize("threaded", [True, False])
async def test_the_time_of_wrappers_is_not_the_jobs(
    runner: MakeRunner, plugins: Plugins, kind: str, threaded: bool
) -> None:
    """A job whose timeout is shorter than what they take still has all of it."""
    import time

    slow, limit, clock = 0.1, timedelta(seconds=0.05), HandClock()
    seen: list[Any] = []

    @contextmanager
    def plain() -> Iterator[None]:
        clock.take(slow)
        time.sleep(slow)
        yield
        clock.take(slow)
        time.sleep(slow)

    @asynccontextmanager
    async def awaited() -> AsyncIterator[None]:
        clock.take(slow)
        await anyio.sleep(slow)
        yield
        clock.take(slow)
        await anyio.sleep(slow)

    def look(ctx: JobContext) -> JobResult:
        assert ctx.deadline is not None
        clock.take(0.03)
        seen.append((ctx.deadline - ctx.started_at, ctx.cancelled))
        return JobResult.success("in time")

    async def on_loop(ctx: JobContext) -> JobResult:
        return look(ctx)

    plugins.add("slow", jobkit_run_context=lambda run: plain() if kind == "plain" else awaited())
    job = look if threaded else on_loop
    record = await run_of(runner, plugins, job, clock=clock, timeout=limit)
    assert (record.status, record.message, record.duration_ms) == (RunStatus.SUCCEEDED, "in time", 30)
    assert seen == [(limit, False)]


@pytest.mark.parametrize("threaded", [True, False])
async def test_a_job_is_timed_out_inside_of_wrappers(
    runner: MakeRunner, plugins: Plugins, threaded: bool
) -> None:
    """When its own time is up, and not before."""
    story = Story()

    def checks(ctx: JobContext) -> None:
        while True:
            ctx.check_cancelled()

    plugins.add("inner", jobkit_run_context=wrapping(story, "plain"))
    plugins.add("outer", jobkit_run_context=wrapping(story, "awaited"))
    record = await run_of(runner, plugins, checks if threaded else waits, timeout=SOON)
    assert record.status is RunStatus.TIMED_OUT
    assert record.duration_ms is not None
    assert record.duration_ms >= 49
    assert story.events == ["awaited in", "plain in", "plain out", "awaited out"]


@pytest.mark.parametrize(
    ("own", "before"),
    [
        (timedelta(seconds=50), timedelta(seconds=20)),
        (timedelta(seconds=90), timedelta(0)),
        (None, timedelta(0)),
    ],
)
async def test_a_child_does_not_outlive_its_parent_because_of_wrappers(
    runner: MakeRunner, plugins: Plugins, own: timedelta | None, before: timedelta
) -> None:
    """Its own limit moves, though not beyond the deadline of its parent."""
    deadlines: list[Any] = []
    clock = HandClock()

    @asynccontextmanager
    async def wrapper(run: Run) -> AsyncIterator[None]:
        if run.record.parent is not None:
            clock.take(30)
        yield

    async def child(ctx: JobContext) -> None:
        deadlines.append(ctx.deadline)

    async def parent(ctx: JobContext) -> None:
        deadlines.append(ctx.deadline)
        await ctx.run_job(child)

    plugins.add("slow", jobkit_run_context=wrapper)
    specs = [spec_of(parent, timeout=timedelta(seconds=100)), spec_of(child, timeout=own)]
    async with runner(*specs, hooks=plugins.hooks, clock=clock) as here:
        assert (await here.run(specs[0])).status is RunStatus.SUCCEEDED
    # The wall clock goes on meanwhile.
    assert abs(deadlines[0] - deadlines[1] - before) < timedelta(seconds=5)


# -- stopping -----------------------------------------------------------------------------------------


async def test_a_run_that_is_stopped_while_wrappers_are_entered_is_not_executed(
    runner: MakeRunner, plugins: Plugins
) -> None:
    """The one that is being entered is given up, those before it are left; none has done wrong."""
    story = Story()
    called: list[str] = []

    @asynccontextmanager
    async def slow(run: Run) -> AsyncIterator[None]:
        assert here.cancel(run.id)
        await anyio.sleep_forever()
        yield

    async def job(ctx: JobContext) -> None:
        called.append("called")

    plugins.add("slow", jobkit_run_context=slow)
    plugins.add("first", jobkit_run_context=wrapping(story, "awaited"))
    async with runner(spec_of(job), hooks=plugins.hooks) as here:
        record = await here.run(spec_of(job))
    assert (record.status, record.reason) == (RunStatus.CANCELLED, "interrupted")
    assert (called, story.events) == ([], ["awaited in", "awaited out"])
    assert plugins.told == []


async def test_a_job_is_not_called_if_its_run_was_stopped_while_a_wrapper_was_entered(
    runner: MakeRunner, plugins: Plugins
) -> None:
    """Not even up to its first `await`, although nobody was interrupted."""
    story = Story()
    called: list[str] = []

    @contextmanager
    def stops(run: Run) -> Iterator[None]:
        assert here.cancel(run.id)
        with story.plain():
            yield

    async def job(ctx: JobContext) -> None:
        called.append("called")

    plugins.add("stops", jobkit_run_context=stops)
    async with runner(spec_of(job), hooks=plugins.hooks) as here:
        record = await here.run(spec_of(job))
    assert (record.status, called) == (RunStatus.CANCELLED, [])
    assert story.events == ["plain in", "plain out"]


async def test_a_run_that_is_over_is_not_stopped_while_wrappers_are_left(
    runner: MakeRunner, plugins: Plugins
) -> None:
    """What the job has done is done."""

    @asynccontextmanager
    async def wrapper(run: Run) -> AsyncIterator[None]:
        yield
        here.cancel(run.id)
        await anyio.sleep(0.001)

    plugins.add("p", jobkit_run_context=wrapper)
    async with runner(spec_of(fine), hooks=plugins.hooks) as here:
        assert (await here.run(spec_of(fine))).message == "fine"
    assert plugins.told == []


async def test_a_wrapper_whose_own_task_fails_does_not_cancel_the_job(
    runner: MakeRunner, plugins: Plugins
) -> None:
    """That is the wrapper's fault, and shown as one."""
    failed = anyio.Event()

    @asynccontextmanager
    async def wrapper() -> AsyncIterator[None]:
        async def fails() -> None:
            failed.set()
            raise ValueError("background")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fails)
            yield

    async def job(ctx: JobContext) -> JobResult:
        await failed.wait()
        await anyio.sleep(0.005)
        return JobResult.success("undisturbed")

    info = plugins.add("bad", jobkit_run_context=lambda run: wrapper())
    assert (await run_of(runner, plugins, job)).message == "undisturbed"
    assert info.failures == 1


async def test_a_wrapper_that_catches_its_own_timeout_does_not_cancel_the_job(
    runner: MakeRunner, plugins: Plugins, short_timeout: None
) -> None:
    """It is left again, and the job goes on without it."""
    left: list[str] = []

    class Stubborn:
        async def __aenter__(self) -> None:
            with suppress(BaseException):
                await anyio.sleep_forever()

        async def __aexit__(self, *error: object) -> None:
            left.append("left")

    async def job(ctx: JobContext) -> JobResult:
        await anyio.sleep(0.001)
        return JobResult.success("undisturbed")

    info = plugins.add("bad", jobkit_run_context=lambda run: Stubborn())
    assert (await run_of(runner, plugins, job)).message == "undisturbed"
    assert (info.failures, left) == (1, ["left"])


# -- threads that do not come back --------------------------------------------------------------------


class Stuck:
    """A plain wrapper that does not come back until it is let go."""

    def __init__(self, where: str, free: threading.Event, clock: HandClock) -> None:
        self.where, self.free, self.clock = where, free, clock
        self.events: list[str] = []

    def __enter__(self) -> None:
        self.events.append("in")
        self.clock.take(100)
        if self.where == "in":
            self.free.wait(30)

    def __exit__(self, *error: object) -> None:
        self.events.append("out")
        self.clock.take(100)
        if self.where == "out":
            self.free.wait(30)


@pytest.mark.parametrize("where", ["in", "out"])
async def test_a_plain_wrapper_that_hangs_in_the_thread_is_left_behind(
    runner: MakeRunner, plugins: Plugins, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """With its thread: before the call another one calls the job, once; after it, the result counts."""
    hook = "jobkit_run_context"  # its time has to be longer than that of starting a thread
    monkeypatch.setitem(RULES, hook, replace(RULES[hook], timeout=0.5))
    free, clock = threading.Event(), HandClock()
    stuck = Stuck(where, free, clock)
    calls: list[int] = []

    def job(ctx: JobContext) -> JobResult:
        calls.append(threading.get_ident())
        return JobResult.success("fine")

    info = plugins.add("stuck", jobkit_run_context=lambda run: stuck)
    async with runner(hooks=plugins.hooks, clock=clock) as here:
        record = await here.run(spec_of(job, timeout=timedelta(seconds=30)))
        assert (record.status, record.message, record.duration_ms) == (RunStatus.SUCCEEDED, "fine", 0)
        assert here.abandoned_threads == (f"job (run {record.number})",)
        free.set()
        while here.abandoned_threads:  # noqa: ASYNC110 - threads end when they end
            await anyio.sleep(0.001)
    assert stuck.events == ["in", "out"]
    assert len(calls) == 1
    assert info.failures == 1
    assert plugins.told[0][:2] == ("stuck", "jobkit_run_context")


async def test_a_thread_job_is_stopped_before_it_is_called(runner: MakeRunner, plugins: Plugins) -> None:
    """If its run is stopped while a plain wrapper is entered: the wrapper is left, and the job not called."""
    story = Story()
    called: list[str] = []

    @contextmanager
    def wrapper(run: Run) -> Iterator[None]:
        anyio.from_thread.run_sync(here.cancel, run.id)
        with story.plain():
            yield

    def job(ctx: JobContext) -> None:
        called.append("called")

    plugins.add("p", jobkit_run_context=wrapper)
    async with runner(hooks=plugins.hooks) as here:
        record = await here.run(spec_of(job))
    assert (record.status, called) == (RunStatus.CANCELLED, [])
    assert story.events == ["plain in", "plain out"]


# -- a job that leaves its task in disorder -------------------------------------------------------------


async def test_wrappers_are_left_whatever_the_job_has_left_open(runner: MakeRunner, plugins: Plugins) -> None:
    """The run says what the job has done; the wrapper is left with it."""
    story = Story()

    async def forgets(ctx: JobContext) -> None:
        anyio.CancelScope().__enter__()

    plugins.add("p", jobkit_run_context=wrapping(story, "plain"))
    record = await run_of(runner, plugins, forgets)
    assert record.message == "the job left a cancel scope or a task group open (JK525)"
    assert story.events == ["plain in", "plain out"]
    assert [getattr(error, "code", None) for error in story.errors] == ["JK525"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_wrappers_are_left_by_a_job_that_cancels_its_own_task(
    runner: MakeRunner, plugins: Plugins
) -> None:
    """Its cancellation is its own: the wrapper can still wait for something."""
    import asyncio

    story = Story()

    async def cancels_itself(ctx: JobContext) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)

    plugins.add("p", jobkit_run_context=wrapping(story, "awaited"))
    record = await run_of(runner, plugins, cancels_itself)
    assert (record.status, story.events) == (RunStatus.FAILED, ["awaited in", "awaited out"])
    assert plugins.told == []


@pytest.mark.parametrize("threaded", [True, False])
def test_wrappers_may_cancel_their_own_tasks_on_the_loop_of_the_programs(
    threaded: bool, config: Config, plugins: Plugins
) -> None:
    """Jobs cannot cancel what is not theirs there; wrappers can end what they began."""

    @asynccontextmanager
    async def wrapper() -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            await anyio.lowlevel.checkpoint()
            yield
            tasks.cancel_scope.cancel()

    async def once() -> RunRecord:
        async with (
            MemoryStore(project="tests") as store,
            Runner({}, store, config=config, hooks=plugins.hooks) as here,
        ):
            return await here.run(spec_of(fine_in_thread if threaded else fine))

    plugins.add("p", jobkit_run_context=lambda run: wrapper())
    record = anyio.run(once, backend_options={"loop_factory": SteadyLoop})
    assert record.message == "fine"
    assert plugins.told == []
