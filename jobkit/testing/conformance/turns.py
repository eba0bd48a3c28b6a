"""Turns: missed ticks are made up one at a time, whoever claims them, and what falls due meanwhile joins."""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

import anyio
import pytest

from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import RunQuery, Store
from jobkit.stores.ledger import Claim, Claimed, JobKey, JobState, SpanQuery
from jobkit.stores.ledger_store import Overlap
from jobkit.testing.conformance.kit import (
    HASH,
    JOB,
    SECOND,
    START,
    Cases,
    OpenStore,
    StoreClock,
    claimed,
    mark_of,
    new_run,
    outcome,
    request,
    run_claim,
    scheduled,
    span_claim,
    span_of,
    tick_run,
)

MISSED, ON_TIME = Trigger.CATCHUP, Trigger.SCHEDULE


def _at(second: int) -> datetime:
    return START + second * SECOND


def _turn(second: int, trigger: Trigger, key: JobKey = JOB, **options: Any) -> Claim:
    """A claim of that second's tick that waits for its turn."""
    run = tick_run(_at(second), key, trigger=trigger)
    return run_claim(_at(second), key, run=run, in_turn=True, **options)


class TurnCases(Cases):
    """What a claim in turn waits for."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    async def ready(self, store: Store, clock: StoreClock) -> Store:
        """A store with the job scheduled, a while ago."""
        await scheduled(store)
        await clock.advance(100 * SECOND)
        return store

    @pytest.mark.parametrize("overlap", get_args(Overlap))
    @pytest.mark.parametrize("executing", [False, True])
    async def test_the_backlog_is_worked_off_one_at_a_time(
        self, ready: Store, executing: bool, overlap: Overlap
    ) -> None:
        """While a run of it is open nothing happens: no run, no span, nothing gives way, the mark stays."""
        first = await claimed(ready, _turn(1, MISSED, overlap=overlap))
        assert first.run is not None
        lease = await ready.start_attempt(first.run.id, request()) if executing else None
        for trigger in (MISSED, ON_TIME):
            claim = _turn(4, trigger, expected=_at(1), passed=span_of(_at(2), _at(3)), overlap=overlap)
            assert await claimed(ready, claim) == Claimed("busy", JobState(JOB, _at(1), HASH, START))
        assert await mark_of(ready) == _at(1)
        assert (await ready.spans(SpanQuery())).spans == ()
        assert await ready.cancel_requests() == {}
        if lease is None:
            await ready.request_cancel(first.run.id, by="ops")
        else:
            await ready.finish(lease, outcome())
        assert (await claimed(ready, _turn(2, MISSED, overlap=overlap))).kind == "run"

    @pytest.mark.parametrize(("trigger", "kind"), [(MISSED, "busy"), (ON_TIME, "span")])
    async def test_a_tick_on_time_waits_for_the_backlog_alone(
        self, ready: Store, trigger: Trigger, kind: str
    ) -> None:
        """Any other open run is for its overlap to judge; a missed tick waits for that, too."""
        await ready.add_run(new_run())
        assert (await claimed(ready, _turn(1, trigger, overlap="skip"))).kind == kind

    @pytest.mark.parametrize("trigger", [MISSED, ON_TIME])
    async def test_a_backlog_run_that_waits_for_its_retry_is_open(
        self, ready: Store, trigger: Trigger
    ) -> None:
        """It does not give way to a tick in turn."""
        first = await claimed(ready, _turn(1, MISSED))
        assert first.run is not None
        lease = await ready.start_attempt(first.run.id, request())
        assert lease is not None
        assert await ready.retry_later(lease, outcome(RunStatus.FAILED), _at(200))
        assert (await claimed(ready, _turn(2, trigger, overlap="skip"))).kind == "busy"

    @pytest.mark.parametrize("trigger", [MISSED, ON_TIME])
    async def test_an_abandoned_thread_of_the_backlog_is_open(self, ready: Store, trigger: Trigger) -> None:
        """What it works at is not over."""
        first = await claimed(ready, _turn(1, MISSED))
        assert first.run is not None
        lease = await ready.start_attempt(first.run.id, request())
        assert lease is not None
        assert await ready.abandon(lease)
        assert await ready.finish(lease, outcome(RunStatus.TIMED_OUT)) is not None
        assert (await claimed(ready, _turn(2, trigger))).kind == "busy"
        await ready.release_abandoned(lease)
        assert (await claimed(ready, _turn(2, trigger))).kind == "run"

    async def test_turns_are_a_jobs_own(self, ready: Store) -> None:
        """Neither another job's backlog nor another node's is waited for."""
        keys = [JobKey("job", "a"), JobKey("job", "b"), JobKey("other")]
        await scheduled(ready, *keys)
        for key in (JOB, *keys):
            assert (await claimed(ready, _turn(1, MISSED, key))).kind == "run"
            assert (await claimed(ready, _turn(2, MISSED, key))).kind == "busy"

    async def test_a_claim_out_of_turn_does_not_wait(self, ready: Store) -> None:
        """Only those who ask for their turn have it."""
        for second in (1, 2, 3):
            run = tick_run(_at(second), trigger=MISSED)
            assert (await claimed(ready, run_claim(_at(second), run=run))).kind == "run"

    async def test_the_same_claim_in_turn_finds_its_run(self, ready: Store) -> None:
        """It is not in its own way, and the mark goes over what has run."""
        claim = _turn(1, MISSED)
        first = await claimed(ready, claim)
        assert await claimed(ready, claim) == first
        assert await ready.pull_back(JOB, expected=_at(1), to=START) is True
        answer = await claimed(ready, _turn(1, MISSED))
        assert (answer.kind, answer.state.mark) == ("moved", _at(1))

    async def test_one_of_many_has_the_turn(self, open_store: OpenStore, clock: StoreClock) -> None:
        """Three replicas work off one backlog: each tick has its run, and none runs beside another."""
        await clock.advance(100 * SECOND)
        refused: list[str] = []

        async def work(store: Store, second: int) -> None:
            answer = await claimed(store, _turn(second, MISSED, overlap="skip"))
            if answer.run is None:
                refused.append(answer.kind)

        async with open_store() as one, open_store() as two, open_store() as three:
            await scheduled(one)
            for second in (1, 2, 3):
                async with anyio.create_task_group() as tasks:
                    for store in (one, two, three):
                        tasks.start_soon(work, store, second)
                [run] = await one.queued()
                # Whoever saw the mark before is told so; whoever sees it now waits for its turn.
                assert (await claimed(two, _turn(second + 1, MISSED))).kind == "busy"
                lease = await three.start_attempt(run.id, request())
                assert lease is not None
                await three.finish(lease, outcome())
            page = await one.runs(RunQuery())
            assert sorted(run.scheduled_at for run in page.runs if run.scheduled_at) == [
                _at(1),
                _at(2),
                _at(3),
            ]
        assert refused == ["moved"] * 6

    async def test_a_span_has_no_turn(self, ready: Store) -> None:
        """It says why there is no run, whatever runs."""
        await claimed(ready, _turn(1, MISSED))
        assert (await claimed(ready, span_claim(_at(2), _at(3), expected=_at(1)))).kind == "span"
        with pytest.raises(ValueError, match="turns"):
            Claim(JOB, _at(3), HASH, _at(4), span=span_of(_at(4), _at(4)), in_turn=True)
