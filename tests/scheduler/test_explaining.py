"""Why: whatever the rows are, each second gets the answer of the row that accounts for it, and no other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobkit.config import load_config
from jobkit.records import TickSpan, new_run_id
from jobkit.scheduler.answers import Answer
from jobkit.scheduler.evidence import Question
from jobkit.scheduler.explaining import explained
from jobkit.statuses import Trigger
from jobkit.stores.base import NewRun, Store
from jobkit.stores.ledger import Claim, JobKey, JobRegistration, Span
from jobkit.stores.ledger_store import SpanReason
from jobkit.stores.memory import MemoryStore
from jobkit.stores.replicas import Event
from jobkit.testing import VirtualClock
from tests.scheduler.ticking import World, due, job

KEY, HASH, EVERY = JobKey("job"), "hash", timedelta(seconds=5)
START = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
REASONS: tuple[SpanReason, ...] = ("overlap", "paused", "misfire", "admission")

#: A run of one tick, a catch-up run that stands for several, or a span of several.
Row = tuple[str, int]
ROWS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.just(1)),
        st.tuples(st.just("catchup"), st.integers(2, 4)),
        st.tuples(st.sampled_from(REASONS), st.integers(1, 4)),
    ),
    max_size=5,
)


def _claim(kind: str, first: datetime, count: int) -> Claim:
    last = first + (count - 1) * EVERY
    before = first - EVERY
    if kind in ("run", "catchup"):
        trigger = Trigger.SCHEDULE if kind == "run" else Trigger.CATCHUP
        run = NewRun(
            id=new_run_id(last), job="job", extension="web", trigger=trigger, scheduled_at=last,
            covers=TickSpan(first, last, count),
        )  # fmt: skip
        return Claim(KEY, before, HASH, last, run=run, tick=last, overlap="allow")
    reason: SpanReason = next(each for each in REASONS if each == kind)
    return Claim(KEY, before, HASH, last, span=Span("job", "", reason, None, first, last, count))


async def _filled(store: Store, rows: list[Row]) -> list[str]:
    """Write *rows* one behind the other; what is expected of each tick in turn."""
    expected: list[str] = []
    said = {"scheduled": True, "enabled": True, "schedule": "every 5s", "timezone": "UTC"}
    await store.add_events([Event("job.changed", START, "job", None, said)])
    for kind, count in rows:
        first = START + (len(expected) + 1) * EVERY
        [answer] = await store.claim([_claim(kind, first, count)])
        assert answer.kind in ("run", "span")
        expected += [kind] * count
    return expected


async def _answer(store: Store, second: datetime, now: datetime) -> Answer:
    return await explained(
        store, Question(job="job", second=second, now=now, zone=UTC, retention=timedelta(days=30))
    )


def _fits(answer: Answer, kind: str, tick: datetime) -> bool:
    """Whether *answer* names the row of *kind* that holds *tick*."""
    if kind in ("run", "catchup"):
        covers = None if answer.run is None else answer.run.covers
        return answer.code == "waiting" and covers is not None and covers.first <= tick <= covers.last
    span = None if answer.span is None else answer.span.span
    return answer.code == kind and span is not None and span.first <= tick <= span.last


async def _problems(rows: list[Row], *, shifted: timedelta = timedelta(0)) -> list[str]:
    """What is wrong with the answers; they are compared with the rows *shifted* by so much."""
    now = START + timedelta(minutes=10)
    clock = [START]
    async with MemoryStore(project="x", now=lambda: clock[0]) as store:
        await store.register_jobs([JobRegistration(KEY, HASH, START)])
        clock[0] = now
        expected = await _filled(store, rows)
        wrong = []
        for seconds in range(5 * len(expected) + 11):
            second = START + timedelta(seconds=seconds)
            answer = await _answer(store, second, now)
            number, rest = divmod(seconds, 5)
            if rest:
                good = answer.code == "not_a_tick"
            elif number == 0:
                good = answer.code == "changed"
            elif number > len(expected):
                good = answer.code == "no_scheduler"
            else:
                good = _fits(answer, expected[number - 1], second + shifted)
            wrong += [] if good else [f"{second:%T}: {answer.code}"]
        return wrong


@settings(max_examples=10, deadline=None)
@given(ROWS)
def test_each_second_has_the_answer_of_its_row(rows: list[Row]) -> None:
    """The tick of its registration, those of runs, covered ones, spans, what is still to come; no ticks."""
    assert anyio.run(_problems, rows) == []


@pytest.mark.parametrize("rows", [[("run", 1), ("overlap", 2)], [("catchup", 3)]])
def test_a_wrong_row_would_be_seen(rows: list[Row]) -> None:
    """The same comparison fails if the rows were others."""

    async def shifted() -> list[str]:
        return await _problems(rows, shifted=3 * EVERY)

    assert anyio.run(shifted) != []


@pytest.mark.parametrize(("misfire", "code"), [("latest", "caught_up"), ("none", "misfire")])
def test_what_a_scheduler_does_is_explained(tmp_path: Path, misfire: str, code: str) -> None:
    """Runs, overlap, and an outage of the store: every tick that it accounted for, by its row."""
    (tmp_path / "jobkit.toml").touch()
    spec = job(text="*/10 * * * * *", misfire=misfire)
    world = World(VirtualClock(START), "memory", tmp_path, load_config(tmp_path))

    async def main(here: World) -> dict[datetime, Answer]:
        await here.replica(spec, seconds=15)
        await here.pass_(100.5)
        here.store.away = True
        await here.pass_(300)
        here.store.away = False
        await here.pass_(60)
        now = here.clock.now()
        question = Question(job="job", second=now, now=now, zone=UTC, retention=timedelta(days=30), spec=spec)
        found = {}
        for tick in due(spec, START, now):
            found[tick] = await explained(here.store, replace(question, second=tick))
        return found

    answers = world.run(main)
    codes = Counter(answer.code for answer in answers.values())
    assert set(codes) - {"running"} == {"ran", "overlap", code}
    for tick, answer in answers.items():
        if answer.code == "ran":
            assert answer.run is not None
            assert answer.run.scheduled_at == tick
        if answer.code == "overlap":
            assert answer.run is not None
            assert "was being executed" in answer.text
            assert answer.run.started_at is not None
            assert (answer.run.started_at > tick) == ("by the time it was looked at" in answer.text)
        if answer.code == "misfire":
            assert "it was missed" in answer.text
