"""Local sinks are fed by the process that ran the job: at once, from memory, and nobody waits for them."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest

from jobkit.exceptions import PluginError
from jobkit.records import RunRecord
from jobkit.sinks import local
from jobkit.sinks.base import Sink
from jobkit.stores.base import Store
from tests.sinks.conftest import Delivering, Hooks, Server, eventually, finish, provided


def local_server(name: str = "local", **members: Any) -> Server:
    return Server(name, local=True, **members)


async def test_it_gets_what_finishes_here(store: Store, delivery: Delivering) -> None:
    """Without serving, in order; leaving waits for the last. The store keeps nothing for it."""
    server = local_server()
    async with delivery(store, server) as it:
        for _ in range(5):
            it.finished(await finish(store))
    assert server.given == [1, 2, 3, 4, 5]
    assert (server.opened, server.closed) == (1, 1)
    assert await store.sinks() == []


async def test_what_others_finished_is_not_for_it(memory: Store, serving: Delivering) -> None:
    """Only what this process executed."""
    server = local_server()
    async with serving(memory, server):
        await finish(memory)
        await anyio.sleep(0.05)
    assert server.asked == []


async def test_a_failure_is_told_once_and_not_tried_again(
    memory: Store, delivery: Delivering, hooks: Hooks
) -> None:
    """There is no outbox: history has the run, and the next one is given as usual."""
    server = local_server()
    server.bad[1] = OSError("disk full")
    server.bad[2] = Sink.Reject("not that one")
    async with delivery(memory, server) as it:
        for _ in range(3):
            it.finished(await finish(memory))
    assert server.asked == [1, 2, 3]
    assert server.given == [3]
    [(plugin, hook, error, run)] = hooks.failures
    assert (plugin, hook, str(error)) == ("shop", "sink local", "disk full")
    assert run is not None


async def test_a_slow_one_is_not_waited_for(
    memory: Store, delivery: Delivering, monkeypatch: pytest.MonkeyPatch, hooks: Hooks
) -> None:
    """Telling it returns at once; beyond a limit runs are dropped, and their number is reported (JK734)."""
    monkeypatch.setattr(local, "MOST_WAITING", 3)
    server = local_server()
    go_on = anyio.Event()

    async def emit(run: RunRecord) -> None:
        server.asked.append(run.number or 0)
        await go_on.wait()
        server.given.append(run.number or 0)

    server.emit = emit  # type: ignore[method-assign]
    async with delivery(memory, server) as it:
        records = [await finish(memory) for _ in range(8)]
        for record in records:
            it.finished(record)
        await eventually(lambda: server.asked == [1])
        go_on.set()
    assert server.given == [1, 2, 3]
    [(_, _, error, _)] = hooks.failures
    assert isinstance(error, PluginError)
    assert error.code == "JK734"
    assert str(error) == "sink `local` is too slow: 5 runs were not given to it"
    assert "local = False" in (error.help or "")


async def test_with_an_outbox_nothing_is_dropped(
    memory: Store, delivery: Delivering, monkeypatch: pytest.MonkeyPatch, hooks: Hooks
) -> None:
    """What JK734 advises."""
    monkeypatch.setattr(local, "MOST_WAITING", 3)
    server = Server()
    async with delivery(memory, server) as it:
        for record in [await finish(memory) for _ in range(8)]:
            it.finished(record)
        assert (await it.once()).delivered == 8
    assert not hooks.failures


async def test_leaving_waits_for_its_timeout_at_most(memory: Store, delivery: Delivering) -> None:
    """A sink that hangs does not keep the process."""
    server = local_server(timeout=0.2)

    async def emit(run: RunRecord) -> None:
        await anyio.sleep_forever()

    server.emit = emit  # type: ignore[method-assign]
    started = time.monotonic()
    async with delivery(memory, server) as it:
        for _ in range(50):
            it.finished(await finish(memory))
    assert time.monotonic() - started < 5


async def test_cancelled_it_still_gives_what_waits(memory: Store, delivery: Delivering) -> None:
    """The last run of an interrupted program is in the file too."""
    server = local_server()
    with anyio.CancelScope() as scope:
        async with delivery(memory, server) as it:
            it.finished(await finish(memory))
            scope.cancel()
            await anyio.sleep(1)
    assert server.given == [1]


async def test_sinks_do_not_see_what_others_do_to_a_run(memory: Store, delivery: Delivering) -> None:
    """Each gets a copy."""
    seen: list[Any] = []

    class Spoiling(Sink):
        local = True

        def __init__(self, name: str) -> None:
            self.name = name

        async def emit(self, run: RunRecord) -> None:
            seen.append(dict(run.data))
            run.data.clear()  # type: ignore[attr-defined]

    async with delivery(memory, Spoiling("one"), Spoiling("two")) as it:
        it.finished(await finish(memory, data={"pages": 3}))
    assert seen == [{"pages": 3}, {"pages": 3}]


async def test_an_extensions_local_sink_gets_its_own_runs(memory: Store, delivery: Delivering) -> None:
    """As with the outbox."""
    server = local_server()
    async with delivery(memory, *provided(server, extension="web")) as it:
        it.finished(await finish(memory, extension="shop"))
        it.finished(await finish(memory, extension="web"))
    assert server.given == [2]
