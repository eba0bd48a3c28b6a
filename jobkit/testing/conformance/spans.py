"""Spans: ticks that have no run, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobkit.exceptions import StoreError
from jobkit.stores.base import Store
from jobkit.stores.ledger import JobKey, SpanPage, SpanQuery, SpanRecord
from jobkit.testing.conformance.kit import (
    DAY,
    JOB,
    SECOND,
    START,
    Cases,
    StoreClock,
    claimed,
    mark_of,
    new_run,
    run_claim,
    scheduled,
    span_claim,
    span_of,
)


def _at(second: int) -> Any:
    return START + second * SECOND


async def _spans(store: Store, **query: Any) -> list[tuple[int, int, int]]:
    """First and last, in seconds, and count of the spans, newest first."""
    page = await store.spans(SpanQuery(**query))
    return [
        ((kept.span.first - START) // SECOND, (kept.span.last - START) // SECOND, kept.span.count)
        for kept in page.spans
    ]


async def _some_spans(store: Store, clock: StoreClock) -> None:
    """Five of them: 1-2 misfire, 3 paused, 5 misfire, 6-8 admission of ``job``; 4 paused of ``other``."""
    other = JobKey("other")
    await scheduled(store, JOB, other)
    await clock.advance(100 * SECOND)
    for claim in (
        span_claim(_at(1), _at(2)),
        span_claim(_at(3), _at(3), reason="paused", cause="paused by ops@x"),
        span_claim(_at(4), _at(4), other, expected=START, reason="paused", cause="paused by ops@x"),
        run_claim(_at(4)),
        span_claim(_at(5), _at(5)),
        span_claim(_at(6), _at(8), reason="admission", cause="plugin x"),
    ):
        assert (await claimed(store, claim)).kind != "moved"


class SpanCases(Cases):
    """Their rows, and how they are read."""

    pytestmark = pytest.mark.anyio

    async def test_a_span_accounts_for_its_ticks(self, store: Store, clock: StoreClock) -> None:
        """The mark stands at its last; all that was said of it comes back."""
        await scheduled(store)
        await clock.advance(10 * SECOND)
        claim = span_claim(_at(1), _at(3), reason="paused", cause="paused by ops@x\0")
        answer = await claimed(store, claim)
        expected = span_of(_at(1), _at(3), reason="paused", cause="paused by ops@x\ufffd")
        assert answer.span is not None
        assert answer.span == SpanRecord(answer.span.id, expected, clock.now())
        assert (answer.kind, answer.run, answer.state.mark) == ("span", None, _at(3))
        assert await store.spans(SpanQuery()) == SpanPage((answer.span,), None)
        assert (await claimed(store, claim)).kind == "moved"
        assert await _spans(store) == [(1, 3, 3)]

    async def test_what_is_passed_over_gets_its_span(self, store: Store, clock: StoreClock) -> None:
        """In the same step as the run, or the span, that comes after it."""
        await scheduled(store)
        await clock.advance(20 * SECOND)
        passed = span_of(_at(1), _at(4))
        answer = await claimed(store, run_claim(_at(5), expected=START, passed=passed))
        assert (answer.kind, answer.span) == ("run", None)
        assert await _spans(store) == [(1, 4, 4)]
        paused = span_claim(_at(8), _at(9), expected=_at(5), reason="paused")
        both = await claimed(store, replace(paused, passed=span_of(_at(6), _at(7))))
        assert both.span is not None
        assert both.span.span.reason == "paused"
        assert await _spans(store) == [(8, 9, 2), (6, 7, 2), (1, 4, 4)]

    async def test_what_belongs_together_is_one_span(self, store: Store, clock: StoreClock) -> None:
        """Tick after tick, as long as reason and cause are the same and nothing lies between."""
        await scheduled(store)
        await clock.advance(100 * SECOND)
        ids = set()
        for second in range(1, 11):
            answer = await claimed(store, span_claim(_at(second), _at(second), cause="x"))
            assert answer.span is not None
            ids.add(answer.span.id)
            assert (answer.span.span.first, answer.span.span.count) == (_at(1), second)
        assert len(ids) == 1
        assert await _spans(store) == [(1, 10, 10)]
        await claimed(store, span_claim(_at(11), _at(11), cause="y"))
        await claimed(store, span_claim(_at(12), _at(12), cause="y", reason="paused"))
        await claimed(store, run_claim(_at(13)))
        await claimed(store, span_claim(_at(14), _at(14), cause="y", reason="paused"))
        assert await store.pull_back(JOB, expected=_at(14), to=_at(13))
        await claimed(store, span_claim(_at(14), _at(15), cause="y", reason="paused"))
        expected = [(14, 15, 2), (14, 14, 1), (12, 12, 1), (11, 11, 1), (1, 10, 10)]
        assert await _spans(store) == expected

    async def test_a_new_schedule_begins_another_span(self, store: Store, clock: StoreClock) -> None:
        """Its ticks do not follow on those of the old one."""
        await scheduled(store)
        await clock.advance(10 * SECOND)
        await claimed(store, span_claim(_at(1), _at(1)))
        await store.register_job(JOB, "new", mark=_at(4), expected_hash="every second")
        await claimed(store, span_claim(_at(5), _at(5), hash="new"))
        assert await _spans(store) == [(5, 5, 1), (1, 1, 1)]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, [(6, 8, 3), (5, 5, 1), (4, 4, 1), (3, 3, 1), (1, 2, 2)]),
            ({"jobs": ["job"]}, [(6, 8, 3), (5, 5, 1), (3, 3, 1), (1, 2, 2)]),
            ({"jobs": ["other", "job", "x"]}, [(6, 8, 3), (5, 5, 1), (4, 4, 1), (3, 3, 1), (1, 2, 2)]),
            ({"jobs": []}, []),
            ({"reasons": ["paused"]}, [(4, 4, 1), (3, 3, 1)]),
            ({"reasons": ["paused", "misfire"], "jobs": ["job"]}, [(5, 5, 1), (3, 3, 1), (1, 2, 2)]),
            ({"reasons": []}, []),
            ({"since": _at(2)}, [(6, 8, 3), (5, 5, 1), (4, 4, 1), (3, 3, 1), (1, 2, 2)]),
            ({"since": _at(7)}, [(6, 8, 3)]),
            ({"until": _at(6)}, [(5, 5, 1), (4, 4, 1), (3, 3, 1), (1, 2, 2)]),
            ({"since": _at(7), "until": _at(8)}, [(6, 8, 3)]),
            ({"since": _at(9)}, []),
            ({"limit": 2}, [(6, 8, 3), (5, 5, 1)]),
        ],
    )
    async def test_a_query_selects_spans(
        self, store: Store, clock: StoreClock, query: dict[str, Any], expected: list[tuple[int, int, int]]
    ) -> None:
        """Those that touch the time that is asked for, newest first."""
        await _some_spans(store, clock)
        assert await _spans(store, **query) == expected

    @pytest.mark.parametrize("size", [1, 2, 5])
    async def test_pages_show_every_span_once(self, store: Store, clock: StoreClock, size: int) -> None:
        """Also those that end at the same tick."""
        keys = [JobKey(f"job{number}") for number in range(5)]
        await scheduled(store, *keys)
        await clock.advance(10 * SECOND)
        await store.claim([span_claim(_at(1), _at(1), key) for key in keys])
        seen: list[str] = []
        after = None
        while True:
            page = await store.spans(SpanQuery(limit=size, after=after))
            seen += [kept.span.job for kept in page.spans]
            if page.next is None:
                break
            assert len(page.spans) == size
            after = page.next
        assert seen == [key.job for key in reversed(keys)]

    async def test_only_the_next_of_a_page_of_spans_continues_it(self, store: Store) -> None:
        """Anything else is refused, and so is a page without a size."""
        for text in ("", "1", "x-1"):
            with pytest.raises(StoreError):
                await store.spans(SpanQuery(after=text))
        for limit in (0, 10_001):
            with pytest.raises(ValueError, match="10,000"):
                SpanQuery(limit=limit)

    async def test_pruning_deletes_old_spans(self, store: Store, clock: StoreClock) -> None:
        """Those that ended before the given instant; ids are not given again."""
        await _some_spans(store, clock)
        newest = (await store.spans(SpanQuery())).spans[0].id
        await clock.advance(DAY)
        await store.prune(_at(5))
        assert await _spans(store) == [(6, 8, 3), (5, 5, 1), (4, 4, 1), (3, 3, 1), (1, 2, 2)]
        await store.prune(_at(100) + SECOND)
        assert await _spans(store) == []
        assert await mark_of(store) == _at(8)
        answer = await claimed(store, span_claim(_at(9), _at(9), reason="admission", cause="plugin x"))
        assert answer.span is not None
        assert answer.span.id > newest
        assert await _spans(store) == [(9, 9, 1)]


class TickRunCases(Cases):
    """The runs of a job by their ticks."""

    pytestmark = pytest.mark.anyio

    async def test_runs_are_found_by_their_ticks(self, store: Store, clock: StoreClock) -> None:
        """From an instant on, the earliest first, on every node; none without a tick, and no other job's."""
        node, other = JobKey("job", "node-1"), JobKey("other")
        await scheduled(store, JOB, node, other)
        await clock.advance(100 * SECOND)
        for second, key in ((1, JOB), (2, JOB), (3, JOB), (2, node), (2, other)):
            claim = run_claim(_at(second), key, expected=await mark_of(store, key), overlap="allow")
            assert (await claimed(store, claim)).kind == "run"
        await store.add_run(new_run("job", scheduled_at=_at(2)))
        found = await store.tick_runs("job", since=_at(2))
        assert [run.scheduled_at for run in found] == [_at(2), _at(2), _at(3)]
        assert await store.tick_runs("job", since=_at(2), limit=1) == found[:1]
        assert await store.tick_runs("job", since=_at(4)) == []
        assert await store.tick_runs("nobody", since=START) == []
        with pytest.raises(ValueError, match="10,000"):
            await store.tick_runs("job", since=START, limit=0)
