"""Whatever happens in whichever order: every run arrives, and per job in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobkit.sinks.backoff import Backoff, Pace
from jobkit.sinks.delivery import Delivery
from jobkit.stores.base import Store
from jobkit.stores.opening import open_store
from tests.sinks.conftest import PATIENCE, Hooks, Server, finish, provided

PACE = Pace(poll=0.005, first=0.001, most=0.004, linger=0.001, grace=0.05, seed=1)

#: A run of that job ends; so many calls fail; the process is stopped and another one started; nothing.
EVENTS = st.one_of(
    st.sampled_from(["a", "b", "c"]),
    st.integers(1, 2),
    st.sampled_from(["stop", "pause"]),
)


class Unsteady(Server):
    """Fails as often as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = 0

    async def emit(self, run: Any) -> None:
        await anyio.lowlevel.checkpoint()
        if self.failing:
            self.failing -= 1
            raise ConnectionError("not now")
        await super().emit(run)


async def _play(events: list[str | int], server: Unsteady, store: Store) -> dict[int, str]:
    """Let *events* happen; the numbers of the runs and their jobs."""
    runs: dict[int, str] = {}
    rest = [*events]
    while True:
        async with (
            Delivery(provided(server), store, hooks=Hooks(), pace=PACE) as it,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(it.serve)
            while rest and (event := rest.pop(0)) != "stop":
                if isinstance(event, int):
                    server.failing += event
                elif event == "pause":
                    await anyio.sleep(0.003)
                else:
                    record = await finish(store, event)
                    runs[record.number or 0] = event
                    it.finished(record)
            if not rest:
                with anyio.fail_after(PATIENCE):
                    await server.until(lambda: {*runs} <= {*server.given})
            tasks.cancel_scope.cancel()
        if not rest:
            return runs


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=25)
@given(events=st.lists(EVENTS, max_size=25).filter(lambda events: sum(_failing(events)) < 8))
def test_every_run_arrives_in_order(backend: str, events: list[str | int]) -> None:
    """However often it fails and the process is stopped, nothing is lost, given up, or overtaken."""

    async def play() -> None:
        server = Unsteady()
        async with open_store("memory://", project="tests", root=Path()) as store:
            runs = await _play(events, server, store)
            assert await store.dead_letters() == []
        assert {*server.given} == {*runs}
        first = list(dict.fromkeys(server.given))
        for job in "abc":
            order = [number for number in first if runs[number] == job]
            assert order == sorted(order)

    anyio.run(play, backend=backend)


def _failing(events: list[str | int]) -> list[int]:
    return [event for event in events if isinstance(event, int)]


@given(failures=st.integers(1, 10_000), seed=st.integers())
def test_delays_grow_and_are_bounded(failures: int, seed: int) -> None:
    """Between a half and the whole of the doubled delay, and never longer than the longest."""
    delay = Backoff(Pace(seed=seed), "sink").seconds(failures)
    whole = min(2.0 ** min(failures - 1, 20), 300.0)
    assert whole / 2 <= delay <= whole


def test_the_same_seed_gives_the_same_delays() -> None:
    """And another name other ones: many sinks do not try at the same moments."""
    one, same, other = (Backoff(Pace(seed=7), name) for name in ("a", "a", "b"))
    delays = [one.seconds(n) for n in range(1, 9)]
    assert delays == [same.seconds(n) for n in range(1, 9)]
    assert delays != [other.seconds(n) for n in range(1, 9)]
