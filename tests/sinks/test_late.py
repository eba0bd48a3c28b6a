"""A call that has overrun its time has failed, whatever it makes of that; nobody else pays for it."""

from __future__ import annotations

import time
from contextlib import suppress

import anyio

from jobkit.plugins.watchdog import Watchdog
from jobkit.records import RunRecord
from jobkit.sinks.base import Sink
from jobkit.stores.base import Store
from tests.sinks.conftest import Delivering, Hooks, Server, eventually, finish, settled


async def swallow() -> None:
    """Ends with success, as if nothing had been."""
    with suppress(BaseException):
        await anyio.sleep_forever()


class Late(Server):
    """Too late at its first call of *member*; from then on it behaves."""

    def __init__(self, member: str) -> None:
        super().__init__("late", timeout=0.1)
        self.member = member
        self.begun = 0

    async def overrun(self, member: str) -> None:
        if member == self.member and not self.begun:
            self.begun += 1
            await swallow()
            self.timeout = 10.0  # from here on it is not about the limit

    async def accepts(self, run: RunRecord) -> bool:  # type: ignore[override]
        if self.member == "accepts" and not self.begun:
            await self.overrun("accepts")
            return False
        return True

    async def emit(self, run: RunRecord) -> None:
        if self.member == "emit" and not self.begun:
            await self.overrun("emit")
            return
        await super().emit(run)

    async def __aenter__(self) -> Server:
        await self.overrun("enter")
        return await super().__aenter__()


async def test_whoever_swallows_its_cancellation_has_not_delivered(
    memory: Store, serving: Delivering, hooks: Hooks
) -> None:
    """The run is given once more, and the failure is named."""
    late = Late("emit")
    async with serving(memory, late) as it:
        it.finished(await finish(memory))
        assert await late.until_given(1) == [1]
        await settled(memory, "late")
    assert hooks.errors == ["sink `late`: emit took longer than 0.1 s"]


async def test_a_late_false_is_no_answer(memory: Store, serving: Delivering, hooks: Hooks) -> None:
    """A run that a sink declines too late is not lost: it is asked again."""
    late = Late("accepts")
    async with serving(memory, late) as it:
        it.finished(await finish(memory))
        assert await late.until_given(1) == [1]
    assert hooks.errors == ["sink `late`: accepts took longer than 0.1 s"]


async def test_a_sink_that_opens_too_late_is_closed_and_opened_again(
    memory: Store, serving: Delivering, hooks: Hooks
) -> None:
    """It is given nothing before."""
    late = Late("enter")
    async with serving(memory, late) as it:
        it.finished(await finish(memory))
        assert await late.until_given(1) == [1]
    assert hooks.errors == ["sink `late`: opening it took longer than 0.1 s"]
    assert late.opened == late.closed == 2


async def test_a_late_refusal_is_late(memory: Store, serving: Delivering, hooks: Hooks) -> None:
    """What cleaning up raises is no judgement on the run: it is no dead letter."""
    server = Server(timeout=0.1)
    given = []

    async def emit(run: RunRecord) -> None:
        given.append(run.number)
        if len(given) == 1:
            try:
                await anyio.sleep_forever()
            finally:
                raise Sink.Reject("in a hurry")

    server.emit = emit  # type: ignore[method-assign]
    async with serving(memory, server) as it:
        it.finished(await finish(memory))
        await eventually(lambda: len(given) == 2)
        await settled(memory, dead=0)
    assert "emit took longer" in hooks.errors[0]
    cause = hooks.failures[0][2].__cause__
    assert isinstance(cause, Sink.Reject)


# -- a sink that holds the event loop ----------------------------------------------------------------


class Blocking(Server):
    """Sleeps where it should await, at its first call."""

    async def emit(self, run: RunRecord) -> None:
        if not self.asked:
            time.sleep(0.6)  # noqa: ASYNC251 - this is the fault
        await super().emit(run)


async def test_a_sink_that_holds_the_loop_is_late_and_named(
    memory: Store, serving: Delivering, hooks: Hooks
) -> None:
    """It took the run, but nobody could know: the run is given again."""
    said: list[str] = []
    blocking = Blocking("blocking", timeout=0.2)
    async with serving(memory, blocking, watchdog=Watchdog(0.05, said.append)) as it:
        it.finished(await finish(memory))
        await blocking.until(lambda: blocking.asked == [1, 1])
        await settled(memory, "blocking")
    assert hooks.errors == ["sink `blocking`: emit took longer than 0.2 s"]
    [line] = said
    assert line.startswith("plugin shop: sink blocking, emit has not returned for 0.05 s")


async def test_others_have_their_time(memory: Store, delivery: Delivering, hooks: Hooks) -> None:
    """What one sink holds the loop for is not counted as theirs: not of a call, nor of the attempt."""
    blocking, good, plain = Blocking("blocking", timeout=0.2), Server("good", timeout=0.3), Server("plain")

    async def emit(run: RunRecord) -> None:
        good.asked.append(run.number or 0)
        await anyio.sleep(0.01)
        good.given.append(run.number or 0)

    good.emit = emit  # type: ignore[method-assign]
    async with delivery(memory, good, blocking, plain) as it:
        for _ in range(4):
            it.finished(await finish(memory))
        report = await it.once()
    assert blocking.asked == [1]
    assert (good.given, plain.given) == ([1, 2, 3, 4], [1, 2, 3, 4])
    assert report.waiting == {"blocking": 4}
    assert {hook for _, hook, _, _ in hooks.failures} == {"sink blocking"}


# -- one attempt -------------------------------------------------------------------------------------


async def test_a_suspended_sink_is_tried_with_one_run(memory: Store, delivery: Delivering) -> None:
    """Of all jobs that wait; each call tries another one, whichever process makes it."""
    server = Server()
    server.down = True
    for job in "abcd":
        async with delivery(memory, server) as it:
            it.finished(await finish(memory, job))
            await it.once()
    assert server.asked == [1, 2, 3, 4]
    for _ in range(4):
        async with delivery(memory, server) as it:
            await it.once()
    assert sorted(server.asked[4:]) == [1, 2, 3, 4]
    server.down = False
    async with delivery(memory, server) as it:
        assert (await it.once()).delivered == 4
    assert sorted(server.given) == [1, 2, 3, 4]


async def test_a_bad_run_does_not_keep_a_suspended_sink_suspended(
    memory: Store, delivery: Delivering
) -> None:
    """The run of another job is tried in its turn, and then everything else."""
    server = Server()
    server.bad["bad"] = ValueError("bad")
    async with delivery(memory, server) as it:
        it.finished(await finish(memory, "bad"))
        await it.once()
    for number in range(3):
        async with delivery(memory, server) as it:
            it.finished(await finish(memory, "good"))
            await it.once()
        assert server.given == [*range(2, number + 3)]
