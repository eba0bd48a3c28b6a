"""Wrappers around attempts: entered and left one by one, and never in the way of the job's outcome."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from jobkit.plugins.tracing import HookCall

if TYPE_CHECKING:
    from tests.plugins.conftest import Plugins

RUN: Any = SimpleNamespace(extension="web", id="the-run")
CTX: Any = SimpleNamespace()


class Story:
    """What happened, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def plain(self, name: str) -> Any:
        @contextmanager
        def wrapper() -> Iterator[None]:
            self.events.append(f"{name} in")
            try:
                yield
            except BaseException as error:
                self.events.append(f"{name} saw {type(error).__name__}")
                raise
            finally:
                self.events.append(f"{name} out")

        return lambda run: wrapper()

    def awaited(self, name: str) -> Any:
        @asynccontextmanager
        async def wrapper() -> AsyncIterator[None]:
            with self.plain(name)(RUN):
                yield

        return lambda run: wrapper()


async def test_wrappers_nest(plugins: Plugins) -> None:
    """The first asked is the outermost."""
    story = Story()
    plugins.add("inner", jobkit_run_context=story.plain("inner"))
    plugins.add("outer", jobkit_run_context=story.awaited("outer"))
    async with plugins.hooks.run_context(RUN, CTX):
        story.events.append("job")
    assert story.events == ["outer in", "inner in", "job", "inner out", "outer out"]


async def test_wrappers_see_the_jobs_exception(plugins: Plugins) -> None:
    """And it goes on."""
    story = Story()
    plugins.add("a", jobkit_run_context=story.awaited("a"))
    with pytest.raises(KeyError):
        async with plugins.hooks.run_context(RUN, CTX):
            raise KeyError("the job's")
    assert story.events == ["a in", "a saw KeyError", "a out"]
    assert plugins.told == []


class Swallows:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> bool:
        return True


class SwallowsLater(Swallows):
    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> bool:
        return True


@pytest.mark.parametrize("kind", [Swallows, SwallowsLater])
async def test_no_wrapper_swallows_the_jobs_exception(plugins: Plugins, kind: type) -> None:
    """A failed job stays failed."""
    plugins.add("a", jobkit_run_context=lambda run: kind())
    with pytest.raises(KeyError):
        async with plugins.hooks.run_context(RUN, CTX):
            raise KeyError("the job's")


class Fails:
    def __init__(self, where: str, error: BaseException) -> None:
        self.where = where
        self.error = error

    async def __aenter__(self) -> None:
        if self.where == "in":
            raise self.error

    async def __aexit__(self, *_: object) -> None:
        if self.where == "out":
            raise self.error


class FailsPlainly:
    def __init__(self, where: str, error: BaseException) -> None:
        self.where = where
        self.error = error

    def __enter__(self) -> None:
        if self.where == "in":
            raise self.error

    def __exit__(self, *_: object) -> None:
        if self.where == "out":
            raise self.error


@pytest.mark.parametrize("kind", [Fails, FailsPlainly])
@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1)])
@pytest.mark.parametrize("job_fails", [True, False])
@pytest.mark.parametrize("where", ["in", "out"])
async def test_a_failing_wrapper_never_replaces_the_outcome(
    plugins: Plugins, kind: Any, where: str, error: BaseException, job_fails: bool
) -> None:
    """On entry it is skipped, on leaving it is reported; the others are entered and left."""
    story = Story()
    plugins.add("inner", jobkit_run_context=story.plain("inner"))
    plugins.add("bad", jobkit_run_context=lambda run: kind(where, error))
    plugins.add("outer", jobkit_run_context=story.plain("outer"))
    raised: BaseException | None = None
    try:
        async with plugins.hooks.run_context(RUN, CTX):
            if job_fails:
                raise KeyError("the job's")
    except KeyError as job_error:
        raised = job_error
    assert (raised is not None) is job_fails
    assert [event for event in story.events if event.endswith("out")] == ["inner out", "outer out"]
    assert plugins.told == [("bad", "jobkit_run_context", f"{type(error).__name__}: {error}")]


class Hangs:
    def __init__(self, where: str) -> None:
        self.where = where

    async def __aenter__(self) -> None:
        if self.where == "in":
            await anyio.sleep_forever()

    async def __aexit__(self, *_: object) -> None:
        if self.where == "out":
            await anyio.sleep_forever()


@pytest.mark.parametrize("where", ["in", "out"])
async def test_a_wrapper_that_hangs_is_cut_off(plugins: Plugins, where: str, short_timeout: None) -> None:
    """Entering and leaving have their time."""
    plugins.add("hangs", jobkit_run_context=lambda run: Hangs(where))
    done = False
    async with plugins.hooks.run_context(RUN, CTX):
        done = True
    assert done
    assert "did not end within" in plugins.told[0][2]


@pytest.mark.parametrize("answer", [42, "tracer", anyio.create_task_group])
async def test_what_is_no_context_manager_is_reported(plugins: Plugins, answer: object) -> None:
    """And the job runs."""
    plugins.add("odd", jobkit_run_context=lambda run: answer)
    async with plugins.hooks.run_context(RUN, CTX):
        pass
    assert "a context manager, or None, is expected" in plugins.told[0][2]


async def test_a_wrapper_may_hold_a_task_group(plugins: Plugins) -> None:
    """The guard's own scope nests with those that a wrapper leaves open."""
    ticks: list[int] = []

    @asynccontextmanager
    async def wrapper() -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 0)
            yield
            ticks.append(1)

    plugins.add("a", jobkit_run_context=lambda run: wrapper())
    plugins.add("b", jobkit_run_context=lambda run: wrapper())
    async with plugins.hooks.run_context(RUN, CTX):
        await anyio.lowlevel.checkpoint()
    assert ticks == [1, 1]
    assert plugins.told == []


async def test_a_coroutine_function_may_give_the_manager(plugins: Plugins) -> None:
    """The hook is an asynchronous one."""
    story = Story()

    async def hook(run: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return story.plain("a")(run)

    plugins.add("a", jobkit_run_context=hook)
    async with plugins.hooks.run_context(RUN, CTX):
        pass
    assert story.events == ["a in", "a out"]


async def test_plain_wrappers_of_a_thread_job_are_entered_in_its_thread(plugins: Plugins) -> None:
    """Where its database connections live."""
    where: list[int] = []

    @contextmanager
    def wrapper() -> Iterator[None]:
        where.append(threading.get_ident())
        yield
        where.append(threading.get_ident())

    plugins.add("a", jobkit_run_context=lambda run: wrapper())
    plugins.add("bad", jobkit_run_context=lambda run: FailsPlainly("out", ValueError("late")))
    worker: list[int] = []
    async with plugins.hooks.run_context(RUN, CTX, threaded=True) as context:

        def work() -> None:
            with context.in_thread():
                worker.append(threading.get_ident())

        await anyio.to_thread.run_sync(work)
    assert where == worker * 2
    assert plugins.told == [("bad", "jobkit_run_context", "ValueError: late")]


async def test_wrappers_are_left_although_the_run_is_cancelled(plugins: Plugins) -> None:
    """A span is ended, a lock released."""
    events: list[str] = []

    @asynccontextmanager
    async def wrapper() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await anyio.sleep(0.01)
            events.append("left")

    plugins.add("a", jobkit_run_context=lambda run: wrapper())
    with anyio.move_on_after(0.01):
        async with plugins.hooks.run_context(RUN, CTX):
            await anyio.sleep_forever()
    assert events == ["left"]
    assert plugins.told == []


async def test_an_extension_wraps_its_own_runs_only(plugins: Plugins) -> None:
    """Those of others it does not see."""
    story = Story()
    plugins.add("shop.hooks", extension="shop", jobkit_run_context=story.plain("shop"))
    async with plugins.hooks.run_context(RUN, CTX):
        pass
    assert story.events == []


async def test_entering_and_leaving_are_traced(plugins: Plugins, short_timeout: None) -> None:
    """Each with how it ended; that a wrapper lets the job's exception through is no failure of its."""
    calls: list[HookCall] = []
    plugins.trace = calls.append

    @asynccontextmanager
    async def hangs() -> AsyncIterator[None]:
        await anyio.sleep(10)
        yield

    @contextmanager
    def fails() -> Iterator[None]:
        yield
        raise ValueError("no")

    plugins.add("hangs", jobkit_run_context=lambda run: hangs())
    plugins.add("fails", jobkit_run_context=lambda run: fails())
    plugins.add("sound", jobkit_run_context=Story().awaited("sound"))
    async with plugins.hooks.run_context(RUN, CTX):
        pass
    with pytest.raises(KeyError):
        async with plugins.hooks.run_context(RUN, CTX):
            raise KeyError("the job's")
    calls[:] = [call for call in calls if call.plugin != "listener"]
    entered = [("sound", "enter", "ok"), ("fails", "enter", "ok"), ("hangs", "enter", "timeout")]
    assert [(call.plugin, call.hook.removeprefix("jobkit_run_context "), call.outcome) for call in calls] == [
        *entered,
        ("fails", "leave", "ValueError"),
        ("sound", "leave", "ok"),
        *entered,
        ("fails", "leave", "ok"),
        ("sound", "leave", "ok"),
    ]
