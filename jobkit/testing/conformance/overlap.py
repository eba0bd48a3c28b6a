"""Overlap: what may be beside what, in claims and wherever else runs are inserted."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from jobkit.exceptions import RunInTheWay
from jobkit.records import RunFailure, RunRecord, TickSpan
from jobkit.statuses import RunStatus
from jobkit.stores.base import Lease, RunQuery, Store
from jobkit.stores.control import CancelRequest
from jobkit.stores.ledger import Claimed, JobKey, Span, SpanQuery
from jobkit.stores.ledger_store import Overlap
from jobkit.testing.conformance.kit import (
    HERE,
    JOB,
    SECOND,
    START,
    THERE,
    Cases,
    OpenStore,
    StoreClock,
    claimed,
    mark_of,
    new_run,
    outcome,
    registered,
    request,
    run_claim,
    scheduled,
    span_of,
    tick_run,
    waiting,
)


def _at(second: int) -> Any:
    return START + second * SECOND


async def _tick(store: Store, second: int, overlap: Overlap, key: JobKey = JOB) -> Claimed:
    """What becomes of a claim of that second's tick."""
    expected = await mark_of(store, key)
    return await claimed(store, run_claim(_at(second), key, expected=expected, overlap=overlap))


async def _executed(store: Store, record: RunRecord | None, **options: Any) -> Lease:
    """The lease of a queued run, which is executed now."""
    assert record is not None
    lease = await store.start_attempt(record.id, request(**options))
    assert lease is not None
    return lease


async def _to_be_retried(store: Store, record: RunRecord | None) -> None:
    """A run whose first attempt failed, and that waits for its next."""
    failure = outcome(RunStatus.FAILED, message="no route", error=RunFailure("OSError", "no route"))
    assert await store.retry_later(await _executed(store, record), failure, await store.now() + 60 * SECOND)


async def _add(store: Store, job: str, refused: list[str]) -> None:
    """Insert a run that may be alone only, or note which was in its way."""
    try:
        await store.add_run(new_run(job), overlap="skip")
    except RunInTheWay as error:
        refused.append(error.run.id)


class OverlapCases(Cases):
    """The four rules."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    async def ready(self, store: Store, clock: StoreClock) -> Store:
        """A store with the job scheduled, a while ago."""
        await scheduled(store)
        await clock.advance(100 * SECOND)
        return store

    @pytest.mark.parametrize("executing", [False, True])
    async def test_skip_makes_a_span_of_what_is_in_the_way(self, ready: Store, executing: bool) -> None:
        """Queued or running; the span names the run and grows as long as it is that one."""
        first = await _tick(ready, 1, "skip")
        if executing:
            await _executed(ready, first.run)
        for second in (2, 3, 4):
            answer = await _tick(ready, second, "skip")
            assert (answer.kind, answer.run, answer.state.mark) == ("span", None, _at(second))
            assert answer.span is not None
            assert answer.span.span == Span("job", "", "overlap", "run 1", _at(2), _at(second), second - 1)
        assert len((await ready.runs(RunQuery())).runs) == 1

    async def test_the_span_covers_what_the_run_would_have(self, ready: Store) -> None:
        """The ticks that it stood for, behind those that were passed over."""
        await _tick(ready, 1, "skip")
        run = tick_run(_at(9), covers=TickSpan(_at(6), _at(9), 4))
        passed = span_of(_at(2), _at(5))
        claim = run_claim(_at(9), expected=_at(1), run=run, passed=passed, overlap="skip")
        assert (await claimed(ready, claim)).kind == "span"
        kept = [record.span for record in (await ready.spans(SpanQuery())).spans]
        assert kept == [Span("job", "", "overlap", "run 1", _at(6), _at(9), 4), passed]

    async def test_what_is_passed_over_is_in_one_span(self, ready: Store) -> None:
        """Though the run would have stood for it, too."""
        await _tick(ready, 1, "skip")
        run = tick_run(_at(9), covers=TickSpan(_at(2), _at(9), 8))
        passed = span_of(_at(2), _at(8))
        claim = run_claim(_at(9), expected=_at(1), run=run, passed=passed, overlap="skip")
        assert (await claimed(ready, claim)).kind == "span"
        kept = [record.span for record in (await ready.spans(SpanQuery())).spans]
        assert kept == [Span("job", "", "overlap", "run 1", _at(9), _at(9), 1), passed]

    async def test_what_has_ended_is_in_nobodys_way(self, ready: Store) -> None:
        """Finished, lost, cancelled: the next tick has its run."""
        for second, end in enumerate(("finish", "settle", "cancel"), start=1):
            answer = await _tick(ready, second, "skip")
            assert answer.run is not None
            if end == "cancel":
                await ready.request_cancel(answer.run.id, by="ops")
                continue
            lease = await _executed(ready, answer.run)
            ended = ready.finish(lease, outcome()) if end == "finish" else ready.settle(lease, dead=True)
            assert await ended is not None
        assert (await _tick(ready, 4, "skip")).kind == "run"

    async def test_other_jobs_and_nodes_are_not_meant(self, ready: Store) -> None:
        """A node's own job overlaps with itself there, and nowhere else."""
        keys = [JobKey("job", "a"), JobKey("job", "b"), JobKey("other")]
        await scheduled(ready, *keys)
        for key in (JOB, *keys):
            assert (await _tick(ready, 1, "skip", key)).kind == "run"
            assert (await _tick(ready, 2, "skip", key)).kind == "span"

    async def test_a_run_that_waits_for_its_retry_gives_way(self, ready: Store) -> None:
        """It ends as its last attempt did, and sinks are told."""
        await registered(ready, "sink")
        first = await _tick(ready, 1, "skip")
        assert first.run is not None
        await _to_be_retried(ready, first.run)
        answer = await _tick(ready, 2, "skip")
        assert (answer.kind, answer.span, answer.cancel) == ("run", None, None)
        gone = answer.displaced
        assert gone is not None
        assert gone == await ready.run(first.run.id)
        assert (gone.status, gone.reason, gone.message) == (RunStatus.FAILED, "superseded", "no route")
        assert (gone.error, gone.duration_ms) == (RunFailure("OSError", "no route"), 60_000)
        assert (gone.finished_at, gone.attempt) == (await ready.now(), 1)
        assert await waiting(ready) == [gone.id]
        assert [attempt.status for attempt in await ready.attempts(gone.id)] == [RunStatus.FAILED]
        assert await ready.start_attempt(gone.id, request()) is None

    async def test_a_pinned_run_does_not_give_way(self, ready: Store) -> None:
        """Its process still has it, between two attempts too."""
        record, lease = await ready.add_and_start(new_run("job", attempts=2), request(pinned=True))
        assert await ready.retry_later(lease, outcome(RunStatus.FAILED), await ready.now())
        answer = await _tick(ready, 1, "skip")
        assert answer.span is not None
        assert answer.span.span.cause == f"run {record.number}"

    async def test_queue_lets_one_wait(self, ready: Store) -> None:
        """Behind the one that is executed; what comes then is skipped for the one that waits."""
        first = await _tick(ready, 1, "queue")
        lease = await _executed(ready, first.run)
        second = await _tick(ready, 2, "queue")
        assert (second.kind, second.displaced, second.cancel) == ("run", None, None)
        assert second.run is not None
        third = await _tick(ready, 3, "queue")
        assert third.span is not None
        assert third.span.span.cause == f"run {second.run.number}"
        assert await ready.start_attempt(second.run.id, request(THERE)) is None
        assert await ready.queued() == []
        await ready.finish(lease, outcome())
        assert [run.id for run in await ready.queued()] == [second.run.id]
        await _executed(ready, second.run)

    async def test_cancel_asks_what_runs_to_stop(self, ready: Store) -> None:
        """The newest tick waits for it, and takes the place of the one that waited."""
        await registered(ready, "sink")
        first = await _tick(ready, 1, "cancel")
        assert first.run is not None
        lease = await _executed(ready, first.run)
        second = await _tick(ready, 2, "cancel")
        assert second.run is not None
        assert (second.kind, second.displaced) == ("run", None)
        assert second.cancel == await ready.run(first.run.id)
        asked = CancelRequest(first.run.id, f"run {second.run.number}", "overlap", await ready.now())
        assert await ready.cancel_requests() == {first.run.id: asked}
        third = await _tick(ready, 3, "cancel")
        assert third.run is not None
        gone = third.displaced
        assert gone is not None
        assert (gone.id, gone.status, gone.reason) == (second.run.id, RunStatus.SKIPPED, "superseded")
        assert f"run {third.run.number}" in (gone.message or "")
        assert await waiting(ready) == [gone.id]
        assert await ready.cancel_requests() == {first.run.id: asked}
        assert await ready.start_attempt(third.run.id, request()) is None
        await ready.finish(lease, outcome(RunStatus.CANCELLED))
        await _executed(ready, third.run)
        assert await ready.cancel_requests() == {}

    async def test_allow_lets_all_run(self, ready: Store) -> None:
        """Beside each other."""
        for second in (1, 2, 3):
            answer = await _tick(ready, second, "allow")
            assert answer.kind == "run"
            await _executed(ready, answer.run)

    async def test_one_of_many_is_inserted(self, open_store: OpenStore, clock: StoreClock) -> None:
        """A tick and nine runs by hand at once, from three replicas: none sees the others too late."""
        for turn in range(5):
            key = JobKey(f"job{turn}")
            refused: list[str] = []
            async with open_store() as one, open_store() as two, open_store() as three:
                await scheduled(one, key, mark=START - SECOND)
                async with anyio.create_task_group() as tasks:
                    for position, store in enumerate((one, two, three) * 3):
                        if position == 2 * turn:
                            tasks.start_soon(one.claim, [run_claim(START, key, overlap="skip")])
                        tasks.start_soon(_add, store, key.job, refused)
                [run] = (await one.runs(RunQuery(jobs=[key.job]))).runs
                spans = (await one.spans(SpanQuery(jobs=[key.job]))).spans
            assert set(refused) == {run.id}
            assert len(refused) + len(spans) == 9

    @pytest.mark.parametrize("start", [False, True])
    async def test_a_run_by_hand_obeys_too(self, ready: Store, start: bool) -> None:
        """It is refused, and the error names the run that is in the way."""
        first = await _tick(ready, 1, "skip")
        assert first.run is not None
        lease = await _executed(ready, first.run)
        new = new_run("job")

        async def ask() -> None:
            if start:
                await ready.add_and_start(new, request(), overlap="skip")
            else:
                await ready.add_run(new, overlap="skip")

        with pytest.raises(RunInTheWay, match="run 1 of job") as refused:
            await ask()
        assert refused.value.run == await ready.run(first.run.id)
        assert refused.value.code == "JK533"
        assert refused.value.help is not None
        assert "jobkit cancel 1" in refused.value.help
        assert len((await ready.runs(RunQuery())).runs) == 1
        await ready.finish(lease, outcome())
        await ask()
        assert (await ready.run(2)).id == new.id

    async def test_a_run_by_hand_takes_the_place_of_a_retry(self, ready: Store) -> None:
        """As a tick would."""
        first = await _tick(ready, 1, "skip")
        await _to_be_retried(ready, first.run)
        record, _ = await ready.add_and_start(new_run("job"), request(), overlap="skip")
        assert first.run is not None
        gone = await ready.run(first.run.id)
        assert (gone.status, gone.reason) == (RunStatus.FAILED, "superseded")
        assert record.status is RunStatus.RUNNING

    @pytest.mark.parametrize("overlap", ["queue", "cancel"])
    async def test_a_run_by_hand_waits_for_its_turn(self, ready: Store, overlap: Overlap) -> None:
        """Under a lease of its own, so that nobody else starts it."""
        _, lease = await ready.add_and_start(new_run("job"), request(THERE), overlap=overlap)
        new = new_run("job")
        record, own = await ready.add_and_start(new, request(pinned=True), overlap=overlap)
        assert (record.status, record.attempt, own.attempt) == (RunStatus.QUEUED, 0, 0)
        assert await ready.add_and_start(new, request(pinned=True), overlap=overlap) == (record, own)
        assert ready.renew([own]) == {record.id}
        for owner in (HERE, THERE):
            assert await ready.start_attempt(record.id, request(owner)) is None
        assert set(await ready.cancel_requests()) == ({lease.run_id} if overlap == "cancel" else set())
        await ready.finish(lease, outcome())
        assert await ready.queued() == []
        assert await ready.start_attempt(record.id, request(THERE)) is None
        started = await ready.start_attempt(record.id, request(pinned=True))
        assert started is not None
        assert (started.attempt, started.fence > own.fence) == (1, True)

    async def test_a_waiting_run_is_lost_with_its_process(self, ready: Store) -> None:
        """It never began; nobody else may have it."""
        await ready.add_and_start(new_run("job"), request(THERE), overlap="queue")
        record, own = await ready.add_and_start(new_run("job"), request(pinned=True), overlap="queue")
        lost = await ready.settle(own, dead=True, retry_at=await ready.now())
        assert lost is not None
        assert (lost.id, lost.status, lost.attempt) == (record.id, RunStatus.LOST, 0)
        assert await ready.attempts(record.id) == []

    async def test_the_same_id_again_is_not_in_its_own_way(self, ready: Store) -> None:
        """An insertion that is repeated is no second run."""
        new = new_run("job")
        record = await ready.add_run(new, overlap="skip")
        assert await ready.add_run(new, overlap="skip") == record
        other = new_run("other")
        started = await ready.add_and_start(other, request(), overlap="skip")
        assert await ready.add_and_start(other, request(), overlap="skip") == started

    async def test_an_unknown_rule_is_refused(self, store: Store) -> None:
        """Before anything is done."""
        rule: Any = "sometimes"
        with pytest.raises(ValueError, match="allow, cancel, queue, skip"):
            await store.add_run(new_run(), overlap=rule)
        with pytest.raises(ValueError, match="sometimes"):
            run_claim(START, overlap=rule)
        assert (await store.runs(RunQuery())).runs == ()
