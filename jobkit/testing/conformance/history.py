"""Reading back: pages of history, the newest of each job, and forgetting."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from jobkit.exceptions import RunNotFound, StoreError
from jobkit.records import LogLine, RunRecord
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import RunPage, RunQuery, Store
from jobkit.testing.conformance.kit import (
    SECOND,
    START,
    Cases,
    StoreClock,
    new_run,
    outcome,
    request,
    started,
)


def _numbers(found: RunPage | Iterable[RunRecord]) -> list[int | None]:
    records = found.runs if isinstance(found, RunPage) else found
    return [record.number for record in records]


async def _some_history(store: Store, clock: StoreClock) -> None:
    """Runs 1 to 6, a second apart: a failed, b, a, child of 1, b lost, a queued."""
    first, lease = await started(store, "a", trigger=Trigger.SCHEDULE)
    await store.finish(lease, outcome(RunStatus.FAILED))
    for job, options in (("b", {}), ("a", {"trigger": Trigger.CHILD, "parent": first.id})):
        await clock.advance(SECOND)
        _, lease = await started(store, job, **options)
        await store.finish(lease, outcome())
    await clock.advance(SECOND)
    await started(store, "c", trigger=Trigger.CHILD, parent=first.id)
    await clock.advance(SECOND)
    _, lease = await started(store, "b")
    await store.settle(lease, dead=True)
    await clock.advance(SECOND)
    await store.add_run(new_run("a", trigger=Trigger.API))


class HistoryCases(Cases):
    """Queries, pages, and pruning."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, [6, 5, 4, 3, 2, 1]),
            ({"jobs": ["a"]}, [6, 3, 1]),
            ({"jobs": ["b", "c", "b"]}, [5, 4, 2]),
            ({"jobs": ["nothing"]}, []),
            ({"jobs": []}, []),
            ({"jobs": [f"x{number}" for number in range(100)] + ["a"]}, [6, 3, 1]),
            ({"statuses": [RunStatus.FAILED]}, [1]),
            ({"statuses": [RunStatus.RUNNING, RunStatus.QUEUED, RunStatus.LOST]}, [6, 5, 4]),
            ({"statuses": []}, []),
            ({"triggers": [Trigger.MANUAL, Trigger.API]}, [6, 5, 2]),
            ({"triggers": []}, []),
            ({"jobs": ["a"], "statuses": [RunStatus.SUCCEEDED, RunStatus.QUEUED]}, [6, 3]),
            ({"jobs": ["a", "b"], "triggers": [Trigger.MANUAL]}, [5, 2]),
            ({"since": START + 2 * SECOND}, [6, 5, 4, 3]),
            ({"until": START + 2 * SECOND}, [2, 1]),
            ({"since": START + SECOND, "until": START + 4 * SECOND, "jobs": ["a", "b"]}, [3, 2]),
            ({"since": START + 2 * SECOND, "until": START + 2 * SECOND}, []),
            ({"limit": 2}, [6, 5]),
            ({"limit": 2, "statuses": [RunStatus.SUCCEEDED]}, [3, 2]),
            ({"parent": "nobody"}, []),
        ],
    )
    async def test_a_query_selects(
        self, store: Store, clock: StoreClock, query: dict[str, Any], expected: list[int]
    ) -> None:
        """What meets all of its conditions, newest first."""
        await _some_history(store, clock)
        assert _numbers(await store.runs(RunQuery(**query))) == expected

    async def test_children_are_found_by_their_parent(self, store: Store, clock: StoreClock) -> None:
        """Newest first as everything."""
        await _some_history(store, clock)
        parent = await store.run(1)
        assert _numbers(await store.runs(RunQuery(parent=parent.id))) == [4, 3]
        assert _numbers(await store.runs(RunQuery(parent=parent.id, jobs=["c"]))) == [4]

    async def test_a_page_holds_whole_records(self, store: Store, clock: StoreClock) -> None:
        """The same as asking for each."""
        await _some_history(store, clock)
        for record in (await store.runs(RunQuery())).runs:
            assert record == await store.run(record.id)

    @pytest.mark.parametrize(
        "query", [{}, {"jobs": ["a", "b"]}, {"statuses": [RunStatus.QUEUED]}, {"parent": "p"}]
    )
    @pytest.mark.parametrize("size", [1, 4, 12])
    async def test_pages_show_every_run_once(
        self, store: Store, clock: StoreClock, query: dict[str, Any], size: int
    ) -> None:
        """Also those that were queued at the same instant."""
        for number in range(12):
            await store.add_run(new_run("ab"[number % 2], parent="p"))
            if number % 5 == 4:
                await clock.advance(SECOND)
        seen: list[int | None] = []
        after = None
        while True:
            page = await store.runs(RunQuery(limit=size, after=after, **query))
            seen += _numbers(page)
            assert len(page.runs) == size or page.next is None
            if page.next is None:
                break
            after = page.next
        assert seen == list(range(12, 0, -1))

    async def test_pages_stand_while_runs_are_added_and_deleted(
        self, store: Store, clock: StoreClock
    ) -> None:
        """New ones neither repeat nor hide any, and a page may end at a run that is gone."""
        for _ in range(6):
            _, lease = await started(store)
            await store.finish(lease, outcome(finished_at=clock.now()))
            await clock.advance(SECOND)
        first = await store.runs(RunQuery(limit=3))
        assert _numbers(first) == [6, 5, 4]
        await store.add_run(new_run())
        assert await store.prune(START + 4 * SECOND) == 4
        await store.add_run(new_run())
        assert _numbers(await store.runs(RunQuery(limit=3, after=first.next))) == []
        assert _numbers(await store.runs(RunQuery())) == [8, 7, 6, 5]

    @pytest.mark.parametrize("text", ["", "1", "x-1", "1-1'; --", "9" * 40 + "-1", "\ud800", "1-1-1"])
    async def test_only_the_next_of_a_page_continues_it(self, store: Store, text: str) -> None:
        """Anything else is refused, not guessed."""
        with pytest.raises(StoreError):
            await store.runs(RunQuery(after=text))

    async def test_the_last_run_of_each_job(self, store: Store, clock: StoreClock) -> None:
        """Whatever became of it, child runs included."""
        await _some_history(store, clock)
        last = await store.last_runs()
        assert {job: record.number for job, record in last.items()} == {"a": 6, "b": 5, "c": 4}
        assert last["b"] == await store.run(5)
        some = await store.last_runs(["b", "c", "unknown"])
        assert {job: record.number for job, record in some.items()} == {"b": 5, "c": 4}
        assert await store.last_runs([]) == {}

    async def test_a_store_without_runs_is_empty(self, store: Store) -> None:
        """And nothing of it is an error."""
        assert await store.runs(RunQuery()) == RunPage((), None)
        assert await store.last_runs() == {}
        assert await store.open_leases() == []
        assert await store.prune(START) == 0

    async def test_attempts_of_an_unknown_run(self, store: Store) -> None:
        """They are an error, not none."""
        with pytest.raises(RunNotFound):
            await store.attempts("no-such-run")

    async def test_pruning_deletes_what_is_over(self, store: Store, clock: StoreClock) -> None:
        """Finished before the given instant, with its attempts and lines; nothing else."""
        old, lease = await started(store, attempts=2)
        await store.add_log_lines(old.id, [LogLine(1, START, "info", "hello", 1)])
        await store.retry_later(lease, outcome(RunStatus.FAILED, finished_at=START), START)
        again = await store.start_attempt(old.id, request())
        assert again is not None
        await store.finish(again, outcome(finished_at=START + SECOND))
        running, _ = await started(store)
        queued = await store.add_run(new_run())
        at_the_limit, lease = await started(store)
        await store.finish(lease, outcome(finished_at=START + timedelta(hours=1)))
        await clock.advance(timedelta(days=1))
        young, lease = await started(store)
        await store.finish(lease, outcome(finished_at=clock.now()))
        assert await store.prune(START + timedelta(hours=1)) == 1
        left = {record.id for record in (await store.runs(RunQuery())).runs}
        assert left == {running.id, queued.id, at_the_limit.id, young.id}
        for ask in (store.run, store.attempts, store.log_lines):
            with pytest.raises(RunNotFound):
                await ask(old.id)
        assert await store.prune(START + timedelta(hours=1)) == 0

    async def test_pruning_takes_lines_along(self, store: Store, clock: StoreClock) -> None:
        """Thousands of them, in one call."""
        for _ in range(10):
            _, lease = await started(store)
            lines = [LogLine(number, START, "info", "x", 1) for number in range(1, 500)]
            await store.add_log_lines(lease.run_id, lines)
            await store.finish(lease, outcome(finished_at=START))
        await clock.advance(SECOND)
        assert await store.prune(clock.now()) == 10
        assert (await store.runs(RunQuery())).runs == ()
