"""The queue of the store as the outside sees it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from jobkit.plugin import rows
from jobkit.plugin.stores import (
    CancelRequest,
    Lease,
    Outcome,
    RunRecord,
    check_page,
    clean_caps,
    clean_text,
    from_micros,
    optional_instant,
    optional_micros,
    optional_text,
)
from jobkit_postgres import control, queue
from jobkit_postgres.store_part import StorePart


class QueuePart(StorePart):
    """The part of :class:`~jobkit_postgres.store.PostgresStore` that says what is to be started."""

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
        wanted = None if jobs is None else list(map(clean_text, jobs))
        kinds = None if queues is None else list(map(clean_text, queues))
        at, caps, here = optional_micros(now), clean_caps(limits), optional_text(node)
        found = await self._database.read(
            lambda tx: queue.waiting(
                tx, jobs=wanted, queues=kinds, node=here, now=at, limits=caps, limit=limit
            )
        )
        return list(map(rows.run_record, found))

    async def next_queued(self) -> datetime | None:
        return optional_instant(await self._database.read(queue.next_queued))

    async def end_queued(self, run_id: str, outcome: Outcome) -> RunRecord | None:
        id_, values = clean_text(run_id), rows.outcome_values(outcome)
        row = await self._database.write(lambda tx: queue.end(tx, id_, values))
        return None if row is None else rows.run_record(row)

    async def abandon(self, lease: Lease) -> bool:
        return await self._database.write(lambda tx: queue.abandon(tx, lease))

    async def release_abandoned(self, lease: Lease) -> None:
        await self._write_and_wake(lambda tx: queue.release_abandoned(tx, lease))

    # -- being asked to stop ----------------------------------------------------------------------

    async def request_cancel(self, run_id: str, *, by: str, reason: str | None = None) -> RunRecord:
        id_, who, why = clean_text(run_id), clean_text(by), optional_text(reason)
        return rows.run_record(
            await self._write_and_wake(lambda tx: control.request_cancel(tx, id_, who, why))
        )

    async def cancel_requests(self, run_ids: Iterable[str] | None = None) -> dict[str, CancelRequest]:
        wanted = None if run_ids is None else list(map(clean_text, run_ids))
        found = await self._database.read(lambda tx: control.cancel_requests(tx, wanted))
        return {id_: CancelRequest(id_, by, reason, from_micros(at)) for id_, by, reason, at in found}
