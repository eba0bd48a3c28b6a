"""All runs that a query selects, page by page: a store may hold more than fit into memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.stores.base import RunPage, RunQuery

_PAGE = 2000


async def all_runs(
    read: Callable[[RunQuery], Awaitable[RunPage]], query: RunQuery
) -> AsyncIterator[tuple[RunRecord, ...]]:
    """The runs of *query* whatever its limit, newest first, in portions; *read* reads a page.

    Runs that are added meanwhile are left out.
    """
    after: str | None = None
    while True:
        page = await read(replace(query, limit=_PAGE, after=after))
        yield page.runs
        after = page.next
        if after is None:
            return
