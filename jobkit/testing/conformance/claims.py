"""Claims: every tick is accounted for once, whoever tries, and whatever the clocks say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import anyio
import anyio.lowlevel
import pytest

from jobkit.exceptions import StoreError
from jobkit.records import TickSpan
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import RunQuery, Store
from jobkit.stores.ledger import Claim, Claimed, JobKey, JobRegistration, JobState, SpanQuery
from jobkit.stores.ledger_store import Overlap
from jobkit.testing.conformance.kit import (
    DAY,
    HASH,
    JOB,
    SECOND,
    START,
    Cases,
    OpenStore,
    StoreClock,
    claimed,
    mark_of,
    outcome,
    request,
    run_claim,
    scheduled,
    span_claim,
    span_of,
    tick_run,
)

NODE = JobKey("job", "node-1")
TICK = START + SECOND


async def _ticks(store: Store) -> list[Any]:
    """The ticks that have runs, as often as they have one."""
    page = await store.runs(RunQuery(limit=10_000))
    return sorted(run.scheduled_at for run in page.runs if run.scheduled_at is not None)


class StateCases(Cases):
    """Which jobs are scheduled, by which schedule, and since when."""

    pytestmark = pytest.mark.anyio

    async def test_a_job_is_registered_with_its_mark(self, store: Store, clock: StoreClock) -> None:
        """It starts at the mark that it is given; each node has its own."""
        assert await store.job_states() == {}
        state = await store.register_job(JOB, HASH, mark=START, expected_hash=None)
        assert state == JobState(JOB, START, HASH, clock.now())
        await store.register_job(NODE, "other", mark=TICK, expected_hash=None)
        expected = {JOB: state, NODE: JobState(NODE, TICK, "other", clock.now())}
        assert await store.job_states() == expected
        assert await store.job_states([NODE, JobKey("unknown")]) == {NODE: expected[NODE]}
        assert await store.job_states([]) == {}

    async def test_registering_the_same_again_changes_nothing(self, store: Store, clock: StoreClock) -> None:
        """A restart makes up for nothing and skips nothing."""
        before = await store.register_job(JOB, HASH, mark=START, expected_hash=None)
        await clock.advance(DAY)
        for expected in (None, HASH, "third"):
            again = await store.register_job(JOB, HASH, mark=clock.now(), expected_hash=expected)
            assert again == before
        assert await store.job_states() == {JOB: before}

    async def test_another_schedule_replaces_the_expected_one(self, store: Store, clock: StoreClock) -> None:
        """Only that one: of two replicas that replace it, one does, and both see which."""
        await scheduled(store)
        await clock.advance(DAY)
        state = await store.register_job(JOB, "new", mark=clock.now(), expected_hash=HASH)
        assert state == JobState(JOB, clock.now(), "new", clock.now())
        await clock.advance(DAY)
        assert await store.register_job(JOB, "third", mark=clock.now(), expected_hash=HASH) == state
        assert await store.register_job(JOB, "third", mark=clock.now(), expected_hash=None) == state
        unknown = JobKey("unknown")
        nothing = await store.register_job(unknown, "x", mark=START, expected_hash="y")
        assert nothing == JobState(unknown, None, "", None)

    async def test_many_jobs_are_registered_at_once(self, store: Store) -> None:
        """In their order, each by itself."""
        keys = [JobKey(f"job{number:05}") for number in range(1500)]
        states = await store.register_jobs([JobRegistration(key, HASH, START) for key in keys])
        assert [state.key for state in states] == keys
        assert len(await store.job_states()) == 1500

    async def test_a_mark_ahead_of_the_clock_is_pulled_back(self, store: Store, clock: StoreClock) -> None:
        """By whoever knows where it stands."""
        ahead = START + DAY
        await scheduled(store, mark=ahead)
        assert await store.pull_back(JOB, expected=ahead - SECOND, to=START) is False
        assert await store.pull_back(JobKey("unknown"), expected=ahead, to=START) is False
        assert await mark_of(store) == ahead
        assert await store.pull_back(JOB, expected=ahead, to=START) is True
        assert await mark_of(store) == START
        with pytest.raises(ValueError, match="back"):
            await store.pull_back(JOB, expected=START, to=START)

    async def test_pruning_leaves_marks(self, store: Store, clock: StoreClock) -> None:
        """For ever: without them ticks would be repeated."""
        await scheduled(store)
        before = await store.job_states()
        await clock.advance(4000 * DAY)
        await store.prune(clock.now())
        assert await store.job_states() == before


class ClaimCases(Cases):
    """What becomes of a claim."""

    pytestmark = pytest.mark.anyio

    async def test_a_tick_gets_its_run(self, store: Store, clock: StoreClock) -> None:
        """It is queued, with all that was asked for, and the mark stands at it."""
        await scheduled(store, NODE)
        await clock.advance(SECOND)
        covers = TickSpan(START - SECOND, TICK, 3)
        run = tick_run(TICK, NODE, window=(START, TICK), covers=covers, attempts=3, parameters={"a": 1})
        answer = await claimed(store, run_claim(TICK, NODE, run=run))
        assert answer.kind == "run"
        assert answer.run == await store.run(run.id)
        assert (answer.run.number, answer.run.status, answer.run.node) == (1, RunStatus.QUEUED, "node-1")
        assert (answer.run.scheduled_at, answer.run.queued_at) == (TICK, clock.now())
        assert (answer.run.window, answer.run.covers) == (run.window, covers)
        assert (answer.run.attempts, answer.run.parameters) == (3, {"a": 1})
        assert (answer.span, answer.displaced, answer.cancel) == (None, None, None)
        assert answer.state == JobState(NODE, TICK, HASH, START)
        assert await store.job_states() == {NODE: answer.state}

    async def test_the_mark_has_to_be_the_expected_one(self, store: Store, clock: StoreClock) -> None:
        """Otherwise nothing is done, and the claim is told where it stands."""
        await scheduled(store)
        await clock.advance(10 * SECOND)
        for expected in (START - SECOND, START + SECOND, None):
            claims = [
                run_claim(START + 5 * SECOND, expected=expected, passed=span_of(TICK, TICK)),
                replace(span_claim(TICK + SECOND, TICK + SECOND), expected=expected),
            ]
            for answer in await store.claim(claims):
                assert answer == Claimed("moved", JobState(JOB, START, HASH, START))
        assert await _ticks(store) == []
        assert (await store.spans(SpanQuery())).spans == ()

    async def test_one_of_many_gets_a_tick(self, open_store: OpenStore, clock: StoreClock) -> None:
        """Three replicas, each tick tried by all of them at once: each has one run."""
        await clock.advance(20 * SECOND)
        ticks = [START + number * SECOND for number in range(1, 11)]
        kinds: list[str] = []

        async def claim_all(store: Store) -> None:
            for tick in ticks:
                answer = await claimed(store, run_claim(tick))
                kinds.append(answer.kind)

        async with open_store() as one, open_store() as two, open_store() as three:
            await scheduled(one)
            async with anyio.create_task_group() as tasks:
                for store in (one, two, three):
                    tasks.start_soon(claim_all, store)
            assert await _ticks(one) == ticks
            assert await mark_of(two) == ticks[-1]
        assert kinds.count("run") == len(ticks)
        assert kinds.count("moved") == 2 * len(ticks)

    async def test_schedulers_share_the_ticks_of_all_jobs(
        self, open_store: OpenStore, clock: StoreClock
    ) -> None:
        """Each claims what it sees, in batches; together they make one run of each tick."""
        keys = [JobKey(f"job{number}") for number in range(5)]
        ticks = [START + number * SECOND for number in range(1, 7)]
        async with open_store() as one, open_store() as two, open_store() as three:
            await scheduled(one, *keys)
            await clock.advance(10 * SECOND)

            async def serve(store: Store, keys: list[JobKey]) -> None:
                while True:
                    states = await store.job_states(keys)
                    marks = {key: state.mark for key, state in states.items() if state.mark is not None}
                    due = [key for key in keys if marks[key] < ticks[-1]]
                    if not due:
                        return
                    await store.claim([run_claim(marks[key] + SECOND, key) for key in due])

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(serve, one, keys)
                tasks.start_soon(serve, two, keys[::-1])
                tasks.start_soon(serve, three, keys[2:] + keys[:2])
            found = (await one.runs(RunQuery(limit=100))).runs
        assert sorted((run.job, run.scheduled_at) for run in found) == [
            (key.job, tick) for key in keys for tick in ticks
        ]
        assert sorted(run.number or 0 for run in found) == list(range(1, len(found) + 1))

    async def test_another_schedule_makes_no_ticks(self, store: Store, clock: StoreClock) -> None:
        """Neither runs nor spans, for a hash that is not the registered one, or where none is."""
        await scheduled(store)
        await clock.advance(10 * SECOND)
        claims = [run_claim(TICK, hash="old"), span_claim(TICK, TICK, hash="old")]
        for answer in await store.claim(claims):
            assert answer == Claimed("hash", JobState(JOB, START, HASH, START))
        unknown = JobKey("unknown")
        answer = await claimed(store, run_claim(TICK, unknown))
        assert answer == Claimed("hash", JobState(unknown, None, "", None))
        assert await _ticks(store) == []

    @pytest.mark.parametrize(("late", "kind"), [(-1_000_000, "run"), (-1_000_001, "early"), (0, "run")])
    async def test_a_tick_that_is_not_due_is_refused(
        self, store: Store, clock: StoreClock, late: int, kind: str
    ) -> None:
        """More than a second ahead of the store's clock it is too early, whatever the caller's clock says."""
        tick = clock.now() - timedelta(microseconds=late)
        mark = START - 10 * SECOND
        await scheduled(store, mark=mark)
        answer = await claimed(store, run_claim(tick, expected=mark))
        assert answer.kind == kind
        assert await mark_of(store) == (tick if kind == "run" else mark)
        span = await claimed(store, span_claim(tick + DAY, tick + DAY, expected=await mark_of(store)))
        assert span.kind == "early"
        assert (await store.spans(SpanQuery())).spans == ()

    @pytest.mark.parametrize("overlap", get_args(Overlap))
    async def test_a_tick_that_has_a_run_gets_no_second(
        self, store: Store, clock: StoreClock, overlap: Overlap
    ) -> None:
        """When the mark was pulled back, it goes forward again over what has run."""
        await scheduled(store)
        await clock.advance(10 * SECOND)
        ticks = [START + number * SECOND for number in range(1, 6)]
        for tick in ticks:
            assert (await claimed(store, run_claim(tick))).kind == "run"
        assert await store.pull_back(JOB, expected=ticks[-1], to=START) is True
        for tick in ticks:
            answer = await claimed(store, run_claim(tick, overlap=overlap))
            assert (answer.kind, answer.state.mark) == ("moved", tick)
            assert (answer.run, answer.displaced, answer.cancel) == (None, None, None)
        assert (await claimed(store, run_claim(ticks[-1] + SECOND))).kind == "run"
        assert await _ticks(store) == [*ticks, ticks[-1] + SECOND]
        assert (await store.spans(SpanQuery())).spans == ()
        assert await store.cancel_requests() == {}

    async def test_nodes_have_ticks_of_their_own(self, store: Store, clock: StoreClock) -> None:
        """The same job and instant, once on each and once for all."""
        keys = [JOB, NODE, JobKey("job", "node-2"), JobKey("other")]
        await scheduled(store, *keys)
        await clock.advance(SECOND)
        answers = await store.claim([run_claim(TICK, key, overlap="skip") for key in keys])
        assert [answer.kind for answer in answers] == ["run"] * 4

    async def test_only_claims_account_for_ticks(self, store: Store, clock: StoreClock) -> None:
        """A retry by hand has the time of its tick, and is in nobody's way."""
        await scheduled(store)
        await clock.advance(SECOND)
        await store.add_run(tick_run(TICK, trigger=Trigger.RETRY))
        await store.add_run(tick_run(TICK))
        assert (await claimed(store, run_claim(TICK))).kind == "run"
        await store.add_run(tick_run(TICK, trigger=Trigger.RETRY))
        assert await _ticks(store) == [TICK] * 4

    async def test_the_same_claim_again_finds_its_run(self, store: Store, clock: StoreClock) -> None:
        """Whoever does not know whether its call arrived calls again, also after others went on."""
        await scheduled(store)
        await clock.advance(10 * SECOND)
        claim = run_claim(TICK, overlap="skip", passed=None)
        first = await claimed(store, claim)
        assert first.run is not None
        assert await claimed(store, claim) == first
        lease = await store.start_attempt(first.run.id, request())
        assert lease is not None
        finished = await store.finish(lease, outcome())
        assert (await claimed(store, run_claim(TICK + SECOND))).kind == "run"
        again = await claimed(store, claim)
        assert (again.kind, again.run) == ("run", finished)
        assert again.state.mark == TICK + SECOND
        assert await _ticks(store) == [TICK, TICK + SECOND]

    async def test_an_id_of_another_run_is_refused(self, store: Store, clock: StoreClock) -> None:
        """Nothing is done: whoever made it made it twice."""
        await scheduled(store)
        await clock.advance(10 * SECOND)
        run = tick_run(TICK)
        await store.add_run(run)
        with pytest.raises(StoreError):
            await store.claim([run_claim(TICK, run=run)])
        assert await mark_of(store) == START

    async def test_a_claim_is_one_step(self, store: Store, clock: StoreClock) -> None:
        """A call that is cut off has moved the mark and inserted the run, or neither."""
        keys = [JobKey(f"job{number}") for number in range(100)]
        await scheduled(store, *keys)
        await clock.advance(10 * SECOND)

        async def claim(key: JobKey) -> None:
            passed = span_of(TICK, TICK, key)
            await store.claim([run_claim(TICK + SECOND, key, expected=START, passed=passed)])

        began = anyio.current_time()
        await claim(keys.pop())
        whole = anyio.current_time() - began
        for group in range(9):
            async with anyio.create_task_group() as tasks:
                for key in keys[group * 10 : group * 10 + 10]:
                    tasks.start_soon(claim, key)
                for _ in range(group):
                    await anyio.lowlevel.checkpoint()
                if group > 3:  # in the middle of what a call takes
                    await anyio.sleep(whole * (group - 3) / 6)
                tasks.cancel_scope.cancel()
        runs = {run.job for run in (await store.runs(RunQuery(limit=100))).runs}
        spans = {record.span.job for record in (await store.spans(SpanQuery(limit=100))).spans}
        moved = {key.job for key, state in (await store.job_states()).items() if state.mark != START}
        assert runs == spans == moved

    async def test_answers_come_in_the_order_of_the_claims(self, store: Store, clock: StoreClock) -> None:
        """Thousands of jobs that are due at once, in one call; several steps of one job among them."""
        keys = [JobKey(f"job{number * 7919 % 1200:04}") for number in range(1200)]
        await scheduled(store, *keys)
        await clock.advance(10 * SECOND)
        claims = [run_claim(TICK, key) for key in keys]
        claims += [run_claim(TICK + SECOND, keys[0]), run_claim(TICK + 3 * SECOND, keys[1])]
        answers = await store.claim(claims)
        assert [answer.state.key for answer in answers] == [claim.key for claim in claims]
        assert [answer.kind for answer in answers] == ["run"] * 1201 + ["moved"]
        ids = [answer.run.id for answer in answers if answer.run is not None]
        assert ids == [claim.run.id for claim in claims[:-1] if claim.run is not None]
        assert await store.claim([]) == []

    async def test_text_and_time_of_a_claim_are_exact(self, store: Store, clock: StoreClock) -> None:
        """Names are kept as all text is, instants to the microsecond."""
        key, kept = JobKey("a\0", "\ud800"), JobKey("a\ufffd", "\ufffd")
        await store.register_job(key, "\0", mark=START, expected_hash=None)
        await clock.advance(SECOND)
        tick = START + timedelta(microseconds=1)
        answer = await claimed(store, run_claim(tick, key, expected=START, hash="\0"))
        assert answer.state == JobState(kept, tick, "\ufffd", START)
        assert answer.run is not None
        assert (answer.run.job, answer.run.node) == (kept.job, kept.node)

    async def test_naive_marks_are_refused(self, store: Store) -> None:
        """A time without a zone means nothing to anybody else."""
        naive = START.replace(tzinfo=None)
        with pytest.raises(TypeError):
            await store.register_job(JOB, HASH, mark=naive, expected_hash=None)
        with pytest.raises(TypeError):
            await store.claim([Claim(JOB, None, HASH, naive, run=tick_run(START), tick=naive)])
