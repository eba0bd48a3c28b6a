"""The queue of the embedded store as the outside sees it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from jobkit.records import RunRecord
from jobkit.stores import rows
from jobkit.stores.base import Lease, Outcome
from jobkit.stores.ledger_store import check_page
from jobkit.stores.plain import clean_text
from jobkit.stores.sqlite import control, queue
from jobkit.stores.sqlite.store_part import StorePart
from jobkit.stores.values import (
    clean_caps,
    from_micros,
    optional_instant,
    optional_text,
    to_micros,
)

if TYPE_CHECKING:
    from jobkit.stores.control import CancelRequest


class QueuePart(StorePart):
    """The part of :class:`~jobkit.stores.sqlite.store.SqliteStore` that says what is to be started."""

    async def queued(
        self,
        *,
        jobs: Collection[str] | None = None,
        queues: Collection[str] | None = None,
        node: str | None = None,
        now: datetime | None = None,
        limits: Mapping[str, int] | None = None,
        limit: int = 100,
    ) -> list[RunRecord]:
        check_page(limit, "runs")
        work = partial(
            queue.waiting,
            jobs=None if jobs is None else list(map(clean_text, jobs)),
            queues=None if queues is None else list(map(clean_text, queues)),
            node=optional_text(node),
            at=to_micros(self._now() if now is None else now),
            limits=clean_caps(limits),
            limit=limit,
        )
        return list(map(rows.run_record, await self._database.read(work)))

    async def next_queued(self) -> datetime | None:
        work = partial(queue.next_queued, at=to_micros(self._now()))
        return optional_instant(await self._database.read(work))

    async def end_queued(self, run_id: str, outcome: Outcome) -> RunRecord | None:
        work = partial(
            queue.end, run_id=clean_text(run_id), outcome=rows.outcome_values(outcome), now=self._now
        )
        row = await self._database.write(work)
        return None if row is None else rows.run_record(row)

    async def abandon(self, lease: Lease) -> bool:
        return await self._database.write(partial(queue.abandon, lease=lease))

    async def release_abandoned(self, lease: Lease) -> None:
        await self._write_and_wake(partial(queue.release_abandoned, lease=lease))

    # -- being asked to stop ----------------------------------------------------------------------

    async def request_cancel(self, run_id: str, *, by: str, reason: str | None = None) -> RunRecord:
        work = partial(
            control.request_cancel,
            run_id=clean_text(run_id),
            by=clean_text(by),
            reason=optional_text(reason),
            now=self._now,
        )
        return rows.run_record(await self._write_and_wake(work))

    async def cancel_requests(self, run_ids: Iterable[str] | None = None) -> dict[str, CancelRequest]:
        from jobkit.stores.control import CancelRequest

        wanted = None if run_ids is None else list(map(clean_text, run_ids))
        found = await self._database.read(partial(control.cancel_requests, run_ids=wanted))
        return {id_: CancelRequest(id_, by, reason, from_micros(at)) for id_, by, reason, at in found}
