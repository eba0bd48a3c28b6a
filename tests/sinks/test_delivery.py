"""Every finished run reaches every sink, in order per job, whatever was down in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest

from jobkit.exceptions import StoreUnavailable
from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord
from jobkit.sinks.base import Sink
from jobkit.stores.base import Store
from jobkit.stores.outbox import OutboxVerdict
from tests.sinks.conftest import (
    PATIENCE,
    QUICK,
    Delivering,
    Hooks,
    Server,
    eventually,
    finish,
    provided,
    settled,
)


async def test_what_finishes_is_delivered(store: Store, serving: Delivering) -> None:
    """To each sink, once, in the order in which the runs finished; nothing waits any more."""
    one, two = Server("one"), Server("two")
    async with serving(store, one, two) as it:
        for _ in range(5):
            it.finished(await finish(store))
        assert await one.until_given(5) == [1, 2, 3, 4, 5]
        assert await two.until_given(5) == [1, 2, 3, 4, 5]
        await settled(store, "one")
        await settled(store, "two")
    assert (one.opened, one.closed) == (1, 1)


async def test_a_sink_gets_the_record_of_history(memory: Store, serving: Delivering) -> None:
    """All members, as the store tells them."""
    seen: list[RunRecord] = []

    class Keeping(Sink):
        name = "keeping"

        async def emit(self, run: RunRecord) -> None:
            seen.append(run)

    async with serving(memory, Keeping()) as it:
        record = await finish(memory, message="3 pages", processed=3, data={"pages": [1, 2, 3]})
        it.finished(record)
        await settled(memory, "keeping")
    assert seen == [await memory.run(record.id)]


async def test_it_notices_what_others_recorded(memory: Store, serving: Delivering) -> None:
    """A run that another process finished, or settled as lost, is found although nobody tells."""
    server = Server()
    async with serving(memory, server):
        await finish(memory)
        assert await server.until_given(1) == [1]


async def test_what_finished_while_nobody_served_is_delivered_later(
    store: Store, delivery: Delivering, serving: Delivering
) -> None:
    """Registering is enough: the store keeps it."""
    async with delivery(store, Server()):
        await finish(store)
    await finish(store)
    server = Server()
    async with serving(store, server):
        assert await server.until_given(2) == [1, 2]


async def test_down_for_a_while_loses_nothing(store: Store, serving: Delivering) -> None:
    """However often it was tried meanwhile, nothing is given up, and the order per job holds."""
    server = Server()
    server.down = True
    async with serving(store, server) as it:
        for index in range(12):
            it.finished(await finish(store, "ab"[index % 2]))
        await server.until(lambda: len(server.asked) >= 25)
        server.down = False
        given = await server.until_given(12)
        state = await settled(store, dead=0)
    assert [number for number in given if number % 2] == [1, 3, 5, 7, 9, 11]
    assert [number for number in given if not number % 2] == [2, 4, 6, 8, 10, 12]
    assert (state.failures, state.suspended_until, state.error) == (0, None, None)


async def test_a_suspended_sink_is_seen(store: Store, serving: Delivering) -> None:
    """How often in a row, until when, and what it said."""
    server = Server()
    server.down = True
    async with serving(store, server) as it:
        it.finished(await finish(store))
        await server.until(lambda: len(server.asked) >= 4)
        state = await settled(store, waiting=1)
        assert state.failures >= 3
        assert state.suspended_until is not None
        assert state.error == "ConnectionRefusedError: the server is down"
        [entry] = await store.outbox("server")
        assert (entry.failures, entry.error) == (0, "ConnectionRefusedError: the server is down")


async def test_a_suspended_sink_is_left_and_entered_again(memory: Store, serving: Delivering) -> None:
    """What it opened may be what is broken."""
    server = Server()
    server.down = True
    async with serving(memory, server) as it:
        it.finished(await finish(memory))
        await server.until(lambda: server.closed >= 2)
        server.down = False
        await server.until_given(1)
    assert server.opened == server.closed >= 3


async def test_a_suspension_outlives_the_process(memory: Store, serving: Delivering) -> None:
    """Whoever delivers next waits, instead of asking a server that is known to be down."""
    server = Server()
    server.down = True
    slow = replace(QUICK, first=60.0, most=60.0)
    async with serving(memory, server, pace=slow) as it:
        it.finished(await finish(memory))
        await server.until(lambda: len(server.asked) >= 1)
        await settled(memory, waiting=1)
    assert (await settled(memory, waiting=1)).suspended_until is not None
    other = Server()
    async with serving(memory, other, pace=slow):
        await other.until_given(1)  # one early attempt per job, because nothing is remembered of which failed
        assert other.asked == [1]


async def test_suspended_it_is_not_asked_for_every_run(memory: Store, serving: Delivering) -> None:
    """Three jobs may try it once before its time has come; then it is left alone."""
    server = Server()
    server.down = True
    async with serving(memory, server, pace=replace(QUICK, first=60.0, most=60.0)) as it:
        for index in range(20):
            it.finished(await finish(memory, f"job-{index}"))
            await anyio.sleep(0.002)
        await anyio.sleep(0.05)
    assert 1 <= len(server.asked) <= 3


async def test_a_bad_run_holds_up_only_its_job(store: Store, serving: Delivering) -> None:
    """Runs of other jobs pass; those of its own wait behind it."""
    server = Server()
    server.bad[1] = ValueError("cannot be stored")
    async with serving(store, server) as it:
        for job in ("a", "a", "b", "a", "b"):
            it.finished(await finish(store, job))
        await server.until(lambda: {3, 5} <= {*server.given})
        assert not {2, 4} & {*server.given}


async def test_a_run_that_always_fails_is_given_up(store: Store, serving: Delivering) -> None:
    """After eight failures while others were taken; then those behind it are delivered."""
    server = Server()
    server.bad[1] = ValueError("cannot be stored")
    async with serving(store, server) as it:
        for job in ("a", "a"):
            it.finished(await finish(store, job))
        for _ in range(60):
            it.finished(await finish(store, "b"))
            await anyio.sleep(0.01)
            if 2 in server.given:
                break
        await server.until(lambda: 2 in server.given)
        await settled(store, dead=1)
    [letter] = await store.dead_letters()
    assert (letter.number, letter.job, letter.reason, letter.failures) == (1, "a", "failures", 8)
    assert letter.error == "ValueError: cannot be stored"
    assert server.asked.count(1) >= 8


async def test_two_bad_jobs_do_not_suspend_a_sink_for_ever(memory: Store, serving: Delivering) -> None:
    """That others are taken now and then is enough to tell the bad runs from a sink that is down."""
    server = Server()
    server.bad |= {"x": ValueError("x"), "y": ValueError("y")}
    async with serving(memory, server) as it:
        for job in ("x", "y", "x"):
            it.finished(await finish(memory, job))
        good = 0
        with anyio.fail_after(PATIENCE):
            while len(await memory.dead_letters()) < 2:
                it.finished(await finish(memory, "good"))
                good += 1
                await server.until_given(good)
    assert {letter.reason for letter in await memory.dead_letters()} == {"failures"}


async def test_a_new_job_is_not_held_up_by_a_bad_run(memory: Store, serving: Delivering) -> None:
    """Although the only run so far has failed, and the sink is suspended for an hour."""
    server = Server()
    server.bad[1] = ValueError("bad")
    async with serving(memory, server, pace=replace(QUICK, first=3600.0, most=3600.0)) as it:
        it.finished(await finish(memory, "a"))
        await server.until(lambda: server.asked == [1])
        it.finished(await finish(memory, "b"))
        await server.until(lambda: 2 in server.given)


async def test_rejected_is_given_up_at_once(store: Store, serving: Delivering) -> None:
    """``raise Sink.Reject`` is an answer and no failure."""
    server = Server()
    server.bad[1] = Sink.Reject("no such customer")
    server.bad[2] = ExceptionGroup("a task group", [Sink.Reject("nor that one")])
    async with serving(store, server) as it:
        for _ in range(3):
            it.finished(await finish(store))
        assert await server.until_given(1) == [3]
        await settled(store, dead=2)
    letters = await store.dead_letters()
    assert [(letter.number, letter.reason, letter.error) for letter in letters] == [
        (1, "rejected", "no such customer"),
        (2, "rejected", "nor that one"),
    ]
    assert server.asked == [1, 2, 3]


async def test_what_is_too_old_is_given_up(memory: Store, serving: Delivering, hooks: Hooks) -> None:
    """Untried for ``max_age``: a dead letter with what was said last; what is younger goes on."""
    server = Server(max_age=timedelta(seconds=0.4))
    server.down = True
    async with serving(memory, server) as it:
        it.finished(await finish(memory))
        await settled(memory, dead=1)
        server.down = False
        it.finished(await finish(memory))
        assert await server.until_given(1) == [2]
    [letter] = await memory.dead_letters()
    assert (letter.number, letter.reason) == (1, "max_age")
    assert letter.error == "ConnectionRefusedError: the server is down"


async def test_a_replayed_letter_is_delivered(memory: Store, serving: Delivering) -> None:
    """What was given up can be put back, and then is like anything else that waits."""
    server = Server()
    server.bad[1] = Sink.Reject("not yet")
    async with serving(memory, server) as it:
        it.finished(await finish(memory))
        await settled(memory, dead=1)
        server.bad.clear()
        assert await memory.replay() == 1
        assert await server.until_given(1) == [1]


async def test_what_is_not_accepted_is_gone(store: Store, serving: Delivering) -> None:
    """It waits for nothing and holds up nothing."""

    class Choosy(Server):
        def accepts(self, run: RunRecord) -> bool:
            return run.job == "b"

    server = Choosy()
    async with serving(store, server) as it:
        for job in ("a", "b", "a", "b"):
            it.finished(await finish(store, job))
        assert await server.until_given(2) == [2, 4]
        await settled(store, dead=0)
    assert server.asked == [2, 4]


async def test_a_suspended_sink_comes_back_past_what_it_does_not_accept(
    memory: Store, serving: Delivering
) -> None:
    """Runs that are none of its business tell nothing about it: the next one is tried at once."""

    class Choosy(Server):
        async def accepts(self, run: RunRecord) -> bool:  # type: ignore[override]
            return run.job != "a"

    server = Choosy()
    server.down = True
    async with serving(memory, server) as it:
        for job in ("b", "a", "a", "c", "a"):
            it.finished(await finish(memory, job))
        await server.until(lambda: len(server.asked) >= 4)
        server.down = False
        assert sorted(await server.until_given(2)) == [1, 4]
        await settled(memory)


async def test_an_extensions_sink_gets_its_own_runs(memory: Store, serving: Delivering) -> None:
    """What comes from ``extensions/web/hooks.py`` is for the jobs of that extension."""
    server = Server()
    async with serving(memory, *provided(server, plugin="web.hooks", extension="web")) as it:
        it.finished(await finish(memory, extension="shop"))
        it.finished(await finish(memory, extension="web"))
        assert await server.until_given(1) == [2]
        await settled(memory)


async def test_only_one_process_delivers(memory: Store, serving: Delivering) -> None:
    """Two schedulers on one store: each run is delivered once, by either."""
    servers = [Server(), Server()]
    me = ProcessIdentity.current()
    async with (
        serving(memory, servers[0]) as one,
        serving(memory, servers[1], identity=replace(me, host="elsewhere")) as two,
    ):
        for _ in range(20):
            record = await finish(memory)
            one.finished(record)
            two.finished(record)
            await anyio.sleep(0.002)
        await settled(memory)
        given = servers[0].given + servers[1].given
    assert sorted(given) == list(range(1, 21))


async def test_the_lease_of_a_dead_process_ends_at_once(memory: Store, serving: Delivering) -> None:
    """Nobody waits for it to expire."""
    server = Server()
    dead = replace(ProcessIdentity.current(), started="long ago")
    async with serving(memory, server, lease=timedelta(hours=1)):
        await settled(memory)
        lease = await memory.take_sink("server", dead, timedelta(hours=1))
        assert lease is not None
        await finish(memory)
        assert await server.until_given(1) == [1]


async def test_fenced_it_stops(memory: Store, serving: Delivering) -> None:
    """Once another process has taken over, this one delivers no further run."""
    server = Server()
    held = anyio.Event()

    async def emit(run: RunRecord) -> None:
        server.asked.append(run.number or 0)
        server.tell()
        await held.wait()

    server.emit = emit  # type: ignore[method-assign]
    other = replace(ProcessIdentity.current(), host="elsewhere")
    async with serving(memory, server, lease=timedelta(seconds=0.1)):
        for _ in range(3):
            await finish(memory)
        await server.until(lambda: len(server.asked) == 1)
        taken = await memory.take_sink("server", other, timedelta(hours=1), dead=lambda _: True)
        assert taken is not None
        await anyio.sleep(0.15)  # a renewal later it knows
        held.set()
        await anyio.sleep(0.02)
        assert server.asked == [1]
        assert [entry.number for entry in await memory.outbox("server")] == [1, 2, 3]


async def test_a_long_emit_keeps_the_lease(memory: Store, serving: Delivering) -> None:
    """It is renewed while the sink takes its time."""
    server = Server(timeout=10.0)

    async def emit(run: RunRecord) -> None:
        server.asked.append(run.number or 0)
        await anyio.sleep(1.5)
        server.given.append(run.number or 0)
        server.tell()

    server.emit = emit  # type: ignore[method-assign]
    other = replace(ProcessIdentity.current(), host="elsewhere")
    async with serving(memory, server, lease=timedelta(seconds=1)):
        await finish(memory)
        while not server.given:
            assert (
                not server.asked
                or await memory.take_sink("server", other, timedelta(hours=1), dead=lambda _: False) is None
            )
            await anyio.sleep(0.02)
        await settled(memory)


async def test_stopped_in_the_middle_it_repeats_only_what_was_under_way(
    store: Store, serving: Delivering
) -> None:
    """What the sink took before is settled although everything is cancelled."""
    server = Server()

    async def emit(run: RunRecord) -> None:
        server.asked.append(run.number or 0)
        server.tell()
        if run.number == 3:
            await anyio.sleep_forever()
        server.given.append(run.number or 0)

    server.emit = emit  # type: ignore[method-assign]
    async with serving(store, server, pace=replace(QUICK, linger=60.0)):
        for _ in range(4):
            await finish(store)
        await server.until(lambda: server.asked[-1:] == [3])
    assert [entry.number for entry in await store.outbox("server")] == [3, 4]
    [state] = await store.sinks()
    assert state.owner is None


@pytest.mark.parametrize("count", [120])
async def test_settled_as_it_goes(memory: Store, serving: Delivering, count: int) -> None:
    """A long backlog is settled in between: no more than fifty deliveries wait to be written down."""
    most = 0
    server = Server()

    async def emit(run: RunRecord) -> None:
        nonlocal most
        server.given.append(run.number or 0)
        waiting = len(await memory.outbox("server", limit=1000))
        most = max(most, len(server.given) - (count - waiting))
        server.tell()

    server.emit = emit  # type: ignore[method-assign]
    async with serving(memory, server, pace=replace(QUICK, linger=60.0)):
        for _ in range(count):
            await finish(memory)
        await server.until_given(count)
        await settled(memory)
    assert server.given == list(range(1, count + 1))
    assert 1 < most <= 51


async def test_states_are_at_hand(memory: Store, serving: Delivering) -> None:
    """How each sink stands, without asking the store."""
    server = Server()
    server.down = True
    async with serving(memory, server) as it:
        await finish(memory)
        await eventually(lambda: bool(it.states) and it.states[0].waiting == 1 and it.states[0].failures >= 1)
        assert it.states[0].error == "ConnectionRefusedError: the server is down"


async def test_it_registers_again_and_again(memory: Store, serving: Delivering) -> None:
    """A sink that nobody registers for a week is forgotten, and a scheduler may run for longer."""
    async with serving(memory, Server()) as it:
        [before] = await memory.sinks()
        await eventually(lambda: bool(it.states) and it.states[0].seen_at > before.seen_at)


async def test_waiting_costs_little(
    memory: Store, serving: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was to be tried again, and was delivered by another process meanwhile, is not looked for all the
    time."""
    asked = 0
    outbox = memory.outbox

    async def counting(*arguments: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        return await outbox(*arguments, **options)

    server = Server()
    server.bad[1] = ValueError("bad")
    other = replace(ProcessIdentity.current(), host="elsewhere")
    async with serving(memory, server, pace=replace(QUICK, poll=0.2, first=0.05, most=0.05)):
        await finish(memory, "a")
        await server.until(lambda: server.asked == [1])
        with anyio.fail_after(PATIENCE):
            while (lease := await memory.take_sink("server", other, timedelta(10))) is None:  # noqa: ASYNC110
                await anyio.sleep(0.002)
        [entry] = await outbox("server")
        gone = OutboxVerdict(entry.id, "delivered")
        assert await memory.settle_outbox(lease, [gone], failures=0, suspended_until=None, error=None)
        await memory.release_sink(lease)
        monkeypatch.setattr(memory, "outbox", counting)
        await anyio.sleep(0.5)
    assert 0 < asked < 10


async def test_an_answer_without_truth_is_a_failure(memory: Store, serving: Delivering, hooks: Hooks) -> None:
    """``accepts`` may return an object that cannot be asked whether it is true."""

    class Untrue:
        def __bool__(self) -> bool:
            raise ValueError("which of them?")

    class Vague(Server):
        answers: list[Any] = [Untrue(), True]

        def accepts(self, run: RunRecord) -> Any:
            return self.answers.pop(0)

    server = Vague()
    async with serving(memory, server) as it:
        it.finished(await finish(memory))
        assert await server.until_given(1) == [1]
    assert hooks.errors == ["which of them?"]


async def test_what_happens_to_a_sink_is_logged(
    memory: Store, serving: Delivering, caplog: pytest.LogCaptureFixture
) -> None:
    """That it is suspended once and resumed, which failures count, and what is given up."""
    caplog.set_level("INFO", logger="jobkit")
    server = Server()
    server.down = True
    async with serving(memory, server) as it:
        it.finished(await finish(memory, "a"))
        await server.until(lambda: len(server.asked) >= 4)
        server.down = False
        await server.until_given(1)
        server.bad[2] = ValueError("bad")
        server.bad[3] = Sink.Reject("never")
        for job in ("b", "c", "d"):
            it.finished(await finish(memory, job))
        await server.until_given(2)
        await settled(memory, waiting=1, dead=1)
    lines = [record.getMessage().split(" until=")[0].split(" not_before=")[0] for record in caplog.records]
    assert lines.count('sink.suspended sink=server error="ConnectionRefusedError: the server is down"') == 1
    assert any(line.startswith("sink.resumed sink=server failures=") for line in lines)
    assert any(line.startswith("sink.failed sink=server job=b run=") for line in lines)
    [letter] = [line for line in lines if line.startswith("sink.dead_letter")]
    assert "job=c" in letter
    assert letter.endswith("number=3 reason=rejected error=never")


@pytest.mark.parametrize("method", ["settle_outbox", "outbox", "take_sink", "sinks", "run"])
async def test_a_store_that_is_away_delays_and_repeats_nothing(
    memory: Store, serving: Delivering, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """What was delivered meanwhile is written down when the store is back, and not delivered again."""
    right = getattr(memory, method)
    away = anyio.Event()
    times = 0

    async def failing(*arguments: Any, **options: Any) -> Any:
        nonlocal times
        times += 1
        if times >= 5:
            away.set()
            monkeypatch.setattr(memory, method, right)
        raise StoreUnavailable("it does not answer")

    server = Server()
    async with serving(memory, server) as it:
        await settled(memory)
        monkeypatch.setattr(memory, method, failing)
        for job in "aab":
            it.finished(await finish(memory, job))
        with anyio.fail_after(PATIENCE):
            await away.wait()
        await server.until_given(3)
        await settled(memory)
    assert sorted(server.given) == [1, 2, 3]


async def test_a_lease_that_cannot_be_renewed_ends(
    memory: Store, serving: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it has run out another process may deliver: this one stops in the middle."""
    server = Server()
    stopped = anyio.Event()

    async def emit(run: RunRecord) -> None:
        server.asked.append(run.number or 0)

        async def hanging(*arguments: Any, **options: Any) -> Any:
            await anyio.sleep_forever()

        monkeypatch.setattr(memory, "take_sink", hanging)
        try:
            await anyio.sleep(5)
        finally:
            stopped.set()

    server.timeout = 10.0
    server.emit = emit  # type: ignore[method-assign]
    async with serving(memory, server, lease=timedelta(seconds=0.2)):
        await finish(memory)
        with anyio.fail_after(3):
            await stopped.wait()
    assert server.asked == [1]
