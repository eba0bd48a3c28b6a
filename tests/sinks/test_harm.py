"""Whatever a sink does, the others get their runs, and nothing else notices."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from jobkit.exceptions import PluginError
from jobkit.records import RunRecord
from jobkit.sinks.base import Sink
from jobkit.stores.base import Store
from tests.sinks.conftest import PATIENCE, Delivering, Hooks, Server, eventually, finish, settled


class Bad(Server):
    """Does *what* at its first call of *member*, and behaves from then on."""

    def __init__(self, what: Callable[[], Any], member: str = "emit") -> None:
        # Short only where waiting for it is the subject.
        super().__init__("bad", timeout=0.1 if what in (hang, refuse_to_stop) else 10.0)
        self.what = what
        self.member = member
        self.done = False

    async def misbehave(self, member: str) -> None:
        if member == self.member and not self.done:
            self.done = True
            result = self.what()
            if hasattr(result, "__await__"):
                await result

    async def accepts(self, run: RunRecord) -> bool:  # type: ignore[override]
        await self.misbehave("accepts")
        return True

    async def emit(self, run: RunRecord) -> None:
        await self.misbehave("emit")
        await super().emit(run)

    async def __aenter__(self) -> Server:
        await self.misbehave("enter")
        return await super().__aenter__()


def raising(error: BaseException) -> Callable[[], Any]:
    def call() -> None:
        raise error

    return call


async def hang() -> None:
    await anyio.sleep_forever()


async def refuse_to_stop() -> None:
    while True:
        with suppress(BaseException):
            await anyio.sleep(3600)


async def cancel_itself() -> None:
    if sys.modules.get("asyncio") and anyio.get_cancelled_exc_class() is asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
    else:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.sleep(1)
        raise RuntimeError("cancelled itself")


class Spiteful(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text")


class Odd(BaseException):
    """Neither an Exception nor anything that Python knows."""


HARM: dict[str, Callable[[], Any]] = {
    "raises": raising(ValueError("no")),
    "exits": raising(SystemExit(3)),
    "raises something odd": raising(Odd("odd")),
    "raises a group": raising(BaseExceptionGroup("both", [ValueError("no"), SystemExit(2)])),
    "has no text": raising(Spiteful()),
    "says it was cancelled": raising(asyncio.CancelledError()),
    "stops an iteration": raising(StopAsyncIteration()),
    "hangs": hang,
    "cancels itself": cancel_itself,
    "will not stop": refuse_to_stop,
}


@pytest.mark.parametrize("member", ["emit", "accepts", "enter"])
@pytest.mark.parametrize("what", HARM)
async def test_it_harms_itself_only(
    memory: Store, serving: Delivering, hooks: Hooks, what: str, member: str
) -> None:
    """It is reported under the plugin's name, and tried again; the other sink notices nothing."""
    bad, good = Bad(HARM[what], member), Server("good")
    async with serving(memory, bad, good) as it:
        for _ in range(3):
            it.finished(await finish(memory))
        assert await good.until_given(3) == [1, 2, 3]
        assert await bad.until_given(3) == [1, 2, 3]
        await settled(memory, "bad", dead=0)
    assert bad.done
    plugin, hook, _, _ = hooks.failures[0]
    assert (plugin, hook) == ("shop", "sink bad")
    assert {hook for _, hook, _, _ in hooks.failures} == {"sink bad"}


async def test_a_call_that_takes_too_long_says_so(memory: Store, serving: Delivering, hooks: Hooks) -> None:
    """JK733 names the sink and the limit; with a longer timeout it works."""
    slow = Server("slow", timeout=0.4)

    async def emit(run: RunRecord) -> None:
        await anyio.sleep(0.5)
        slow.given.append(run.number or 0)
        slow.tell()

    slow.emit = emit  # type: ignore[method-assign]
    async with serving(memory, slow) as it:
        it.finished(await finish(memory))
        await eventually(lambda: bool(hooks.failures))
    error = hooks.failures[0][2]
    assert isinstance(error, PluginError)
    assert (error.code, str(error)) == ("JK733", "sink `slow`: emit took longer than 0.4 s")
    assert "longer timeout" in (error.help or "")
    slow.timeout = 5.0
    async with serving(memory, slow):
        assert await slow.until_given(1) == [1]


async def test_leaving_may_fail_and_hang(memory: Store, serving: Delivering, hooks: Hooks) -> None:
    """What it took counts; that it could not be closed is reported."""

    class Leaving(Server):
        async def __aexit__(self, *details: object) -> None:
            raise OSError("already closed")

    class Hanging(Server):
        async def __aexit__(self, *details: object) -> None:
            await refuse_to_stop()

    one, two = Leaving("one"), Hanging("two", timeout=0.1)
    async with serving(memory, one, two) as it:
        it.finished(await finish(memory))
        await settled(memory, "one")
        await settled(memory, "two")
    assert "already closed" in hooks.errors


async def test_a_sink_with_a_task_group_is_entered_and_left_by_one_task(
    memory: Store, serving: Delivering, hooks: Hooks
) -> None:
    """Cancel scopes can be held from entering to leaving; the same sink works in the next process."""
    tasks: set[int] = set()

    class Grouped(Server):
        async def __aenter__(self) -> Server:
            tasks.add(anyio.get_current_task().id)
            self.tasks = anyio.create_task_group()
            await self.tasks.__aenter__()
            self.tasks.start_soon(anyio.sleep_forever)
            return self

        async def __aexit__(self, *details: object) -> None:
            tasks.add(anyio.get_current_task().id)
            self.tasks.cancel_scope.cancel()
            await self.tasks.__aexit__(None, None, None)

    server = Grouped()
    async with serving(memory, server) as it:
        it.finished(await finish(memory))
        await settled(memory)
    assert len(tasks) == 1
    assert not hooks.failures


async def test_a_sink_whose_own_task_dies_is_opened_again(
    memory: Store, serving: Delivering, hooks: Hooks
) -> None:
    """Its background task failed: that ends the sink's session, and the next run opens another."""
    broken = anyio.Event()

    class Grouped(Server):
        async def __aenter__(self) -> Server:
            await super().__aenter__()
            self.tasks = anyio.create_task_group()
            await self.tasks.__aenter__()
            self.tasks.start_soon(self.background)
            return self

        async def background(self) -> None:
            await broken.wait()
            if self.opened == 1:
                raise OSError("lost the connection")
            await anyio.sleep_forever()

        async def __aexit__(self, *details: object) -> None:
            self.tasks.cancel_scope.cancel()
            try:
                await self.tasks.__aexit__(None, None, None)
            finally:
                await super().__aexit__()

    server = Grouped()
    async with serving(memory, server) as it:
        it.finished(await finish(memory))
        await server.until_given(1)
        broken.set()
        await server.until(lambda: server.closed == 1)
        it.finished(await finish(memory))
        assert await server.until_given(2) == [1, 2]
    assert server.opened == 2


# -- plain functions ---------------------------------------------------------------------------------


class Plain:
    """No subclass, no coroutines: the least that a sink can be."""

    name = "plain"
    #: Short only where waiting for it is the subject: a thread may take its time to start.
    timeout = 10.0

    def __init__(self) -> None:
        self.given: list[int | None] = []
        self.threads: set[int] = set()
        self.hold = threading.Event()
        self.what: Callable[[], Any] = lambda: None

    def emit(self, run: RunRecord) -> None:
        self.threads.add(threading.get_ident())
        what, self.what = self.what, lambda: None
        what()
        self.given.append(run.number)


async def test_a_plain_function_runs_in_a_thread(memory: Store, serving: Delivering, hooks: Hooks) -> None:
    """In order, one after another, and never in the event loop's."""
    plain = Plain()
    async with serving(memory, plain) as it:
        for _ in range(5):
            it.finished(await finish(memory))
        await settled(memory, "plain")
    assert plain.given == [1, 2, 3, 4, 5]
    assert not hooks.failures
    assert threading.get_ident() not in plain.threads


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), StopIteration()])
async def test_a_plain_function_may_raise(
    memory: Store, serving: Delivering, hooks: Hooks, error: BaseException
) -> None:
    """It is tried again."""
    plain = Plain()
    plain.what = raising(error)
    async with serving(memory, plain) as it:
        it.finished(await finish(memory))
        await settled(memory, "plain")
    assert plain.given == [1]
    assert len(hooks.failures) == 1


async def test_a_plain_function_that_hangs_is_not_called_beside_itself(
    memory: Store, serving: Delivering, hooks: Hooks
) -> None:
    """No second thread while the first goes on; once it has ended everything is delivered."""
    plain, good = Plain(), Server("good")
    plain.timeout = 0.1
    plain.what = plain.hold.wait
    async with serving(memory, plain, good) as it:
        it.finished(await finish(memory))
        await good.until_given(1)
        await eventually(lambda: "sink `plain`: an earlier call of emit has not returned yet" in hooks.errors)
        assert len(plain.threads) == 1
        plain.timeout = 10.0  # from here on it is not about the limit
        plain.hold.set()
        await settled(memory, "plain")
    assert plain.given == [1, 1]
    assert isinstance(hooks.failures[0][2], PluginError)


async def test_a_thread_that_never_ends_holds_up_nobody_at_the_end(
    memory: Store, serving: Delivering
) -> None:
    """Leaving is quick, and the thread does not keep the interpreter."""
    plain = Plain()
    plain.timeout = 0.1
    plain.what = plain.hold.wait
    started = time.monotonic()
    async with serving(memory, plain) as it:
        it.finished(await finish(memory))
        await eventually(lambda: bool(plain.threads))
    assert time.monotonic() - started < 5
    held = [thread for thread in threading.enumerate() if thread.ident in plain.threads]
    assert all(thread.daemon for thread in held)
    plain.hold.set()


async def test_a_plain_accepts_and_a_returned_coroutine(memory: Store, serving: Delivering) -> None:
    """``def accepts``, and ``def emit`` that returns something to await."""

    class Mixed(Sink):
        name = "mixed"

        def __init__(self) -> None:
            self.given: list[int | None] = []

        def accepts(self, run: RunRecord) -> bool:
            return run.number != 1

        def emit(self, run: RunRecord) -> Any:
            async def later() -> None:
                self.given.append(run.number)

            return later()

    mixed = Mixed()
    async with serving(memory, mixed) as it:
        for _ in range(2):
            it.finished(await finish(memory))
        await settled(memory, "mixed")
    assert mixed.given == [2]


async def test_what_is_kept_of_an_error_is_safe(memory: Store, serving: Delivering) -> None:
    """No secrets, no control characters, one line, bounded; a raising ``__str__`` is told as such."""
    server = Server()
    server.bad[1] = ConnectionError(
        "https://me:hunter2-hunter2@host/\x1b[31m\n" + "x" * 5000 + " s3cr3t-s3cr3t"
    )
    server.bad[2] = ConnectionError("token s3cr3t-s3cr3t")
    async with serving(memory, server, secrets={"s3cr3t-s3cr3t"}) as it:
        it.finished(await finish(memory, "a"))
        it.finished(await finish(memory, "b"))
        await eventually(lambda: {1, 2} <= {*server.asked})
        with anyio.fail_after(PATIENCE):
            while not all(entry.error for entry in await memory.outbox("server")):  # noqa: ASYNC110
                await anyio.sleep(0.005)
    errors = [entry.error or "" for entry in await memory.outbox("server")]
    assert all("hunter2" not in error and "s3cr3t" not in error for error in errors)
    assert all(error.isprintable() and len(error) < 600 for error in errors)
    assert "***" in errors[0]
    assert errors[1] == "ConnectionError: token ***"
