"""``jobkit run`` makes one attempt and says what it leaves."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from jobkit.exceptions import StoreError
from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord
from jobkit.sinks.base import Sink
from jobkit.stores.base import Store
from tests.sinks.conftest import QUICK, Delivering, Hooks, Server, finish


async def test_what_waits_is_delivered(store: Store, delivery: Delivering) -> None:
    """All of it, in order, and there is nothing to say about it."""
    server = Server()
    async with delivery(store, server) as it:
        for _ in range(3):
            it.finished(await finish(store))
        report = await it.once()
    assert server.given == [1, 2, 3]
    assert (report.delivered, report.waiting, report.errors) == (3, {}, {})
    assert report.words() == []
    [state] = await store.sinks()
    assert (state.waiting, state.owner) == (0, None)


async def test_without_sinks_there_is_nothing_to_do(memory: Store, delivery: Delivering) -> None:
    """The store is not even asked."""
    async with delivery(memory) as it:
        it.finished(await finish(memory))
        assert (await it.once()).words() == []


async def test_a_server_that_is_down_is_left_alone(store: Store, delivery: Delivering) -> None:
    """One attempt; what waits is said, with what the server said and who will deliver it."""
    server = Server()
    server.down = True
    async with delivery(store, server) as it:
        for _ in range(4):
            it.finished(await finish(store))
        report = await it.once()
    assert server.asked == [1]
    assert (report.delivered, report.waiting) == (0, {"server": 4})
    [words] = report.words()
    assert words.startswith(
        "sink server: 4 finished runs to be delivered by a scheduler (jobkit start) or the next `jobkit run`"
    )
    assert words.endswith(" (ConnectionRefusedError: the server is down)")
    [state] = await store.sinks()
    assert state.failures == 1


async def test_it_tries_although_the_sink_is_suspended(memory: Store, delivery: Delivering) -> None:
    """Whoever runs a job after mending the server does not have to wait."""
    server = Server()
    server.down = True
    slow = replace(QUICK, first=3600.0, most=3600.0)
    async with delivery(memory, server, pace=slow) as it:
        it.finished(await finish(memory))
        await it.once()
        server.down = False
        report = await it.once()
    assert server.given == [1]
    assert report.words() == []


async def test_its_time_is_limited(memory: Store, delivery: Delivering) -> None:
    """A slow sink gets what it takes within its timeout; the attempt that time cuts off is no failure."""
    slow = Server(timeout=0.3)

    async def emit(run: RunRecord) -> None:
        slow.asked.append(run.number or 0)
        if run.number == 3:
            await anyio.sleep_forever()
        slow.given.append(run.number or 0)

    slow.emit = emit  # type: ignore[method-assign]
    async with delivery(memory, slow) as it:
        for _ in range(6):
            it.finished(await finish(memory))
        report = await it.once()
    assert slow.given == [1, 2]
    assert slow.asked == [1, 2, 3]
    assert (report.delivered, report.waiting, report.errors) == (2, {"server": 4}, {})


async def test_a_sink_that_hangs_costs_its_timeout(memory: Store, delivery: Delivering, hooks: Hooks) -> None:
    """And no other sink waits for it."""
    good, bad = Server("good"), Server("bad", timeout=0.1)

    async def emit(run: RunRecord) -> None:
        await anyio.sleep_forever()

    bad.emit = emit  # type: ignore[method-assign]
    started = time.monotonic()
    async with delivery(memory, bad, good) as it:
        for job in "abcd":
            it.finished(await finish(memory, job))
        report = await it.once()
    assert time.monotonic() - started < 5
    assert good.given == [1, 2, 3, 4]
    assert report.waiting == {"bad": 4}
    assert report.errors == {"bad": "sink `bad`: emit took longer than 0.1 s"}
    assert hooks.errors == ["sink `bad`: emit took longer than 0.1 s"]


async def test_another_process_delivers(memory: Store, delivery: Delivering) -> None:
    """A scheduler that has the sink's lease is left to it, and named."""
    server = Server()
    other = replace(ProcessIdentity.current(), host="elsewhere")
    async with delivery(memory, server) as it:
        assert await memory.take_sink("server", other, timedelta(hours=1)) is not None
        it.finished(await finish(memory))
        report = await it.once()
    assert server.asked == []
    assert report.words() == ["sink server: 1 finished run to be delivered by another process"]


async def test_what_was_given_up_is_said(memory: Store, delivery: Delivering) -> None:
    """With where to find it."""
    server = Server()
    server.bad[1] = Sink.Reject("unknown customer")
    async with delivery(memory, server) as it:
        it.finished(await finish(memory))
        report = await it.once()
    assert report.words() == [
        "sink server: 1 finished run given up for good, listed by `jobkit db dead-letters`"
    ]


async def test_a_store_that_is_gone_is_said(memory: Store, delivery: Delivering) -> None:
    """Nothing is raised: the runs themselves went well."""
    server = Server()
    async with delivery(memory, server) as it:
        it.finished(await finish(memory))
        await memory.__aexit__(None, None, None)
        report = await it.once()
        assert "server" in report.errors
        assert report.words()
        await memory.__aenter__()


async def test_what_was_left_is_delivered_next_time(memory: Store, delivery: Delivering) -> None:
    """By the next run, whatever it runs, in order."""
    server = Server()
    server.down = True
    async with delivery(memory, server) as it:
        it.finished(await finish(memory))
        await it.once()
    server.down = False
    async with delivery(memory, server) as it:
        it.finished(await finish(memory))
        assert (await it.once()).delivered == 2
    assert server.given == [1, 2]


async def test_a_bad_run_is_given_up_by_runs_alone(memory: Store, delivery: Delivering) -> None:
    """Without any scheduler: after eight attempts while others were taken."""
    server = Server()
    server.bad[1] = ValueError("bad")
    async with delivery(memory, server) as it:
        it.finished(await finish(memory, "a"))
        for _ in range(8):
            it.finished(await finish(memory, "b"))
            report = await it.once()
    assert report.dead == {"server": 1}
    assert (await memory.dead_letters())[0].failures == 8


async def test_a_store_that_is_gone_from_the_start(memory: Store, delivery: Delivering) -> None:
    """Entering raises what the store raises: nothing could be run either."""
    await memory.__aexit__(None, None, None)
    with pytest.raises(StoreError):
        async with delivery(memory, Server()):
            pytest.fail("entered")
    await memory.__aenter__()
