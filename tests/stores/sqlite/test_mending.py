"""What only a store object can be asked wrongly, and that following the advice answers it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobkit.codes import explanation
from jobkit.exceptions import StoreError
from jobkit.records import RunRecord
from jobkit.stores.base import NewRun, RunQuery
from jobkit.stores.sqlite.store import SqliteStore

Open = Callable[..., SqliteStore]


def _advice(error: StoreError, code: str) -> str:
    assert error.code == code
    assert explanation(code) is not None
    return error.help or ""


async def test_writing_where_it_was_opened_for_reading(
    open_store: Open, made: RunRecord, new: Callable[..., NewRun]
) -> None:
    """JK617: another store that this process may write to, as the advice says, takes it."""
    async with open_store(read_only=True) as store:
        with pytest.raises(StoreError) as refused:
            await store.add_run(new())
        assert "use another [scheduler] store" in _advice(refused.value, "JK617")
    async with open_store() as store:
        assert (made.number, (await store.add_run(new())).number) == (1, 2)


async def test_a_store_that_was_not_entered(open_store: Open, new: Callable[..., NewRun]) -> None:
    """JK618: entered as the advice says, the same object answers."""
    store = open_store()
    with pytest.raises(StoreError) as refused:
        await store.add_run(new())
    assert "`async with store:`" in _advice(refused.value, "JK618")
    async with store:
        assert (await store.add_run(new())).number == 1


async def test_a_page_that_nothing_continues(open_store: Open, new: Callable[..., NewRun]) -> None:
    """JK619: passed as it is, the `next` of the page before continues it."""
    async with open_store() as store:
        for _ in range(2):
            await store.add_run(new())
        page = await store.runs(RunQuery(limit=1))
        assert page.next is not None
        with pytest.raises(StoreError) as refused:
            await store.runs(RunQuery(limit=1, after=page.next[:-3]))
        assert "pass the `next` of the page before as it is" in _advice(refused.value, "JK619")
        more = await store.runs(RunQuery(limit=1, after=page.next))
        assert [run.number for run in (*page.runs, *more.runs)] == [2, 1]
